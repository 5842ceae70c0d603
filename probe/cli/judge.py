"""`probe judge`: saved measurements judged again by today's rules."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from probe.cli.faults import BLOCKED, FAILED, plain_faults, read_file

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

    Reads what `probe measure --format json` wrote, and OONI's measurements: JSON or JSON lines, plain, gzip or zstd.
    A file or line that cannot be read is named on standard error, and the others go on; the status is then 1.
    """
    from probe.catalogue.loader import default_catalogue_path, load_catalogue  # noqa: PLC0415
    from probe.cli.measure_round import library_for  # noqa: PLC0415
    from probe.wire.saved import SavedError, read_saved  # noqa: PLC0415

    with plain_faults():
        library = library_for(load_catalogue(catalogue or default_catalogue_path()), expectations, fingerprints)
    faults = blocked = False
    for path in files:
        try:
            raw = read_file(path, "a measurement")
        except click.ClickException as exc:
            click.echo(f"Error: {exc.message}", err=True)
            faults = True
            continue
        for item in read_saved(raw, str(path)):
            if isinstance(item, SavedError):
                click.echo(f"Error: {item}", err=True)
                faults = True
                continue
            verdict = _judge(item, library)
            blocked = blocked or verdict.outcome in {"blocked", "partial"}
            _write(item, verdict, form)
    if faults:
        ctx.exit(FAILED)
    if blocked and fail_on_blocked:
        ctx.exit(BLOCKED)


def _judge(item: "Saved", library: "Library") -> "Verdict":
    from probe.verdict.judge import judge as judge_measurement  # noqa: PLC0415
    from probe.verdict.saved import judge_ooni  # noqa: PLC0415
    from probe.wire.measurement import Measurement  # noqa: PLC0415

    saved = item.measurement
    if isinstance(saved, Measurement):
        return judge_measurement(saved, library.of(saved.platform, saved.endpoint))
    return judge_ooni(saved, library)


def _write(item: "Saved", verdict: "Verdict", form: str) -> None:
    from probe.wire.codec import printable, verdict_line  # noqa: PLC0415
    from probe.wire.measurement import Measurement  # noqa: PLC0415

    saved = item.measurement
    ours = isinstance(saved, Measurement)
    what = printable(saved.endpoint if isinstance(saved, Measurement) else saved.input or saved.test_name)
    if form == "json":
        head = {"kind": "verdict", "file": item.file, "line": item.line, "input": what}
        head |= {} if ours else {"test_name": saved.test_name}  # type: ignore[union-attr]
        sys.stdout.write(verdict_line(head, verdict).decode() + "\n")
        return
    technique = f" {', '.join(verdict.techniques)}" if verdict.techniques else ""
    why = f" ({printable(verdict.evidence[0].text)})" if verdict.evidence else ""
    click.echo(f"{item.file}: {what}: {verdict.outcome}{technique} {verdict.confidence:.2f}{why}")
