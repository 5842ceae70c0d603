"""From the journal to Alertmanager and webhooks, as the collector's processes do it: one decides, another sends."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import trio

from probe.clock import SystemClock
from probe.collector.analyse.handover import Handed, Handover, votes_after
from probe.collector.analyse.journal import JOURNAL, Journal, Record
from probe.collector.analyse.schema import VIEWS, remove_views
from probe.collector.compose.run import asking, deliver
from probe.collector.config import load_config
from probe.collector.documents import Documents
from probe.detect.records import Retest
from probe.detect.votes import Cell
from tests.collector.analyse import world
from tests.collector.compose.fleet import ONSET, Stage, batches, handed, votes
from tests.collector.compose.replaying import entries, live
from tests.notify.receivers import alertmanager, alerts, free_port, receiving


async def test_a_confirmed_block_is_an_alert_with_its_words_and_ends_with_it(tmp_path: Path) -> None:
    port, state = free_port(), tmp_path / "state"
    state.mkdir()
    with receiving() as receiver, alertmanager(tmp_path / "am", port) as base:
        file = tmp_path / "collector.yaml"
        file.write_text(
            f"state: {state}\nnotify:\n"
            f"  - {{name: hook, type: webhook, url: '{receiver.url}', secret: s}}\n"
            f"  - {{name: am, type: alertmanager, url: '{base}'}}\n"
        )
        config = load_config(file)
        stage = Stage(state / JOURNAL, channels=config.notify)
        played = list(batches(handed(votes())))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(deliver, config, SystemClock())
            for now, batch in [pair for pair in played if pair[0] < ONSET + 600]:
                stage.tick(batch, now)
            with trio.fail_after(60):
                while not (firing := await trio.to_thread.run_sync(alerts, base)):  # noqa: ASYNC110
                    await trio.sleep(0.1)
            for now, batch in [pair for pair in played if pair[0] >= ONSET + 600]:
                stage.tick(batch, now)
            with trio.fail_after(60):
                while await trio.to_thread.run_sync(alerts, base) or len(receiver.taken) < 3:  # noqa: ASYNC110
                    await trio.sleep(0.1)
            nursery.cancel_scope.cancel()
        stage.close()
    (alert,) = firing
    assert alert["labels"]["alertname"] == "InternetRestriction"
    assert alert["annotations"]["summary"] == "Facebook and X blocked in Turkey, via Türk Telekom (AS9121)"
    assert [json.loads(body)["phase"] for _, body in receiver.taken] == ["firing", "updated", "resolved"]


def test_a_retest_is_on_the_desk_of_every_probe_that_was_named(tmp_path: Path) -> None:
    documents, clock = Documents.open(tmp_path / "documents.sqlite"), SystemClock()
    wanted = Retest(cell=Cell("TR", 9121, "x", "web"), since=1e9, probes=("c1", "t2"))
    for _ in range(2):
        asking(documents, clock)(wanted)
    found = documents.retests(clock.now())
    assert found.keys() == {"c1", "t2"}
    ((one,), (other,)) = found.values()
    assert one == other, "the same doubt is one wish"
    assert (one.platform, one.service) == ("x", "web")
    assert 0 < (one.until - clock.now()).total_seconds() <= 600
    documents.close()


def test_a_desk_that_cannot_be_written_to_holds_up_no_alarm(tmp_path: Path) -> None:
    documents = Documents.open(tmp_path / "documents.sqlite")
    documents.close()
    asking(documents, SystemClock())(Retest(cell=Cell("TR", 9121, "x", "web"), since=1e9, probes=("c1",)))


def test_the_answer_to_a_retest_is_a_vote_that_says_so(tmp_path: Path) -> None:
    analysis = world.analysis(tmp_path / VIEWS)
    item = world.reported(
        world.reset("facebook.com"), at=world.START, round=world.identifier(world.START), retest="wish"
    )
    analysis.advance([world.entry(world.report([item], world.START), 1, world.START)])
    (one,) = votes_after(analysis.connection, 0, 10)
    assert one.vote is not None
    assert one.vote.retest
    assert one.received == world.START.timestamp()
    analysis.close()


def test_detection_goes_on_where_it_was_in_views_that_were_made_anew(tmp_path: Path) -> None:
    """The new ones count their votes anew, and the log may not reach back as far as before."""
    everything = entries()
    live(tmp_path, everything[:60])
    remove_views(tmp_path / VIEWS)
    analysis, journal = world.analysis(tmp_path / VIEWS), Journal(tmp_path / JOURNAL)
    before = journal.connection.execute("SELECT max(time) FROM detect_votes").fetchone()[0]

    class Counting:
        def __init__(self) -> None:
            self.handed: list[float] = []

        def tick(self, handed: Sequence[Handed], now: float) -> list[Record]:  # noqa: ARG002
            self.handed += [one.presence.time for one in handed]
            return []

        def forget(self, probe: str) -> Iterator[int]:  # noqa: ARG002
            return iter(())

    counting = Counting()
    handover = Handover(lambda: analysis.connection, journal, counting)
    analysis.advance(everything[30:100])
    handover.tick(0.0)
    fresh = {one.presence.time for one in votes_after(analysis.connection, 0, 5000) if one.presence.time > before}
    assert fresh <= set(counting.handed)
    assert len(counting.handed) < len(votes_after(analysis.connection, 0, 5000))
    analysis.close()
    journal.close()


def test_the_journal_is_in_wal_mode_so_that_readers_and_the_sender_hold_nobody_up(tmp_path: Path) -> None:
    Stage(tmp_path / JOURNAL).close()
    with sqlite3.connect(tmp_path / JOURNAL) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()
    assert JOURNAL.endswith(".sqlite"), "backups take what is called so"
