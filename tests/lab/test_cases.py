"""Every case that a release must judge right. Each is run once, with the expectations of a control where it has one;
with PROBE_LAB_MATRIX=whole also without them, as before a release and as `probe lab cases` does.

`pytest tests/lab/test_cases.py -k sni` runs a part; several labs run side by side.
"""

import os
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from probe.lab.accuracy import CaseResult, under_way
from probe.lab.cases import CASES

JOBS = 4
WHOLE = os.environ.get("PROBE_LAB_MATRIX") == "whole"
RUNS = [
    (name, known)
    for name, case in CASES.items()
    for known in ([True, False] if case.control and WHOLE else [case.control])
]
Results = dict[tuple[str, bool], Future[CaseResult]]


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> Iterator[Results]:
    """Those of the runs that were selected, under way from the first on."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    selected = [_run_of(item) for item in items if item.originalname == "test_case_is_judged_right"]
    runs = [(name, known) for name, known in selected if not CASES[name].skipped()]
    with under_way([(CASES[name], known) for name, known in runs], JOBS) as futures:
        yield dict(zip(runs, futures, strict=True))


@pytest.mark.parametrize("run", RUNS, ids=[f"{name}-{'with' if known else 'without'}" for name, known in RUNS])
def test_case_is_judged_right(results: Results, run: tuple[str, bool]) -> None:
    if why := CASES[run[0]].skipped():
        pytest.skip(why)
    result = results[run].result()
    said = "\n".join(str({**line, "steps": "..."}) for line in result.output)
    assert not result.wrong, f"expected {result.expected}, got {result.got}: {'; '.join(result.wrong)}\n{said}"


def _run_of(item: pytest.Function) -> tuple[str, bool]:
    run: tuple[str, bool] = getattr(item, "callspec").params["run"]  # noqa: B009 - pytest does not declare it
    return run
