"""What an operator does once a year, and what comes of a slip."""

import datetime as dt
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from probe.catalogue.bundle import decode_bundle, unpacked
from probe.catalogue.keyring import Keyring
from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.catalogue.signatures import Keypair, decode_signed, opened, public_text, sign
from probe.cli.group import cli
from probe.clock import set_scenario
from probe.wire.signed import KeyDocument

NOW = dt.datetime.now(dt.UTC)


def probe(*arguments: str | Path, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli, ["catalogue", *map(str, arguments)], env=env)


def key_document(path: Path) -> KeyDocument:
    return msgspec.json.decode(decode_signed(path.read_bytes(), "keys").payload, type=KeyDocument)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a catalogue key and an online key."""
    for name in ("catalogue", "online"):
        assert probe("keys", "new", tmp_path / f"{name}.key").exit_code == 0
    return tmp_path


def test_a_year_takes_two_commands_and_probes_accept_what_they_write(folder: Path) -> None:
    key, signed, keys = folder / "catalogue.key", folder / "catalogue.json", folder / "keys.json"
    assert probe("sign", "--key", key, "--output", signed).exit_code == 0
    online = folder / "online.key.pub"
    assert probe("keys", "sign", "--key", key, "--online", online, "--output", keys).exit_code == 0
    owner = Keypair.load(key)
    bundle = decode_bundle(opened(decode_signed(signed.read_bytes(), "it"), [owner.public]))
    assert unpacked(bundle).catalogue.platforms == load_catalogue(default_catalogue_path()).platforms
    assert 399 <= (bundle.expires_at - NOW).days <= 400
    ring = Keyring.of([public_text(owner.public)]).after(decode_signed(keys.read_bytes(), "it"), NOW)
    assert ring.online_keys(NOW) == (Keypair.load(folder / "online.key").public,)


def test_a_key_is_shown_by_the_name_that_invitations_have(folder: Path) -> None:
    owner = Keypair.load(folder / "catalogue.key")
    for file in ("catalogue.key", "catalogue.key.pub"):
        assert probe("keys", "show", folder / file).output == f"{owner.name}  {public_text(owner.public)}\n"
    assert (folder / "catalogue.key").stat().st_mode & 0o777 == 0o600


def test_a_signed_document_is_shown_in_short(folder: Path) -> None:
    probe("keys", "sign", "--key", folder / "catalogue.key", "--revoke", "0" * 16, "--output", folder / "keys.json")
    said = probe("keys", "show", folder / "keys.json").output
    assert f"signed with  {Keypair.load(folder / 'catalogue.key').name}\n" in said
    assert f"revoked      {'0' * 16}\n" in said


def test_a_successor_and_a_revocation_are_carried_on(folder: Path) -> None:
    probe("keys", "new", folder / "next.key")
    first, second, third = (folder / f"{name}.json" for name in ("first", "second", "third"))
    old, new = (("--key", folder / f"{name}.key") for name in ("catalogue", "next"))
    assert probe("keys", "sign", *old, "--successor", folder / "next.key.pub", "--output", first).exit_code == 0
    stolen = Keypair.load(folder / "catalogue.key")
    assert probe("keys", "sign", *new, "--revoke", stolen.name, "--output", second).exit_code == 0
    assert probe("keys", "sign", *new, "--previous", second, "--output", third).exit_code == 0
    ring = Keyring.of([public_text(stolen.public)])
    for path in (first, second, third):
        ring = ring.after(decode_signed(path.read_bytes(), "it"), NOW)
    assert ring.catalogue_keys() == (Keypair.load(folder / "next.key").public,)
    assert key_document(third).revoked == (stolen.name,)


def test_the_dates_are_those_of_the_clock_that_is_named(folder: Path) -> None:
    at = dt.datetime(2020, 2, 27, 20, 30, tzinfo=dt.UTC)
    set_scenario(folder / "clock", at, 1.0)
    arguments = ("keys", "sign", "--key", folder / "catalogue.key", "--days", "30", "--output", folder / "keys.json")
    assert probe(*arguments, env={"PROBE_CLOCK": str(folder / "clock")}).exit_code == 0
    document = key_document(folder / "keys.json")
    assert dt.timedelta(0) <= document.made_at - at < dt.timedelta(minutes=5)
    assert document.expires_at - document.made_at == dt.timedelta(days=30)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("keys", "new", "catalogue.key"), "exists already and is not written over"),
        (("sign", "--key", "none.key", "--output", "o"), "none.key: cannot read the key: No such file"),
        (("sign", "--key", "catalogue.key.pub", "--output", "o"), "no private key"),
        (("sign", "broken", "--key", "catalogue.key", "--output", "o"), "unknown key 'nam'"),
        (("sign", "nowhere", "--key", "catalogue.key", "--output", "o"), "no such file or folder"),
        (("sign", "--key", "catalogue.key", "--output", "no/such/folder"), "cannot write the signed catalogue"),
        (("keys", "sign", "--key", "catalogue.key", "--online", "zzz", "--output", "o"), "'zzz' is no public key"),
        (("keys", "sign", "--key", "catalogue.key", "--revoke", "me", "--output", "o"), "16 hex digits"),
        (("keys", "sign", "--key", "catalogue.key", "--retire", "--output", "o"), "leaves no catalogue key"),
        (("keys", "sign", "--key", "catalogue.key", "--previous", "other.json", "--output", "o"), "no key document"),
        (("keys", "show", "broken/x.yaml"), "holds no public key"),
        (("keys", "show", "other.json"), "none of ours"),
    ],
)
def test_a_slip_is_one_line_and_writes_nothing(
    arguments: tuple[str, ...], reason: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    Path("broken").mkdir()
    Path("broken/x.yaml").write_text("id: x\nnam: X\nservices: {}\n")
    Path("other.json").write_bytes(msgspec.json.encode(sign(b"[]", Keypair.generate())))
    before = Path("catalogue.key").read_bytes()
    result = probe(*arguments)
    assert result.exit_code == 2
    assert result.output.startswith("Error: ")
    assert reason in result.output
    assert result.output.count("\n") == 1
    assert not Path("o").exists()
    assert Path("catalogue.key").read_bytes() == before
