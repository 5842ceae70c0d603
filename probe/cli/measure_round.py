"""What `probe measure` does once its options are understood."""

import dataclasses
import datetime as dt
import gc
import ipaddress
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import msgspec
import trio

from probe import __version__
from probe.catalogue.fingerprints import load_fingerprints
from probe.catalogue.geo import GeoTables
from probe.catalogue.loader import FINGERPRINTS, TABLES, default_catalogue_path, load_catalogue
from probe.catalogue.model import Catalogue, CatalogueError, Fingerprint
from probe.catalogue.tables import load_tables
from probe.cli.faults import Failed, Fault, plain_faults, read_file, write_file
from probe.cli.output import JsonOutput, OoniOutput, Output, TableOutput
from probe.cli.results import Results
from probe.cli.selection import tasks_for
from probe.cli.sink import sink
from probe.measure.endpoint import Judged
from probe.measure.identity import identify
from probe.measure.prepare import Wishes, prepared
from probe.measure.round import measuring
from probe.measure.task import Task
from probe.net.tls import Roots
from probe.verdict.expect import expectation_of
from probe.verdict.fingerprints import Fingerprints
from probe.verdict.known import Library
from probe.wire.codec import decode_expectations, encode_expectations
from probe.wire.expectations import Expectation, Expectations
from probe.wire.measurement import Network

_NOBODYS = [ipaddress.ip_address(text) for text in ("255.255.255.255", "0.0.0.0", "::")]  # which the kernel binds to


@dataclass(frozen=True)
class Paths:
    """Files that a round reads and writes."""

    catalogue: Path | None = None
    output: Path | None = None
    expectations: Path | None = None
    save: Path | None = None
    geo: tuple[Path, ...] = ()


def run(what: Sequence[str], form: str, wishes: Wishes, paths: Paths) -> Results:
    """One round, its results written. Raises Fault for whatever a person got wrong."""
    for address in (*wishes.resolvers, *([] if wishes.source is None else [wishes.source])):
        _check_address(address)
    if wishes.source is not None:
        _check_own(wishes.source)
    with plain_faults():
        catalogue = load_catalogue(paths.catalogue or default_catalogue_path())
        tasks = tasks_for(what, catalogue)
        library = library_for(catalogue, paths.expectations)
        results = Results(catalogue)
        Roots.load(wishes.ca_file)
        _check_writable(paths.save)
        with GeoTables.open(paths.geo) as geo, sink(paths.output) as out:
            _notice(tasks)
            output = _output(form, results, out, len(tasks))
            round_ = _Round(results, output, geo if paths.geo else None, keep=paths.save is not None)
            gc.freeze()  # modules and catalogue stay: the sweeps of a round need not look at them
            trio.run(round_.measure, tasks, wishes, catalogue, library)
    if paths.save is not None:
        _save(paths.save, catalogue, round_.expectations, results)
    return results


def library_for(catalogue: Catalogue, expectations: Path | None, fingerprints: Path | None = None) -> Library:
    """All that verdicts rest on beside the measurements: the catalogue, fingerprints, what a control saw."""
    rows = _rows(fingerprints or default_catalogue_path() / FINGERPRINTS)
    tables = load_tables(default_catalogue_path() / TABLES)
    return Library(catalogue, Fingerprints(rows), _expectations(expectations) if expectations else None, tables)


def _rows(path: Path) -> tuple[Fingerprint, ...]:
    try:
        return load_fingerprints(path)
    except CatalogueError as exc:
        raise Fault(f"{path.parent}/{exc}") from exc


class _Round:
    def __init__(self, results: Results, output: Output, geo: GeoTables | None, *, keep: bool) -> None:
        self.results, self.output, self.geo, self.keep = results, output, geo, keep
        self.expectations: dict[str, Expectation] = {}

    async def measure(self, tasks: Sequence[Task], wishes: Wishes, catalogue: Catalogue, library: Library) -> None:
        try:
            async with prepared(wishes, catalogue, library) as context:
                known = dataclasses.replace(context, network=await identify(context, self.geo))
                for line in _whose(known.network):
                    print(line, file=sys.stderr)
                async with measuring(tasks, known) as judgements:
                    async for judged in judgements:
                        self._take(judged)
        finally:
            self.output.end()

    def _take(self, judged: Judged) -> None:
        measurement = judged.measurement
        self.results.add(measurement.platform, measurement.endpoint, judged.verdict)
        if self.keep:
            self.expectations[measurement.endpoint] = expectation_of(measurement)
        self.output.add(judged)


def _check_address(text: str) -> None:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        raise Fault(f"{text!r} is no IP address: --source and --resolver take one, such as 192.0.2.1") from None


def _check_writable(path: Path | None) -> None:
    """Before the round, not after it."""
    if path is not None and not (path.parent.is_dir() and os.access(path.parent, os.W_OK) and not path.is_dir()):
        raise Fault(f"{path}: cannot write expectations there: name a file in a folder that you may write to")


def _check_own(source: str) -> None:
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    address = ipaddress.ip_address(source.partition("%")[0])
    if address in _NOBODYS or address.is_multicast:
        raise Fault(f"--source {source}: nobody's own; give an address that this machine has")
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((source, 0))
    except OSError as exc:
        raise Fault(f"--source {source}: {exc.strerror or exc}; give an address that this machine has") from exc


def _expectations(path: Path) -> Expectations:
    try:
        return decode_expectations(read_file(path, "expectations"))
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise Fault(f"{path}: not a file of expectations ({exc}); make one with --save-expectations") from exc


def _notice(tasks: Sequence[Task]) -> None:
    """Running the command by hand is consent to one round; what it does is said all the same."""
    platforms = len({task.platform for task in tasks if task.platform})
    of = f" of {platforms} platform{'s' if platforms > 1 else ''}" if platforms else ""
    what = f"{len(tasks)} endpoint{'s' if len(tasks) > 1 else ''}{of}"
    print(f"Contacting {what} from this connection, beside anchors and trusted resolvers.", file=sys.stderr)
    print("Your provider can see that. Nothing is sent to anybody else.", file=sys.stderr)


def _whose(network: Network) -> Iterator[str]:
    """Whom the round speaks about, as far as that is known."""
    if network.asn is not None:
        name = f" {network.name}" if network.name else ""
        country = f" ({network.country})" if network.country else ""
        other = network.resolver_asn if network.resolver_asn != network.asn else None
        resolver = f", with a resolver in AS{other}" if other else ""
        yield f"Measuring from AS{network.asn}{name}{country}{resolver}."
    if network.vpn or network.hosting:
        what = "a VPN or another tunnel" if network.vpn else "a network of servers"
        yield f"This connection seems to be {what}: what follows is true of it, not of an ordinary provider."


def _output(form: str, results: Results, out: TextIO, total: int) -> Output:
    match form:
        case "json":
            return JsonOutput(results, out)
        case "ooni":
            return OoniOutput(out, __version__)
    return TableOutput(results, out, total)


def _save(path: Path, catalogue: Catalogue, found: dict[str, Expectation], results: Results) -> None:
    """A control whose anchors fail is void: what it saw is no measure for anybody."""
    if results.void is not None:
        raise Failed(f"{path}: no expectations saved, since this network cannot serve as a control: {results.void}")
    document = Expectations(made_at=dt.datetime.now(dt.UTC), catalogue=catalogue.version, endpoints=found)
    write_file(path, encode_expectations(document), "expectations")
