"""An event's technique as recipes of the lab."""

from collections.abc import Callable

from probe.lab.interference import (
    AddressFilter,
    Cutoff,
    DataFilter,
    DnsInjection,
    Interference,
    NameFilter,
    NoticeInjection,
    ResolverAnswers,
    Throttle,
    TlsInterception,
)
from probe.lab.model import Answer
from probe.lab.scenario.model import Event
from probe.wire.addresses import is_address

Hosts = tuple[str, ...]


def _answers(answer: Answer, hosts: Hosts) -> ResolverAnswers:
    return ResolverAnswers(names=names_of(hosts), answer=answer)


def _forged(event: Event) -> Answer:
    return Answer(addresses=(event.address or "",))


def names_of(hosts: Hosts) -> Hosts:
    return tuple(host for host in hosts if not is_address(host))


_OF_HOSTS: dict[str, Callable[[Hosts], Interference]] = {
    "dns-nxdomain": lambda hosts: _answers(Answer(kind="nxdomain"), hosts),
    "dns-refused": lambda hosts: _answers(Answer(kind="refused"), hosts),
    "dns-servfail": lambda hosts: _answers(Answer(kind="servfail"), hosts),
    "dns-timeout": lambda hosts: _answers(Answer(kind="timeout"), hosts),
    "ip-drop": lambda hosts: AddressFilter(targets=hosts, ports=()),
    "ip-reset": lambda hosts: AddressFilter(targets=hosts, action="reset", ports=()),
    "ip-unreachable": lambda hosts: AddressFilter(targets=hosts, action="unreachable", ports=()),
    "sni-drop": lambda hosts: NameFilter(names=names_of(hosts), action="drop"),
    "sni-reset": lambda hosts: NameFilter(names=names_of(hosts), action="reset"),
    "sni-close": lambda hosts: NameFilter(names=names_of(hosts), action="close"),
    "tls-drop": lambda hosts: DataFilter(targets=hosts),
    "tls-interception": lambda hosts: TlsInterception(names=names_of(hosts)),
    "http-blockpage": lambda hosts: NoticeInjection(names=names_of(hosts)),
    "http-cutoff": lambda hosts: Cutoff(names=names_of(hosts)),
}
_OF_HOSTS_AND_EVENT: dict[str, Callable[[Hosts, Event], Interference]] = {
    "dns-forged": lambda hosts, event: _answers(_forged(event), hosts),
    "dns-injected": lambda hosts, event: DnsInjection(names=names_of(hosts), answer=_forged(event)),
    "throttling": lambda hosts, event: Throttle(names=names_of(hosts), rate=event.rate),
}
BY_ADDRESS = ("ip-drop", "ip-reset", "ip-unreachable", "tls-drop")  # all others need a name to act on
TECHNIQUES = (*_OF_HOSTS_AND_EVENT, *_OF_HOSTS)


def recipe_of(event: Event, hosts: Hosts) -> Interference:
    """What an ISP does to these hosts."""
    technique = event.technique or ""
    if technique in _OF_HOSTS:
        return _OF_HOSTS[technique](hosts)
    return _OF_HOSTS_AND_EVENT[technique](hosts, event)
