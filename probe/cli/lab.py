"""`probe lab`: the censored internet in network namespaces."""

# ruff: noqa: PLC0415 (imports inside functions keep `--help` fast)

import math

import click

from probe.cli.faults import Fault

_ONE_A_LINE = "json: one object a line."
_VARIANTS = ("one-address", "four-addresses", "catalogue-host", "light", "deep")


@click.group()
def lab() -> None:
    """The censored internet in network namespaces (Linux, root).

    \b
    Examples:
      probe lab run turkey-2020-02-27
      probe lab cases sni-drop sni-reset
    """


@lab.command("list")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help=_ONE_A_LINE)
def list_scenarios(form: str) -> None:
    """List the scenarios that come with the lab.

    \b
    Example:
      probe lab list
    """
    from probe.cli.lab_scenario import print_list

    print_list(form)


@lab.command()
@click.argument("scenario", metavar="SCENARIO")
@click.option("--speed", type=click.FloatRange(0, 1e6, min_open=True), help="Seconds of scenario time a second.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help=_ONE_A_LINE)
def run(scenario: str, speed: float | None, form: str) -> None:
    """Play a censored country over time, and hold what the probes say against what the scenario expects.

    SCENARIO is a name out of `probe lab list`, or a YAML file. An ordinary `probe run` is at each vantage point;
    the clock waits for a round that takes longer than its interval. Exit status 1 where an expectation fails.

    \b
    Examples:
      probe lab run turkey-2020-02-27
      probe lab run ./mine.yaml --speed 600 --format json
    """
    if speed is not None and math.isnan(speed):
        raise Fault("--speed nan: it takes a number, such as 30")  # no range refuses it
    from probe.cli.lab_scenario import run_scenario

    run_scenario(scenario, speed, form)


@lab.command()
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option("--jobs", type=click.IntRange(1, 16), default=4, show_default=True, help="Labs side by side.")
@click.option("--with/--without", "control", default=None, help="Only with, or only without, a control's expectations.")
@click.option(
    "--variant",
    "variants",
    type=click.Choice(_VARIANTS),
    multiple=True,
    help="The cases with other details in place of the usual ones; repeatable.",
)
@click.option("--list", "only_list", is_flag=True, help="List the cases and what must be said of each.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "markdown"]),
    default="table",
    help="json: one object a line. markdown: the table that the README shows.",
)
def cases(
    *, names: tuple[str, ...], jobs: int, control: bool | None, variants: tuple[str, ...], only_list: bool, form: str
) -> None:
    """Run `probe measure` against real interference, and hold what it says against what it must say.

    Every case is run with the expectations of a control and without them; all cases where none is named. Exit status
    1 where one is judged wrong.

    \b
    Examples:
      probe lab cases --list
      probe lab cases sni-drop sni-reset --jobs 2
      probe lab cases --variant one-address --without --format json
    """
    from probe.cli.lab_cases import chosen, print_list, run_cases

    wanted = chosen(names, variants)
    if only_list:
        print_list(wanted)
    else:
        run_cases(wanted, jobs, control, form)
