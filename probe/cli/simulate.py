"""`probe simulate`: a scenario without a network, to a collector."""

# ruff: noqa: PLC0415 (imports inside functions keep `--help` fast)

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from probe.cli.faults import Failed, Fault
from probe.cli.numbers import Number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import ExitStack

    from probe.lab.scenario.model import Scenario
    from probe.lab.simulate.session import Invitation, Simulated

_PATH = click.Path(path_type=Path)
_OF_OWN = ("--speed", "--stay", "--port")
_OF_THEIRS = ("--invitations", "--live", "--forwarded")


@click.command()
@click.argument("word", metavar="SCENARIO")
@click.option("--collector", "url", metavar="URL", help="Report to this one. Without it: to one of its own.")
@click.option("--invitations", type=_PATH, help="What `probe collector invite --format json` printed, an owner a line.")
@click.option("--live", is_flag=True, help="With --collector: it happens now, a second a second, not up to now.")
@click.option("--forwarded", is_flag=True, help="With --collector: say where virtual probes are by X-Forwarded-For.")
@click.option("--write-geo", "geo", type=_PATH, help="Only write the table of the scenario's networks (MMDB) here.")
@click.option("--probes", type=click.IntRange(1, 10_000), help="Of each ISP, in place of the scenario's number.")
@click.option("--noise", type=Number(0, 0.5), default=0.0, help="Share of false failures.  [default: 0]")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same measurements.")
@click.option("--speed", type=Number(1, 1e6), help="At most so many seconds a second.")
@click.option("--port", type=click.IntRange(1, 65535), help="Of its own collector, on loopback; else any.")
@click.option("--stay", is_flag=True, help="Keep its own collector for a look at it, until Ctrl-C.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="json: one a line.")
def simulate(
    *,
    word: str,
    url: str | None,
    invitations: Path | None,
    live: bool,
    forwarded: bool,
    geo: Path | None,
    probes: int | None,
    noise: float,
    seed: int,
    speed: float | None,
    port: int | None,
    stay: bool,
    form: str,
) -> None:
    """Play a scenario with virtual probes that report to a collector.

    It needs no root and contacts nothing but the collector. SCENARIO is a name out of `probe lab list`, or a YAML file.
    By itself it starts a collector on loopback, sets its clock, plays as fast as analysis follows, shows the incidents,
    and holds them against what the scenario expects: exit status 1 where an expectation fails. With --noise what every
    vote must be is not asked.

    With --collector the scenario's times are moved so that it ends now, and reports are sent as fast as they are taken.
    A collector gives no lease for the past, so it shows that history and confirms nothing of it; with --live it can. It
    finds the virtual probes where they are if it has the table of --write-geo in `geo:`, this machine in
    `trusted_proxies:`, and --forwarded is given; else it knows only what they claim, which never confirms.

    \b
    Examples:
      probe simulate turkey-2020-02-27
      probe simulate healthy --noise 0.02 --seed 7
      probe simulate turkey-2020-02-27 --probes 200 --port 8640 --stay
      probe simulate shutdown --collector http://127.0.0.1:8640 --invitations invitations.jsonl
    """
    from contextlib import ExitStack

    from probe.cli.lab_view import view_for
    from probe.cli.scenario_faults import scenario_faults
    from probe.cli.sink import sink
    from probe.lab.geo import check_writer
    from probe.lab.scenario.loader import find, load_scenario
    from probe.lab.simulate.play import Manner
    from probe.lab.simulate.session import Own, Theirs, against_collector, with_own_collector, write_geo

    own_only, theirs_only = (speed, stay, port), (invitations, live, forwarded)
    _check_words(url, own_only, theirs_only)
    with scenario_faults(), sink(None) as out:
        scenario = load_scenario(find(word))
        if geo is not None or url is None:
            check_writer()
        if geo is not None:
            write_geo(scenario, geo)
            out.write(f"{geo}: the networks of {scenario.name}\n")
            return
        manner = Manner(probes=probes, noise=noise, seed=seed)
        with ExitStack() as shown:
            watcher = shown.enter_context(view_for(form, out)(scenario, out))
            if url is not None:
                click.echo(f"{scenario.name} is moved in time: it {'begins' if live else 'ends'} now", err=True)
                invited = _invitations(invitations)
                theirs = Theirs(url=url, invitations=invited, live=live, forwarded=forwarded)
                done = against_collector(scenario, watcher, manner, theirs)
            else:
                held = _Held(scenario, shown, out, form, noisy=noise > 0)
                own = Own(speed=speed, port=port or 0, stay=held.stay if stay else None)
                held.tell(with_own_collector(scenario, watcher, manner, own))
                return
        _sent(done, out, form)


def _check_words(url: str | None, own: Sequence[object], theirs: Sequence[object]) -> None:
    """Options that only mean something to a collector of its own, and only to another one."""
    if url is None:
        for name, given in zip(_OF_THEIRS, theirs, strict=True):
            if given:
                raise Fault(f"{name} goes with --collector")
        return
    for name, given in zip(_OF_OWN, own, strict=True):
        if given:
            raise Fault(f"{name} does not go with --collector: it is for a collector of its own")
    if not theirs[0]:
        raise Fault("--invitations is missing: a collector lets in whom it invited, virtual probes too")
    if not url.startswith(("http://", "https://")):
        raise Fault(f"--collector {url}: not an address such as http://127.0.0.1:8640")


def _invitations(path: Path | None) -> Sequence[Invitation]:
    import msgspec

    from probe.cli.faults import read_file
    from probe.lab.simulate.session import Invitation

    found = []
    lines = read_file(path, "the invitations").splitlines() if path else []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(msgspec.json.decode(line, type=Invitation))
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Fault(f"{path}: line {number}: not what `probe collector invite --format json` prints") from None
    return found


class _Held:
    """What came of it against what the scenario expects: told once, before the collector stays for a look at it."""

    def __init__(self, scenario: Scenario, shown: ExitStack, out: TextIO, form: str, *, noisy: bool) -> None:
        self._scenario, self._shown, self._out, self._form, self._noisy = scenario, shown, out, form, noisy
        self._fault: Failed | None = None
        self._told = False

    def stay(self, url: str, done: Simulated) -> None:
        import signal
        from contextlib import suppress

        self._tell(done)
        if self._fault is not None:
            click.echo(self._fault.message, err=True)
        click.echo(f"the collector stays at {url}, its clock stands; Ctrl-C ends it", err=True)
        with suppress(KeyboardInterrupt):
            signal.pause()

    def tell(self, done: Simulated) -> None:
        """Raises Failed where something that the scenario expects did not come."""
        if not self._told:
            self._tell(done)
        if self._fault is not None:
            raise self._fault

    def _tell(self, done: Simulated) -> None:
        from probe.cli.lab_view import check_line
        from probe.lab.scenario.verify import verify

        self._told = True
        self._shown.close()  # a table that lives on would be drawn over it
        _sent(done, self._out, self._form)
        for incident in done.incidents:
            self._out.write(_incident_line(incident, self._form) + "\n")
        checks = tuple(verify(self._expecting(), done.rounds, done.incidents))
        for check in checks:
            self._out.write(check_line(check, self._form) + "\n")
        self._out.flush()
        if failed := sum(check.held is False for check in checks):
            self._fault = Failed(f"{self._scenario.name}: {failed} of {len(checks)} expectations did not hold")

    def _expecting(self) -> Scenario:
        import msgspec

        if not self._noisy:
            return self._scenario
        return msgspec.structs.replace(self._scenario, expect=msgspec.structs.replace(self._scenario.expect, phases=()))


def _sent(done: Simulated, out: TextIO, form: str) -> None:
    if form != "json":
        out.write(f"{done.sent.reports} reports with {done.sent.measurements} measurements were sent\n")


def _incident_line(incident: Mapping[str, Any], form: str) -> str:
    import msgspec

    if form == "json":
        return msgspec.json.encode({**incident, "kind": "incident"}).decode()
    end = f"ended {incident['ended_at']}" if incident["ended_at"] else incident["state"]
    where = ", ".join(f"AS{network['asn']}" for network in incident["networks"])
    what = ", ".join(filter(None, incident["platforms"])) or "everything"
    named = f"{incident['event']} {incident['id']}: {what}"
    return f"{named}; {where}; from {incident['onset']}, confirmed {incident['confirmed_at']}, {end}"
