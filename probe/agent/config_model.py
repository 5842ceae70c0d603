"""What a volunteer's configuration says, as the program uses it, and where it lies."""

import os
from pathlib import Path
from typing import Literal

import msgspec


class ConfigError(Exception):
    """A configuration that cannot be used: names file, key and reason, and says what to do, in one line."""


def default_state() -> Path:
    """Where systemd says, else `/var/lib/probe` for root, else the user's own folder for state (XDG)."""
    if folder := os.environ.get("STATE_DIRECTORY"):
        return Path(folder.split(":")[0])
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/probe")
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "probe"


def default_config_path() -> Path:
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/etc/probe/probe.yaml")
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "probe" / "probe.yaml"


class Metrics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`listen` is ADDRESS:PORT, or empty for no exporter. `allow_targets` are URLs beyond the catalogue that `/probe`
    may be asked for; `allow_hosts` further values of the Host header, beside loopback's."""

    listen: str = "127.0.0.1:9640"
    allow_targets: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()


class AgentConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`interval`, `first_round` (0: as any other), `deep_every` and `timeout` in seconds, `budget` (a day; 0: none) and
    `spool` in bytes, `page_every` in rounds. Without `platforms` all of the catalogue is tested; without `collectors`
    nothing is uploaded."""

    state: Path = msgspec.field(default_factory=default_state)
    collectors: tuple[str, ...] = ()
    proxy: str | None = None
    role: Literal["probe", "control"] = "probe"
    platforms: tuple[str, ...] = ()
    interval: float = 300.0
    first_round: float = 0.0
    budget: int = 100_000_000
    spool: int = 200_000_000
    concurrency: int = 8
    deep_every: float = 21_600.0
    page_every: int = 6
    geo: tuple[Path, ...] = ()
    ask_strangers: bool = False
    metrics: Metrics = Metrics()
    catalogue: Path | None = None
    resolvers: tuple[str, ...] = ()
    source: str | None = None
    ca_file: Path | None = None
    timeout: float = 8.0
