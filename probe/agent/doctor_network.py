"""What only the network can tell: asked of what the owner agreed to, and of their collector."""

import urllib.parse
from collections.abc import AsyncIterator, Iterator

import trio

from probe.agent.client_faults import CollectorFault, Rejected, UnusableSetting
from probe.agent.config_model import AgentConfig
from probe.agent.credentials import Credentials
from probe.agent.doctor_finding import Finding, fine, note, skipped, trouble
from probe.agent.documents import Documents
from probe.agent.enrolment import client_of
from probe.clock import Clock
from probe.measure.prepare import Wishes, prepared
from probe.measure.surroundings import look_around
from probe.verdict.surroundings import judge_surroundings
from probe.wire.addresses import parse_address
from probe.wire.measurement import Surroundings
from probe.wire.reports import Checkin
from probe.wire.vocabulary import Void

CLOCK_OFF = 30.0  # seconds worth a word
CLOCK_WRONG = 600.0  # seconds that make certificates and times doubtful
_PATIENCE = 40.0  # seconds for all anchors

_ADVICE = {
    Void.OFFLINE: "check cable, Wi-Fi and router; if others here are online, a firewall may stop this program",
    Void.CAPTIVE_PORTAL: "open a browser and log in to the network; the probe goes on by itself",
    Void.LOCAL_INTERCEPTION: "an antivirus or a company's device opens all that is encrypted: have it spare the probe",
    Void.INTERNATIONAL_CUT: "this is worth reporting: the probe keeps what it sees and sends it when it can",
}


async def surroundings(config: AgentConfig, documents: Documents, clock: Clock) -> AsyncIterator[Finding]:
    wishes = Wishes(
        source=config.source,
        resolvers=config.resolvers,
        ca_file=config.ca_file,
        step_seconds=config.timeout,
        concurrency=config.concurrency,
    )
    seen: Surroundings | None = None
    async with prepared(wishes, documents.catalogue(), documents.library(), now=clock.now) as context:
        resolvers = len(context.resolvers)
        with trio.move_on_after(_PATIENCE):
            seen = await look_around(context)
    if seen is None:
        yield trouble("network", f"no answer within {_PATIENCE:g} seconds", "check the connection, and try again")
        return
    judged = judge_surroundings(seen)
    yield _network(seen, judged)
    yield _resolver(seen, resolvers)
    if judged is not None and judged[0] is Void.OFFLINE:
        yield skipped("trusted resolvers", "there is no network to ask them over")
        yield skipped("ipv6", "there is no network")
        return
    yield _trusted(seen)
    yield _ipv6(seen)


def _network(seen: Surroundings, judged: tuple[Void, str] | None) -> Finding:
    right = sum(anchor.seen == "right" for anchor in seen.anchors)
    if judged is None:
        return fine("network", f"{right} of {len(seen.anchors)} anchors answer as they should")
    why, text = judged
    return trouble("network", f"{why}: {text}", _ADVICE.get(why, "what is measured now is void"))


def _resolver(seen: Surroundings, count: int) -> Finding:
    if not count:
        return trouble("resolver", "this machine has none", "set one in /etc/resolv.conf, or `resolvers`")
    if seen.resolver_ok is False:
        return trouble("resolver", "it answers no neutral name", "check it, or name another with `resolvers`")
    if seen.private_neutral:
        return note("resolver", "neutral names resolve to private addresses", "a filter of this network does so")
    if seen.rewrite:
        return note("resolver", "it gives an address to names that do not exist", "verdicts take account of it")
    return fine("resolver", "it answers neutral names, and none that does not exist")


def _trusted(seen: Surroundings) -> Finding:
    if seen.trusted_resolvers:
        return fine("trusted resolvers", "at least one answers over HTTPS")
    todo = "some failures will stay unclear; if a firewall of yours stops DNS over HTTPS, let it through"
    return note("trusted resolvers", "none answers over HTTPS", todo)


def _ipv6(seen: Surroundings) -> Finding:
    translated = " (behind NAT64)" if seen.nat64 else ""
    if seen.ipv6:
        return fine("ipv6", f"works{translated}")
    return fine("ipv6", f"does not work here: only IPv4 is judged{translated}")


async def collector(config: AgentConfig, credentials: Credentials | None, clock: Clock) -> AsyncIterator[Finding]:
    """Whether it can be reached and knows this probe, and what it says of this machine's clock."""
    if credentials is None:
        yield skipped("collector", "none to ask")
        yield skipped("clock", "no collector to compare it with")
        return
    try:
        async with client_of(config, credentials) as client:
            checkin = await client.checkin()
            base = client.base
    except UnusableSetting as error:
        yield trouble("collector", str(error), "mend the configuration")
    except Rejected as error:
        yield _rejected(error)
    except CollectorFault as error:
        todo = "nothing is lost: results wait; it may be blocked here, then a proxy helps (`proxy`: Tor)"
        yield trouble("collector", str(error), todo)
    else:
        for finding in _answered(checkin, base or credentials.collector, clock):
            yield finding


def _in_the_open(base: str) -> bool:
    """Whether others on the way can read what goes to the collector: not on this machine itself, nor within Tor."""
    parts = urllib.parse.urlsplit(base)
    host = parts.hostname or ""
    address = parse_address(host)
    inside = host == "localhost" or host.endswith(".onion") or (address is not None and address.is_loopback)
    return parts.scheme == "http" and not inside


def _rejected(error: Rejected) -> Finding:
    if error.status == 401:
        todo = "the token was revoked, or the probe was left elsewhere: ask for another invitation"
        return trouble("collector", "it knows this probe no more", todo)
    return trouble("collector", str(error), "try again later; if it lasts, tell whoever runs it")


def _answered(checkin: Checkin, base: str, clock: Clock) -> Iterator[Finding]:
    if _in_the_open(base):
        yield note("collector", f"{base} answers, without encryption", "use its https:// address, if it has one")
    else:
        yield fine("collector", f"{base} answers, and knows this probe")
    off = (clock.now() - checkin.time).total_seconds()
    seen = f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the collector's"
    if abs(off) > CLOCK_WRONG:
        yield trouble("clock", seen, "set it: timedatectl set-ntp true; certificates cannot be judged by it")
    elif abs(off) > CLOCK_OFF:
        yield note("clock", seen, "set it: timedatectl set-ntp true; times are corrected meanwhile")
    else:
        yield fine("clock", seen)
