"""Consent to what the probe of `probe up` does: recorded, and asked again where the text or the contacts changed."""

from pathlib import Path

import msgspec

from probe.agent.config import AgentConfig
from probe.agent.consent import By, Consent, read_consent, record_consent
from probe.agent.consent_text import VERSION, sections
from probe.agent.contacts import contacts
from probe.agent.documents_kept import from_files
from probe.agent.durable import StateError
from probe.catalogue.bundle import Unpacked
from probe.catalogue.loader import default_catalogue_path
from probe.catalogue.model import Catalogue, CatalogueError
from probe.cli.faults import Failed, Fault
from probe.cli.setup_dialogue import Dialogue, likely_country
from probe.clock import Clock
from probe.collector.config import CollectorConfig


def agree(config: AgentConfig, collector: CollectorConfig, *, accept_risks: bool, clock: Clock) -> None:
    """Returns where the owner agreed, now or before. Raises Fault where nobody is here to, Failed where they did not,
    CatalogueError, StateError."""
    tested = _tested(config, collector)
    wanted = contacts(tested.catalogue.infrastructure)
    before = _recorded(config.state)
    if before is not None and before.text == VERSION and wanted <= _agreed_to(before):
        return
    dialogue = Dialogue()
    if not accept_risks:
        if not dialogue.interactive:
            if before is not None and before.text == VERSION:
                return  # what is new is not contacted
            raise Fault(
                "nobody is here to agree: run `probe up` in a terminal; in a script read `probe setup --read`, "
                "then give --accept-risks"
            )
        _ask(dialogue, tested, collector)
    by: By = "accept-risks" if accept_risks else "terminal"
    record_consent(config.state, clock.now(), by, wanted, collector.url)


def _ask(dialogue: Dialogue, tested: Unpacked, collector: CollectorConfig) -> None:
    country = dialogue.country(likely_country(tested.tables))
    where = f"{collector.url}, your own on this machine"
    dialogue.show(sections(tested.catalogue, where, country.upper() if country else None))
    if not dialogue.agrees():
        raise Failed("you did not agree, so nothing was sent and nothing was started")


def _tested(config: AgentConfig, collector: CollectorConfig) -> Unpacked:
    """What the collector's catalogue has of the owner's platforms."""
    whole = from_files(config.catalogue or collector.catalogue or default_catalogue_path())
    _check_platforms(config, whole.catalogue)
    platforms = tuple(p for p in whole.catalogue.platforms if not config.platforms or p.id in config.platforms)
    return whole._replace(catalogue=msgspec.structs.replace(whole.catalogue, platforms=platforms))


def _check_platforms(config: AgentConfig, catalogue: Catalogue) -> None:
    unknown = sorted(set(config.platforms) - {platform.id for platform in catalogue.platforms})
    if unknown:
        raise CatalogueError(f"no platform {unknown[0]!r} in the catalogue: `probe catalogue list` names them")


def _recorded(state: Path) -> Consent | None:
    """One that cannot be read is none."""
    try:
        return read_consent(state)
    except StateError:
        return None


def _agreed_to(consent: Consent) -> frozenset[str]:
    if consent.contacts is None:
        return contacts(from_files(default_catalogue_path()).catalogue.infrastructure)
    return frozenset(consent.contacts)
