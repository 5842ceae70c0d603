"""What the judge knew at a time: the catalogue and its markers of today, the expectations of that time."""

import bisect
from collections import OrderedDict
from collections.abc import Callable

from probe.catalogue.model import Catalogue, Service, Tables
from probe.verdict.fingerprints import Fingerprints
from probe.verdict.known import Library
from probe.wire.expectations import Expectations

_LIBRARIES = 12  # kept in memory: late data come in order, so a few versions do

Load = Callable[[int], Expectations]  # the expectations of a version, by its id


class Rules:
    """The catalogue with everything that stands beside it."""

    def __init__(self, catalogue: Catalogue, fingerprints: Fingerprints, tables: Tables) -> None:
        self.catalogue, self.fingerprints, self.tables = catalogue, fingerprints, tables
        self._services = {(p.id, s.id): s for p in catalogue.platforms for s in p.services}
        self._places: dict[tuple[str | None, str], tuple[str, str]] = {}
        for e in catalogue.endpoints():
            self._places[e.platform, e.url] = (e.platform, e.service)
            self._places.setdefault((None, e.url), (e.platform, e.service))

    def service(self, platform: str, service: str) -> Service | None:
        return self._services.get((platform, service))

    def place_of(self, platform: str | None, url: str) -> tuple[str, str] | None:
        """Platform and service of an endpoint; None where the catalogue has it not, or not for that platform."""
        return self._places.get((platform, url))

    def network_name(self, asn: int, seen: str | None) -> str | None:
        return self.tables.networks.get(asn) or seen


class Knowledge:
    """Libraries by event time. `versions` are (made at, id), oldest first."""

    def __init__(self, rules: Rules, versions: list[tuple[int, int]], load: Load) -> None:
        self.rules = rules
        self._times = [made_at for made_at, _ in versions]
        self._ids = [number for _, number in versions]
        self._load = load
        self._bare = Library(rules.catalogue, rules.fingerprints, None, rules.tables)
        self._libraries: OrderedDict[int, Library] = OrderedDict()

    def add(self, made_at: int, number: int) -> None:
        """A newer version."""
        self._times.append(made_at)
        self._ids.append(number)

    def at(self, time: int) -> tuple[Library, int | None]:
        """The library of an event time, and the id of its expectations: None where none had been made by then."""
        index = bisect.bisect_right(self._times, time) - 1
        if index < 0:
            return self._bare, None
        number = self._ids[index]
        library = self._libraries.get(number)
        if library is None:
            library = self._built(number)
        else:
            self._libraries.move_to_end(number)
        return library, number

    def _built(self, number: int) -> Library:
        library = Library(self.rules.catalogue, self.rules.fingerprints, self._load(number), self.rules.tables)
        self._libraries[number] = library
        if len(self._libraries) > _LIBRARIES:
            self._libraries.popitem(last=False)
        return library
