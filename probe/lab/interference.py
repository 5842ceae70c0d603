"""What a censor, or an ordinary fault between a client and the world, does: recipes that compose in a list.

A `target` is a name of the world (all its addresses), an address, or a prefix. A name that begins with a dot holds
for every name that contains it, any other for exactly that name.
"""

from typing import Literal

import msgspec

from probe.lab.model import Answer, Page

NOTICE_ADDRESS = "195.175.254.2"
NOTICE = Page(
    title="Telekomünikasyon İletişim Başkanlığı",
    body="<html><head><meta charset='utf-8'><title>Telekomünikasyon İletişim Başkanlığı</title></head><body>"
    "After technical analysis and legal consideration based on the law nr. 5651, administration measure has been "
    "taken for this website.</body></html>",
)


class ResolverAnswers(msgspec.Struct, frozen=True, kw_only=True, tag="resolver-answers"):
    """The ISP's resolver answers these names otherwise."""

    names: tuple[str, ...]
    answer: Answer


class ResolverRewrites(msgspec.Struct, frozen=True, kw_only=True, tag="resolver-rewrites"):
    """The ISP's resolver has an address for every name that does not exist."""

    addresses: tuple[str, ...]


class ResolverDuplicates(msgspec.Struct, frozen=True, kw_only=True, tag="resolver-duplicates"):
    """The ISP's resolver answers twice, the second time with the records rotated."""


class ResolverHabits(msgspec.Struct, frozen=True, kw_only=True, tag="resolver-habits"):
    """The ISP's resolver is honest, but slow, old or lazy; with `dns64` it serves customers without IPv4."""

    delay: float = 0.01
    edns: Literal["understood", "formerr", "dropped"] = "understood"
    ignores: tuple[str, ...] = ()
    dns64: str | None = None


class DnsInjection(msgspec.Struct, frozen=True, kw_only=True, tag="dns-injection"):
    """A forged reply arrives before the real one, whoever was asked, or `late` seconds after the question; the real one
    is not suppressed. `ip_ttl` is that of the forged packet on arrival."""

    names: tuple[str, ...]
    answer: Answer
    ip_ttl: int = 58
    late: float = 0


class TransparentDns(msgspec.Struct, frozen=True, kw_only=True, tag="transparent-dns"):
    """The router answers every UDP question itself, whoever was asked."""

    answers: dict[str, Answer] = {}


class AddressFilter(msgspec.Struct, frozen=True, kw_only=True, tag="address-filter"):
    """No port named means everything, whatever the protocol."""

    targets: tuple[str, ...]
    action: Literal["drop", "reset", "unreachable", "prohibited"] = "drop"
    ports: tuple[int, ...] = (443,)
    protocol: Literal["tcp", "udp"] = "tcp"


class DataFilter(msgspec.Struct, frozen=True, kw_only=True, tag="data-filter"):
    """Connections are let through, then whatever the client sends on them is dropped, or draws a reset."""

    targets: tuple[str, ...]
    ports: tuple[int, ...] = (443,)
    action: Literal["drop", "reset"] = "drop"


class NameFilter(msgspec.Struct, frozen=True, kw_only=True, tag="name-filter"):
    """Acts on the SNI (`tls`) or the Host header (`http`). `packet` looks at each packet alone, `stream` reassembles,
    `first-segment` sees only a ClientHello that comes in one. With `answered` the server's reply is let through before
    it acts. For `residual` seconds after a hit, everything between that client and that address meets `afterwards`."""

    names: tuple[str, ...]
    action: Literal["drop", "reset", "close"]
    layer: Literal["tls", "http"] = "tls"
    inspects: Literal["packet", "stream", "first-segment"] = "packet"
    answered: bool = False
    residual: float = 0
    afterwards: Literal["drop", "reset"] = "reset"


class NoticeInjection(msgspec.Struct, frozen=True, kw_only=True, tag="notice-injection"):
    """A request over plain HTTP with such a Host gets a forged response and FIN ahead of the real ones."""

    names: tuple[str, ...]
    page: Page = NOTICE


class Cutoff(msgspec.Struct, frozen=True, kw_only=True, tag="cutoff"):
    """Connections with such a name (SNI or Host) stall once the server has sent this many bytes."""

    names: tuple[str, ...]
    after: int = 16384


class Throttle(msgspec.Struct, frozen=True, kw_only=True, tag="throttle"):
    """A policer on connections with such a name, on all where none is given. `rate` in kB a second. For `taints`
    seconds after a hit, every connection to that address is policed."""

    names: tuple[str, ...] = ()
    rate: int = 16
    taints: int = 0


class TlsInterception(msgspec.Struct, frozen=True, kw_only=True, tag="tls-interception"):
    """A box ends TLS with a forged certificate for these names, for all where none is given, and relays, or
    shows `page`. IPv4 only."""

    names: tuple[str, ...] = ()
    page: Page | None = None
    issuer: str = "Middlebox Root CA"


class CaptivePortal(msgspec.Struct, frozen=True, kw_only=True, tag="captive-portal"):
    """Every name and port is answered by a login page; with `names` False the names resolve honestly."""

    names: bool = True
    page: Page = Page(
        title="Login", body="<html><head><title>Login</title></head><body>Enter your room number.</body></html>"
    )


class DomesticOnly(msgspec.Struct, frozen=True, kw_only=True, tag="domestic-only"):
    """Only the ISP's own country is reached."""


class Offline(msgspec.Struct, frozen=True, kw_only=True, tag="offline"):
    """Nothing gets through: dropped, or the uplink is gone and the router says so."""

    how: Literal["drop", "unplugged"] = "drop"


class Loss(msgspec.Struct, frozen=True, kw_only=True, tag="loss"):
    """Of the packets in each direction."""

    share: float = 0.1


class SharedAddress(msgspec.Struct, frozen=True, kw_only=True, tag="shared-address"):
    """Clients share the router's address towards the world, as behind a home's router or a carrier's (IPv4 only)."""


Interference = (
    ResolverAnswers
    | ResolverRewrites
    | ResolverDuplicates
    | ResolverHabits
    | DnsInjection
    | TransparentDns
    | AddressFilter
    | DataFilter
    | NameFilter
    | NoticeInjection
    | Cutoff
    | Throttle
    | TlsInterception
    | CaptivePortal
    | DomesticOnly
    | Offline
    | Loss
    | SharedAddress
)
