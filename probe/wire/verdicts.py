"""What is concluded of a measurement, with its reasons."""

import msgspec

from probe.wire.vocabulary import Outcome, Technique


class Evidence(msgspec.Struct, frozen=True):
    """A rule that fired, and a plain sentence with the facts it rests on."""

    rule: str
    text: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`techniques` in the order in which a connection meets them; `scope` is `opt-in` where the filter was the
    owner's own choice (told, never a vote), `resolver` where a resolver outside the ISP did it; `rules` is the
    version of the rules that concluded."""

    outcome: Outcome
    techniques: tuple[Technique, ...] = ()
    injected: bool = False
    confidence: float = 0.0
    evidence: tuple[Evidence, ...] = ()
    scope: str | None = None
    void: str | None = None
    rules: str = ""

    @property
    def technique(self) -> Technique | None:
        return self.techniques[0] if self.techniques else None


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a service or platform, from those on its parts. `endpoints` counts outcomes, zero left out."""

    platform: str
    service: str | None = None
    outcome: Outcome
    techniques: tuple[Technique, ...] = ()
    confidence: float = 0.0
    endpoints: dict[str, int] = {}

    @property
    def technique(self) -> Technique | None:
        return self.techniques[0] if self.techniques else None
