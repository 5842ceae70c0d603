"""`probe judge`: saved measurements judged again by today's rules."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from probe.cli.faults import BLOCKED, FAILED, LARGEST, Fault, plain_faults, read_file

if TYPE_CHECKING:
    from probe.verdict.known import Library
    from probe.wire.saved import Saved
    from probe.wire.verdicts import Verdict

_PATH = click.Path(path_type=Path)


@click.command(epilog="Example: probe judge measurements.jsonl.gz --format json")
@click.argument("files", nargs=-1, required=True, type=_PATH, metavar="FILE...")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--catalogue", type=_PATH, help="Folder or file of platforms in place of the shipped ones.")
@click.option("--fingerprints", type=_PATH, help="In place of the shipped ones: see `probe catalogue fingerprints`.")
@click.option("--expectations", type=_PATH, help="What a control saw, for measurements that bring no control.")
@click.option("--fail-on-blocked", is_flag=True, help="Exit with status 3 if anything is blocked.")
@click.pass_context
def judge(
    ctx: click.Context,
    *,
    files: tuple[Path, ...],
    form: str,
    catalogue: Path | None,
    fingerprints: Path | None,
    expectations: Path | None,
    fail_on_blocked: bool,
) -> None:
    """Judge saved measurements again, one verdict a line.

    Reads what `probe measure --format json` wrote, and OONI's measurements: JSON or JSON lines, plain, gzip or zstd;
    - is standard input. A file or line that cannot be read is named on standard error, and the others go on; the
    status is then 1.
    """
    from probe.catalogue.loader import default_catalogue_path, load_catalogue  # noqa: PLC0415
    from probe.cli.measure_round import library_for  # noqa: PLC0415
    from probe.cli.sink import sink  # noqa: PLC0415

    with plain_faults():
        library = library_for(load_catalogue(catalogue or default_catalogue_path()), expectations, fingerprints)
    with plain_faults(), sink(None) as out:
        judging = _Judging(library, form, out)
        for path in files:
            judging.file(path)
    if judging.faults:
        ctx.exit(FAILED)
    if judging.blocked and fail_on_blocked:
        ctx.exit(BLOCKED)


class _Judging:
    """A file that cannot be read does not keep the others from being judged."""

    def __init__(self, library: "Library", form: str, out: TextIO) -> None:
        self.faults = self.blocked = False
        self._library, self._form, self._out = library, form, out

    def file(self, path: Path) -> None:
        from probe.wire.saved import SavedError, read_saved  # noqa: PLC0415

        try:
            raw = _standard_input() if str(path) == "-" else read_file(path, "a measurement")
        except Fault as exc:
            self._fault(exc.message)
            return
        for item in read_saved(raw, "standard input" if str(path) == "-" else str(path)):
            if isinstance(item, SavedError):
                self._fault(str(item))
                continue
            verdict = _judge(item, self._library)
            self.blocked = self.blocked or verdict.outcome in {"blocked", "partial"}
            self._out.write(_line(item, verdict, self._form) + "\n")

    def _fault(self, text: str) -> None:
        click.echo(f"Error: {text}", err=True)
        self.faults = True


def _standard_input() -> bytes:
    try:
        raw = sys.stdin.buffer.read(LARGEST + 1)
    except OSError as exc:
        raise Fault(f"standard input: cannot read a measurement: {exc.strerror or exc}") from exc
    if len(raw) > LARGEST:
        raise Fault(f"standard input: too large for a measurement: at most {LARGEST >> 20} MiB are read")
    return raw


def _judge(item: "Saved", library: "Library") -> "Verdict":
    from probe.verdict.judge import judge as judge_measurement  # noqa: PLC0415
    from probe.verdict.saved import judge_ooni  # noqa: PLC0415
    from probe.wire.measurement import Measurement  # noqa: PLC0415

    saved = item.measurement
    if isinstance(saved, Measurement):
        return judge_measurement(saved, library.of(saved.platform, saved.endpoint))
    return judge_ooni(saved, library)


def _line(item: "Saved", verdict: "Verdict", form: str) -> str:
    from probe.wire.codec import printable, verdict_line  # noqa: PLC0415
    from probe.wire.measurement import Measurement  # noqa: PLC0415

    saved = item.measurement
    ours = isinstance(saved, Measurement)
    what = printable(saved.endpoint if isinstance(saved, Measurement) else saved.input or saved.test_name)
    if form == "json":
        head = {"kind": "verdict", "file": item.file, "line": item.line, "input": what}
        head |= {} if ours else {"test_name": saved.test_name}  # type: ignore[union-attr]
        return verdict_line(head, verdict).decode()
    technique = f" {', '.join(verdict.techniques)}" if verdict.techniques else ""
    why = f" ({printable(verdict.evidence[0].text)})" if verdict.evidence else ""
    return f"{item.file}: {what}: {verdict.outcome}{technique} {verdict.confidence:.2f}{why}"
