"""A scenario is played no faster than the machine carries."""

from pathlib import Path

import pytest

from probe.lab.scenario import tempo
from probe.lab.scenario.tempo import Tempo


class Kernel:
    """What it counts of one process."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "1" / "schedstat"
        self._file.parent.mkdir()
        self._waited = self._turns = 0
        self.passes(0.0)

    def passes(self, waited: float, turns: int = 1000) -> None:
        """`waited`: seconds, each time."""
        self._waited, self._turns = self._waited + round(waited * turns * 1e9), self._turns + turns
        self._file.write_text(f"123456 {self._waited} {self._turns}\n")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempo, "WINDOW", 0.0)


def test_it_slows_down_where_programs_wait_and_recovers_to_what_was_asked_for(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    kept = Tempo(15.0, [1], tmp_path)
    kernel.passes(0.001)
    assert kept.speed() == 15.0
    seen = []
    for _ in range(20):
        kernel.passes(0.050)
        seen.append(kept.speed())
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] == 1.5
    kernel.passes(0.006)
    assert kept.speed() == 1.5, "neither busy nor free"
    for _ in range(20):
        kernel.passes(0.001)
        kept.speed()
    assert kept.speed() == 15.0


def test_a_process_that_is_gone_or_a_kernel_that_does_not_count_changes_nothing(tmp_path: Path) -> None:
    assert Tempo(15.0, [1, 2], tmp_path).speed() == 15.0
    kernel = Kernel(tmp_path)
    kept = Tempo(15.0, [1, 2], tmp_path)
    kernel.passes(0.050)
    assert kept.speed() == 9.0
    (tmp_path / "1" / "schedstat").unlink()
    assert kept.speed() >= 9.0
