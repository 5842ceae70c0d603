"""Messages between probe and collector: every version ever written stays readable, and nothing is lost on the way."""

from pathlib import Path

import msgspec
import pytest

from probe.wire.compact import compacted
from probe.wire.expectations import Expectations
from probe.wire.measurement import Measurement
from probe.wire.reports import Accepted, Checkin, Enrolled, Enrolment, Refused, Report
from probe.wire.signed import CatalogueBundle, ExpectationsDocument, KeyDocument, Lease, Signed
from probe.wire.steps import HttpStep, TlsStep

GOLDEN = Path(__file__).parent / "golden"
TYPES: dict[str, type[msgspec.Struct]] = {
    "report": Report,
    "accepted": Accepted,
    "refused": Refused,
    "checkin": Checkin,
    "enrolment": Enrolment,
    "enrolled": Enrolled,
    "signed": Signed,
    "lease": Lease,
    "keys": KeyDocument,
    "catalogue": CatalogueBundle,
    "expectations-document": ExpectationsDocument,
    "expectations": Expectations,
}
FILES = sorted(GOLDEN.glob("*.json"))


def type_of(path: Path) -> type[msgspec.Struct]:
    return TYPES[path.stem.rpartition(".")[0]]


def test_every_message_has_a_file_of_every_version() -> None:
    assert {path.stem for path in FILES} >= {f"{name}.v1" for name in TYPES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_was_once_written_is_still_read_to_the_last_field(path: Path) -> None:
    raw = path.read_bytes()
    message = msgspec.json.decode(raw, type=type_of(path))
    written = msgspec.json.decode(raw)
    again = msgspec.json.decode(msgspec.json.encode(message))
    assert _within(written, again), "a field of the file was not understood"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_fields_of_a_later_version_are_ignored(path: Path) -> None:
    document = {**msgspec.json.decode(path.read_bytes()), "of_a_later_version": [1]}
    assert msgspec.convert(document, type_of(path)) == msgspec.json.decode(path.read_bytes(), type=type_of(path))


def test_what_travels_compact_has_neither_bodies_nor_chains_and_all_else() -> None:
    full = msgspec.json.decode((GOLDEN / "report.v1.json").read_bytes(), type=Report).measurements[0].measurement
    small = compacted(full)
    assert not any(step.body for step in small.steps if isinstance(step, HttpStep))
    assert not any(step.chain for step in small.steps if isinstance(step, TlsStep))
    assert _cut(full) == _cut(small)
    assert len(msgspec.json.encode(small)) < len(msgspec.json.encode(full))


def _cut(measurement: Measurement) -> object:
    document = msgspec.to_builtins(measurement)
    return [{k: v for k, v in step.items() if k not in {"body", "chain"}} for step in document.pop("steps")], document


def _within(part: object, whole: object) -> bool:
    """Whether everything that `part` says is said by `whole` too; defaults may be left out."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _within(value, whole[key]) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(_within, part, whole))
    return part == whole
