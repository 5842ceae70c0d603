"""Tests of the messages and of their conversion."""
