"""What is in effect at a moment: events that have begun and are not lifted."""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce

import msgspec

from probe.catalogue.model import Catalogue
from probe.lab.interference import Interference, Offline
from probe.lab.outage import Outage
from probe.lab.scenario.model import OF_AN_ISP, OF_THE_WORLD, Event, Scenario
from probe.lab.scenario.subset import hosts_of, services_of
from probe.lab.scenario.techniques import recipe_of


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """One event at one ISP, or in the whole world, on the services (`platform.service`) that are not lifted yet.
    `subjects` are the same in the event's words: platforms as a whole, where nothing of them is lifted."""

    event: Event
    asn: int | None
    services: tuple[str, ...]
    subjects: tuple[str, ...]

    def __str__(self) -> str:
        share = f" ({self.event.share:.0%})" if self.event.share < 1 else ""
        what = f" {', '.join(self.subjects)}{share}" if self.services else ""
        return f"{self.event.technique}{what}"


def after(
    effects: Sequence[Effect], events: Iterable[Event], scenario: Scenario, catalogue: Catalogue
) -> tuple[Effect, ...]:
    """What is in effect once these events have happened."""
    return reduce(lambda before, event: tuple(_after(before, event, scenario, catalogue)), events, tuple(effects))


def recipes(effects: Iterable[Effect], asn: int, catalogue: Catalogue) -> Iterator[Interference]:
    """What this ISP does."""
    for effect in effects:
        if effect.asn != asn:
            continue
        if effect.event.technique in OF_AN_ISP:
            yield Offline(how="unplugged")
        else:
            yield recipe_of(effect.event, hosts_of(effect.services, catalogue, effect.event.share))


def outages(effects: Iterable[Effect], catalogue: Catalogue) -> Iterator[Outage]:
    """The world's own faults."""
    for effect in effects:
        names = hosts_of(effect.services, catalogue, effect.event.share)
        match effect.event.technique:
            case "outage-names":
                yield Outage(names=names, how="names")
            case "outage-refused":
                yield Outage(names=names, how="refused")
            case "outage-silent":
                yield Outage(names=names, how="silent")


def _after(before: Sequence[Effect], event: Event, scenario: Scenario, catalogue: Catalogue) -> Iterator[Effect]:
    if event.lift is not None:
        yield from _lifted(before, event, catalogue)
        return
    yield from before
    services = services_of(event.platforms, event.services, catalogue)
    subjects = (*event.platforms, *event.services)
    where = [None] if event.technique in OF_THE_WORLD else event.isps or [isp.asn for isp in scenario.isps]
    for asn in where:
        yield Effect(event=event, asn=asn, services=services, subjects=subjects)


def _lifted(before: Iterable[Effect], event: Event, catalogue: Catalogue) -> Iterator[Effect]:
    for effect in before:
        left = _left(effect, event, catalogue)
        elsewhere = event.isps and effect.asn not in event.isps
        if elsewhere or (not effect.services and event.lift != "all"):
            yield effect
        elif left:
            yield msgspec.structs.replace(effect, services=left, subjects=tuple(_told(effect, left)))


def _left(effect: Effect, event: Event, catalogue: Catalogue) -> tuple[str, ...]:
    """Of the effect's services; a shutdown, which has none, only ends with all."""
    if isinstance(event.lift, str) or event.lift is None:
        return ()
    platforms = [word for word in event.lift if "." not in word]
    lifted = services_of(platforms, [word for word in event.lift if "." in word], catalogue)
    return tuple(service for service in effect.services if service not in lifted)


def _told(effect: Effect, left: tuple[str, ...]) -> Iterator[str]:
    for subject in effect.subjects:
        own = [service for service in effect.services if service == subject or service.startswith(f"{subject}.")]
        yield from [subject] if set(own) <= set(left) else [service for service in own if service in left]
