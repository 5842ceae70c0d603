"""What holds of any records whatever: a judge that raises or contradicts itself would lose a round."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.verdict.expect import expectation_of
from probe.verdict.judge import hosts_of, judge
from probe.wire.expectations import Expectation
from probe.wire.measurement import Measurement, Surroundings
from probe.wire.steps import AnyStep, DnsStep, HttpStep
from probe.wire.vocabulary import CONNECTION_ORDER, Outcome, Purpose, Technique

from .records import (
    ALONE,
    NEUTRAL,
    NO_ANSWER,
    REFUSED,
    SITE,
    SITE6,
    SPARE,
    STRANGER,
    TIMEOUT,
    connect,
    known,
    lookup,
    measured,
    page,
    reply,
    shake,
    trusted,
)
from .strategies import AROUND, ENDPOINTS, EXPECTATIONS, STEPS

X = "x.com"
PUBLIC = st.lists(st.sampled_from([SITE, SPARE, STRANGER, SITE6]), min_size=1, max_size=3, unique=True)


def of(endpoint: str, steps: list[AnyStep], around: Surroundings | None) -> Measurement:
    return msgspec.structs.replace(measured(endpoint, around=around), steps=tuple(steps))


@given(ENDPOINTS, STEPS, AROUND, EXPECTATIONS, st.booleans())
@settings(max_examples=250, deadline=None)
def test_any_records_have_a_verdict_that_is_well_formed(
    endpoint: str, steps: list[AnyStep], around: Surroundings | None, expected: Expectation | None, public: bool
) -> None:
    found = judge(of(endpoint, steps, around), known(expected, public=public))
    assert 0 <= found.confidence <= 1
    assert found.evidence
    assert all(evidence.rule and evidence.text for evidence in found.evidence)
    assert bool(found.techniques) == (found.outcome in {Outcome.BLOCKED, Outcome.DEGRADED})
    assert list(found.techniques) == sorted(set(found.techniques), key=lambda name: CONNECTION_ORDER[name])
    assert found.outcome in {Outcome.BLOCKED, Outcome.OK, Outcome.DOWN, Outcome.INCONCLUSIVE}


@given(ENDPOINTS, STEPS, AROUND, EXPECTATIONS)
@settings(max_examples=80, deadline=None)
def test_the_same_records_have_the_same_verdict(
    endpoint: str, steps: list[AnyStep], around: Surroundings | None, expected: Expectation | None
) -> None:
    one, other = of(endpoint, steps, around), of(endpoint, list(steps), around)
    assert judge(one, known(expected)) == judge(other, known(expected))


@given(ENDPOINTS, STEPS, AROUND)
@settings(max_examples=100, deadline=None)
def test_any_records_of_a_control_make_an_expectation(
    endpoint: str, steps: list[AnyStep], around: Surroundings | None
) -> None:
    seen = of(endpoint, steps, around)
    made = expectation_of(seen)
    assert made.chain_valid is None or made.tls_ok is True
    assert all(hosts_of(seen))
    judge(seen, known(made))


@given(ENDPOINTS, STEPS, AROUND, EXPECTATIONS)
@settings(max_examples=80, deadline=None)
def test_replies_that_come_twice_change_no_outcome(
    endpoint: str, steps: list[AnyStep], around: Surroundings | None, expected: Expectation | None
) -> None:
    doubled = [
        msgspec.structs.replace(step, replies=(*step.replies, *step.replies)) if isinstance(step, DnsStep) else step
        for step in steps
    ]
    before, after = (
        judge(of(endpoint, steps, around), known(expected)),
        judge(of(endpoint, doubled, around), known(expected)),
    )
    assert (before.outcome, before.techniques, before.injected) == (after.outcome, after.techniques, after.injected)


@given(PUBLIC, PUBLIC, st.booleans(), st.sampled_from([None, TIMEOUT, REFUSED]))
@settings(max_examples=100, deadline=None)
def test_the_order_of_answers_and_of_a_and_aaaa_changes_no_outcome(
    told: list[str], true: list[str], swap: bool, tcp: str | None
) -> None:
    def seen(answers: list[str], *, swapped: bool) -> Measurement:
        four = [answer for answer in answers if ":" not in answer]
        six = [answer for answer in answers if ":" in answer]
        asked = [lookup(X, four or NO_ANSWER), lookup(X, six or NO_ANSWER, qtype="AAAA")]
        rest = [connect(address, tcp) for address in sorted(answers)]
        return measured("https://x.com/", *(asked[::-1] if swapped else asked), trusted(X, true), *rest)

    before, after = seen(told, swapped=False), seen(told[::-1], swapped=swap)
    for of_it in (ALONE, known(expectation_of(before))):
        assert judge(before, of_it).outcome == judge(after, of_it).outcome


@given(STEPS, PUBLIC, AROUND, EXPECTATIONS)
@settings(max_examples=150, deadline=None)
def test_a_valid_certificate_at_an_answer_is_proof_against_forged_dns(
    steps: list[AnyStep], answers: list[str], around: Surroundings | None, expected: Expectation | None
) -> None:
    honest: list[AnyStep] = [lookup(X, answers), shake(X, answers[0])]
    rest = [step for step in steps if not isinstance(step, HttpStep)]  # without redirects to hosts of their own
    found = judge(of("https://x.com/", [*honest, *rest], around), known(expected))
    assert Technique.DNS_FORGED not in found.techniques


_SILENT_TRY = st.sampled_from(
    [
        lookup(X, TIMEOUT),
        lookup(X, TIMEOUT, purpose=Purpose.REPEAT),
        lookup(X, TIMEOUT, qtype="AAAA"),
        trusted(X, TIMEOUT),
        lookup(X, TIMEOUT, purpose=Purpose.TRUSTED_UDP),
        connect(SITE, TIMEOUT),
        connect(SITE, REFUSED),
        connect(SITE, TIMEOUT, purpose=Purpose.REPEAT),
        connect(SITE, TIMEOUT, purpose=Purpose.OTHER_PORT, port=80),
        shake(X, SITE, TIMEOUT),
        shake(X, SITE, TIMEOUT, purpose=Purpose.REPEAT),
        shake(X, SITE, TIMEOUT, purpose=Purpose.SPLIT, profile="split"),
        shake(NEUTRAL, SITE, TIMEOUT, purpose=Purpose.INNOCUOUS),
        shake(NEUTRAL, SITE, TIMEOUT, purpose=Purpose.SMALL_HELLO, profile="small"),
        page("http://x.com/", failure=TIMEOUT),
    ]
)
_WORKED_BEFORE = st.sampled_from([[], [lookup(X, (SITE,))], [lookup(X, (SITE,), replies=(reply(SITE), reply(SITE)))]])


@given(st.sampled_from(["https://x.com/", "http://x.com/", "tls://x.com:443"]), _WORKED_BEFORE, st.lists(_SILENT_TRY))
@settings(max_examples=150, deadline=None)
def test_without_a_control_what_only_does_not_work_is_never_blocked(
    endpoint: str, before: list[AnyStep], tries: list[AnyStep]
) -> None:
    assert judge(measured(endpoint, *before, *tries), ALONE).outcome is not Outcome.BLOCKED
