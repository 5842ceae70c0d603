"""The terminal: a table that fills while the round runs, then a sentence for each thing stopped, and the sum."""

from collections import Counter
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from probe.cli.results import Results
from probe.verdict.sentences import sentence, state
from probe.wire.verdicts import Tally, Verdict
from probe.wire.vocabulary import Outcome

COLOUR = {
    Outcome.OK: "green",
    Outcome.BLOCKED: "bold red",
    Outcome.PARTIAL: "red",
    Outcome.DEGRADED: "yellow",
    Outcome.DOWN: "magenta",
    Outcome.INCONCLUSIVE: "cyan",
    Outcome.VOID: "dim",
}
_MARK = {
    Outcome.OK: "✓",
    Outcome.BLOCKED: "✗",
    Outcome.PARTIAL: "◐",
    Outcome.DEGRADED: "◔",
    Outcome.DOWN: "↓",
    Outcome.INCONCLUSIVE: "?",
    Outcome.VOID: "–",
}
_ASCII = {
    Outcome.OK: "+",
    Outcome.BLOCKED: "x",
    Outcome.PARTIAL: "/",
    Outcome.DEGRADED: "~",
    Outcome.DOWN: "v",
    Outcome.INCONCLUSIVE: "?",
    Outcome.VOID: "-",
}
_STOPPED = frozenset({Outcome.BLOCKED, Outcome.PARTIAL, Outcome.DEGRADED})


class Screen(Console):
    """A console that prints what it is given: no markup, no emoji; and leaves a closed pipe to the command."""

    def __init__(self, sink: TextIO) -> None:
        super().__init__(file=sink, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError

    def mark(self, outcome: Outcome) -> Text:
        """The sign of an outcome, in a form that the stream's encoding has."""
        try:
            "".join(_MARK.values()).encode(self.encoding)
        except UnicodeEncodeError:
            return Text(_ASCII[outcome], COLOUR[outcome])
        return Text(_MARK[outcome], COLOUR[outcome])


class Display:
    """What is seen while a round runs. On anything but a terminal, nothing."""

    def __init__(self, console: Screen, results: Results, total: int) -> None:
        self._console, self._results = console, results
        columns = (TextColumn("measuring"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console)
        self._task = self._progress.add_task("measuring", total=total)
        self._live = Live(console=console, get_renderable=self._now, refresh_per_second=6, transient=True)

    def start(self) -> None:
        if self._console.is_terminal:
            self._live.start()

    def stop(self) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def advance(self) -> None:
        self._progress.advance(self._task)

    def _now(self) -> RenderableType:
        """The platforms that are of interest so far, as many as the window holds, above the progress."""
        room = max(3, self._console.height - 6)
        tallies = sorted(self._results.platforms(), key=lambda tally: tally.outcome is Outcome.OK)
        return Group(platform_table(self._console, tallies[:room], self._results), self._progress)


def platform_table(screen: Screen, tallies: list[Tally], results: Results) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "platform", "state", "how", "services"):
        table.add_column(heading, no_wrap=heading != "services")
    services = list(results.services())
    for tally in tallies:
        own = [service for service in services if service.platform == tally.platform]
        table.add_row(
            screen.mark(tally.outcome),
            results.name(tally.platform),
            Text(state(tally.outcome), COLOUR[tally.outcome]),
            Text(", ".join(tally.techniques[:2])),
            _services(own),
        )
    return table


def _services(tallies: list[Tally]) -> Text:
    parts = [Text(f"{tally.service}", COLOUR[tally.outcome]) for tally in tallies]
    return Text(" ").join(parts)


def report(console: Screen, results: Results) -> None:
    """The end of a round: the table, a sentence for each thing that is stopped with its evidence below, the sum."""
    tallies = list(results.platforms())
    if not tallies and not results.typed:
        return
    if console.is_terminal and tallies:
        console.print(platform_table(console, tallies, results))
    elif tallies:
        for words in _plain(results):
            console.print(words, soft_wrap=True)
    for url, verdict in results.typed.items():
        line = Text.assemble(console.mark(verdict.outcome), f" {url}: {_short(verdict)}")
        console.print(line, soft_wrap=True)
    for said, why in explained(results):
        console.print()
        console.print(Text(said, "bold"), soft_wrap=not console.is_terminal)
        for text in why:
            _indented(console, text)
    console.print()
    console.print(summary(results), soft_wrap=not console.is_terminal)


def _indented(console: Screen, text: str) -> None:
    """Wrapped under its own margin on a terminal, one line elsewhere."""
    if console.is_terminal:
        console.print(Padding(Text(text), (0, 0, 0, 2)))
    else:
        console.print(f"  {text}", soft_wrap=True)


def _plain(results: Results) -> Iterator[str]:
    for tally in results.services():
        technique = f" {tally.technique}" if tally.technique else ""
        yield f"{tally.platform} {tally.service} {tally.outcome}{technique}"


def _short(verdict: Verdict) -> str:
    means = f" ({', '.join(verdict.techniques)})" if verdict.techniques else ""
    return f"{state(verdict.outcome)}{means}, confidence {verdict.confidence:.2f}"


def explained(results: Results) -> Iterator[tuple[str, list[str]]]:
    """A sentence for each service that is stopped, and for each URL asked for by hand, with the evidence."""
    for tally in results.services():
        if tally.outcome in _STOPPED and tally.service is not None:
            first = results.telling(tally)
            what = f"{results.name(tally.platform)} {tally.service}"
            yield sentence(what, tally.outcome, tally.techniques[:1], scope=first.scope), [first.evidence[0].text]
    for url, verdict in results.typed.items():
        if verdict.outcome not in {Outcome.OK, Outcome.VOID}:  # why it is void, the sum says
            said = sentence(url, verdict.outcome, verdict.techniques, scope=verdict.scope)
            yield said, [evidence.text for evidence in verdict.evidence]


def summary(results: Results) -> str:
    void = results.void
    if void is not None:
        return f"This network could not be measured: {void}."
    counts = Counter(tally.outcome for tally in results.platforms())
    if not counts:
        counts = Counter(verdict.outcome for verdict in results.typed.values())
    things = "platform" if results.verdicts else "site"
    parts = [f"{counts[outcome]} {state(outcome)}" for outcome in Outcome if counts[outcome]]
    return f"{counts.total()} {things}{'s' if counts.total() != 1 else ''}: {', '.join(parts)}."
