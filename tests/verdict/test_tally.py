"""From endpoints to services to platforms: one failing host of many must not call a platform blocked."""

import pytest

from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.catalogue.model import Catalogue, Endpoint, Platform, Service
from probe.catalogue.targets import parse_target
from probe.verdict.tally import group_outcome, tally_platform, tally_service
from probe.wire.verdicts import Tally, Verdict
from probe.wire.vocabulary import Outcome, Technique

OK = Verdict(outcome=Outcome.OK, confidence=0.98)
SNI = Verdict(outcome=Outcome.BLOCKED, techniques=(Technique.SNI_RESET,), confidence=0.97)
DROP = Verdict(outcome=Outcome.BLOCKED, techniques=(Technique.IP_DROP,), confidence=0.9)
QUIC = Verdict(outcome=Outcome.BLOCKED, techniques=(Technique.QUIC_DROP,), confidence=0.8)
SLOW = Verdict(outcome=Outcome.DEGRADED, techniques=(Technique.THROTTLING,), confidence=0.8)
DOWN = Verdict(outcome=Outcome.DOWN, confidence=0.9)
UNCLEAR = Verdict(outcome=Outcome.INCONCLUSIVE, confidence=0.5)
VOID = Verdict(outcome=Outcome.VOID, confidence=0.9)


def endpoint(url: str, group: str | None = None) -> Endpoint:
    return Endpoint(platform="x", service="web", target=parse_target(url), source="test", confidence="M", group=group)


def tally(*verdicts: Verdict, share: float = 1.0) -> Tally:
    endpoints = tuple(endpoint(f"https://h{number}.x.com/") for number in range(len(verdicts)))
    service = Service(id="web", endpoints=endpoints, blocked_share=share)
    found = tally_service(
        service, {endpoint.url: verdict for endpoint, verdict in zip(endpoints, verdicts, strict=True)}
    )
    assert found is not None
    return found


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(default_catalogue_path())


def of_platform(platform: Platform, verdicts: dict[str, Verdict]) -> tuple[Tally, dict[str, Tally]]:
    services = [found for service in platform.services if (found := tally_service(service, verdicts))]
    return tally_platform(platform, services, verdicts.values()), {str(found.service): found for found in services}


@pytest.mark.parametrize(
    ("verdicts", "outcome"),
    [
        ((OK, OK), "ok"),
        ((SNI, SNI), "blocked"),
        ((SNI, OK), "partial"),
        ((SNI, SLOW), "partial"),
        ((SNI, DOWN), "blocked"),
        ((SNI, UNCLEAR), "blocked"),
        ((SNI, UNCLEAR, UNCLEAR), "partial"),
        ((SLOW, OK), "degraded"),
        ((OK, UNCLEAR), "inconclusive"),
        ((OK, OK, OK, UNCLEAR), "ok"),
        ((OK, DOWN), "ok"),
        ((UNCLEAR, DOWN), "inconclusive"),
        ((DOWN, DOWN), "down"),
        ((VOID, VOID), "void"),
    ],
)
def test_a_service_is_what_its_endpoints_make_it(verdicts: tuple[Verdict, ...], outcome: str) -> None:
    assert tally(*verdicts).outcome == outcome


def test_nothing_tested_is_no_service() -> None:
    assert tally_service(Service(id="web", endpoints=(endpoint("https://x.com/"),)), {}) is None


def test_only_what_was_tested_counts() -> None:
    endpoints = tuple(endpoint(f"https://h{number}.x.com/") for number in range(4))
    found = tally_service(Service(id="web", endpoints=endpoints), {endpoints[2].url: SNI})
    assert found is not None
    assert (found.outcome, found.endpoints) == (Outcome.BLOCKED, {"blocked": 1})


@pytest.mark.parametrize(("blocked", "outcome"), [(1, "partial"), (2, "partial"), (3, "blocked"), (5, "blocked")])
def test_the_share_that_the_catalogue_names_makes_it_blocked(blocked: int, outcome: str) -> None:
    assert tally(*[DROP] * blocked, *[OK] * (5 - blocked), share=0.6).outcome == outcome


def test_alternatives_fail_only_together() -> None:
    pair = (endpoint("tcp://e1.whatsapp.net:443", "e1"), endpoint("tcp://e1.whatsapp.net:5222", "e1"))
    service = Service(id="messaging", endpoints=pair)
    one = tally_service(service, {pair[0].url: OK, pair[1].url: DROP})
    both = tally_service(service, {pair[0].url: DROP, pair[1].url: DROP})
    assert one is not None
    assert both is not None
    assert (one.outcome, one.techniques) == (Outcome.OK, ())
    assert both.outcome is Outcome.BLOCKED


@pytest.mark.parametrize("order", [(OK, DROP), (SLOW, DROP), (DROP, DOWN), (DOWN, UNCLEAR), (UNCLEAR, VOID)])
def test_the_best_of_alternatives_counts_in_any_order(order: tuple[Verdict, Verdict]) -> None:
    assert group_outcome(order) is group_outcome(order[::-1]) is order[0].outcome


def test_quic_alone_does_not_block_a_service_that_tcp_reaches() -> None:
    pair = (endpoint("https://x.com/"), endpoint("quic://x.com:443"))
    found = tally_service(Service(id="web", endpoints=pair), {pair[0].url: OK, pair[1].url: QUIC})
    assert found is not None
    assert (found.outcome, found.endpoints) == (Outcome.OK, {"ok": 1, "blocked": 1})


def test_a_service_of_quic_only_is_judged_by_it() -> None:
    only = endpoint("quic://x.com:443")
    found = tally_service(Service(id="web", endpoints=(only,)), {only.url: QUIC})
    assert found is not None
    assert found.technique is Technique.QUIC_DROP


def test_techniques_the_commonest_first() -> None:
    found = tally(DROP, SNI, SNI)
    assert found.techniques == (Technique.SNI_RESET, Technique.IP_DROP)
    assert tally(SNI, DROP).techniques == (Technique.IP_DROP, Technique.SNI_RESET)


def test_the_tally_counts_every_endpoint_by_outcome() -> None:
    assert tally(SNI, OK, OK, DOWN).endpoints == {"ok": 2, "blocked": 1, "down": 1}


# --- platforms as shipped ---


def test_half_of_whatsapps_backends_is_partial_messaging_and_a_working_web(catalogue: Catalogue) -> None:
    platform = catalogue.platform("whatsapp")
    assert platform is not None
    verdicts = {e.url: OK for service in platform.services for e in service.endpoints}
    for url in verdicts:
        if any(f"//e{number}.whatsapp.net" in url for number in range(1, 9)):
            verdicts[url] = DROP
    whole, services = of_platform(platform, verdicts)
    assert (services["messaging"].outcome, services["messaging"].technique) == (Outcome.PARTIAL, Technique.IP_DROP)
    assert services["web"].outcome is Outcome.OK
    assert whole.outcome is Outcome.PARTIAL


def test_whatsapps_second_port_closed_everywhere_is_ok(catalogue: Catalogue) -> None:
    platform = catalogue.platform("whatsapp")
    assert platform is not None
    urls = [e.url for service in platform.services for e in service.endpoints]
    for closed in (DROP, DOWN):
        whole, _ = of_platform(platform, {url: closed if url.endswith(":5222") else OK for url in urls})
        assert whole.outcome is Outcome.OK


def test_telegrams_data_centres_alone_are_blocked_messaging_and_a_partial_platform(catalogue: Catalogue) -> None:
    platform = catalogue.platform("telegram")
    assert platform is not None
    verdicts = {e.url: DROP if s.id == "messaging" else OK for s in platform.services for e in s.endpoints}
    whole, services = of_platform(platform, verdicts)
    assert (services["messaging"].outcome, services["web"].outcome) == (Outcome.BLOCKED, Outcome.OK)
    assert whole.outcome is Outcome.PARTIAL


def test_most_of_telegrams_data_centres_are_enough(catalogue: Catalogue) -> None:
    """Real blocks left some answering."""
    platform = catalogue.platform("telegram")
    assert platform is not None
    messaging = next(service for service in platform.services if service.id == "messaging")
    groups = sorted({endpoint.group or endpoint.url for endpoint in messaging.endpoints})
    lucky = groups[0]
    verdicts = {e.url: OK if e.group == lucky else DROP for e in messaging.endpoints}
    found = tally_service(messaging, verdicts)
    assert found is not None
    assert found.outcome is Outcome.BLOCKED


def test_one_media_host_of_facebook_never_blocks_the_platform(catalogue: Catalogue) -> None:
    platform = catalogue.platform("facebook")
    assert platform is not None
    verdicts = {e.url: OK for service in platform.services for e in service.endpoints}
    media = next(service for service in platform.services if service.id == "media")
    verdicts[media.endpoints[0].url] = SNI
    whole, services = of_platform(platform, verdicts)
    assert services["media"].outcome in {Outcome.PARTIAL, Outcome.OK}
    assert whole.outcome in {Outcome.PARTIAL, Outcome.OK}


def service(outcome: Outcome) -> Tally:
    return Tally(platform="x", service="s", outcome=outcome)


@pytest.mark.parametrize(
    ("services", "outcome"),
    [
        ("blocked blocked", "blocked"),
        ("blocked ok", "partial"),
        ("blocked partial", "partial"),
        ("blocked down", "blocked"),
        ("blocked inconclusive inconclusive", "partial"),
        ("partial", "partial"),
        ("degraded ok", "degraded"),
        ("down ok", "ok"),
        ("ok inconclusive", "inconclusive"),
        ("down inconclusive", "inconclusive"),
        ("void void", "void"),
        ("", "void"),
    ],
)
def test_a_platform_is_what_its_services_make_it(services: str, outcome: str) -> None:
    tallies = [service(Outcome(name)) for name in services.split()]
    assert tally_platform(Platform(id="x", name="X", services=()), tallies, []).outcome == outcome


def test_all_services_void_is_a_void_platform_without_technique() -> None:
    found = tally_platform(Platform(id="x", name="X", services=()), [service(Outcome.VOID)], [VOID])
    assert (found.technique, found.endpoints) == (None, {"void": 1})
