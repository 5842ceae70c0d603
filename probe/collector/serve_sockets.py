"""Listening sockets: opened once by the process that a person starts, inherited by those that serve.

So a port that is taken is one clear line before anything runs, and while a process starts again its callers wait in the
kernel's queue and are not refused.
"""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from probe.collector.config import CollectorConfig, ConfigError, Listen

_BACKLOG = 1024
_VARIABLE = "PROBE_COLLECTOR_SOCKETS"  # name=descriptor,... of inherited sockets
_LONGEST_PATH = 100  # bytes that a Unix socket's name may have, nearly

WEB_SOCKET = "web.sock"
INGEST_SOCKET = "ingest.sock"


def public(config: CollectorConfig) -> list[socket.socket]:
    """Raises ConfigError where one cannot be opened; then none stays open."""
    opened: list[socket.socket] = []
    try:
        for listen in config.listen:
            opened.append(_opened(config.file, listen))
    except ConfigError:
        for one in opened:
            one.close()
        raise
    return opened


def private(config: CollectorConfig, name: str) -> socket.socket:
    """A Unix socket for the collector's own processes. Raises ConfigError."""
    config.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _opened(config.file, Listen(path=config.sockets / name))


def inherited(name: str) -> list[socket.socket]:
    """The sockets of this name that the parent process opened; none where this process is its own parent."""
    pairs = [pair.partition("=") for pair in os.environ.get(_VARIABLE, "").split(",") if pair]
    return [socket.socket(fileno=int(number)) for key, _, number in pairs if key == name]


def handed_down(sockets: Mapping[str, list[socket.socket]]) -> tuple[dict[str, str], tuple[int, ...]]:
    """The environment variable and the descriptors with which a child finds them."""
    pairs = [(name, one.fileno()) for name, all_of in sockets.items() for one in all_of]
    return {_VARIABLE: ",".join(f"{name}={number}" for name, number in pairs)}, tuple(number for _, number in pairs)


def _opened(file: Path, listen: Listen) -> socket.socket:
    try:
        return _unix(listen.path) if listen.path is not None else _tcp(listen)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"{file}: listen: {listen} cannot be opened: {reason}") from None


def _tcp(listen: Listen) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.bind((listen.host, listen.port))
        opened.listen(_BACKLOG)
    except OSError:
        opened.close()
        raise
    return opened


def _unix(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise OSError(0, f"a Unix socket's path may have {_LONGEST_PATH} bytes: choose a shorter state folder")
    path.unlink(missing_ok=True)
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.bind(str(path))
        path.chmod(0o600)
        opened.listen(_BACKLOG)
    except OSError:
        opened.close()
        raise
    return opened
