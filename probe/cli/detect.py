"""`probe detect`: the detector over saved votes."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from probe.cli.faults import LARGEST, Fault, read_file
from probe.cli.numbers import Number

if TYPE_CHECKING:
    from probe.detect.history import Past
    from probe.detect.votes import Presence, Vote

_STDIN = Path("-")


@click.command(epilog="Example: probe detect votes.csv")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--standing-ok", is_flag=True, help="Take every service as seen working before the first vote.")
@click.option(
    "--false-alarms-per-year",
    type=Number(0, 1e6, min_open=True),
    default=1.0,
    show_default=True,
    help="What is accepted, of all cells together: the thresholds follow from it.",
)
@click.option("--dismissed", is_flag=True, help="Also what was suspected and came to nothing.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), help="Default: a table on a terminal, else json."
)
def detect(
    *, files: tuple[Path, ...], standing_ok: bool, false_alarms_per_year: float, dismissed: bool, form: str | None
) -> None:
    """Find restrictions and incidents in saved votes.

    FILE is CSV with the header time,country,asn,platform,service,probe,outcome,technique (times in UTC, each probe a
    witness of its own), or the same as JSON lines; - reads standard input. Several files are one history, in any order.
    Where nobody measured a service in another country, it is taken to work there.
    """
    from probe.cli.sink import sink  # noqa: PLC0415
    from probe.detect.history import history  # noqa: PLC0415
    from probe.detect.settings import Settings  # noqa: PLC0415

    votes, presences = _read(files)
    settings = Settings(false_alarms_per_year=false_alarms_per_year, standing_ok=standing_ok, elsewhere="where-known")
    past = history(votes, settings, presences)
    with sink(None) as out:
        if (form or ("table" if out.isatty() else "json")) == "json":
            _lines(past, out, dismissed)
        else:
            from probe.cli.detect_view import show  # noqa: PLC0415

            show(past, out, len(votes), dismissed)


def _read(files: tuple[Path, ...]) -> "tuple[list[Vote], list[Presence]]":
    from probe.detect.saved import VotesError, read_votes  # noqa: PLC0415
    from probe.detect.votes import Presence, Vote  # noqa: PLC0415

    if files.count(_STDIN) > 1:
        raise Fault("-: standard input can be read once only")
    votes: list[Vote] = []
    presences: list[Presence] = []
    for path in files:
        raw = _stdin() if path == _STDIN else read_file(path, "votes")
        try:
            for found in read_votes(raw, "standard input" if path == _STDIN else str(path)):
                if isinstance(found, Vote):
                    votes.append(found)
                else:
                    presences.append(found)
        except VotesError as exc:
            raise Fault(str(exc)) from exc
    return votes, presences


def _stdin() -> bytes:
    raw: bytes = sys.stdin.buffer.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise Fault(f"standard input: too large for votes: at most {LARGEST >> 20} MiB are read")
    return raw


def _lines(past: "Past", out: TextIO, dismissed: bool) -> None:
    import msgspec  # noqa: PLC0415

    from probe.detect.history import shown  # noqa: PLC0415
    from probe.detect.records import plain  # noqa: PLC0415

    for record in shown(past, dismissed):
        out.write(msgspec.json.encode(plain(record)).decode() + "\n")
