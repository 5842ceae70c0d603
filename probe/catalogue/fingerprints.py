"""Files of fingerprints in our own form: YAML, or JSON, which is YAML too and is read much faster.

The same marker may stand in several files or rows. Merged, it keeps the most cautious of what they say of it: a
pattern that one list calls a national block page and another a false positive must not accuse anybody.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from probe.catalogue.forms import FingerprintForm, FingerprintsForm
from probe.catalogue.model import CatalogueError, Fingerprint
from probe.catalogue.reading import convert, decode_text, parse_yaml, read_bytes
from probe.wire.addresses import parse_address

CAUTION = ("fp", "vbw", "inst", "opt-in", "prod", "injb", "prov", "isp", "nat")  # most cautious first


def load_fingerprints(path: Path) -> tuple[Fingerprint, ...]:
    """The file's markers, duplicates merged. Raises CatalogueError."""
    name = path.name
    return fingerprints_of(fingerprints_document(decode_text(read_bytes(path, name), name), name), name)


def fingerprints_of(document: object, name: str) -> tuple[Fingerprint, ...]:
    """The same out of a document that was read. `name` is its file's, for the message of the CatalogueError."""
    form = convert(document, FingerprintsForm, name)
    return merge_fingerprints(
        fingerprint
        for index, item in enumerate(form.fingerprints)
        for fingerprint in _expanded(item, name, f"fingerprints[{index}]")
    )


def encode_fingerprints(fingerprints: Iterable[Fingerprint]) -> bytes:
    """A file that `load_fingerprints` reads, as JSON with one marker a line, so that two can be compared."""
    lines = ",\n".join(_line(fingerprint) for fingerprint in fingerprints)
    return f'{{"fingerprints": [\n{lines}\n]}}\n'.encode()


def merge_fingerprints(fingerprints: Iterable[Fingerprint]) -> tuple[Fingerprint, ...]:
    """Each marker once, in the order in which they were first met."""
    merged: dict[tuple[str, str, str], Fingerprint] = {}
    for fingerprint in fingerprints:
        key = (fingerprint.location, fingerprint.pattern_type, fingerprint.pattern)
        before = merged.get(key)
        merged[key] = fingerprint if before is None else _merged(before, fingerprint)
    return tuple(merged.values())


def checked(fingerprint: Fingerprint) -> Fingerprint:
    """With its pattern in the form in which answers are compared. Raises ValueError where it could never match."""
    if not fingerprint.pattern:
        raise ValueError("the pattern is empty: it would match everything")
    if fingerprint.pattern_type == "regexp":
        try:
            re.compile(fingerprint.pattern)
        except re.error as error:
            raise ValueError(f"the pattern is no regular expression: {error}") from None
    if fingerprint.location != "dns" or fingerprint.pattern_type == "regexp":
        return fingerprint
    address = parse_address(fingerprint.pattern)
    pattern = str(address) if address is not None else fingerprint.pattern.lower().removesuffix(".")
    return msgspec.structs.replace(fingerprint, pattern=pattern)


def fingerprints_document(text: str, name: str) -> object:
    """What the text holds, YAML or JSON, not looked at yet. Raises CatalogueError."""
    if text.lstrip().startswith("{"):
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            pass  # YAML in flow style, or broken: the YAML parser tells
    return parse_yaml(text, name)


def _expanded(item: object, name: str, where: str) -> Iterator[Fingerprint]:
    form = convert(item, FingerprintForm, name, where)
    patterns = form.patterns if form.pattern is None else (form.pattern, *form.patterns)
    if not patterns:
        raise CatalogueError(f"{name}: {where}: the key 'pattern' or 'patterns' is missing")
    for number, pattern in enumerate(patterns, start=1):
        fingerprint = Fingerprint(
            name=form.name if len(patterns) == 1 else f"{form.name}-{number}",
            location=form.location,
            pattern_type=form.pattern_type,
            pattern=pattern,
            scope=form.scope,
            confidence=form.confidence,
            countries=form.countries,
            asns=form.asns,
            source=form.source,
        )
        try:
            yield checked(fingerprint)
        except ValueError as error:
            raise CatalogueError(f"{name}: {where}: {error}") from None


def _merged(one: Fingerprint, other: Fingerprint) -> Fingerprint:
    scope = min(one.scope, other.scope, key=CAUTION.index)
    sources = dict.fromkeys(source for f in (one, other) for source in f.source.split("; ") if source)
    return msgspec.structs.replace(
        one,
        scope=scope,
        confidence=min(one.confidence, other.confidence),
        countries=tuple(dict.fromkeys((*one.countries, *other.countries))) if one.countries and other.countries else (),
        asns=tuple(dict.fromkeys((*one.asns, *other.asns))) if one.asns and other.asns else (),
        source="; ".join(sources),
    )


def _line(fingerprint: Fingerprint) -> str:
    fields = {key: value for key, value in msgspec.to_builtins(fingerprint).items() if value not in ((), [])}
    return msgspec.json.encode(fields).decode()
