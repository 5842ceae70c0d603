"""Who asks, and how much they may see.

Whoever runs the collector sees everything: with a token of the role `read` or `admin`, or by asking a collector that
listens on this machine alone. Everybody else sees what is public, where public reading is on: volunteers are hidden
there.
"""

import enum
import ipaddress
import urllib.parse
from collections.abc import Callable

from starlette.requests import Request

from probe.collector.config_form import CollectorConfig, Listen
from probe.collector.forwarding import was_forwarded
from probe.wire.reports import Role

_READERS = frozenset({"read", "admin"})

RoleOf = Callable[[str], Role | None]  # of a token; None for one that is unknown or revoked


class Sees(enum.Enum):
    """`HERE` is everything too, and for nobody's web page: browsers on this machine must not pass it on."""

    PUBLIC = "public"
    ALL = "all"
    HERE = "here"


class Denied(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Access:
    """`own` says that only people on this machine can ask at all."""

    def __init__(self, role_of: RoleOf, *, public: bool, own: bool) -> None:
        self._role_of, self._public, self._own = role_of, public, own

    def sees(self, request: Request) -> Sees:
        """Raises Denied."""
        header = request.headers.get("authorization")
        if header is not None:
            return self._by_token(header)
        if self._own and not was_forwarded(request.scope["headers"]) and _is_here(request):
            return Sees.HERE
        if self._public:
            return Sees.PUBLIC
        raise Denied(
            401, "public reading is switched off here: send `Authorization: Bearer` with a token of the role read"
        )

    def _by_token(self, header: str) -> Sees:
        scheme, _, token = header.partition(" ")
        role = self._role_of(token.strip()) if scheme.lower() == "bearer" else None
        if role is None:
            raise Denied(401, "unknown or revoked token")
        if role not in _READERS:
            raise Denied(
                403, f"a token of the role {role} does not read: the collector's operator gives one of the role read"
            )
        return Sees.ALL


def _is_here(request: Request) -> bool:
    """Whether the caller knows this machine by a name that no stranger's DNS can give it."""
    name = (request.url.hostname or "").lower()
    return name == "localhost" or _is_loopback(name)


def only_here(config: CollectorConfig) -> bool:
    """Whether the collector listens on this machine alone, and is not behind a proxy: a Unix socket is opened for one,
    and what people reach by another address than this machine's has one in front."""
    host = urllib.parse.urlsplit(config.url).hostname or ""
    return not config.trusted_proxies and _is_loopback(host) and all(map(_is_local, config.listen))


def _is_local(listen: Listen) -> bool:
    return listen.path is None and _is_loopback(listen.host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
