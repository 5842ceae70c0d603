"""Questions to a collector's API, and its refusals as one line each."""

import http.client
import os
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from probe.cli.faults import Failed, Fault

_PATIENCE = 20.0  # seconds
_LARGEST = 32 << 20  # bytes of an answer
_PAGE = 200
TOKEN = "PROBE_TOKEN"


class NotFound(Exception):
    """There is no such thing there."""


def ask(collector: str, path: str, asked: Mapping[str, str]) -> dict[str, Any]:
    """Raises NotFound, Fault, Failed."""
    status, raw = _answer(collector, path + (f"?{urllib.parse.urlencode(asked)}" if asked else ""))
    if status == http.client.NOT_FOUND and _reason(raw):
        raise NotFound
    if status in {http.client.UNAUTHORIZED, http.client.FORBIDDEN}:
        raise Fault(f"{collector}: {_reason(raw) or 'it wants a token'}: put it into {TOKEN}")
    if status in {http.client.BAD_REQUEST, http.client.UNPROCESSABLE_ENTITY}:
        raise Fault(f"{collector}: {_reason(raw) or f'status {status}'}")
    if status != http.client.OK:
        raise Failed(f"{collector}: {_reason(raw) or 'no collector answers there'} (status {status} for {path})")
    found = _decoded(raw)
    if not isinstance(found, dict):
        raise Failed(f"{collector}: what answers there is no collector, or one of another version")
    return found


def pages(collector: str, path: str, asked: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Every row, page by page."""
    following: str | None = None
    while True:
        more = {"cursor": following} if following else {}
        try:
            page = ask(collector, path, {**asked, "limit": str(_PAGE), **more})
        except NotFound:
            raise Failed(f"{collector}: what answers there is no collector, or one of another version") from None
        yield from page.get("items") or ()
        following = page.get("next")
        if not following:
            return


def _answer(collector: str, target: str) -> tuple[int, bytes]:
    parts = _parts(collector)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_PATIENCE)
    token = os.environ.get(TOKEN, "").strip()
    headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    try:
        connection.request("GET", parts.path.rstrip("/") + target, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(_LARGEST)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Failed(f"{collector}: no collector answers ({reason}): name yours with --collector URL") from None
    finally:
        connection.close()


def _parts(collector: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(collector)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise Fault(f"--collector {collector!r}: no address of a collector, such as https://collector.example")
    return parts


def _reason(raw: bytes) -> str | None:
    """What the collector says is wrong."""
    found = _decoded(raw)
    said = found.get("error") if isinstance(found, dict) else None
    return said if isinstance(said, str) else None


def _decoded(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
