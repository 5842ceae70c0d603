"""What `/probe?module=` may name. A module says how far a measurement goes and what counts as success; how it is done
is the probe's own method always."""

from typing import Literal

import msgspec

from probe.catalogue.model import Scheme

Success = Literal["reached", "2xx"]


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """`success`: `reached` where the verdict is that it works (slowly counts); `2xx` where besides the page that came
    has such a status, or one that the catalogue calls healthy for it."""

    name: str
    about: str
    schemes: tuple[Scheme, ...]
    mode: str = "default"
    success: Success = "reached"


_ANY: tuple[Scheme, ...] = ("https", "http", "tcp", "tls", "dns")
MODULES = {
    module.name: module
    for module in (
        Module(
            name="http_2xx",
            about="the page, as blackbox_exporter's module of that name: a 2xx status is success, or one that the "
            "catalogue calls healthy",
            schemes=("https", "http"),
            success="2xx",
        ),
        Module(name="tcp_connect", about="a TCP connection to tcp://host:port", schemes=("tcp",)),
        Module(name="tls_connect", about="a TLS handshake with tls://host:port", schemes=("tls",)),
        Module(name="dns", about="the addresses of dns:name", schemes=("dns",)),
        Module(name="light", about="DNS, TCP and TLS, and no page where all is well", schemes=_ANY, mode="light"),
        Module(name="default", about="the whole ordinary connection; any answer of the right server", schemes=_ANY),
        Module(
            name="deep",
            about="with two trusted resolvers asked and an innocuous name tried first",
            schemes=_ANY,
            mode="deep",
        ),
    )
}
USUAL = MODULES["default"]
