"""`probe collector token`: what somebody who only reads makes of an invitation."""

# ruff: noqa: PLC0415 (imports inside functions keep `--help` fast)

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from probe.cli.faults import Failed

if TYPE_CHECKING:
    from probe.agent.config import AgentConfig
    from probe.agent.credentials import Credentials

READING = ("read", "admin")


@click.command()
@click.argument("invitation")
@click.option("--proxy", metavar="URL", help="The way to the collector: socks5://127.0.0.1:9050 is Tor's.")
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path),
    envvar="PROBE_CA_FILE",
    help="Authorities in place of the public ones (PEM).",
)
def token(invitation: str, proxy: str | None, ca_file: Path | None) -> None:
    """Trade an invitation of the role read or admin for its token, once.

    The token is printed and kept nowhere: put it where you keep passwords. `probe incidents` takes it from
    PROBE_TOKEN, everything else as `Authorization: Bearer TOKEN`. Probes use `probe setup` instead.

    \b
    Example:
      export PROBE_TOKEN=$(probe collector token 'https://collector.example/invite#CODE.KEY')
    """
    from probe.agent.config import AgentConfig
    from probe.cli.owner_faults import owner_faults

    with owner_faults():
        credentials = _traded(invitation, AgentConfig(proxy=proxy, ca_file=ca_file))
    click.echo(credentials.token)
    click.echo(f"a token of {credentials.collector}, role {credentials.role}: it is shown this once", err=True)


def _traded(link: str, config: AgentConfig) -> Credentials:
    import trio

    from probe.agent.client_faults import CollectorFault
    from probe.agent.enrolment import enrol, erase
    from probe.agent.invitation import invitation_of

    async def run() -> Credentials:
        credentials = await enrol(invitation_of(link), config)
        if credentials.role not in READING:
            with suppress(CollectorFault):
                await erase(credentials.collectors, credentials.token, config)
            raise Failed(
                f"this invitation was for a {credentials.role}, and is used up now:"
                " ask for another, and give it to `probe setup`"
            )
        return credentials

    return trio.run(run)
