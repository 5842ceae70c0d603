"""OONI's measurements as ours, to be judged by our rules.

A web_connectivity measurement is one measurement of ours. The tests of messengers hold many endpoints in one document:
it becomes one part an endpoint. OONI's own conclusions (`blocking`, `dns_consistency`, `whatsapp_web_status`) are not
read: facts are.
"""

import datetime as dt
import hashlib
import re
import uuid
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from probe.wire.expectations import Expectation
from probe.wire.measurement import Measurement, Network, Surroundings
from probe.wire.ooni_control import control_addresses, expectation
from probe.wire.ooni_dns import told
from probe.wire.ooni_fields import Document, OoniError, part, place, seconds, text
from probe.wire.ooni_parts import Found, found_parts, placed
from probe.wire.ooni_services import TESTS
from probe.wire.ooni_steps import steps

__all__ = ["OoniError", "OoniMeasurement", "OoniPart", "from_ooni"]

T = TypeVar("T")

_NAMESPACE = uuid.UUID("8a4cf1f6-6d0e-5c1e-9c39-3f5a8f6a9d10")  # of the ids that we derive from OONI's
_ASN = re.compile(r"AS(\d{1,10})")
_COUNTRY = re.compile(r"[A-Z]{2}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class OoniPart(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint of a document. Parts with the same `group` are alternatives, as endpoints of the catalogue are."""

    measurement: Measurement
    expectation: Expectation | None = None
    group: str | None = None


class OoniMeasurement(msgspec.Struct, frozen=True, kw_only=True):
    test_name: str
    input: str | None
    parts: tuple[OoniPart, ...]


def from_ooni(document: Document) -> OoniMeasurement:
    """Raises OoniError, and nothing else, where the document holds no measurement of a test that we can judge."""
    if not isinstance(document, dict):
        raise OoniError("not an OONI measurement: a JSON object is wanted")
    name = text(document, "test_name")
    test_keys = document.get("test_keys")
    if name is None:
        raise OoniError("not an OONI measurement: test_name is missing")
    if not isinstance(test_keys, dict):
        raise OoniError(f"test_keys of this {name} measurement is empty: nothing was measured")
    parts = tuple(_parts(document, name, test_keys))
    return OoniMeasurement(test_name=name, input=text(document, "input"), parts=parts)


def _parts(document: Document, name: str, test_keys: Document) -> Iterator[OoniPart]:
    if name == "web_connectivity":
        yield _web(document, test_keys)
        return
    if name not in TESTS and name != "urlgetter":
        known = ", ".join(("web_connectivity", *sorted(TESTS), "urlgetter"))
        raise OoniError(f"test_name {name} is none that can be judged ({known})")
    entry = _Envelope(document)
    if entry.annotated and name in TESTS:
        ours = (placed(endpoint, steps(_only(test_keys, endpoint)), name) for endpoint in entry.annotated)
        yield from (entry.part(found) for found in ours)
        return
    for found in found_parts(name, text(document, "input"), steps(test_keys)):
        yield entry.part(found)


def _only(test_keys: Document, endpoint: str) -> Document:
    """The test keys of one endpoint: our own export says of each entry whose it is."""

    def kept(entry: object) -> bool:
        return isinstance(entry, dict) and ("tags" not in entry or told(entry, "endpoint") == endpoint)

    return {
        key: [entry for entry in value if kept(entry)] if isinstance(value, list) else value
        for key, value in test_keys.items()
    }


def _web(document: Document, test_keys: Document) -> OoniPart:
    asked = text(document, "input")
    target = place(asked)
    if target is None:
        raise OoniError(f"input of this web_connectivity measurement is no http or https URL: {asked}")
    seen = steps(test_keys, control_addresses(test_keys), target.host)
    found = Found(endpoint=target.url, steps=seen)
    entry = _Envelope(document)
    expected = entry.expected(target.url) or expectation(test_keys, target)
    return OoniPart(measurement=entry.measurement(found), expectation=expected)


class _Envelope:
    """What all parts of one document share (df-000-base)."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._network = Network(
            asn=_asn(document, "probe_asn"),
            country=_country(text(document, "probe_cc")),
            name=text(document, "probe_network_name"),
            resolver_asn=_asn(document, "resolver_asn"),
        )
        self._started = _started(document)
        self.annotated = _annotated(document)

    def part(self, found: Found) -> OoniPart:
        expected = self.expected(found.endpoint)
        return OoniPart(measurement=self.measurement(found), expectation=expected, group=found.group)

    def expected(self, endpoint: str) -> Expectation | None:
        """What a control of ours saw, where our own export says so."""
        return _ours(self._told(endpoint).get("expectation"), Expectation)

    def measurement(self, found: Found) -> Measurement:
        whole = seconds(self._document, "test_runtime")
        software = (text(self._document, "software_name"), text(self._document, "software_version"))
        told = self._told(found.endpoint)
        return Measurement(
            id=self._id(found.endpoint),
            endpoint=found.endpoint,
            started_at=self._started,
            duration=whole if whole else max((step.t for step in found.steps), default=0.0),
            platform=text(told, "platform") or found.platform,
            service=text(told, "service") or found.service,
            network=self._network,
            agent="/".join(filter(None, software)) or None,
            steps=found.steps,
            surroundings=_ours(told.get("surroundings"), Surroundings),
        )

    def _told(self, endpoint: str) -> Document:
        """What our own export says of an endpoint that OONI's format has no field for (see `ooni_out`)."""
        return part(self.annotated, endpoint)

    def _id(self, endpoint: str) -> str:
        """The same for the same document, however often and wherever it is read."""
        ours = text(self._told(endpoint), "id") or ""
        if _UUID.fullmatch(ours):
            return ours
        known = text(self._document, "measurement_uid") or text(self._document, "id") or self._fingerprint()
        return str(uuid.uuid5(_NAMESPACE, f"{known} {endpoint}"))

    def _fingerprint(self) -> str:
        report = text(self._document, "report_id")
        if report:
            return " ".join((report, text(self._document, "input") or "", self._started.isoformat()))
        return hashlib.sha256(repr(self._document).encode("utf-8", "replace")).hexdigest()


def _annotated(document: Document) -> Document:
    """OONI's annotations are texts; ours holds JSON, by endpoint."""
    try:
        told = msgspec.json.decode(text(part(document, "annotations"), "measurements") or "{}")
    except msgspec.DecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def _ours(told: object, kind: type[T]) -> T | None:
    """A part of our own export that OONI's format has no field for; nothing where it is not what we write."""
    try:
        return msgspec.convert(told, kind) if told is not None else None
    except msgspec.ValidationError:
        return None


def _asn(document: Document, key: str) -> int | None:
    match = _ASN.fullmatch(text(document, key) or "")
    value = int(match.group(1)) if match else 0
    return value if 0 < value < 2**32 else None


def _country(code: str | None) -> str | None:
    return code if code and _COUNTRY.fullmatch(code) and code != "ZZ" else None


def _started(document: Document) -> dt.datetime:
    for key in ("measurement_start_time", "test_start_time"):
        try:
            return dt.datetime.strptime(text(document, key) or "", "%Y-%m-%d %H:%M:%S").replace(tzinfo=dt.UTC)
        except ValueError:
            continue
    raise OoniError("measurement_start_time is missing or no time such as 2020-02-27 20:30:00")
