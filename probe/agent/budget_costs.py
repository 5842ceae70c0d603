"""What a measurement costs on the wire, learnt from what measurements have cost."""

from collections.abc import Iterable
from typing import Literal

from probe.catalogue.model import Endpoint

Mode = Literal["light", "default", "deep"]

_WEIGHT = 0.3  # of the newest
_PAGE = 72_000  # 64 KiB of a page with its packets
# Bytes, in a lab and rounded up: two questions, a connection, a flight of certificates of 3 to 5 kB. A round learns.
_FIRST: dict[str, dict[Mode, float]] = {
    "https": {"light": 6000, "default": 6000 + _PAGE, "deep": 16000 + _PAGE},
    "http": {"light": _PAGE, "default": _PAGE, "deep": _PAGE + 4000},
    "tls": {"light": 6000, "default": 6000, "deep": 16000},
    "tcp": {"light": 1000, "default": 1000, "deep": 4000},
    "dns": {"light": 600, "default": 600, "deep": 4000},
    "quic": {"light": 6000, "default": 6000, "deep": 6000},
}
_OVERHEAD = 40_000.0  # bytes of a round beside its endpoints: anchors, and the report of it
_ROUNDED_UP = 1.1


class Costs:
    """Expected bytes by endpoint and mode, and of a round beside them. `overhead` is zero-based: it is learnt too."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], float] = {}
        self._like: dict[tuple[str, str], float] = {}  # by scheme: for endpoints not measured yet
        self.overhead = _OVERHEAD

    def of(self, endpoint: Endpoint, mode: Mode) -> float:
        scheme = endpoint.target.scheme
        like = self._like.get((scheme, mode), _FIRST[scheme][mode])
        return self._known.get((endpoint.url, mode), like) * _ROUNDED_UP

    def of_all(self, endpoints: Iterable[Endpoint], mode: Mode) -> float:
        return sum(self.of(endpoint, mode) for endpoint in endpoints)

    def learn(self, endpoint: Endpoint, mode: Mode, cost: float) -> None:
        scheme = endpoint.target.scheme
        like = self._like.get((scheme, mode), _FIRST[scheme][mode])
        self._like[scheme, mode] = _moved(like, cost, 0.05)
        self._known[endpoint.url, mode] = _moved(self._known.get((endpoint.url, mode), cost), cost, _WEIGHT)

    def learn_overhead(self, cost: float) -> None:
        self.overhead = _moved(self.overhead, cost, _WEIGHT)


def _moved(old: float, new: float, weight: float) -> float:
    return old + weight * (new - old)
