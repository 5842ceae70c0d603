"""What the processes of `probe up` say of themselves."""

import httpx
import msgspec

from probe.agent.state import AgentState
from probe.collector.config import CollectorConfig
from probe.collector.serve_sockets import WEB_SOCKET

_PATIENCE = 5.0  # seconds
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}


class Looking:
    """The collector is asked over the socket that its processes share, whatever certificate and name it has outside;
    the probe where it listens for its owner."""

    def __init__(self, collector: CollectorConfig, listen: str) -> None:
        host, _, port = listen.rpartition(":")
        self._socket, self._probe = str(collector.sockets / WEB_SOCKET), f"http://{_ANYWHERE.get(host, host)}:{port}"

    async def ready(self) -> bool:
        """Whether the collector has pages and metrics to show."""
        return await self._status("/readyz") == httpx.codes.OK

    async def has_page(self) -> bool:
        return await self._status("/") == httpx.codes.OK

    async def state(self) -> AgentState | None:
        """None while the probe does not answer."""
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=_PATIENCE) as client:
                raw = (await client.get(f"{self._probe}/status")).content
            return msgspec.json.decode(raw, type=AgentState)
        except (httpx.HTTPError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    async def _status(self, path: str) -> int | None:
        transport = httpx.AsyncHTTPTransport(uds=self._socket)
        try:
            async with httpx.AsyncClient(transport=transport, timeout=_PATIENCE) as client:
                return (await client.get(f"http://localhost{path}")).status_code
        except httpx.HTTPError:
            return None
