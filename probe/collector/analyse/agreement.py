"""One expectation out of what several controls saw. Pure.

Controls agree where none contradicts another about how far a connection gets. Of what they agree on, facts that differ
from control to control (a title in another language) are left out, and sets (addresses, issuers) are put together.
"""

import statistics
from collections.abc import Sequence
from itertools import chain
from typing import Any, TypeVar

import msgspec

from probe.wire.expectations import Expectation

_MOST_ADDRESSES = 64
_REACH = ("tcp_ok", "tls_ok", "chain_valid", "host_match", "http_ok")
_FAILURES = ("dns_failure", "tcp_failure", "tls_failure", "chain_failure", "http_failure")
_PAGE = ("http_ok", "http_failure", "status", "title", "body_length", "body_sha256", "headers", "hosts")

T = TypeVar("T")


def agreed(seen: Sequence[Expectation]) -> Expectation | None:
    """What at least two say alike, or the only one; None where several saw it and no two agree."""
    if not seen:
        return None
    camps = [[other for other in seen if agree(one, other)] for one in seen]
    largest = max(camps, key=lambda camp: (len(camp), _reach(camp[0])))
    if len(seen) > 1 and len(largest) < 2:
        return None
    return _merged(largest)


def agree(one: Expectation, other: Expectation) -> bool:
    """No layer that both looked at works for one and fails for the other."""
    named = (bool(one.addresses), bool(other.addresses))
    both = [(getattr(one, layer), getattr(other, layer)) for layer in _REACH]
    answered = one.dns_failure is None and other.dns_failure is None
    return (answered or named[0] == named[1]) and all(a == b for a, b in both if a is not None and b is not None)


def carried(before: Expectation, now: Expectation) -> Expectation:
    """What one control knows after a further look. A light round does not fetch the page: what it gave the last time
    holds on as long as the layers below it work. Addresses gather."""
    addresses = tuple(dict.fromkeys((*now.addresses, *before.addresses)))[:_MOST_ADDRESSES]
    told = msgspec.structs.replace(now, addresses=addresses if now.addresses else ())
    works = now.tls_ok or (now.tls_ok is None and now.tcp_ok)
    if now.http_ok is None and works:
        return msgspec.structs.replace(told, **{name: getattr(before, name) for name in _PAGE})
    return told


def _reach(seen: Expectation) -> int:
    return sum(getattr(seen, layer) is True for layer in _REACH)


def _merged(camp: Sequence[Expectation]) -> Expectation:
    facts = {name: _first([getattr(seen, name) for seen in camp]) for name in (*_REACH, *_FAILURES)}
    return Expectation(
        addresses=_united([seen.addresses for seen in camp])[:_MOST_ADDRESSES],
        issuers=_united([seen.issuers for seen in camp]),
        chain_sha256=_united([seen.chain_sha256 for seen in camp]),
        hosts=_united([seen.hosts for seen in camp]),
        headers=_shared([seen.headers for seen in camp if seen.http_ok]),
        status=_same([seen.status for seen in camp if seen.http_ok]),
        title=_same([seen.title for seen in camp if seen.http_ok]),
        body_length=_middle([seen.body_length for seen in camp if seen.http_ok]),
        body_sha256=_same([seen.body_sha256 for seen in camp if seen.http_ok]),
        controls=len(camp),
        **facts,
    )


def _first(values: Sequence[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def _same(values: Sequence[T]) -> T | None:
    return values[0] if values and all(value == values[0] for value in values) else None


def _middle(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return round(statistics.median(known)) if known else None


def _united(sets: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted(set(chain.from_iterable(sets))))


def _shared(sets: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted(set(sets[0]).intersection(*sets[1:]))) if sets else ()
