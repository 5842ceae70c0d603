"""What the probe got when it was enrolled, in `credentials.json`, readable by its owner alone."""

from pathlib import Path

import msgspec

from probe.agent.durable import StateError, read_small, write_durably
from probe.wire.reports import Role

FILE = "credentials.json"


class Credentials(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`collector` is its name, as people know it; `collectors` its addresses; `catalogue_keys` the public keys (base64)
    that signed documents rest on: the one that the invitation named."""

    token: str
    role: Role
    collector: str
    collectors: tuple[str, ...] = ()
    catalogue_keys: tuple[str, ...] = ()


def load_credentials(state: Path) -> Credentials | None:
    """None where the probe was never enrolled. Raises StateError."""
    raw = read_small(state / FILE)
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=Credentials)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise StateError(f"{state / FILE}: broken: enrol again with `probe setup --invitation URL`") from None


def save_credentials(state: Path, credentials: Credentials) -> None:
    """Raises StateError."""
    write_durably(state / FILE, msgspec.json.format(msgspec.json.encode(credentials)) + b"\n")


def forget_credentials(state: Path) -> None:
    (state / FILE).unlink(missing_ok=True)
