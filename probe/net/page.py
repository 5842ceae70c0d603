"""What is kept of a response: chosen headers, where it leads, its title, its body decoded within a bound."""

import codecs
import html
import re
import zlib

import httpx

HEADERS = (
    "location",  # where a censor sends people
    "refresh",
    "server",  # which machine, or which product, answers
    "via",
    "x-cache",
    "x-squid-error",
    "x-powered-by",
    "cf-mitigated",  # a challenge page of Cloudflare's, no block page
    "www-authenticate",
    "proxy-authenticate",
    "content-type",
    "content-length",
    "content-encoding",
    "alt-svc",  # whether it speaks HTTP/3
    "retry-after",
)
"""Headers worth keeping. None that tells one visitor from another: no cookie, no request id, no data centre."""

_LONGEST_VALUE = 1024
_LONGEST_TITLE = 512  # characters
_TITLE_WINDOW = 4096  # bytes
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TITLE = re.compile(rb"<title(?:\s[^>]{0,256})?>", re.IGNORECASE)
_TITLE_END = re.compile(rb"</title", re.IGNORECASE)
_CHARSET = re.compile(rb"charset\s{0,8}=\s{0,8}[\"']?([\w-]{1,20})", re.IGNORECASE)
_TEXT_CHARSETS = re.compile(r"utf|us-?ascii|iso-?8859|latin|windows-|cp\d|gb|big5|shift|euc-|koi8|tis-", re.IGNORECASE)


def chosen(headers: httpx.Headers) -> tuple[tuple[str, str], ...]:
    return tuple((name, headers[name][:_LONGEST_VALUE]) for name in HEADERS if name in headers)


class NoHost(Exception):
    """A redirect to a place that cannot be named in a URL."""


def next_hop(url: str, status: int, headers: httpx.Headers) -> str | None:
    """The absolute URL that a redirect leads to; None for what is no redirect, or leads away from the web (an app's
    own scheme). Raises NoHost."""
    if status not in _REDIRECTS or "location" not in headers:
        return None
    try:
        said = httpx.URL(headers["location"])
        there = httpx.URL(url).join(said)
    except (httpx.InvalidURL, UnicodeError, ValueError) as exc:
        raise NoHost from exc
    if there.scheme not in {"http", "https"}:
        return None
    hostless = said.is_absolute_url is False and said.scheme in {"http", "https"}  # `join` would fill in ours
    if hostless or not there.host or not (there.port is None or 0 < there.port < 65536):
        raise NoHost
    return str(there)


def title_of(body: bytes, content_type: str = "") -> str | None:
    """The first title, entities decoded, white space collapsed, 512 characters at most."""
    start = _TITLE.search(body)
    if start is None:
        return None
    window = body[start.end() : start.end() + _TITLE_WINDOW]
    end = _TITLE_END.search(window)
    text = _decoded(window[: end.start()] if end else window, content_type, body)
    return " ".join(html.unescape(text).split())[:_LONGEST_TITLE] or None


def _decoded(raw: bytes, content_type: str, body: bytes) -> str:
    found = _CHARSET.search(content_type.encode("ascii", "replace")) or _CHARSET.search(body[:2048])
    charset = found.group(1).decode("ascii", "replace") if found else "utf-8"
    if not _TEXT_CHARSETS.match(charset):  # Python has codecs that no page may choose
        charset = "utf-8"
    try:
        return codecs.lookup(charset).decode(raw, "replace")[0]
    except (LookupError, UnicodeError):
        return raw.decode("utf-8", "replace")


class Decoder:
    """Undoes a content encoding, giving no more than the room that is left: a kilobyte of gzip can be a megabyte.

    Only gzip and deflate are asked for; what comes in another encoding, or in several, is kept as it came. Raises
    zlib.error for what is not what its header says.
    """

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        self._deflate = name == "deflate"
        self._inflater = zlib.decompressobj(16 + zlib.MAX_WBITS) if name in {"gzip", "x-gzip"} else None

    def decode(self, data: bytes, room: int) -> bytes:
        if self._deflate:
            self._deflate = False
            # RFC 9110 means zlib's format, but some servers send the bare one, which never starts with this nibble.
            zlib_format = data[:1] and data[0] & 0x0F == 8
            self._inflater = zlib.decompressobj(zlib.MAX_WBITS if zlib_format else -zlib.MAX_WBITS)
        if self._inflater is None:
            return data[:room]
        return self._inflater.decompress(data, room) if room > 0 else b""
