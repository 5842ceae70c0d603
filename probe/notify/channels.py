"""Where notices go: what an operator configures, and which notices a channel wants."""

from typing import Annotated, Literal

import msgspec

from probe.notify.notice import Notice

Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,39}$")]
Url = Annotated[str, msgspec.Meta(min_length=8, max_length=2000)]


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
        if channel.type != "apprise" and not channel.url.startswith(("http://", "https://")):
            return f"channel {channel.name!r}: url must begin with http:// or https://"
        if channel.type == "webhook" and not channel.secret:
            return f"channel {channel.name!r}: a webhook needs a secret, with which its notices are signed"
    return None
