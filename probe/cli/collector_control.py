"""The control that a collector runs beside itself where its configuration says `control: true`: a probe of the role
control, enrolled by the collector's own operator, whose word in that file is the consent."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import msgspec

from probe.agent.consent import record_consent
from probe.agent.contacts import contacts
from probe.agent.documents_kept import from_files
from probe.agent.durable import write_durably
from probe.catalogue.loader import default_catalogue_path
from probe.cli.up_accounts import enrolled
from probe.collector.config import CollectorConfig
from probe.collector.supervise import Role

_BUDGET = "1 GB"  # a day: a control measures everything in every round
_FIRST_ROUND = "1 min"  # without expectations much stays unclear
_STEWARD = "the collector's operator"


def controls(
    config: CollectorConfig, now: dt.datetime, *, platforms: Sequence[str] = (), ca_file: Path | None = None
) -> tuple[Role, ...]:
    """None where the configuration wants none. It has its catalogue from the collector, as every other probe, and only
    `platforms` of it where some are named. Raises CatalogueError, AccountsFault, DocumentsFault, StateError."""
    if not config.control:
        return ()
    folder = config.state / "control"
    enrolled(config, folder, "control", _STEWARD, now)
    known = from_files(config.catalogue or default_catalogue_path()).catalogue.infrastructure
    record_consent(folder, now, "accept-risks", contacts(known), config.url)
    file = folder / "probe.yaml"
    form = {
        "state": str(folder),
        "role": "control",
        "platforms": list(platforms),
        "first_round": _FIRST_ROUND,
        "budget": _BUDGET,
        "ca_file": str(ca_file) if ca_file else None,
        "geo": [str(path) for path in config.geo],
        "metrics": {"listen": ""},
    }
    write_durably(file, msgspec.json.format(msgspec.json.encode(form)) + b"\n")  # which is YAML, too
    return (Role(name="control", arguments=("run", "--config", str(file)), serves=False, essential=False),)
