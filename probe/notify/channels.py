"""Where notices go: what an operator configures, and which notices a channel wants."""

import base64
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from probe.notify.notice import Notice

Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,39}$")]
Url = Annotated[str, msgspec.Meta(min_length=8, max_length=2000)]
_ENCODED = "whsec_"  # what follows in a secret is base64, by the Standard Webhooks specification


class Channel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`type` says how: `alertmanager` (its base URL), `webhook` (any URL, signed with `secret`), `apprise` (mail and
    chats: a URL as the library apprise writes them). Empty `countries` or `kinds` mean all."""

    name: Name
    type: Literal["alertmanager", "webhook", "apprise"]
    url: Url
    secret: str | None = None
    countries: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    def wants(self, notice: Notice) -> bool:
        country = not self.countries or notice.country in self.countries
        return country and (not self.kinds or notice.kind in self.kinds)


def fault_in(channels: tuple[Channel, ...]) -> str | None:
    """What is wrong with a list of channels, in one line."""
    names = [channel.name for channel in channels]
    for channel in channels:
        if names.count(channel.name) > 1:
            return f"two channels are named {channel.name!r}: give each a name of its own"
        fault = _fault_in_url(channel) or _fault_in_secret(channel)
        if fault is not None:
            return f"channel {channel.name!r}: {fault}"
    return None


def key_of(secret: str) -> bytes:
    """What a secret signs with: one with the prefix `whsec_` is base64, any other is taken as it is. Raises
    ValueError."""
    if not secret.startswith(_ENCODED):
        return secret.encode()
    return base64.b64decode(secret.removeprefix(_ENCODED), validate=True)


def _fault_in_url(channel: Channel) -> str | None:
    if channel.type == "apprise":  # schemes and forms of its own: the library knows them
        return None
    if not channel.url.startswith(("http://", "https://")):
        return "url must begin with http:// or https://"
    try:
        parts = urlsplit(channel.url)
        host = (parts.hostname or "").encode("idna")
        found = bool(host) and parts.port != 0
    except ValueError:  # a port beyond 65535, a bracket that never closes, a name with an empty part
        found = False
    if not found or not channel.url.isprintable() or " " in channel.url:
        return "url has no host or port that can be: look for a typing mistake"
    return None


def _fault_in_secret(channel: Channel) -> str | None:
    if channel.type != "webhook":
        return None
    if not channel.secret:
        return "a webhook needs a secret, with which its notices are signed"
    try:
        key = key_of(channel.secret)
    except ValueError:
        key = b""
    return None if key else f"what follows {_ENCODED} in its secret is not base64: copy the secret anew, as a whole"
