"""The configuration as people write it, and as the program uses it. `configs/collector/` explains every key."""

import ipaddress
from pathlib import Path
from typing import Annotated

import msgspec

from probe.notify.channels import Channel

Duration = float | str
Size = float | str
Count = Annotated[int, msgspec.Meta(ge=1)]
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Unknown keys are refused, so that a misspelt one is an error and not silence."""


class TlsForm(Form, frozen=True, kw_only=True):
    certificate: str
    key: str


class LogForm(Form, frozen=True, kw_only=True):
    seal_after: Duration = "2 days"
    keep: Duration | None = None
    keep_size: Size | None = None


class LimitsForm(Form, frozen=True, kw_only=True):
    """Per token, but the last three. `decoders`: processes that unpack and check reports; 0: ingest does it itself."""

    reports_per_minute: Annotated[float, msgspec.Meta(gt=0)] = 60
    requests_per_minute: Annotated[float, msgspec.Meta(gt=0)] = 60
    enrolments_per_minute: Annotated[float, msgspec.Meta(gt=0)] = 30
    requests_at_once: Count = 2000
    decoders: Annotated[int, msgspec.Meta(ge=0, le=64)] = 1


class WebConfig(Form, frozen=True, kw_only=True):
    """`public`: anybody may read pages and API; else a token of the role `read` or `admin` is needed. `agreed`: ASNs
    whose volunteers agreed to be seen in public though they are fewer than three."""

    public: bool = True
    agreed: list[Annotated[int, msgspec.Meta(ge=1, le=4294967295)]] = []


class AnalyseForm(Form, frozen=True, kw_only=True):
    keep: Duration = "400 days"
    keep_size: Size | None = None


class DetectForm(Form, frozen=True, kw_only=True):
    """`false_alarms_per_year` is for the whole fleet: what detection's thresholds follow from."""

    false_alarms_per_year: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 1.0


class CollectorForm(Form, frozen=True, kw_only=True):
    state: str
    name: str = "a collector"
    listen: str | list[str] = "127.0.0.1:8640"
    url: str | None = None
    tls: TlsForm | None = None
    trusted_proxies: list[str] = []
    geo: list[str] = []
    catalogue: str | None = None
    control: bool = False
    public_documents: bool = False
    lease: Duration = "1 h"
    checkin_wait: Annotated[float, msgspec.Meta(ge=0, le=300)] = 50
    invitation: Duration = "14 days"
    minimum_version: str | None = None
    log: LogForm = LogForm()
    limits: LimitsForm = LimitsForm()
    web: WebConfig = WebConfig()
    analyse: AnalyseForm = AnalyseForm()
    detect: DetectForm = DetectForm()
    notify: list[Channel] = []


class Listen(msgspec.Struct, frozen=True):
    """Where a port is opened: an address and port, or a Unix socket."""

    host: str = ""
    port: int = 0
    path: Path | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    certificate: Path
    key: Path


class LogConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`keep_days` and `keep_bytes` bound what is kept of sealed days; None: everything."""

    seal_after: float  # seconds after the day's end
    keep_days: int | None = None
    keep_bytes: int | None = None


class AnalyseConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How long single measurements and votes stay in the views, and how large these may grow; None: as they will."""

    keep_days: int = 400
    keep_bytes: int | None = None


class CollectorConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Paths are absolute, durations in seconds, sizes in bytes. `url` is what probes and people reach it by."""

    file: Path
    state: Path
    name: str
    listen: tuple[Listen, ...]
    url: str
    tls: Tls | None
    trusted_proxies: tuple[IpNetwork, ...]
    geo: tuple[Path, ...]
    catalogue: Path | None
    control: bool
    public_documents: bool
    lease: float
    checkin_wait: float
    invitation: float
    minimum_version: str | None
    log: LogConfig
    limits: LimitsForm
    web: WebConfig
    analyse: AnalyseConfig
    detect: DetectForm
    notify: tuple[Channel, ...]

    @property
    def log_folder(self) -> Path:
        return self.state / "log"

    @property
    def accounts_file(self) -> Path:
        return self.state / "accounts.sqlite"

    @property
    def documents_file(self) -> Path:
        return self.state / "documents.sqlite"

    @property
    def online_key_file(self) -> Path:
        return self.state / "keys" / "online.pem"

    @property
    def sockets(self) -> Path:
        return self.state / "run"
