"""An invitation to a collector: `https://collector.example/invite#CODE.KEY`.

CODE lets one probe in, once. KEY names the catalogue key, so that whoever reads the invitation over a channel that they
trust need not trust the collector, or anybody between, about what the probe may be asked to contact.
"""

import re
import urllib.parse

import msgspec

from probe.catalogue.signatures import SignatureFault, key_name, public_key

_FRAGMENT = re.compile(r"([A-Za-z0-9_-]{8,200})\.([0-9a-f]{16})")


class InvitationError(Exception):
    """An invitation that cannot be used: says why and what to do, in one line."""


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """`base` is the collector's URL; `key` the first 16 hex digits of the SHA-256 of its catalogue key."""

    base: str
    code: str
    key: str


def invitation_of(url: str) -> Invitation:
    """Raises InvitationError. The code itself is never part of the message."""
    plain, _, fragment = url.strip().partition("#")
    match = _FRAGMENT.fullmatch(fragment)
    if match is None:
        raise InvitationError("the invitation is incomplete: it ends in #CODE.KEY: copy all of it, in quotes")
    try:
        parts = urllib.parse.urlsplit(plain)
        usable = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query:
        raise InvitationError(
            f"the invitation {plain!r} is no URL of a collector, such as https://collector.example/invite#CODE.KEY"
        )
    return Invitation(base=plain.rstrip("/").removesuffix("/invite"), code=match[1], key=match[2])


def named_key(invitation: Invitation, shown: tuple[str, ...]) -> str:
    """That of the collector's catalogue keys which the invitation names. Raises InvitationError where it is none."""
    try:
        names = {key_name(public_key(text)): text for text in shown}
    except SignatureFault as error:
        raise InvitationError(f"{invitation.base}: {error}") from None
    if invitation.key not in names:
        has = ", ".join(names) or "none"
        raise InvitationError(
            f"{invitation.base} shows other catalogue keys ({has}) than the invitation names ({invitation.key}): "
            "somebody may stand between; do not go on, and ask whoever invited you"
        )
    return names[invitation.key]
