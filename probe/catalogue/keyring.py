"""Which keys hold: those that the owner accepted, and what signed key documents made of them since.

A key document is signed with a catalogue key that holds, and names those that hold from then on: so keys are renewed
(sign with the old key a document that lists the new one too, later with the new one a document without the old) and
revoked. A revoked key never holds again, also where a later document forgets to say so.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Self

import msgspec

from probe.catalogue.signatures import SignatureFault, key_name, opened, public_key
from probe.wire.signed import KeyDocument, OnlineKey, Signed

MOST_KEYS = 50


class Keyring(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`catalogue` and `online` as key documents write them; `made_at` of the newest document that was accepted."""

    catalogue: tuple[str, ...] = ()
    online: tuple[OnlineKey, ...] = ()
    revoked: tuple[str, ...] = ()
    made_at: dt.datetime | None = None

    @classmethod
    def of(cls, catalogue: Iterable[str]) -> Self:
        """As it is before any key document. Raises SignatureFault for a key that is none."""
        keys = tuple(dict.fromkeys(catalogue))
        for key in keys:
            public_key(key)
        return cls(catalogue=keys)

    def catalogue_keys(self) -> tuple[bytes, ...]:
        return tuple(key for text in self.catalogue if key_name(key := public_key(text)) not in self.revoked)

    def online_keys(self, now: dt.datetime | None = None) -> tuple[bytes, ...]:
        """Those that may sign at `now`; where it is None, those that ever might: for what was accepted before."""
        held = (public_key(key.public) for key in self.online if now is None or now < key.not_after)
        return tuple(key for key in held if key_name(key) not in self.revoked)

    def catalogue_payload(self, signed: Signed) -> bytes:
        """What a catalogue key signed. Raises SignatureFault."""
        self._refuse_revoked(signed)
        return opened(signed, self.catalogue_keys())

    def online_payload(self, signed: Signed, now: dt.datetime | None = None) -> bytes:
        """What an online key signed. Raises SignatureFault."""
        self._refuse_revoked(signed)
        return opened(signed, self.online_keys(now))

    def after(self, signed: Signed, now: dt.datetime) -> "Keyring":
        """With what the key document says. Raises SignatureFault where it is unsigned, expired or older."""
        document = _key_document(self.catalogue_payload(signed))
        if document.expires_at <= now:
            raise SignatureFault(f"the key document expired on {document.expires_at:%Y-%m-%d}")
        if self.made_at is not None and document.made_at < self.made_at:
            raise SignatureFault(
                f"the key document of {document.made_at:%Y-%m-%d} is older than that of {self.made_at:%Y-%m-%d}"
            )
        renewed = Keyring(
            catalogue=document.catalogue,
            online=document.online,
            revoked=tuple(dict.fromkeys((*self.revoked, *document.revoked))),
            made_at=document.made_at,
        )
        if not renewed.catalogue_keys():
            raise SignatureFault("the key document leaves no catalogue key that holds")
        return renewed

    def _refuse_revoked(self, signed: Signed) -> None:
        if signed.key in self.revoked:
            raise SignatureFault(f"signed with the key {signed.key!r}, which was revoked")


def _key_document(payload: bytes) -> KeyDocument:
    try:
        document = msgspec.json.decode(payload, type=KeyDocument)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SignatureFault(f"no key document: {str(error)[:120]}") from None
    if max(len(document.catalogue), len(document.online), len(document.revoked)) > MOST_KEYS:
        raise SignatureFault(f"the key document lists more than {MOST_KEYS} keys")
    times = (document.made_at, document.expires_at, *(key.not_after for key in document.online))
    if any(time.tzinfo is None for time in times):
        raise SignatureFault("the key document has a time without a zone")
    for text in (*document.catalogue, *(key.public for key in document.online)):
        public_key(text)
    return document
