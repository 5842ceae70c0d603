"""Which resolvers this machine uses."""

import sys
from collections.abc import Sequence
from pathlib import Path

from probe.wire.addresses import parse_address

_RESOLV_CONF = Path("/etc/resolv.conf")
_MOST = 3  # what a stub resolver reads of the file: resolv.conf(5)

# Where local stubs leave the resolvers that they forward to: systemd-resolved, then NetworkManager's dnsmasq.
_UPLINKS = (Path("/run/systemd/resolve/resolv.conf"), Path("/run/NetworkManager/no-stub-resolv.conf"))


def system_resolvers(path: Path = _RESOLV_CONF) -> tuple[str, ...]:
    """Addresses, three at most, an IPv6 one with its zone; none where there is no such file."""
    if sys.platform == "win32" and path == _RESOLV_CONF:
        return _from_registry()
    return _nameservers(path)


def stub_uplinks(paths: Sequence[Path] = _UPLINKS) -> tuple[str, ...]:
    """What a stub on this machine (127.0.0.53 and the like) asks in its turn, where that can be found out."""
    for path in paths:
        found = tuple(address for address in _nameservers(path) if not is_stub(address))
        if found:
            return found
    return ()


def is_stub(resolver: str) -> bool:
    address = parse_address(resolver)
    return address is not None and address.is_loopback


def _nameservers(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ()
    words = [line.split() for line in lines]
    named = [w[1] for w in words if len(w) > 1 and w[0] == "nameserver" and parse_address(w[1]) is not None]
    return tuple(dict.fromkeys(named))[:_MOST]


def _from_registry() -> tuple[str, ...]:
    import dns.resolver  # noqa: PLC0415 (4 MiB, and of use on Windows alone)

    try:
        found = dns.resolver.Resolver().nameservers
    except (dns.resolver.NoResolverConfiguration, OSError):
        return ()
    return tuple(str(address) for address in found if parse_address(str(address)) is not None)[:_MOST]
