"""The messages that leave a probe: structs, vocabularies, encoding. Imports nothing of ours and does no I/O."""
