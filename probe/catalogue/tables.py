"""What is known of networks and countries: which ASNs are one organisation, their names, the time zones."""

from collections.abc import Iterable
from pathlib import Path

from probe.catalogue.forms import OperatorForm, TablesForm
from probe.catalogue.model import Tables
from probe.catalogue.reading import convert, decode_text, parse_yaml, read_bytes


def load_tables(path: Path) -> Tables:
    """Operators that share an ASN become one; of two names for an ASN the first holds. Raises CatalogueError."""
    name = path.name
    return tables_of(parse_yaml(decode_text(read_bytes(path, name), name), name), name)


def tables_of(document: object, name: str) -> Tables:
    """The same out of a document that was read. `name` is its file's, for the message of the CatalogueError."""
    form = convert(document, TablesForm, name)
    operators = [convert(item, OperatorForm, name, f"operators[{i}]") for i, item in enumerate(form.operators)]
    networks: dict[int, str] = {}
    for operator in operators:
        networks = {**operator.asns, **networks}
    return Tables(
        siblings=_siblings(frozenset(operator.asns) for operator in operators),
        zones=form.zones.countries,
        networks=networks,
        hosting=form.hosting.asns if form.hosting else {},
        vpn=form.vpn.asns if form.vpn else {},
    )


def _siblings(sets: Iterable[frozenset[int]]) -> tuple[frozenset[int], ...]:
    """Sets that overlap become one; an ASN alone has no siblings."""
    merged: list[frozenset[int]] = []
    for asns in sets:
        apart = [other for other in merged if not asns & other]
        joined = asns.union(*(other for other in merged if asns & other))
        merged = [*apart, joined]
    return tuple(asns for asns in merged if len(asns) > 1)
