"""`/metrics`: what the views hold of the last minutes, the incidents, and the health of the collector.

The text format and OpenMetrics differ here only in how counters are declared and in the closing line, so the lines of
cells are the same bytes in both.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from probe.collector.web.incidents import Active
from probe.collector.web.window import Cell, Window, label

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_RATIO = "Share of the probes voting in the last 15 minutes that reach the service. Absent where none voted."
_VOTES = "Probes by the outcome of their latest vote in the last 15 minutes. Absent where none had that outcome."
_ONLINE = "Probes whose measurements of the last 15 minutes have arrived."
_LAG = "How far analysis is behind the log: 0 where it has read everything."
_ACTIVE = "1 while the incident lasts. These labels never change meanwhile."
_ONSET = "When the incident began, as well as it is known."
_INFO = "1 for each restriction of an incident that lasts: what changes about it is in these labels."
_CONTROLS = "Controls whose measurements of the last 15 minutes have arrived."
_EXPECTATIONS = "Since the newest expectations were made. Absent where there are none."
_TOTAL = "Incidents that were ever raised."
_MISSED = "Attempts to hand a notice to a channel that failed; each notice is tried again."

Shown = Callable[[str, int], bool]  # whether a network may be shown to the asker


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Of the analysis. What was not measured is absent."""

    lag: float | None = None
    detect: tuple[float, int] | None = None  # seconds in all, ticks
    notices: dict[str, tuple[int, int]] = {}  # by channel: arrived, attempts that failed
    controls: int | None = None  # online
    expectations: float | None = None  # seconds since the newest were made


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside the window. `ingest` is the other process's own text."""

    active: Sequence[Active] = ()
    totals: dict[tuple[str, str], int] = {}
    health: Health = Health()
    ingest: bytes = b""


class Exposition(msgspec.Struct, frozen=True):
    """One scrape."""

    openmetrics: bool

    @property
    def kind(self) -> str:
        return OPENMETRICS if self.openmetrics else TEXT

    def text(self, window: Window, shown: Shown, told: Told) -> bytes:
        cells = [cell for cell in window.cells.values() if shown(cell.place.country, cell.place.asn)]
        parts = [
            *self._cells(cells),
            self._family("reachability_probes_online", "gauge", _ONLINE, _online(window, shown)),
            *self._incidents(told.active, told.totals),
            *self._health(told.health),
            told.ingest,
        ]
        return b"".join(parts) + (b"# EOF\n" if self.openmetrics else b"")

    def _cells(self, cells: Sequence[Cell]) -> list[bytes]:
        ratio, votes = b"".join([cell.ratio for cell in cells]), b"".join([cell.text for cell in cells])
        return [
            self._head("reachability_ratio", "gauge", _RATIO) + ratio if ratio else b"",
            self._head("reachability_votes", "gauge", _VOTES) + votes if votes else b"",
        ]

    def _incidents(self, active: Sequence[Active], totals: dict[tuple[str, str], int]) -> list[bytes]:
        known = [f'incident="{label(one.incident)}",country="{one.country}",kind="{label(one.kind)}"' for one in active]
        onsets = [f"{{{labels}}} {one.onset}" for labels, one in zip(known, active, strict=True) if one.onset]
        counts = [f'{{country="{country}",kind="{label(kind)}"}} {count}' for (country, kind), count in totals.items()]
        return [
            self._family("reachability_incident_active", "gauge", _ACTIVE, [f"{{{labels}}} 1" for labels in known]),
            self._family("reachability_incident_onset_timestamp_seconds", "gauge", _ONSET, onsets),
            self._family("reachability_restriction_info", "gauge", _INFO, _restrictions(active)),
            self._family("reachability_incidents_total", "counter", _TOTAL, counts),
        ]

    def _health(self, health: Health) -> list[bytes]:
        lag = [f" {health.lag:.3f}"] if health.lag is not None else []
        controls = [f" {health.controls}"] if health.controls is not None else []
        age = [f" {health.expectations:.0f}"] if health.expectations is not None else []
        parts = [
            self._family("collector_log_lag_seconds", "gauge", _LAG, lag),
            self._family("collector_controls_online", "gauge", _CONTROLS, controls),
            self._family("collector_expectations_age_seconds", "gauge", _EXPECTATIONS, age),
        ]
        if health.detect is not None:
            seconds, ticks = health.detect
            name, text = "collector_detect_duration_seconds", "Time that ticks of detection took."
            parts.append(
                self._head(name, "summary", text) + f"{name}_sum {seconds:.6f}\n{name}_count {ticks}\n".encode()
            )
        return [*parts, *self._notices(health.notices)]

    def _notices(self, notices: dict[str, tuple[int, int]]) -> list[bytes]:
        arrived = [f'{{channel="{label(channel)}"}} {sent}' for channel, (sent, _) in notices.items()]
        failed = [f'{{channel="{label(channel)}"}} {missed}' for channel, (_, missed) in notices.items()]
        return [
            self._family("collector_notifications_total", "counter", "Notices that a channel took.", arrived),
            self._family("collector_notification_failures_total", "counter", _MISSED, failed),
        ]

    def _family(self, name: str, kind: str, help_text: str, lines: Iterable[str]) -> bytes:
        """Nothing at all where there is no line."""
        text = "".join(f"{name}{line}\n" for line in lines)
        return self._head(name, kind, help_text) + text.encode() if text else b""

    def _head(self, name: str, kind: str, help_text: str) -> bytes:
        declared = name.removesuffix("_total") if self.openmetrics and kind == "counter" else name
        return f"# HELP {declared} {help_text}\n# TYPE {declared} {kind}\n".encode()


def _online(window: Window, shown: Shown) -> list[str]:
    seen = sorted(window.online.items())
    return [
        f'{{country="{country}",asn="{asn or ""}"}} {count}' for (country, asn), count in seen if shown(country, asn)
    ]


def _restrictions(active: Sequence[Active]) -> list[str]:
    return [
        f'{{incident="{label(one.incident)}",country="{one.country}",asn="{part.asn or ""}"'
        f',network="{label(part.network or "")}",platform="{label(part.platform)}",service="{label(part.service)}"'
        f',technique="{label(part.technique)}",state="{label(part.state)}"}} 1'
        for one in active
        for part in one.restrictions
    ]
