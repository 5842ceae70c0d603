"""What a virtual probe finds of its own network before a round."""

from collections.abc import Iterator

from probe.catalogue.model import Anchor, Infrastructure
from probe.lab.scenario.model import Trouble
from probe.lab.simulate.fleet import Resident
from probe.wire.measurement import AnchorSeen, Surroundings
from probe.wire.vocabulary import Failure

ANTIVIRUS = "CN=Example Antivirus Personal CA"


def surroundings(resident: Resident, infrastructure: Infrastructure, *, cut_off: bool) -> Surroundings:
    anchors = tuple(_anchors(resident, infrastructure, cut_off))
    works = not cut_off
    return Surroundings(
        anchors=anchors,
        resolver_ok=works,
        ipv6=False,
        trusted_resolvers=works and resident.trouble != "black-hole",
    )


def _anchors(resident: Resident, infrastructure: Infrastructure, cut_off: bool) -> Iterator[AnchorSeen]:
    for anchor in infrastructure.anchors:
        if anchor.country in {None, resident.country}:
            yield _silent(anchor, Failure.NETWORK_UNREACHABLE) if cut_off else _seen(anchor, resident.trouble)


def _seen(anchor: Anchor, trouble: Trouble | None) -> AnchorSeen:
    secure = anchor.url.startswith("https:")
    if secure and trouble == "black-hole":
        return _silent(anchor, Failure.GENERIC_TIMEOUT_ERROR)
    if secure and trouble == "antivirus":
        return AnchorSeen(
            url=anchor.url,
            operator=anchor.operator,
            seen="wrong",
            failure=Failure.SSL_UNKNOWN_AUTHORITY,
            issuer=ANTIVIRUS,
            country=anchor.country,
        )
    return AnchorSeen(url=anchor.url, operator=anchor.operator, seen="right", country=anchor.country)


def _silent(anchor: Anchor, failure: Failure) -> AnchorSeen:
    return AnchorSeen(url=anchor.url, operator=anchor.operator, seen="silent", failure=failure, country=anchor.country)
