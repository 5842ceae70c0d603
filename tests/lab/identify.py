"""Run inside a lab: who this vantage point is, in JSON. Arguments: the authority, `strangers` or a table, ..."""

import sys
from pathlib import Path

import msgspec
import trio

from probe.catalogue.geo import GeoTables
from probe.catalogue.loader import TABLES, default_catalogue_path, load_catalogue
from probe.catalogue.tables import load_tables
from probe.measure.identity import attachment, identify
from probe.measure.prepare import Wishes, prepared
from probe.verdict.known import Library
from probe.wire.measurement import Network


async def ask(ca_file: Path, tables: list[Path], strangers: bool) -> Network:
    catalogue = load_catalogue(default_catalogue_path())
    library = Library(catalogue, tables=load_tables(default_catalogue_path() / TABLES))
    with GeoTables.open(tables) as geo:
        async with prepared(Wishes(ca_file=ca_file), catalogue, library) as context:
            return await identify(context, geo if tables else None, ask_strangers=strangers)


if __name__ == "__main__":
    authority, *words = sys.argv[1:]
    strangers = "strangers" in words
    network = trio.run(ask, Path(authority), [Path(word) for word in words if word != "strangers"], strangers)
    print(msgspec.json.encode({"network": network, "attachment": sorted(attachment())}).decode())
