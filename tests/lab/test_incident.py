"""The incident of 27 February 2020 as the report has it, found by agents and a collector, and who was told of it."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest

from probe.lab.model import LabError
from probe.lab.scenario.effects import Effect
from probe.lab.scenario.history import Round, Said
from probe.lab.scenario.loader import find, load_scenario
from probe.lab.scenario.model import Event
from probe.lab.scenario.population import Vantage
from probe.lab.scenario.run import play
from probe.lab.scenario.verify import verify
from probe.lab.sealed import check_machine
from probe.notify.send import signature

from .alarm_room import SECRET, AlarmRoom, Hook

WITHIN = 10.0  # seconds from `confirmed` to an alert that fires
RULED = 30.0  # the same by way of Prometheus: a scrape, an evaluation each 15 s
SPEED = 15.0


class Nobody:
    """Watches nothing."""

    def stands(self, vantages: Sequence[Vantage]) -> None: ...

    def clock(self, at: dt.datetime, speed: float) -> None: ...

    def changed(self, at: dt.datetime, events: Sequence[Event], effects: Sequence[Effect]) -> None: ...

    def said(self, at: dt.datetime, said: Said) -> None: ...

    def round(self, round: Round) -> None: ...


def test_the_incident_of_february_2020_is_found_told_and_ended() -> None:
    try:
        check_machine()
    except LabError as error:
        pytest.skip(str(error))
    scenario, room = load_scenario(find("turkey-2020-02-27")), AlarmRoom()
    played = play(scenario, Nobody(), SPEED, room.company)
    checks = verify(scenario, played.rounds, played.incidents)
    failed = [f"{check.what}: {check.seen}" for check in checks if not check.held]
    assert failed == []
    (incident,) = played.incidents
    name = incident["id"]
    assert techniques(incident) == {
        9121: {"sni-drop", "ip-drop", "sni-reset"},
        47331: {"sni-drop", "sni-reset"},
        15897: {"dns-forged"},
        16135: {"sni-reset", "ip-drop"},
        34984: {"dns-nxdomain"},
    }
    assert set(room.confirmed) == set(room.alerted) == set(room.ruled) == {name}
    assert room.alerted[name] - room.confirmed[name] < WITHIN
    assert room.ruled[name] - room.confirmed[name] < RULED
    told_the_desk(room.desk, name)
    told_on_call(room.on_call, name)


def techniques(incident: dict[str, Any]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for restriction in incident["restrictions"]:
        found.setdefault(restriction["asn"], set()).add(restriction["technique"])
    return found


def told_the_desk(hooks: list[Hook], incident: str) -> None:
    """Once each and in order: that it began, what was added, that it is over; each is signed."""
    phases = [hook.content["phase"] for hook in hooks]
    assert phases[0] == "firing"
    assert phases[-1] == "resolved"
    assert set(phases[1:-1]) <= {"updated", "corrected"}
    assert {hook.content["incident"] for hook in hooks} == {incident}
    ids = [hook.headers["webhook-id"] for hook in hooks]
    assert len(set(ids)) == len(ids)
    for hook in hooks:
        stamp = int(hook.headers["webhook-timestamp"])
        signed = signature(SECRET, hook.headers["webhook-id"], stamp, hook.body.encode())
        assert hook.headers["webhook-signature"] == signed


def told_on_call(hooks: list[Hook], incident: str) -> None:
    statuses = [hook.content["status"] for hook in hooks]
    assert statuses[0] == "firing"
    assert statuses[-1] == "resolved"
    told = {alert["labels"]["incident"] for hook in hooks for alert in hook.content["alerts"]}
    assert told == {incident}
