"""`probe run` where something is wrong before it begins: one line, the right status, nothing sent."""

import datetime as dt
import json
import re
from pathlib import Path

import pytest

from probe.agent.consent import record_consent
from tests.cli.running import Run, nowhere, run_nowhere

CASES = {
    "no file": (None, r"probe\.yaml: no such file"),
    "no YAML": ("state: [", r"probe\.yaml"),
    "an unknown key": ("intervall: 300", r"probe\.yaml.*intervall"),
    "too often": ("interval: 30", r"probe\.yaml: interval"),
    "a state folder that is a file": ("state: probe.yaml", r"probe\.yaml"),
    "authorities that are not there": ("ca_file: nowhere.pem", r"ca_file: .*nowhere\.pem"),
    "a catalogue that is not there": ("catalogue: nowhere", "nowhere"),
    "a table that is none": ("geo: [probe.yaml]", r"probe\.yaml: broken"),
}


@pytest.fixture(autouse=True)
def _nowhere() -> None:
    nowhere()


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_at_the_start_ends_it_with_one_line(tmp_path: Path, case: str) -> None:
    text, words = CASES[case]
    agreed(tmp_path)
    if text is not None:
        (tmp_path / "probe.yaml").write_text("state: state\n" * ("state:" not in text) + text)
    assert_one_line(run_nowhere("run", "--config", tmp_path / "probe.yaml"), words)


def test_nothing_is_sent_without_consent(tmp_path: Path) -> None:
    (tmp_path / "probe.yaml").write_text("state: state")
    done = run_nowhere("run", "--config", tmp_path / "probe.yaml")
    assert_one_line(done, "run `probe setup` first")
    assert done.status == 2


def test_consent_to_an_older_text_is_asked_for_again(tmp_path: Path) -> None:
    agreed(tmp_path)
    file = tmp_path / "state" / "consent.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"text": "1999-1"}))
    (tmp_path / "probe.yaml").write_text("state: state")
    done = run_nowhere("run", "--config", tmp_path / "probe.yaml")
    assert_one_line(done, "has changed since")
    assert done.status == 2


def agreed(folder: Path) -> None:
    record_consent(folder / "state", dt.datetime.now(dt.UTC), "accept-risks", ())


def assert_one_line(done: Run, words: str) -> None:
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("Error: ")
    assert re.search(words, lines[0]), lines[0]
    assert done.status in {1, 2}
    assert done.stdout == ""
