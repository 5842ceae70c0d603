"""What a configuration needs from outside before the daemon can run under it: so that a wrong one is refused while the
old one goes on."""

import dataclasses

import trio

from probe.agent.client import CollectorClient
from probe.agent.client_wire import Meter
from probe.agent.config_model import AgentConfig
from probe.agent.credentials import Credentials, load_credentials
from probe.agent.documents import Documents, open_documents
from probe.agent.exporter.exporter import listening
from probe.catalogue.geo import GeoTables
from probe.clock import Clock


@dataclasses.dataclass
class Ready:
    config: AgentConfig
    documents: Documents
    geo: GeoTables | None
    client: CollectorClient
    credentials: Credentials | None
    listeners: list[trio.SocketListener] | None

    async def aclose(self) -> None:
        await self.client.aclose()
        if self.geo is not None:
            self.geo.close()
        for listener in self.listeners or ():
            await listener.aclose()


async def made_ready(config: AgentConfig, clock: Clock, charge: Meter, *, listen: bool = True) -> Ready:
    """`charge` is told of every byte to and from the collector. Without `listen` the exporter's port is left for later.
    Raises CatalogueError, StateError, UnusableSetting, CannotListen."""
    credentials = load_credentials(config.state)
    documents = await trio.to_thread.run_sync(open_documents, config, clock)
    geo = GeoTables.open(config.geo) if config.geo else None
    client = CollectorClient(
        _bases(config, credentials),
        credentials.token if credentials else None,
        proxy=config.proxy,
        ca_file=config.ca_file,
        meter=charge,
    )
    listeners = await listening(config.metrics.listen) if listen and config.metrics.listen else None
    return Ready(config, documents, geo, client, credentials, listeners)


def _bases(config: AgentConfig, credentials: Credentials | None) -> tuple[str, ...]:
    """None for a probe that was not enrolled: no collector knows it."""
    return (config.collectors or credentials.collectors) if credentials else ()
