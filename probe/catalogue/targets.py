"""Endpoint URLs taken apart: what may be tested, in one canonical form.

`https://host[:port]/path` and `http://...`, `tcp://host:port`, `tls://host:port`, `quic://host:port`, `dns:name`.
Canonical: scheme and host in lower case, the host in IDNA A-labels, no default port, no fragment, and what RFC 3986
does not allow in a path percent-encoded, so that two spellings of one endpoint are one endpoint.
"""

import ipaddress
import re
import unicodedata
import urllib.parse

from probe.catalogue.model import CatalogueError, Scheme, Target
from probe.wire.addresses import is_public

_SCHEMES: dict[str, Scheme] = {
    "https": "https",
    "http": "http",
    "tcp": "tcp",
    "tls": "tls",
    "dns": "dns",
    "quic": "quic",
}
_DEFAULT_PORTS = {"https": 443, "http": 80}
_LONGEST_URL = 2048
_LONGEST_NAME = 253  # RFC 1035, without the root's dot

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)")
_AUTHORITY_END = re.compile(r"[/?#]")
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::(.*))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")  # with the underscore that some hosts have
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LOCAL_NAMES = ("localhost", "local", "internal", "home.arpa")  # RFC 6761, 6762, 8375; `internal` by ICANN
_PATH_CHARACTERS = "/?:@!$&'()*+,;=-._~%[]"  # RFC 3986: reserved and unreserved, and what is encoded already


class NotPublic(CatalogueError):
    """An address or a name of a private network, which nobody's catalogue may ask a probe to contact."""


class _Fault(ValueError):
    """What is wrong with a URL, without the URL."""

    def of(self, text: str) -> CatalogueError:
        return CatalogueError(f"{_shown(text)}: {self}")


class _Private(_Fault):
    def of(self, text: str) -> CatalogueError:
        return NotPublic(f"{_shown(text)}: {self}")


def parse_target(text: str) -> Target:
    """The endpoint that the URL names. Raises CatalogueError with a sentence that holds the URL and the reason."""
    try:
        return _target(text)
    except _Fault as fault:
        raise fault.of(text) from None


def parse_typed(text: str) -> Target:
    """The same for what a person types: a bare name, with or without port and path, means its site over HTTPS."""
    typed = text.strip()
    if "://" in typed or typed.lower().startswith("dns:"):
        return parse_target(typed)
    try:
        return _target(f"https://{typed}")
    except _Fault as fault:
        raise fault.of(text) from None


def ascii_name(text: str) -> str:
    """A public domain name in lower case and IDNA A-labels, without the root's dot. Raises CatalogueError."""
    try:
        return _name(text)
    except _Fault as fault:
        raise fault.of(text) from None


def _target(text: str) -> Target:
    _refuse_odd_characters(text)
    match = _SCHEME.fullmatch(text)
    if match is None:
        raise _Fault("malformed URL: it must begin with a scheme, such as https://")
    scheme, rest = _SCHEMES.get(match[1].lower()), match[2]
    if scheme is None:
        raise _Fault(f"unknown scheme {match[1]!r}: write https://, http://, tcp://, tls://, quic:// or dns:")
    if scheme == "dns":
        return _dns_target(rest)
    if not rest.startswith("//"):
        raise _Fault(f"malformed URL: two slashes must follow {scheme}:")
    return _host_target(scheme, rest[2:])


def _refuse_odd_characters(text: str) -> None:
    if len(text) > _LONGEST_URL:
        raise _Fault(f"malformed URL: longer than {_LONGEST_URL} characters")
    if any(character.isspace() for character in text):
        raise _Fault("malformed URL: it has white space in it")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise _Fault("malformed URL: it has control characters in it")


def _dns_target(rest: str) -> Target:
    if rest.startswith("//"):
        raise _Fault("malformed URL: write dns:NAME, without slashes")
    name = _name(rest)
    if _ends_in_number(name):
        raise _Fault("dns: wants a name, not an address")
    return Target(url=f"dns:{name}", scheme="dns", host=name, port=53)


def _host_target(scheme: Scheme, rest: str) -> Target:
    authority = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    path = rest[len(authority) :].partition("#")[0]
    host, port = _host_and_port(authority, _DEFAULT_PORTS.get(scheme))
    if scheme in _DEFAULT_PORTS:
        path = _path(path)
    elif path not in ("", "/"):
        raise _Fault(f"malformed URL: {scheme}:// takes a host and a port, no path")
    else:
        path = "/"
    shown_host = f"[{host}]" if ":" in host else host
    shown_port = "" if port == _DEFAULT_PORTS.get(scheme) else f":{port}"
    shown_path = path if scheme in _DEFAULT_PORTS else ""
    return Target(
        url=f"{scheme}://{shown_host}{shown_port}{shown_path}", scheme=scheme, host=host, port=port, path=path
    )


def _host_and_port(authority: str, default: int | None) -> tuple[str, int]:
    if "@" in authority:
        raise _Fault("user name or password in the URL: leave it out")
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise _Fault("malformed URL: the brackets of an IPv6 address do not match")
    if not match[1]:
        raise _Fault("missing host")
    port = _port(match[2], default)  # first: `2001:db8::1` is better called a bad port than a bad host
    return _host(match[1]), port


def _port(text: str | None, default: int | None) -> int:
    if not text:
        if default is None:
            raise _Fault("missing port: write host:port")
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        hint = "; an IPv6 address stands in brackets" if ":" in text else ""
        raise _Fault(f"bad port {text!r}: a port is a number from 1 to 65535{hint}")
    return int(text)


def _host(text: str) -> str:
    if text.startswith("["):
        return _public(_ipv6(text[1:-1]))
    name = _name(text)
    return _public(_ipv4(name)) if _ends_in_number(name) else name


def _ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise _Fault(f"malformed URL: {text!r} is no IPv6 address") from None
    if address.scope_id is not None:
        raise _Private(f"{text} is not a public address: it has a zone")
    return str(address)


def _ends_in_number(name: str) -> bool:
    """Whether a resolver would take the name for an IPv4 address in one of its many spellings (WHATWG URL, 3.5)."""
    return _NUMBER.fullmatch(name.rpartition(".")[2]) is not None


def _ipv4(name: str) -> str:
    try:
        return str(ipaddress.IPv4Address(name))
    except ValueError:
        raise _Fault(f"malformed URL: {name!r} is no IPv4 address of four decimal numbers") from None


def _public(address: str) -> str:
    if not is_public(address):
        raise _Private(f"{address} is not a public address: private, loopback and link-local ones are never tested")
    return address


def _name(text: str) -> str:
    name = text.lower() if text.isascii() else _a_labels(text)
    name = name.removesuffix(".")
    if not name:
        raise _Fault("missing host")
    if len(name) > _LONGEST_NAME:
        raise _Fault(f"malformed URL: a name has at most {_LONGEST_NAME} characters")
    labels = name.split(".")
    for label in labels:
        _check_label(label)
    if _ends_in_number(name):
        return name
    if len(labels) == 1 or any(name == local or name.endswith(f".{local}") for local in _LOCAL_NAMES):
        raise _Private(f"{name} is not a public name")
    return name


def _check_label(label: str) -> None:
    if _LABEL.fullmatch(label) is None:
        raise _Fault(f"malformed URL: {label!r} cannot be part of a host name")
    if label.startswith("xn--"):
        import idna  # noqa: PLC0415 (10 ms of tables that most catalogues never need)

        try:
            idna.ulabel(label)
        except ValueError as error:  # IDNAError is one
            raise _Fault(f"{label!r} is no valid internationalised name: {error}") from None


def _a_labels(text: str) -> str:
    import idna  # noqa: PLC0415

    try:
        mapped = idna.uts46_remap(text, std3_rules=False)
        return ".".join(x if x.isascii() else idna.alabel(x).decode("ascii") for x in mapped.split("."))
    except ValueError as error:  # IDNAError is one
        raise _Fault(f"{text!r} is no valid internationalised name: {error}") from None


def _path(text: str) -> str:
    rooted = text if text.startswith("/") else f"/{text}"
    return urllib.parse.quote(rooted, safe=_PATH_CHARACTERS)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 100 else f"{text[:100]}…")
