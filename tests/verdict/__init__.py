"""Tests of the rules that turn records into verdicts."""
