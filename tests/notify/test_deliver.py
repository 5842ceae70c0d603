"""Every channel gets its notices, however the others fare; with real receivers on loopback."""

import base64
import hashlib
import hmac
import json
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from probe.clock import SystemClock
from probe.notify.alertmanager import alert
from probe.notify.channels import Channel
from probe.notify.deliver import Delivery
from probe.notify.delivered import Undelivered
from probe.notify.delivered import post as post_to
from probe.notify.notice import Notice, Phase
from probe.notify.outbox import Outbox
from probe.notify.send import signature
from tests.notify.notices import INCIDENT, ONSET, notice
from tests.notify.receivers import alertmanager, alerts, free_port, receiving

CLOCK = SystemClock()
PATIENCE = 60.0


def nothing() -> list[Notice]:
    """What lasts where nothing does."""
    return []


def post(outbox: Outbox, channels: list[Channel], *notices: Notice) -> None:
    outbox.post(notices, channels, CLOCK.now())


async def until(holds: Callable[[], bool]) -> None:
    with trio.fail_after(PATIENCE):
        while not holds():  # noqa: ASYNC110 (the receiver is in another thread)
            await trio.sleep(0.02)


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(sqlite3.connect(":memory:", check_same_thread=False))


async def test_a_channel_that_is_away_does_not_keep_the_others_waiting(outbox: Outbox) -> None:
    with receiving() as receiver:
        away = Channel(name="away", type="webhook", url=f"http://127.0.0.1:{free_port()}/", secret="s")
        there = Channel(name="there", type="webhook", url=receiver.url, secret="s")
        delivery = Delivery(outbox, [away, there], CLOCK, nothing)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(delivery.run)
            await trio.testing.wait_all_tasks_blocked()
            post(outbox, [away, there], notice(1), notice(2, Phase.RESOLVED))
            delivery.wake()
            await until(lambda: outbox.head("there") is None)
            nursery.cancel_scope.cancel()
        assert [json.loads(body)["id"] for _, body in receiver.taken] == [notice(1).id, notice(2).id]
    assert outbox.head("away") is not None
    assert outbox.counts()["there"] == (2, 0)
    taken, failed = outbox.counts()["away"]
    assert taken == 0
    assert failed > 0


async def test_a_webhook_is_signed_so_that_its_receiver_can_tell(outbox: Outbox) -> None:
    with receiving(503) as receiver:
        hook = Channel(name="hook", type="webhook", url=receiver.url, secret="only we know")
        post(outbox, [hook], notice())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Delivery(outbox, [hook], CLOCK, nothing).run)
            await until(lambda: outbox.head("hook") is None)
            nursery.cancel_scope.cancel()
        ((headers, body),) = receiver.taken
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = base64.b64encode(hmac.new(b"only we know", signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"
    assert headers["webhook-id"] == notice().id
    assert json.loads(body)["incident_record"] == {"platforms": ["x", "facebook", "instagram"]}


def test_the_signature_is_that_of_the_specification() -> None:
    """The example of the Standard Webhooks specification, 1.0."""
    body = b'{"test": 2432232314}'
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    made = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.filterwarnings("ignore:.imghdr. is deprecated:DeprecationWarning")  # within apprise
async def test_mail_and_chats_go_through_apprise(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("apprise")
    caplog.set_level(logging.CRITICAL, "apprise")
    with receiving(500) as receiver:
        chat = Channel(name="chat", type="apprise", url=receiver.url.replace("http://", "json://"))
        post(outbox, [chat], notice())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Delivery(outbox, [chat], CLOCK, nothing).run)
            await until(lambda: outbox.head("chat") is None)
            nursery.cancel_scope.cancel()
        ((_, body),) = receiver.taken
    assert "X, Facebook and Instagram are blocked in Turkey" in json.loads(body)["title"]


async def test_alertmanager_fires_is_updated_and_resolved(outbox: Outbox, tmp_path: Path) -> None:
    port = free_port()
    channel = Channel(name="am", type="alertmanager", url=f"http://127.0.0.1:{port}")
    delivery = Delivery(outbox, [channel], CLOCK, nothing)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(delivery.run)
        post(outbox, [channel], notice(1))
        delivery.wake()
        await until(lambda: bool((head := outbox.head("am")) and head.attempts))  # it was away, and is tried again
        with alertmanager(tmp_path / "am", port) as base:
            await until(lambda: outbox.head("am") is None)
            (firing,) = alerts(base)
            assert firing["labels"]["incident"] == INCIDENT
            assert firing["startsAt"].startswith("2020-02-27T20:30:00")
            post(outbox, [channel], notice(2, Phase.UPDATED, summary="WhatsApp, too"))
            delivery.wake()
            await until(lambda: outbox.head("am") is None)
            (updated,) = alerts(base)
            assert updated["fingerprint"] == firing["fingerprint"]
            assert updated["annotations"]["summary"] == "WhatsApp, too"
            post(outbox, [channel], notice(3, Phase.RESOLVED, ends_at=ONSET))
            delivery.wake()
            await until(lambda: alerts(base) == [])
        nursery.cancel_scope.cancel()


async def test_an_alertmanager_that_lost_its_memory_is_told_again(outbox: Outbox, tmp_path: Path) -> None:
    port = free_port()
    channel = Channel(name="am", type="alertmanager", url=f"http://127.0.0.1:{port}")
    post(outbox, [channel], notice())
    outbox.delivered(notice().id, "am", CLOCK.now())
    with alertmanager(tmp_path / "am", port) as base:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Delivery(outbox, [channel], CLOCK, lambda: [notice()]).run)
            await until(lambda: len(alerts(base)) == 1)
            nursery.cancel_scope.cancel()


async def test_a_renamed_alertmanager_is_told_what_lasts_and_what_it_wants(outbox: Outbox, tmp_path: Path) -> None:
    """Else it would take the incident as over after five minutes, as nobody repeats it."""
    port = free_port()
    before = Channel(name="am", type="alertmanager", url=f"http://127.0.0.1:{port}")
    renamed = msgspec.structs.replace(before, name="alertmanager", countries=("TR",))
    post(outbox, [before], notice())
    outbox.delivered(notice().id, "am", CLOCK.now())
    lasting = [notice(), notice(2, incident="other", country="UG")]
    with alertmanager(tmp_path / "am", port) as base:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Delivery(outbox, [renamed], CLOCK, lambda: lasting).run)
            await until(lambda: len(alerts(base)) == 1)
            nursery.cancel_scope.cancel()
        (alone,) = alerts(base)
    assert alone["labels"]["incident"] == INCIDENT


async def test_an_alertmanager_that_is_away_while_incidents_last_is_counted(outbox: Outbox) -> None:
    channel = Channel(name="am", type="alertmanager", url=f"http://127.0.0.1:{free_port()}")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Delivery(outbox, [channel], CLOCK, lambda: [notice()]).run)
        await until(lambda: outbox.counts() == {"am": (0, 1)})
        nursery.cancel_scope.cancel()
    outbox.only(["renamed"])
    assert outbox.counts() == {}


async def test_a_journal_that_cannot_be_asked_for_a_moment_ends_no_delivery(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    def full() -> list[Notice]:
        raise sqlite3.OperationalError("database or disk is full")

    away = Channel(name="am", type="alertmanager", url=f"http://127.0.0.1:{free_port()}")
    with receiving() as receiver:
        hook = Channel(name="hook", type="webhook", url=receiver.url, secret="s")
        delivery = Delivery(outbox, [away, hook], CLOCK, full)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(delivery.run)
            await until(lambda: "disk is full" in caplog.text)
            post(outbox, [hook], notice())
            delivery.wake()
            await until(lambda: outbox.head("hook") is None)
            nursery.cancel_scope.cancel()


async def test_a_name_that_no_resolver_is_asked_for_is_not_delivered_to() -> None:
    with pytest.raises(Undelivered, match="idna"):
        await post_to("http://hooks..example.org/in", b"{}", {})


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("http://hooks..example.org/in", "s"),
        (f"http://127.0.0.1:{1 << 16}/", "s"),
        ("http://127.0.0.1:9/", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwx"),
    ],
)
async def test_a_mistyped_channel_fails_alone(
    outbox: Outbox, url: str, secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    with receiving() as receiver:
        bad = Channel(name="bad", type="webhook", url=url, secret=secret)
        good = Channel(name="good", type="webhook", url=receiver.url, secret="s")
        post(outbox, [bad, good], notice())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Delivery(outbox, [bad, good], CLOCK, nothing).run)
            await until(lambda: outbox.counts() == {"bad": (0, 1), "good": (1, 0)})
            nursery.cancel_scope.cancel()
        assert len(receiver.taken) == 1
    assert "channel bad" in caplog.text


def test_the_labels_of_an_alert_never_change_while_it_lasts() -> None:
    now = CLOCK.now()
    changed = notice(2, Phase.UPDATED, summary="other", description="other", incident_record={"platforms": []})
    over = notice(3, Phase.RESOLVED, ends_at=ONSET)
    assert alert(notice(), now)["labels"] == alert(changed, now)["labels"] == alert(over, now)["labels"]
