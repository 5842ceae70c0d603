"""The matrix of cases: which are run, and how each is shown."""

from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches

import click
import msgspec

from probe.cli.faults import Failed, Fault
from probe.lab.accuracy import CaseResult, under_way
from probe.lab.cases import CASES, VARIANTS, Case
from probe.lab.model import LabError

_WIDTHS = (37, 8, 44, 44)
_HEADINGS = ("case", "control", "expected", "got")
_MARKDOWN = ("case", "must say", "with a control", "without", "seconds")
Run = tuple[Case, bool]


def chosen(names: Sequence[str], variants: Sequence[str]) -> list[Case]:
    """All cases where none is named; of each its variants, where any is wanted. Raises Fault."""
    if unknown := [name for name in names if name not in CASES]:
        near = get_close_matches(unknown[0], CASES, 1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise Fault(f"no case {unknown[0]!r}: {meant}`probe lab cases --list` shows them all")
    cases = [CASES[name] for name in names] or list(CASES.values())
    if not variants:
        return cases
    varied = [variant for case in cases for name in variants if (variant := VARIANTS[name].of(case)) is not None]
    if not varied:
        raise Fault(f"{', '.join(names)}: no such variant of it")
    return varied


def print_list(cases: Sequence[Case]) -> None:
    for case in cases:
        click.echo(f"{case.name:<{_WIDTHS[0]}} {case.must_say()}{_remarks(case)}")


def _remarks(case: Case) -> str:
    return ("" if case.control else " (no control)") + (f" ({why})" if (why := case.skipped()) else "")


def run_cases(cases: Sequence[Case], jobs: int, control: bool | None, form: str) -> None:
    """Raises Failed where one is judged wrong, or the lab cannot be built."""
    runs = [(case, known) for case in cases if not case.skipped() for known in _ways(case, control)]
    show: Callable[[Sequence[Case], Iterator[CaseResult]], int]
    show = {"json": _json, "markdown": _markdown}.get(form, _table)
    try:
        with under_way(runs, jobs) as results:
            wrong = show(cases, (result.result() for result in results))
    except LabError as error:
        raise Failed(str(error)) from error
    if wrong:
        raise Failed(f"{wrong} of {len(runs)} runs were judged wrong")


def _ways(case: Case, control: bool | None) -> list[bool]:
    """With expectations and without; a case that has no control can only be run without."""
    possible = [True, False] if case.control else [False]
    return [known for known in possible if control is None or known is control]


def _json(cases: Sequence[Case], results: Iterator[CaseResult]) -> int:
    del cases
    wrong = 0
    for result in results:
        click.echo(msgspec.json.encode(result).decode())
        wrong += bool(result.wrong)
    return wrong


def _table(cases: Sequence[Case], results: Iterator[CaseResult]) -> int:
    heading = "".join(f"{heading:<{width}}" for heading, width in zip(_HEADINGS, _WIDTHS, strict=True)) + "seconds"
    wrong = 0
    for number, result in enumerate(results):
        if not number:  # not above what keeps the lab from being built
            click.echo(heading)
        cells = (result.name, "with" if result.with_expectations else "without", result.expected, result.got)
        line = "".join(f"{cell:<{width - 1}} " for cell, width in zip(cells, _WIDTHS, strict=True))
        click.secho(f"{line}{result.seconds:5.1f}", fg="red" if result.wrong else None)
        for fault in result.wrong:
            click.secho(f"    {fault}", fg="red")
        wrong += bool(result.wrong)
    for case in cases:
        if why := case.skipped():
            click.echo(f"{case.name:<{_WIDTHS[0]}} {why}")
    return wrong


def _markdown(cases: Sequence[Case], results: Iterator[CaseResult]) -> int:
    """One row a case, in the order of the cases: they are told when all of them are known."""
    found = {(result.name, result.with_expectations): result for result in results}
    click.echo(f"| {' | '.join(_MARKDOWN)} |")
    click.echo("| --- | --- | --- | --- | ---: |")
    for case in cases:
        both = [found.get((case.name, known)) for known in (True, False)]
        cells = [case.skipped() or _said(result) for result in both]
        seconds = " / ".join(f"{result.seconds:.1f}" for result in both if result is not None)
        click.echo(f"| {case.name} | {_escaped(case.must_say())} | {' | '.join(map(_escaped, cells))} | {seconds} |")
    return sum(bool(result.wrong) for result in found.values())


def _said(result: CaseResult | None) -> str:
    if result is None:
        return ""
    return f"WRONG: {'; '.join(result.wrong)}" if result.wrong else result.got.replace("endpoint: ", "")


def _escaped(cell: str) -> str:
    return cell.replace("|", " or ")
