"""The hosts that OONI's tests of messengers fix, and what each of them serves (ts-018, ts-019, ts-020, ts-029)."""

import re
from typing import NamedTuple


class Fixed(NamedTuple):
    """`test` is OONI's name; `key` the identifier of the host in facebook_messenger's test keys."""

    test: str
    platform: str
    service: str
    key: str = ""


_WHATSAPP = {
    "v.whatsapp.net": Fixed("whatsapp", "whatsapp", "registration"),
    "web.whatsapp.com": Fixed("whatsapp", "whatsapp", "web"),
}
_WHATSAPP_CHAT = re.compile(r"e\d{1,2}\.whatsapp\.net")

_TELEGRAM_CENTRES = (
    "149.154.175.50",
    "149.154.167.51",
    "149.154.175.100",
    "149.154.167.91",
    "149.154.171.5",
    "95.161.76.100",
)
_TELEGRAM = {
    **dict.fromkeys(_TELEGRAM_CENTRES, Fixed("telegram", "telegram", "messaging")),
    "web.telegram.org": Fixed("telegram", "telegram", "web"),
}

_FACEBOOK = {
    host: Fixed("facebook_messenger", "messenger", service, key)
    for host, service, key in (
        ("stun.fbsbx.com", "calls", "stun"),
        ("b-api.facebook.com", "api", "b_api"),
        ("b-graph.facebook.com", "api", "b_graph"),
        ("edge-mqtt.facebook.com", "messaging", "edge"),
        ("external.xx.fbcdn.net", "media", "external_cdn"),
        ("scontent.xx.fbcdn.net", "media", "scontent_cdn"),
        ("star.c10r.facebook.com", "front", "star"),
    )
}

_SIGNAL = {
    host: Fixed("signal", "signal", service)
    for host, service in (
        ("chat.signal.org", "messaging"),
        ("textsecure-service.whispersystems.org", "messaging"),
        ("storage.signal.org", "storage"),
        ("cdsi.signal.org", "directory"),
        ("api.directory.signal.org", "directory"),
        ("cdn.signal.org", "media"),
        ("cdn2.signal.org", "media"),
        ("cdn3.signal.org", "media"),
        ("sfu.voip.signal.org", "calls"),
    )
}

_FIXED = {**_WHATSAPP, **_TELEGRAM, **_FACEBOOK, **_SIGNAL}


def fixed(host: str) -> Fixed | None:
    if _WHATSAPP_CHAT.fullmatch(host):
        return Fixed("whatsapp", "whatsapp", "messaging")
    return _FIXED.get(host)


def hosts(test: str) -> tuple[str, ...]:
    """The hosts of a test by name, its own order; WhatsApp's sixteen chat hosts are left to what was measured."""
    return tuple(host for host, entry in _FIXED.items() if entry.test == test)


TESTS = frozenset(entry.test for entry in _FIXED.values())
