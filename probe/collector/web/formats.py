"""An answer as JSON or CSV, whichever the asker would rather have."""

import csv
import hashlib
import io
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

JSON, CSV = "application/json", "text/csv"
_ENCODER = msgspec.json.Encoder(order="deterministic")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class NotAcceptable(Exception):
    """Neither form is wanted."""


def wanted(accept: str) -> str:
    """By the Accept header (RFC 9110, 12.5.1), JSON where both are as good. Raises NotAcceptable."""
    items = [_media(item) for item in accept.split(",")] if accept.strip() else [("*/*", 1.0)]
    json, table = _liking(JSON, items), _liking(CSV, items)
    if max(json, table) <= 0:
        raise NotAcceptable
    return JSON if json >= table else CSV


def _media(item: str) -> tuple[str, float]:
    media, *options = [part.strip().lower() for part in item.split(";")]
    return media, _quality(options)


def _liking(form: str, items: Sequence[tuple[str, float]]) -> float:
    """What is said of the form itself outweighs what is said of its kind, and that what is said of everything."""
    for pattern in (form, form.partition("/")[0] + "/*", "*/*"):
        said = [quality for media, quality in items if media == pattern]
        if said:
            return max(said)
    return 0.0


def _quality(options: Sequence[str]) -> float:
    for option in options:
        name, _, value = option.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0


def answer(request: Request, document: Any, *, cache: str, status: int = 200) -> Response:
    """A document with its ETag, or word that it is the one that the asker has."""
    return _sealed(request, _ENCODER.encode(document), JSON, cache, status)


def table(
    request: Request, rows: Sequence[msgspec.Struct], type: type[msgspec.Struct], next: str | None, *, cache: str
) -> Response:
    """A page of rows. The way to the next page stands in the document and in the Link header."""
    form = wanted(request.headers.get("accept", ""))
    raw = _csv(rows, type) if form == CSV else _ENCODER.encode({"items": rows, "next": next})
    response = _sealed(request, raw, f"{form}; charset=utf-8" if form == CSV else form, cache)
    response.headers["vary"] = "Accept, Authorization"
    if next is not None:
        query = str(request.url.include_query_params(cursor=next).query)
        response.headers["link"] = f'<{request.url.path}?{query}>; rel="next"'
    return response


def _sealed(request: Request, raw: bytes, media: str, cache: str, status: int = 200) -> Response:
    tag = f'"{hashlib.blake2b(raw, digest_size=12).hexdigest()}"'
    headers = {"etag": tag, "cache-control": cache}
    asked = [item.strip().removeprefix("W/") for item in request.headers.get("if-none-match", "").split(",")]
    if status == 200 and (tag in asked or "*" in asked):
        return Response(status_code=304, headers=headers)
    return Response(raw, status, headers, media)


def _csv(rows: Sequence[msgspec.Struct], type: type[msgspec.Struct]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    fields = [field.encode_name for field in msgspec.structs.fields(type)]
    writer.writerow(_columns(fields, type))
    for row in rows:
        plain = msgspec.to_builtins(row)
        writer.writerow([_cell(value) for name in fields for value in _values(plain.get(name), name, type)])
    return out.getvalue().encode("utf-8", "replace")


def _columns(fields: Sequence[str], type: type[msgspec.Struct]) -> list[str]:
    return [column for name in fields for column in (getattr(type, "SPREAD", {}).get(name) or (name,))]


def _values(value: Any, name: str, type: type[msgspec.Struct]) -> list[Any]:
    """A mapping with known keys becomes a column each."""
    spread = getattr(type, "SPREAD", {}).get(name)
    return [value] if spread is None else [(value or {}).get(key) for key in spread]


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value  # a spreadsheet would take it for a formula
    return value
