"""The command line: thin commands, one file a group. Imports inside functions keep `--help` fast."""
