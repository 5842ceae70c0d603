"""Hiding volunteers in a crowd: where few probes are, what is public must not point at one of them.

An AS is shown in public with what at least three probes saw in it on a day or the six days before, or where its
volunteers agreed. Probes go by another name every day.
"""

import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import Collection
from pathlib import Path

from probe.catalogue.signatures import create_file

ENOUGH = 3  # probes
_DAYS = 7
_DAY = 86_400_000
DELAY = _DAY  # ms before single measurements are public

_COUNT = "SELECT count(DISTINCT probe) FROM presence WHERE country = ? AND asn = ? AND day > ? AND day <= ?"


class Crowds:
    """For one connection to the views. `agreed` are the ASNs whose volunteers agreed to be seen."""

    def __init__(self, connection: sqlite3.Connection, agreed: Collection[int] = ()) -> None:
        self._connection, self._agreed = connection, frozenset(agreed)
        self._known: dict[tuple[str, int, int], bool] = {}

    def shown(self, country: str, asn: int, at: int) -> bool:
        """Whether what was seen there at that time (ms) may be public."""
        if asn in self._agreed:
            return True
        day = at // _DAY
        key = (country, asn, day)
        if key not in self._known:
            (probes,) = self._connection.execute(_COUNT, (country, asn, day - _DAYS, day)).fetchone()
            self._known[key] = probes >= ENOUGH
        return self._known[key]


class Names:
    """What a probe is called in public, a new name every UTC day. Without the secret nobody can link two days."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def kept(cls, path: Path) -> "Names":
        """The secret in a file of its own, made when it is not there."""
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            create_file(path, secrets.token_bytes(32), 0o600)
        return cls(path.read_bytes())

    def of_day(self, probe: str, day: int) -> str:
        """`day` is counted from 1970."""
        text = f"{day}\0{probe}"
        return hmac.new(self._secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:16]
