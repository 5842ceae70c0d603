"""A report's structs once more, with a bound on every string, list and number.

The messages themselves say only what kinds of things they hold. What comes from strangers is decoded into these twins,
so that the bounds are checked where the JSON is read, in C, and a fault is named with its path.
"""

import datetime as dt
import types
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta

from probe.wire.reports import MOST_MEASUREMENTS, Report

_UUID7 = r"\A[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}\Z"

Uuid7 = Annotated[str, Meta(pattern=_UUID7)]
Word = Annotated[str, Meta(max_length=100)]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Url = Annotated[str, Meta(min_length=1, max_length=4096)]
Country = Annotated[str, Meta(pattern=r"\A[A-Z]{2}\Z")]
Asn = Annotated[int, Meta(ge=1, le=4_294_967_295)]
Seconds = Annotated[float, Meta(ge=0, le=1e6)]
Century = Annotated[float, Meta(ge=0, le=4e9)]
Offset = Annotated[float, Meta(ge=-4e9, le=4e9)]
Share = Annotated[float, Meta(ge=0, le=1)]

_TEXT = Annotated[str, Meta(max_length=1 << 17)]  # characters: what a server may have sent
_BYTES = Annotated[bytes, Meta(max_length=1 << 18)]
_INTEGER = Annotated[int, Meta(ge=-(1 << 53), le=1 << 53)]
_NUMBER = Annotated[float, Meta(ge=-1e12, le=1e12)]
_TIME = Annotated[dt.datetime, Meta(tz=True)]
_PLAIN: dict[Any, Any] = {str: _TEXT, bytes: _BYTES, int: _INTEGER, float: _NUMBER, dt.datetime: _TIME}
_MOST_ITEMS = 1000

# by struct and field, where the general bound is too wide
_FIELDS: dict[tuple[str, str], Any] = {
    ("Report", "report_id"): Uuid7,
    ("Report", "schema"): Annotated[int, Meta(ge=1, le=1000)],
    ("Report", "clock_offset"): Offset | None,
    ("Report", "dropped"): Annotated[int, Meta(ge=0, le=1 << 40)],
    ("Agent", "name"): Name,
    ("Agent", "version"): Name,
    ("Agent", "platform"): Word | None,
    ("Network", "asn"): Asn | None,
    ("Network", "resolver_asn"): Asn | None,
    ("Network", "country"): Country | None,
    ("Network", "name"): Word | None,
    ("Reported", "round"): Uuid7 | None,
    ("Reported", "of"): Annotated[int, Meta(ge=1, le=10_000)],
    ("Reported", "age"): Century | None,
    ("Reported", "lease"): Word | None,
    ("Reported", "retest"): Word | None,
    ("Measurement", "id"): Uuid7,
    ("Measurement", "endpoint"): Url,
    ("Measurement", "duration"): Seconds,
    ("Measurement", "platform"): Name | None,
    ("Measurement", "service"): Name | None,
    ("Measurement", "mode"): Word,
    ("Measurement", "agent"): Word | None,
    ("Verdict", "confidence"): Share,
    ("Verdict", "scope"): Word | None,
    ("Verdict", "void"): Word | None,
    ("Verdict", "rules"): Word,
    ("Enrolment", "invitation"): Annotated[str, Meta(min_length=1, max_length=200)],
}
_MOST = {("Report", "measurements"): MOST_MEASUREMENTS, ("Report", "leases"): 100}
_LEAST = {("Report", "measurements"): 1}


@cache
def bounded(struct: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The struct's twin, and in it those of all structs that it holds."""
    name, config = struct.__name__, struct.__struct_config__
    fields: list[Any] = []
    for field in msgspec.structs.fields(struct):
        kind = _FIELDS.get((name, field.name)) or _bounded(field.type, (name, field.name))
        fields.append((field.name, kind, *_default(field)))
    return msgspec.defstruct(
        name, fields, kw_only=True, gc=False, tag=config.tag, tag_field=config.tag_field, module=__name__
    )


def _default(field: msgspec.structs.FieldInfo) -> tuple[Any, ...]:
    if field.default_factory is not msgspec.NODEFAULT:
        return (msgspec.field(default_factory=field.default_factory),)
    return () if field.default is msgspec.NODEFAULT else (field.default,)


def _bounded(kind: Any, where: tuple[str, str]) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return Union[tuple(_bounded(one, where) for one in inner)]  # noqa: UP007 (built, not written)
    if origin is tuple and inner[-1] is Ellipsis:
        meta = Meta(min_length=_LEAST.get(where, 0), max_length=_MOST.get(where, _MOST_ITEMS))
        return Annotated[tuple.__class_getitem__((_bounded(inner[0], where), ...)), meta]
    if origin is tuple:
        return tuple.__class_getitem__(tuple(_bounded(one, where) for one in inner))
    if origin is dict:
        twin = dict.__class_getitem__(tuple(_bounded(one, where) for one in inner))
        return Annotated[twin, Meta(max_length=_MOST.get(where, _MOST_ITEMS))]
    if origin in {Literal, Annotated}:
        return kind
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return bounded(kind)
    return _PLAIN.get(kind, kind)


BoundedReport: type[Report] = bounded(Report)  # type: ignore[assignment]
