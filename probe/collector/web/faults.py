"""Every refusal as one line of JSON."""

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from probe.collector.analyse.schema import ViewsError
from probe.collector.web.access import Denied
from probe.collector.web.cursors import CursorFault
from probe.collector.web.formats import NotAcceptable
from probe.collector.web.incidents import Unread
from probe.collector.web.parameters import ParameterFault
from probe.collector.web.reading import Overdue
from probe.collector.web.rows import ErrorBody


class Fault(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def refused(status: int, message: str, *, path: str | None = None, headers: dict[str, str] | None = None) -> Response:
    body = msgspec.json.encode(ErrorBody(error=message, path=path))
    shared = {"cache-control": "no-store", "access-control-allow-origin": "*"}
    return Response(body, status, {**shared, **(headers or {})}, "application/json")


async def handled(request: Request, error: Exception) -> Response:  # noqa: ARG001
    match error:
        case Denied(status=401):
            return refused(401, str(error), headers={"www-authenticate": "Bearer"})
        case Denied() | Fault():
            return refused(error.status, str(error))
        case ParameterFault():
            return refused(error.status, str(error), path=error.path)
        case CursorFault():
            return refused(400, str(error), path="cursor")
        case NotAcceptable():
            return refused(406, "application/json and text/csv are what there is")
        case Overdue():
            return refused(503, "this question took too long: ask for a shorter time", headers={"retry-after": "10"})
        case Unread():
            return refused(503, str(error), headers={"retry-after": "10"})
        case ViewsError():
            return refused(503, "the views are not there just now", headers={"retry-after": "10"})
        case HTTPException():
            return refused(error.status_code, error.detail, headers=dict(error.headers or {}))
    raise error


HANDLED = (Denied, Fault, ParameterFault, CursorFault, NotAcceptable, Overdue, Unread, ViewsError, HTTPException)
