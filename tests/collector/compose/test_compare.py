"""A replay finds the incidents of the journal again, under their ids; where new rules find others it says so, and the
journal stays as it is."""

import hashlib
import random
from pathlib import Path

import msgspec
import pytest

from probe.collector.analyse.schema import VIEWS
from probe.collector.compose.compare import compared, differences, incidents_in, keeping, sentence
from probe.detect.records import Incident
from probe.detect.settings import Settings
from tests.collector.compose.fleet import ONSET, Stage, batches, handed, votes
from tests.collector.compose.replaying import entries, live


def test_the_same_views_give_the_journals_incidents_under_the_same_ids(tmp_path: Path) -> None:
    live(tmp_path, entries())
    journal = tmp_path / "journal.sqlite"
    assert [one.event for one in incidents_in(journal) if one.confirmed_at is not None] == ["restriction"]
    before = hashlib.sha256(journal.read_bytes()).digest()
    scratch = tmp_path / "scratch"
    assert compared(journal, tmp_path / VIEWS, scratch, Settings()) == []
    assert hashlib.sha256(journal.read_bytes()).digest() == before
    assert list(tmp_path.glob("scratch*")) == []


def test_rules_that_find_less_are_told_of(tmp_path: Path) -> None:
    live(tmp_path, entries())
    strict = Settings(least_threshold=500.0)
    (lost,) = compared(tmp_path / "journal.sqlite", tmp_path / VIEWS, tmp_path / "scratch", strict)
    assert lost.what == "lost"
    assert lost.incident in sentence(lost)


def test_every_order_of_arrival_ends_in_the_same_incident(tmp_path: Path) -> None:
    """Within an hour, with the ids of the journal that saw them in time."""
    said = handed(votes())
    calm = Stage(tmp_path / "calm.sqlite")
    calm.play(said)
    calm.close()
    known = incidents_in(calm.path)
    for seed in (1, 2):
        chance = random.Random(seed)
        late = [msgspec.structs.replace(one, received=one.received + chance.uniform(0, 3000)) for one in said]
        mixed = Stage(tmp_path / f"mixed-{seed}.sqlite", name=keeping(known))
        for now, batch in batches(late):
            mixed.tick(batch, now)
        mixed.close()
        found = [one for one in incidents_in(mixed.path) if one.confirmed_at is not None]
        assert list(differences([one for one in known if one.confirmed_at is not None], found)) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"onset": ONSET + 60}, "onset 2020-02-27T20:30:00Z, now 2020-02-27T20:31:00Z"),
        ({"ended_at": ONSET + 600}, "ended_at -, now 2020-02-27T20:40:00Z"),
        ({"services": {"x.web": "partial"}}, "services x.web full, now x.web partial"),
    ],
)
def test_what_differs_is_said_field_by_field(changes: dict[str, object], says: str) -> None:
    facts: dict[str, object] = {"services": {"x.web": "full"}, "confirmed_at": ONSET, "onset": ONSET}
    was, now = (
        Incident(id="a", event="restriction", state="confirmed", country="TR", **(facts | more))  # type: ignore[arg-type]
        for more in ({}, changes)
    )
    (found,) = differences([was], [now])
    assert sentence(found) == f"a: {says}"
    assert list(differences([was], [was])) == []
