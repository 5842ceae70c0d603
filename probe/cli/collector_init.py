"""`probe collector init`: the first configuration, and what to do with the catalogue key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from probe.cli.faults import Fault, write_file

if TYPE_CHECKING:
    from probe.collector.config import CollectorConfig

_FIRST = """\
# The collector's configuration (YAML 1.2). Every key is explained in configs/collector/collector.yaml.
state: {state}
listen: 127.0.0.1:8640
{url}
# Tables of networks and countries in MaxMind's format, such as GeoLite2's. Without one no incident can be confirmed.
# geo: [GeoLite2-ASN.mmdb, GeoLite2-Country.mmdb]
{secure}"""
_SECURE = """
# For https:// a certificate of its own, or a reverse proxy before it:
# tls: {certificate: fullchain.pem, key: privkey.pem}
# trusted_proxies: [127.0.0.1]
"""


def first_configuration(path: Path, state: Path | None, url: str | None) -> None:
    """Write one where there is none."""
    if path.exists():
        if state is not None or url is not None:
            raise Fault(f"{path}: exists already: change state and url in it, not on the command line")
        return
    import json  # noqa: PLC0415

    folder = json.dumps(str((state or path.absolute().parent / "collector-state").absolute()))
    line = f"url: {json.dumps(url)}\n" if url else "# url: https://collector.example\n"
    secure = _SECURE if url and url.startswith("https:") else ""
    write_file(path, _FIRST.format(state=folder, url=line, secure=secure).encode(), "the configuration")


def keep_the_key(key: Path, name: str, config: CollectorConfig, *, is_new: bool) -> str:
    """What the operator is told."""
    made = "made" if is_new else "used"
    return (
        f"catalogue key {name}: {made}: {key}\n"
        f"online key: {config.online_key_file}\n"
        "Catalogue and key document are signed and published; they hold for 400 days: run this again before that.\n"
        "Keep the catalogue key offline (a stick in a drawer, and a copy in another place): whoever has it decides\n"
        "what every probe may be asked to contact. The collector does not need it to run.\n"
        f"Next: probe collector serve --config {config.file}\n"
        f"      probe collector invite --config {config.file} --steward NAME"
    )
