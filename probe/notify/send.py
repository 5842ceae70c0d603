"""One notice to one channel, once. Retrying is the outbox's."""

import base64
import datetime as dt
import hashlib
import hmac

import msgspec
import trio

from probe.notify.alertmanager import tell
from probe.notify.channels import Channel, key_of
from probe.notify.delivered import Undelivered, post
from probe.notify.notice import Notice

_LONGEST_CHAT = 3000  # characters; the shortest limit of the usual chats is Telegram's 4096


async def send(channel: Channel, notice: Notice, now: dt.datetime) -> None:
    """Raises Undelivered."""
    match channel.type:
        case "webhook":
            await _webhook(channel, notice, now)
        case "apprise":
            await _apprise(channel, notice)
        case "alertmanager":
            await tell(channel.url, [notice])


def signature(secret: str, id: str, timestamp: int, body: bytes) -> str:
    """As the Standard Webhooks specification 1.0 has it: HMAC-SHA256 over `id.timestamp.body`, base64."""
    digest = hmac.new(key_of(secret), f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


async def _webhook(channel: Channel, notice: Notice, now: dt.datetime) -> None:
    body, timestamp = msgspec.json.encode(notice), int(now.timestamp())
    headers = {
        "content-type": "application/json",
        "webhook-id": notice.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(channel.secret or "", notice.id, timestamp, body),
    }
    await post(channel.url, body, headers)


async def _apprise(channel: Channel, notice: Notice) -> None:
    """The library is blocking: it runs in a thread of its own."""
    try:
        import apprise  # noqa: PLC0415 (an extra)
    except ImportError as exc:
        raise Undelivered("the library apprise is not installed: pip install 'censorship-probe[notify]'") from exc
    sender = apprise.Apprise()
    if not sender.add(channel.url):
        raise Undelivered("apprise does not know this kind of URL: see its list of services")
    text = notice.description[:_LONGEST_CHAT] + (f"\n{notice.url}" if notice.url else "")
    kind = apprise.NotifyType.SUCCESS if notice.over else apprise.NotifyType.WARNING

    def deliver() -> bool:
        return bool(sender.notify(title=notice.summary, body=text, notify_type=kind))

    if not await trio.to_thread.run_sync(deliver, abandon_on_cancel=True):
        raise Undelivered("the service did not take it")
