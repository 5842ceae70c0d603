"""Interference with connections: by address, by server name, and by boxes that end TLS themselves."""

from probe.lab.cases.case import ADDRESSES, NAME, QUIC, TRUSTED_RESOLVERS, Case, blocked, says
from probe.lab.interference import NOTICE, AddressFilter, DataFilter, NameFilter, TlsInterception

CONNECTIONS = (
    Case(
        name="ip-drop",
        expected=blocked("ip-drop"),
        interferences=(AddressFilter(targets=(NAME,)),),
    ),
    Case(
        name="ip-reset",
        expected=blocked("ip-reset"),
        interferences=(AddressFilter(targets=(NAME,), action="reset"),),
    ),
    Case(
        name="ip-unreachable",
        expected=blocked("ip-unreachable"),
        interferences=(AddressFilter(targets=(NAME,), action="unreachable"),),
    ),
    Case(
        name="ip-drop-one-of-two",
        expected=says("ok", "address"),
        interferences=(AddressFilter(targets=ADDRESSES[:1]),),
    ),
    Case(
        name="sni-drop",
        expected=blocked("sni-drop"),
        interferences=(NameFilter(names=(NAME,), action="drop"),),
    ),
    Case(
        name="sni-reset",
        expected=blocked("sni-reset"),
        interferences=(NameFilter(names=(NAME,), action="reset"),),
    ),
    Case(
        name="sni-close",
        expected=blocked("sni-close"),
        interferences=(NameFilter(names=(NAME,), action="close"),),
    ),
    Case(
        name="sni-reset-reassembling",
        expected=blocked("sni-reset"),
        interferences=(NameFilter(names=(NAME,), action="reset", inspects="stream"),),
    ),
    Case(
        name="sni-reset-residual",
        expected=blocked("sni-reset"),
        interferences=(NameFilter(names=(NAME,), action="reset", residual=60),),
    ),
    Case(
        name="sni-reset-first-segment-only",
        expected=blocked("sni-reset", evidence=(r"split|two segments",)),
        interferences=(NameFilter(names=(NAME,), action="reset", inspects="first-segment"),),
    ),
    Case(
        name="tls-drop-all-names",
        expected=blocked("tls-drop"),
        interferences=(DataFilter(targets=(NAME,)),),
    ),
    Case(
        name="tls-interception",
        expected=blocked("tls-interception"),
        interferences=(TlsInterception(names=(NAME,)),),
    ),
    Case(
        name="tls-interception-blockpage",
        expected=blocked("tls-interception", evidence=("fingerprint",)),
        interferences=(TlsInterception(names=(NAME,), page=NOTICE),),
    ),
    Case(
        name="quic-drop",
        targets=(QUIC,),
        expected=blocked("quic-drop"),
        interferences=(AddressFilter(targets=(NAME,), protocol="udp"),),
        waits="QUIC",
    ),
    Case(
        name="trusted-resolvers-blocked",
        expected=blocked("sni-reset"),
        interferences=(AddressFilter(targets=TRUSTED_RESOLVERS, ports=()), NameFilter(names=(NAME,), action="reset")),
    ),
)
