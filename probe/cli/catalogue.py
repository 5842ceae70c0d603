"""`probe catalogue`: what is tested, whether its files are right, and the markers of block pages."""

# ruff: noqa: PLC0415 (imports inside functions keep `--help` fast)

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click

from probe.cli.catalogue_sign import keys, sign
from probe.cli.countries import country_code
from probe.cli.faults import WRONG_USAGE, Fault, write_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from probe.catalogue.model import Catalogue, Endpoint, Fingerprint

T = TypeVar("T")

_PATH = click.Path(path_type=Path)
_FORMAT = click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", help="json: one object a line."
)


@click.group()
def catalogue() -> None:
    """The catalogue of platforms: what is tested, and what is known of block pages.

    \b
    Example:
      probe catalogue list --platform telegram
    """


catalogue.add_command(sign)
catalogue.add_command(keys)


@catalogue.command("list")
@click.option("--catalogue", "path", type=_PATH, help="Folder or platform file; the shipped catalogue by default.")
@click.option("--platform", "wanted", multiple=True, help="Only this platform; may be given several times.")
@_FORMAT
def list_endpoints(path: Path | None, wanted: tuple[str, ...], form: str) -> None:
    """List every endpoint with its service and where it is known from.

    \b
    Examples:
      probe catalogue list --platform x --platform telegram
      probe catalogue list --format json | jq -r .endpoint
    """
    loaded = _load(path)
    known = {platform.id for platform in loaded.platforms}
    if unknown := sorted(set(wanted) - known):
        raise Fault(f"no platform {unknown[0]!r} in the catalogue: it has {', '.join(sorted(known))}")
    endpoints = [e for e in loaded.endpoints() if not wanted or e.platform in wanted]
    if form == "json":
        _print_json(_endpoint_fields(endpoint) for endpoint in endpoints)
    else:
        rows = [(e.platform, e.service, e.url, e.group or "", e.confidence, e.source) for e in endpoints]
        header = ("platform", "service", "endpoint", "group", "conf", "source")
        _print_table(header, rows, {"endpoint": 28, "source": 12})


@catalogue.command()
@click.argument("path", type=_PATH, required=False)
def check(path: Path | None) -> None:
    """Check a catalogue's files and say everything that is wrong. Exit status 2 where something is.

    PATH is a catalogue's folder or one platform's file; the shipped catalogue by default.

    \b
    Examples:
      probe catalogue check
      probe catalogue check my-platform.yaml
    """
    folder = path or _default_path()
    counts, faults = _survey(folder)
    if faults:
        _fail([_placed(fault, folder) for fault in faults])
    click.echo(f"{folder}: fine: {', '.join(counts)}")


@catalogue.group()
def fingerprints() -> None:
    """Markers of block pages and forged answers.

    \b
    Example:
      probe catalogue fingerprints list --country TR
    """


@fingerprints.command("list")
@click.option("--file", "file", type=_PATH, help="File of fingerprints; the shipped one by default.")
@click.option("--country", metavar="XX", callback=country_code, help="Only those of this country, and those of none.")
@_FORMAT
def list_fingerprints(file: Path | None, country: str | None, form: str) -> None:
    """List the markers, what each is a mark of, and how sure it is.

    \b
    Examples:
      probe catalogue fingerprints list --country TR
      probe catalogue fingerprints list --file ooni.json --format json
    """
    import msgspec

    found = _load_fingerprints(file)
    shown = [f for f in found if country is None or not f.countries or country in f.countries]
    if form == "json":
        _print_json({"kind": "fingerprint", **msgspec.to_builtins(fingerprint)} for fingerprint in shown)
    else:
        header = ("name", "scope", "conf", "country", "location", "type", "pattern")
        rows = [
            (f.name, f.scope, str(f.confidence), ",".join(f.countries), f.location, f.pattern_type, f.pattern)
            for f in shown
        ]
        _print_table(header, rows, {"name": 20, "location": 8, "pattern": 15}, folded=("pattern",))


@fingerprints.command("import")
@click.argument("sources", metavar="FILE_OR_URL...", nargs=-1, required=True)
@click.option("--output", type=_PATH, required=True, help="File to write, in our own form; - for standard output.")
@click.option(
    "--ca-file", type=_PATH, envvar="PROBE_CA_FILE", help="Certificate authorities instead of the public ones."
)
def import_fingerprints(sources: tuple[str, ...], output: Path, ca_file: Path | None) -> None:
    """Read OONI's lists of fingerprints (CSV, from files or https URLs) into one file of our own form.

    A marker that the shipped list holds too keeps the more cautious of both scopes.

    \b
    Example:
      probe catalogue fingerprints import fingerprints_dns.csv fingerprints_http.csv --output fingerprints.json
    """
    from probe.catalogue.fingerprints import encode_fingerprints, merge_fingerprints
    from probe.cli.catalogue_lists import read_list

    imported = merge_fingerprints(f for source in sources for f in _or_fault(partial(read_list, source, ca_file)))
    kept = {(f.location, f.pattern_type, f.pattern) for f in imported}
    shipped = [f for f in _load_fingerprints(None) if (f.location, f.pattern_type, f.pattern) in kept]
    _write(output, encode_fingerprints(merge_fingerprints((*imported, *shipped))))
    click.echo(f"{output}: {len(imported)} fingerprints", err=True)


def _load(path: Path | None) -> Catalogue:
    from probe.catalogue.loader import load_catalogue

    return _or_fault(lambda: load_catalogue(path or _default_path()))


def _load_fingerprints(file: Path | None) -> tuple[Fingerprint, ...]:
    from probe.catalogue.fingerprints import load_fingerprints
    from probe.catalogue.loader import FINGERPRINTS

    return _or_fault(lambda: load_fingerprints(file or _default_path() / FINGERPRINTS))


def _default_path() -> Path:
    from probe.catalogue.loader import default_catalogue_path

    return _or_fault(default_catalogue_path)


def _or_fault(load: Callable[[], T]) -> T:
    from probe.catalogue.model import CatalogueError

    try:
        return load()
    except CatalogueError as error:
        raise Fault(str(error)) from None


def _survey(folder: Path) -> tuple[list[str], list[str]]:
    """What the catalogue holds, and everything that is wrong with it."""
    from probe.catalogue.fingerprints import load_fingerprints
    from probe.catalogue.loader import FINGERPRINTS, TABLES, CatalogueFaults, load_catalogue
    from probe.catalogue.model import CatalogueError
    from probe.catalogue.tables import load_tables

    counts: list[str] = []
    faults: list[str] = []
    parts: list[Callable[[], list[str]]] = [lambda: _counts(load_catalogue(folder))]
    if (markers := folder / FINGERPRINTS).exists():
        parts.append(lambda: [f"{len(load_fingerprints(markers))} fingerprints"])
    if (tables := folder / TABLES).exists():
        parts.append(lambda: [f"{len(load_tables(tables).networks)} networks"])
    for part in parts:
        try:
            counts += part()
        except CatalogueFaults as error:
            faults += error.faults
        except CatalogueError as error:
            faults.append(str(error))
    return counts, faults


def _counts(loaded: Catalogue) -> list[str]:
    infrastructure = loaded.infrastructure
    services = sum(len(platform.services) for platform in loaded.platforms)
    return [
        f"version {loaded.version}",
        f"{len(loaded.platforms)} platforms",
        f"{services} services",
        f"{len(loaded.endpoints())} endpoints",
        f"{len(infrastructure.anchors)} anchors",
        f"{len(infrastructure.resolvers)} trusted resolvers",
    ]


def _endpoint_fields(endpoint: Endpoint) -> dict[str, object]:
    import msgspec

    fields = msgspec.to_builtins(endpoint)
    target = fields.pop("target")
    head = {"kind": "endpoint", "platform": endpoint.platform, "service": endpoint.service, "endpoint": endpoint.url}
    return {**head, **fields, "scheme": target["scheme"], "host": target["host"], "port": target["port"]}


def _placed(fault: str, folder: Path) -> str:
    """Files of a catalogue are named by their place in it; here they are the person's."""
    name, colon, _ = fault.partition(":")
    return f"{folder / fault}" if colon and folder.is_dir() and (folder / name).is_file() else fault


def _fail(faults: Sequence[str]) -> NoReturn:
    for fault in faults:
        click.echo(f"Error: {fault}", err=True)
    if len(faults) > 1:
        click.echo(f"{len(faults)} faults", err=True)
    sys.exit(WRONG_USAGE)


def _write(output: Path, content: bytes) -> None:
    if str(output) == "-":
        sys.stdout.buffer.write(content)
    else:
        write_file(output, content, "the fingerprints")


def _print_json(objects: Iterable[dict[str, object]]) -> None:
    import msgspec

    for item in objects:
        click.echo(msgspec.json.encode(item).decode())


def _print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], least: dict[str, int], folded: tuple[str, ...] = ()
) -> None:
    """A table where a person looks, as `table_of` makes it; tab-separated lines where a program does."""
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(row))
        return
    from probe.cli.display import Screen
    from probe.cli.narrow import table_of

    screen = Screen(sys.stdout)
    screen.print(table_of(header, rows, room=screen.width, least=least, folded=folded))
