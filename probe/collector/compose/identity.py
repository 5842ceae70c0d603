"""The name of a transition: that of its content, so the same transition is the same record and the same notice."""

import hashlib

import msgspec

from probe.detect.records import Transition


def identity(transition: Transition) -> str:
    return hashlib.sha256(msgspec.json.encode(transition)).hexdigest()[:32]
