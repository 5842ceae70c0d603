"""`probe lab`: the censored internet in network namespaces."""

# ruff: noqa: PLC0415 (imports inside functions keep `--help` fast)

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from probe.cli.faults import Failed, Fault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probe.lab.accuracy import CaseResult
    from probe.lab.cases import Case

_WIDTHS = (30, 8, 44, 44)
_ONE_A_LINE = "json: one object a line."
_HEADINGS = ("case", "control", "expected", "got")


@click.group()
def lab() -> None:
    """The censored internet in network namespaces (Linux, root).

    \b
    Examples:
      probe lab run turkey-2020-02-27
      probe lab cases sni-drop sni-reset
    """


@lab.command("list")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help=_ONE_A_LINE)
def list_scenarios(form: str) -> None:
    """List the scenarios that come with the lab.

    \b
    Example:
      probe lab list
    """
    from probe.cli.lab_scenario import print_list

    print_list(form)


@lab.command()
@click.argument("scenario", metavar="SCENARIO")
@click.option("--speed", type=click.FloatRange(0, 1e6, min_open=True), help="Seconds of scenario time a second.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help=_ONE_A_LINE)
def run(scenario: str, speed: float | None, form: str) -> None:
    """Play a censored country over time, and hold what the probes say against what the scenario expects.

    SCENARIO is a name out of `probe lab list`, or a YAML file. In every round `probe measure` runs at each vantage
    point; the clock waits for a round that takes longer than its interval. Exit status 1 where an expectation fails.

    \b
    Examples:
      probe lab run turkey-2020-02-27
      probe lab run ./mine.yaml --speed 600 --format json
    """
    if speed is not None and math.isnan(speed):
        raise Fault("--speed nan: it takes a number, such as 30")  # no range refuses it
    from probe.cli.lab_scenario import run_scenario

    run_scenario(scenario, speed, form)


@lab.command()
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option("--jobs", type=click.IntRange(1, 16), default=2, show_default=True, help="Labs side by side.")
@click.option("--with/--without", "control", default=None, help="Only with, or only without, a control's expectations.")
@click.option("--list", "only_list", is_flag=True, help="List the cases and what must be said of each.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help=_ONE_A_LINE)
def cases(names: tuple[str, ...], jobs: int, control: bool | None, only_list: bool, form: str) -> None:
    """Run `probe measure` against real interference, and hold what it says against what it must say.

    Every case is run with the expectations of a control and without them; all cases where none is named. Exit status
    1 where one is judged wrong.

    \b
    Examples:
      probe lab cases --list
      probe lab cases sni-drop sni-reset --jobs 4
      probe lab cases --without --format json
    """
    chosen = _chosen(names)
    if only_list:
        _print_list(chosen)
        return
    ready = [case for case in chosen if names or not case.waits]
    runs = [(case, known) for case in ready for known in _ways(case, control)]
    wrong = sum(_report(result, form) for result in _results(runs, jobs, form))
    if wrong:
        raise Failed(f"{wrong} of {len(runs)} runs were judged wrong")


def _chosen(names: tuple[str, ...]) -> list[Case]:
    from probe.lab.cases import CASES

    if unknown := [name for name in names if name not in CASES]:
        raise Fault(f"no case {unknown[0]!r}: `probe lab cases --list` shows them all")
    return [CASES[name] for name in names] or list(CASES.values())


def _ways(case: Case, control: bool | None) -> list[bool]:
    """With expectations and without; a case that has no control can only be run without."""
    possible = [True, False] if case.control else [False]
    return [known for known in possible if control is None or known is control]


def _results(runs: list[tuple[Case, bool]], jobs: int, form: str) -> Iterable[CaseResult]:
    from probe.lab.accuracy import under_way
    from probe.lab.model import LabError

    if form == "table":
        click.echo(
            "".join(f"{heading:<{width}}" for heading, width in zip(_HEADINGS, _WIDTHS, strict=True)) + "seconds"
        )
    try:
        with under_way(runs, jobs) as results:
            yield from (result.result() for result in results)
    except LabError as error:
        raise Failed(str(error)) from error


def _report(result: CaseResult, form: str) -> bool:
    """Prints one run, and whether it was wrong."""
    import msgspec

    if form == "json":
        click.echo(msgspec.json.encode(result).decode())
        return bool(result.wrong)
    cells = (result.name, "with" if result.with_expectations else "without", result.expected, result.got)
    line = (
        "".join(f"{cell:<{width - 1}} " for cell, width in zip(cells, _WIDTHS, strict=True)) + f"{result.seconds:5.1f}"
    )
    click.secho(line, fg="red" if result.wrong else None)
    for fault in result.wrong:
        click.secho(f"    {fault}", fg="red")
    return bool(result.wrong)


def _remarks(case: Case) -> str:
    return ("" if case.control else " (no control)") + (f" (waits for {case.waits})" if case.waits else "")


def _print_list(cases: list[Case]) -> None:
    for case in cases:
        expected = "; ".join(f"{subject}: {wanted}" for subject, wanted in case.expected.items())
        click.echo(f"{case.name:<{_WIDTHS[0]}}{expected}{_remarks(case)}")
