"""What a stranger is told of an address, and what is made of what was found."""

import pytest

from probe.catalogue.geo import Place
from probe.catalogue.model import OriginZone, Tables
from probe.measure.identity import _network, _question
from probe.wire.measurement import Network

ZONE = OriginZone(operator="Team Cymru", ipv4="origin.test", ipv6="origin6.test", names="asn.test")
TABLES = Tables(networks={9121: "Türk Telekom"}, hosting={24940: "Hetzner"}, vpn={9009: "M247"})


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("88.255.1.77", "1.255.88.origin.test"),
        ("2a01:358:4001:5::77", "1.0.0.4.8.5.3.0.1.0.a.2.origin6.test"),
        ("192.168.1.1", None),
        ("::1", None),
    ],
)
def test_a_stranger_is_told_a_network_and_never_an_address(address: str, name: str | None) -> None:
    assert _question(ZONE, address) == name


@pytest.mark.parametrize(
    ("own", "tunnel", "expected"),
    [
        (Place(), None, Network()),
        (Place(), False, Network(vpn=False)),
        (Place(asn=9121, name="TTNET"), None, Network(asn=9121, name="Türk Telekom", hosting=False)),
        (Place(asn=9121), True, Network(asn=9121, name="Türk Telekom", vpn=True, hosting=False)),
        (Place(asn=9009), False, Network(asn=9009, vpn=True, hosting=False)),
        (Place(asn=24940), False, Network(asn=24940, vpn=False, hosting=True)),
        (Place(asn=5, vpn=True, hosting=True), False, Network(asn=5, vpn=True, hosting=True)),
        (Place(country="TR"), False, Network(country="TR", vpn=False)),
    ],
)
def test_a_suspicion_needs_a_reason_and_ignorance_is_not_innocence(
    own: Place, tunnel: bool | None, expected: Network
) -> None:
    assert _network(own, Place(), TABLES, tunnel) == expected
