"""Every case that a release must judge right, with the expectations of a control and without them.

`pytest tests/lab/test_cases.py -k sni` runs a part; several labs run side by side.
"""

from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from probe.lab.accuracy import CaseResult, under_way
from probe.lab.cases import CASES

JOBS = 4
RUNS = [(name, known) for name, case in CASES.items() for known in ([True, False] if case.control else [False])]
Results = dict[tuple[str, bool], Future[CaseResult]]


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> Iterator[Results]:
    """Those of the runs that were selected, under way from the first on."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    selected = [_run_of(item) for item in items if item.originalname == "test_case_is_judged_right"]
    runs = [(name, known) for name, known in selected if not CASES[name].waits]
    with under_way([(CASES[name], known) for name, known in runs], JOBS) as futures:
        yield dict(zip(runs, futures, strict=True))


@pytest.mark.parametrize("run", RUNS, ids=[f"{name}-{'with' if known else 'without'}" for name, known in RUNS])
def test_case_is_judged_right(results: Results, run: tuple[str, bool]) -> None:
    if waits := CASES[run[0]].waits:
        pytest.skip(f"waits for {waits}")
    result = results[run].result()
    said = "\n".join(str({**line, "steps": "..."}) for line in result.output)
    assert not result.wrong, f"expected {result.expected}, got {result.got}: {'; '.join(result.wrong)}\n{said}"


def _run_of(item: pytest.Function) -> tuple[str, bool]:
    run: tuple[str, bool] = getattr(item, "callspec").params["run"]  # noqa: B009 - pytest does not declare it
    return run
