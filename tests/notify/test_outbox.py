"""Nothing decided is lost, nothing is told twice to a channel that took it."""

import datetime as dt
import sqlite3
from pathlib import Path

import msgspec
import pytest

from probe.notify.alertmanager import alert
from probe.notify.channels import Channel, fault_in
from probe.notify.notice import Phase
from probe.notify.outbox import LONGEST_WAIT, MOST_POLITE, Outbox
from tests.notify.notices import notice

NOW = dt.datetime(2020, 2, 27, 20, 36, tzinfo=dt.UTC)
HOOK = Channel(name="hook", type="webhook", url="https://hook.example/", secret="s")


def hook(**more: str) -> Channel:
    return msgspec.structs.replace(HOOK, **more)


OTHER = Channel(name="other", type="apprise", url="json://localhost")


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(sqlite3.connect(":memory:"))


def test_a_notice_posted_twice_is_told_once(outbox: Outbox) -> None:
    assert outbox.post([notice()], [HOOK, OTHER], NOW) == 2
    assert outbox.post([notice()], [HOOK, OTHER], NOW) == 0
    outbox.delivered(notice().id, "hook", NOW)
    assert outbox.head("hook") is None
    assert outbox.post([notice()], [HOOK], NOW) == 0
    assert outbox.head("hook") is None
    assert outbox.head("other") is not None


def test_notices_go_out_in_the_order_in_which_they_were_decided(outbox: Outbox) -> None:
    outbox.post([notice(9)], [HOOK], NOW)
    outbox.post([notice(2, Phase.RESOLVED)], [HOOK], NOW)
    first = outbox.head("hook")
    assert first is not None
    assert first.notice.id == notice(9).id


def test_a_channel_added_later_hears_nothing_of_what_was_before(outbox: Outbox) -> None:
    outbox.post([notice(1)], [HOOK], NOW)
    outbox.post([notice(2, Phase.UPDATED)], [HOOK, OTHER], NOW)
    waiting = outbox.head("other")
    assert waiting is not None
    assert waiting.notice.phase is Phase.UPDATED


def test_a_rolled_back_decision_tells_nobody(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "journal.db")
    outbox = Outbox(database)
    outbox.post([notice()], [HOOK], NOW)
    database.rollback()
    assert outbox.head("hook") is None
    database.close()


@pytest.mark.parametrize("attempts", [0, 3, 60])
def test_waits_grow_and_end(outbox: Outbox, attempts: int) -> None:
    outbox.post([notice()], [HOOK], NOW)
    for _ in range(attempts + 1):
        waiting = outbox.head("hook")
        assert waiting is not None
        outbox.failed(waiting, "hook", NOW, None)
    waiting = outbox.head("hook")
    assert waiting is not None
    assert waiting.attempts == attempts + 1
    assert 1 <= waiting.due - NOW.timestamp() <= 1.25 * LONGEST_WAIT


@pytest.mark.parametrize(("asked", "most"), [(300.0, 301), (1e9, MOST_POLITE + 1)])
def test_the_other_side_may_name_the_wait_within_reason(outbox: Outbox, asked: float, most: float) -> None:
    outbox.post([notice()], [HOOK], NOW)
    waiting = outbox.head("hook")
    assert waiting is not None
    outbox.failed(waiting, "hook", NOW, asked)
    again = outbox.head("hook")
    assert again is not None
    assert min(asked, MOST_POLITE) - 1 <= again.due - NOW.timestamp() <= most


def test_failures_are_counted_by_channel_beside_what_it_took(outbox: Outbox) -> None:
    outbox.post([notice(1), notice(2)], [HOOK], NOW)
    outbox.delivered(notice(1).id, "hook", NOW)
    waiting = outbox.head("hook")
    assert waiting is not None
    outbox.failed(waiting, "hook", NOW, None)
    for _ in range(2):
        outbox.unrepeated("hook")
        outbox.unrepeated("other")
    assert outbox.counts() == {"hook": (1, 3), "other": (0, 2)}


def test_a_channel_gets_what_it_wants_only(outbox: Outbox) -> None:
    ugandan = Channel(name="ug", type="apprise", url="json://localhost", countries=("UG",))
    outages = Channel(name="outages", type="apprise", url="json://localhost", kinds=("network-outage",))
    assert outbox.post([notice()], [ugandan, outages], NOW) == 0
    assert outbox.post([notice(2, country="UG", kind="network-outage")], [ugandan, outages], NOW) == 2


@pytest.mark.parametrize(
    ("channels", "says"),
    [
        ((HOOK, HOOK), "two channels are named 'hook'"),
        ((Channel(name="a", type="alertmanager", url="ftp://am.example"),), "must begin with http"),
        ((Channel(name="a", type="webhook", url="https://hook.example"),), "needs a secret"),
        ((hook(secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwx"),), "channel 'hook': what follows whsec_"),
        ((hook(secret="whsec_"),), "not base64"),
        ((hook(secret="whsec_MfKQ9r8GKYqrTwj*PD8ILPZIo2LaLaSw"),), "not base64"),
        ((hook(secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),), None),
        ((hook(url="http://hooks..example.org/in"),), "channel 'hook': url has no host"),
        ((hook(url=f"http://{'a' * 64}.example.org/in"),), "no host"),
        ((hook(url="http://hook.example:99999/in"),), "no host or port"),
        ((hook(url="http://[::1/in"),), "no host"),
        ((hook(url="https:///in"),), "no host"),
        ((hook(url="https://hook.example/ in"),), "typing mistake"),
        ((hook(url="http://[::1]:9093/in"),), None),
        ((hook(url="http://alert_manager:9093"),), None),
        ((hook(url="https://bücher.example/in"),), None),
        ((HOOK, OTHER), None),
    ],
)
def test_a_fault_in_the_list_of_channels_is_named(channels: tuple[Channel, ...], says: str | None) -> None:
    found = fault_in(channels)
    assert found is None if says is None else says in (found or "")


def test_a_channel_that_is_gone_is_told_nothing_more_also_when_it_comes_back(outbox: Outbox) -> None:
    outbox.post([notice(1), notice(2, incident="other")], [HOOK, OTHER], NOW)
    outbox.delivered(notice(1).id, "hook", NOW)
    outbox.only(["other"])
    assert outbox.head("hook") is None
    assert outbox.head("other") is not None
    outbox.only(["other", "hook"])
    assert outbox.head("hook") is None
    outbox.post([notice(3, Phase.UPDATED)], [HOOK], NOW)
    waiting = outbox.head("hook")
    assert waiting is not None
    assert waiting.notice.id == notice(3).id


def test_a_notice_that_is_refused_holds_up_its_own_incident_only(outbox: Outbox) -> None:
    outbox.post([notice(1), notice(2, Phase.RESOLVED), notice(3, incident="other")], [HOOK], NOW)
    refused = outbox.head("hook")
    assert refused is not None
    outbox.failed(refused, "hook", NOW, None)
    following = outbox.head("hook")
    assert following is not None
    assert following.notice.id == notice(3, incident="other").id
    outbox.delivered(following.notice.id, "hook", NOW)
    again = outbox.head("hook")
    assert again is not None
    assert again.notice.id == notice(1).id


def test_a_correction_of_what_is_over_does_not_raise_it_again() -> None:
    over = notice(1, Phase.CORRECTED, ends_at=NOW)
    assert over.over
    assert alert(over, NOW)["endsAt"] == NOW.isoformat()
