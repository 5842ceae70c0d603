"""Tables at 80 columns: what is short is whole, what is long gives way, and nothing vanishes."""

import io
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from probe.cli.display import Screen
from probe.cli.incidents_view import beginnings
from probe.cli.lab_view import LiveGrid
from probe.cli.narrow import blocks, fitted
from probe.lab.scenario.loader import find, load_scenario, shipped
from probe.lab.scenario.model import Scenario

from .owner import at_terminal

SIZES = st.lists(st.tuples(st.integers(1, 90), st.integers(1, 90)), min_size=1, max_size=12)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[Scenario], LiveGrid]:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("TERM", "dumb")
    return lambda scenario: LiveGrid(scenario, Terminal())


def printed(grid: LiveGrid) -> list[str]:
    out = Terminal()
    Screen(out).print(grid._now())
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()


@pytest.mark.parametrize("name", [path.stem for path in shipped()])
def test_every_platform_of_a_scenario_has_its_column(
    name: str, terminal: Callable[[Scenario], LiveGrid], monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = terminal(load_scenario(find(name)))
    monkeypatch.setattr(grid, "_cell", lambda *_: Text("✗ sni-reset"))
    lines = printed(grid)
    headings = [word for line in lines if line.startswith("ISP ") for word in line.split()[1:]]
    assert headings == list(grid._scenario.platform_ids)
    assert all(len(line) <= 80 for line in lines)
    rows = [line for line in lines if "✗" in line]
    assert sum(line.count("✗") for line in rows) == len(headings) * len(grid._names)


@given(SIZES, st.integers(1, 200))
def test_a_column_is_never_less_than_its_least_nor_more_than_it_needs(sizes: list[tuple[int, int]], room: int) -> None:
    natural, least = [max(size) for size in sizes], [min(size) for size in sizes]
    widths = fitted(natural, least, room)
    assert all(low <= width <= high for low, width, high in zip(least, widths, natural, strict=True))
    assert sum(widths) + len(widths) <= room or widths == least


@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(1, 120))
def test_columns_below_one_another_are_all_there_in_their_order(widths: list[int], room: int) -> None:
    parts = list(blocks(8, widths, room))
    assert [index for part in parts for index in part] == list(range(len(widths)))
    assert all(part for part in parts)


def test_a_beginning_stands_for_one_incident() -> None:
    names = ["tr-restriction-8f14e45fceea167a", "tr-restriction-8f14f45fceea167a", "ve-outage-00aa45fceea167aa"]
    short = beginnings(names)
    assert short == ["tr-restriction-8f14e", "tr-restriction-8f14f", "ve-outage-00aa45fcee"]
    assert beginnings(names[:1]) == ["tr-restriction-8f14"]
    assert beginnings([]) == []


async def test_addresses_among_the_fingerprints_are_not_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.cli.owner.environment", lambda _: {**os.environ, "COLUMNS": "80", "TERM": "xterm"})
    shown = await at_terminal(tmp_path, [], "catalogue", "fingerprints", "list", "--country", "TR")
    assert "195.175.254.2" in shown.stdout
