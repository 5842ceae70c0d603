"""The messages that leave a probe: structs, vocabularies and their encoding. Imports nothing of ours and does no I/O."""
