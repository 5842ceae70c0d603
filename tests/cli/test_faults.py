"""Faults that were found in the commands. Each test fails until its fault is mended, and stays as its guard after."""

import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.catalogue.model import Catalogue, CatalogueError, Endpoint, Platform, Service
from probe.catalogue.targets import parse_target
from probe.cli.display import Screen, report
from probe.cli.results import Results
from probe.cli.selection import tasks_for
from probe.lab.lab import Lab
from probe.lab.processes import environment
from probe.wire.verdicts import Evidence, Verdict
from probe.wire.vocabulary import Outcome, Technique

from .running import PROBE, Run, assert_one_fault, at_vantage, ended, nowhere, run_in, run_nowhere, started
from .world import FILTERED, HEALTHY

SITE = "https://example.com/"


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return load_catalogue(default_catalogue_path())


# --- output that cannot be written ---


@pytest.mark.parametrize("form", ["table", "json", "ooni"])
def test_a_full_disk_is_one_line(form: str) -> None:
    run = run_nowhere("measure", SITE, "--format", form, "--output", "/dev/full")
    assert_one_fault(Run(run.status, run.stdout, "\n".join(run.faults), 0, 0), 1, "/dev/full", "No space left")


def test_a_full_disk_behind_standard_output_is_one_line(tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    saved.write_text(_line(SITE))
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*nowhere(), *PROBE, "judge", saved], check=False, stdout=full, stderr=subprocess.PIPE)
    said = done.stderr.decode()
    assert "Traceback" not in said
    assert (done.returncode, said.count("Error: ")) == (1, 1)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_or_pipe_of_another_encoding_gets_what_it_can_show(lab: Lab, encoding: str) -> None:
    """cp1252 is what a pipe is on Windows; the check mark is not in it."""
    run = run_in(lab, "measure", HEALTHY, env={"PYTHONIOENCODING": encoding})
    assert "Traceback" not in run.stderr, run.stderr[-300:]
    assert run.status == 0


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_lone_surrogate_of_an_old_tool_can_be_judged_and_printed(form: str, tmp_path: Path) -> None:
    """The reader takes them, since documents of old tools hold them; so what prints must too."""
    saved = tmp_path / "saved.json"
    saved.write_text(_line("https://\udcff.com/"))
    run = run_nowhere("judge", saved, "--format", form)
    assert "Traceback" not in run.stderr, run.stderr[-300:]
    assert run.status in {0, 1}


def test_a_table_whose_reader_goes_away_has_the_status_of_a_closed_pipe(lab: Lab) -> None:
    """rich answers it with SystemExit(1) of its own, which looks like a failed round."""
    reading, writing = os.pipe()
    running = started(at_vantage(lab, ["measure", HEALTHY]), environment(lab.folder), writing)
    os.close(reading)
    os.close(writing)
    run = ended(running)
    assert (run.status, run.faults) == (141, [])


# --- input that is too much, or wrong ---


def test_a_file_far_larger_than_can_be_judged_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        try:
            os.truncate(file.fileno(), 1 << 42)
        except OSError:
            pytest.skip("this file system has no files of 4 TiB")
    assert_one_fault(run_nowhere("judge", path), 1, "huge.json")


def test_expectations_that_are_not_utf_8_are_named(tmp_path: Path) -> None:
    path = tmp_path / "expected.json"
    path.write_bytes(b'{"made_at":"2026-01-01T00:00:00Z","catalogue":"\xff"}')
    run = run_nowhere("measure", SITE, "--expectations", path)
    assert_one_fault(Run(run.status, run.stdout, "\n".join(run.faults), 0, 0), 2, "expected.json")


def test_a_timeout_that_is_no_number_is_refused() -> None:
    assert_one_fault(run_nowhere("measure", SITE, "--timeout", "nan"), 2, "--timeout")


def test_an_empty_source_is_refused_not_taken_for_none() -> None:
    assert_one_fault(run_nowhere("measure", SITE, "--source", ""), 2, "--source")


def test_a_place_for_expectations_that_is_not_there_is_named_before_anything_is_contacted(lab: Lab) -> None:
    file = lab.folder / "nowhere" / "expected.json"
    run = run_in(lab, "measure", HEALTHY, "--save-expectations", file, "--format", "json")
    assert_one_fault(run, 2, str(file))


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_missing_ca_file_is_said_before_contacting_is(form: str, tmp_path: Path) -> None:
    run = run_nowhere("measure", SITE, "--ca-file", tmp_path / "none.pem", "--format", form)
    assert_one_fault(run, 2, "none.pem: No such file")
    assert run.stderr.startswith("Error: "), run.stderr


@pytest.mark.parametrize("word", ["whatsapp.messagin", "telegram.dcs"])
def test_a_misspelt_service_is_not_taken_for_a_site(word: str, shipped: Catalogue) -> None:
    """`whatsapp.messagin` names no public site either: nobody has that top-level domain."""
    with pytest.raises(CatalogueError, match=re.escape(word)):
        tasks_for([word], shipped)


def test_an_endpoint_of_two_platforms_is_measured_for_both(shipped: Catalogue) -> None:
    tasks = tasks_for(["instagram", "threads"], shipped)
    wanted = [e for e in shipped.endpoints() if e.platform in {"instagram", "threads"}]
    assert len({(task.platform, task.service, task.target.url) for task in tasks}) == len(tasks) == len(wanted)


def test_a_catalogue_with_one_neutral_name_can_measure_that_name(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "catalogue"
    shutil.copytree(default_catalogue_path(), folder)
    infrastructure = folder / "infrastructure.yaml"
    text = infrastructure.read_text()
    infrastructure.write_text(re.sub(r"\n  - name: www\.iana\.org\n.*", "", text))
    assert infrastructure.read_text() != text
    run = run_in(lab, "measure", SITE, "--catalogue", folder, "--format", "json")
    assert "Traceback" not in run.stderr, run.stderr[-300:]
    assert run.status == 0, run.stderr
    assert run.endpoints[SITE]["outcome"] == "ok"


# --- what is said ---


def _line(url: str) -> str:
    facts = {"id": "0", "started_at": "2026-01-02T03:04:05Z", "duration": 1.0}
    return json.dumps({"kind": "endpoint", "endpoint": url, **facts})


def _endpoint(service: str, url: str) -> Endpoint:
    return Endpoint(platform="shop", service=service, target=parse_target(url), source="made up", confidence="M")


def _reported(verdicts: dict[tuple[str, str], Verdict], shipped: Catalogue) -> str:
    """What the table says of verdicts by service and URL of one platform."""
    services = {service: [url for other, url in verdicts if other == service] for service, _ in verdicts}
    platform = Platform(
        id="shop",
        name="Shop",
        services=tuple(Service(id=s, endpoints=tuple(_endpoint(s, u) for u in urls)) for s, urls in services.items()),
    )
    catalogue = Catalogue(version="0", platforms=(platform,), infrastructure=shipped.infrastructure)
    results = Results(catalogue)
    for (_, url), verdict in verdicts.items():
        results.add("shop", url, verdict)
    said = io.StringIO()
    report(Screen(said), results)
    return said.getvalue()


def _blocked(text: str, *techniques: Technique) -> Verdict:
    return Verdict(outcome=Outcome.BLOCKED, techniques=techniques, confidence=0.9, evidence=(Evidence("r", text),))


def test_a_technique_that_heads_no_endpoint_s_list_can_be_the_service_s(shipped: Catalogue) -> None:
    verdicts = {
        ("web", "https://a.shop.com/"): _blocked("seen at a", Technique.DNS_FORGED, Technique.SNI_RESET),
        ("web", "https://b.shop.com/"): _blocked("seen at b", Technique.IP_DROP, Technique.SNI_RESET),
    }
    said = _reported(verdicts, shipped)
    assert "shop web blocked sni-reset" in said
    assert "  seen at a" in said


def test_the_evidence_below_a_service_is_its_own(shipped: Catalogue) -> None:
    verdicts = {
        ("web", "https://web.shop.com/"): _blocked("seen at web", Technique.SNI_RESET),
        ("media", "https://media.shop.com/"): _blocked("seen at media", Technique.SNI_RESET),
    }
    said = _reported(verdicts, shipped)
    assert said.count("  seen at web\n") == 1
    assert said.count("  seen at media\n") == 1


@pytest.mark.parametrize("text", ["titled '[/b]'", "titled '[red]x'", "said :warning:"])
def test_what_a_censor_writes_is_printed_as_it_is(text: str, shipped: Catalogue) -> None:
    """As markup `[/b]` ended the round with a traceback, and `[red]` vanished."""
    said = _reported({("web", "https://web.shop.com/"): _blocked(text, Technique.HTTP_BLOCKPAGE)}, shipped)
    assert f"  {text}\n" in said


def test_a_round_that_measured_nothing_counts_nothing(shipped: Catalogue) -> None:
    said = io.StringIO()
    report(Screen(said), Results(shipped))
    assert said.getvalue() == ""


def test_ooni_readers_are_not_told_of_a_dns_failure_where_the_name_was_filtered(lab: Lab) -> None:
    """A site without IPv6 has no AAAA record; that is not what stopped it."""
    (document,) = run_in(lab, "measure", FILTERED, "--format", "ooni").objects
    keys = document["test_keys"]
    assert document["annotations"]["technique"] == "sni-reset"
    assert (keys["dns_experiment_failure"], keys["http_experiment_failure"]) == (None, "connection_reset")
