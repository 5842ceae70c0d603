"""What the probe tests and what it compares with: shipped, or downloaded and signed.

A download must be signed with a key that holds, not expired and not older than what is held; what was accepted once is
kept on disk and used for as long as nothing better comes, stale or not. Of a downloaded catalogue only the owner's
platforms are used, and of its infrastructure only what they agreed to.
"""

import datetime as dt
import logging
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import trio

from probe.agent.client import CollectorClient, Document
from probe.agent.config_model import AgentConfig
from probe.agent.consent import read_consent
from probe.agent.contacts import agreed_only, contacts
from probe.agent.credentials import load_credentials
from probe.agent.documents_kept import (
    KINDS,
    Downloaded,
    Kept,
    catalogue_in,
    checked_download,
    drop,
    expectations_in,
    from_files,
    keep,
    read_kept,
)
from probe.agent.durable import StateError
from probe.agent.state import DocumentState
from probe.catalogue.keyring import Keyring
from probe.catalogue.loader import default_catalogue_path
from probe.catalogue.model import Catalogue, CatalogueError
from probe.catalogue.signatures import SignatureFault
from probe.clock import Clock
from probe.verdict.fingerprints import Fingerprints
from probe.verdict.known import Library
from probe.wire.expectations import Expectations
from probe.wire.reports import Checkin
from probe.wire.signed import Lease, Signed

STALE_AFTER = dt.timedelta(hours=24)  # expectations; a catalogue is stale once it expired

logger = logging.getLogger(__name__)

T = TypeVar("T")


def open_documents(config: AgentConfig, clock: Clock) -> "Documents":
    """Those of the probe with this configuration, with what its owner agreed to. Raises StateError, CatalogueError."""
    credentials = load_credentials(config.state)
    consent = read_consent(config.state)
    return Documents(
        config.state,
        clock,
        keys=credentials.catalogue_keys if credentials else (),
        platforms=config.platforms,
        agreed=consent.contacts if consent else None,
        own=config.catalogue,
    )


class Documents:
    """`keys` are the catalogue keys that the owner accepted (base64), `agreed` the contacts beyond platforms that they
    agreed to (None: the shipped ones), `own` a catalogue in place of any other. Raises CatalogueError where that, or
    the shipped one, is faulty; never for what a collector sent."""

    def __init__(
        self,
        state: Path,
        clock: Clock,
        *,
        keys: Iterable[str] = (),
        platforms: Collection[str] = (),
        agreed: Iterable[str] | None = None,
        own: Path | None = None,
    ) -> None:
        self._state, self._clock, self._own = state, clock, own
        self._platforms = frozenset(platforms)
        self._shipped = from_files(own or default_catalogue_path())
        default = self._shipped if own is None else from_files(default_catalogue_path())
        self._agreed = contacts(default.catalogue.infrastructure) if agreed is None else frozenset(agreed)
        self._versions: dict[str, str] = {}  # by kind, what the collector calls what is held
        self._refused: dict[str, str] = {}  # by kind, the version that was refused: not to be fetched again
        self._accepted = tuple(keys)
        self._keyring = self._kept_keyring()
        self._catalogue = self._kept("catalogue", lambda kept: catalogue_in(kept.signed, self._keyring))
        self._expected = self._kept("expectations", lambda kept: expectations_in(kept.signed, self._keyring))
        self._used = self._settled()

    # --- what is used ---

    def catalogue(self) -> Catalogue:
        """What may be tested: with the owner's platforms alone."""
        return self._used.catalogue

    def library(self) -> Library:
        return self._used.library

    @property
    def expectations(self) -> Expectations | None:
        return self._expected.expectations if self._expected else None

    @property
    def stale(self) -> bool:
        """Whether the expectations are old. They are used all the same."""
        return self._expected is not None and self._clock.now() - self._expected.made_at > STALE_AFTER

    @property
    def unagreed(self) -> tuple[str, ...]:
        """Contacts of the catalogue that wait for the owner to agree to them (`probe setup`)."""
        return self._used.unagreed

    @property
    def skipped(self) -> tuple[str, ...]:
        """What of the downloaded catalogue this version does not know."""
        return self._used.skipped

    @property
    def keyring(self) -> Keyring:
        return self._keyring

    def catalogue_state(self) -> DocumentState:
        held = self._downloaded
        if held is None:
            return DocumentState(
                version=self._used.catalogue.version, source=str(self._own) if self._own else "shipped"
            )
        stale = held.expires_at <= self._clock.now()
        return DocumentState(version=held.version, made_at=held.made_at, stale=stale, source="downloaded")

    def expectations_state(self) -> DocumentState:
        held = self._expected
        if held is None:
            return DocumentState()
        return DocumentState(version=held.version, made_at=held.made_at, stale=self.stale, source="downloaded")

    def lease(self, signed: Signed) -> Lease:
        """What a lease says. Raises SignatureFault where no online key that holds signed it."""
        payload = self._keyring.online_payload(signed, self._clock.now())
        try:
            lease = msgspec.json.decode(payload, type=Lease)
        except (msgspec.DecodeError, UnicodeError):
            raise SignatureFault("it is no lease") from None
        if lease.expires_at.tzinfo is None:
            raise SignatureFault("it expires at a time without a zone")
        return lease

    # --- what is downloaded ---

    async def refresh(self, client: CollectorClient, checkin: Checkin) -> frozenset[str]:
        """Fetches what the check-in announces and is not held, and gives the kinds that changed. What is refused is
        logged in one line, and not fetched again before another version is announced. The client's own errors pass."""
        changed = set[str]()
        for kind in KINDS:
            announced: str | None = getattr(checkin, kind)
            if announced is None or announced in {self._version(kind), self._refused.get(kind)}:
                continue
            if kind == "catalogue" and self._own is not None:
                continue
            fetched = await client.document(kind, self._versions.get(kind))
            if fetched is None:
                self._refused[kind] = announced  # it is what is held, by another name
            elif await trio.to_thread.run_sync(self._accept, kind, announced, fetched):
                changed.add(kind)
        return frozenset(changed)

    def _version(self, kind: str) -> str | None:
        held = {"catalogue": self._catalogue, "expectations": self._expected}.get(kind)
        return held.version if held else self._versions.get(kind)

    def _accept(self, kind: str, announced: str, fetched: Document) -> bool:
        version = fetched.etag or announced
        try:
            self._take(kind, fetched.signed, version)
        except CatalogueError as error:
            self._refused[kind] = announced
            logger.warning("the collector's %s refused: %s", kind, error)
            return False
        self._versions[kind] = version
        self._refused.pop(kind, None)
        self._used = self._settled()
        return True

    def _take(self, kind: str, signed: Signed, version: str) -> None:
        """Raises CatalogueError where it is refused. A disk that cannot be written does not keep it from being used."""
        now = self._clock.now()
        kept = Kept(signed=signed, version=version)
        match kind:
            case "keys":
                self._keyring = self._keyring.after(signed, now)
                kept = Kept(signed=signed, version=version, keyring=self._keyring, accepted=self._accepted)
                self._refused.clear()  # a new key may open what was refused
                self._drop_revoked()
            case "catalogue":
                catalogue = catalogue_in(signed, self._keyring)
                checked_download(catalogue, self._catalogue, now)
                self._catalogue = catalogue
            case _:
                expected = expectations_in(signed, self._keyring, now)
                checked_download(expected, self._expected, now)
                self._expected = expected
        try:
            keep(self._state, kind, kept)
        except StateError as error:
            logger.warning("the collector's %s is used but not kept: %s", kind, error)

    def _drop_revoked(self) -> None:
        if self._catalogue and self._catalogue.signed.key in self._keyring.revoked:
            self._catalogue = None
            self._forget("catalogue")
        if self._expected and self._expected.signed.key in self._keyring.revoked:
            self._expected = None
            self._forget("expectations")

    def _forget(self, kind: str) -> None:
        logger.warning("the %s that was held is dropped: its key was revoked", kind)
        self._versions.pop(kind, None)
        try:
            drop(self._state, kind)
        except OSError as error:
            logger.warning("the %s that was held cannot be removed: %s", kind, error.strerror or error)

    # --- what was kept ---

    def _kept_keyring(self) -> Keyring:
        """That of other keys than the owner accepts now belongs to a collector that the probe left."""
        accepted = Keyring.of(self._accepted)

        def grown(kept: Kept) -> Keyring:
            if kept.keyring is None or kept.accepted != self._accepted:
                raise SignatureFault("it belongs to other keys than were accepted")
            kept.keyring.catalogue_keys()
            kept.keyring.online_keys()
            return kept.keyring

        return self._kept("keys", grown) or accepted

    def _kept(self, kind: str, read: Callable[[Kept], T]) -> T | None:
        """What is on disk; where that is broken, nothing, with one line in the log."""
        try:
            kept = read_kept(self._state, kind)
            if kept is None:
                return None
            found = read(kept)
        except (StateError, CatalogueError) as error:
            instead = "the shipped one is used" if kind == "catalogue" else "it is fetched anew"
            logger.warning("the %s kept on disk cannot be used, %s: %s", kind, instead, error)
            return None
        self._versions[kind] = kept.version
        return found

    def _settled(self) -> "_Used":
        """From what is held to what is used."""
        held = self._downloaded.unpacked if self._downloaded else self._shipped
        whole, unagreed = self._within_agreement(held.catalogue) if self._own is None else (held.catalogue, ())
        platforms = tuple(p for p in whole.platforms if not self._platforms or p.id in self._platforms)
        catalogue = msgspec.structs.replace(whole, platforms=platforms)
        library = Library(catalogue, Fingerprints(held.fingerprints), self.expectations, held.tables)
        return _Used(catalogue, library, held.skipped, unagreed)

    @property
    def _downloaded(self) -> Downloaded | None:
        return self._catalogue if self._own is None else None

    def _within_agreement(self, catalogue: Catalogue) -> tuple[Catalogue, tuple[str, ...]]:
        infrastructure, strange = agreed_only(catalogue.infrastructure, self._agreed)
        if not (infrastructure.anchors and infrastructure.resolvers and infrastructure.neutral):
            infrastructure = self._shipped.catalogue.infrastructure
        return msgspec.structs.replace(catalogue, infrastructure=infrastructure), strange


class _Used(NamedTuple):
    catalogue: Catalogue
    library: Library
    skipped: tuple[str, ...]
    unagreed: tuple[str, ...]
