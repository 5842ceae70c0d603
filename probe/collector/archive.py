"""The archive for researchers: raw measurements as Parquet, a file a day and country, in folders as Hive names them
(`day=2026-11-22/country=TR/`), which every reader of Parquet understands."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from probe.collector.export import Exported
from probe.collector.export_table import Parquet
from probe.collector.web.record import without_volunteer

UNKNOWN = "ZZ"  # a country that is not known, as OONI has it
_OPEN = 64  # files at a time
_DRAFT = ".parquet.new"


class Archive:
    """Files appear under their names once they are whole; what is there already is replaced."""

    def __init__(self, folder: Path, *, public: bool) -> None:
        self._folder, self._public = folder, public
        self._open: dict[Path, Parquet] = {}
        self._written: dict[Path, int] = {}
        self.count = 0

    def add(self, one: Exported) -> None:
        folder = self._folder / f"day={one.row.time:%Y-%m-%d}" / f"country={one.row.country or UNKNOWN}"
        measurement = one.reported.measurement
        record = msgspec.json.encode(without_volunteer(measurement) if self._public else measurement).decode()
        self._file(folder).add(one.row, record)
        self.count += 1

    def close(self) -> None:
        for folder in list(self._open):
            self._end(folder)
        for folder, parts in self._written.items():
            _put_in_place(folder, parts)

    def _file(self, folder: Path) -> Parquet:
        parquet = self._open.pop(folder, None)
        if parquet is None:
            if len(self._open) >= _OPEN:
                self._end(next(iter(self._open)))
            folder.mkdir(parents=True, exist_ok=True)
            number = self._written.get(folder, 0)
            parquet = Parquet(str(folder / f"part-{number}{_DRAFT}"), records=True)
            self._written[folder] = number + 1
        self._open[folder] = parquet  # the one used last is the last to be closed
        return parquet

    def _end(self, folder: Path) -> None:
        self._open.pop(folder).close()


def _put_in_place(folder: Path, parts: int) -> None:
    for number in range(parts):
        (folder / f"part-{number}{_DRAFT}").replace(folder / f"part-{number}.parquet")
    for path in folder.glob("part-*.parquet"):
        if int(path.stem.removeprefix("part-")) >= parts:
            path.unlink()


async def archived(reports: AsyncIterator[list[Exported]], folder: Path, *, public: bool) -> int:
    """How many measurements. A run that is interrupted leaves the files of the one before."""
    archive = Archive(folder, public=public)
    async for report in reports:
        for one in report:
            archive.add(one)
    archive.close()
    return archive.count
