"""What a person can get wrong: one line that says what and where, the right status, and never a traceback."""

import gzip
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest
import trio
import zstandard
from click.testing import CliRunner

from probe.cli.group import cli

from .running import PROBE, Run, assert_one_fault, ended, nowhere, run_nowhere, started

SITE = "https://example.com/"
BOMB = 300 << 20  # bytes, more than saved measurements may have
SMALL = """\
id: facebook
name: Facebook
domains: [facebook.com]
services:
  web:
    endpoints:
      - {url: "https://www.facebook.com/", source: made up, conf: M}
"""
LINE = json.dumps(
    {"kind": "endpoint", "id": "0", "endpoint": SITE, "started_at": "2026-01-02T03:04:05Z", "duration": 1.0}
)


@pytest.fixture
def no_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process nothing may be measured: its network is the machine's own."""

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a round began")

    monkeypatch.setattr(trio, "run", refuse)


def called(*arguments: str | Path) -> Run:
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Run(done.exit_code, done.stdout, done.stderr, 0.0, 0.0)


# --- whole processes ---


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["facebok"], ["'facebok'", "did you mean facebook", "probe catalogue list"]),
        (["https://exa mple.com/"], ["https://exa mple.com/", "white space"]),
        (["https://10.0.0.1/"], ["10.0.0.1", "not a public address"]),
        (["https://user:secret@example.com/"], ["leave it out"]),
        (["x", "--deep", "--light"], ["--deep", "--light"]),
        (["x", "--resolver", "notanaddress"], ["'notanaddress'", "--resolver"]),
        (["x", "--timeout", "0"], ["--timeout", "0.5"]),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: list[str], words: list[str]) -> None:
    assert_one_fault(run_nowhere("measure", *arguments), 2, *words)


def test_a_ca_file_that_holds_no_certificate_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate\n")
    for file in (empty, tmp_path):
        assert_one_fault(run_nowhere("measure", SITE, "--ca-file", file, "--format", "json"), 2, str(file))


def ended_nowhere(*arguments: str | Path, within: list[str]) -> Run:
    return ended(started([*nowhere(), *within, *PROBE, *map(str, arguments)], os.environ))


ENDLESS = Path("/dev/zero")
LITTLE_MEMORY = ["prlimit", f"--as={3 << 29}"]  # a read without end hurts nobody but itself


@pytest.mark.parametrize(
    ("status", "arguments"),
    [
        (1, ["judge", ENDLESS]),
        (2, ["measure", SITE, "--ca-file", ENDLESS]),
        (2, ["measure", SITE, "--expectations", ENDLESS]),
        (2, ["judge", os.devnull, "--fingerprints", ENDLESS]),
    ],
    ids=["judge", "ca-file", "expectations", "fingerprints"],
)
def test_a_file_without_end_is_given_up_before_it_fills_memory(status: int, arguments: list[str | Path]) -> None:
    run = ended_nowhere(*arguments, within=LITTLE_MEMORY)
    assert_one_fault(run, status, str(ENDLESS))
    assert run.seconds < 10
    assert run.peak < 800


LOOPBACK_ALONE = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"]  # without it Linux lets any address be bound


@pytest.mark.parametrize("address", ["203.0.113.7", "2001:db8::7", "255.255.255.255"])
def test_a_source_that_this_machine_has_not_is_named(address: str) -> None:
    run = ended_nowhere("measure", SITE, "--source", address, within=LOOPBACK_ALONE)
    assert_one_fault(run, 2, f"--source {address}: ", "this machine")


@pytest.mark.usefixtures("no_round")
def test_a_source_that_this_machine_has_not_is_named_before_anything_is_sent() -> None:
    assert_one_fault(called("measure", SITE, "--source", "203.0.113.7"), 2, "--source 203.0.113.7: ", "this machine")


def test_a_source_that_this_machine_has_is_taken() -> None:
    """So that the two above could fail."""
    run = ended_nowhere("measure", SITE, "--source", "127.0.0.1", "--format", "json", within=LOOPBACK_ALONE)
    assert (run.status, run.faults) == (0, [])


def test_an_output_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "nowhere" / "out.json"
    assert_one_fault(run_nowhere("measure", SITE, "--output", file), 2, str(file), "cannot write")


def test_a_network_that_leads_nowhere_is_said_to_be_none() -> None:
    run = run_nowhere("measure", SITE, "--format", "json")
    assert (run.status, run.faults) == (0, [])
    (line,) = run.objects
    assert (line["outcome"], line["void"], line["technique"]) == ("void", "offline", None)
    assert all(step["failure"] for step in line["steps"])


def test_no_expectations_are_saved_from_a_network_that_is_void(tmp_path: Path) -> None:
    file = tmp_path / "expectations.json"
    run = run_nowhere("measure", SITE, "--save-expectations", file, "--format", "json")
    assert run.status == 1
    assert [line.partition(":")[0] for line in run.faults] == ["Error"]
    assert "cannot serve as a control" in run.stderr
    assert not file.exists()


# --- the command's own words ---


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("Facbook", ["unknown platform", "facebook"]),
        ("qqqqqqqq", ["unknown platform 'qqqqqqqq'", "https://NAME/"]),
        ("", ["unknown platform ''"]),
        ("https://", ["missing host"]),
        ("https:/x.com", ["https:/x.com"]),
        ("gopher://x.com/", ["unknown scheme 'gopher'"]),
        ("https://x.com:99999/", ["bad port '99999'"]),
        ("https://[::1]/", ["not a public address"]),
        ("https://[::ffff:10.0.0.1]/", ["not a public address"]),
        ("https://[fe80::1%25eth0]/", ["malformed|zone"]),
        ("https://127.1/", ["IPv4"]),
        ("https://0x7f000001/", ["IPv4"]),
        ("https://169.254.169.254/", ["not a public address"]),
        ("https://localhost/", ["not a public name"]),
        ("https://router.internal/", ["not a public name"]),
        ("dns:8.8.8.8", ["wants a name"]),
        ("tcp://x.com", ["missing port"]),
        ("https://x\x00.com/", ["control characters"]),
        ("https://" + "a" * 3000 + ".com/", ["2048"]),
    ],
)
@pytest.mark.usefixtures("no_round")
def test_a_word_that_names_nothing_is_refused(what: str, words: list[str], tmp_path: Path) -> None:
    small = tmp_path / "facebook.yaml"
    small.write_text(SMALL)
    assert_one_fault(called("measure", what, "--catalogue", small), 2, *words)


@pytest.mark.parametrize("option", [["--timeout", "61"], ["--timeout", "soon"], ["--concurrency", "0"]])
@pytest.mark.usefixtures("no_round")
def test_an_option_out_of_its_range_is_refused(option: list[str]) -> None:
    assert_one_fault(called("measure", SITE, *option), 2, option[0])


@pytest.mark.parametrize("address", ["1.2.3", "example.com", "1.2.3.4:53", "::1::", " "])
@pytest.mark.parametrize("option", ["--resolver", "--source"])
@pytest.mark.usefixtures("no_round")
def test_a_source_or_resolver_that_is_no_address_is_refused(option: str, address: str) -> None:
    assert_one_fault(called("measure", SITE, option, address), 2, option)


BROKEN_CATALOGUES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda _: None, "no such file"),
    "empty-folder": (lambda path: path.mkdir(), "no platforms"),
    "tabs": (lambda path: path.write_text("id: x\n\tname: [\n"), "mine.yaml:2: "),
    "unclosed": (lambda path: path.write_text("id: [x\n"), "mine.yaml:2: "),
    "a-list": (lambda path: path.write_text("- x\n"), "mapping|expected"),
    "binary": (lambda path: path.write_bytes(b"\x00\xff\xfe" * 99), "UTF-8|utf-8"),
    "empty": (lambda path: path.write_text(""), ""),
    "private": (
        lambda path: path.write_text(
            "id: x\nname: X\ndomains: [x.com]\nservices:\n  web:\n    endpoints:\n"
            "      - {url: 'https://192.168.0.1/', source: s, conf: C}\n"
        ),
        "192.168.0.1",
    ),
    "unreadable": (lambda path: os.symlink(path, path), "no such file|symbolic"),
}


@pytest.mark.parametrize("kind", BROKEN_CATALOGUES)
@pytest.mark.parametrize("command", ["measure", "judge"])
@pytest.mark.usefixtures("no_round")
def test_a_broken_catalogue_is_named(command: str, kind: str, tmp_path: Path) -> None:
    path, (make, why) = tmp_path / "mine.yaml", BROKEN_CATALOGUES[kind]
    make(path)
    measured = tmp_path / "saved.jsonl"
    measured.write_text(LINE)
    subject = "x" if command == "measure" else measured
    assert_one_fault(called(command, subject, "--catalogue", path), 2, "mine.yaml", why)


BROKEN_EXPECTATIONS: dict[str, bytes | None] = {
    "missing": None,
    "empty": b"",
    "not-json": b"expectations: yes\n",
    "truncated": b'{"made_at":"2026-01-01T00:00:00Z","endpoints":{',
    "no-fields": b"{}",
    "a-list": b"[]",
    "wrong-types": b'{"made_at":"2026-01-01T00:00:00Z","endpoints":{"https://x.com/":7}}',
    "no-time": b'{"made_at":"yesterday"}',
    "nested": b'{"made_at":"2026-01-01T00:00:00Z","endpoints":' + b"[" * 200_000,
    "a-measurement": LINE.encode(),
}


@pytest.mark.parametrize("kind", BROKEN_EXPECTATIONS)
@pytest.mark.parametrize("command", ["measure", "judge"])
@pytest.mark.usefixtures("no_round")
def test_expectations_that_are_none_are_named(command: str, kind: str, tmp_path: Path) -> None:
    path, content = tmp_path / "expected.json", BROKEN_EXPECTATIONS[kind]
    if content is not None:
        path.write_bytes(content)
    measured = tmp_path / "saved.jsonl"
    measured.write_text(LINE)
    subject = SITE if command == "measure" else measured
    assert_one_fault(called(command, subject, "--expectations", path), 2, "expected.json")


@pytest.mark.parametrize("content", [None, b"", b"\xff\x00", b"- 7\n", b"fingerprints: {", b"[]"])
def test_fingerprints_that_are_none_are_named(content: bytes | None, tmp_path: Path) -> None:
    path, measured = tmp_path / "marks.yaml", tmp_path / "saved.jsonl"
    measured.write_text(LINE)
    if content is not None:
        path.write_bytes(content)
    assert_one_fault(called("judge", measured, "--fingerprints", path), 2, "marks.yaml")


# --- files to judge ---


def zeros(open_: Callable[[io.BytesIO], io.IOBase]) -> bytes:
    """`BOMB` zeros, packed."""
    packed = io.BytesIO()
    with open_(packed) as file:
        for _ in range(BOMB >> 20):
            file.write(bytes(1 << 20))
    return packed.getvalue()


def gzipped(packed: io.BytesIO) -> io.IOBase:
    return gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1)


def zstandard_packed(packed: io.BytesIO) -> io.IOBase:
    writer: Any = zstandard.ZstdCompressor().stream_writer(packed, closefd=False)
    return cast("io.IOBase", writer)


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "white": (b"\n\n  \n", "empty"),
    "garbage": (bytes(range(256)) * 8, "not JSON"),
    "text": (b"Dear observatory,\n", "not JSON"),
    "truncated": (LINE[:-9].encode(), "not JSON"),
    "number": (b"7", "neither"),
    "array-of-numbers": (b"[7]", "line 1: neither"),
    "another-document": (b'{"hello": "world"}', "neither a measurement of ours nor of OONI"),
    "another-kind": (b'{"kind": "endpoint"}', "not a measurement"),
    "wrong-type": (LINE.replace("1.0", '"long"').encode(), r"duration"),
    "nested": (b"[" * 200_000, "nested"),
    "gzip-truncated": (gzip.compress(LINE.encode() * 99)[:-12], "damaged"),
    "gzip-garbage": (b"\x1f\x8b" + bytes(64), "damaged"),
    "zstd-truncated": (zstandard.compress(LINE.encode() * 99)[:-4], "damaged"),
    "zstd-garbage": (b"\x28\xb5\x2f\xfd" + bytes(64), "damaged"),
    "gzip-of-garbage": (gzip.compress(b"\xff" * 99), "not JSON"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_file_that_holds_no_measurement_is_named(kind: str, tmp_path: Path) -> None:
    path, (content, why) = tmp_path / "saved.json", UNREADABLE[kind]
    path.write_bytes(content)
    assert_one_fault(called("judge", path), 1, "saved.json", why)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    assert_one_fault(called("judge", tmp_path / "none.json"), 1, "none.json: cannot read", "No such file")
    assert_one_fault(called("judge", tmp_path), 1, str(tmp_path), "directory")


@pytest.mark.parametrize("pack", [gzipped, zstandard_packed])
def test_a_file_that_swells_is_given_up_before_it_fills_memory(
    pack: Callable[[io.BytesIO], io.IOBase], tmp_path: Path
) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(zeros(pack))
    assert path.stat().st_size < 2 << 20
    run = run_nowhere("judge", path)
    assert_one_fault(run, 1, "bomb: more than 256 MiB when decompressed")
    assert run.peak < 800
    assert run.seconds < 20


def test_one_bad_file_or_line_does_not_hide_the_others(tmp_path: Path) -> None:
    mixed, good = tmp_path / "mixed.jsonl", tmp_path / "good.json"
    mixed.write_text(f"{LINE}\n{{broken\n\n{LINE}\n")
    good.write_text(LINE)
    run = called("judge", tmp_path / "none", mixed, good, "--format", "json")
    assert run.status == 1
    assert [(Path(line["file"]).name, line["line"]) for line in run.objects] == [
        ("mixed.jsonl", 1),
        ("mixed.jsonl", 4),
        ("good.json", 1),
    ]
    assert [line.rpartition("/")[2].partition(":")[0] for line in run.stderr.splitlines()] == [
        "none",
        "mixed.jsonl, line 2",
    ]
