"""A lease holds on the network that it was given for, as long as it says, and never through a proxy."""

import datetime as dt

import msgspec
import pytest

from probe.agent.leases import Leases
from probe.wire.signed import Lease, Signed
from tests.agent.spool_building import NOW

HERE, ELSEWHERE = frozenset({"here"}), frozenset({"elsewhere"})


class StillClock:
    """An hour behind the collector's."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> dt.datetime:
        return NOW - dt.timedelta(hours=1)

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


class Machine:
    """Leases, and the network that the machine is attached to."""

    def __init__(self, *, proxied: bool = False) -> None:
        self.clock, self.network = StillClock(), HERE
        self.leases = Leases(self.clock, lambda: self.network, proxied=proxied)


def signed(**facts: object) -> Signed:
    lease = Lease(issued_at=NOW, expires_at=NOW + dt.timedelta(minutes=10), country="TR", asn=9121)
    payload = msgspec.json.encode(msgspec.structs.replace(lease, **facts)).decode()
    return Signed(payload=payload, key="0123456789abcdef", signature="c2lnbmF0dXJl")


def test_a_lease_holds_until_it_expires_by_the_collectors_clock() -> None:
    machine = Machine()
    held = machine.leases.take(signed(), HERE, NOW)
    assert held is not None
    assert machine.leases.held() == held
    machine.clock.at += 599
    assert machine.leases.still(held)
    machine.clock.at += 2
    assert machine.leases.held() is None


def test_a_lease_does_not_hold_after_the_network_changed_nor_while_it_did() -> None:
    machine = Machine()
    held = machine.leases.take(signed(), HERE, NOW)
    assert held is not None
    machine.network = ELSEWHERE
    assert machine.leases.held() is None
    assert not machine.leases.still(held)
    assert machine.leases.take(signed(), HERE, NOW) is None
    machine.network = HERE
    assert machine.leases.held() is None


def test_no_lease_holds_through_a_proxy_whoever_says_so() -> None:
    assert Machine(proxied=True).leases.take(signed(), HERE, NOW) is None
    assert Machine().leases.take(signed(proxied=True), HERE, NOW) is None


@pytest.mark.parametrize("payload", ["", "[]", '{"issued_at": "yesterday"}'])
def test_a_lease_that_cannot_be_understood_is_none(payload: str, caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    lease = msgspec.structs.replace(signed(), payload=payload)
    assert machine.leases.take(lease, HERE, NOW) is None
    assert len(caplog.messages) == 1


def test_a_check_in_without_a_lease_ends_the_one_before() -> None:
    machine = Machine()
    assert machine.leases.take(signed(), HERE, NOW) is not None
    assert machine.leases.take(None, HERE, NOW) is None
    assert machine.leases.held() is None


def test_leases_are_told_apart_by_what_they_say() -> None:
    machine = Machine()
    keys = [machine.leases.take(signed(asn=asn), HERE, NOW) for asn in (9121, 9121, 15897)]
    names = [held.key for held in keys if held is not None]
    assert names[0] == names[1] != names[2]
