"""The catalogue that everybody gets: it must load quickly, cite its sources and keep out of the known traps."""

import datetime as dt
import re
import zoneinfo
from pathlib import Path

import pytest
from cryptography import x509
from ruamel.yaml import YAML

from probe.catalogue.fingerprints import load_fingerprints
from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.catalogue.model import Catalogue, Endpoint, Fingerprint, Service, Tables
from probe.catalogue.tables import load_tables
from probe.catalogue.targets import ascii_name, parse_target

FOLDER = default_catalogue_path()


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(FOLDER)


@pytest.fixture(scope="module")
def fingerprints() -> tuple[Fingerprint, ...]:
    return load_fingerprints(FOLDER / "fingerprints.yaml")


@pytest.fixture(scope="module")
def tables() -> Tables:
    return load_tables(FOLDER / "tables.yaml")


def service(catalogue: Catalogue, platform: str, id: str) -> Service:
    found = catalogue.platform(platform)
    assert found is not None
    return next(service for service in found.services if service.id == id)


def groups(service: Service) -> dict[str | None, list[Endpoint]]:
    found: dict[str | None, list[Endpoint]] = {}
    for endpoint in service.endpoints:
        found.setdefault(endpoint.group, []).append(endpoint)
    return found


def markers(fingerprints: tuple[Fingerprint, ...], pattern: str) -> list[Fingerprint]:
    return [fingerprint for fingerprint in fingerprints if fingerprint.pattern == pattern]


def test_the_catalogue_covers_the_platforms_that_matter(catalogue: Catalogue) -> None:
    ids = {platform.id for platform in catalogue.platforms}
    assert len(ids) >= 40
    assert ids >= {
        "x",
        "facebook",
        "instagram",
        "whatsapp",
        "telegram",
        "signal",
        "youtube",
        "tiktok",
        "wikipedia",
        "vk",
    }


def test_every_file_is_named_for_its_platform() -> None:
    for file in (FOLDER / "platforms").iterdir():
        assert YAML(typ="safe").load(file)["id"] == file.stem


def test_every_endpoint_has_a_source_and_stands_in_its_canonical_form() -> None:
    for file in sorted((FOLDER / "platforms").iterdir()):
        for service in YAML(typ="safe").load(file)["services"].values():
            for endpoint in service["endpoints"]:
                assert endpoint["source"].strip(), file.name
                assert parse_target(endpoint["url"]).url == endpoint["url"], file.name


def test_what_is_known_from_memory_alone_says_so(catalogue: Catalogue) -> None:
    for endpoint in catalogue.endpoints():
        assert ("memory" in endpoint.source) == (endpoint.confidence == "M"), endpoint.url


def test_every_platform_names_its_domains_and_has_an_endpoint_in_them(catalogue: Catalogue) -> None:
    for platform in catalogue.platforms:
        assert platform.domains == tuple(map(ascii_name, platform.domains))
        hosts = [endpoint.target.host for service in platform.services for endpoint in service.endpoints]
        assert any(host == d or host.endswith(f".{d}") for host in hosts for d in platform.domains), platform.id


def test_alternatives_are_at_least_two(catalogue: Catalogue) -> None:
    for platform in catalogue.platforms:
        for each in platform.services:
            assert all(len(members) > 1 for group, members in groups(each).items() if group is not None)


def test_services_with_many_endpoints_are_sampled(catalogue: Catalogue) -> None:
    for platform in catalogue.platforms:
        for each in platform.services:
            if len(each.endpoints) > 6 and each.id != "messaging":
                assert each.sample is not None, f"{platform.id}.{each.id}"
            assert each.sample is None or each.sample < len(each.endpoints)


def test_whatsapp_hosts_are_connects_on_alternative_ports_and_speak_no_tls(catalogue: Catalogue) -> None:
    found = groups(service(catalogue, "whatsapp", "messaging"))
    assert set(found) == {*(f"e{number}" for number in range(1, 17)), "g"}
    for group, members in found.items():
        assert {endpoint.target.scheme for endpoint in members} == {"tcp"}
        assert {endpoint.target.host for endpoint in members} == {f"{group}.whatsapp.net"}
        assert {endpoint.target.port for endpoint in members} == ({443, 5222, 80} if group == "g" else {443, 5222})


def test_any_status_of_whatsapps_registration_is_healthy_and_the_web_may_answer_400(catalogue: Catalogue) -> None:
    (registration,) = service(catalogue, "whatsapp", "registration").endpoints
    assert (registration.url, registration.healthy) == ("https://v.whatsapp.net/v2/register", ())
    web = service(catalogue, "whatsapp", "web").endpoints[0]
    assert (web.url, web.healthy) == ("https://web.whatsapp.com/", (200, 400))


def test_telegram_is_judged_by_the_share_of_data_centres_that_speak_plain_http(catalogue: Catalogue) -> None:
    messaging = service(catalogue, "telegram", "messaging")
    assert messaging.blocked_share == 0.5
    found = groups(messaging)
    assert set(found) == {"dc1", "dc2", "dc3", "dc4", "dc5"}
    for members in found.values():
        for endpoint in members:
            assert (endpoint.target.scheme, endpoint.method, endpoint.healthy) == ("http", "POST", (404, 501))
        ports = {(endpoint.target.host, endpoint.target.port) for endpoint in members}
        assert ports == {(host, port) for host, _ in ports for port in (80, 443)}


def test_messenger_gets_a_handshake_since_a_connect_would_not_see_sni_filtering(catalogue: Catalogue) -> None:
    assert {e.target.scheme for e in service(catalogue, "messenger", "messaging").endpoints} == {"tls"}


def test_signals_servers_may_use_signals_own_authority(catalogue: Catalogue) -> None:
    signal = catalogue.platform("signal")
    assert signal is not None
    for each in signal.services:
        expected = None if each.id == "site" else "signal"
        assert {endpoint.roots for endpoint in each.endpoints} == {expected}, each.id
    assert len(service(catalogue, "signal", "messaging").endpoints) > 1  # so that one failing host is partial


def test_signals_authority_is_signed_by_itself_and_not_expired(catalogue: Catalogue) -> None:
    (certificate,) = x509.load_pem_x509_certificates(catalogue.roots["signal"].encode())
    certificate.verify_directly_issued_by(certificate)
    assert certificate.not_valid_before_utc.year == 2022
    assert certificate.not_valid_after_utc > dt.datetime.now(dt.UTC) + dt.timedelta(days=90)


def test_linkedin_may_answer_999_and_reddit_403(catalogue: Catalogue) -> None:
    assert 999 in service(catalogue, "linkedin", "api").endpoints[0].healthy
    assert 403 in service(catalogue, "reddit", "api").endpoints[0].healthy


@pytest.mark.parametrize(
    "trap",
    [
        r"skype\.com",  # closed on 5 May 2025
        r"-[a-z]{3}\d+-\d+\.",  # a name of one point of presence: gone tomorrow
        r"rr?\d+---sn-",  # likewise
        r"textsecure-service|api\.directory\.signal|api\.backup\.signal",  # withdrawn
        r"seed\d\.getsession",  # self-signed by design
        r"uptime\.signal",  # 127.0.0.1 while the service is up
        r"discord\.media|worldaz\.tr|turns\.goog",  # media over UDP
        r":(4244|5242|5243|7985|7987)$",  # Viber's ports: no stable answer
        r"^https://9\.9\.9\.9",
    ],
)
def test_what_is_known_to_cry_wolf_is_not_shipped(catalogue: Catalogue, trap: str) -> None:
    assert [endpoint.url for endpoint in catalogue.endpoints() if re.search(trap, endpoint.url)] == []
    assert catalogue.platform("skype") is None


def test_hosts_without_tls_get_no_handshake(catalogue: Catalogue) -> None:
    bare = re.compile(r"^(e\d+|g)\.whatsapp\.net$|\.0\.threema\.ch$|^(sz)?long\.weixin\.qq\.com$")
    found = [endpoint for endpoint in catalogue.endpoints() if bare.search(endpoint.target.host)]
    assert len(found) > 40
    assert {endpoint.target.scheme for endpoint in found} == {"tcp"}


def test_the_anchors_are_the_agreed_ones_of_several_operators(catalogue: Catalogue) -> None:
    anchors = catalogue.infrastructure.anchors
    assert [(a.url, a.status, a.body, a.title) for a in anchors if a.country is None] == [
        ("http://connectivitycheck.gstatic.com/generate_204", 204, None, None),
        ("http://detectportal.firefox.com/success.txt", None, "success", None),
        ("http://captive.apple.com/hotspot-detect.html", None, None, "Success"),
        ("https://example.com/", None, None, None),
        ("https://www.iana.org/", None, None, None),
    ]
    assert len({anchor.operator for anchor in anchors if anchor.country is None}) >= 3
    assert [anchor.country for anchor in anchors if anchor.country is not None] == ["CN"]
    assert catalogue.infrastructure.neutral == ("example.com", "www.iana.org")


def test_the_trusted_resolvers_are_the_agreed_ones_at_pinned_addresses(catalogue: Catalogue) -> None:
    assert {r.url: r.addresses for r in catalogue.infrastructure.resolvers} == {
        "https://cloudflare-dns.com/dns-query": (
            "1.1.1.1",
            "1.0.0.1",
            "2606:4700:4700::1111",
            "2606:4700:4700::1001",
        ),
        "https://dns.google/dns-query": ("8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844"),
        "https://dns10.quad9.net/dns-query": ("9.9.9.10", "149.112.112.10"),
    }


def test_no_test_name_is_sent_to_an_anchor_a_resolver_or_a_neutral_site(catalogue: Catalogue) -> None:
    infrastructure = catalogue.infrastructure
    urls = [anchor.url for anchor in infrastructure.anchors] + [resolver.url for resolver in infrastructure.resolvers]
    hosts = {parse_target(url).host for url in urls} | set(infrastructure.neutral)
    assert hosts.isdisjoint({endpoint.target.host for endpoint in catalogue.endpoints()})


@pytest.mark.parametrize("last", [41, 42, 43, 45, 46, 47, 48, 49])
def test_turknets_family_filter_is_opt_in(fingerprints: tuple[Fingerprint, ...], last: int) -> None:
    (marker,) = markers(fingerprints, f"193.192.98.{last}")
    assert (marker.scope, marker.location, marker.countries) == ("opt-in", "dns", ("TR",))


def test_44_is_not_among_turknets_family_filters(fingerprints: tuple[Fingerprint, ...]) -> None:
    assert markers(fingerprints, "193.192.98.44") == []


@pytest.mark.parametrize(
    ("pattern", "scope", "conclusive"),
    [
        ("195.175.254.2", "nat", True),
        ("180.131.146.7", "opt-in", True),
        ("http://bilgi.turktelekom.com.tr/guvenli_internet_uyari", "opt-in", True),
        ("10.10.34.35", "nat", True),
        ("d0::11", "nat", True),
        ("http://warning.rt.ru", "isp", True),
        ("217.148.54.171", "isp", False),  # its own list doubts it
        ("8.7.198.45", "nat", True),
        ("mypage.blocked.bltsel", "isp", True),
        ("146.112.61.106", "prod", True),
    ],
)
def test_markers_keep_their_scope_and_weak_ones_prove_nothing(
    fingerprints: tuple[Fingerprint, ...], pattern: str, scope: str, conclusive: bool
) -> None:
    (marker,) = markers(fingerprints, pattern)
    assert marker.scope == scope
    assert (marker.confidence >= 3) == conclusive


@pytest.mark.parametrize("vague", ["0.0.0.0", "127.0.0.1", "1.2.3.4", "::1"])
def test_answers_that_mean_too_many_things_are_no_markers(fingerprints: tuple[Fingerprint, ...], vague: str) -> None:
    assert markers(fingerprints, vague) == []


def test_every_marker_has_a_source_and_a_name_of_its_own(fingerprints: tuple[Fingerprint, ...]) -> None:
    assert all(marker.source for marker in fingerprints)
    assert len({marker.name for marker in fingerprints}) == len(fingerprints)
    assert not any("cloudflare" in marker.pattern.lower() for marker in fingerprints)


def test_the_siblings_of_turkish_operators_are_one_organisation(tables: Tables) -> None:
    assert frozenset({9121, 47331, 20978}) in tables.siblings
    assert frozenset({16135, 34984}) in tables.siblings
    assert tables.networks[9121] == "Türk Telekom"
    assert not any(15897 in siblings for siblings in tables.siblings)


def test_no_network_is_of_two_organisations(tables: Tables) -> None:
    members = [asn for siblings in tables.siblings for asn in siblings]
    assert len(members) == len(set(members))
    assert set(members) <= set(tables.networks)


def test_every_time_zone_exists_and_norway_is_a_country(tables: Tables) -> None:
    assert tables.zones["NO"] == ("Europe/Oslo",)
    assert tables.zones["TR"] == ("Europe/Istanbul",)
    assert tables.zones["RU"][0] == "Europe/Moscow"
    assert len(tables.zones["RU"]) == 11
    assert len(tables.zones) > 200
    if not zoneinfo.available_timezones():
        pytest.skip("this machine has no time zone database")
    for zones in tables.zones.values():
        for zone in zones:
            zoneinfo.ZoneInfo(zone)


def test_the_catalogue_lies_where_the_build_takes_it_from() -> None:
    root = Path(__file__).parents[2]
    assert FOLDER in {root / "configs" / "catalogue", root / "probe" / "shipped" / "catalogue"}
