"""Measures one endpoint as a straight line of steps and, where it fails, changes one thing at a time to learn why."""
