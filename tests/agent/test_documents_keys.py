"""How keys follow one another, and how one that was stolen stops holding."""

from pathlib import Path

import pytest

from probe.agent.documents import Documents
from probe.catalogue.keyring import Keyring
from probe.catalogue.signatures import Keypair, SignatureFault, key_name, public_text
from probe.wire.signed import KeyDocument, OnlineKey

from .publishing import HOUR, NOW, YEAR, SetClock, publishing, signed
from .test_documents import documents_of, refreshed

OLD, NEW, THIRD, ONLINE = (Keypair.generate() for _ in range(4))


def text(key: Keypair) -> str:
    return public_text(key.public)


def keys(*catalogue: Keypair, hours: float = 0, revoked: tuple[Keypair, ...] = ()) -> KeyDocument:
    made_at = NOW + hours * HOUR
    return KeyDocument(
        made_at=made_at,
        expires_at=made_at + YEAR,
        catalogue=tuple(map(text, catalogue)),
        online=(OnlineKey(public=text(ONLINE), not_after=made_at + YEAR),),
        revoked=tuple(key.name for key in revoked),
    )


def test_a_successor_is_named_by_the_key_before_it_and_then_holds_alone() -> None:
    ring = Keyring.of([text(OLD)]).after(signed(keys(OLD, NEW), OLD), NOW)
    assert set(ring.catalogue_keys()) == {OLD.public, NEW.public}
    ring = ring.after(signed(keys(NEW, hours=1), NEW), NOW)
    assert ring.catalogue_keys() == (NEW.public,)
    with pytest.raises(SignatureFault, match="not accepted here"):
        ring.after(signed(keys(OLD, hours=2), OLD), NOW)


def test_a_revoked_key_holds_no_more_also_where_later_documents_forget_it() -> None:
    ring = Keyring.of([text(OLD)]).after(signed(keys(OLD, NEW), OLD), NOW)
    ring = ring.after(signed(keys(NEW, hours=1, revoked=(OLD,)), NEW), NOW)
    ring = ring.after(signed(keys(NEW, OLD, hours=2), NEW), NOW)
    assert ring.catalogue_keys() == (NEW.public,)
    with pytest.raises(SignatureFault, match="revoked"):
        ring.after(signed(keys(OLD, hours=3), OLD), NOW)


def test_a_revoked_online_key_signs_nothing_more() -> None:
    ring = Keyring.of([text(OLD)]).after(signed(keys(OLD), OLD), NOW)
    assert ring.online_keys(NOW) == (ONLINE.public,)
    ring = ring.after(signed(keys(OLD, hours=1, revoked=(ONLINE,)), OLD), NOW)
    assert ring.online_keys() == ()
    with pytest.raises(SignatureFault, match="revoked"):
        ring.online_payload(signed(keys(OLD), ONLINE))


def test_an_online_key_signs_until_its_day_and_what_it_signed_before_stays_good() -> None:
    ring = Keyring.of([text(OLD)]).after(signed(keys(OLD), OLD), NOW)
    assert ring.online_keys(NOW + 2 * YEAR) == ()
    assert ring.online_keys() == (ONLINE.public,)


@pytest.mark.parametrize(
    ("document", "signer", "reason"),
    [
        (keys(OLD, hours=-1), OLD, "is older than"),
        (keys(OLD), NEW, "not accepted here"),
        (keys(OLD), ONLINE, "not accepted here"),
        (keys(), OLD, "leaves no catalogue key"),
        (keys(OLD, revoked=(OLD,), hours=1), OLD, "leaves no catalogue key"),
        (keys(OLD, hours=-9000), OLD, "expired on"),
        (OnlineKey(public=text(NEW), not_after=NOW), OLD, "no key document"),
        (KeyDocument(made_at=NOW, expires_at=NOW + YEAR, catalogue=("AAAA",)), OLD, "no public key"),
        (KeyDocument(made_at=NOW, expires_at=NOW + YEAR, catalogue=(text(OLD),) * 99), OLD, "more than"),
        (KeyDocument(made_at=NOW.replace(tzinfo=None), expires_at=NOW + YEAR, catalogue=()), OLD, "without a zone"),
    ],
)
def test_a_key_document_that_may_not_be_used_is_refused_with_its_reason(
    document: KeyDocument | OnlineKey, signer: Keypair, reason: str
) -> None:
    ring = Keyring.of([text(OLD)]).after(signed(keys(OLD), OLD), NOW)
    with pytest.raises(SignatureFault, match=reason):
        ring.after(signed(document, signer), NOW)


async def test_a_new_catalogue_key_opens_what_was_refused_before(tmp_path: Path) -> None:
    clock = SetClock()
    async with publishing() as collector:
        documents = documents_of(tmp_path, clock, collector)
        version = collector.publish_catalogue(key=NEW)
        assert await refreshed(documents, collector) == frozenset()
        collector.publish_keys(catalogue=(collector.catalogue_key, NEW))
        assert await refreshed(documents, collector) == {"keys", "catalogue"}
        assert documents_of(tmp_path, clock, collector).catalogue().version == version


async def test_a_key_that_was_stolen_takes_what_it_signed_with_it(tmp_path: Path) -> None:
    clock = SetClock()
    async with publishing() as collector:
        first = collector.catalogue_key
        accepted = (text(first),)
        collector.publish_catalogue()
        collector.publish_keys(catalogue=(first, NEW))
        documents = Documents(tmp_path, clock, keys=accepted)
        await refreshed(documents, collector)
        assert documents.catalogue_state().source == "downloaded"
        collector.publish_keys(NOW + HOUR, catalogue=(NEW,), key=NEW, revoked=(first.name,))
        await refreshed(documents, collector)
        again = Documents(tmp_path, clock, keys=accepted)
        for each in (documents, again):
            assert each.catalogue_state().source == "shipped"
            assert each.keyring.catalogue_keys() == (NEW.public,)
        version = collector.publish_catalogue(NOW - HOUR, key=NEW)
        assert await refreshed(documents, collector) == {"catalogue"}
        assert documents.catalogue().version == version


async def test_keys_of_a_collector_that_was_left_hold_for_no_other(tmp_path: Path) -> None:
    clock = SetClock()
    async with publishing() as collector:
        collector.publish_keys(catalogue=(collector.catalogue_key, NEW))
        await refreshed(documents_of(tmp_path, clock, collector), collector)
    other = Documents(tmp_path, clock, keys=(text(THIRD),))
    assert [key_name(key) for key in other.keyring.catalogue_keys()] == [THIRD.name]
