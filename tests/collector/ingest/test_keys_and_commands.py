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
    assert run("probes", "--config", file).exit_code == 0
    assert run("revoke", "--config", file, probes[2][0].probe).exit_code == 0
    again = run("revoke", "--config", file, probes[2][0].probe, "nobody")
    assert again.exit_code == 1
    assert "no such account" in again.output
    assert "revoked: 2" in run("revoke", "--config", file, "--steward", "Ayşe").output
    with closing(Accounts.open(load_config(file).accounts_file)) as accounts:
        assert all(accounts.authenticated(token) is None for _, token in probes)


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
    assert run("restore", "--config", other, tmp_path / "backup").exit_code == 0
    assert run("restore", "--config", other, tmp_path / "nothing").exit_code == 1


def test_a_collector_without_keys_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "bare.yaml"
    file.write_text("state: bare\n")
    done = run("invite", "--config", file, "--steward", "x")
    assert done.exit_code == 2
    assert "probe collector init" in done.output
