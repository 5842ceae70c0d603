"""What the probes said, round by round, and what that makes of each ISP."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from probe.lab.scenario.population import Vantage

SILENT = ("void", "inconclusive")  # outcomes that say nothing about anybody else
STOPPED = ("blocked", "partial", "degraded")


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """What one probe said of one platform or service."""

    outcome: str
    techniques: tuple[str, ...] = ()


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What one probe makes of everything at one moment. `words` by platform and by `platform.service`; `fault` where it
    did not answer."""

    vantage: Vantage
    words: dict[str, Word] = {}
    fault: str | None = None


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One platform or service at one ISP in one round: what most of its probes say of those that can tell."""

    asn: int
    subject: str
    outcome: str
    techniques: tuple[str, ...]
    votes: dict[str, int]


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, asked once an interval."""

    at: dt.datetime
    number: int
    said: tuple[Said, ...]

    def cell(self, asn: int, subject: str) -> Cell | None:
        """None where no probe said anything of it."""
        words = [
            s.words[subject] for s in self.said if s.vantage.asn == asn and _votes(s.vantage) and subject in s.words
        ]
        if not words:
            return None
        votes = Counter(word.outcome for word in words)
        telling = Counter({outcome: n for outcome, n in votes.items() if outcome not in SILENT}) or votes
        outcome = telling.most_common(1)[0][0]
        techniques = Counter(word.techniques for word in words if word.outcome == outcome)
        return Cell(
            asn=asn,
            subject=subject,
            outcome=outcome,
            techniques=techniques.most_common(1)[0][0],
            votes=dict(votes),
        )


def words_of(states: Iterable[dict[str, Any]]) -> dict[str, Word]:
    """From what a probe tells of its services and platforms at `/status`."""
    words = {}
    for state in states:
        subject = f"{state['platform']}.{state['service']}" if "service" in state else state["platform"]
        words[subject] = Word(outcome=state["outcome"], techniques=tuple(state.get("techniques", ())))
    return words


def _votes(vantage: Vantage) -> bool:
    """A probe whose traffic leaves from somewhere else says nothing about its ISP."""
    return vantage.trouble != "vpn"
