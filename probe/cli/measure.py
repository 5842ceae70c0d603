"""`probe measure`: one round now, with no collector."""

import math
from pathlib import Path

import click

from probe.cli.faults import BLOCKED, Fault

_PATH = click.Path(path_type=Path)


@click.command(epilog="Example: probe measure x whatsapp.messaging https://example.com/ --deep")
@click.argument("what", nargs=-1, metavar="[PLATFORM or URL ...]")
@click.option("--catalogue", type=_PATH, help="Folder or file of platforms in place of the shipped ones.")
@click.option("--format", "form", type=click.Choice(["table", "json", "ooni"]), default="table", show_default=True)
@click.option("--output", type=_PATH, help="Write the result to this file.")
@click.option("--deep", is_flag=True, help="Ask two trusted resolvers and try an innocuous name first, everywhere.")
@click.option("--light", is_flag=True, help="Stop after the TLS handshake where all is well.")
@click.option("--source", metavar="ADDRESS", help="Local address to measure from.")
@click.option("--resolver", "resolvers", metavar="ADDRESS", multiple=True, help="In place of the system's resolvers.")
@click.option("--ca-file", type=_PATH, envvar="PROBE_CA_FILE", help="Authorities in place of the pinned ones (PEM).")
@click.option(
    "--geo",
    type=_PATH,
    multiple=True,
    envvar="PROBE_GEO",
    metavar="FILE",
    help="Table of networks or countries (.mmdb), to say whose network this is; repeatable.",
)
@click.option("--expectations", type=_PATH, help="What a control saw, made with --save-expectations.")
@click.option("--save-expectations", "save", type=_PATH, help="Save what this, uncensored, network sees.")
@click.option(
    "--timeout", type=click.FloatRange(0.5, 60), default=8.0, show_default=True, help="Seconds a connection may take."
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1000),
    default=32,
    show_default=True,
    help="Endpoints that are busy at once.",
)
@click.option("--fail-on-blocked", is_flag=True, help="Exit with status 3 if anything is blocked.")
@click.pass_context
def measure(
    ctx: click.Context,
    *,
    what: tuple[str, ...],
    catalogue: Path | None,
    form: str,
    output: Path | None,
    deep: bool,
    light: bool,
    source: str | None,
    resolvers: tuple[str, ...],
    ca_file: Path | None,
    geo: tuple[Path, ...],
    expectations: Path | None,
    save: Path | None,
    timeout: float,
    concurrency: int,
    fail_on_blocked: bool,
) -> None:
    """Measure now what this network blocks, and how.

    Names platforms (`x`), services (`whatsapp.messaging`) or URLs; everything where none is named. Running it is
    consent to this one round: the endpoints are contacted from this connection, and nothing is sent to anybody else.
    """
    if deep and light:
        raise Fault("--deep and --light exclude each other: give one of them, or none")
    if math.isnan(timeout):
        raise Fault("--timeout nan: it takes a number of seconds, from 0.5 to 60")  # no range refuses it
    from probe import __version__  # noqa: PLC0415 (`--help` stays fast)
    from probe.cli.measure_round import Paths, run  # noqa: PLC0415
    from probe.measure.prepare import Wishes  # noqa: PLC0415

    mode = "deep" if deep else "light" if light else "default"
    agent = f"censorship-probe/{__version__}"
    wishes = Wishes(mode, source, resolvers, ca_file, timeout, concurrency, agent)
    results = run(what, form, wishes, Paths(catalogue, output, expectations, save, geo))
    if fail_on_blocked and results.blocked:
        ctx.exit(BLOCKED)
