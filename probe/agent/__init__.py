"""The daemon on a volunteer's machine: what to test and when, what becomes of it, and what it tells its owner."""
