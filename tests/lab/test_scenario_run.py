"""Scenarios played for real, and labs whose interference changes while they run."""

import ipaddress
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import maxminddb
import pytest

from probe.lab import namespaces
from probe.lab.interference import AddressFilter, NameFilter, Offline, ResolverAnswers, Throttle
from probe.lab.lab import Lab
from probe.lab.model import GERMANY, TURK_TELEKOM, Answer, Control, Isp, Origin, Resolver, Site, World
from probe.lab.outage import Outage
from probe.lab.router import Customers

from .observing import first_records, observe

ADDRESS = "151.101.1.1"
WORLD = World(
    sites=(Site(name="free.org", addresses=(ADDRESS,)), Site(name="other.org", addresses=("151.101.1.2",))),
    resolvers=(Resolver(addresses=("8.8.8.8",)),),
    origins=(
        Origin(prefix="88.255.0.0/16", asn=9121, country="TR", name="TTNET"),
        Origin(prefix="88.255.1.0/24", asn=47331, country="TR", name="TTNET"),
        Origin(prefix="151.101.0.0/16", asn=54113, country="US", name="FASTLY"),
    ),
)
VODAFONE = Isp(asn=15897, name="Vodafone", country="TR", subnet="176.216.1.0/24", resolver="176.216.39.39")
NETHERLANDS = Control(
    asn=1136, name="KPN", country="NL", address="77.160.1.10", gateway="77.160.1.1", resolver="77.160.39.39"
)
SCENARIO = """
name: small
starts: 2020-02-27T20:20:00Z
interval: 60
speed: 10
controls: [{asn: 3320, country: DE}]
country: TR
isps: [{asn: 9121, name: Türk Telekom, probes: 2}]
platforms: [bluesky.web]
events:
  - {at: 2020-02-27T20:23:00Z, services: [x.web], technique: sni-reset}
  - {at: 2020-02-27T20:29:00Z, lift: all}
expect:
  incidents: 1
  kinds: [restriction]
  first: {asn: 9121, onset: 2020-02-27T20:23:00Z, within_rounds: 2}
  blocked: [x]
  end: {at: 2020-02-27T20:29:00Z, within_rounds: 2}
  phases:
    - {services: [x.web], until: 2020-02-27T20:23:00Z, outcome: ok}
    - {services: [x.web], from: 2020-02-27T20:24:00Z, until: 2020-02-27T20:29:00Z, outcome: blocked,
       technique: sni-reset}
    - {platforms: [bluesky], outcome: ok}
"""
RUN = [sys.executable, "-m", "probe", "lab", "run"]


def test_agents_and_collector_find_by_themselves_what_a_scenario_does(tmp_path: Path) -> None:
    """Two volunteers behind one ISP and a control abroad, through real HTTP: expectations reach the probes, votes the
    collector, and the incident is theirs."""
    file = tmp_path / "small.yaml"
    file.write_text(SCENARIO)
    done = subprocess.run([*RUN, str(file), "--format", "json"], check=False, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    checks = [line for line in lines if line["kind"] == "expectation"]
    assert [check["held"] for check in checks] == [True] * 8, done.stdout + done.stderr
    assert done.returncode == 0
    assert {line["platform"] for line in lines if line["kind"] == "round"} == {"x", "bluesky"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_scenario_leaves_no_lab_behind(tmp_path: Path, number: signal.Signals) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(SCENARIO)
    with subprocess.Popen([*RUN, str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        mine = f"pl{run.pid}n"
        until = time.monotonic() + 30
        while not namespaces.processes(f"{mine}0-k") and time.monotonic() < until:
            time.sleep(0.05)  # until the control is enrolled
        os.kill(run.pid, number)
        run.wait(20)
    assert list(namespaces.STATE.glob(f"{mine}*")) == []
    assert mine not in subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout


def test_interference_is_applied_and_lifted_at_one_isp_while_the_lab_runs() -> None:
    networks = (Customers(isp=TURK_TELEKOM, clients=2), Customers(isp=VODAFONE))
    with Lab(WORLD, networks=networks, controls=(GERMANY, NETHERLANDS)) as lab:
        one, other = (client.namespace for client in lab.layout.networks[0].clients)
        elsewhere = lab.layout.networks[1].clients[0].namespace
        controls = [point.namespace for point in lab.layout.controls]
        assert len(controls) == 2

        def handshakes() -> list[str]:
            places = (one, other, elsewhere, *controls)
            return [observe(lab, "tls", ADDRESS, "free.org", namespace=place)["seen"] for place in places]

        assert handshakes() == ["handshake"] * 5
        lab.interfere(9121, (NameFilter(names=("free.org",), action="reset"),))
        assert handshakes() == ["reset", "reset", "handshake", "handshake", "handshake"]
        lab.interfere(9121, (NameFilter(names=("free.org",), action="close"),))  # the censor's process does this
        assert handshakes() == ["eof", "eof", "handshake", "handshake", "handshake"]
        lab.interfere(9121, ())
        lab.interfere(15897, (AddressFilter(targets=("free.org",), action="reset"),))
        assert handshakes() == ["handshake", "handshake", "refused", "handshake", "handshake"]
        lab.interfere(15897, ())
        assert handshakes() == ["handshake"] * 5


def test_an_isps_resolver_changes_its_answers_while_the_lab_runs() -> None:
    forged = ResolverAnswers(names=("free.org",), answer=Answer(addresses=("127.0.0.1",)))
    with Lab(WORLD) as lab:
        asked = ("dns", TURK_TELEKOM.resolver, "free.org")
        assert first_records(observe(lab, *asked)) == [ADDRESS]
        lab.interfere(9121, (forged,))
        assert first_records(observe(lab, *asked)) == ["127.0.0.1"]
        assert first_records(observe(lab, "dns", "8.8.8.8", "free.org")) == [ADDRESS]
        assert first_records(observe(lab, "dns", TURK_TELEKOM.resolver, "other.org")) == ["151.101.1.2"]
        lab.interfere(9121, ())
        assert first_records(observe(lab, *asked)) == [ADDRESS]


def test_an_uplink_goes_and_comes_back() -> None:
    with Lab(WORLD, (Throttle(names=("other.org",)),)) as lab:
        lab.interfere(9121, (Offline(how="unplugged"),))
        assert observe(lab, "tcp", ADDRESS)["seen"] == "Network is unreachable"
        lab.interfere(9121, ())
        assert observe(lab, "tls", ADDRESS, "free.org")["seen"] == "handshake"
        lab.check_sealed()


def test_an_outage_is_felt_by_everybody_and_ends() -> None:
    with Lab(WORLD) as lab:
        places = (lab.vantage, lab.layout.control)
        lab.fail((Outage(names=("free.org",), how="refused"),))
        assert [observe(lab, "tcp", ADDRESS, namespace=place)["seen"] for place in places] == ["refused"] * 2
        assert observe(lab, "tcp", "151.101.1.2")["seen"] == "connected"
        lab.fail((Outage(names=("free.org",), how="names"),))
        for resolver in ("8.8.8.8", TURK_TELEKOM.resolver):
            assert observe(lab, "dns", resolver, "free.org")["replies"][0]["rcode"] == "SERVFAIL"
        lab.fail((Outage(names=("free.org",), how="silent"),))
        assert observe(lab, "tcp", ADDRESS)["seen"] == "silence"
        lab.fail(())
        assert observe(lab, "tls", ADDRESS, "free.org")["seen"] == "handshake"


def test_a_lab_has_a_table_of_its_addresses_where_it_is_asked_for() -> None:
    with Lab(WORLD) as lab:
        assert not lab.geo_file.exists()
    with Lab(WORLD, geo=True) as lab, maxminddb.open_database(lab.geo_file) as table:
        found = table.get(ipaddress.ip_address(ADDRESS))
        assert found == {
            "autonomous_system_number": 54113,
            "autonomous_system_organization": "FASTLY",
            "country": {"iso_code": "US"},
        }
        asns = {}
        for address in ("88.255.1.10", "88.255.2.10"):
            record = table.get(address)
            assert isinstance(record, dict)
            asns[address] = record["autonomous_system_number"]
        assert asns == {"88.255.1.10": 47331, "88.255.2.10": 9121}  # the longer prefix counts
        assert table.get("203.0.113.1") is None
