"""What ingest answers, one line an operation: its routes and its part of `/openapi.json` come from this table."""

from typing import Annotated

import msgspec

from probe.collector.ingest_bounds import Asn, Country, bounded
from probe.wire.reports import Accepted, Checkin, Enrolled, Enrolment, Report
from probe.wire.signed import Signed

API = "/api/v1"

Patience = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{1,4}(\.[0-9]{1,3})?\Z", description="Seconds")]

_TOKEN = (401, 403, 503)
_BODY = (400, 408, 413, 422)
_BODIES: dict[str, type[msgspec.Struct]] = {"report": bounded(Report), "enrolment": bounded(Enrolment)}


class CheckinQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What the probe knows of its network itself, and for how many seconds it would wait for a re-test."""

    country: Country | None = None
    asn: Asn | None = None
    wait: Patience | None = None


class Erasing(msgspec.Struct, frozen=True, kw_only=True):
    erased_within_seconds: int


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """`body` is what is sent, with the bounds that it is checked with; `answer` what comes back with `status`.
    `tokenless`: for strangers too. `tagged`: with an ETag, and so perhaps 304."""

    name: str
    method: str
    path: str
    summary: str
    status: int = 200
    answer: type[msgspec.Struct]
    refusals: tuple[int, ...]
    body: type[msgspec.Struct] | None = None
    encodings: tuple[str, ...] = ()
    query: type[msgspec.Struct] | None = None
    tokenless: bool = False
    tagged: bool = False


OPERATIONS = (
    Operation(
        name="report",
        method="POST",
        path=f"{API}/reports",
        summary="Hand over measurements: 202 once they are durable, and the same for a repeat",
        status=202,
        answer=Accepted,
        refusals=(*_TOKEN, *_BODY, 415, 429),
        body=_BODIES["report"],
        encodings=("zstd", "gzip", "identity"),
    ),
    Operation(
        name="checkin",
        method="GET",
        path=f"{API}/checkin",
        summary="The time, what is new, the re-tests that are wanted, and a lease of the network that it comes from",
        answer=Checkin,
        refusals=(*_TOKEN, 422, 429),
        query=CheckinQuery,
    ),
    *(
        Operation(
            name=kind,
            method="GET",
            path=f"{API}/{kind}",
            summary=f"The newest {kind}, signed",
            answer=Signed,
            refusals=(*_TOKEN, 404, 429),
            tagged=True,
        )
        for kind in ("catalogue", "expectations", "keys")
    ),
    Operation(
        name="enrol",
        method="POST",
        path=f"{API}/enrol",
        summary="A token for an invitation, once",
        answer=Enrolled,
        refusals=(403, 503, *_BODY, 429),
        body=_BODIES["enrolment"],
        tokenless=True,
    ),
    Operation(
        name="erase",
        method="DELETE",
        path=f"{API}/probe",
        summary="Revoke the token that asks, and erase all that is held of its probe",
        status=202,
        answer=Erasing,
        refusals=_TOKEN,
    ),
)
