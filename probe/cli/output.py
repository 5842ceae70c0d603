"""The forms in which a round's results leave the command: table, JSON lines, OONI's format."""

from typing import Protocol, TextIO

import msgspec

from probe.cli.results import Results
from probe.measure.endpoint import Judged
from probe.wire.codec import endpoint_line, tally_line
from probe.wire.measurement import Measurement
from probe.wire.verdicts import Verdict


class Output(Protocol):
    """Takes each result as it comes, and is ended once."""

    def add(self, judged: Judged) -> None: ...

    def end(self) -> None: ...


class TableOutput:
    """For people: live on a terminal, plain lines when piped."""

    def __init__(self, results: Results, sink: TextIO, total: int) -> None:
        from probe.cli.display import Display, Screen  # noqa: PLC0415 (only where a table is shown)

        self._results = results
        self._console = Screen(sink)
        self._display = Display(self._console, results, total)
        self._display.start()

    def add(self, judged: Judged) -> None:  # noqa: ARG002 (the results are shared)
        self._display.advance()

    def end(self) -> None:
        from probe.cli.display import report  # noqa: PLC0415

        self._display.stop()
        report(self._console, self._results)


class JsonOutput:
    """One object an endpoint as it comes, then one a service, then one a platform."""

    def __init__(self, results: Results, sink: TextIO) -> None:
        self._results, self._sink = results, sink

    def add(self, judged: Judged) -> None:
        self._write(endpoint_line(judged.measurement, judged.verdict))

    def end(self) -> None:
        for tally in [*self._results.services(), *self._results.platforms()]:
            self._write(tally_line(tally))

    def _write(self, line: bytes) -> None:
        self._sink.write(line.decode() + "\n")
        self._sink.flush()


class OoniOutput:
    """OONI's format, one measurement a line. Tests of several endpoints are gathered, so it comes at the end."""

    def __init__(self, sink: TextIO, version: str) -> None:
        self._sink, self._version = sink, version
        self._pairs: list[tuple[Measurement, Verdict]] = []

    def add(self, judged: Judged) -> None:
        self._pairs.append((judged.measurement, judged.verdict))

    def end(self) -> None:
        from probe.wire.ooni_out import to_ooni  # noqa: PLC0415

        for document in to_ooni(self._pairs, self._version):
            self._sink.write(msgspec.json.encode(document).decode() + "\n")
