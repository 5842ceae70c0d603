"""A case run in a lab of its own, and what was said held against what should have been."""

import errno
import os
import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.catalogue.model import Catalogue
from probe.lab.cases.case import Case, Expected
from probe.lab.internet import internet
from probe.lab.interruption import termination_unwinds
from probe.lab.lab import Lab
from probe.lab.model import CommandFailed
from probe.lab.namespaces import end_clients

Line = dict[str, Any]
Run = tuple[Case, bool]  # and whether with the expectations of a control
_ENDING = 0.2  # seconds between two looks at what is still running
_OPENING = 0.01  # and at whether the pipe is read


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """`wrong` says what differs, subject by subject; none where the case was judged right. `output` is every object
    that `probe measure` printed."""

    name: str
    with_expectations: bool
    expected: str
    got: str
    wrong: tuple[str, ...]
    seconds: float
    output: tuple[Line, ...]


def run_case(case: Case, with_expectations: bool) -> CaseResult:
    """Raises LabError where the lab cannot be built; a `probe measure` that fails is judged wrong."""
    began = time.monotonic()
    with_control = with_expectations and case.control
    output: tuple[Line, ...] = ()
    try:
        output = _measured(case, with_control)
        wrong = tuple(_faults(case, output, doubt=case.control and not with_control))
    except CommandFailed as error:
        wrong = (str(error),)
    return CaseResult(
        name=case.name,
        with_expectations=with_control,
        expected="; ".join(f"{subject}: {expected}" for subject, expected in case.expected.items()),
        got="; ".join(_got(case, output)),
        wrong=wrong,
        seconds=time.monotonic() - began,
        output=output,
    )


def _measured(case: Case, with_control: bool) -> tuple[Line, ...]:
    with lab_of(case) as lab:
        arguments = [*case.targets, *case.options]
        measure = _after_control if with_control else Lab.measure
        return tuple(measure(lab, arguments, case.timeout))


def _after_control(lab: Lab, arguments: list[str], timeout: float) -> list[Line]:
    """The probe starts beside the control, and sends nothing before it has read, through a pipe, what that one saw:
    half of a short case is the start of programs."""
    pipe = lab.folder / "expected"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        probe = pool.submit(lab.measure, [*arguments, "--expectations", str(pipe)], 2 * timeout)
        try:
            expected = lab.control(arguments, timeout).read_bytes()
        except BaseException:
            lab.end(lab.vantage)
            raise
        _fill(pipe, expected, until=probe)
        return probe.result()


def _fill(pipe: Path, content: bytes, *, until: Future[list[Line]]) -> None:
    """Once somebody reads it; nothing where nobody will."""
    while not until.done():
        try:
            write_end = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:  # nobody reads yet
                raise
            time.sleep(_OPENING)
            continue
        with os.fdopen(write_end, "wb") as file, suppress(BrokenPipeError):
            os.set_blocking(write_end, True)
            file.write(content)
        return


@contextmanager
def under_way(runs: Iterable[Run], jobs: int) -> Iterator[list[Future[CaseResult]]]:
    """The results in the order of the runs, `jobs` at a time. On the way out, what is still running is ended."""
    with termination_unwinds(), ThreadPoolExecutor(jobs) as pool:
        results = [pool.submit(run_case, *run) for run in runs]
        try:
            yield results
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            while not all(result.done() for result in results):
                end_clients()
                wait(results, _ENDING)


def lab_of(case: Case) -> Lab:
    resolvers = (case.resolver,) if case.resolver else ()
    world = internet(_catalogue(), case.sites, platforms=case.platforms, resolvers=resolvers)
    resolver = case.resolver.addresses[0] if case.resolver else None
    return Lab(world, case.interferences, isp=case.isp, resolver=resolver, ipv6=case.ipv6, geo=True)


@cache
def _catalogue() -> Catalogue:
    return load_catalogue(default_catalogue_path())


def _faults(case: Case, output: tuple[Line, ...], *, doubt: bool) -> Iterator[str]:
    """With `doubt`, to be unsure is right as well."""
    for subject, expected in case.expected.items():
        lines = _lines_about(subject, output)
        if not lines:
            yield f"{subject}: nothing was said"
        for line in lines:
            if doubt and line["outcome"] == "inconclusive":
                continue
            yield from (f"{subject}: {fault}" for fault in _differences(expected, line))


def _differences(expected: Expected, line: Line) -> Iterator[str]:
    if line["outcome"] not in expected.outcomes:
        yield f"outcome {line['outcome']}, not {'|'.join(expected.outcomes)}"
        return
    found = tuple(line.get("techniques", ()))[: len(expected.techniques)]
    if found != expected.techniques:
        yield f"techniques {', '.join(line.get('techniques', ())) or 'none'}, not {', '.join(expected.techniques)}"
    if expected.injected is not None and line.get("injected") is not expected.injected:
        yield f"injected is {line.get('injected')}"
    if expected.scope is not None and line.get("scope") != expected.scope:
        yield f"scope {line.get('scope')}, not {expected.scope}"
    said = "\n".join(f"{evidence['rule']}: {evidence['text']}" for evidence in line.get("evidence", ()))
    for pattern in expected.evidence:
        if not re.search(pattern, said, re.IGNORECASE):
            yield f"no evidence says /{pattern}/"


def _got(case: Case, output: tuple[Line, ...]) -> Iterator[str]:
    for subject in case.expected:
        for line in _lines_about(subject, output):
            words = [line["outcome"], *line.get("techniques", ()), *(["injected"] if line.get("injected") else [])]
            yield f"{subject}: {' '.join(words)}"


def _lines_about(subject: str, output: tuple[Line, ...]) -> list[Line]:
    if subject == "endpoint":
        return [line for line in output if line["kind"] == "endpoint"]
    platform, _, service = subject.partition(".")
    kind = "service" if service else "platform"
    return [
        line
        for line in output
        if line["kind"] == kind and line.get("platform") == platform and line.get("service") == (service or None)
    ]
