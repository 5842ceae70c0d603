"""The folder of `probe up`: two configurations that its owner may edit, keys, and the state of collector and probe."""

from pathlib import Path

import msgspec

from probe.agent.config import AgentConfig, default_state, parse_config
from probe.agent.config_file import Value, with_changes
from probe.agent.durable import StateError, ensure_folder, write_durably
from probe.cli.faults import Fault
from probe.collector.config import CollectorConfig
from probe.collector.config import load_config as load_collector

_COLLECTOR = """\
# The collector of `probe up`. It listens on loopback alone; who listens elsewhere should read about tokens first.
state: collector
name: this machine
listen: 127.0.0.1:8640
# geo: [GeoLite2-ASN.mmdb, GeoLite2-Country.mmdb]
# control: true  # only where nobody censors: compare with what is seen from here
"""
_FIRST_ROUND = "40 s"


class Home(msgspec.Struct, frozen=True):
    folder: Path

    @property
    def collector_file(self) -> Path:
        return self.folder / "collector.yaml"

    @property
    def probe_file(self) -> Path:
        return self.folder / "probe.yaml"

    @property
    def catalogue_key(self) -> Path:
        return self.folder / "catalogue-key.pem"

    @property
    def log(self) -> Path:
        """What the processes say while a terminal shows results."""
        return self.folder / "up.log"

    def make(self) -> None:
        """Raises StateError."""
        try:
            ensure_folder(self.folder)
        except OSError as error:
            raise StateError(f"{self.folder}: cannot be made: {error.strerror or error}") from None

    def collector(self) -> CollectorConfig:
        """As configured; written where it is not there yet. Raises ConfigError, StateError."""
        if not self.collector_file.exists():
            write_durably(self.collector_file, _COLLECTOR.encode())
        return load_collector(self.collector_file)

    def probe(self, changes: dict[str, Value]) -> "Planned":
        """As configured, with the changes. Raises ConfigError."""
        first: dict[str, Value] = {} if self.probe_file.exists() else {"state": "probe", "first_round": _FIRST_ROUND}
        text, changed = with_changes(self.probe_file, first | changes)
        config = parse_config(text, self.probe_file)
        if not config.metrics.listen:
            raise Fault(
                f"{self.probe_file}: metrics.listen is empty, but `probe up` shows what the probe says there: "
                "write 127.0.0.1:9640"
            )
        return Planned(self.probe_file, config, text if changed else None)


class Planned(msgspec.Struct, frozen=True):
    """A configuration, and the text that its file lacks."""

    file: Path
    config: AgentConfig
    text: str | None

    def write(self) -> None:
        """Raises StateError."""
        if self.text is not None:
            write_durably(self.file, self.text.encode())


def home_in(folder: Path | None) -> Home:
    return Home((folder or default_state() / "up").absolute())
