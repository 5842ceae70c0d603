"""Where a request comes from, and that nobody can say so but the tables and the operator's own proxies."""

from pathlib import Path

import msgspec
import pytest

from probe.collector.keys import online_publics
from probe.collector.leases import opened_lease
from probe.collector.log import Origin
from probe.wire.measurement import Network
from probe.wire.signed import Lease, Signed
from tests.collector.ingest.reports import compressed, encoded, report
from tests.collector.ingest.world import (
    GERMAN,
    LOOPBACK,
    PROXY,
    TURKISH,
    UNLISTED,
    Still,
    World,
    opened_world,
)

TURKEY = Origin(country="TR", asn=9121, name="Türk Telekom", family=4)
GERMANY = Origin(country="DE", asn=3320, name="Deutsche Telekom", family=4)
CLAIM = Network(country="IR", asn=58224)
PROXIED = Origin(proxied=True)


async def located(world: World, sender: str, forwarded: str | None = None, **headers: str) -> Origin:
    """Of a report whose probe claims to be in Iran."""
    if forwarded is not None:
        headers["x-forwarded-for"] = forwarded
    body = compressed(report(1, network=CLAIM))
    answer = await world.send(body, world.token(), "zstd", sender=sender, headers=headers)
    assert answer.status_code == 202
    return (await world.kept())[-1].place


async def test_the_tables_say_where_it_came_from_whatever_it_claims(world: World) -> None:
    assert await located(world, TURKISH) == TURKEY
    assert await located(world, GERMAN) == GERMANY


async def test_an_address_that_the_tables_do_not_know_has_no_place(world: World) -> None:
    assert await located(world, UNLISTED) == Origin(family=4)


async def test_an_address_of_no_public_network_has_the_place_that_the_probe_claims(world: World) -> None:
    claimed = Origin(country="IR", asn=58224, claimed=True, family=4)
    assert await located(world, LOOPBACK) == claimed
    assert await located(world, "192.168.1.7") == claimed


async def test_without_tables_the_claim_is_taken_and_marked(tmp_path: Path, clock: Still) -> None:
    async with opened_world(tmp_path, clock, "lease: 2 h\n") as world:
        world.app._checkins._location._tables.tables = ()
        world.app._checkins._location._tables._readers = ()
        assert await located(world, TURKISH) == Origin(country="IR", asn=58224, claimed=True, family=4)


@pytest.mark.parametrize("forged", [GERMAN, f"{GERMAN}, {PROXY}", "nonsense", "", f"[{GERMAN}]:80"])
async def test_a_forged_forwarding_header_moves_nobody(world: World, forged: str) -> None:
    """It only tells that somebody would like to be elsewhere: such a report has no network facts."""
    assert await located(world, TURKISH, forged) == PROXIED


@pytest.mark.parametrize("header", ["via", "forwarded", "x-real-ip", "x-forwarded-proto"])
async def test_a_proxy_that_names_itself_hides_the_sender(world: World, header: str) -> None:
    assert await located(world, TURKISH, **{header: "1.1 somewhere"}) == PROXIED


@pytest.mark.parametrize(
    ("chain", "place"),
    [
        (TURKISH, TURKEY),
        (f"{GERMAN}, {TURKISH}", TURKEY),
        (f"{TURKISH}, 10.9.9.9", TURKEY),
        (f"{GERMAN}, {TURKISH}, 10.9.9.9, 10.1.1.1", TURKEY),
        (f"{TURKISH}:51234", TURKEY),
        ("unknown", PROXIED),
        (f"{TURKISH}, unknown", PROXIED),
        ("10.9.9.9", PROXIED),
        ("", PROXIED),
    ],
)
async def test_a_configured_proxy_is_believed_for_the_hop_before_it_and_no_further(
    world: World, chain: str, place: Origin
) -> None:
    assert await located(world, PROXY, chain) == place


async def test_a_configured_proxy_that_says_nothing_hides_the_sender(world: World) -> None:
    assert await located(world, PROXY) == PROXIED


async def test_no_address_is_in_any_file(world: World) -> None:
    token = world.token()
    for sender, headers in ((TURKISH, {}), (PROXY, {"x-forwarded-for": GERMAN})):
        await world.send(encoded(report(0, measurements=report(1).measurements)), token, sender=sender, headers=headers)
        await world.ask("GET", "/checkin", token, sender=sender, headers=headers)
    await world.log.aclose()
    raw = b"".join(path.read_bytes() for path in world.config.state.rglob("*") if path.is_file())
    for address in (TURKISH, GERMAN, PROXY):
        assert address.encode() not in raw


# --- leases ---


async def lease(world: World, query: str = "", **more: object) -> Lease:
    answer = await world.ask("GET", f"/checkin{query}", world.token(), **more)
    assert answer.status_code == 200
    signed = msgspec.convert(answer.json()["lease"], Signed)
    found = opened_lease(signed, online_publics(world.documents))
    assert found is not None
    return found


async def test_a_lease_says_what_the_tables_say_for_its_time(world: World, clock: Still) -> None:
    found = await lease(world, "?country=IR&asn=58224")
    assert (found.country, found.asn, found.name, found.family) == ("TR", 9121, "Türk Telekom", 4)
    assert not found.claimed
    assert found.issued_at == clock.now()
    assert (found.expires_at - found.issued_at).total_seconds() == world.config.lease


async def test_a_lease_names_the_probe_that_it_was_given_to(world: World) -> None:
    found = [await lease(world), await lease(world)]
    assert {one.probe for one in found} == {account.probe for account in world.accounts.probes()}


async def test_a_lease_repeats_a_claim_only_where_no_table_can_know_and_marks_it(world: World) -> None:
    found = await lease(world, "?country=IR&asn=58224", sender=LOOPBACK)
    assert (found.country, found.asn, found.claimed) == ("IR", 58224, True)


async def test_a_lease_through_a_proxy_has_no_facts(world: World) -> None:
    found = await lease(world, "?country=IR&asn=58224", headers={"x-forwarded-for": GERMAN})
    assert (found.country, found.asn, found.proxied) == (None, None, True)


async def test_a_lease_that_was_changed_or_signed_by_another_is_none(world: World) -> None:
    answer = await world.ask("GET", "/checkin", world.token())
    signed = msgspec.convert(answer.json()["lease"], Signed)
    publics = online_publics(world.documents)
    moved = msgspec.structs.replace(signed, payload=signed.payload.replace('"TR"', '"DE"'))
    assert moved != signed
    assert opened_lease(moved, publics) is None
    assert opened_lease(msgspec.structs.replace(signed, key="0" * 16), publics) is None
    assert opened_lease(signed, ()) is None
