"""OONI's `requests` (df-001-httpt) as steps."""

import hashlib
import html
import re
from urllib.parse import urljoin, urlsplit

from probe.wire.ooni_dns import told
from probe.wire.ooni_failures import failure
from probe.wire.ooni_fields import Document, Place, binary, clean, integer, part, place, socket_address, span, text
from probe.wire.steps import HttpStep
from probe.wire.vocabulary import Purpose

_KEPT = 65536  # bytes of a body, as everywhere in our records
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,2048})</title", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def title_in(body: bytes) -> str | None:
    match = _TITLE.search(body.decode("utf-8", "replace"))
    return one_line(match.group(1)) if match else None


def one_line(title: str | None) -> str | None:
    """A title as a browser shows it: entities resolved, white space folded."""
    return " ".join(clean(html.unescape(title)).split()) or None if title else None


def headers(response: Document) -> tuple[tuple[str, str], ...]:
    """Pairs in the order of the document; values in base64 decoded as far as they are text."""
    listed = response.get("headers_list")
    if isinstance(listed, list) and listed:
        pairs = [tuple(pair) for pair in listed if isinstance(pair, list) and len(pair) == 2]
    else:
        pairs = list(part(response, "headers").items())
    return tuple((clean(name), _value(value)) for name, value in pairs if isinstance(name, str))


def _value(value: object) -> str:
    return binary(value).decode("utf-8", "replace")


def header(pairs: tuple[tuple[str, str], ...], name: str) -> str | None:
    return next((value for key, value in pairs if key.lower() == name), None)


def received(reads: list[tuple[float, int]], t0: float, t: float) -> tuple[float | None, int]:
    """When the first byte came, and how many did, between two times."""
    during = [(at, size) for at, size in reads if t0 <= at <= t]
    return (during[0][0] if during else None), sum(size for _, size in during)


def http_step(entry: Document, purpose: Purpose, reads: list[tuple[float, int]], *, verified: bool) -> HttpStep | None:
    """One hop. None where the document has neither its URL nor anything that was seen, or it went through Tor."""
    request, response = part(entry, "request"), part(entry, "response")
    where = place(text(request, "url"))
    if where is None or part(request, "tor").get("is_tor") is True:
        return None
    wrong = failure(entry.get("failure"))
    code = integer(response, "code")
    status = code if code is not None and 100 <= code <= 999 else None
    pairs = headers(response)
    body = binary(response.get("body"))
    address, port = socket_address(text(entry, "address")) or (None, None)
    t0, t = span(entry)
    first_byte, bytes_read = received(reads, t0, t)
    truncated = response.get("body_is_truncated") is True
    return HttpStep(
        t0=t0,
        t=t,
        purpose=purpose,
        failure=wrong,
        url=where.url,
        address=address,
        port=port,
        method=text(request, "method") or "GET",
        host=_other_host(request, where),
        protocol=text(entry, "alpn") or None,
        trusted=where.scheme == "https" and verified and (status is not None or wrong is None),
        status=status,
        headers=pairs,
        location=_location(where, status, header(pairs, "location")),
        title=title_in(body),
        body=body[:_KEPT],
        body_sha256=hashlib.sha256(body).hexdigest() if body else None,
        body_length=_length(entry, response, body) if status is not None else None,
        body_truncated=truncated,
        first_byte=first_byte,
        bytes_read=bytes_read,
    )


def _length(entry: Document, response: Document, body: bytes) -> int | None:
    """Of what was read. A body that was cut down to nothing, or that is no text at all, was not measured."""
    length = told(entry, "body_length") or ""
    if length.isascii() and length.isdigit() and len(length) < 16:
        return int(length)
    if not body and (response.get("body_is_truncated") is True or response.get("body") is None):
        return None
    return len(body)


def _other_host(request: Document, where: Place) -> str | None:
    """The Host header where it names another host than the URL."""
    pairs = headers(request)
    asked = place(f"{where.scheme}://{header(pairs, 'host') or where.host}")
    return asked.host if asked and asked.host != where.host else None


def _location(where: Place, status: int | None, value: str | None) -> str | None:
    """Absolute, up to the first control character (boxes that rewrite leave rubbish behind it); None without a host."""
    if value is None or status is None or not 300 <= status < 400:
        return None
    reference = _CONTROL.split(value.strip())[0]
    try:
        nowhere = urlsplit(reference).scheme in {"http", "https"} and not urlsplit(reference).netloc
        target = None if nowhere else place(urljoin(where.url, reference))
    except ValueError:
        return None
    return target.url if target else None
