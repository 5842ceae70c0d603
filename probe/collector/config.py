"""The collector's configuration: YAML 1.2, strict, every fault one line with file, key and reason."""

import ipaddress
import re
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

from probe.catalogue.configuration import configuration, configuration_text
from probe.catalogue.model import CatalogueError
from probe.catalogue.quantities import bytes_of, seconds_of
from probe.collector.config_form import (
    AnalyseConfig,
    AnalyseForm,
    CollectorConfig,
    CollectorForm,
    IpNetwork,
    LimitsForm,
    Listen,
    LogConfig,
    LogForm,
    Tls,
    TlsForm,
    WebConfig,
)
from probe.notify.channels import Channel, fault_in

__all__ = ["AnalyseConfig", "CollectorConfig", "ConfigError", "LimitsForm", "Listen", "WebConfig", "load_config"]

_DAY = 86_400
_LISTEN = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]\s]*)):(?P<port>\d{1,5})")
_VERSION = re.compile(r"\d+(\.\d+){0,3}")
_SHORTEST_LEASE = 60.0  # seconds

T = TypeVar("T")


class ConfigError(Exception):
    """A configuration that cannot be used: one line with file, key path and reason."""


def load_config(path: Path) -> CollectorConfig:
    """Raises ConfigError."""
    return parse_config(_text(path), path)


def parse_config(text: str, path: Path) -> CollectorConfig:
    """The configuration that the text holds. `path` is its file's, for messages and relative paths."""
    try:
        form = configuration(text, CollectorForm, str(path))
    except CatalogueError as error:
        raise ConfigError(str(error)) from None
    return _Checked(path).config(form)


def _text(path: Path) -> str:
    try:
        return configuration_text(path, f"probe collector init {path}")
    except CatalogueError as error:
        raise ConfigError(str(error)) from None


class _Checked:
    """The form's values, each as the program uses it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def config(self, form: CollectorForm) -> CollectorConfig:
        listen = self._listens(form.listen)
        return CollectorConfig(
            file=self._path.absolute(),
            state=self._file(form.state),
            name=form.name.strip() or self._wrong("name", "empty: say by which name people know this collector"),
            listen=listen,
            url=self._url(form.url, listen, form.tls),
            tls=self._tls(form.tls),
            trusted_proxies=tuple(self._network(n, text) for n, text in enumerate(form.trusted_proxies)),
            geo=tuple(self._file(text) for text in form.geo),
            catalogue=self._file(form.catalogue) if form.catalogue is not None else None,
            control=form.control,
            public_documents=form.public_documents,
            lease=self._at_least("lease", form.lease, _SHORTEST_LEASE),
            checkin_wait=form.checkin_wait,
            invitation=self._at_least("invitation", form.invitation, 60.0),
            minimum_version=self._version(form.minimum_version),
            log=self._log(form.log),
            limits=form.limits,
            web=form.web,
            analyse=self._analyse(form.analyse),
            detect=form.detect,
            notify=self._notify(tuple(form.notify)),
        )

    def _wrong(self, key: str, reason: str) -> NoReturn:
        raise ConfigError(f"{self._path}: {key}: {reason}")

    def _notify(self, channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
        fault = fault_in(channels)
        return channels if fault is None else self._wrong("notify", fault)

    def _read(self, key: str, read: Callable[[], T]) -> T:
        try:
            return read()
        except ValueError as error:
            self._wrong(key, str(error))

    def _file(self, text: str) -> Path:
        """Taken from the folder of the configuration."""
        return (self._path.absolute().parent / Path(text).expanduser()).resolve()

    def _listens(self, value: str | list[str]) -> tuple[Listen, ...]:
        texts = [value] if isinstance(value, str) else value
        if not texts:
            self._wrong("listen", "empty: write an address and port, such as 127.0.0.1:8640")
        return tuple(self._listen(text) for text in texts)

    def _listen(self, text: str) -> Listen:
        if text.startswith("unix:"):
            return Listen(path=self._file(text.removeprefix("unix:")))
        match = _LISTEN.fullmatch(text)
        if match is None or int(match["port"]) > 65_535:
            self._wrong("listen", f"{text!r} is no address and port, such as 127.0.0.1:8640 or [::]:8640")
        return Listen(host=match["six"] or match["host"] or "0.0.0.0", port=int(match["port"]))

    def _url(self, text: str | None, listen: tuple[Listen, ...], tls: TlsForm | None) -> str:
        if text is None:
            first = next((one for one in listen if one.path is None), Listen("127.0.0.1", 8640))
            return f"{'https' if tls else 'http'}://{first}"
        try:
            parts = urllib.parse.urlsplit(text)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.query or parts.fragment:
            self._wrong("url", f"{text!r} is no address of a collector, such as https://collector.example")
        return text.rstrip("/")

    def _tls(self, form: TlsForm | None) -> Tls | None:
        if form is None:
            return None
        for key, text in (("certificate", form.certificate), ("key", form.key)):
            if not self._file(text).is_file():
                self._wrong(f"tls.{key}", f"{self._file(text)}: no such file")
        return Tls(certificate=self._file(form.certificate), key=self._file(form.key))

    def _network(self, index: int, text: str) -> IpNetwork:
        try:
            return ipaddress.ip_network(text)
        except ValueError:
            self._wrong(f"trusted_proxies[{index}]", f"{text!r} is no address or network, such as 10.0.0.0/8")

    def _at_least(self, key: str, value: float | str, least: float) -> float:
        seconds = self._read(key, lambda: seconds_of(value))
        if seconds < least:
            self._wrong(key, f"{value!r} is too short: at least {least:g} seconds")
        return seconds

    def _version(self, text: str | None) -> str | None:
        if text is not None and not _VERSION.fullmatch(text):
            self._wrong("minimum_version", f"{text!r} is no version, such as 1.2.0")
        return text

    def _analyse(self, form: AnalyseForm) -> AnalyseConfig:
        size = form.keep_size
        return AnalyseConfig(
            keep_days=int(self._at_least("analyse.keep", form.keep, _DAY) // _DAY),
            keep_bytes=None if size is None else self._read("analyse.keep_size", lambda: bytes_of(size)),
        )

    def _log(self, form: LogForm) -> LogConfig:
        keep, size = form.keep, form.keep_size
        return LogConfig(
            seal_after=self._at_least("log.seal_after", form.seal_after, 0.0),
            keep_days=None if keep is None else int(self._at_least("log.keep", keep, _DAY) // _DAY),
            keep_bytes=None if size is None else self._read("log.keep_size", lambda: bytes_of(size)),
        )
