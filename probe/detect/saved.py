"""Votes as files hold them: CSV with a header, or one JSON object a line.

Columns `time, country, asn, platform, service, probe, outcome, technique`; those of `Vote` that a file may have beside
them are `witness` (or `steward`), `role`, `handshake`, `goodput`, `usual`, `round`, `retest`, `confirms`,
`resolver_asn`, and `void`, the reason of an outcome `void`. Anything else is passed over.
"""

import csv
import datetime as dt
import io
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from probe.detect.votes import Presence, Vote
from probe.wire.vocabulary import Outcome

COLUMNS = ("time", "country", "asn", "platform", "service", "probe", "outcome", "technique")
_NEEDED = frozenset(COLUMNS) - {"technique"}
_MILLISECONDS = 1e11  # a number beyond it counts them: as seconds it would be the year 5138
_EARLIEST, _LATEST = 1e9, 4102444800.0  # of a number: 2001, below which it is a date without its hyphens; 2100
_TRUE = frozenset({"1", "true", "yes"})
_FALSE = frozenset({"0", "false", "no"})


class VotesError(ValueError):
    """Names the file, the line, and what is wrong there."""


def read_votes(raw: bytes, name: str) -> Iterator[Vote | Presence]:
    """Every vote and void round of one file; outcomes that say nothing are left out. Raises VotesError."""
    text = _text(raw, name)
    rows = _json_rows(text, name) if text.lstrip()[:1] == "{" else _csv_rows(text, name)
    for line, row in rows:
        try:
            found = _row(row)
        except (ValueError, OverflowError) as exc:
            raise VotesError(f"{name}:{line}: {exc}") from exc
        if found is not None:
            yield found


def _text(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-16" if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw[: exc.start].count(b"\n") + 1
        raise VotesError(f"{name}:{line}: not UTF-8 text; votes are CSV or JSON lines, not compressed") from exc


def _json_rows(text: str, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, written in enumerate(text.split("\n"), 1):
        if not written.strip():
            continue
        try:
            yield line, msgspec.json.decode(written, type=dict[str, Any])
        except msgspec.DecodeError as exc:
            raise VotesError(f"{name}:{line}: not a JSON object: {exc}") from exc
        except RecursionError:
            raise VotesError(f"{name}:{line}: nested too deep for a vote") from None


def _csv_rows(text: str, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    try:
        for row in reader:
            if not any(field.strip() for field in row):
                continue
            if header is None:
                header = _header(row, name, reader.line_num)
                continue
            if len(row) > len(header) or len(row) < len(header) - 1:
                what = f"{len(row)} fields where the header has {len(header)}"
                raise VotesError(f"{name}:{reader.line_num}: {what}")
            yield reader.line_num, dict(zip(header, row, strict=False))
    except csv.Error as exc:
        raise VotesError(f"{name}:{reader.line_num}: not CSV: {exc}") from exc
    if header is None:
        raise VotesError(f"{name}: empty; the first line must be the header {','.join(COLUMNS)}")


def _header(row: list[str], name: str, line: int) -> list[str]:
    header = [field.strip().lower() for field in row]
    missing = [column for column in COLUMNS if column in _NEEDED and column not in header]
    if missing:
        raise VotesError(f"{name}:{line}: the header lacks {', '.join(missing)}; it must be {','.join(COLUMNS)}")
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise VotesError(f"{name}:{line}: the header names {', '.join(twice)} twice")
    return header


def _row(row: Mapping[str, Any]) -> Vote | Presence | None:
    outcome = _outcome(row)
    where = {
        "time": _field(row, "time", _time),
        "country": _field(row, "country", _country),
        "asn": _field(row, "asn", _asn),
        "probe": _field(row, "probe", _name),
        "witness": _word(row, "witness") or _word(row, "steward"),
    }
    if outcome is Outcome.VOID:
        return Presence(**where, void=_word(row, "void") or _word(row, "technique") or "offline")
    platform, service = _field(row, "platform", _name), _word(row, "service")
    if outcome is Outcome.INCONCLUSIVE:
        return None
    return Vote(
        **where,
        platform=platform,
        service=service,
        outcome=outcome,
        technique="" if outcome is Outcome.OK else _word(row, "technique"),
        role=_role(row),
        handshake=_number(row, "handshake"),
        goodput=_number(row, "goodput"),
        usual=_number(row, "usual"),
        round=_word(row, "round"),
        retest=_flag(row, "retest", False),
        confirms=_flag(row, "confirms", True),
        resolver_asn=_asn(row["resolver_asn"]) if row.get("resolver_asn") not in {None, ""} else None,
    )


def _outcome(row: Mapping[str, Any]) -> Outcome:
    word = _word(row, "outcome").lower()
    try:
        return Outcome(word)
    except ValueError:
        known = ", ".join(Outcome)
        raise ValueError(f"outcome is {word[:40]!r}, not one of {known}" if word else "outcome is missing") from None


def _role(row: Mapping[str, Any]) -> Literal["probe", "control"]:
    word = _word(row, "role").lower()
    if word not in {"probe", "control", ""}:
        raise ValueError(f"role is {word[:40]!r}, neither probe nor control")
    return "control" if word == "control" else "probe"


def _field(row: Mapping[str, Any], name: str, read: Callable[[Any], Any]) -> Any:
    value = row.get(name)
    if value is None or value == "":
        raise ValueError(f"{name} is missing")
    try:
        return read(value)
    except (ValueError, TypeError, OverflowError) as exc:
        raise ValueError(f"{name} is {str(value)[:40]!r}, {exc}") from None


def _time(value: Any) -> float:
    """Seconds since 1970: from RFC 3339, with a space for the T or without a zone (then UTC), or from a number."""
    number = _counted(value)
    seconds = number if number is not None else _written(str(value).strip())
    if not 0 < seconds < _LATEST:
        raise ValueError("not a moment between 1970 and 2100")
    return seconds


def _counted(value: Any) -> float | None:
    """None where it is no number."""
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (ValueError, TypeError):
        return None
    seconds = number / 1000 if abs(number) > _MILLISECONDS else number
    if seconds < _EARLIEST:
        raise ValueError("too small for seconds since 1970: write a date as 2020-02-27")
    return seconds


def _written(text: str) -> float:
    try:
        moment = dt.datetime.fromisoformat(text.removesuffix(" UTC").replace(" +", "+"))
    except ValueError:
        raise ValueError("not a time such as 2026-11-22T06:00:00Z") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _country(value: Any) -> str:
    code = str(value).strip().upper()
    if len(code) != 2 or not code.isalpha() or not code.isascii():
        raise ValueError("not a country code of two letters")
    return code


def _asn(value: Any) -> int:
    text = str(value).strip().upper().removeprefix("AS")
    if not text.isdecimal() or not 0 < int(text) < 1 << 32:
        raise ValueError("not the number of an autonomous system")
    return int(text)


def _name(value: Any) -> str:
    text = _text_of(value)
    if not text:
        raise ValueError("empty")
    return text


def _word(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    try:
        return "" if value is None else _text_of(value)
    except ValueError as exc:
        raise ValueError(f"{name} is {str(value)[:40]!r}, {exc}") from None


def _text_of(value: Any) -> str:
    if not isinstance(value, str | int | float):  # also true and false, which flags are
        raise ValueError("neither a word nor a number")  # noqa: TRY004
    return str(value).strip()


def _number(row: Mapping[str, Any], name: str) -> float | None:
    text = _word(row, name)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ValueError(f"{name} is {text[:40]!r}, not a number from 0 on")
    return number


def _flag(row: Mapping[str, Any], name: str, default: bool) -> bool:
    word = _word(row, name).lower()
    if word not in _TRUE | _FALSE | {""}:
        raise ValueError(f"{name} is {word[:40]!r}, neither true nor false")
    return word in _TRUE if word else default
