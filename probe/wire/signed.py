"""What is signed, and the documents that travel so. Signing and checking are the catalogue's (`probe.catalogue`).

A signature covers the payload's bytes as they travel, so nobody needs a canonical form.
"""

import datetime as dt

import msgspec


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """`payload` is a JSON text; `key` names the Ed25519 key (first 16 hex digits of the SHA-256 of its 32 public
    bytes); `signature` is base64."""

    payload: str
    key: str
    signature: str


class Lease(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the collector saw of the address that a check-in came from, and never that address.

    `claimed` says that the collector had no table and repeats the probe's own claim; `family` is 4 or 6. `probe` is the
    collector's name for whoever it was given to, and says nothing to anybody else: a lease speaks for no other probe.
    """

    issued_at: dt.datetime
    expires_at: dt.datetime
    country: str | None = None
    asn: int | None = None
    name: str | None = None
    family: int | None = None
    hosting: bool = False  # a hosting or VPN network: its probes do not vote for an ISP
    claimed: bool = False
    proxied: bool = False  # came through a proxy or Tor: no network facts
    probe: str | None = None  # absent in leases of older collectors


class OnlineKey(msgspec.Struct, frozen=True, kw_only=True):
    """A collector's key, base64 of its 32 public bytes, and until when it may sign."""

    public: str
    not_after: dt.datetime


class KeyDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Signed with a catalogue key. `catalogue` lists the catalogue keys that hold from now on: the current one and its
    successors; `online` those that may sign expectations and leases; `revoked` key names that hold no more."""

    made_at: dt.datetime
    expires_at: dt.datetime
    catalogue: tuple[str, ...]
    online: tuple[OnlineKey, ...] = ()
    revoked: tuple[str, ...] = ()


class CatalogueBundle(msgspec.Struct, frozen=True, kw_only=True):
    """A folder of catalogue files as one document: text by path below the folder. Signed with the catalogue key."""

    version: str
    made_at: dt.datetime
    expires_at: dt.datetime
    files: dict[str, str]


class ExpectationsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """`expectations` is the JSON text of `Expectations`. Signed with an online key."""

    version: str
    made_at: dt.datetime
    expires_at: dt.datetime
    expectations: str
