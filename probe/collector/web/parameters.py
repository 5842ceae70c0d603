"""What may be asked, and how: parameters are strict, so that a misspelt one is an error and not another answer."""

import datetime as dt
from collections.abc import Iterable
from typing import Annotated, Literal, TypeVar

import msgspec

from probe.collector.analyse.schema import OUTCOMES

T = TypeVar("T", bound=msgspec.Struct)

Country = Annotated[str, msgspec.Meta(pattern=r"\A[A-Z]{2}\Z", description="ISO 3166-1 alpha-2, such as TR")]
Asn = Annotated[int, msgspec.Meta(ge=1, le=4294967295, description="Number of an autonomous system, such as 9121")]
Name = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9._-]{0,63}\Z", description="As the catalogue has it")]
Moment = Annotated[
    dt.datetime, msgspec.Meta(tz=True, description="RFC 3339 with its zone, such as 2026-11-22T06:00:00Z")
]
Outcome = Literal["ok", "partial", "blocked", "degraded", "down", "inconclusive", "void"]
Step = Literal["60", "300", "900", "3600", "21600", "86400"]
Page = Annotated[int, msgspec.Meta(ge=1, le=1000, description="Rows of a page at most")]
Cursor = Annotated[str, msgspec.Meta(max_length=200, description="`next` of the page before")]

assert set(OUTCOMES) == set(Outcome.__args__)  # type: ignore[attr-defined]
EARLIEST, LATEST = dt.datetime(1970, 1, 2, tzinfo=dt.UTC), dt.datetime(9999, 1, 1, tzinfo=dt.UTC)


class ParameterFault(ValueError):
    """One line. `status` is 400 for a question that is not understood, 422 for a value that cannot be."""

    def __init__(self, message: str, status: int, path: str | None = None) -> None:
        super().__init__(message)
        self.status, self.path = status, path


class Where(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every filter may be left out."""

    country: Country | None = None
    asn: Asn | None = None
    platform: Name | None = None
    service: Name | None = None
    since: Moment | None = msgspec.field(default=None, name="from")
    until: Moment | None = msgspec.field(default=None, name="to")
    limit: Page = 200
    cursor: Cursor | None = None


class ReachabilityQuery(Where, frozen=True, kw_only=True):
    """`step` is the length of a row's time in seconds. Without `from`: the last 24 hours."""

    step: Step = "900"


class MeasurementsQuery(Where, frozen=True, kw_only=True):
    """Newest first."""

    outcome: Outcome | None = None


class IncidentsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Those that lasted within the time; newest onset first."""

    country: Country | None = None
    asn: Asn | None = None
    platform: Name | None = None
    since: Moment | None = msgspec.field(default=None, name="from")
    until: Moment | None = msgspec.field(default=None, name="to")
    limit: Page = 200
    cursor: Cursor | None = None


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


def parsed(pairs: Iterable[tuple[str, str]], type: type[T]) -> T:
    """Raises ParameterFault."""
    given: dict[str, str] = {}
    known = {field.encode_name for field in msgspec.structs.fields(type)}
    for name, value in pairs:
        if name not in known:
            raise ParameterFault(f"unknown parameter {name[:40]!r}: {_listed(known)}", 400, name[:40])
        if name in given:
            raise ParameterFault(f"parameter {name!r} is given twice", 400, name)
        given[name] = value
    try:
        made = msgspec.convert(given, type, strict=False)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        raise ParameterFault(_plain(reason, path.rstrip("`")), 422, path.rstrip("`") or None) from None
    _check_times(made)
    return made


def _plain(reason: str, path: str) -> str:
    return f"{path}: {reason}" if path else reason


def _listed(known: Iterable[str]) -> str:
    names = sorted(known)
    return f"known are {', '.join(names)}" if names else "none is known here"


def _check_times(made: msgspec.Struct) -> None:
    since, until = getattr(made, "since", None), getattr(made, "until", None)
    for name, moment in (("from", since), ("to", until)):
        if moment is not None and not EARLIEST <= moment <= LATEST:
            raise ParameterFault(f"{name}: a time from {EARLIEST:%Y-%m-%d} to {LATEST:%Y-%m-%d}", 422, name)
    if since is not None and until is not None and since >= until:
        raise ParameterFault("from: must lie before `to`", 422, "from")
