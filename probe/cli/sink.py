"""Where results are written: a file, or standard output as it happens to be."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

from probe.cli.faults import Failed, Fault


class Sink(io.TextIOBase):
    """A text stream whose faults are one line, and which shows what it can of characters that its encoding lacks."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name = stream, name

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding or "utf-8"

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        shown = text.encode(self.encoding, "replace").decode(self.encoding)
        with self._faults():
            return self._stream.write(shown)

    def flush(self) -> None:
        with self._faults():
            self._stream.flush()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as exc:
            raise Failed(f"{self._name}: cannot write the result: {exc.strerror or exc}") from exc


@contextmanager
def sink(path: Path | None) -> Iterator[TextIO]:
    """Flushed at the end, so that a disk that is full then is told as well."""
    if path is None:
        yield from _flushed(sys.stdout, "standard output")
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as exc:
        raise Fault(f"{path}: cannot write the result: {exc.strerror or exc}") from exc
    try:
        yield from _flushed(file, str(path))
    finally:
        _closed(file)


def _flushed(stream: TextIO, name: str) -> Iterator[TextIO]:
    out = Sink(stream, name)
    yield cast(TextIO, out)
    out.flush()


def _closed(file: TextIO) -> None:
    try:
        file.close()
    except OSError:
        return  # what could not be written was told already
