"""Reading an OONI document that may hold anything: each accessor gives a value of the right kind, or nothing.

Old and broken documents are many (null where a list belongs, numbers as text, lone surrogates), and none of them may
stop the reader of a million others.
"""

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from probe.wire.addresses import is_address, parse_address

Document = Mapping[str, Any]

_PORTS = {"http": 80, "https": 443}
_LARGEST = 2**53  # integers beyond it are no measurement, and not every JSON reader keeps them


class OoniError(Exception):
    """A document that holds no measurement we could judge: one sentence."""


def clean(text: str) -> str:
    """The text without lone surrogates, which JSON allows and UTF-8 does not."""
    return text.encode("utf-8", "replace").decode("utf-8")


def text(document: Document, key: str) -> str | None:
    value = document.get(key)
    return clean(value) if isinstance(value, str) and value else None


def number(document: Document, key: str) -> float | None:
    value = document.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= _LARGEST and math.isfinite(value) else None


def integer(document: Document, key: str) -> int | None:
    value = number(document, key)
    return int(value) if value is not None else None


def seconds(document: Document, key: str) -> float | None:
    value = number(document, key)
    return max(value, 0.0) if value is not None else None


def span(document: Document) -> tuple[float, float]:
    """Start and end of a step, in seconds since the measurement began. Older documents have the end alone."""
    t = seconds(document, "t") or 0.0
    t0 = seconds(document, "t0")
    return (t if t0 is None else min(t0, t)), t


def part(document: Document, key: str) -> Document:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def parts(document: Document, key: str) -> list[Document]:
    value = document.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts(document: Document, key: str) -> list[str]:
    value = document.get(key)
    return [clean(item) for item in value if isinstance(item, str)] if isinstance(value, list) else []


def port(document: Document, key: str) -> int | None:
    value = integer(document, key)
    return value if value is not None and 0 < value < 65536 else None


def binary(value: object) -> bytes:
    """OONI's MaybeBinaryData (df-001-httpt): text, or {"format": "base64", "data": TEXT}."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    data = value.get("data") if isinstance(value, dict) else None
    if not isinstance(data, str):
        return b""
    try:
        return base64.b64decode(data)
    except (binascii.Error, ValueError):
        return b""


def socket_address(endpoint: str | None) -> tuple[str, int] | None:
    """`1.2.3.4:443` or `[2001:db8::1]:443` taken apart."""
    host, _, tail = (endpoint or "").rpartition(":")
    address = parse_address(host)
    if address is None or not (tail.isascii() and tail.isdigit() and len(tail) <= 5):
        return None
    return (str(address), int(tail)) if 0 < int(tail) < 65536 else None


def a_label(host: str) -> str:
    """The name as it is asked of a resolver (IDNA), without the root's dot."""
    try:
        return host.rstrip(".").lower().encode("idna").decode("ascii")
    except UnicodeError:
        return host.rstrip(".").lower()


class Place(NamedTuple):
    """A URL taken apart; the host an A-label name, or an address without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        suffix = "" if _PORTS.get(self.scheme) == self.port else f":{self.port}"
        return f"{self.scheme}://{host}{suffix}{self.path}"

    @property
    def literal(self) -> bool:
        return is_address(self.host)


def place(url: str | None) -> Place | None:
    """The http or https URL in one form (a path, an A-label host, no default port), or None where it is none."""
    try:
        split = urlsplit(url or "")
        host, explicit = split.hostname, split.port
    except ValueError:
        return None
    if split.scheme not in _PORTS or not host or explicit == 0:
        return None
    path = (split.path or "/") + (f"?{split.query}" if split.query else "")
    return Place(split.scheme, a_label(host), explicit or _PORTS[split.scheme], path)
