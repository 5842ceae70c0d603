"""What `probe up` shows: a table that goes on living on a terminal, lines where something changed when piped, JSON."""

import datetime as dt
import sys
from collections import Counter
from pathlib import Path
from typing import Protocol

import msgspec
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from probe.agent.state import AgentState, PlatformState, ServiceState
from probe.cli.display import Screen
from probe.cli.status_view import facts, view
from probe.verdict.sentences import state as in_words
from probe.wire.vocabulary import Outcome

_UNNAMED = "which network this is, is not known: give --geo FILE.mmdb, or --ask-strangers"
_LEAST_ROWS = 3
_TAIL = 2000  # bytes of the log in which its last line is looked for


class Links(msgspec.Struct, frozen=True):
    collector: str
    probe: str
    folder: str

    def open(self, has_page: bool) -> dict[str, str]:
        """What there is to open, by what it is."""
        page = {"page": f"{self.collector}/"} if has_page else {}
        return {
            **page,
            "metrics": f"{self.collector}/metrics",
            "api": f"{self.collector}/api/v1/reachability",
            "probe": f"{self.probe}/",
            "state": self.folder,
        }


class Shown(Protocol):
    """`ready` is called once, `look` with every look at the probe (None while it does not answer), `end` at the end,
    maybe more than once. `takes_the_screen`: nobody else may write to it."""

    takes_the_screen: bool

    def ready(self, *, has_page: bool) -> None: ...

    def look(self, now: AgentState | None) -> None: ...

    def end(self) -> None: ...


def view_of(form: str, links: Links, log: Path) -> Shown:
    screen = Screen(sys.stdout)
    if form == "json":
        return JsonView(links)
    return TableView(screen, links, log) if screen.is_terminal else LinesView(screen, links)


class TableView:
    takes_the_screen = True

    def __init__(self, screen: Screen, links: Links, log: Path) -> None:
        self._screen, self._links, self._log = screen, links, log
        self._head: RenderableType = Text("Starting ...", "dim")
        self._live = Live(self._head, console=screen, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._live.start(refresh=True)

    def ready(self, *, has_page: bool) -> None:
        lines = [
            Text.assemble((f"{name:<9}", "bold"), (where, "cyan")) for name, where in self._links.open(has_page).items()
        ]
        self._head = Group(*lines, Text("Ctrl-C ends it.", "dim"), Text())

    def look(self, now: AgentState | None) -> None:
        parts: list[RenderableType] = [self._head]
        if now is not None:
            parts += self._results(now)
        if said := _last_line(self._log):
            parts.append(Text(said, "yellow", overflow="ellipsis", no_wrap=True))
        self._live.update(Group(*parts), refresh=True)

    def end(self) -> None:
        self._live.stop()

    def _results(self, now: AgentState) -> list[RenderableType]:
        beside = len(list(facts(now))) + len(self._links.open(has_page=True)) + 7
        room = max(_LEAST_ROWS, self._screen.height - beside)
        ordered = sorted(now.platforms, key=lambda platform: platform.outcome is Outcome.OK)
        shown, rest = ordered[:room], ordered[room:]
        parts = [view(msgspec.structs.replace(now, platforms=tuple(shown)), self._screen)]
        if rest:
            parts.append(Text(f"and {len(rest)} platforms more ({_counted(rest)}): probe status", "dim"))
        if _is_unnamed(now):
            parts.append(Text(_UNNAMED, "yellow"))
        return parts


class _Changes:
    """What is new since the last look."""

    def __init__(self) -> None:
        self._services: dict[tuple[str, str], tuple[Outcome, tuple[str, ...]]] = {}
        self._ended: dt.datetime | None = None
        self._said: set[str] = set()

    def services(self, now: AgentState) -> list[ServiceState]:
        changed = [one for one in now.services if self._services.get((one.platform, one.service)) != _what(one)]
        self._services |= {(one.platform, one.service): _what(one) for one in changed}
        return changed

    def round(self, now: AgentState) -> bool:
        """Whether a round has ended."""
        before, self._ended = self._ended, now.round.ended_at
        return now.round.ended_at not in {None, before}

    def notes(self, now: AgentState) -> list[str]:
        void = f"this network is not fit to measure: {now.round.void}" if now.round.void else None
        failure = f"the probe cannot reach the collector: {now.uplink.failure}" if now.uplink.failure else None
        every = [void, failure, _UNNAMED if _is_unnamed(now) else None, *now.notes]
        fresh = [note for note in every if note is not None and note not in self._said]
        self._said |= set(fresh)
        return fresh


class LinesView:
    takes_the_screen = False

    def __init__(self, screen: Screen, links: Links) -> None:
        self._screen, self._links, self._changes = screen, links, _Changes()

    def ready(self, *, has_page: bool) -> None:
        for name, where in self._links.open(has_page).items():
            self._say(f"{name}: {where}")

    def look(self, now: AgentState | None) -> None:
        if now is None:
            return
        for service in self._changes.services(now):
            how = f" {service.techniques[0]}" if service.techniques else ""
            self._say(f"{service.platform} {service.service} {service.outcome}{how}")
        for note in self._changes.notes(now):
            self._say(f"note: {note}")
        if self._changes.round(now):
            self._say(f"round {now.round.number} {now.round.ended}: {_counted(now.platforms) or 'nothing measured'}")

    def end(self) -> None:
        """Lines are out already."""

    def _say(self, line: str) -> None:
        self._screen.print(line, soft_wrap=True, highlight=False)


class JsonView:
    takes_the_screen = False

    def __init__(self, links: Links) -> None:
        self._links, self._changes = links, _Changes()

    def ready(self, *, has_page: bool) -> None:
        self._say("ready", self._links.open(has_page))

    def look(self, now: AgentState | None) -> None:
        if now is None:
            return
        for service in self._changes.services(now):
            self._say("service", msgspec.to_builtins(service))
        for note in self._changes.notes(now):
            self._say("note", {"text": note})
        if self._changes.round(now):
            for platform in now.platforms:
                self._say("platform", msgspec.to_builtins(platform))
            self._say("round", msgspec.to_builtins(now.round))

    def end(self) -> None:
        """Lines are out already."""

    def _say(self, kind: str, fields: dict[str, object] | dict[str, str]) -> None:
        sys.stdout.write(msgspec.json.encode({"kind": kind, **fields}).decode() + "\n")
        sys.stdout.flush()


def _what(service: ServiceState) -> tuple[Outcome, tuple[str, ...]]:
    return service.outcome, tuple(service.techniques)


def _is_unnamed(now: AgentState) -> bool:
    """Once it had the time to find out."""
    return now.network.asn is None and now.round.measured > 0


def _counted(platforms: tuple[PlatformState, ...] | list[PlatformState]) -> str:
    counts = Counter(platform.outcome for platform in platforms)
    return ", ".join(f"{counts[outcome]} {in_words(outcome)}" for outcome in Outcome if counts[outcome])


def _last_line(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - _TAIL))
        lines = file.read().decode("utf-8", "replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "")
