"""The window that metrics are drawn from asks for little, however much the views hold."""

from pathlib import Path

import pytest

from probe.collector.analyse import store as stores
from probe.collector.analyse.schema import open_views
from probe.collector.analyse.store import Store
from probe.collector.web import window


@pytest.mark.parametrize(
    ("question", "index"),
    [
        (window._FIRST, "votes_at"),
        (window._FRESH, "sqlite_autoindex_votes_2"),
        (window._ONLINE, "presence_last"),
        (window._CONTROLS, "presence_last"),
    ],
)
def test_no_question_reads_a_whole_table(tmp_path: Path, question: str, index: str) -> None:
    views = open_views(tmp_path / "views.db")
    plan = " | ".join(row[3] for row in views.execute(f"EXPLAIN QUERY PLAN {question}", (0,) * question.count("?")))
    views.close()
    assert "SCAN" not in plan
    assert index in plan


def test_addresses_beyond_the_catalogue_fill_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_MOST_ENDPOINTS", 10)
    views = open_views(tmp_path / "views.db")
    store = Store(views)
    numbers = {f"https://host{n}.example/": store.endpoint(f"https://host{n}.example/") for n in range(35)}
    assert len(set(numbers.values())) == 35
    assert {url: store.endpoint(url) for url in numbers} == numbers, "each keeps its number"
    assert len(store._endpoints) <= 10
    assert len(Store(views)._endpoints) == 10
    views.close()
