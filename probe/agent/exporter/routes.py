"""What is answered at each path."""

from collections.abc import Awaitable, Callable

import msgspec
import trio

from probe.agent.exporter.blackbox import Probed, registry_of
from probe.agent.exporter.debugging import debug_text
from probe.agent.exporter.index import index_page
from probe.agent.exporter.messages import Request, Response, line
from probe.agent.exporter.metrics import Metrics
from probe.agent.exporter.modules import MODULES, USUAL, Module
from probe.agent.exporter.prober import Busy, Prober, seconds_for
from probe.agent.exporter.rendering import rendered
from probe.agent.exporter.targets import Targets, UnknownTarget
from probe.agent.state import AgentState
from probe.catalogue.model import Endpoint
from probe.measure.task import Task

_HTML, _JSON = "text/html; charset=utf-8", "application/json"
_SCRAPE_TIMEOUT = "x-prometheus-scrape-timeout-seconds"
_LONGEST_SHOWN = 80  # characters of what a client sent


class BadRequest(Exception):
    """What is wrong with the request, in one line."""


class Routes:
    def __init__(
        self, metrics: Metrics, state: Callable[[], AgentState], targets: Callable[[], Targets], prober: Prober
    ) -> None:
        self._metrics, self._state, self._targets, self._prober = metrics, state, targets, prober
        self._paths: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "/": self._index,
            "/metrics": self._metrics_page,
            "/probe": self._probe,
            "/sd/targets": self._discovery,
            "/status": self._status,
            "/healthz": self._healthy,
        }

    async def answer(self, request: Request) -> Response:
        if request.method not in {"GET", "HEAD"}:
            return Response(405, b"only GET and HEAD\n", headers={"Allow": "GET, HEAD"})
        path = self._paths.get(request.path)
        try:
            return await path(request) if path is not None else line(404, "nothing here: / lists what is")
        except BadRequest as exc:
            return line(400, str(exc))

    async def _index(self, _: Request) -> Response:
        return Response(body=index_page(), content_type=_HTML)

    async def _healthy(self, _: Request) -> Response:
        return line(200, "ok")

    async def _status(self, _: Request) -> Response:
        return Response(body=msgspec.json.encode(self._state()), content_type=_JSON)

    async def _metrics_page(self, request: Request) -> Response:
        text, content_type = await rendered(self._metrics.registry, request.headers.get("accept", ""))
        return Response(body=text, content_type=content_type)

    async def _discovery(self, request: Request) -> Response:
        query = _query(request)
        groups = self._targets().discovery(query.get("platform", ()), query.get("service", ()))
        return Response(body=msgspec.json.encode(groups), content_type=_JSON)

    # --- /probe ---

    async def _probe(self, request: Request) -> Response:
        query, module = _query(request), _module(request)
        task, endpoint = self._task(request, module)
        try:
            probed = await self._until_gone(request, task, endpoint, module, _seconds(request))
        except Busy as exc:
            return Response(503, f"{exc}\n".encode(), headers={"Retry-After": "10"})
        if probed is None:
            return line(503, "the client has left")
        if query.get("debug") == ["true"]:
            text, _ = await rendered(registry_of(probed), "")
            return Response(body=debug_text(probed, text.decode()).encode())
        text, content_type = await rendered(registry_of(probed), request.headers.get("accept", ""))
        return Response(body=text, content_type=content_type)

    def _task(self, request: Request, module: Module) -> tuple[Task, Endpoint | None]:
        text = request.parameter("target")
        if not text:
            raise BadRequest("the parameter target is missing: /probe?target=URL")
        try:
            task, endpoint = self._targets().task(text, module.name)
        except UnknownTarget as exc:
            raise BadRequest(str(exc)) from None
        if task.target.scheme not in module.schemes:
            takes = ", ".join(module.schemes)
            raise BadRequest(f"module {module.name} takes targets of {takes}; leave `module` out for the usual one")
        return task, endpoint

    async def _until_gone(
        self, request: Request, task: Task, endpoint: Endpoint | None, module: Module, seconds: float
    ) -> Probed | None:
        """A client that leaves ends its measurement. None where it did. Raises Busy."""
        found: list[Probed | Busy] = []
        async with trio.open_nursery() as nursery:

            async def measure() -> None:
                try:
                    found.append(await self._prober.probe(task, endpoint, module, seconds))
                except Busy as exc:
                    found.append(exc)
                nursery.cancel_scope.cancel()

            nursery.start_soon(measure)
            await request.gone()
            nursery.cancel_scope.cancel()
        result = found[0] if found else None
        if isinstance(result, Busy):
            raise result
        return result


def _query(request: Request) -> dict[str, list[str]]:
    try:
        return request.query
    except ValueError:
        raise BadRequest("too many parameters") from None


def _module(request: Request) -> Module:
    name = request.parameter("module")
    if name and name not in MODULES:
        raise BadRequest(f"unknown module {name[:_LONGEST_SHOWN]!r}: there are {', '.join(MODULES)}")
    return MODULES[name] if name else USUAL


def _seconds(request: Request) -> float:
    try:
        return seconds_for(request.headers.get(_SCRAPE_TIMEOUT))
    except ValueError:
        raise BadRequest("X-Prometheus-Scrape-Timeout-Seconds is no number of seconds") from None
