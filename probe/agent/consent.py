"""The owner's consent, in `consent.json`: when they agreed, to which text, and to which contacts beyond platforms."""

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from probe.agent.consent_text import VERSION
from probe.agent.durable import StateError, read_small, write_durably

FILE = "consent.json"


By = Literal["terminal", "accept-risks"]


class ConsentError(Exception):
    """Nobody agreed to what is about to be done: says what to do, in one line."""


class Consent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`contacts` are hosts, addresses and names of the infrastructure that was shown; absent: the shipped one's.
    `collector` is the URL of whoever was to get the results."""

    agreed_at: dt.datetime
    text: str
    by: By
    contacts: tuple[str, ...] | None = None
    collector: str | None = None


def read_consent(state: Path) -> Consent | None:
    """What was agreed to, also to an older text; None where nobody did. Raises StateError."""
    raw = read_small(state / FILE)
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=Consent)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise StateError(f"{state / FILE}: broken: run `probe setup` to be asked again") from None


def consented(state: Path) -> bool:
    """Whether the owner agreed to the text as it is today. A record that cannot be read is none."""
    try:
        consent = read_consent(state)
    except StateError:
        return False
    return consent is not None and consent.text == VERSION


def require_consent(state: Path) -> Consent:
    """Raises ConsentError where the owner did not agree to the text as it is today."""
    try:
        consent = read_consent(state)
    except StateError as error:
        raise ConsentError(str(error)) from None
    if consent is None:
        raise ConsentError(f"no consent is recorded in {state}, so nothing is sent: run `probe setup` first")
    if consent.text != VERSION:
        raise ConsentError(
            f"what you agreed to on {consent.agreed_at:%Y-%m-%d} has changed since, so nothing is sent: "
            "run `probe setup` to read it again"
        )
    return consent


def record_consent(
    state: Path, now: dt.datetime, by: By, contacts: Iterable[str], collector: str | None = None
) -> Consent:
    """Raises StateError."""
    consent = Consent(agreed_at=now, text=VERSION, by=by, contacts=tuple(sorted(contacts)), collector=collector)
    write_durably(state / FILE, msgspec.json.format(msgspec.json.encode(consent)) + b"\n")
    return consent


def withdraw_consent(state: Path) -> None:
    """Raises StateError."""
    try:
        (state / FILE).unlink(missing_ok=True)
    except OSError as error:
        raise StateError(f"{state / FILE}: cannot be removed: {error.strerror or error}") from None
