"""What a probe accepts from a collector, what it keeps, and what it falls back to."""

import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from probe.agent.client import CollectorClient
from probe.agent.contacts import contacts
from probe.agent.documents import Documents
from probe.agent.documents_kept import path_of
from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.catalogue.signatures import Keypair, SignatureFault, public_text
from probe.wire.signed import Lease, Signed

from .collector_stand_in import TOKEN
from .publishing import HOUR, NOW, SHOP, YEAR, Publisher, SetClock, publishing, signed

SHIPPED = load_catalogue(default_catalogue_path())
LOGGER = "probe.agent.documents"


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """Lines of the log, as they come."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger(LOGGER).addHandler(handler)
    with caplog.at_level(logging.WARNING, LOGGER):
        yield lines
    logging.getLogger(LOGGER).removeHandler(handler)


def documents_of(state: Path, clock: SetClock, collector: Publisher, **more: object) -> Documents:
    return Documents(state, clock, keys=(public_text(collector.catalogue_key.public),), **more)  # type: ignore[arg-type]


async def refreshed(documents: Documents, collector: Publisher) -> frozenset[str]:
    async with CollectorClient([collector.url], TOKEN) as client:
        return await documents.refresh(client, await client.checkin())


async def test_what_is_signed_is_used_and_kept_for_when_the_collector_is_away(tmp_path: Path, clock: SetClock) -> None:
    async with publishing() as collector:
        version = collector.publish_catalogue()
        collector.publish_keys()
        collector.publish_expectations()
        documents = documents_of(tmp_path, clock, collector)
        assert documents.catalogue().version == SHIPPED.version
        assert await refreshed(documents, collector) == {"keys", "catalogue", "expectations"}
        collector.close_port()
        again = documents_of(tmp_path, clock, collector)
    for each in (documents, again):
        assert (each.catalogue().version, [p.id for p in each.catalogue().platforms]) == (version, ["shop"])
        assert each.expectations is not None
        assert each.library().of("shop", "https://shop.example/").expectation is not None
        assert each.catalogue_state().source == "downloaded"
    assert all(path_of(tmp_path, kind).stat().st_mode & 0o077 == 0 for kind in ("keys", "catalogue", "expectations"))


async def test_what_is_held_is_not_fetched_again(tmp_path: Path, clock: SetClock) -> None:
    async with publishing() as collector:
        collector.publish_catalogue()
        collector.publish_keys()
        documents = documents_of(tmp_path, clock, collector)
        await refreshed(documents, collector)
        assert await refreshed(documents, collector) == frozenset()
        assert await refreshed(documents_of(tmp_path, clock, collector), collector) == frozenset()
        assert collector.seen.count("/api/v1/catalogue") == collector.seen.count("/api/v1/keys") == 1


@pytest.mark.parametrize("case", ["stranger", "tampered", "expired", "older", "private", "unreadable"])
async def test_a_catalogue_that_may_not_be_used_changes_nothing_and_is_fetched_once(
    case: str, tmp_path: Path, clock: SetClock, told: list[str]
) -> None:
    async with publishing() as collector:
        held = collector.publish_catalogue(NOW - HOUR)
        documents = documents_of(tmp_path, clock, collector)
        await refreshed(documents, collector)
        match case:
            case "stranger":
                collector.publish_catalogue(key=Keypair.generate())
            case "tampered":
                version = collector.publish_catalogue()
                document = collector.documents["catalogue"][0]
                other = document.payload.replace("shop.example", "evil.example")
                collector.publish("catalogue", msgspec.structs.replace(document, payload=other), version)
            case "expired":
                collector.publish_catalogue(NOW - HOUR / 2, expires_at=NOW - HOUR / 4)
            case "older":
                collector.publish_catalogue(NOW - 2 * HOUR)
            case "private":
                collector.publish_catalogue(more={"platforms/shop.yaml": SHOP.replace("shop.example/", "192.168.1.1/")})
            case "unreadable":
                collector.publish(
                    "catalogue", signed(Lease(issued_at=NOW, expires_at=NOW), collector.catalogue_key), "x"
                )
        before = collector.seen.count("/api/v1/catalogue")
        assert await refreshed(documents, collector) == frozenset()
        assert await refreshed(documents, collector) == frozenset()
        assert collector.seen.count("/api/v1/catalogue") == before + 1
    assert documents.catalogue().version == held
    assert documents_of(tmp_path, clock, collector).catalogue().version == held
    assert len(told) == 1
    assert told[0].startswith("the collector's catalogue refused: ")


async def test_without_an_accepted_key_nothing_is_accepted(tmp_path: Path, clock: SetClock, told: list[str]) -> None:
    async with publishing() as collector:
        for publish in (collector.publish_catalogue, collector.publish_keys, collector.publish_expectations):
            publish()
        documents = Documents(tmp_path, clock)
        assert await refreshed(documents, collector) == frozenset()
    assert documents.catalogue().version == SHIPPED.version
    assert documents.expectations is None
    assert len(told) == 3


async def test_what_expires_once_it_is_held_goes_on_and_is_marked_stale(tmp_path: Path, clock: SetClock) -> None:
    async with publishing() as collector:
        collector.publish_keys()
        version = collector.publish_catalogue()
        collector.publish_expectations()
        documents = documents_of(tmp_path, clock, collector)
        await refreshed(documents, collector)
    assert not documents.expectations_state().stale
    clock.at = NOW + 25 * HOUR
    assert documents.stale
    assert not documents.catalogue_state().stale
    clock.at = NOW + 3 * YEAR
    for each in (documents, documents_of(tmp_path, clock, collector)):
        assert (each.catalogue().version, each.catalogue_state().stale) == (version, True)
        assert each.expectations is not None
        assert each.expectations_state().stale


async def test_only_the_owners_platforms_are_used_whatever_the_collector_adds(tmp_path: Path, clock: SetClock) -> None:
    other = SHOP.replace("shop", "other")
    async with publishing() as collector:
        collector.publish_catalogue(more={"platforms/shop.yaml": SHOP, "platforms/other.yaml": other})
        documents = documents_of(tmp_path, clock, collector, platforms=("shop",))
        await refreshed(documents, collector)
    assert [platform.id for platform in documents.catalogue().platforms] == ["shop"]
    assert not documents.library().of("other", "https://other.example/").public


async def test_contacts_beyond_platforms_wait_until_the_owner_agreed(tmp_path: Path, clock: SetClock) -> None:
    text = (default_catalogue_path() / "infrastructure.yaml").read_text("utf-8")
    more = "anchors:\n  - {url: 'https://new.example/', operator: New, source: made up, conf: M}\n"
    files = {"platforms/shop.yaml": SHOP, "infrastructure.yaml": text.replace("anchors:\n", more, 1)}
    async with publishing() as collector:
        collector.publish_catalogue(more=files)
        documents = documents_of(tmp_path, clock, collector)
        await refreshed(documents, collector)
    assert documents.unagreed == ("new.example",)
    assert documents.catalogue().infrastructure.anchors == SHIPPED.infrastructure.anchors
    agreed = {*contacts(SHIPPED.infrastructure), *documents.unagreed}
    later = documents_of(tmp_path, clock, collector, agreed=agreed)
    assert later.unagreed == ()
    assert "https://new.example/" in [anchor.url for anchor in later.catalogue().infrastructure.anchors]


async def test_the_owners_own_catalogue_is_used_in_place_of_any_other(tmp_path: Path, clock: SetClock) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(SHOP.replace("shop", "mine"))
    async with publishing() as collector:
        collector.publish_keys()
        collector.publish_catalogue()
        documents = documents_of(tmp_path / "state", clock, collector, own=own)
        assert await refreshed(documents, collector) == {"keys"}
    assert [platform.id for platform in documents.catalogue().platforms] == ["mine"]
    assert documents.catalogue_state().source == str(own)


@pytest.mark.parametrize("damage", [b"", b"{", b'{"signed": 1}', b"\xff\xfe", None])
async def test_a_cache_that_is_broken_is_told_in_one_line_and_replaced(
    damage: bytes | None, tmp_path: Path, clock: SetClock, told: list[str]
) -> None:
    async with publishing() as collector:
        version = collector.publish_catalogue()
        await refreshed(documents_of(tmp_path, clock, collector), collector)
        path = path_of(tmp_path, "catalogue")
        path.write_bytes(path.read_bytes().replace(b"shop.example", b"evil.example") if damage is None else damage)
        documents = documents_of(tmp_path, clock, collector)
        assert documents.catalogue().version == SHIPPED.version
        assert len(told) == 1
        assert "the shipped one is used" in told[0]
        assert await refreshed(documents, collector) == {"catalogue"}
    assert documents_of(tmp_path, clock, collector).catalogue().version == version


async def test_a_disk_that_cannot_be_written_keeps_nothing_from_being_used(
    tmp_path: Path, clock: SetClock, told: list[str]
) -> None:
    (tmp_path / "documents").write_text("a file where a folder should be")
    async with publishing() as collector:
        documents = documents_of(tmp_path, clock, collector)
        version = collector.publish_catalogue()
        assert await refreshed(documents, collector) == {"catalogue"}
    assert documents.catalogue().version == version
    assert any("is used but not kept" in line for line in told)


async def test_a_lease_holds_if_an_online_key_signed_it(tmp_path: Path, clock: SetClock) -> None:
    lease = Lease(issued_at=NOW, expires_at=NOW + HOUR, country="TR", asn=9121)
    async with publishing() as collector:
        collector.publish_keys()
        documents = documents_of(tmp_path, clock, collector)
        await refreshed(documents, collector)
        assert documents.lease(signed(lease, collector.key)) == lease
        for key in (Keypair.generate(), collector.catalogue_key):
            with pytest.raises(SignatureFault, match="not accepted here"):
                documents.lease(signed(lease, key))
        with pytest.raises(SignatureFault, match="was changed"):
            documents.lease(Signed(payload="{}", key=collector.key.name, signature="AAAA"))
        clock.at = NOW + 2 * YEAR
        with pytest.raises(SignatureFault):
            documents.lease(signed(lease, collector.key))
