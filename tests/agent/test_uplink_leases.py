"""A lease holds on the network that it was given for, as long as it says, and never through a proxy."""

import datetime as dt

import msgspec
import pytest

from probe.agent.leases import Held, Leases
from probe.catalogue.signatures import Keypair, sign
from probe.wire.signed import Lease, Signed
from tests.agent.spool_building import NOW
from tests.agent.uplink_running import opening

KEY = Keypair.generate()
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
        self.leases = Leases(self.clock, lambda: self.network, opening(KEY), proxied=proxied)

    def take(self, lease: Signed | None, attached: frozenset[str] = HERE) -> Held | None:
        """Of a check-in that was answered now."""
        return self.leases.take(lease, attached, NOW, self.clock.at)


def signed(**facts: object) -> Signed:
    lease = Lease(issued_at=NOW, expires_at=NOW + dt.timedelta(minutes=10), country="TR", asn=9121)
    payload = msgspec.json.encode(msgspec.structs.replace(lease, **facts))
    return sign(payload, KEY)


def test_a_lease_holds_until_it_expires_by_the_collectors_clock() -> None:
    machine = Machine()
    held = machine.take(signed())
    assert held is not None
    assert machine.leases.held() == held
    machine.clock.at += 599
    assert machine.leases.still(held)
    machine.clock.at += 2
    assert machine.leases.held() is None


def test_a_lease_does_not_hold_after_the_network_changed_nor_while_it_did() -> None:
    machine = Machine()
    held = machine.take(signed())
    assert held is not None
    machine.network = ELSEWHERE
    assert machine.leases.held() is None
    assert not machine.leases.still(held)
    assert machine.take(signed()) is None
    machine.network = HERE
    assert machine.leases.held() is None


def test_no_lease_holds_through_a_proxy_whoever_says_so() -> None:
    assert Machine(proxied=True).take(signed()) is None
    assert Machine().take(signed(proxied=True)) is None


def test_a_lease_holds_from_the_answer_on_though_documents_came_first() -> None:
    machine = Machine()
    answered = machine.clock.at
    machine.clock.at += 45
    held = machine.leases.take(signed(), HERE, NOW, answered)
    assert held is not None
    assert held.until == answered + 600


@pytest.mark.parametrize("forged", [True, False])
def test_a_lease_that_the_collector_did_not_sign_is_none_and_told_once(
    forged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    machine, good = Machine(), signed()
    bad = sign(good.payload.encode(), Keypair.generate()) if forged else msgspec.structs.replace(good, payload="{}")
    assert machine.take(good) is not None
    assert [machine.take(bad) for _ in range(3)] == [None] * 3
    assert machine.leases.held() is None
    assert len(caplog.messages) == 1
    assert machine.take(good) is not None


def test_a_check_in_without_a_lease_ends_the_one_before() -> None:
    machine = Machine()
    assert machine.take(signed()) is not None
    assert machine.take(None) is None
    assert machine.leases.held() is None


def test_leases_are_told_apart_by_what_they_say() -> None:
    machine = Machine()
    keys = [machine.take(signed(asn=asn)) for asn in (9121, 9121, 15897)]
    names = [held.key for held in keys if held is not None]
    assert names[0] == names[1] != names[2]
