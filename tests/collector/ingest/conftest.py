import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.collector.ingest.world import Still, World, opened_world


@pytest.fixture
def clock() -> Still:
    return Still(dt.datetime(2026, 11, 22, 6, 0, tzinfo=dt.UTC))


@pytest.fixture
async def world(tmp_path: Path, clock: Still) -> AsyncIterator[World]:
    async with opened_world(tmp_path, clock) as opened:
        yield opened
