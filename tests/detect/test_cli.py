"""`probe detect`: what it reads, what it writes, and what it says of files that are not votes."""

import io
import json
import os
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probe.cli.detect_view import show
from probe.cli.group import cli
from probe.detect.history import history
from probe.detect.saved import COLUMNS, VotesError, read_votes
from probe.detect.votes import Presence, Vote
from tests.detect.worlds import HOUR, OPEN, START, Block, Network, votes_of

HEADER = ",".join(COLUMNS)
BEGAN = START + 4 * HOUR
ROW = "2026-11-22T06:00:00Z,TR,9121,x,web,p1,ok,"


def world() -> list[Vote]:
    block = Block(BEGAN, BEGAN + HOUR, (9121,), ("x",))
    networks = [Network(9121, 3), Network(3320, 3, "DE")]
    votes = votes_of(random.Random(1), networks, ["x", "facebook"], (START, BEGAN + 2 * HOUR), [block])
    return [msgspec.structs.replace(v, time=round(v.time, 3)) for v in votes]


def iso(moment: float) -> str:
    return datetime.fromtimestamp(round(moment, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def csv_of(votes: Sequence[Vote], when: Callable[[float], str] = iso) -> str:
    rows = [
        f"{when(v.time)},{v.country},{v.asn},{v.platform},{v.service},{v.probe},{v.outcome},{v.technique}"
        for v in votes
    ]
    return "\n".join([HEADER, *rows]) + "\n"


def called(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["detect", *map(str, arguments)], input=stdin)


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "votes.csv"
    path.write_text(csv_of(world()))
    return path


def test_restrictions_and_incidents_are_told_with_the_datas_own_times(plain: Path) -> None:
    restriction, incident = lines(called(plain))
    named = {"onset", "onset_after", "onset_before", "confirmed_at", "ended_at", "state", "technique", "evidence"}
    assert named <= restriction.keys()
    assert (restriction["kind"], incident["kind"]) == ("restriction", "incident")
    assert (restriction["state"], restriction["asn"], restriction["platform"]) == ("ended", 9121, "x")
    assert restriction["technique"] == "sni-drop"
    moments = [restriction[name] for name in ("onset_after", "onset", "confirmed_at", "ended_at")]
    assert moments == sorted(moments)
    assert iso(BEGAN) <= restriction["onset"] <= iso(BEGAN + 300)
    assert iso(BEGAN + HOUR) <= restriction["ended_at"] <= iso(BEGAN + HOUR + 300)
    assert incident["restrictions"] == [restriction["id"]]
    assert {contrast["name"] for contrast in restriction["evidence"]["contrasts"]} >= {"elsewhere"}


def as_json(votes: Sequence[Vote]) -> str:
    return "".join(
        json.dumps({name: getattr(v, name) for name in COLUMNS if getattr(v, name)} | {"extra": [1]}) + "\n"
        for v in votes
    )


FORMS: dict[str, Callable[[list[Vote]], bytes]] = {
    "json lines": lambda votes: as_json(votes).encode(),
    "windows": lambda votes: b"\xef\xbb\xbf" + csv_of(votes).replace("\n", "\r\n").encode(),
    "utf-16": lambda votes: csv_of(votes).encode("utf-16"),
    "seconds": lambda votes: csv_of(votes, lambda moment: f"{moment:.3f}").encode(),
    "milliseconds": lambda votes: csv_of(votes, lambda moment: f"{moment * 1000:.0f}").encode(),
    "spaces and no zone": lambda votes: csv_of(votes, lambda m: f" {iso(m)[:-1].replace('T', ' ')} ").encode(),
    "another zone": lambda votes: csv_of(
        votes, lambda m: datetime.fromtimestamp(round(m, 3), UTC).astimezone().isoformat()
    ).encode(),
    "shuffled": lambda votes: csv_of(random.Random(2).sample(votes, len(votes))).encode(),
    "twice": lambda votes: csv_of([*votes, *votes]).encode(),
    "no last column": lambda votes: csv_of(votes).replace(",ok,\n", ",ok\n").encode(),
    "AS in front, other case": lambda v: csv_of(v).replace(",9121,", ",AS9121,").replace(",ok,", ", OK,").encode(),
    "blank lines and another order": lambda votes: "\n\n".join(
        ",".join(reversed(row.split(","))) for row in csv_of(votes).splitlines()
    ).encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_any_form_of_the_same_votes_gives_the_same_answer(plain: Path, form: str) -> None:
    wanted = called(plain).stdout
    assert called("-", stdin=FORMS[form](world())).stdout == wanted


def test_several_files_are_one_history(plain: Path, tmp_path: Path) -> None:
    rows = plain.read_text().splitlines(True)
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_text("".join([rows[0], *rows[2::2]]))
    two.write_text("".join([rows[0], *rows[1::2]]))
    assert called(two, one).stdout == called(plain).stdout


def test_standing_ok_takes_new_probes_at_their_word(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    once = [(START + 600 * n, "ok") for n in range(200)] + [(START + 120_000 + 600 * n, "blocked") for n in range(9)]
    rows = [f"{moment},KE,33771,telegram,messaging,row{n},{outcome}," for n, (moment, outcome) in enumerate(once)]
    path.write_text("\n".join([HEADER, *rows]))
    assert [line for line in lines(called(path)) if line.get("confirmed_at")] == []
    told = lines(called("--standing-ok", path))
    assert [line["state"] for line in told] == ["confirmed", "confirmed"]


def test_dismissed_suspicions_are_shown_where_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    outcomes = ["ok"] * 50 + ["blocked"] * 4 + ["ok"] * 20
    rows = [f"{START + 300 * n},TR,9121,x,web,p1,{outcome}," for n, outcome in enumerate(outcomes)]
    path.write_text("\n".join([HEADER, *rows]))
    assert lines(called(path)) == []
    assert [line["state"] for line in lines(called(path, "--dismissed"))] == ["dismissed", "dismissed"]


def test_void_rounds_are_no_votes(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text(f"{HEADER}\n{ROW}\n{ROW.replace(',ok,', ',void,')}\n{ROW.replace(',ok,', ',inconclusive,')}\n")
    found = list(read_votes(path.read_bytes(), "votes"))
    assert [type(item) for item in found] == [Vote, Presence]


def test_a_terminal_gets_a_table_and_sentences() -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    votes = world()
    for out in (Terminal(), io.StringIO()):
        show(history(votes, OPEN), out, len(votes), dismissed=False)
        said = out.getvalue()
        assert "TR AS9121" in said
        assert "1 restriction confirmed" in said
        assert "sni-drop" in said


def vote_in_json(**more: Any) -> str:
    row = dict(zip(COLUMNS, ROW.split(","), strict=True))
    return json.dumps(row | more) + "\n"


FAULTS = [
    ("", "empty"),
    ("\n\n", "empty"),
    ("time,country\n1,TR\n", r":1: .*lacks asn"),
    (f"{HEADER},asn\n{ROW},1\n", r":1: .*asn twice"),
    (f"{HEADER}\n{ROW}\nyesterday{ROW[20:]}\n", r":3: time is 'yesterday'"),
    (f"{HEADER}\n,{ROW[21:]}\n", r":2: time is missing"),
    (f"{HEADER}\n1e300,{ROW[21:]}\n", r":2: time"),
    (f"{HEADER}\nnan,{ROW[21:]}\n", r":2: time"),
    (f"{HEADER}\n20200227,{ROW[21:]}\n", r":2: time is '20200227', .*2020-02-27"),
    (f"{HEADER},role\n{ROW},controls\n", r":2: role is 'controls', neither probe nor control"),
    (f"{HEADER}\n0001-01-01T00:00:00Z,{ROW[21:]}\n", r":2: time"),
    (f"{HEADER}\n{ROW.replace('TR', 'Turkey')}\n", r":2: country is 'Turkey'"),
    (f"{HEADER}\n{ROW.replace('9121', 'x9')}\n", r":2: asn is 'x9'"),
    (f"{HEADER}\n{ROW.replace('9121', '99999999999')}\n", r":2: asn"),
    (f"{HEADER}\n{ROW.replace('p1', '')}\n", r":2: probe is missing"),
    (f"{HEADER}\n{ROW.replace(',ok,', ',fine,')}\n", r":2: outcome is 'fine'.*blocked"),
    (f"{HEADER}\n{ROW.replace(',ok,', ',,')}\n", r":2: outcome is missing"),
    (f"{HEADER}\n{ROW},a,b\n", r":2: 10 fields where the header has 8"),
    (f'{HEADER}\n"{ROW}\n', r":2: not CSV"),
    ('{"time": 1\n', r":1: not a JSON object"),
    ('{"time": 1790000000, "country": "TR"}\n[]\n', r":1: asn is missing|:1: outcome is missing"),
    (vote_in_json(time=20200227), r":1: time is '20200227'"),
    (vote_in_json(platform={"a": 1}), r":1: platform is .*neither a word nor a number"),
    (vote_in_json(service=["web"]), r":1: service is .*neither a word nor a number"),
    (vote_in_json(probe=[]), r":1: probe is .*neither a word nor a number"),
    (vote_in_json(outcome="blocked", technique={}), r":1: technique is .*neither a word nor a number"),
    (vote_in_json()[:-2] + ', "x": ' + "[" * 200_000 + "]" * 200_000 + "}\n", r":1: nested too deep"),
    (f'{{"a": 1}}\n{HEADER}', r":1: outcome is missing"),
]


@pytest.mark.parametrize(("content", "said"), FAULTS)
def test_a_file_that_is_not_votes_is_named_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "votes.csv"
    path.write_text(content)
    with pytest.raises(VotesError, match=said):
        list(read_votes(path.read_bytes(), str(path)))
    result = called(path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert str(path) in result.stderr


@pytest.mark.parametrize("role", ["probe", "Control", ""])
def test_a_role_is_read_and_may_be_absent(role: str) -> None:
    (found,) = read_votes(f"{HEADER},role\n{ROW},{role}\n".encode(), "votes")
    assert isinstance(found, Vote)
    assert found.role == (role.lower() or "probe")


def test_false_alarms_that_are_no_number_are_refused(plain: Path) -> None:
    result = called(plain, "--false-alarms-per-year", "nan")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: --false-alarms-per-year nan: it takes a number\n"


def test_noise_that_is_no_number_is_refused_by_a_simulation() -> None:
    result = CliRunner().invoke(cli, ["simulate", "healthy", "--noise", "nan"])
    assert (result.exit_code, result.stderr) == (2, "Error: --noise nan: it takes a number\n")


def test_bytes_that_are_no_text_are_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / "votes.gz"
    path.write_bytes(b"\x1f\x8b\x08\x00\xff\xff")
    result = called(path)
    assert result.exit_code == 2
    assert "not compressed" in result.stderr


def test_files_that_are_not_there_and_standard_input_given_twice(tmp_path: Path) -> None:
    assert called(tmp_path / "none.csv").exit_code == 2
    assert called(tmp_path).exit_code == 2
    assert "once" in called("-", "-", stdin=b"").stderr
    assert called().exit_code == 2


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: f"{HEADER}\n{text}".encode())))
def test_any_bytes_are_votes_or_one_named_fault(raw: bytes) -> None:
    try:
        found = list(read_votes(raw, "votes"))
    except VotesError as exc:
        found, fault = [], str(exc)
    else:
        fault = "votes:"
    assert fault.startswith("votes:")
    assert "\n" not in fault
    assert all(isinstance(item, Vote | Presence) for item in found)


def test_a_closed_pipe_ends_it_quietly(plain: Path) -> None:
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "probe", "detect", str(plain)]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert "Traceback" not in done.stderr
