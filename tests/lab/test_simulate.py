"""`probe simulate`: shipped scenarios to a collector of its own, and to one that is there already, on loopback."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from probe.lab.scenario.loader import load_scenario, shipped
from probe.lab.simulate.headquarters import free_port
from tests.cli.running import PROBE, Run, assert_one_fault, run_nowhere

WAITS = "turkey-2023-02-08"  # for throttling
NOISE = {"healthy": "0.02"}
SCENARIOS = [path.stem for path in shipped() if path.stem != WAITS]
_LONGEST = 300.0  # seconds: a guard, not a measure
_AT_ONCE = 2


def simulated(*arguments: str | Path) -> Run:
    command = [*PROBE, "simulate", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST, check=False)
    return Run(done.returncode, done.stdout, done.stderr, 0.0, 0.0)


@pytest.fixture(scope="module")
def plays() -> Iterator[dict[str, Future[Run]]]:
    """All of them, two at a time: most of a play is waiting for a collector."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield {
            name: pool.submit(simulated, name, "--format", "json", "--noise", NOISE.get(name, "0"))
            for name in SCENARIOS
        }


def incidents(run: Run) -> list[dict[str, Any]]:
    return [line for line in run.objects if line["kind"] == "incident"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_gives_what_it_expects(plays: dict[str, Future[Run]], name: str) -> None:
    run = plays[name].result()
    expectations = [line for line in run.objects if line["kind"] == "expectation"]
    failed = [line for line in expectations if line["held"] is False]
    assert expectations
    assert (run.status, failed) == (0, []), run.stderr


def test_turkey_is_one_incident_that_spreads_in_the_true_order(plays: dict[str, Future[Run]]) -> None:
    (one,) = incidents(plays["turkey-2020-02-27"].result())
    assert one["event"] == "restriction"
    assert [network["asn"] for network in one["networks"]] == [9121, 47331, 15897, 16135, 34984]
    techniques = {network["asn"]: network["techniques"] for network in one["networks"]}
    assert "sni-drop" in techniques[9121]
    assert "dns-forged" in techniques[15897]
    assert "dns-nxdomain" in techniques[34984]
    assert one["services"]["whatsapp.messaging"] == "partial"
    assert not {"telegram.web", "wikipedia.web"} & set(one["services"])


def test_a_gap_of_two_minutes_makes_two_segments_of_one_restriction(plays: dict[str, Future[Run]]) -> None:
    (one,) = incidents(plays["venezuela-12-minutes"].result())
    assert {len(restriction["segments"]) for restriction in one["restrictions"]} == {2}


def test_what_a_country_reports_after_a_shutdown_is_dated_back_to_it(plays: dict[str, Future[Run]]) -> None:
    (one,) = incidents(plays["shutdown"].result())
    assert (one["event"], one["onset"][:15]) == ("network-outage", "2021-01-13T16:0")
    assert one["ended_at"][:14] == "2021-01-18T09:"


def test_an_outage_of_a_platform_restricts_nobody(plays: dict[str, Future[Run]]) -> None:
    assert [one["event"] for one in incidents(plays["platform-outage-2021-10-04"].result())] == ["platform-outage"]


def test_the_view_tells_what_the_collector_makes_of_each_round(plays: dict[str, Future[Run]]) -> None:
    lines = plays["venezuela-12-minutes"].result().objects
    cells = {(line["at"][11:16], line["platform"]): line["outcome"] for line in lines if line["kind"] == "round"}
    assert (cells["19:00", "x"], cells["19:02", "x"], cells["19:02", "facebook"]) == ("ok", "blocked", "ok")
    assert [line["kind"] for line in lines if line["kind"] == "censor"]


# --- a collector that is there already ---


class Theirs:
    """An ordinary collector that knows nothing of simulations."""

    def __init__(self, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self.config = folder / "collector.yaml"
        self.config.write_text(f"state: {folder / 'state'}\nlisten: {self.url.removeprefix('http://')}\n")
        self._command("init", str(self.config), "--catalogue-key", str(folder / "key.pem"))
        serve = [*PROBE, "collector", "serve", "--config", str(self.config)]
        self._process = subprocess.Popen(serve, stderr=subprocess.DEVNULL)

    def invitations(self, path: Path, **roles: int) -> Path:
        said = [self._command("invite", "--role", role, "--steward", role, "--count", str(count), "--format", "json",
                              "--config", str(self.config)) for role, count in roles.items()]  # fmt: skip
        path.write_text("".join(said))
        return path

    def wait(self) -> None:
        with httpx.Client(transport=httpx.HTTPTransport(retries=8), trust_env=False, timeout=_LONGEST) as client:
            while not client.get(f"{self.url}/readyz").is_success:
                pass

    def read(self, path: str) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.url}/api/v1{path}", trust_env=False, headers={"Accept": "application/json"})
        rows: list[dict[str, Any]] = answer.json()["items"]
        return rows

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _command(self, *arguments: str) -> str:
        done = subprocess.run([*PROBE, "collector", *arguments], capture_output=True, text=True, check=True)
        return done.stdout


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Theirs]:
    collector = Theirs(tmp_path)
    try:
        collector.wait()
        yield collector
    finally:
        collector.close()


def test_another_collector_gets_the_history_and_is_told_that_it_ends_now(theirs: Theirs, tmp_path: Path) -> None:
    few = theirs.invitations(tmp_path / "few.jsonl", probe=3, control=1)
    refused = simulated("shutdown", "--collector", theirs.url, "--invitations", few)
    assert_one_fault(refused, 1, "4 invitations of the role probe are needed, 3 are there")
    enough = theirs.invitations(tmp_path / "enough.jsonl", probe=4, control=1)
    run = simulated("shutdown", "--collector", theirs.url, "--invitations", enough, "--format", "json")
    assert run.status == 0, run.stderr
    assert "it ends now" in run.stderr
    rows: list[dict[str, Any]] = []
    while not any(row["outcome"] == "void" for row in rows):  # analysis follows
        rows = theirs.read("/measurements?country=UG&limit=1000")
    assert {row["asn"] for row in rows} <= {20294, 37075}
    used = simulated("shutdown", "--collector", theirs.url, "--invitations", enough)
    assert_one_fault(used, 1, "used already")


# --- what is wrong is said in one line ---


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "no scenario 'nowhere'"),
        (["healthy", "--live"], "--live goes with --collector"),
        (["healthy", "--speed", "nan"], "--speed nan"),
        (["healthy", "--collector", "http://127.0.0.1:1"], "--invitations is missing"),
        (["healthy", "--collector", "http://127.0.0.1:1", "--stay", "--invitations", "x"], "--stay does not go"),
        (["healthy", "--collector", "ftp://x", "--invitations", "x"], "--collector ftp://x"),
        (["healthy", "--collector", "http://127.0.0.1:1", "--invitations", "missing"], "missing: cannot read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_words_are_one_line(arguments: list[str], words: str) -> None:
    assert_one_fault(run_nowhere("simulate", *arguments), 2, words)


def test_the_table_of_networks_locates_virtual_probes(tmp_path: Path) -> None:
    from probe.catalogue.geo import GeoTables  # noqa: PLC0415
    from probe.lab.simulate.fleet import fleet  # noqa: PLC0415

    path = tmp_path / "networks.mmdb"
    assert simulated("healthy", "--write-geo", path).status == 0
    healthy = next(file for file in shipped() if file.stem == "healthy")
    with GeoTables.open([path]) as tables:
        for resident in fleet(load_scenario(healthy)):
            place = tables.locate(resident.address)
            assert place is not None
            assert (place.asn, place.country) == (resident.asn, resident.country)
