"""From an invitation to credentials, and the first look at what the collector has to say."""

import contextlib
import sys

from probe import __version__
from probe.agent.client import CollectorClient
from probe.agent.client_faults import CollectorFault, Rejected
from probe.agent.config_model import AgentConfig
from probe.agent.credentials import Credentials
from probe.agent.documents import Documents
from probe.agent.invitation import Invitation, InvitationError, named_key
from probe.wire.reports import Agent, Enrolment

_SYSTEMS = {"linux": "linux", "darwin": "darwin", "win32": "windows"}
_FORGOTTEN = {401, 410}


def this_agent() -> Agent:
    return Agent(name="censorship-probe", version=__version__, platform=_SYSTEMS.get(sys.platform))


async def enrol(invitation: Invitation, config: AgentConfig) -> Credentials:
    """Trades the invitation for a token, and holds the collector's keys against the one that it names. Raises
    CollectorFault, InvitationError (the collector has then been asked to forget the probe), UnusableSetting."""
    async with CollectorClient([invitation.base], proxy=config.proxy, ca_file=config.ca_file) as client:
        answer = await client.enrol(Enrolment(invitation=invitation.code, agent=this_agent()))
    try:
        key = named_key(invitation, answer.catalogue_keys)
    except InvitationError:
        with contextlib.suppress(CollectorFault):
            await erase((invitation.base,), answer.token, config)
        raise
    return Credentials(
        token=answer.token,
        role=answer.role,
        collector=answer.collector,
        collectors=(invitation.base,),
        catalogue_keys=(key,),
    )


async def first_documents(documents: Documents, credentials: Credentials, config: AgentConfig) -> None:
    """Fetches what the collector has signed. Raises CollectorFault."""
    async with client_of(config, credentials) as client:
        await documents.refresh(client, await client.checkin())


async def erase(collectors: tuple[str, ...], token: str, config: AgentConfig) -> None:
    """Asks the collector to erase what it holds of this probe; one that knows it no more has done so. Raises
    CollectorFault, UnusableSetting."""
    async with CollectorClient(collectors, token, proxy=config.proxy, ca_file=config.ca_file) as client:
        try:
            await client.erase()
        except Rejected as fault:
            if fault.status not in _FORGOTTEN:
                raise


def client_of(config: AgentConfig, credentials: Credentials) -> CollectorClient:
    """The collector at the addresses of the configuration, else at those of the enrolment. Raises UnusableSetting."""
    bases = config.collectors or credentials.collectors
    return CollectorClient(bases, credentials.token, proxy=config.proxy, ca_file=config.ca_file)
