"""What a layer concludes, before the layers are put together."""

import enum
from collections.abc import Iterable

import msgspec

from probe.wire.verdicts import Evidence
from probe.wire.vocabulary import Technique

RULES = "2026.11.2"  # version of all rules together: raise it whenever one of them changes its mind


class Says(enum.Enum):
    """What a finding means for the endpoint."""

    FINE = "fine"  # this layer works
    BLOCKS = "blocks"  # somebody stops it here
    DOWN = "down"  # the site's own fault: the control sees it too
    UNCLEAR = "unclear"  # it failed, and nothing tells why
    NOTE = "note"  # worth telling, changes nothing


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One rule that fired. `confidence` is how sure the rule is of what it says, 0 to 1."""

    says: Says
    rule: str
    text: str
    confidence: float = 0.0
    technique: Technique | None = None
    injected: bool = False
    scope: str | None = None


def fine(rule: str, text: str, confidence: float = 0.9) -> Finding:
    return Finding(says=Says.FINE, rule=rule, text=text, confidence=confidence)


def note(rule: str, text: str) -> Finding:
    return Finding(says=Says.NOTE, rule=rule, text=text)


def down(rule: str, text: str, confidence: float = 0.9) -> Finding:
    return Finding(says=Says.DOWN, rule=rule, text=text, confidence=confidence)


def unclear(rule: str, text: str, confidence: float = 0.5) -> Finding:
    return Finding(says=Says.UNCLEAR, rule=rule, text=text, confidence=confidence)


def blocks(
    technique: Technique,
    rule: str,
    text: str,
    confidence: float,
    *,
    injected: bool = False,
    scope: str | None = None,
) -> Finding:
    return Finding(
        says=Says.BLOCKS,
        rule=rule,
        text=text,
        confidence=confidence,
        technique=technique,
        injected=injected,
        scope=scope,
    )


def evidence(findings: Iterable[Finding]) -> tuple[Evidence, ...]:
    return tuple(Evidence(rule=finding.rule, text=finding.text) for finding in findings)


def any_says(findings: Iterable[Finding], says: Says) -> bool:
    return any(finding.says is says for finding in findings)
