"""A request's body, read within bounds of size and time."""

import trio
from starlette.types import Receive

from probe.collector.ingest_refusals import Refusal

_PATIENCE = 30.0  # seconds for a whole body


def declared_length(headers: dict[bytes, bytes], limit: int) -> None:
    """Raises Refusal where the sender says itself that it is too much."""
    text = headers.get(b"content-length")
    if text is not None and (not text.isdigit() or int(text[:12]) > limit):
        raise _too_large(limit)


async def whole_body(receive: Receive, limit: int) -> bytes:
    """Raises Refusal where it is longer or slower than may be; Disconnected is for the server to see."""
    parts: list[bytes] = []
    size = 0
    with trio.move_on_after(_PATIENCE) as waiting:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "malformed", "the body ended early")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limit:
                raise _too_large(limit)
            if not message.get("more_body", False):
                break
    if waiting.cancelled_caught:
        raise Refusal(408, "too-slow", f"the body did not arrive within {_PATIENCE:g} seconds")
    return b"".join(parts)


def _too_large(limit: int) -> Refusal:
    return Refusal(413, "too-large", f"the body is larger than {limit} bytes")
