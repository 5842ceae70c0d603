"""What a probe needs in order to be of use, looked at one by one: what was seen, and what to do about it.

Without consent nothing is contacted: the checks that would are left out, and say so.
"""

from collections.abc import AsyncIterator
from pathlib import Path

from probe.agent import doctor_machine as machine
from probe.agent import doctor_network as network
from probe.agent.config_model import AgentConfig
from probe.agent.consent import consented, read_consent
from probe.agent.credentials import Credentials, load_credentials
from probe.agent.doctor_finding import Finding, fine, note, skipped, trouble
from probe.agent.documents import Documents
from probe.agent.durable import StateError
from probe.catalogue.model import CatalogueError
from probe.clock import Clock

__all__ = ["Finding", "examine"]

NETWORK_CHECKS = ("network", "resolver", "trusted resolvers", "ipv6", "clock", "collector")


async def examine(config: AgentConfig, file: Path, clock: Clock) -> AsyncIterator[Finding]:
    """Each finding as soon as it is there. Raises nothing of the machine's or the network's making."""
    yield _configuration(file)
    for check in (machine.consent, machine.state_folder, machine.disk, machine.spool, machine.tables, machine.daemon):
        yield check(config)
    credentials, enrolment = _enrolment(config)
    yield enrolment
    try:
        documents = _documents(config, credentials, clock)
    except CatalogueError as error:
        yield trouble("catalogue", str(error), "mend the file, or remove it: it is fetched again")
        return
    for finding in (_catalogue(documents), _platforms(documents, config), machine.ways_out()):
        yield finding
    if not consented(config.state):
        for check_name in NETWORK_CHECKS:
            yield skipped(check_name, "nothing is contacted without consent", "run `probe setup`")
        return
    async for found in network.surroundings(config, documents, clock):
        yield found
    async for found in network.collector(config, credentials, clock):
        yield found


def _configuration(file: Path) -> Finding:
    if not file.exists():
        return note("configuration", f"none at {file}; defaults hold")
    return fine("configuration", f"{file} can be used")


def _enrolment(config: AgentConfig) -> tuple[Credentials | None, Finding]:
    try:
        credentials = load_credentials(config.state)
    except StateError as error:
        return None, trouble("enrolment", str(error), "ask for another invitation: `probe setup --invitation URL`")
    if credentials is None and config.collectors:
        todo = "`probe setup --invitation URL`, with the invitation that you were given"
        return None, trouble("enrolment", "a collector is configured, and the probe has no token for it", todo)
    if credentials is None:
        return None, note("enrolment", "with no collector: results stay on this machine")
    return credentials, fine("enrolment", f"with {credentials.collector}, as {credentials.role}")


def _documents(config: AgentConfig, credentials: Credentials | None, clock: Clock) -> Documents:
    """Those of the daemon, also where what it needs beside them is broken. Raises CatalogueError."""
    try:
        consent = read_consent(config.state)
    except StateError:
        consent = None
    return Documents(
        config.state,
        clock,
        keys=credentials.catalogue_keys if credentials else (),
        platforms=config.platforms,
        agreed=consent.contacts if consent else None,
        own=config.catalogue,
    )


def _catalogue(documents: Documents) -> Finding:
    state = documents.catalogue_state()
    catalogue = documents.catalogue()
    count = len(catalogue.platforms)
    seen = f"version {state.version}, {state.source}: {count} platform{'' if count == 1 else 's'}"
    if state.stale:
        return note("catalogue", f"{seen}; it has expired and is used on", "its publisher should sign it again")
    if documents.unagreed:
        extra = f"{seen}; it wants to contact {', '.join(documents.unagreed)}, which you did not agree to"
        return note("catalogue", extra, "run `probe setup` to read and agree, or leave it")
    if documents.skipped:
        extra = f"{seen}; {len(documents.skipped)} parts of it are newer than this program"
        return note("catalogue", extra, "update the program")
    if documents.stale:
        return note("catalogue", f"{seen}; the expectations are older than a day", "see the collector below")
    return fine("catalogue", seen)


def _platforms(documents: Documents, config: AgentConfig) -> Finding:
    known = {platform.id for platform in documents.catalogue().platforms}
    unknown = [name for name in config.platforms if name not in known]
    if not unknown:
        return fine("platforms", ", ".join(config.platforms) or "all of the catalogue")
    seen = f"the catalogue has no {', '.join(unknown)}"
    return trouble("platforms", seen, "mend `platforms` in the configuration: `probe catalogue list` names them")
