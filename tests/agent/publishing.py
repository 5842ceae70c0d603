"""A collector that signs: the stand-in, with a catalogue key, an online key and documents made with them."""

import datetime as dt
import functools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import trio

from probe.catalogue.bundle import packed
from probe.catalogue.loader import default_catalogue_path
from probe.catalogue.signatures import Keypair, public_text, sign
from probe.wire.codec import encode_expectations
from probe.wire.expectations import Expectation, Expectations
from probe.wire.reports import Enrolled, Enrolment
from probe.wire.signed import CatalogueBundle, ExpectationsDocument, KeyDocument, OnlineKey, Signed

from .collector_stand_in import INVITATION, TOKEN, Collector, _refused

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
HOUR, YEAR = dt.timedelta(hours=1), dt.timedelta(days=365)

SHOP = """\
id: shop
name: Shop
domains: [shop.example]
services:
  web:
    endpoints:
      - {url: "https://shop.example/", source: made up, conf: M}
"""


class SetClock:
    """Stands still unless it is set."""

    def __init__(self, at: dt.datetime = NOW) -> None:
        self.at = at

    def now(self) -> dt.datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.at += dt.timedelta(seconds=seconds)
        await trio.lowlevel.checkpoint()


def signed(document: msgspec.Struct, key: Keypair) -> Signed:
    return sign(msgspec.json.encode(document), key)


def bundle(made_at: dt.datetime, more: Mapping[str, str], *, expires_at: dt.datetime | None = None) -> CatalogueBundle:
    """The shipped catalogue's infrastructure and tables with these platforms and other files alone. Made anew each
    time, as an operator's is."""
    version = f"v{made_at:%Y%m%d%H%M}"
    files = _shipped() | dict(more)
    return CatalogueBundle(version=version, made_at=made_at, expires_at=expires_at or made_at + YEAR, files=files)


@functools.cache
def _shipped() -> dict[str, str]:
    """All but platforms."""
    files = packed(default_catalogue_path(), NOW, NOW + YEAR).files
    return {name: text for name, text in files.items() if not name.startswith("platforms/")}


class Publisher(Collector):
    """`key` (the stand-in's) is the online key."""

    def __init__(self) -> None:
        super().__init__()
        self.catalogue_key = Keypair.generate()
        self.shown: tuple[str, ...] = (public_text(self.catalogue_key.public),)
        self.role = "probe"

    @property
    def invitation(self) -> str:
        return f"{self.url}/invite#{INVITATION}.{self.catalogue_key.name}"

    def _enrol(self, body: bytes) -> tuple[int, bytes]:
        if msgspec.json.decode(body, type=Enrolment).invitation != INVITATION:
            return 403, _refused("this invitation was used already: ask for another")
        enrolled = {"token": TOKEN, "role": self.role, "collector": "Stand-in", "catalogue_keys": self.shown}
        return 200, msgspec.json.encode(msgspec.convert(enrolled, Enrolled))

    def publish(self, kind: str, document: Signed, version: str) -> None:
        self.documents[kind] = (document, version)
        self.checkin = msgspec.structs.replace(self.checkin, **{kind: version})

    def publish_catalogue(
        self,
        made_at: dt.datetime = NOW,
        *,
        more: Mapping[str, str] | None = None,
        expires_at: dt.datetime | None = None,
        key: Keypair | None = None,
    ) -> str:
        """The version."""
        made = bundle(made_at, more or {"platforms/shop.yaml": SHOP}, expires_at=expires_at)
        self.publish("catalogue", signed(made, key or self.catalogue_key), made.version)
        return made.version

    def publish_keys(
        self,
        made_at: dt.datetime = NOW,
        *,
        catalogue: tuple[Keypair, ...] | None = None,
        revoked: tuple[str, ...] = (),
        key: Keypair | None = None,
        expires_at: dt.datetime | None = None,
    ) -> None:
        online = OnlineKey(public=public_text(self.key.public), not_after=made_at + YEAR)
        holding = (self.catalogue_key,) if catalogue is None else catalogue
        document = KeyDocument(
            made_at=made_at,
            expires_at=expires_at or made_at + YEAR,
            catalogue=tuple(public_text(each.public) for each in holding),
            online=(online,),
            revoked=revoked,
        )
        self.publish("keys", signed(document, key or self.catalogue_key), made_at.isoformat())

    def publish_expectations(
        self, made_at: dt.datetime = NOW, *, status: int = 200, key: Keypair | None = None
    ) -> None:
        seen = Expectations(made_at=made_at, endpoints={"https://shop.example/": Expectation(status=status)})
        document = ExpectationsDocument(
            version=f"e{made_at:%d%H%M}",
            made_at=made_at,
            expires_at=made_at + 7 * 24 * HOUR,
            expectations=encode_expectations(seen).decode(),
        )
        self.publish("expectations", signed(document, key or self.key), document.version)


@asynccontextmanager
async def publishing() -> AsyncIterator[Publisher]:
    async with trio.open_nursery() as nursery:
        collector = Publisher()
        await collector.open_port(nursery)
        yield collector
        nursery.cancel_scope.cancel()


def holding(state: Path) -> set[str]:
    """What lies in the state folder, by path below it."""
    return {path.relative_to(state).as_posix() for path in state.rglob("*") if path.is_file()}
