"""Which steps of a document with many endpoints belong to which endpoint.

A TCP connect carries no name: what was seen at an address and port holds for every host that resolves to it, so each of
WhatsApp's sixteen hosts gets all connects to its addresses. TLS is told by its SNI, HTTP by its URL.
"""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec

from probe.wire.addresses import is_address
from probe.wire.ooni_fields import OoniError, a_label, place, socket_address
from probe.wire.ooni_services import fixed, hosts
from probe.wire.steps import AnyStep, DnsStep, HttpStep, TcpStep, TlsStep

_URLGETTER = {"tcpconnect": "tcp", "tlshandshake": "tls", "quichandshake": "quic"}
_CHAT_PORTS = (443, 5222)  # ts-018: a host is blocked only if both fail


class Found(msgspec.Struct, frozen=True, kw_only=True):
    endpoint: str
    steps: tuple[AnyStep, ...]
    platform: str | None = None
    service: str | None = None
    group: str | None = None


def found_parts(test: str, asked: str | None, steps: tuple[AnyStep, ...]) -> Iterator[Found]:
    """The parts of a whatsapp, telegram, signal, facebook_messenger or urlgetter measurement."""
    if test == "urlgetter":
        yield Found(endpoint=_urlgetter(asked), steps=steps)
        return
    for host in _tested(test, steps):
        for endpoint in _endpoints(test, host, steps):
            yield placed(endpoint, steps_of(endpoint, steps), test)


def placed(endpoint: str, steps: tuple[AnyStep, ...], test: str) -> Found:
    """The endpoint with the platform and service that the test fixes. Ports of one chat host are alternatives, and so
    are the http and https doors of one web client: browsers take the second whatever the first does."""
    host = host_of(endpoint)
    entry = fixed(host)
    service, platform = (entry.service, entry.platform) if entry else ("web", test)
    group = host if entry and service in {"messaging", "web"} and test in {"whatsapp", "telegram"} else None
    return Found(endpoint=endpoint, steps=steps, platform=platform, service=service, group=group)


def _urlgetter(asked: str | None) -> str:
    """urlgetter's inputs (ts-027): a URL, or dnslookup://, tcpconnect://, tlshandshake://, quichandshake://."""
    where = place(asked)
    if where is not None:
        return where.url
    try:
        split = urlsplit(asked or "")
        if split.scheme == "dnslookup" and split.hostname:
            return f"dns:{a_label(split.hostname)}"
        if split.scheme in _URLGETTER and split.hostname and split.port:
            return _endpoint(_URLGETTER[split.scheme], a_label(split.hostname), split.port)
    except ValueError:
        pass
    raise OoniError(f"input of this urlgetter measurement is nothing that we measure: {asked}")


def _endpoint(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _tested(test: str, steps: tuple[AnyStep, ...]) -> list[str]:
    """The test's hosts, as far as the document says anything of them."""
    named = {host: None for step in steps if (host := _host(step)) and (entry := fixed(host)) and entry.test == test}
    known = [host for host in hosts(test) if host in named]
    others = sorted((host for host in named if host not in known), key=_natural)
    strangers = test == "telegram" and not any(isinstance(step, DnsStep) for step in steps)
    return [*others, *known, *(_unknown_addresses(steps) if strangers else ())]


def _host(step: AnyStep) -> str | None:
    match step:
        case DnsStep():
            return step.name
        case TcpStep():
            return step.address
        case TlsStep():
            return step.sni
        case HttpStep():
            where = place(step.url)
            return where.host if where else None


def _unknown_addresses(steps: tuple[AnyStep, ...]) -> list[str]:
    """Documents of 2019 kept no lookups: a connect to no data centre was one to the web client."""
    return list(dict.fromkeys(s.address for s in steps if isinstance(s, TcpStep) and fixed(s.address) is None))


def _natural(host: str) -> tuple[int, str]:
    digits = re.search(r"\d+", host)
    return (int(digits.group()) if digits else 0, host)


def _endpoints(test: str, host: str, steps: tuple[AnyStep, ...]) -> Iterator[str]:
    urls = dict.fromkeys(step.url for step in steps if isinstance(step, HttpStep) and _host(step) == host)
    addresses = {host} | {a for step in steps if isinstance(step, DnsStep) and step.name == host for a in step.answers}
    ports = dict.fromkeys(step.port for step in steps if isinstance(step, TcpStep) and step.address in addresses)
    entry = fixed(host)
    if test == "facebook_messenger":
        scheme = "tls" if any(isinstance(step, TlsStep) and step.sni == host for step in steps) else "tcp"
        yield f"dns:{host}" if entry and entry.key == "stun" else _endpoint(scheme, host, 443)
    elif test == "whatsapp" and entry and entry.service == "messaging":
        for port in [port for port in _CHAT_PORTS if port in ports] or _CHAT_PORTS[:1]:
            yield _endpoint("tcp", host, port)
    elif is_address(host):
        yield from _address_endpoints(host, list(urls), list(ports))
    else:
        yield from urls or (f"https://{host}/",)


def _address_endpoints(host: str, urls: list[str], ports: list[int]) -> Iterator[str]:
    """One of Telegram's data centres: alternatives on two ports, with the page where the document has it."""
    for port in ports:
        url = next((url for url in urls if (where := place(url)) and where.port == port), None)
        yield url or _endpoint("tcp", host, port)


def steps_of(endpoint: str, steps: tuple[AnyStep, ...]) -> tuple[AnyStep, ...]:
    """The steps that belong to `https://host/`, `tcp://host:port`, `tls://host:port` or `dns:host`."""
    where = place(endpoint)
    host, port = (where.host, where.port) if where else _authority(endpoint)
    answers = {host} | {a for step in steps if isinstance(step, DnsStep) and step.name == host for a in step.answers}
    chain = _chain(where.url, steps) if where else set()

    def belongs(step: AnyStep) -> bool:
        match step:
            case DnsStep():
                return step.name == host
            case TcpStep():
                return step.address in answers and step.port == port
            case TlsStep():
                return step.sni == host and step.port == port
            case HttpStep():
                return step.url in chain

    return tuple(step for step in steps if belongs(step))


def host_of(endpoint: str) -> str:
    """The host of an endpoint of any kind."""
    where = place(endpoint)
    return where.host if where else _authority(endpoint)[0]


def _authority(endpoint: str) -> tuple[str, int]:
    rest = endpoint.partition(":")[2].removeprefix("//")
    literal = socket_address(rest)
    if literal:
        return literal
    host, _, port = rest.rpartition(":")
    return (host, int(port)) if host and port.isdecimal() else (rest, 0)


def _chain(url: str, steps: tuple[AnyStep, ...]) -> set[str]:
    """The URL and those that its redirects lead to."""
    following = {step.url: step.location for step in steps if isinstance(step, HttpStep)}
    chain: set[str] = set()
    while url in following and url not in chain:
        chain.add(url)
        url = following[url] or ""
    return chain
