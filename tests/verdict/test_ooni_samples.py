"""OONI's own samples, judged by our rules: their quality-assurance scenarios and real measurements."""

import json
from pathlib import Path
from typing import Any

import pytest

from probe.catalogue.fingerprints import load_fingerprints
from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.verdict.fingerprints import Fingerprints
from probe.verdict.known import Library
from probe.verdict.saved import judge_ooni
from probe.wire.ooni_in import OoniMeasurement
from probe.wire.saved import Saved, read_saved
from probe.wire.verdicts import Verdict
from probe.wire.vocabulary import Outcome, Technique

SAMPLES = Path(__file__).parents[3] / "shared" / "data" / "ooni-samples"
QA = sorted(SAMPLES.glob("qa/*.json"))
EXCEPTIONS: dict[str, str] = {}  # file name: why OONI's conclusion is not ours; at most three

pytestmark = pytest.mark.skipif(not QA, reason=f"no samples of OONI's beside the checkout ({SAMPLES.name})")


@pytest.fixture(scope="module")
def library() -> Library:
    shipped = default_catalogue_path()
    return Library(load_catalogue(shipped), Fingerprints(load_fingerprints(shipped / "fingerprints.yaml")))


def judged(file: Path, library: Library) -> Verdict:
    (item,) = read_saved(file.read_bytes(), file.name)
    assert isinstance(item, Saved), item
    assert isinstance(item.measurement, OoniMeasurement)
    return judge_ooni(item.measurement, library)


def keys_of(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())["test_keys"]
    return found


def test_exceptions_are_few_and_exist() -> None:
    assert len(EXCEPTIONS) <= 3
    assert {file.name for file in QA} >= EXCEPTIONS.keys()


def test_the_documents_hold_scenarios_of_both_kinds() -> None:
    """Without them the two tests that follow would hold of nothing."""
    keys = [keys_of(file) for file in QA]
    assert sum(found.get("accessible") is True for found in keys) >= 5
    assert sum(isinstance(found.get("blocking"), str) for found in keys) >= 10


@pytest.mark.parametrize("file", QA, ids=lambda file: file.stem)
def test_what_ooni_reached_is_not_blocked(file: Path, library: Library) -> None:
    if keys_of(file).get("accessible") is True and file.name not in EXCEPTIONS:
        assert judged(file, library).outcome is not Outcome.BLOCKED


@pytest.mark.parametrize("file", QA, ids=lambda file: file.stem)
def test_what_ooni_found_blocked_is_not_ok(file: Path, library: Library) -> None:
    if isinstance(keys_of(file).get("blocking"), str) and file.name not in EXCEPTIONS:
        assert judged(file, library).outcome is not Outcome.OK


@pytest.mark.parametrize("file", QA, ids=lambda file: file.stem)
def test_what_is_broken_for_everybody_is_not_blocked(file: Path, library: Library) -> None:
    keys = keys_of(file)
    if keys.get("accessible") is False and keys.get("blocking") is False:
        assert judged(file, library).outcome in {Outcome.DOWN, Outcome.INCONCLUSIVE}


@pytest.mark.parametrize(
    ("name", "outcome", "techniques"),
    [
        ("successWithHTTP", "ok", []),
        ("idnaWithoutCensorshipLowercase", "ok", []),
        ("dnsHijackingToProxyWithHTTPURL", "ok", []),
        ("controlFailureWithSuccessfulHTTPSWebsite", "ok", []),
        ("badSSLWithExpiredCertificate", "down", []),
        ("localhostWithHTTP", "down", []),
        ("websiteDownNXDOMAIN", "down", []),
        ("dnsBlockingNXDOMAIN", "blocked", ["dns-nxdomain"]),
        ("dnsBlockingAndroidDNSCacheNoData", "blocked", ["dns-no-answer"]),
        ("dnsBlockingBOGON", "blocked", ["dns-forged"]),
        ("tcpBlockingConnectTimeout", "blocked", ["ip-drop"]),
        ("httpBlockingConnectionReset", "blocked", ["http-reset"]),
    ],
)
def test_scenarios_are_judged_by_their_technique(
    name: str, outcome: str, techniques: list[str], library: Library
) -> None:
    found = judged(SAMPLES / "qa" / f"{name}.json", library)
    assert (found.outcome, list(found.techniques)) == (outcome, techniques)


def test_a_working_whatsapp_is_not_blocked(library: Library) -> None:
    assert judged(SAMPLES / "real" / "whatsapp.json", library).outcome is not Outcome.BLOCKED


@pytest.mark.parametrize("name", ["ts-020-telegram_1", "telegram_nourl", "ts-029-signal_1", "ts-018-whatsapp_1"])
def test_working_messengers_are_ok(name: str, library: Library) -> None:
    assert judged(SAMPLES / "real" / f"{name}.json", library).outcome is Outcome.OK


def test_an_iranian_injection_is_forged_dns_and_the_fingerprint_is_named(library: Library) -> None:
    found = judged(SAMPLES / "real" / "web_connectivity_ir_fp.json", library)
    assert (found.outcome, found.technique) == (Outcome.BLOCKED, Technique.DNS_FORGED)
    assert "(IR)" in found.evidence[0].text


def test_an_indonesian_redirect_to_a_notice_is_a_block_page(library: Library) -> None:
    """OONI's own rules called it accessible."""
    (file,) = (SAMPLES / "real").glob("*_ID_webconnectivity_*.json")
    found = judged(file, library)
    assert (found.outcome, found.technique) == (Outcome.BLOCKED, Technique.HTTP_BLOCKPAGE)


@pytest.mark.parametrize("file", sorted(SAMPLES.glob("real/*.json")), ids=lambda file: file.stem)
def test_every_real_sample_is_judged_with_evidence_or_refused_in_a_line(file: Path, library: Library) -> None:
    for item in read_saved(file.read_bytes(), file.name):
        if isinstance(item, Saved) and isinstance(item.measurement, OoniMeasurement):
            found = judge_ooni(item.measurement, library)
            assert found.evidence
            assert 0 <= found.confidence <= 1
        else:
            assert "\n" not in str(item)
