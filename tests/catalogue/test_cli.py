import http.server
import json
import os
import pty
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import trustme
from click.testing import CliRunner, Result

from probe.catalogue.fingerprints import load_fingerprints
from probe.catalogue.ooni_csv import COLUMNS
from probe.cli.catalogue import catalogue

CSV = (
    ",".join(COLUMNS)
    + "\n"
    + "our.tr_1,isp,,dns,full,193.192.98.41,5,TR,,,\n"
    + "our.xx_1,nat,,body,contains,a notice of the state,7,,,,\n"
)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(catalogue, [str(argument) for argument in arguments], catch_exceptions=False)


def commands(group: click.Group) -> Iterator[click.Command]:
    for command in group.commands.values():
        yield command
        if isinstance(command, click.Group):
            yield from commands(command)


@pytest.mark.parametrize("command", [catalogue, *commands(catalogue)], ids=lambda command: str(command.name))
def test_every_command_shows_an_example_in_its_help(command: click.Command) -> None:
    result = CliRunner().invoke(command, ["--help"])
    assert result.exit_code == 0
    assert "Example" in result.output
    assert "probe catalogue" in result.output


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from probe.cli.catalogue import catalogue; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"httpx", "ruamel.yaml", "rich", "trio", "msgspec"} & set(done.stdout.split())


def test_list_is_plain_lines_when_piped() -> None:
    result = run("list", "--platform", "imo", "--platform", "dailymotion")
    assert [line.split("\t")[:3] for line in result.output.splitlines()] == [
        ["dailymotion", "web", "https://www.dailymotion.com/"],
        ["imo", "site", "https://imo.im/"],
    ]


def test_list_is_one_json_object_a_line_on_demand() -> None:
    lines = [json.loads(line) for line in run("list", "--platform", "telegram", "--format", "json").output.splitlines()]
    assert {(line["kind"], line["platform"]) for line in lines} == {("endpoint", "telegram")}
    first = lines[0]
    assert (first["service"], first["endpoint"], first["group"]) == ("messaging", "http://149.154.175.50/", "dc1")
    assert (first["scheme"], first["host"], first["port"], first["healthy"]) == (
        "http",
        "149.154.175.50",
        80,
        [404, 501],
    )


def test_list_is_a_table_on_a_terminal() -> None:
    leader, follower = pty.openpty()
    code = "from probe.cli.catalogue import catalogue; catalogue(['list', '--platform', 'imo'])"
    environment = {**os.environ, "COLUMNS": "120", "TERM": "xterm"}
    subprocess.run([sys.executable, "-c", code], stdout=follower, env=environment, check=True)
    os.close(follower)
    shown = os.read(leader, 65536).decode()
    os.close(leader)
    assert "platform" in shown
    assert "https://imo.im/" in shown
    assert "\t" not in shown


def test_an_unknown_platform_is_wrong_usage_and_the_known_ones_are_named() -> None:
    result = run("list", "--platform", "friendster")
    assert result.exit_code == 2
    assert "Error: no platform 'friendster' in the catalogue: it has bbc, bluesky" in result.output


def test_check_counts_what_the_shipped_catalogue_holds() -> None:
    result = run("check")
    assert result.exit_code == 0
    for what in ("platforms", "services", "endpoints", "anchors", "trusted resolvers", "fingerprints", "networks"):
        assert what in result.output


def test_check_tells_every_fault_of_every_file(tmp_path: Path) -> None:
    (tmp_path / "platforms").mkdir()
    (tmp_path / "platforms" / "a.yaml").write_text("id: a\n")
    (tmp_path / "platforms" / "b.yaml").write_text("id: [\n")
    (tmp_path / "fingerprints.yaml").write_text("fingerprints: 3\n")
    (tmp_path / "tables.yaml").write_text("operators: []\n")
    result = run("check", tmp_path)
    assert result.exit_code == 2
    assert result.output.splitlines() == [
        f"Error: {tmp_path}/platforms/a.yaml: the key 'name' is missing",
        f"Error: {tmp_path}/platforms/b.yaml:2: broken YAML: expected the node content, but found '<stream end>'",
        f"Error: {tmp_path}/fingerprints.yaml: fingerprints: expected a list, got a whole number",
        f"Error: {tmp_path}/tables.yaml: the key 'zones' is missing",
        "4 faults",
    ]


def test_a_catalogue_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    for command in (("check", tmp_path / "no"), ("list", "--catalogue", tmp_path / "no")):
        result = run(*command)
        assert result.exit_code == 2
        assert "no such file or folder" in result.output


def test_fingerprints_are_listed_by_country_with_those_of_everywhere() -> None:
    lines = run("fingerprints", "list", "--country", "by", "--format", "json").output.splitlines()
    countries = {tuple(json.loads(line).get("countries", ())) for line in lines}
    assert countries == {("BY",), ()}


def test_an_imported_list_keeps_the_more_cautious_scope_of_ours(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(CSV)
    result = run("fingerprints", "import", tmp_path / "list.csv", "--output", tmp_path / "out.json")
    assert result.exit_code == 0
    assert result.output == f"{tmp_path / 'out.json'}: 2 fingerprints\n"
    found = {fingerprint.name: fingerprint.scope for fingerprint in load_fingerprints(tmp_path / "out.json")}
    assert found == {"our.tr_1": "opt-in", "our.xx_1": "nat"}


def test_an_import_can_go_to_standard_output_and_be_listed_again(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(CSV)
    (tmp_path / "out").write_bytes(run("fingerprints", "import", tmp_path / "list.csv", "--output", "-").stdout_bytes)
    assert len(run("fingerprints", "list", "--file", tmp_path / "out").output.splitlines()) == 2


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("http://list.example/x.csv", "only https:// is fetched"),
        ("ftp://list.example/x.csv", "only https:// is fetched"),
        ("no-such-file.csv", "no-such-file.csv: cannot be read: No such file or directory"),
        ("https://127.0.0.1:1/x.csv", "https://127.0.0.1:1/x.csv: cannot be fetched: "),
        ("https://[/x.csv", "https://[/x.csv: cannot be fetched: "),
    ],
)
def test_a_list_that_cannot_be_had_is_one_line(tmp_path: Path, source: str, reason: str) -> None:
    result = run("fingerprints", "import", source, "--output", tmp_path / "out.json")
    assert result.exit_code == 2
    assert reason in result.output
    assert not (tmp_path / "out.json").exists()


def test_an_output_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(CSV)
    result = run("fingerprints", "import", tmp_path / "list.csv", "--output", tmp_path / "no" / "out.json")
    assert result.exit_code == 2
    assert "No such file or directory" in result.output


class _Lists(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved.csv":
            self.send_response(302)
            self.send_header("Location", "/list.csv")
            self.end_headers()
        elif self.path == "/insecure.csv":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/list.csv")
            self.end_headers()
        elif self.path == "/endless.csv":
            self.send_response(200)
            self.end_headers()
            for _ in range(40):
                self.wfile.write(b"x" * (1 << 20))
        else:
            self.send_response(200 if self.path == "/list.csv" else 404)
            self.end_headers()
            self.wfile.write(CSV.encode())

    def log_message(self, *arguments: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up on the endless list is what the test wants."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with _Server(("127.0.0.1", 0), _Lists) as listener:
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{listener.server_address[1]}", tmp_path / "ca.pem"
        listener.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/list.csv", "/moved.csv"])
def test_a_list_is_fetched_over_https(server: tuple[str, Path], tmp_path: Path, path: str) -> None:
    base, authority = server
    result = run("fingerprints", "import", f"{base}{path}", "--ca-file", authority, "--output", tmp_path / "o.json")
    assert result.exit_code == 0, result.output
    assert len(load_fingerprints(tmp_path / "o.json")) == 2


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/none.csv", "the server answered 404: check the URL"),
        ("/endless.csv", "larger than 32 MiB"),
        ("/insecure.csv", "redirected to without https://: the list could be altered on its way"),
    ],
)
def test_a_bad_answer_is_one_line(server: tuple[str, Path], tmp_path: Path, path: str, reason: str) -> None:
    base, authority = server
    result = run("fingerprints", "import", f"{base}{path}", "--ca-file", authority, "--output", tmp_path / "o.json")
    assert result.exit_code == 2
    assert reason in result.output


def test_a_server_of_an_unknown_authority_is_not_believed(server: tuple[str, Path], tmp_path: Path) -> None:
    result = run("fingerprints", "import", f"{server[0]}/list.csv", "--output", tmp_path / "o.json")
    assert result.exit_code == 2
    assert "certificate verify failed" in result.output
    missing = tmp_path / "no.pem"
    result = run("fingerprints", "import", f"{server[0]}/x", "--ca-file", missing, "--output", tmp_path / "o.json")
    assert f"{missing}: no certificate authorities" in result.output
