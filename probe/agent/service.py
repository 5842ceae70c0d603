"""The daemon as a service of systemd: of the system where root sets it up, else of the user."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from probe.agent.shipped import shipped

UNIT = "probe.service"
SYSTEM_STATE = Path("/var/lib/probe")
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
_PATIENCE = 60.0  # seconds for one answer of systemctl


class ServiceError(Exception):
    """The service cannot be set up or stopped: says why and what to do, in one line."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """`system` says whose service it is; `folder` is where its unit lies."""

    system: bool
    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / UNIT

    def control(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`systemctl`, of the system or of the user. Raises ServiceError where it cannot be run at all."""
        command = ["systemctl", *([] if self.system else ["--user"]), "--no-ask-password", *arguments]
        try:
            return subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=_PATIENCE, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServiceError(f"{' '.join(command)}: {error}") from None

    def installed(self) -> bool:
        return self.path.exists()

    def active(self) -> bool:
        return self.control("is-active", UNIT).stdout.strip() in {"active", "activating", "reloading"}


def service_here() -> Service | None:
    """None where no systemd runs."""
    if not Path("/run/systemd/system").is_dir() or shutil.which("systemctl") is None:
        return None
    if os.geteuid() == 0:
        return Service(system=True, folder=Path("/etc/systemd/system"))
    config = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    return Service(system=False, folder=config / "systemd" / "user")


def program() -> tuple[str, ...]:
    """How this program is started, by absolute paths."""
    beside = Path(sys.executable).with_name("probe")
    return (str(beside),) if beside.exists() else (sys.executable, "-m", "probe")


def unit_text(config: Path, *, system: bool, start: Sequence[str] | None = None) -> str:
    """The unit that runs the program with this configuration."""
    template = shipped("systemd/probe.service" if system else "systemd/probe-user.service").read_text("utf-8")
    words = [*(start or program()), "run", "--config", str(config.absolute())]
    line = "ExecStart=" + " ".join(map(_quoted, words))
    body = template[template.index("[Unit]") :]
    return re.sub(r"^ExecStart=.*$", lambda _: line, body, count=1, flags=re.MULTILINE)


def obstacle(config: Path, state: Path, *, system: bool) -> str | None:
    """Why a service of the system could not run it as things are, and what to do."""
    if not system:
        return None
    if state != SYSTEM_STATE:
        return f"it keeps its state in {SYSTEM_STATE}, and the configuration says {state}: leave `state` empty there"
    for path in (Path(sys.prefix), config.absolute()):
        if any(path.is_relative_to(hidden) for hidden in _HIDDEN):
            return f"{path} is hidden from it: install the program below /opt, and put the configuration below /etc"
    return None


def install(service: Service, text: str) -> None:
    """Writes the unit, and starts it now and at every boot. Raises ServiceError."""
    try:
        service.folder.mkdir(parents=True, exist_ok=True)
        service.path.write_text(text, "utf-8")
        service.path.chmod(0o644)
    except OSError as error:
        raise ServiceError(f"{service.path}: cannot be written: {error.strerror or error}") from None
    for arguments in (("daemon-reload",), ("enable", UNIT), ("restart", UNIT)):
        done = service.control(*arguments)
        if done.returncode:
            reason = " ".join(done.stderr.split())[:200] or f"status {done.returncode}"
            raise ServiceError(f"systemctl {' '.join(arguments)}: {reason}")


def stop(service: Service, *, remove: bool) -> None:
    """Raises ServiceError."""
    done = service.control("disable", "--now", UNIT)
    if done.returncode:
        raise ServiceError(f"systemctl disable --now {UNIT}: {' '.join(done.stderr.split())[:200]}")
    if remove:
        service.path.unlink(missing_ok=True)
        service.control("daemon-reload")


def _quoted(word: str) -> str:
    """As systemd.service(5) reads it: `%` and `$` are doubled, blanks stand in quotes."""
    plain = word.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$").replace('"', '\\"')
    return f'"{plain}"' if any(character.isspace() for character in word) else plain
