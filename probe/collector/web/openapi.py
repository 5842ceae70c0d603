"""`/openapi.json` (OpenAPI 3.1), made from the tables of routes and the structs that requests are checked with and
answers are made of, so it cannot tell anything else than the code does."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from probe import __version__
from probe.collector.ingest_operations import Operation
from probe.collector.web.formats import CSV, JSON
from probe.collector.web.parameters import Nothing
from probe.collector.web.routes import ApiRoute
from probe.collector.web.rows import ErrorBody
from probe.wire.reports import Refused

_REF = "#/components/schemas/{name}"
_SENT = "#/components/schemas/Sent{name}"  # the same struct has bounds where it is sent to us
_REFUSALS = {
    "400": "The question is not understood",
    "401": "Unknown or revoked token, or public reading is switched off",
    "403": "The token's role does not read",
    "406": "Neither JSON nor CSV is wanted",
    "422": "A parameter's value cannot be",
    "503": "Not just now: see Retry-After",
}
_REFUSED = {
    400: "The body is not what its head says, or no JSON",
    401: "Unknown or revoked token",
    403: "The token's role, or the invitation, does not allow it",
    404: "Not there yet",
    408: "The body came too slowly",
    413: "Too large, or too large once unpacked",
    415: "An encoding that is not known here",
    422: "A value cannot be: `path` tells which",
    429: "Too often: see Retry-After",
    503: "Not just now: see Retry-After",
}
_PYTHONS = {r"\A": "^", r"\Z": "$"}  # JSON Schema's expressions are ECMAScript's, where these mean the same


def openapi(routes: Sequence[ApiRoute], operations: Sequence[Operation]) -> dict[str, Any]:
    """`routes` is what can be read; `operations` what probes ask and hand over."""
    paths = {route.path: {"get": _operation(route, routes)} for route in routes}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _of_probes(one)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Reachability of platforms, as probes see it",
            "version": __version__,
            "description": "Times are UTC; what was not measured is absent, never zero.",
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(routes, operations),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
    told: dict[str, Any] = _in_ecmascript(document)
    return told


def _schemas(routes: Sequence[ApiRoute], operations: Sequence[Operation]) -> dict[str, Any]:
    answers = [route.row for route in routes if route.row is not None] + [one.answer for one in operations]
    _, schemas = msgspec.json.schema_components([*dict.fromkeys(answers), ErrorBody, Refused], ref_template=_REF)
    bodies = [one.body for one in operations if one.body is not None]
    _, sent = msgspec.json.schema_components(bodies, ref_template=_SENT)
    return {**schemas, **{f"Sent{name}": schema for name, schema in sent.items()}}


def _in_ecmascript(part: Any) -> Any:
    if isinstance(part, list | tuple):
        return [_in_ecmascript(one) for one in part]
    if not isinstance(part, dict):
        return part
    pattern = part.get("pattern")
    if isinstance(pattern, str):
        part = {**part, "pattern": re.sub(r"\\[AZ]", lambda found: _PYTHONS[found[0]], pattern)}
    return {name: one if name == "pattern" else _in_ecmascript(one) for name, one in part.items()}


# --- what is read ---


def _operation(route: ApiRoute, routes: Sequence[ApiRoute]) -> dict[str, Any]:
    return {
        "operationId": route.name,
        "summary": route.summary,
        "security": [{}, {"token": []}],
        "parameters": [*map(_placeholder, route.placeholders), *_parameters(route.query)],
        "responses": {
            "200": {**_success(route), **_links(route, routes)},
            "304": {"description": "As the asker has it"},
            **_refusals(route),
        },
    }


def _links(route: ApiRoute, routes: Sequence[ApiRoute]) -> dict[str, Any]:
    """From a page to its rows in full."""
    found = [one for one in routes if one.path == f"{route.path}/{{id}}"]
    row = {"parameters": {"id": "$response.body#/items/0/id"}, "description": "The first row in full"}
    return {"links": {one.name: {"operationId": one.name, **row} for one in found}} if found else {}


def _placeholder(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _parameters(query: type[msgspec.Struct]) -> list[dict[str, Any]]:
    if query is Nothing:
        return []
    schema = msgspec.json.schema(query)
    (described,) = [body for body in schema["$defs"].values() if "properties" in body]
    return [_parameter(name, body) for name, body in described["properties"].items()]


def _parameter(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """A query has no null: what may be left out is not required, and that is all."""
    kinds = [kind for kind in body.pop("anyOf", [body]) if kind.get("type") != "null"]
    schema = {**kinds[0], **{key: value for key, value in body.items() if key != "default" or value is not None}}
    description = schema.pop("description", None)
    told = {"description": description} if description else {}
    return {"name": name, "in": "query", "required": False, "schema": schema, **told}


def _success(route: ApiRoute) -> dict[str, Any]:
    if route.row is None:
        return {"description": "The document", "content": {JSON: {"schema": {"type": "object"}}}}
    reference = _reference(route.row)
    if not route.paged:
        return {"description": "The document", "content": {JSON: {"schema": reference}}}
    page = {
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": {"type": "array", "items": reference},
            "next": {"type": ["string", "null"], "description": "The cursor of the next page; null at the end"},
        },
    }
    content = {JSON: {"schema": page}, CSV: {"schema": {"type": "string"}}}
    return {"description": "A page; `Link` leads to the next one", "content": content}


def _refusals(route: ApiRoute) -> dict[str, Any]:
    error = {"content": {JSON: {"schema": _reference(ErrorBody)}}}
    codes = dict(_REFUSALS)
    if route.placeholders:
        codes["404"] = "Not there, or not public (yet)"
    if not route.paged:
        del codes["406"]
    return {code: {"description": text, **error} for code, text in sorted(codes.items())}


# --- what probes ask and hand over ---


def _of_probes(one: Operation) -> dict[str, Any]:
    error = {"content": {JSON: {"schema": _reference(Refused)}}}
    tagged = {"304": {"description": "As the asker has it"}} if one.tagged else {}
    return {
        "operationId": one.name,
        "summary": one.summary,
        "security": [{}] if one.tokenless else [{"token": []}],
        "parameters": _parameters(one.query) if one.query else [],
        **_body(one),
        "responses": {
            str(one.status): {"description": "Done", "content": {JSON: {"schema": _reference(one.answer)}}},
            **tagged,
            **{str(code): {"description": _REFUSED[code], **error} for code in sorted(one.refusals)},
        },
    }


def _body(one: Operation) -> dict[str, Any]:
    if one.body is None:
        return {}
    schema = {"$ref": _SENT.format(name=one.body.__name__)}
    told = {"description": f"Content-Encoding: {', '.join(one.encodings)}"} if one.encodings else {}
    return {"requestBody": {"required": True, "content": {JSON: {"schema": schema}}, **told}}


def _reference(struct: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": _REF.format(name=struct.__name__)}
