"""Matching of known block pages and forged answers.

Only some scopes conclude: a national or ISP marker is proof, a product's or an institution's page is not, and a known
false positive is proof of the contrary. `opt-in` filters are the owner's own choice: told, never a vote.
"""

import functools
import re
from collections.abc import Iterable

from probe.catalogue.model import Fingerprint
from probe.wire.addresses import parse_address
from probe.wire.steps import HttpStep

CONCLUSIVE = frozenset({"nat", "isp", "opt-in"})
_LEAST_CONFIDENCE = 3  # of OONI's 0 to 10: below it a marker is a hint, no proof


@functools.lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text, re.DOTALL)
    except re.error:
        return None


def _text_matches(fingerprint: Fingerprint, text: str) -> bool:
    match fingerprint.pattern_type:
        case "full":
            return text == fingerprint.pattern
        case "prefix":
            return text.startswith(fingerprint.pattern)
        case "contains":
            return fingerprint.pattern in text
        case "regexp":
            pattern = _pattern(fingerprint.pattern)
            return pattern is not None and pattern.search(text) is not None


class Fingerprints:
    """An index of markers by where they are looked for."""

    def __init__(self, rows: Iterable[Fingerprint] = ()) -> None:
        self._dns_full: dict[str, list[Fingerprint]] = {}
        self._dns_other: list[Fingerprint] = []
        self._http: list[Fingerprint] = []
        for row in rows:
            if row.location != "dns":
                self._http.append(row)
            elif row.pattern_type == "full":
                self._dns_full.setdefault(_canonical(row.pattern), []).append(row)
            else:
                self._dns_other.append(row)

    def of_answer(self, values: Iterable[str], country: str | None = None) -> Fingerprint | None:
        """The best marker among addresses and CNAMEs of one answer."""
        hits: list[Fingerprint] = []
        for value in values:
            hits += self._dns_full.get(_canonical(value), [])
            hits += [row for row in self._dns_other if _text_matches(row, value)]
        return _best(hits, country)

    def of_page(self, page: HttpStep, country: str | None = None) -> Fingerprint | None:
        """The best marker in one response. One that came over a valid certificate is the site's own: it may quote
        a notice, and is never matched."""
        if page.trusted:
            return None
        return _best([row for row in self._http if _page_matches(row, page)], country)


def _canonical(value: str) -> str:
    address = parse_address(value)
    return str(address) if address is not None else value.rstrip(".").lower()


def _page_matches(row: Fingerprint, page: HttpStep) -> bool:
    match row.location.partition("."):
        case ("body", _, _):
            return _text_matches(row, page.body.decode("utf-8", "replace"))
        case ("title", _, _):
            return page.title is not None and _text_matches(row, page.title)
        case ("status", _, _):
            return page.status is not None and _text_matches(row, str(page.status))
        case ("url", _, _):
            return any(_text_matches(row, url) for url in (page.url, page.location or ""))
        case ("header", _, name):
            return any(_text_matches(row, value) for key, value in page.headers if key.lower() == name.lower())
    return False


def _best(hits: list[Fingerprint], country: str | None) -> Fingerprint | None:
    """The marker that says most: a false positive overrules, then what concludes, then this country's, then the
    surest."""
    if not hits:
        return None
    return max(hits, key=lambda row: (row.scope == "fp", concludes(row), country in row.countries, row.confidence))


def concludes(row: Fingerprint | None) -> bool:
    """Whether the marker alone proves that somebody blocks."""
    return row is not None and row.scope in CONCLUSIVE and row.confidence >= _LEAST_CONFIDENCE


def describe(row: Fingerprint) -> str:
    where = "/".join(row.countries)
    return f"{row.name}{f' ({where})' if where else ''}"
