"""Entries of the log into views.

What depends on order or on time depends on the log alone, never on this machine's clock or on how the entries were cut
into batches: so a replay gives the same rows. A batch is one transaction with the position that it reached; a crash in
between repeats the batch and counts nothing twice.
"""

import logging
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from probe.collector.analyse.controls import Controls, load_expectations, versions
from probe.collector.analyse.event_time import event_time, milliseconds
from probe.collector.analyse.knowledge import Knowledge, Rules
from probe.collector.analyse.proof import proved
from probe.collector.analyse.records import MOST_IN_REPORT, CellKey, Judged, Part, sequence
from probe.collector.analyse.rounds import Group, Rounds, Word
from probe.collector.analyse.schema import open_views
from probe.collector.analyse.speed import goodput, handshake
from probe.collector.analyse.store import Store
from probe.collector.analyse.whereabouts import Locator, Mark, Whereabouts
from probe.collector.log.entry import Entry
from probe.verdict.judge import judge
from probe.wire.reports import Report, Reported
from probe.wire.verdicts import Verdict

_LOG = logging.getLogger(__name__)
_REPORTS = msgspec.json.Decoder(Report)
_LONGEST = 200  # characters of a name that a probe may make us keep


class Batch(msgspec.Struct, frozen=True):
    """What one transaction did."""

    entries: int = 0
    repeats: int = 0
    measurements: int = 0
    position: int = 0
    received: int = 0  # ms, of the last entry


class Arrival(msgspec.Struct, frozen=True):
    """One report as it came: `probe` by its number, the receipt in ms; `time` is the log's: the latest receipt yet."""

    entry: Entry
    report: Report
    probe: int
    received: int
    time: int


class Analysis:
    """The one writer of a views database. Reports of the probes in `left_out` are passed over."""

    def __init__(self, path: Path, rules: Rules, locator: Locator, left_out: Collection[str] = ()) -> None:
        self._path, self._rules, self._locator = path, rules, locator
        self._left_out = frozenset(left_out)
        self.connection = open_views(path)
        self._position = self._received = 0
        self._caught_up: bool | None = None
        self._begin()

    def close(self) -> None:
        self.connection.close()

    @property
    def position(self) -> int:
        return self._position

    def advance(self, entries: Sequence[Entry]) -> Batch:
        """All of it, or nothing. Entries up to the position reached are passed over."""
        fresh = [entry for entry in entries if entry.position > self._position]
        if not fresh:
            return Batch(position=self._position, received=self._received)
        try:
            batch = self._written(fresh)
        except BaseException:
            self._begin()  # what was gathered in memory belongs to a transaction that is gone
            raise
        self._position, self._received = batch.position, batch.received
        return batch

    def reopen(self, path: Path) -> None:
        """Go on with another file of views."""
        self.connection.close()
        self._path = path
        self.connection = open_views(path)
        self._caught_up = None
        self._begin()

    def judge_by(self, rules: Rules) -> None:
        """Another catalogue from here on."""
        self._rules = rules
        self._begin()

    def must_erase(self, probe: str, *, final: bool) -> bool:
        """Whether this probe is still in the views as far as we were told. What the log held when it was asked for may
        still arrive, so it is done once at once and once more when the log is free of it (`final`)."""
        return self._store.noted(f"erased {probe}") < 1 + final

    def erased(self, probe: str, *, final: bool) -> None:
        """Its rows are gone from the tables."""
        self._begin()
        self._store.note(f"erased {probe}", 1 + final)

    def caught_up(self, *, yes: bool) -> None:
        """Leave word for those who tell the lag: whether the log had more."""
        if yes is not self._caught_up:
            self._store.note("caught_up", int(yes))
            self._caught_up = yes

    def _begin(self) -> None:
        self._store = Store(self.connection)
        store = self._store
        self._knowledge = Knowledge(self._rules, versions(store), lambda number: load_expectations(store, number))
        self._controls = Controls(store, self._knowledge)
        self._rounds = Rounds(store, self._rules)
        self._position, self._received = store.position()

    def _written(self, entries: Sequence[Entry]) -> Batch:
        repeats = measurements = 0
        received = self._received
        with self._store.writing():
            for entry in entries:
                received = max(received, milliseconds(entry.received_at))
                added = self._entry(entry, received)
                repeats += added is None
                measurements += added or 0
                self._rounds.give_up(received)
                if entry.role == "control":
                    self._controls.publish(received)
            self._rounds.flush()
            self._store.advance(entries[-1].position, received)
        return Batch(len(entries), repeats, measurements, entries[-1].position, received)

    def _entry(self, entry: Entry, time: int) -> int | None:
        """How many measurements it added; None for a report that was counted before."""
        if entry.probe in self._left_out:
            return 0
        received = milliseconds(entry.received_at)
        probe = self._store.probe(entry.probe, entry.role, entry.steward)
        if not self._store.is_new(probe, entry.report_id, received):
            return None
        try:
            report = _REPORTS.decode(entry.document)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            _LOG.error("log position %d holds no report: %s", entry.position, error)
            return 0
        arrival = Arrival(entry, report, probe, received, time)
        for place, reported in enumerate(report.measurements[:MOST_IN_REPORT]):
            self._measurement(arrival, reported, sequence(entry.position, place))
        return len(report.measurements)

    def _measurement(self, arrival: Arrival, reported: Reported, seq: int) -> None:
        at = event_time(reported, arrival.report, arrival.received)
        where = self._locator.locate(reported, arrival.report, at, arrival.entry.probe)
        verdict, rule, expectations = self._judged(reported, at, where)
        platform, service = self._of_catalogue(reported)
        measurement = reported.measurement
        judged = Judged(
            seq,
            at,
            CellKey(where.country, where.asn, platform, service),
            arrival.probe,
            measurement.endpoint,
            verdict.outcome,
            verdict.confidence,
            " ".join(verdict.techniques),
            rule,
            verdict.scope or "",
            where.marks,
            _own(reported.verdict, verdict),
            expectations,
            verdict.rules,
        )
        self._store.measurement(judged)
        self._store.present(at, where.country, where.asn, arrival.probe)
        if not where.marks & Mark.CLAIMED:  # what is shown as a network's name is nobody's own word
            self._store.network(where.asn, where.name)
        if arrival.entry.role == "control":
            self._controls.see(measurement, verdict.outcome, arrival.probe, at)
        if platform:
            self._rounds.add(self._word(reported, judged, verdict.void, where, arrival.time))

    def _judged(self, reported: Reported, at: int, where: Whereabouts) -> tuple[Verdict, str, int | None]:
        """By the collector, with the network that it found, the rule that spoke first, and the expectations of that
        time by their number."""
        measurement = reported.measurement
        verdict = proved(measurement)
        if verdict is not None:
            return verdict, "proved", None
        library, version = self._knowledge.at(at)
        found = msgspec.structs.replace(
            measurement.network, asn=where.asn or None, country=where.country or None, name=where.name
        )
        known = library.of(measurement.platform, measurement.endpoint)
        verdict = judge(msgspec.structs.replace(measurement, network=found), known)
        return verdict, verdict.evidence[0].rule if verdict.evidence else "", version

    def _of_catalogue(self, reported: Reported) -> tuple[str, str]:
        """Platform and service, which become labels: the catalogue's, or none."""
        measurement = reported.measurement
        return self._rules.place_of(measurement.platform, measurement.endpoint) or ("", "")

    def _word(self, reported: Reported, judged: Judged, void: str | None, where: Whereabouts, time: int) -> Word:
        measurement = reported.measurement
        part = Part(
            judged.endpoint,
            judged.outcome,
            judged.techniques,
            judged.confidence,
            judged.scope,
            judged.at,
            judged.at,
            handshake(measurement),
            goodput(measurement),
            self._controls.suspended(judged.endpoint, judged.at),
            void,
        )
        group = Group(judged.probe, judged.cell.platform, judged.cell.service)
        name = (reported.round or measurement.id)[:_LONGEST]
        return Word(group, name, part, where, reported.of, reported.retest, time)


def _own(own: Verdict, ours: Verdict) -> str | None:
    """The probe's verdict in words, where ours is another."""
    if own.outcome == ours.outcome and own.techniques == ours.techniques:
        return None
    return " ".join([own.outcome, *own.techniques])
