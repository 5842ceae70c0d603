"""The steps of `probe setup`, each of which finds out whether it was done before."""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec
import trio

from probe.agent import service as systemd
from probe.agent.client_faults import CollectorFault
from probe.agent.config import AgentConfig, default_config_path, parse_config
from probe.agent.config_file import Value, with_changes
from probe.agent.consent import By, read_consent, record_consent
from probe.agent.consent_text import VERSION, sections
from probe.agent.contacts import contacts
from probe.agent.credentials import Credentials, load_credentials, save_credentials
from probe.agent.documents import Documents, open_documents
from probe.agent.durable import StateError, write_durably
from probe.agent.enrolment import enrol, first_documents
from probe.agent.invitation import Invitation, invitation_of
from probe.catalogue.model import Catalogue, CatalogueError
from probe.cli.faults import Failed, Fault
from probe.cli.setup_dialogue import Dialogue, likely_country
from probe.clock import clock_from


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What was given on the command line."""

    invitation: str | None = None
    file: Path | None = None
    state: Path | None = None
    platforms: tuple[str, ...] = ()
    proxy: str | None = None
    ca_file: Path | None = None
    country: str | None = None
    accept_risks: bool = False
    service: bool | None = None


class Setup:
    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.dialogue = Dialogue()
        self.clock = clock_from(os.environ.get("PROBE_CLOCK"))
        self.file = (wanted.file or default_config_path()).absolute()
        self.config = self._planned({})
        self.credentials = self._kept_credentials()
        self.invitation: Invitation | None = None

    def read(self) -> None:
        """What is to be agreed to, and nothing else."""
        self.invitation = self._given_invitation()
        self._show(self._documents().catalogue())

    def run(self) -> None:
        self.invitation = self._given_invitation()
        self._require_somebody()
        self.invitation = self.invitation or self._asked_invitation()
        documents = self._documents()
        self._check_platforms(documents)
        self._agree(documents.catalogue())
        if self.invitation is not None:
            self._enrol(self.invitation)
        self._write()
        if self.credentials is not None:
            self._first_look()
        self._start()

    # --- consent ---

    def _require_somebody(self) -> None:
        if not self.wanted.accept_risks and not self.dialogue.interactive and not self._agreed():
            raise Fault(
                "nobody is here to agree: run `probe setup` in a terminal; in a script read `probe setup --read`, "
                "then give --accept-risks"
            )

    def _collector(self) -> str | None:
        """Who is to get the results."""
        if self.invitation is not None:
            return self.invitation.base
        return self.credentials.collectors[0] if self.credentials and self.credentials.collectors else None

    def _agreed(self) -> bool:
        """To this text, and to this collector."""
        try:
            consent = read_consent(self.config.state)
        except StateError:
            return False
        return consent is not None and consent.text == VERSION and consent.collector == self._collector()

    def _agree(self, catalogue: Catalogue) -> None:
        if self._agreed():
            self.dialogue.done("You agreed before, and the text is still the same.")
            return
        if self.wanted.accept_risks:
            self.dialogue.done(f"Agreed to by --accept-risks: text {VERSION}, which `probe setup --read` shows.")
        else:
            self._show(catalogue)
            if not self.dialogue.agrees():
                raise Failed("you did not agree, so nothing was sent and nothing was set up")
        self._record(contacts(catalogue.infrastructure))

    def _show(self, catalogue: Catalogue) -> None:
        country = self.wanted.country
        if country is None:
            guess = likely_country(self._documents().library().tables)
            country = self.dialogue.country(guess) if self.dialogue.interactive else guess
        self.dialogue.show(sections(catalogue, self._collector(), country.upper() if country else None))

    def _record(self, shown: Iterable[str]) -> None:
        by: By = "accept-risks" if self.wanted.accept_risks else "terminal"
        record_consent(self.config.state, self.clock.now(), by, shown, self._collector())

    # --- the collector ---

    def _kept_credentials(self) -> Credentials | None:
        try:
            return load_credentials(self.config.state)
        except StateError:
            if self.wanted.invitation is None:
                raise
            return None  # broken: the invitation brings new ones

    def _given_invitation(self) -> Invitation | None:
        if self.wanted.invitation is None:
            return None
        invitation = invitation_of(self.wanted.invitation)
        if self.credentials is None:
            return invitation
        if invitation.base not in self.credentials.collectors:
            raise Fault(f"this probe is enrolled with {self.credentials.collector} already: `probe leave` it first")
        self.dialogue.done(f"Enrolled with {self.credentials.collector} already: the invitation is not used.")
        return None

    def _asked_invitation(self) -> Invitation | None:
        if self.credentials is not None or self.wanted.accept_risks or self.file.exists():
            return None
        text = self.dialogue.invitation()
        return invitation_of(text) if text else None

    def _enrol(self, invitation: Invitation) -> None:
        with self.dialogue.busy(f"Enrolling with {invitation.base}"):
            self.credentials = trio.run(enrol, invitation, self.config)
        save_credentials(self.config.state, self.credentials)
        self.dialogue.done(f"Enrolled with {self.credentials.collector} as {self.credentials.role}.")

    def _first_look(self) -> None:
        """The collector's catalogue may contact more than the shipped one: that is agreed to as well, or not used."""
        assert self.credentials is not None
        documents = self._documents()
        try:
            with self.dialogue.busy("Fetching the collector's catalogue"):
                trio.run(first_documents, documents, self.credentials, self.config)
        except CollectorFault as fault:
            self.dialogue.note(f"Its catalogue could not be fetched yet, the probe will try again: {fault}")
        if not documents.unagreed:
            return
        self.dialogue.note(f"Its catalogue contacts beyond platforms, too: {', '.join(documents.unagreed)}.")
        if self.wanted.accept_risks or (self.dialogue.interactive and self.dialogue.agrees_to_more()):
            consent = read_consent(self.config.state)
            known = consent.contacts if consent and consent.contacts else ()
            self._record({*known, *documents.unagreed})
        else:
            self.dialogue.note("They will not be contacted.")

    # --- configuration ---

    def _planned(self, more: dict[str, Value]) -> AgentConfig:
        text, _ = with_changes(self.file, self._changes() | more)
        return parse_config(text, self.file)

    def _changes(self) -> dict[str, Value]:
        wanted = self.wanted
        changes: dict[str, Value] = {
            "state": str(wanted.state.absolute()) if wanted.state else None,
            "platforms": list(wanted.platforms) or None,
            "proxy": wanted.proxy,
            "ca_file": str(wanted.ca_file.absolute()) if wanted.ca_file else None,
        }
        return {key: value for key, value in changes.items() if value is not None}

    def _write(self) -> None:
        enrolled: dict[str, Value] = {}
        if self.credentials is not None:
            enrolled["role"] = "control" if self.credentials.role == "control" else "probe"
            if not set(self.config.collectors) & set(self.credentials.collectors):
                enrolled["collectors"] = list(self.credentials.collectors)
        text, changed = with_changes(self.file, self._changes() | _unlike(enrolled, self.config))
        self.config = parse_config(text, self.file)
        if changed:
            write_durably(self.file, text.encode(), 0o644, 0o755)
        self.dialogue.done(f"{'Wrote' if changed else 'Kept'} the configuration {self.file}.")

    def _documents(self) -> Documents:
        return open_documents(self.config, self.clock)

    def _check_platforms(self, documents: Documents) -> None:
        """A collector's catalogue may have others than the shipped one."""
        known = {platform.id for platform in documents.catalogue().platforms}
        unknown = sorted(set(self.config.platforms) - known)
        if unknown and self._collector() is None:
            where = f"{self.file}: platforms: no platform {unknown[0]!r} in the catalogue"
            raise CatalogueError(f"{where}: `probe catalogue list` names them")

    # --- the service ---

    def _start(self) -> None:
        by_hand = f"probe run --config {self.file}"
        here = systemd.service_here()
        reason = systemd.obstacle(self.file, self.config.state, system=here.system) if here else "no systemd runs here"
        if here is None or reason is not None or self.wanted.service is False:
            if self.wanted.service:
                raise Failed(f"the service cannot be installed: {reason}")
            self.dialogue.ready(by_hand, reason if self.dialogue.interactive else None)
            return
        wished = self.wanted.service or (self.dialogue.interactive and self.dialogue.wants_service(here.path))
        if not wished:
            self.dialogue.ready(by_hand, None)
            return
        systemd.install(here, systemd.unit_text(self.file, system=here.system))
        self.dialogue.running(here)


def _unlike(changes: dict[str, Value], config: AgentConfig) -> dict[str, Value]:
    """Those that the configuration does not hold already."""
    return {key: value for key, value in changes.items() if msgspec.to_builtins(getattr(config, key)) != value}
