"""What can be seen of a probe on its own machine: nothing is sent."""

import datetime as dt
import os
import shutil
from pathlib import Path

from probe.agent.config_model import AgentConfig
from probe.agent.consent import ConsentError, require_consent
from probe.agent.credentials import FILE as CREDENTIALS
from probe.agent.doctor_finding import Finding, fine, note, trouble
from probe.agent.leaving import running
from probe.agent.service import ServiceError
from probe.catalogue.geo import GeoError, GeoTables
from probe.measure.identity import local_addresses, tunnelled
from probe.wire.addresses import parse_address

LEAST_FREE = 50_000_000  # bytes of disk beyond what the spool may take
_OLD_TABLE = dt.timedelta(days=180)
_SPOOL = "spool.db"


def consent(config: AgentConfig) -> Finding:
    try:
        given = require_consent(config.state)
    except ConsentError as error:
        seen, _, more = str(error).partition(": run `probe setup`")
        return trouble("consent", seen, f"run `probe setup`{more.removesuffix(' first')}")
    return fine("consent", f"given on {given.agreed_at:%Y-%m-%d}, to text {given.text}")


def state_folder(config: AgentConfig) -> Finding:
    state = config.state
    if not state.is_dir():
        return note("state folder", f"{state} is not there yet", "`probe setup` makes it")
    if not os.access(state, os.R_OK | os.W_OK | os.X_OK):
        return trouble("state folder", f"{state} cannot be written by you", "run this as the probe's user or as root")
    exposed = [path.name for path in (state / CREDENTIALS,) if path.exists() and path.stat().st_mode & 0o077]
    if exposed and os.name == "posix":
        return trouble("state folder", f"others can read {exposed[0]}", f"chmod 600 {state / exposed[0]}")
    return fine("state folder", f"{state} can be written")


def disk(config: AgentConfig) -> Finding:
    folder = next((path for path in (config.state, *config.state.parents) if path.is_dir()), Path("/"))
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return trouble("disk", f"{folder} cannot be asked for room: {error.strerror or error}", "look at the disk")
    wanted = max(0, config.spool - _size(config)) + LEAST_FREE
    seen = f"{free / 1e6:.0f} MB free for a spool of {config.spool / 1e6:.0f} MB at the most"
    if free < LEAST_FREE:
        return trouble("disk", seen, "make room: what cannot be kept is lost while the collector is away")
    return fine("disk", seen) if free >= wanted else note("disk", seen, "make room, or set `spool` lower")


def spool(config: AgentConfig) -> Finding:
    size = _size(config)
    damaged = config.state / f"{_SPOOL}.damaged"
    if damaged.exists():
        return note("spool", f"a damaged one was moved to {damaged}", "remove it; if it comes again, check the disk")
    seen = f"{size / 1e6:.1f} MB of {config.spool / 1e6:.0f} MB"
    if size > 0.8 * config.spool:
        return note("spool", f"{seen}: nearly full", "see why nothing is uploaded (collector, below)")
    return fine("spool", seen)


def tables(config: AgentConfig) -> Finding:
    """Of networks and countries."""
    if not config.geo and config.collectors:
        return fine("tables", "none configured: the collector tells the network")
    if not config.geo and not config.ask_strangers:
        todo = "name a table in `geo`, or allow `ask_strangers`"
        return note("tables", "none configured, and no collector: this probe cannot tell which network it is in", todo)
    if not config.geo:
        return fine("tables", "none configured: Team Cymru is asked for the network")
    try:
        with GeoTables.open(config.geo) as opened:
            made = [table.made_at for table in opened.tables]
    except GeoError as error:
        return trouble("tables", str(error), "mend `geo` in the configuration, or fetch the file again")
    age = dt.datetime.now(dt.UTC) - min(made)
    seen = f"{len(made)} tables, the oldest of {min(made):%Y-%m-%d}"
    return note("tables", seen, "fetch them anew: networks change hands") if age > _OLD_TABLE else fine("tables", seen)


def daemon(config: AgentConfig) -> Finding:
    try:
        pid = running(config.state)
    except ServiceError as error:
        return note("daemon", str(error))
    if pid is None:
        return note("daemon", "is not running", "start it: `probe run`, or systemctl start probe")
    return fine("daemon", f"is running{f' (process {pid})' if pid else ''}")


def ways_out() -> Finding:
    """By which families, and whether through a tunnel. The addresses themselves are forgotten at once."""
    versions = {parsed.version for address in local_addresses() if (parsed := parse_address(address)) is not None}
    if not versions:
        return trouble("routes", "no way out: this machine has no route to the internet", "connect it")
    seen = "out by " + " and ".join(f"IPv{version}" for version in sorted(versions))
    if tunnelled():
        todo = "for measuring your provider, let the probe go round the VPN; what it sees now says nothing of it"
        return note("routes", f"{seen}, through a tunnel: a VPN is suspected", todo)
    return fine("routes", f"{seen}, through no tunnel")


def _size(config: AgentConfig) -> int:
    files = (config.state / f"{_SPOOL}{part}" for part in ("", "-wal"))
    return sum(path.stat().st_size for path in files if path.exists())
