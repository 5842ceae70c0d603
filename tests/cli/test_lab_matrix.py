"""The README shows every case that a release must judge right, and no other."""

import re
from pathlib import Path

import click

from probe.cli.lab import cases
from probe.lab.cases import CASES, VARIANTS

README = Path(__file__).parents[2] / "README.md"
ROW = re.compile(r"^\| ([a-z0-9-]+) \| (.+?) \| (.*?) \| (.*?) \| ([\d. /]*)\|$", re.MULTILINE)


def rows() -> dict[str, tuple[str, ...]]:
    matrix = README.read_text("utf-8").partition("| case | must say |")[2].partition("\n\n")[0]
    return {name: cells for name, *cells in ROW.findall(matrix)}


def test_the_matrix_of_the_readme_lists_exactly_the_cases_that_exist() -> None:
    assert list(rows()) == list(CASES)


def test_the_matrix_says_of_each_case_what_the_case_says() -> None:
    said = {name: cells[0] for name, cells in rows().items()}
    assert said == {name: case.must_say().replace("|", " or ") for name, case in CASES.items()}


def test_what_waits_is_marked_and_what_runs_was_judged_right() -> None:
    for name, (_, controlled, alone, seconds) in rows().items():
        case = CASES[name]
        if case.waits:
            assert controlled == alone == f"waits for {case.waits}"
            continue
        assert "WRONG" not in controlled + alone, name
        assert bool(controlled) is case.control, name
        assert seconds.strip(), name


def test_the_variants_that_the_command_offers_are_those_that_exist() -> None:
    (offered,) = [param.type for param in cases.params if param.name == "variants"]
    assert isinstance(offered, click.Choice)
    assert list(offered.choices) == list(VARIANTS)
