"""What goes out must come back with the same facts, as far as OONI's format can hold them."""

import datetime as dt
import hashlib
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.wire.measurement import Measurement
from probe.wire.ooni_dns import SYSTEM
from probe.wire.ooni_in import from_ooni
from probe.wire.ooni_out import to_ooni
from probe.wire.steps import AnyStep, DnsStep, HttpStep, TcpStep, TlsStep
from probe.wire.vocabulary import Failure, Outcome, Purpose, Technique

from .measurements import BEGAN, NETWORK, connect, lookup, measured, verdict

HOST = "site.example"
_NAMED = [Purpose.TRUSTED, Purpose.TRUSTED_UDP, Purpose.SILENT_TARGET]
_failures = st.sampled_from([Failure.CONNECTION_RESET, Failure.GENERIC_TIMEOUT_ERROR, "unknown_failure: odd"])
_text = st.text(st.characters(codec="utf-8", exclude_characters="<>&.:", exclude_categories=("Cc", "Cs")), max_size=20)


@st.composite
def _lookup(draw: st.DrawFn, t0: float) -> DnsStep:
    qtype = draw(st.sampled_from(["A", "AAAA"]))
    pool = ["203.0.113.1", "10.10.34.35", "127.0.0.1"] if qtype == "A" else ["2001:db8::1", "::1"]
    answers = tuple(draw(st.lists(st.sampled_from(pool), unique=True, max_size=2)))
    failures = st.sampled_from([Failure.DNS_NXDOMAIN_ERROR, Failure.GENERIC_TIMEOUT_ERROR])
    told: dict[str, Any]
    if draw(st.booleans()):
        told = {"purpose": draw(st.sampled_from(_NAMED)), "resolver": "1.1.1.1", "transport": "udp"}
    else:
        told = {"purpose": draw(st.sampled_from([Purpose.TARGET, Purpose.REPEAT])), "resolver": SYSTEM}
        told["transport"] = draw(st.sampled_from(["udp", "tcp", "system"]))
    failure = None if answers else draw(failures)
    return DnsStep(t0=t0, t=t0 + 0.5, name=HOST, qtype=qtype, answers=answers, failure=failure, **told)


@st.composite
def _handshake(draw: st.DrawFn, t0: float, address: str, purpose: Purpose) -> TlsStep:
    read = draw(st.sampled_from([0, 1, 5000]))
    facts: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"chain_valid": True, "host_match": True, "version": "TLSv1.3", "cipher": "X", "alpn": "h2"},
                {"chain_valid": False, "chain_failure": "ssl_unknown_authority"},
                {"chain_valid": False, "chain_failure": "ssl_invalid_certificate"},
                {"host_match": False},
                {},
                {"failure": Failure.CONNECTION_RESET},
                {"failure": Failure.EOF_ERROR},
            ]
        )
    )
    sni = draw(st.sampled_from([HOST, "innocuous.example", None]))
    chain = draw(st.sampled_from([(), (b"leaf", b"root")]))
    return TlsStep(
        t0=t0,
        t=t0 + 1,
        purpose=purpose,
        address=address,
        port=443,
        sni=sni,
        profile=draw(st.sampled_from(["default", "split"])),
        chain=chain,
        chain_sha256=hashlib.sha256(b"".join(chain)).hexdigest() if chain else None,
        bytes_read=read,
        first_byte=t0 + 0.25 if read else None,
        **facts,
    )


@st.composite
def _page(draw: st.DrawFn, t0: float, tls: TlsStep | None, address: str, purpose: Purpose) -> HttpStep:
    port = 443 if tls else 80
    base: dict[str, Any] = {"t0": t0, "t": t0 + 1, "purpose": purpose, "address": address, "port": port}
    base |= {"url": f"http{'s' if tls else ''}://{HOST}/a?b", "host": draw(st.sampled_from([None, "other.example"]))}
    if draw(st.booleans()):
        return HttpStep(failure=draw(_failures), **base)
    title = " ".join(draw(_text).split()) or None
    body = (f"<title>{title}</title>" if title else "").encode() + draw(st.binary(max_size=30)).replace(b"<", b"")
    moved = draw(st.booleans())
    trusted = tls is not None and (tls.sni != HOST or tls.trusted or (tls.failure is not None))
    return HttpStep(
        status=302 if moved else draw(st.sampled_from([200, 404, 503])),
        headers=(("Server", draw(_text)), *((("Location", "https://next.example/"),) if moved else ())),
        location="https://next.example/" if moved else None,
        title=title,
        body=body,
        body_sha256=hashlib.sha256(body).hexdigest() if body else None,
        body_length=len(body),
        trusted=trusted,
        protocol=draw(st.sampled_from([None, "h2"])),
        **base,
    )


@st.composite
def _measurement(draw: st.DrawFn) -> Measurement:
    steps: list[AnyStep] = [draw(_lookup(float(n))) for n in range(draw(st.integers(0, 4)))]
    for n in range(draw(st.integers(0, 3))):
        t0, address = 10.0 * (n + 1), f"203.0.113.{n + 1}"
        purpose = draw(st.sampled_from([Purpose.TARGET, Purpose.TRUSTED_ADDRESS, Purpose.INNOCUOUS, Purpose.REPEAT]))
        secure = draw(st.booleans())
        failure = draw(st.none() | _failures)
        port = 443 if secure else 80
        steps.append(TcpStep(t0=t0, t=t0 + 1, purpose=purpose, address=address, port=port, failure=failure))
        tls = draw(_handshake(t0 + 1, address, purpose)) if secure else None
        steps += [tls] if tls else []
        steps.append(draw(_page(t0 + 2, tls, address, purpose)))
    return measured(f"https://{HOST}/", *steps)


def back(measurement: Measurement) -> Measurement:
    judged = verdict(Outcome.BLOCKED, Technique.SNI_RESET)
    (document,) = to_ooni([(measurement, judged)], "1.2")
    (part,) = from_ooni(msgspec.json.decode(msgspec.json.encode(document))).parts
    return part.measurement


def in_time(measurement: Measurement) -> list[AnyStep]:
    return sorted(measurement.steps, key=lambda step: step.t0)


@settings(max_examples=200, deadline=None)
@given(_measurement())
def test_the_facts_of_a_measurement_survive(measurement: Measurement) -> None:
    returned = back(measurement)
    assert in_time(returned) == in_time(measurement)
    assert msgspec.structs.replace(returned, steps=()) == msgspec.structs.replace(measurement, steps=())


def test_the_platform_and_the_moment_survive() -> None:
    began = BEGAN + dt.timedelta(milliseconds=750)
    measurement = measured("https://x.com/", connect(), started_at=began, platform="x", service="web")
    returned = back(measurement)
    assert (returned.platform, returned.service, returned.id) == ("x", "web", measurement.id)
    moment = returned.started_at + dt.timedelta(seconds=returned.steps[0].t0)
    assert moment == began + dt.timedelta(seconds=measurement.steps[0].t0)


def test_each_part_of_a_gathered_document_has_its_own_steps_again() -> None:
    shared = ("203.0.113.1", "203.0.113.2")
    originals = [
        measured(
            f"tcp://e{n}.whatsapp.net:443",
            lookup(f"e{n}.whatsapp.net", *shared, resolver=SYSTEM),
            connect(shared[0], failure="generic_timeout_error" if n == 1 else None),
            platform="whatsapp",
            service="messaging",
        )
        for n in (1, 2)
    ]
    failed = measured("http://149.154.167.51:443/", connect("149.154.167.51", failure="connection_refused"))
    failed = msgspec.structs.replace(failed, platform="telegram", service="messaging")
    documents = to_ooni([(measurement, verdict()) for measurement in (*originals, failed)], "1.2")
    parts = [part for document in documents for part in from_ooni(document).parts]
    assert [msgspec.structs.replace(p.measurement, network=NETWORK) for p in parts] == [*originals, failed]
    assert [part.group for part in parts] == ["e1.whatsapp.net", "e2.whatsapp.net", "149.154.167.51"]
