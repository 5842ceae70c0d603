"""A scenario as it is played: a live grid on a terminal, plain lines elsewhere, or JSON."""

import datetime as dt
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self, TextIO

import msgspec
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from probe.cli.display import COLOUR, Screen
from probe.cli.narrow import GAP, blocks
from probe.lab.scenario.effects import Effect
from probe.lab.scenario.history import Cell, Round, Said
from probe.lab.scenario.model import Event, Scenario
from probe.lab.scenario.population import Vantage
from probe.lab.scenario.verify import Check, cells, told
from probe.wire.vocabulary import Outcome

_LATEST = 6  # words of single probes that are shown


class View:
    """What all forms have in common: who there is, and nothing said of it."""

    def __init__(self, scenario: Scenario, out: TextIO) -> None:
        self._scenario, self._out = scenario, out
        self._names = {isp.asn: isp.name or f"AS{isp.asn}" for isp in scenario.isps}
        self._names |= {control.asn: control.name or f"AS{control.asn}" for control in scenario.controls}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def stands(self, vantages: Sequence[Vantage]) -> None:
        pass

    def clock(self, at: dt.datetime, speed: float) -> None:
        pass

    def changed(self, at: dt.datetime, events: Sequence[Event], effects: Sequence[Effect]) -> None:
        pass

    def said(self, at: dt.datetime, said: Said) -> None:
        pass

    def round(self, round: Round) -> None:
        pass

    def _who(self, vantage: Vantage) -> str:
        role = "control" if vantage.control else f"probe {vantage.number}"
        trouble = f" ({vantage.trouble})" if vantage.trouble else ""
        return f"{self._names[vantage.asn]} {role}{trouble}"

    def _does(self, effects: Sequence[Effect]) -> Iterator[tuple[str, str]]:
        """By ISP, what is in effect there; the world's own faults first."""
        for asn in (None, *self._names):
            own = "; ".join(str(effect) for effect in effects if effect.asn == asn)
            if own:
                yield "everywhere" if asn is None else self._names[asn], own


class JsonLines(View):
    def changed(self, at: dt.datetime, events: Sequence[Event], effects: Sequence[Effect]) -> None:
        del events
        held = [{"asn": e.asn, "technique": e.event.technique, "services": e.services} for e in effects]
        self._write({"kind": "censor", "at": at, "in_effect": held})

    def said(self, at: dt.datetime, said: Said) -> None:
        if said.fault is not None:
            self._write({"kind": "fault", "at": at, "vantage": self._who(said.vantage), "fault": said.fault})

    def round(self, round: Round) -> None:
        for cell in cells(self._scenario, round):
            self._write(
                {
                    "kind": "round",
                    "at": round.at,
                    "round": round.number,
                    "asn": cell.asn,
                    "isp": self._names[cell.asn],
                    "platform": cell.subject,
                    "outcome": cell.outcome,
                    "techniques": cell.techniques,
                    "votes": cell.votes,
                }
            )

    def _write(self, line: dict[str, object]) -> None:
        self._out.write(msgspec.json.encode(line).decode() + "\n")
        self._out.flush()


class PlainLines(View):
    def stands(self, vantages: Sequence[Vantage]) -> None:
        controls = sum(vantage.control for vantage in vantages)
        self._say(f"{self._scenario.name}: {len(vantages) - controls} probes, {controls} controls")

    def changed(self, at: dt.datetime, events: Sequence[Event], effects: Sequence[Effect]) -> None:
        del events
        self._say(
            f"{_stamp(at)} censor: " + (" | ".join(f"{who}: {what}" for who, what in self._does(effects)) or "rests")
        )

    def said(self, at: dt.datetime, said: Said) -> None:
        if said.fault is not None:
            self._say(f"{_stamp(at)} {self._who(said.vantage)}: {said.fault}")

    def round(self, round: Round) -> None:
        for asn in dict.fromkeys(cell.asn for cell in cells(self._scenario, round)):
            own = [cell for cell in cells(self._scenario, round) if cell.asn == asn]
            self._say(f"{_stamp(round.at)} {self._names[asn]}: {', '.join(_words(own))}")

    def _say(self, line: str) -> None:
        self._out.write(line + "\n")
        self._out.flush()


class LiveGrid(View):
    """ISPs by platforms, what the censor does now, the scenario's clock, and the latest words of single probes."""

    def __init__(self, scenario: Scenario, out: TextIO) -> None:
        super().__init__(scenario, out)
        self._screen = Screen(out)
        self._at, self._speed = scenario.starts, scenario.speed
        self._effects: Sequence[Effect] = ()
        self._round: Round | None = None
        self._latest: list[str] = []
        self._live = Live(console=self._screen, get_renderable=self._now, refresh_per_second=4)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def clock(self, at: dt.datetime, speed: float) -> None:
        self._at, self._speed = at, speed

    def changed(self, at: dt.datetime, events: Sequence[Event], effects: Sequence[Effect]) -> None:
        del events
        self._at, self._effects = at, effects

    def said(self, at: dt.datetime, said: Said) -> None:
        stopped = [f"{subject} {word.outcome}" for subject, word in said.words.items() if word.outcome != "ok"]
        word = said.fault or ", ".join(one for one in stopped if "." not in one.partition(" ")[0]) or "all ok"
        self._latest = [*self._latest, f"{at:%H:%M} {self._who(said.vantage)}: {word}"][-_LATEST:]

    def round(self, round: Round) -> None:
        self._round = round

    def _now(self) -> RenderableType:
        clock = f"  {self._at:%Y-%m-%d %H:%M:%S} UTC, {self._speed:.2g} times as fast"
        head = Text.assemble((self._scenario.name, "bold"), clock)
        censor = [Text(f"{who}: {what}", "red") for who, what in self._does(self._effects)]
        rests = Text("nobody interferes", "green")
        latest = [Text(line, "dim") for line in self._latest]
        return Group(head, *self._grids(len(censor)), Text(), *(censor or [rests]), Text(), *latest)

    def _grids(self, censor: int) -> Iterator[Table]:
        """With the techniques where they have room, else with marks alone; below one another where the window is
        narrow."""
        rows = [[self._cell(asn, platform) for platform in self._scenario.platform_ids] for asn in self._names]
        ids = list(map(cell_len, self._scenario.platform_ids))
        full = [max(least, *(row[index].cell_len for row in rows)) for index, least in enumerate(ids)]
        isp = min(max(map(cell_len, self._names.values())), max(8, self._screen.width // 4))
        height = self._screen.height - censor - _LATEST - 4
        parts = list(blocks(isp, full, self._screen.width))
        if len(parts) > 1 and len(parts) * (len(rows) + 1) > height:
            full, parts = ids, list(blocks(isp, ids, self._screen.width))
        return (self._grid(rows, part, isp, full) for part in parts)

    def _grid(self, rows: list[list[Text]], part: range, isp: int, widths: list[int]) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
        table.add_column("ISP", width=isp, no_wrap=True, overflow="ellipsis")
        for index in part:
            table.add_column(self._scenario.platform_ids[index], width=widths[index], no_wrap=True, overflow="ellipsis")
        for name, row in zip(self._names.values(), rows, strict=True):
            own = [row[index] if row[index].cell_len <= widths[index] else row[index][:1] for index in part]
            table.add_row(Text(name), *own)
        return table

    def _cell(self, asn: int, platform: str) -> Text:
        cell = self._round.cell(asn, platform) if self._round is not None else None
        if cell is None:
            return Text("·", "dim")
        outcome = Outcome(cell.outcome)
        means = f" {cell.techniques[0]}" if cell.techniques else ""
        return Text.assemble(self._screen.mark(outcome), Text(means, COLOUR[outcome]))


def view_for(form: str, out: TextIO) -> type[View]:
    if form == "json":
        return JsonLines
    return LiveGrid if out.isatty() else PlainLines


def check_line(check: Check, form: str) -> str:
    if form == "json":
        return msgspec.json.encode({"kind": "expectation", **msgspec.structs.asdict(check)}).decode()
    word = {True: "held", False: "FAILED", None: "not checked yet"}[check.held]
    return f"{word}: {check.what}" + (f" ({check.seen})" if check.seen else "")


def _words(own: Sequence[Cell]) -> Iterator[str]:
    for cell in own:
        yield f"{cell.subject} {told(cell)}"


def _stamp(at: dt.datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
