"""An open observatory of internet censorship: a probe that measures and a collector that tells what it saw."""

__version__ = "0.1.0"
