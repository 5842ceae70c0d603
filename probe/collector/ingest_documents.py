"""`GET /api/v1/catalogue`, `/expectations`, `/keys`: signed documents, each by its version."""

import gzip

from starlette.requests import Request
from starlette.responses import Response

from probe.collector.documents import Document, Kind
from probe.collector.ingest_asgi import json_response
from probe.collector.ingest_caller import ANYBODY, Callers
from probe.collector.ingest_desk import Desk
from probe.collector.ingest_limits import RateLimit
from probe.collector.ingest_refusals import Refusal


class DocumentPages:
    """`public`: handed out without a token. They are signed and hold nothing secret."""

    def __init__(self, callers: Callers, desk: Desk, limit: RateLimit, *, public: bool) -> None:
        self._callers = callers
        self._desk = desk
        self._limit = limit
        self._public = public
        self._compressed: dict[Kind, tuple[str, bytes]] = {}

    async def catalogue(self, request: Request) -> Response:
        return self._page(request, "catalogue")

    async def expectations(self, request: Request) -> Response:
        return self._page(request, "expectations")

    async def keys(self, request: Request) -> Response:
        return self._page(request, "keys")

    def _page(self, request: Request, kind: Kind) -> Response:
        if not self._public:
            self._limit.take(self._callers.caller(request.scope, ANYBODY).probe)
        document = self._desk.document(kind)
        if document is None:
            raise Refusal(404, "invalid", f"this collector has no {kind} yet")
        tag = f'"{document.version}"'
        headers = {"etag": tag, "cache-control": "no-cache", "vary": "accept-encoding"}
        if tag in [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]:
            return Response(status_code=304, headers=headers)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return json_response(200, document.body, headers)
        return json_response(200, self._gzipped(kind, document), {**headers, "content-encoding": "gzip"})

    def _gzipped(self, kind: Kind, document: Document) -> bytes:
        """Compressed once a version."""
        known = self._compressed.get(kind)
        if known is None or known[0] != document.version:
            known = self._compressed[kind] = (document.version, gzip.compress(document.body, mtime=0))
        return known[1]
