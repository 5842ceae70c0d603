"""Keys as files, and signatures that hold for what was signed and nothing else."""

import os
import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.catalogue.signatures import (
    Keypair,
    SignatureFault,
    decode_signed,
    encode_signed,
    key_name,
    opened,
    public_key,
    public_text,
    read_public,
    sign,
)

KEY, OTHER = Keypair.generate(), Keypair.generate()


def test_a_key_is_kept_for_its_owner_alone_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.key"
    KEY.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Keypair.load(path).public == KEY.public


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.key"
    KEY.save(path)
    with pytest.raises(SignatureFault, match=r"exists already"):
        OTHER.save(path)
    assert Keypair.load(path).name == KEY.name


def test_a_key_is_what_openssl_takes_for_one(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.key"
    KEY.save(path)
    told = subprocess.run(
        ["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], capture_output=True, check=True
    )
    assert told.stdout[-32:] == KEY.public


def test_public_halves_are_read_from_every_form(tmp_path: Path) -> None:
    private, pem, text = tmp_path / "k", tmp_path / "k.pem", tmp_path / "k.pub"
    KEY.save(private)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", pem], check=True)
    text.write_text(f"{public_text(KEY.public)}\n")
    assert {read_public(path) for path in (private, pem, text)} == {KEY.public}
    assert public_key(public_text(KEY.public)) == KEY.public


def _openssl(path: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments, "-out", path], check=True, capture_output=True)


@pytest.mark.parametrize("case", ["missing", "rubbish", "rsa", "encrypted", "public", "folder"])
def test_what_is_no_key_is_told_in_one_line_with_its_name(case: str, tmp_path: Path) -> None:
    path = tmp_path / "some.key"
    match case:
        case "rubbish":
            path.write_bytes(os.urandom(200))
        case "rsa":
            _openssl(path, "genpkey", "-algorithm", "RSA")
        case "encrypted":
            _openssl(path, "genpkey", "-algorithm", "ED25519", "-aes128", "-pass", "pass:secret")
        case "public":
            KEY.save(tmp_path / "k")
            _openssl(path, "pkey", "-in", str(tmp_path / "k"), "-pubout")
        case "folder":
            path.mkdir()
    with pytest.raises(SignatureFault) as caught:
        Keypair.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_name_is_the_beginning_of_the_digest_of_the_public_key() -> None:
    assert key_name(bytes(32)) == "66687aadf862bd77"  # sha256sum of 32 zero bytes


def test_what_was_signed_is_opened_and_travels(tmp_path: Path) -> None:
    signed = sign('{"name": "Türkiye"}'.encode(), KEY)
    (tmp_path / "signed.json").write_bytes(encode_signed(signed))
    again = decode_signed((tmp_path / "signed.json").read_bytes(), "signed.json")
    assert opened(again, [OTHER.public, KEY.public]) == '{"name": "Türkiye"}'.encode()


@given(st.text(min_size=1), st.data())
def test_no_change_goes_unnoticed(text: str, data: st.DataObject) -> None:
    signed = sign(text.encode("utf-8", "replace"), KEY)
    place = data.draw(st.integers(0, len(signed.payload) - 1))
    letter = data.draw(st.characters(codec="utf-8").filter(lambda c: c != signed.payload[place]))
    changed = signed.payload[:place] + letter + signed.payload[place + 1 :]
    with pytest.raises(SignatureFault, match="was changed"):
        opened(msgspec.structs.replace(signed, payload=changed), [KEY.public])


def test_a_signature_of_another_key_does_not_hold_under_this_ones_name() -> None:
    forged = msgspec.structs.replace(sign(b"{}", OTHER), key=KEY.name)
    with pytest.raises(SignatureFault, match="was changed"):
        opened(forged, [KEY.public, OTHER.public])
    with pytest.raises(SignatureFault, match="not accepted here"):
        opened(sign(b"{}", OTHER), [KEY.public])


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"payload": "", "key": ""}', b"\xff", b"[" * 100_000, b'{"payload":"\xff"}']
)
def test_what_is_no_signed_document_is_told_in_one_line(raw: bytes) -> None:
    with pytest.raises(SignatureFault, match=r"^the file: no signed document$"):
        decode_signed(raw, "the file")
