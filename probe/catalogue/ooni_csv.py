"""OONI's published fingerprints of block pages (github.com/ooni/blocking-fingerprints): its CSV files, read.

What is changed on the way, each because a row as it stands would accuse the wrong party:
- a row that OONI's own names or notes call opt-in gets the scope `opt-in`: the customer chose that filter;
- a row whose Citizen Lab name (`cl.dns_prod_...`) says a more cautious scope than its column gets that scope;
- a row that matches Cloudflare's challenge page is left out, unless it marks false positives;
- the country `ZZ` means anywhere, which here is no country.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import Literal, get_args

from probe.catalogue.fingerprints import CAUTION, checked, merge_fingerprints
from probe.catalogue.model import CatalogueError, Fingerprint

COLUMNS = (
    "name",
    "scope",
    "other_names",
    "location_found",
    "pattern_type",
    "pattern",
    "confidence_no_fp",
    "expected_countries",
    "source",
    "exp_url",
    "notes",
)
SOURCE = "ooni/blocking-fingerprints"

_PatternType = Literal["full", "prefix", "contains", "regexp"]
_PATTERN_TYPES: dict[str, _PatternType] = {word: word for word in get_args(_PatternType)}
_LOCATION = re.compile(r"dns|body|header\.[!#-'*+.^_`|~0-9A-Za-z-]+")
_COUNTRY = re.compile(r"[A-Z]{2}")
_OPT_IN = re.compile(r"opt[-_ ]?in\b|optin", re.IGNORECASE)
_CITIZEN_LAB_SCOPE = re.compile(r"\bcl\.(?:dns_)?([a-z]+)_")
# Text of the pages with which Cloudflare tells browsers from robots, in the several forms they have had.
_CHALLENGE = (
    "<title>just a moment...</title>",
    "<title>please wait... | cloudflare</title>",
    "<title>attention required! | cloudflare</title>",
    "checking your browser before accessing",
    "checking if the site connection is secure",
    "enable javascript and cookies to continue",
    "ddos protection by cloudflare",
    "performance &amp; security by cloudflare",
    "cf-browser-verification",
    "challenges.cloudflare.com",
    "/cdn-cgi/challenge-platform/",
)


def read_ooni_csv(text: str, name: str) -> tuple[Fingerprint, ...]:
    """The rows, duplicates merged. Raises CatalogueError with the number of the line that a bad row ends on."""
    return merge_fingerprints(_rows(text.removeprefix("\ufeff"), name))


def _rows(text: str, name: str) -> Iterator[Fingerprint]:
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="", strict=True)
    try:
        _check_header(reader.fieldnames, name)
        for row in reader:
            fingerprint = _fingerprint(row)
            if fingerprint is not None:
                yield fingerprint
    except csv.Error as error:
        raise CatalogueError(f"{name}:{reader.reader.line_num}: broken CSV: {error}") from None
    except ValueError as error:
        raise CatalogueError(f"{name}:{reader.reader.line_num}: {error}") from None


def _check_header(header: object, name: str) -> None:
    present = tuple(header) if isinstance(header, (list, tuple)) else ()
    missing = [column for column in COLUMNS if column not in present]
    if missing:
        raise CatalogueError(f"{name}:1: no fingerprints of OONI: the column {missing[0]!r} is missing")


def _fingerprint(row: Mapping[str, str | None]) -> Fingerprint | None:
    """None where the row is to be left out. Raises ValueError where it is bad."""
    if "" in row or None in row.values():
        raise ValueError(f"{'more' if '' in row else 'fewer'} columns than the header has")
    fields = {key: value or "" for key, value in row.items()}
    fingerprint = checked(
        Fingerprint(
            name=fields["name"],
            location=_location(fields["location_found"]),
            pattern_type=_pattern_type(fields["pattern_type"]),
            pattern=fields["pattern"],
            scope=_scope(fields),
            confidence=_confidence(fields["confidence_no_fp"]),
            countries=_countries(fields["expected_countries"]),
            source="; ".join(filter(None, (SOURCE, fields["exp_url"].strip()))),
        )
    )
    return None if fingerprint.scope != "fp" and is_challenge(fingerprint) else fingerprint


def is_challenge(fingerprint: Fingerprint) -> bool:
    """Whether the marker is found on Cloudflare's challenge page, which a CDN shows to robots and no censor does."""
    pattern = fingerprint.pattern.lower()
    if fingerprint.location == "header.server":
        return pattern.startswith("cloudflare")
    if fingerprint.location != "body":
        return False
    if fingerprint.pattern_type == "regexp":
        return any(re.search(fingerprint.pattern, text, re.IGNORECASE) for text in _CHALLENGE)
    return any(text in pattern or pattern in text for text in _CHALLENGE)


def _location(text: str) -> str:
    if _LOCATION.fullmatch(text) is None:
        raise ValueError(f"bad location_found {text!r}: expected dns, body or header.NAME")
    return text.lower()


def _pattern_type(text: str) -> _PatternType:
    if text not in _PATTERN_TYPES:
        raise ValueError(f"bad pattern_type {text!r}: expected {', '.join(_PATTERN_TYPES)}")
    return _PATTERN_TYPES[text]


def _scope(fields: Mapping[str, str]) -> str:
    column = fields["scope"].strip()
    named: list[str] = _CITIZEN_LAB_SCOPE.findall(f"{fields['name']},{fields['other_names']}")
    scopes = [scope for scope in (column, *named) if scope in CAUTION]
    if not scopes or (column and column not in CAUTION):
        raise ValueError(f"bad scope {column!r}: expected {', '.join(sorted(set(CAUTION) - {'opt-in'}))}")
    if _OPT_IN.search(f"{fields['name']} {fields['other_names']} {fields['notes']}"):
        scopes.append("opt-in")
    return min(scopes, key=CAUTION.index)


def _confidence(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 10):
        raise ValueError(f"bad confidence_no_fp {text!r}: expected a number from 0 to 10")
    return int(text)


def _countries(text: str) -> tuple[str, ...]:
    codes = [code for part in text.split(",") if (code := part.strip())]
    for code in codes:
        if _COUNTRY.fullmatch(code) is None:
            raise ValueError(f"bad expected_countries {text!r}: expected codes of two letters with commas between")
    return tuple(dict.fromkeys(code for code in codes if code != "ZZ"))
