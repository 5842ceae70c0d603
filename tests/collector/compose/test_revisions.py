"""What a collector first took for a vote, and was told better a quarter of an hour later: the history is that of a
replay, which knows only what was said last."""

import datetime as dt
import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probe.collector.analyse.handover import Handed
from probe.collector.analyse.schema import VIEWS, read_views
from probe.collector.compose.compare import compared, incidents_in, keeping
from probe.detect.settings import Settings
from probe.detect.votes import Vote
from probe.wire.vocabulary import Outcome
from tests.collector.compose.fleet import LIFT, ONSET, Stage, batches, content, handed, votes
from tests.collector.compose.replaying import in_parts
from tests.collector.compose.replaying import live as replay_live

QUARTER = 900.0
FINAL = votes()


def said(one: Vote, **fields: object) -> Vote:
    return msgspec.structs.replace(one, **fields)


def early(one: Vote) -> Vote:
    return said(one, time=one.time - 8)


def again(vote: Vote, number: int, revision: int = 1, mute: bool = False) -> Handed:
    (plain,) = handed([vote], QUARTER, 100_000 * revision + number)
    return msgspec.structs.replace(plain, revision=revision, vote=None if mute else vote)


Before = Callable[[Vote], Vote | None]


def worked(one: Vote) -> Vote | None:
    """Blocked in the end."""
    return said(early(one), outcome=Outcome.OK, technique="") if one.outcome is Outcome.BLOCKED else None


def stopped(one: Vote) -> Vote | None:
    """It worked in the end."""
    hit = one.outcome is Outcome.OK and one.service == "messaging" and ONSET < one.time < LIFT and one.asn == 9121
    return said(early(one), outcome=Outcome.BLOCKED, technique="sni-reset") if hit else None


def abroad(one: Vote) -> Vote | None:
    """In another network in the end."""
    return said(early(one), asn=47331) if one.outcome is Outcome.BLOCKED else None


def by_resolver(one: Vote) -> Vote | None:
    """No resolver's lie in the end."""
    forged = {"technique": "dns-forged", "resolver_asn": 15169}
    return said(early(one), **forged) if one.outcome is Outcome.BLOCKED else None


def silent(one: Vote) -> Vote | None:
    """Inconclusive until then: no vote."""
    return said(early(one), outcome=Outcome.INCONCLUSIVE) if one.outcome is Outcome.BLOCKED else None


def live(before: Before) -> list[Handed]:
    firsts = [(place, first) for place, one in enumerate(FINAL) if (first := before(one)) is not None]
    late = [again(FINAL[place], place) for place, _ in firsts]
    told = handed(FINAL)
    for place, first in firsts:
        mute = first.outcome is Outcome.INCONCLUSIVE
        told[place] = msgspec.structs.replace(told[place], vote=None if mute else first)
    ordered = sorted(told + late, key=lambda one: (one.received, one.serial))
    return [msgspec.structs.replace(one, serial=serial) for serial, one in enumerate(ordered, 1)]


def facts(path: Path) -> list[tuple[object, ...]]:
    fields = ("id", "event", "state", "onset", "confirmed_at", "ended_at", "networks", "services", "not_affected")
    return [tuple(getattr(one, field) for field in fields) for one in incidents_in(path) if one.confirmed_at]


def spoken(path: Path) -> list[tuple[object, ...]]:
    """The votes of services, by their cells: these are numbered as they come."""
    names = {row[0]: row[1:7] for row in content(path)["cells"]}
    found = [(names[row[0]], *row[1:]) for row in content(path)["votes"]]
    return sorted((one for one in found if one[6]), key=repr)


def played(path: Path, told: list[Handed], like: Path | None = None) -> Path:
    stage = Stage(path, name=keeping(incidents_in(like) if like is not None else ()))
    stage.play(told)
    stage.close()
    return path


@pytest.mark.parametrize("before", [worked, stopped, abroad, by_resolver, silent])
def test_a_vote_that_is_revised_a_quarter_of_an_hour_later_leaves_what_a_replay_finds(
    tmp_path: Path, before: Before
) -> None:
    assert sum(before(one) is not None for one in FINAL) > 30
    lived = played(tmp_path / "live", live(before))
    replayed = played(tmp_path / "replay", handed(FINAL), lived)
    assert facts(lived) == facts(replayed)
    assert len(facts(lived)) == 1
    assert spoken(lived) == spoken(replayed)


def test_votes_that_turn_out_to_say_nothing_take_their_incident_back(tmp_path: Path) -> None:
    late = [again(one, place, mute=True) for place, one in enumerate(FINAL) if one.outcome is Outcome.BLOCKED]
    stage = Stage(tmp_path / "live")
    stage.play(handed(FINAL) + late)
    kinds = [kind for (kind,) in stage.journal.connection.execute("SELECT kind FROM records ORDER BY serial")]
    stage.close()
    assert "confirmed" in kinds
    assert "withdrawn" in kinds
    assert facts(tmp_path / "live") == []


def test_it_goes_on_when_a_process_begins_anew_before_every_revision(tmp_path: Path) -> None:
    told = live(worked)
    calm, stage = played(tmp_path / "calm", told), Stage(tmp_path / "anew")
    for now, batch in batches(told):
        if any(one.revision for one in batch):
            stage = stage.reopened()
        stage.tick(batch, now)
    stage.close()
    assert content(tmp_path / "anew") == content(calm)


def test_what_was_rolled_back_is_revised_again(tmp_path: Path) -> None:
    told = live(worked)
    calm, stage = played(tmp_path / "calm", told), Stage(tmp_path / "torn")
    for now, batch in batches(told):
        if any(one.revision for one in batch):
            stage.journal.connection.execute("BEGIN IMMEDIATE")
            stage.composer.tick(batch, now)
            stage.journal.connection.execute("ROLLBACK")
        stage.tick(batch, now)
    stage.close()
    assert content(tmp_path / "torn") == content(calm)


CHANGES = st.tuples(st.integers(0, len(FINAL) - 1), st.sampled_from([worked, abroad, by_resolver, silent]))


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(CHANGES, max_size=200), st.integers(0, 2**32))
def test_revisions_that_overtake_each_other_end_alike(changes: list[tuple[int, Before]], seed: int) -> None:
    """The last is what was said first here, so that all come to the same."""
    chance = random.Random(seed)
    told = [again(one, place, 9) for place, one in enumerate(FINAL)]
    for number, (place, before) in enumerate(changes):
        if (lower := before(FINAL[place])) is not None:
            told.append(again(lower, number, number % 9, lower.outcome is Outcome.INCONCLUSIVE))
    told = [msgspec.structs.replace(one, received=one.presence.time + chance.choice([5, 1200])) for one in told]
    with TemporaryDirectory() as folder:
        lived = played(Path(folder) / "live", told)
        replayed = played(Path(folder) / "replay", handed(FINAL), lived)
        assert facts(lived) == facts(replayed)
        assert spoken(lived) == spoken(replayed)


def test_reports_that_come_in_parts_lead_to_what_their_replay_finds(tmp_path: Path) -> None:
    """Of a round's two addresses of X one came in time; the other, after the vote was closed."""
    replay_live(tmp_path, in_parts(dt.timedelta(minutes=12), "twitter.com"))
    with closing(read_views(tmp_path / VIEWS)) as views:
        (revised,) = views.execute("SELECT count(*) FROM votes WHERE revision > 0 AND closed = 1").fetchone()
    assert revised > 50
    assert compared(tmp_path / "journal.sqlite", tmp_path / VIEWS, tmp_path / "scratch", Settings()) == []
