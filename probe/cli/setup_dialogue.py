"""What `probe setup` says and asks: in colour on a terminal, in plain lines otherwise."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from probe.agent.consent_text import Section
from probe.agent.service import UNIT, Service
from probe.catalogue.model import Tables

_WIDEST = 92  # columns that are still pleasant to read


class Dialogue:
    def __init__(self) -> None:
        self.interactive = sys.stdin.isatty() and sys.stdout.isatty()
        out = Console(markup=False, emoji=False, highlight=False)
        self._out = Console(markup=False, emoji=False, highlight=False, width=min(out.width, _WIDEST))

    # --- says ---

    def show(self, text: Sequence[Section]) -> None:
        """Framed and wrapped on a terminal; a line a paragraph elsewhere."""
        if self._out.is_terminal:
            self._out.print(Panel(Text("Before anything is sent", "bold", justify="center"), border_style="cyan"))
        for section in text:
            self._out.print(Text(section.title, "bold cyan"))
            for paragraph in section.paragraphs:
                if self._out.is_terminal:
                    self._out.print(Padding(Text(paragraph), (0, 0, 1, 2)))
                else:
                    self._out.print(f"{paragraph}\n", soft_wrap=True)

    def done(self, line: str) -> None:
        self._out.print(Text.assemble((f"{self._sign('✓', '+')} ", "green"), line))

    def note(self, line: str) -> None:
        self._out.print(Text.assemble((f"{self._sign('!', '!')} ", "yellow"), line))

    @contextmanager
    def busy(self, line: str) -> Iterator[None]:
        if not self.interactive:
            yield
            return
        with self._out.status(escape(line)):
            yield

    def ready(self, command: str, reason: str | None) -> None:
        if reason:
            self.note(f"No service was installed: {reason}.")
        self._out.print(Text.assemble("Start it with: ", (command, "bold")), soft_wrap=True)

    def running(self, service: Service) -> None:
        logs = f"journalctl {'' if service.system else '--user '}-u {UNIT}"
        self.done(f"Installed {service.path}; the probe runs now and after every start of the machine.")
        if not service.system:
            self.note("It ends when you log out, unless you allow it to stay: loginctl enable-linger")
        self._out.print(f"See what it sees with: probe status; its log with: {logs}")

    # --- asks ---

    def country(self, guess: str | None) -> str | None:
        answer = self._ask("In which country is this connection? Two letters, for a note on the risk; not kept", guess)
        return answer.strip()[:2] or None

    def agrees(self) -> bool:
        return self._ask("Do you agree to all of this? Type yes or no", None).strip().casefold() == "yes"

    def agrees_to_more(self) -> bool:
        return click.confirm("May the probe contact these, too?", default=False)

    def invitation(self) -> str:
        self._out.print("An invitation lets this probe report to a collector. Without one it measures for you alone.")
        return self._ask("Invitation (Enter for none)", "").strip() if self.interactive else ""

    def wants_service(self, path: Path) -> bool:
        return click.confirm(f"Install it as a service ({path}) and start it now?", default=True)

    def _ask(self, question: str, default: str | None) -> str:
        shown = default if default else ""
        answer: str = click.prompt(question, default=shown, show_default=bool(shown))
        return answer

    def _sign(self, sign: str, plain: str) -> str:
        try:
            sign.encode(self._out.encoding)
        except UnicodeEncodeError:
            return plain
        return sign


def likely_country(tables: Tables, zone: str | None = None) -> str | None:
    """The country of this machine's time zone: asked of nobody."""
    here = zone or _zone()
    return next((country for country, zones in tables.zones.items() if here in zones), None) if here else None


def _zone() -> str | None:
    if zone := os.environ.get("TZ"):
        return zone.removeprefix(":")
    try:
        return Path("/etc/timezone").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        pass
    try:
        return str(Path("/etc/localtime").readlink()).partition("zoneinfo/")[2] or None
    except OSError:
        return None
