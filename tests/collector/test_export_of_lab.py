"""What probes of a censored network saw, through a collector and out of it in OONI's format, is judged alike."""

import datetime as dt
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import httpx
import msgspec
import pytest

from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.collector.config import CollectorConfig
from probe.lab.interference import (
    NOTICE,
    NOTICE_ADDRESS,
    AddressFilter,
    DnsInjection,
    Interference,
    NameFilter,
    ResolverAnswers,
    TlsInterception,
)
from probe.lab.internet import internet
from probe.lab.lab import Lab
from probe.lab.model import Answer, LabError
from probe.lab.scenario.subset import hosts_of, services_of
from probe.lab.sealed import check_machine
from probe.wire.codec import decode_measurement
from probe.wire.identifiers import uuid7
from probe.wire.reports import Agent, Report, Reported, Role
from probe.wire.verdicts import Verdict
from tests.collector.ingest.reports import compressed
from tests.collector.ingest.running import Running, base, configured, tokens

T = TypeVar("T")

SHIPPED = load_catalogue(default_catalogue_path())
CENSORED = {  # platform: what it is stopped by
    "medium": "sni-reset",
    "pinterest": "sni-close",
    "messenger": "sni-reset",
    "tumblr": "dns-forged",
    "quora": "dns-nxdomain",
    "kick": "dns-forged",
    "vimeo": "tls-interception",
    "dw": "ip-reset",
}
HEALTHY = ("substack", "rumble")
PLATFORMS = (*CENSORED, *HEALTHY)


def hosts(platform: str) -> tuple[str, ...]:
    return hosts_of(services_of((platform,), (), SHIPPED), SHIPPED)


CENSOR: tuple[Interference, ...] = (
    NameFilter(names=(*hosts("medium"), *hosts("messenger")), action="reset"),
    NameFilter(names=hosts("pinterest"), action="close"),
    DnsInjection(names=hosts("tumblr"), answer=Answer(addresses=("10.10.34.35",))),
    ResolverAnswers(names=hosts("quora"), answer=Answer(kind="nxdomain")),
    ResolverAnswers(names=hosts("kick"), answer=Answer(addresses=(NOTICE_ADDRESS,))),
    TlsInterception(names=hosts("vimeo"), page=NOTICE),
    AddressFilter(targets=hosts("dw"), action="reset"),
)


class Seen(NamedTuple):
    """The collector's rows, its export, and what `probe judge` makes of that."""

    rows: Sequence[dict[str, Any]]
    documents: list[dict[str, Any]]
    judged: list[dict[str, Any]]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    try:
        check_machine()
    except LabError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("lab")
    config = configured(folder)
    with Running(config, "--role", "all") as collector, Lab(internet(SHIPPED, platforms=PLATFORMS), geo=True) as lab:
        lab.interfere(lab.network.isp.asn, CENSOR)
        control = measured(lab, lab.layout.control, "--light")
        collector.wait_until_up()
        send(config, "control", control)
        eventually(lambda: expected(config), 1)
        lines = measured(lab, lab.vantage, "--deep")
        send(config, "probe", lines)
        found = eventually(lambda: rows(config), len(control) + len(lines))
    exported = folder / "export.jsonl"
    exported.write_text(probe("collector", "export", "--config", str(config.file), "--format", "ooni"))
    judged = probe("judge", str(exported), "--format", "json")
    documents = [json.loads(line) for line in exported.read_text().splitlines()]
    return Seen(found, documents, [json.loads(line) for line in judged.splitlines()])


def measured(lab: Lab, namespace: str, how: str) -> list[dict[str, Any]]:
    return [line for line in lab.measure([*PLATFORMS, how], at=namespace) if line["kind"] == "endpoint"]


def send(config: CollectorConfig, role: Role, lines: list[dict[str, Any]]) -> None:
    """In reports of a few, as a probe sends them: in full, because they are its first."""
    (token,) = tokens(config, 1, role)
    headers = {"authorization": f"Bearer {token}", "content-encoding": "zstd"}
    for start in range(0, len(lines), 40):
        now = dt.datetime.now(dt.UTC)
        items = tuple(reported(line, uuid7(now)) for line in lines[start : start + 40])
        agent = Agent(name="censorship-probe", version="1")
        body = compressed(Report(report_id=uuid7(now), agent=agent, measurements=items))
        answer = httpx.post(f"{base(config)}/api/v1/reports", content=body, headers=headers, trust_env=False)
        assert answer.status_code == 202, answer.text


def reported(line: dict[str, Any], round: str) -> Reported:
    return Reported(measurement=decode_measurement(line), verdict=msgspec.convert(line, Verdict), round=round)


def rows(config: CollectorConfig) -> list[dict[str, Any]]:
    answer = httpx.get(f"{base(config)}/api/v1/measurements?limit=1000", trust_env=False, timeout=30)
    found: list[dict[str, Any]] = answer.json().get("items", [])
    return found


def expected(config: CollectorConfig) -> list[str]:
    text = httpx.get(f"{base(config)}/metrics", trust_env=False, timeout=30).text
    return [line for line in text.splitlines() if line.startswith("collector_expectations_age_seconds ")]


def eventually(ask: Callable[[], Sequence[T]], count: int) -> Sequence[T]:
    deadline = time.monotonic() + 60
    while len(found := ask()) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} came"
        time.sleep(0.2)
    return found


def probe(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "probe", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


Key = tuple[str, str]  # country and endpoint
Word = tuple[str, tuple[str, ...]]  # outcome and techniques


def by_collector(seen: Seen) -> dict[Key, Word]:
    return {(row["country"], row["endpoint"]): (row["outcome"], tuple(row.get("techniques", ()))) for row in seen.rows}


def by_judge(seen: Seen) -> Iterator[tuple[list[Key], Word]]:
    """Each document's endpoints, and what is said of them together."""
    for verdict in seen.judged:
        document = seen.documents[verdict["line"] - 1]
        endpoints = json.loads(document["annotations"]["measurements"])
        word = (verdict["outcome"], tuple(verdict["techniques"]))
        yield [(document["probe_cc"], endpoint) for endpoint in endpoints], word


def test_every_endpoint_is_judged_as_the_collector_judged_it(seen: Seen) -> None:
    told = by_collector(seen)
    alone = {keys[0]: word for keys, word in by_judge(seen) if len(keys) == 1}
    assert alone == {key: told[key] for key in alone}
    assert len(alone) > 40


def test_no_endpoint_is_left_out_or_told_twice(seen: Seen) -> None:
    keys = [key for keys, _ in by_judge(seen) for key in keys]
    assert sorted(keys) == sorted(by_collector(seen))


def test_a_messengers_endpoints_share_a_verdict(seen: Seen) -> None:
    """Its messaging is blocked, its calls are not."""
    told = by_collector(seen)
    shared = {keys[0][0]: (keys, word) for keys, word in by_judge(seen) if len(keys) > 1}
    assert shared["DE"][1] == ("ok", ())
    assert shared["TR"][1] == ("partial", ("sni-reset",))
    assert {told[key][0] for key in shared["TR"][0]} == {"ok", "blocked"}


@pytest.mark.parametrize("platform", CENSORED)
def test_what_the_censor_did_is_what_comes_out(seen: Seen, platform: str) -> None:
    blocked = [row for row in seen.rows if (row["country"], row["platform"]) == ("TR", platform)]
    words = {(row["outcome"], tuple(row.get("techniques", ()))) for row in blocked if row["service"] != "calls"}
    assert words == {("blocked", (CENSORED[platform],))}


def test_some_verdicts_rest_on_what_the_control_saw(seen: Seen) -> None:
    """Which travels with the document: the probe alone could not tell."""
    own = {row["endpoint"]: row.get("own") for row in seen.rows if row["platform"] == "dw" and row["country"] == "TR"}
    assert set(own.values()) == {"inconclusive"}
