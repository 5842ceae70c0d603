"""`probe collector init|invite|probes|revoke|publish|backup|restore`, as an operator uses them."""

import datetime as dt
import json
import re
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from probe.catalogue.bundle import packed
from probe.catalogue.keyring import Keyring
from probe.catalogue.loader import default_catalogue_path
from probe.catalogue.signatures import Keypair, encode_signed, key_name, public_key, public_text, sign
from probe.cli.collector_accounts import show_accounts
from probe.cli.group import cli
from probe.clock import SystemClock
from probe.collector.accounts import Accounts
from probe.collector.config import load_config
from probe.collector.documents import Documents
from probe.collector.keys import keyring
from probe.wire.signed import KeyDocument, OnlineKey, Signed


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["collector", *map(str, arguments)], prog_name="probe")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "collector.yaml"
    done = run("init", path, "--catalogue-key", tmp_path / "catalogue.pem", "--url", "https://collector.example")
    assert done.exit_code == 0, done.output
    return path


def signed_keys(file: Path) -> Signed:
    with closing(Documents.open(load_config(file).documents_file)) as documents:
        current = documents.current("keys")
    assert current is not None
    return msgspec.json.decode(current.body, type=Signed)


def test_init_makes_both_keys_and_says_where_the_catalogue_key_belongs(tmp_path: Path) -> None:
    key = tmp_path / "stick" / "catalogue.pem"
    key.parent.mkdir()
    done = run("init", tmp_path / "c.yaml", "--catalogue-key", key)
    assert done.exit_code == 0
    assert str(key) in done.output
    assert "offline" in done.output
    config = load_config(tmp_path / "c.yaml")
    for path in (key, config.online_key_file):
        assert path.stat().st_mode & 0o777 == 0o600
    assert config.state.stat().st_mode & 0o777 == 0o700
    assert not list(config.state.rglob("catalogue.pem"))
    document = msgspec.json.decode(signed_keys(tmp_path / "c.yaml").payload, type=KeyDocument)
    assert document.catalogue == (public_text(Keypair.load(key).public),)
    assert document.online[0].public == public_text(Keypair.load(config.online_key_file).public)


def test_a_stick_that_is_not_mounted_gets_no_key_and_no_backup(file: Path, tmp_path: Path) -> None:
    stick = tmp_path / "media" / "usb"
    done = run("init", tmp_path / "c.yaml", "--catalogue-key", stick / "catalogue.pem", "--url", "https://c.example")
    assert (done.exit_code, done.output.count("\n")) == (2, 1)
    assert f"there is no folder {stick}" in done.output
    assert not (tmp_path / "c.yaml").exists(), "the same command is given again once the stick is there"
    load_config(file).log_folder.mkdir()
    done = run("backup", "--config", file, stick / "today")
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert f"there is no folder {stick}" in done.output
    assert not stick.exists()


def test_the_first_configuration_says_what_https_and_networks_want(file: Path, tmp_path: Path) -> None:
    text = file.read_text()
    for key in ("geo", "tls", "trusted_proxies"):
        assert f"\n# {key}: " in text
    stanza = "\n".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("# trusted"))
    file.write_text(f"{text}\n{stanza}\n")
    assert len(load_config(file).trusted_proxies) == 1
    run("init", tmp_path / "plain.yaml", "--catalogue-key", tmp_path / "catalogue.pem")
    assert "trusted_proxies" not in (tmp_path / "plain.yaml").read_text()


def test_init_again_signs_anew_with_the_same_keys_and_forgets_no_other(file: Path, tmp_path: Path) -> None:
    before = signed_keys(file)
    with closing(Documents.open(load_config(file).documents_file)) as documents:
        old = msgspec.json.decode(before.payload, type=KeyDocument)
        successor = public_text(Keypair.generate().public)
        changed = msgspec.structs.replace(old, catalogue=(*old.catalogue, successor), revoked=("0" * 16,))
        signed = sign(msgspec.json.encode(changed), Keypair.load(tmp_path / "catalogue.pem"))
        documents.publish("keys", signed, "later", old.expires_at)
    assert run("init", file, "--catalogue-key", tmp_path / "catalogue.pem").exit_code == 0
    document = msgspec.json.decode(signed_keys(file).payload, type=KeyDocument)
    assert document.catalogue == (*old.catalogue, successor)
    assert document.revoked == ("0" * 16,)
    assert document.online[0].public == old.online[0].public
    assert document.made_at >= old.made_at
    Keyring.of(old.catalogue).after(signed_keys(file), SystemClock().now())


def test_an_invitation_is_a_link_that_names_the_catalogue_key_and_a_line_to_paste(file: Path) -> None:
    done = run("invite", "--config", file, "--steward", "Ayşe", "--format", "json")
    assert done.exit_code == 0
    shown = json.loads(done.output)
    match = re.fullmatch(r"https://collector\.example/invite#([A-Za-z0-9_-]{22,})\.([0-9a-f]{16})", shown["url"])
    assert match is not None
    document = msgspec.json.decode(signed_keys(file).payload, type=KeyDocument)
    assert match[2] == key_name(public_key(document.catalogue[0]))
    assert shown["command"] == f"probe setup --invitation '{shown['url']}'"
    with closing(Accounts.open(load_config(file).accounts_file)) as accounts:
        account, _ = accounts.enrol(match[1], "probe/1", SystemClock().now())
    assert (account.role, account.steward) == ("probe", "Ayşe")


def test_many_invitations_are_all_different(file: Path) -> None:
    done = run("invite", "--config", file, "--role", "control", "--count", 5, "--format", "json")
    assert len({json.loads(line)["url"] for line in done.output.splitlines()}) == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("invite",), "--steward is missing"),
        (("invite", "--steward", "x", "--expires", "soon"), "--expires: 'soon'"),
        (("revoke",), "name the probes"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(file: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments, "--config", file)
    assert done.exit_code == 2
    assert said in done.output
    assert done.output.strip().count("\n") == 0


def test_probes_are_listed_and_revoked_by_name_and_by_steward(file: Path) -> None:
    with closing(Accounts.open(load_config(file).accounts_file)) as accounts:
        probes = [accounts.create("probe", steward, SystemClock().now()) for steward in ("Ayşe", "Ayşe", "Mehmet")]
    listed = [json.loads(line) for line in run("probes", "--config", file, "--format", "json").output.splitlines()]
    assert {row["probe"] for row in listed} == {account.probe for account, _ in probes}
    header, *lines = [line.split("\t") for line in run("probes", "--config", file).output.splitlines()]
    assert header == ["probe", "role", "steward", "agent", "made on", "last seen", "revoked on"]
    assert {line[0] for line in lines} == {account.probe for account, _ in probes}
    assert {len(line) for line in lines} == {len(header)}
    assert run("revoke", "--config", file, probes[2][0].probe).exit_code == 0
    again = run("revoke", "--config", file, probes[2][0].probe, "nobody")
    assert again.exit_code == 1
    assert "no such account" in again.output
    assert "revoked: 2" in run("revoke", "--config", file, "--steward", "Ayşe").output
    with closing(Accounts.open(load_config(file).accounts_file)) as accounts:
        assert all(accounts.authenticated(token) is None for _, token in probes)


def test_the_beginning_of_an_id_revokes_where_it_stands_for_one_account(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = iter(("3f9a5c1e77b0d214", "3f9a5c1e77b0d999", "3f00000000000000"))
    monkeypatch.setattr("probe.collector.accounts.secrets.token_hex", lambda _: next(ids))
    with closing(Accounts.open(load_config(file).accounts_file)) as accounts:
        tokens = [accounts.create("probe", "Ayşe", SystemClock().now())[1] for _ in range(3)]

    def hold() -> list[bool]:
        with closing(Accounts.open(load_config(file).accounts_file)) as accounts:
            return [accounts.authenticated(token) is not None for token in tokens]

    many = run("revoke", "--config", file, "3f9a")
    assert (many.exit_code, "stands for 2 accounts" in many.output) == (2, True)
    assert run("revoke", "--config", file, "").exit_code == 1
    assert hold() == [True, True, True]
    assert "revoked: 1" in run("revoke", "--config", file, "3f0").output
    assert hold() == [True, True, False]
    assert "revoked: 1" in run("revoke", "--config", file, "3f9a5c1e77b0d2", "3f9a5c1e77b0d2").output
    assert "revoked: 1" in run("revoke", "--config", file, "3f9").output, "the others are revoked already"
    assert hold() == [False, False, False]


@pytest.mark.parametrize(("width", "is_drawn"), [("60", False), ("140", True)])
def test_on_a_terminal_ids_and_agents_are_whole_however_narrow_it_is(
    width: str, is_drawn: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row: dict[str, str | None] = {
        "probe": "3f9a5c1e77b0d214",
        "role": "probe",
        "steward": "Ayşe [Izmir]",
        "agent": "censorship-probe/1.22.333",
    }
    row |= {"made_on": "2026-11-22", "last_seen": "", "revoked_on": None}
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", width)
    show_accounts([row])
    drawn = capsys.readouterr().out
    assert "3f9a5c1e77b0d214" in drawn
    assert "censorship-probe/1.22.333" in drawn
    assert "_" not in drawn
    assert ("━" in drawn) is is_drawn


def test_what_was_signed_offline_is_published_if_a_key_that_holds_signed_it(file: Path, tmp_path: Path) -> None:
    now = SystemClock().now()
    owner = Keypair.load(tmp_path / "catalogue.pem")
    bundle = packed(default_catalogue_path(), now, now + dt.timedelta(days=30))
    old = msgspec.json.decode(signed_keys(file).payload, type=KeyDocument)
    online = OnlineKey(public=public_text(Keypair.generate().public), not_after=now + dt.timedelta(days=30))
    keys = msgspec.structs.replace(old, online=(*old.online, online), made_at=now)
    for name, document in (("catalogue", bundle), ("keys", keys)):
        path = tmp_path / f"{name}.signed.json"
        for key, status in ((Keypair.generate(), 2), (owner, 0)):
            path.write_bytes(encode_signed(sign(msgspec.json.encode(document), key)))
            done = run("publish", "--config", file, path)
            assert done.exit_code == status, done.output
        assert f"published as {name}" in done.output
    with closing(Documents.open(load_config(file).documents_file)) as documents:
        assert len(keyring(documents).online) == 2
    path.write_bytes(b"{}")
    assert run("publish", "--config", file, path).exit_code == 2


def test_backup_and_restore_say_how_far_the_log_goes(file: Path, tmp_path: Path) -> None:
    load_config(file).log_folder.mkdir()
    assert "position 0" in run("backup", "--config", file, tmp_path / "backup").output
    again = run("backup", "--config", file, tmp_path / "backup")
    assert (again.exit_code, again.output.count("\n")) == (1, 1)
    other = tmp_path / "other.yaml"
    other.write_text("state: other\n")
    back = run("restore", "--config", other, tmp_path / "backup")
    assert back.exit_code == 0
    assert f"probe collector replay --config {other}" in back.output
    assert "collector replay" in run("backup", "--help").output
    assert run("restore", "--config", other, tmp_path / "nothing").exit_code == 1


def test_a_collector_without_keys_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "bare.yaml"
    file.write_text("state: bare\n")
    done = run("invite", "--config", file, "--steward", "x")
    assert done.exit_code == 2
    assert "probe collector init" in done.output
