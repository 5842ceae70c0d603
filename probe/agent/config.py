"""The volunteer's configuration: YAML 1.2, strict, every fault one line with file, key and reason.

`configs/agent/probe.yaml` explains every key and holds the defaults below. Paths are taken from the file's folder.
"""

import ipaddress
import urllib.parse
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from probe.agent.config_model import AgentConfig, ConfigError, Metrics, default_config_path, default_state
from probe.catalogue.configuration import configuration, configuration_text
from probe.catalogue.forms import ID
from probe.catalogue.model import CatalogueError
from probe.catalogue.quantities import bytes_of, seconds_of
from probe.catalogue.targets import ascii_name, parse_target
from probe.wire.addresses import is_address

__all__ = [
    "AgentConfig",
    "ConfigError",
    "Metrics",
    "default_config_path",
    "default_state",
    "load_config",
    "parse_config",
]

LEAST_INTERVAL = 60.0  # seconds
LEAST_SPOOL = 1_000_000  # bytes
_PROXIES = ("http", "https", "socks5", "socks5h")

Duration = float | str
Size = float | str


class _Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file as people write it."""

    state: str | None = None
    collectors: tuple[str, ...] = ()
    proxy: str | None = None
    role: Literal["probe", "control"] = "probe"
    platforms: tuple[Annotated[str, msgspec.Meta(pattern=ID, max_length=40)], ...] = ()
    interval: Duration = 300
    first_round: Duration = 0
    budget: Size = "100 MB"
    spool: Size = "200 MB"
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 8
    deep_every: Duration = "6 h"
    page_every: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 6
    geo: tuple[str, ...] = ()
    ask_strangers: bool = False
    metrics: Metrics = Metrics()
    catalogue: str | None = None
    resolvers: tuple[str, ...] = ()
    source: str | None = None
    ca_file: str | None = None
    timeout: Duration = 8


def load_config(path: Path) -> AgentConfig:
    """Raises ConfigError."""
    return parse_config(_text(path), path)


def parse_config(text: str, path: Path) -> AgentConfig:
    """The configuration that the text holds. `path` is its file's, for messages and relative paths."""
    try:
        form = configuration(text, _Form, str(path))
    except CatalogueError as error:
        raise ConfigError(str(error)) from None
    return _Checked(path).config(form)


def _text(path: Path) -> str:
    try:
        return configuration_text(path, f"probe setup --config {path}")
    except CatalogueError as error:
        raise ConfigError(str(error)) from None


class _Checked:
    """The form's values, each as the program uses it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def config(self, form: _Form) -> AgentConfig:
        return AgentConfig(
            state=self._file(form.state) or default_state(),
            collectors=tuple(self._collector(url, f"collectors[{i}]") for i, url in enumerate(form.collectors)),
            proxy=self._proxy(form.proxy),
            role=form.role,
            platforms=form.platforms,
            interval=self._seconds(form.interval, "interval", LEAST_INTERVAL, 86_400),
            first_round=self._seconds(form.first_round, "first_round", 0, 86_400),
            budget=self._budget(form.budget),
            spool=self._bytes(form.spool, "spool", LEAST_SPOOL),
            concurrency=form.concurrency,
            deep_every=self._seconds(form.deep_every, "deep_every", 600, 30 * 86_400),
            page_every=form.page_every,
            geo=tuple(file for text in form.geo if (file := self._file(text)) is not None),
            ask_strangers=form.ask_strangers,
            metrics=self._metrics(form.metrics),
            catalogue=self._file(form.catalogue),
            resolvers=tuple(self._address(text, f"resolvers[{i}]") for i, text in enumerate(form.resolvers)),
            source=None if form.source is None else self._address(form.source, "source"),
            ca_file=self._file(form.ca_file),
            timeout=self._seconds(form.timeout, "timeout", 0.5, 60),
        )

    def _fault(self, key: str, reason: str) -> ConfigError:
        return ConfigError(f"{self._path}: {key}: {reason}")

    def _file(self, text: str | None) -> Path | None:
        return self._path.parent / Path(text).expanduser() if text else None

    def _seconds(self, value: Duration, key: str, least: float, most: float) -> float:
        try:
            seconds = seconds_of(value)
        except ValueError as error:
            raise self._fault(key, str(error)) from None
        if not least <= seconds <= most:
            raise self._fault(key, f"{value!r} is out of bounds: from {least:g} to {most:g} seconds")
        return seconds

    def _bytes(self, value: Size, key: str, least: int) -> int:
        try:
            size = bytes_of(value)
        except ValueError as error:
            raise self._fault(key, str(error)) from None
        if size < least:
            raise self._fault(key, f"{value!r} is too small: {least / 1e6:g} MB at the least")
        return size

    def _budget(self, value: Size) -> int:
        budget = self._bytes(value, "budget", 0)
        if 0 < budget < 1_000_000:
            raise self._fault(
                "budget", f"{value!r} a day is too little for any round: 1 MB at the least, or 0 for none"
            )
        return budget

    def _address(self, text: str, key: str) -> str:
        if not is_address(text):
            raise self._fault(key, f"{text!r} is no IP address, such as 192.0.2.1")
        return text

    def _collector(self, url: str, key: str) -> str:
        if "#" in url:
            raise self._fault(key, "an invitation belongs to `probe setup --invitation URL`; here stands the plain URL")
        parts = self._url(url, key)
        if parts.scheme not in {"https", "http"}:
            raise self._fault(key, f"{url!r}: a collector's URL begins with https://")
        if parts.query:
            raise self._fault(key, f"{url!r}: has no query (?...)")
        return url.rstrip("/")

    def _proxy(self, url: str | None) -> str | None:
        if not url:
            return None
        if self._url(url, "proxy").scheme not in _PROXIES:
            raise self._fault("proxy", f"{url!r}: a proxy's URL begins with http:// or socks5://")
        return url

    def _url(self, url: str, key: str) -> urllib.parse.SplitResult:
        try:
            parts = urllib.parse.urlsplit(url)
            named = bool(parts.hostname) and parts.port != 0
        except ValueError:
            named = False
        if not named or any(character.isspace() for character in url):
            raise self._fault(key, f"{url!r} is no URL, such as https://collector.example")
        return parts

    def _metrics(self, metrics: Metrics) -> Metrics:
        if metrics.listen:
            self._check_listen(metrics.listen)
        for index, target in enumerate(metrics.allow_targets):
            try:
                parse_target(target)
            except CatalogueError as error:
                raise self._fault(f"metrics.allow_targets[{index}]", str(error)) from None
        for index, host in enumerate(metrics.allow_hosts):
            if not _is_host(host):
                raise self._fault(f"metrics.allow_hosts[{index}]", f"{host!r} is no host name and no address")
        return metrics

    def _check_listen(self, listen: str) -> None:
        host, _, port = listen.rpartition(":")
        try:
            ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            host = ""
        if not host or not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
            raise self._fault("metrics.listen", f"{listen!r}: write ADDRESS:PORT (127.0.0.1:9640), or '' for none")


def _is_host(text: str) -> bool:
    """A public or a private name or address: the owner's own choice."""
    host = text.partition(":")[0] if text.count(":") == 1 else text
    if is_address(host):
        return True
    try:
        ascii_name(f"{host}.example")
    except CatalogueError:
        return False
    return True
