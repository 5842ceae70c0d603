"""`/openapi.json` (OpenAPI 3.1), made from the table of routes and the structs that requests are checked with and
answers are made of, so it cannot tell anything else than the code does."""

from collections.abc import Sequence
from typing import Any

import msgspec

from probe import __version__
from probe.collector.web.formats import CSV, JSON
from probe.collector.web.parameters import Nothing
from probe.collector.web.routes import ApiRoute
from probe.collector.web.rows import ErrorBody

_REF = "#/components/schemas/{name}"
_REFUSALS = {
    "400": "The question is not understood",
    "401": "Unknown or revoked token, or public reading is switched off",
    "403": "The token's role does not read",
    "406": "Neither JSON nor CSV is wanted",
    "422": "A parameter's value cannot be",
    "503": "Not just now: see Retry-After",
}


def openapi(routes: Sequence[ApiRoute]) -> dict[str, Any]:
    rows = [route.row for route in routes if route.row is not None]
    _, schemas = msgspec.json.schema_components([*dict.fromkeys(rows), ErrorBody], ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Reachability of platforms, as probes see it",
            "version": __version__,
            "description": "Read-only. Times are UTC; what was not measured is absent, never zero.",
        },
        "paths": {route.path: {"get": _operation(route)} for route in routes},
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: ApiRoute) -> dict[str, Any]:
    return {
        "operationId": route.name,
        "summary": route.summary,
        "security": [{}, {"token": []}],
        "parameters": [*map(_placeholder, route.placeholders), *_parameters(route.query)],
        "responses": {"200": _success(route), "304": {"description": "As the asker has it"}, **_refusals(route)},
    }


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
    reference = {"$ref": _REF.format(name=route.row.__name__)}
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
    error = {"content": {JSON: {"schema": {"$ref": _REF.format(name="ErrorBody")}}}}
    codes = dict(_REFUSALS)
    if route.placeholders:
        codes["404"] = "Not there, or not public (yet)"
    if not route.paged:
        del codes["406"]
    return {code: {"description": text, **error} for code, text in sorted(codes.items())}
