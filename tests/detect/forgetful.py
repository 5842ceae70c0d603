"""A store that keeps nothing: what is left is what the detector itself holds."""

# ruff: noqa: ARG002

from collections.abc import Iterable

from probe.detect.store import Told
from probe.detect.votes import Cell, Order, Vote, VoteName


class Forgetful:
    revised: frozenset[str] = frozenset()

    def append(self, cell: Cell, vote: Vote, place: Order) -> bool:
        return True

    def note(self, name: VoteName, revision: int, time: float) -> bool:
        return True

    def find(self, name: VoteName) -> tuple[tuple[Cell, Vote], ...]:
        return ()

    def remove(self, cell: Cell, place: Order) -> None: ...

    def of_cell(self, cell: Cell, after: Order | None) -> Iterable[Vote]:
        return ()

    def of_service(
        self,
        platform: str,
        service: str,
        since: float,
        until: float,
    ) -> Iterable[Told]:
        return ()

    def of_network(self, country: str, asn: int, since: float, until: float) -> Iterable[Told]:
        return ()

    def keep(self, cell: Cell, at: Order, state: bytes) -> None: ...

    def kept(self, cell: Cell, before: Order) -> bytes | None:
        return None

    def drop(self, cell: Cell, after: Order) -> None: ...

    def forget(self, before: float) -> None: ...
