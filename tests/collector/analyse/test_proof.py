"""The quick way to `ok` says nothing that the judge would not say, whatever else the collector knows."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.collector.analyse.proof import proved
from probe.verdict.judge import judge
from probe.verdict.known import Known
from probe.wire.compact import compacted
from probe.wire.expectations import Expectation
from probe.wire.measurement import AnchorSeen, Measurement, Surroundings
from probe.wire.vocabulary import Purpose
from tests.verdict import records

HEALTHY = records.https("x.com")
NOTHING_WORKS = Expectation(dns_failure="dns_nxdomain_error", tcp_ok=False, tls_ok=False, http_ok=False)
KNOWN = (records.CONTROLLED, records.ALONE, Known(), records.known(NOTHING_WORKS), records.known(siblings=()))


def changed(measurement: Measurement, index: int, **facts: object) -> Measurement:
    steps = list(measurement.steps)
    steps[index] = msgspec.structs.replace(steps[index], **facts)
    return msgspec.structs.replace(measurement, steps=tuple(steps))


def test_an_ordinary_healthy_measurement_takes_the_quick_way() -> None:
    verdict = proved(compacted(HEALTHY))
    assert verdict is not None
    assert (verdict.outcome, verdict.confidence, verdict.rules) == _of_judge(HEALTHY, records.CONTROLLED)


FACTS: dict[str, st.SearchStrategy[object]] = {
    "failure": st.sampled_from([None, records.RESET, records.TIMEOUT, records.NXDOMAIN]),
    "purpose": st.sampled_from(
        [Purpose.TARGET, Purpose.TRUSTED, Purpose.REPEAT, Purpose.INNOCUOUS, Purpose.OTHER_PORT]
    ),
    "address": st.sampled_from([records.SITE, records.SPARE, records.NOTICE, "10.10.34.35", records.SITE6]),
    "answers": st.sampled_from([(), (records.SITE,), (records.NOTICE,), ("127.0.0.1",), (records.SITE, records.SPARE)]),
    "name": st.sampled_from(["x.com", "X.com", "other.com"]),
    "qtype": st.sampled_from(["A", "AAAA", "TXT"]),
    "port": st.sampled_from([443, 80, 8443]),
    "sni": st.sampled_from(["x.com", None, "example.com"]),
    "chain_valid": st.sampled_from([True, False, None]),
    "host_match": st.sampled_from([True, False]),
    "trusted": st.booleans(),
    "location": st.sampled_from([None, "https://x.com/home", "http://notice.example/"]),
    "url": st.sampled_from(["https://x.com/", "http://x.com/", "https://twitter.com/"]),
    "status": st.sampled_from([200, 302, 503, None]),
}


@st.composite
def mutations(draw: st.DrawFn) -> Measurement:
    """A healthy measurement with some facts changed, steps lost, doubled or out of order, in odd surroundings."""
    measurement = HEALTHY
    for _ in range(draw(st.integers(0, 4))):
        index = draw(st.integers(0, len(measurement.steps) - 1))
        step = measurement.steps[index]
        names = [name for name in FACTS if name in step.__struct_fields__]
        name = draw(st.sampled_from(sorted(names)))
        measurement = changed(measurement, index, **{name: draw(FACTS[name])})
    kept = draw(st.lists(st.sampled_from(range(len(measurement.steps))), min_size=1, max_size=7))
    steps = measurement.steps if draw(st.booleans()) else tuple(measurement.steps[index] for index in kept)
    around = draw(st.sampled_from([records.FIT, None, *ODD]))
    endpoint = draw(st.sampled_from(["https://x.com/", "tls://x.com:443", "https://x.com:8443/", "http://x.com/"]))
    return msgspec.structs.replace(measurement, steps=steps, surroundings=around, endpoint=endpoint)


WRONG = tuple(msgspec.structs.replace(anchor, seen="wrong") for anchor in records.RIGHT)
ODD = (
    Surroundings(anchors=WRONG),
    Surroundings(anchors=records.RIGHT, nat64="64:ff9b::/96"),
    Surroundings(anchors=(*records.RIGHT, AnchorSeen(url="http://a.tr/", operator="a", seen="silent", country="TR"))),
    msgspec.structs.replace(records.FIT, ipv6=True),
)


@settings(max_examples=500, deadline=None)
@given(mutations())
def test_what_the_quick_way_calls_ok_the_judge_calls_ok_with_any_knowledge(measurement: Measurement) -> None:
    quick = proved(measurement)
    if quick is None:
        return
    for known in KNOWN:
        assert (quick.outcome, quick.confidence, quick.rules) == _of_judge(measurement, known)


@pytest.mark.parametrize(
    "measurement",
    [
        records.https(tls=records.RESET),
        records.https(dns=("10.10.34.35",)),
        records.https(tls=records.FORGED),
        records.http("x.com", records.page("http://x.com/")),
        msgspec.structs.replace(HEALTHY, surroundings=ODD[0]),
    ],
)
def test_whatever_is_out_of_the_ordinary_goes_to_the_judge(measurement: Measurement) -> None:
    assert proved(measurement) is None


def _of_judge(measurement: Measurement, known: Known) -> tuple[object, ...]:
    verdict = judge(measurement, known)
    return (verdict.outcome, verdict.confidence, verdict.rules)
