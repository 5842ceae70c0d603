"""`probe catalogue sign` and `probe catalogue keys`: what an operator does away from the collector, with a key that is
kept offline."""

# ruff: noqa: PLC0415 (imports inside functions keep `--help` fast)

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from probe.cli.faults import Fault, plain_faults, write_file

if TYPE_CHECKING:
    import datetime as dt

    from probe.wire.signed import KeyDocument, Signed

_PATH = click.Path(path_type=Path)
_KEY = click.option("--key", "key_file", type=_PATH, required=True, help="The catalogue key (made with `keys new`).")
_DAYS = click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=400,
    show_default=True,
    help="How long probes accept it as a download; what they hold they keep.",
)


@click.command()
@click.argument("folder", type=_PATH, required=False)
@_KEY
@click.option("--output", type=_PATH, required=True, help="File to write, which the collector then serves.")
@_DAYS
def sign(folder: Path | None, key_file: Path, output: Path, days: int) -> None:
    """Check a catalogue, pack it and sign it, so that probes accept it from a collector.

    FOLDER is a catalogue's; the shipped one by default. What it lacks (infrastructure, fingerprints, tables, private
    roots) comes from the shipped one.

    \b
    Example (once a year, or when the catalogue changes):
      probe catalogue sign my-catalogue/ --key catalogue.key --output catalogue.signed.json
    """
    import datetime as dt

    import msgspec

    from probe.catalogue.bundle import packed
    from probe.catalogue.loader import default_catalogue_path
    from probe.catalogue.signatures import Keypair, encode_signed
    from probe.catalogue.signatures import sign as signed_with

    with plain_faults():
        key = Keypair.load(key_file)
        made_at = _now()
        bundle = packed(folder or default_catalogue_path(), made_at, made_at + dt.timedelta(days=days))
    write_file(output, encode_signed(signed_with(msgspec.json.encode(bundle), key)), "the signed catalogue")
    click.echo(
        f"{output}: version {bundle.version}, {len(bundle.files)} files, signed with {key.name}, "
        f"expires {bundle.expires_at:%Y-%m-%d}",
        err=True,
    )


@click.group()
def keys() -> None:
    """Keys that catalogues and a collector's documents are signed with.

    The catalogue key is kept offline; probes know it by the invitation. The online key is the collector's own and signs
    leases and expectations. The key document, signed with the catalogue key, says which online keys hold, and which
    catalogue keys come after the present one.

    \b
    Example (once, then every year the last two; after that both files go to the collector):
      probe catalogue keys new catalogue.key
      probe catalogue sign --key catalogue.key --output catalogue.signed.json
      probe catalogue keys sign --key catalogue.key --online online.key.pub --output keys.json
    """


@keys.command("new")
@click.argument("file", type=_PATH)
def new(file: Path) -> None:
    """Make a key: FILE for its owner's eyes alone, FILE.pub to give away. Writes over nothing.

    \b
    Example:
      probe catalogue keys new catalogue.key
    """
    from probe.catalogue.signatures import Keypair, create_file, public_text

    public = file.with_name(f"{file.name}.pub")
    with plain_faults():
        if public.exists():
            raise Fault(f"{public}: exists already and is not written over: name another file")
        key = Keypair.generate()
        key.save(file)
        create_file(public, f"{public_text(key.public)}\n".encode(), 0o644)
    click.echo(f"{key.name}  {public_text(key.public)}")
    click.echo(
        f"{file}: keep it secret, keep it offline, and keep a copy: without it probes accept nothing new", err=True
    )


@keys.command("show")
@click.argument("file", type=_PATH)
def show(file: Path) -> None:
    """Show a key's name and its public half, or what a signed document says.

    \b
    Examples:
      probe catalogue keys show catalogue.key
      probe catalogue keys show keys.json
    """
    from probe.catalogue.signatures import decode_signed, key_name, public_text, read_public
    from probe.cli.faults import read_file

    raw = read_file(file, "a key")
    with plain_faults():
        if raw.lstrip().startswith(b"{"):
            _print_document(decode_signed(raw, str(file)))
            return
        public = read_public(file)
    click.echo(f"{key_name(public)}  {public_text(public)}")


@keys.command("sign")
@_KEY
@click.option("--online", multiple=True, metavar="KEY", help="A collector's online key: its file, or base64.")
@click.option("--successor", multiple=True, metavar="KEY", help="A catalogue key that holds from now on, too.")
@click.option("--retire", is_flag=True, help="The key that signs shall not hold any more: its successors do.")
@click.option("--revoke", multiple=True, metavar="NAME", help="Name of a key that shall hold no more, ever.")
@click.option("--previous", type=_PATH, help="The key document before this one: its revocations are carried on.")
@click.option("--output", type=_PATH, required=True, help="File to write, which the collector then serves.")
@_DAYS
def sign_keys(
    *,
    key_file: Path,
    online: tuple[str, ...],
    successor: tuple[str, ...],
    retire: bool,
    revoke: tuple[str, ...],
    previous: Path | None,
    output: Path,
    days: int,
) -> None:
    """Say which keys hold: the collector's online keys, and the catalogue keys that follow the present one.

    To renew the catalogue key, first sign with the old one a document that names the new one as --successor, and leave
    the probes time to see it; from then on sign with the new one. A key that was stolen is named with --revoke in a
    document that its successor signs.

    \b
    Examples:
      probe catalogue keys sign --key catalogue.key --online online.key.pub --output keys.json
      probe catalogue keys sign --key old.key --online online.key.pub --successor new.key.pub --output keys.json
      probe catalogue keys sign --key new.key --online online.key.pub --revoke 1f0c52a0e3b7d946 --output keys.json
    """
    import datetime as dt

    import msgspec

    from probe.catalogue.keyring import Keyring
    from probe.catalogue.signatures import Keypair, encode_signed, public_text
    from probe.catalogue.signatures import sign as signed_with
    from probe.wire.signed import KeyDocument, OnlineKey

    with plain_faults():
        key = Keypair.load(key_file)
        made_at = _now()
        expires_at = made_at + dt.timedelta(days=days)
        own = () if retire else (public_text(key.public),)
        revoked = (*(_previous(previous).revoked if previous else ()), *map(_name, revoke))
        document = KeyDocument(
            made_at=made_at,
            expires_at=expires_at,
            catalogue=tuple(dict.fromkeys((*own, *(public_text(_public(text)) for text in successor)))),
            online=tuple(OnlineKey(public=public_text(_public(text)), not_after=expires_at) for text in online),
            revoked=tuple(dict.fromkeys(revoked)),
        )
        signed = signed_with(msgspec.json.encode(document), key)
        Keyring.of([public_text(key.public)]).after(signed, made_at)
    write_file(output, encode_signed(signed), "the key document")
    _print_document(signed)
    if not online:
        click.echo("no --online key: probes will accept no lease and no expectations", err=True)


def _now() -> dt.datetime:
    import os

    from probe.clock import clock_from

    return clock_from(os.environ.get("PROBE_CLOCK")).now()


def _public(text: str) -> bytes:
    from probe.catalogue.signatures import public_key, read_public

    return read_public(Path(text)) if Path(text).exists() else public_key(text)


def _name(text: str) -> str:
    if len(text) != 16 or set(text) - set("0123456789abcdef"):
        raise Fault(f"--revoke {text!r}: a key's name is 16 hex digits: `probe catalogue keys show FILE` tells it")
    return text


def _previous(path: Path) -> KeyDocument:
    import msgspec

    from probe.catalogue.signatures import decode_signed
    from probe.cli.faults import read_file
    from probe.wire.signed import KeyDocument

    signed = decode_signed(read_file(path, "a key document"), str(path))
    try:
        return msgspec.json.decode(signed.payload, type=KeyDocument)
    except (msgspec.DecodeError, UnicodeError):
        raise Fault(f"{path}: no key document") from None


def _print_document(signed: Signed) -> None:
    """What is signed, in short, for the eyes of whoever is about to put it up. Whether the signature holds is not
    asked: that needs the key."""
    import msgspec

    from probe.catalogue.signatures import SignatureFault, key_name, public_key

    facts = msgspec.json.decode(signed.payload)
    if not isinstance(facts, dict):
        raise SignatureFault("the signed document is none of ours")
    click.echo(f"signed with  {signed.key}")
    for field in ("version", "made_at", "expires_at"):
        if field in facts:
            click.echo(f"{field.replace('_', ' '):<12} {facts[field]}")
    for text in facts.get("catalogue", ()):
        click.echo(f"catalogue    {key_name(public_key(text))}  {text}")
    for item in facts.get("online", ()):
        click.echo(f"online       {key_name(public_key(item['public']))}  {item['public']}  until {item['not_after']}")
    for name in facts.get("revoked", ()):
        click.echo(f"revoked      {name}")
    if isinstance(files := facts.get("files"), dict):
        click.echo(f"files        {len(files)}")
