"""What the probe remembers of each service from round to round, and across restarts."""

import datetime as dt
from collections.abc import Iterable

import msgspec

from probe.catalogue.model import Endpoint, Service
from probe.wire.verdicts import Tally
from probe.wire.vocabulary import Outcome, Technique

FAILING = frozenset({Outcome.BLOCKED, Outcome.PARTIAL, Outcome.DEGRADED, Outcome.INCONCLUSIVE})
NEWS = dt.timedelta(hours=1)  # for which a service that changed is tested in every round, whatever the budget


class Remembered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`turn` is the group with which the next light sample begins; `tested` the number of the last round that tested
    it. Moments are UTC. `since`: of the present outcome. A void says nothing about a service, and changes nothing."""

    turn: int = 0
    tested: int = -1
    deep_at: dt.datetime | None = None
    page_at: dt.datetime | None = None
    outcome: Outcome | None = None
    techniques: tuple[Technique, ...] = ()
    since: dt.datetime | None = None
    tested_at: dt.datetime | None = None
    changed: bool = False  # ever, since the first outcome

    @property
    def failing(self) -> bool:
        return self.outcome in FAILING

    def is_news(self, now: dt.datetime) -> bool:
        return self.changed and self.since is not None and dt.timedelta() <= now - self.since < NEWS

    def after(self, tally: Tally, now: dt.datetime) -> "Remembered":
        if tally.outcome is Outcome.VOID:
            return self
        if tally.outcome is self.outcome:
            return msgspec.structs.replace(self, techniques=tally.techniques, tested_at=now)
        return msgspec.structs.replace(
            self,
            outcome=tally.outcome,
            techniques=tally.techniques,
            since=now,
            tested_at=now,
            changed=self.outcome is not None,
        )


class Memory(msgspec.Struct, kw_only=True, omit_defaults=True):
    """By `platform.service`. `round`: how many rounds there have been."""

    round: int = 0
    services: dict[str, Remembered] = {}

    def of(self, key: str) -> Remembered:
        return self.services.get(key, _NOTHING)

    def update(self, key: str, **facts: object) -> Remembered:
        self.services[key] = msgspec.structs.replace(self.of(key), **facts)
        return self.services[key]

    def forget_all_but(self, keys: Iterable[str]) -> None:
        kept = set(keys)
        self.services = {key: value for key, value in self.services.items() if key in kept}


_NOTHING = Remembered()


def groups_of(endpoints: Iterable[Endpoint]) -> list[tuple[Endpoint, ...]]:
    """Alternatives stay together: a group says something only as a whole."""
    groups: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        groups.setdefault(endpoint.group or endpoint.url, []).append(endpoint)
    return [tuple(group) for group in groups.values()]


def sampled(service: Service, turn: int, most: int | None) -> tuple[tuple[Endpoint, ...], int]:
    """Whole groups from `turn` on, of `most` endpoints together (at least one group), and the next turn."""
    groups = groups_of(measurable(service))
    if most is None or not groups:
        return tuple(endpoint for group in groups for endpoint in group), 0
    chosen: list[Endpoint] = []
    for taken in range(len(groups)):
        group = groups[(turn + taken) % len(groups)]
        if chosen and len(chosen) + len(group) > most:
            return tuple(chosen), (turn + taken) % len(groups)
        chosen += group
    return tuple(chosen), turn % len(groups)


def measurable(service: Service) -> tuple[Endpoint, ...]:
    """Without what this version has no step for."""
    return tuple(endpoint for endpoint in service.endpoints if endpoint.target.scheme != "quic")
