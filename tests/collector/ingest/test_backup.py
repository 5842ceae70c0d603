"""A copy taken while reports come in is a prefix of the log, and brings a collector back."""

import shutil
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import trio

from probe.collector.accounts import Accounts
from probe.collector.backup import BackupFault, back_up, restore, verified
from probe.collector.config import CollectorConfig, parse_config
from probe.collector.documents import Documents
from probe.collector.ingest_housekeeping import Housekeeping
from probe.collector.log.sqlite import SqliteLog
from tests.collector.ingest.world import Still, founded
from tests.collector.log.entries import DAY, NOON, entry, everything, opened, over_days


@pytest.fixture
def config(tmp_path: Path, clock: Still) -> CollectorConfig:
    config = parse_config("state: state\n", tmp_path / "collector.yaml")
    shutil.copytree(founded(clock.now()), config.state)
    return config


def elsewhere(tmp_path: Path) -> CollectorConfig:
    return parse_config("state: restored\n", tmp_path / "collector.yaml")


async def append_for_ever(log: SqliteLog, done: list[int]) -> None:
    number = 0
    while True:
        number += 1
        done.append(await log.append(entry(number, NOON + 2 * DAY)))


async def test_a_backup_under_load_restores_to_a_prefix_of_the_log(config: CollectorConfig, tmp_path: Path) -> None:
    async with opened(config.log_folder) as log:
        await over_days(log, 3, 20)
        await log.seal_before(NOON + DAY)
        await log.remember("views", 17)
        done: list[int] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(append_for_ever, log, done)
            await trio.sleep(0.2)
            begun = len(done)
            manifest = await trio.to_thread.run_sync(back_up, config, tmp_path / "backup")
            ended = len(done)
            nursery.cancel_scope.cancel()
        whole = await everything(log)
    assert begun <= manifest.last_position - 60 <= ended + 1
    restored = elsewhere(tmp_path)
    restore(restored, tmp_path / "backup")
    async with opened(restored.log_folder) as log:
        found = await everything(log)
        assert await log.remembered("views") == 17
        assert await log.append(entry(at=NOON + 3 * DAY)) == manifest.last_position + 1
    assert [(one.position, one.document) for one in found] == [
        (one.position, one.document) for one in whole[: len(found)]
    ]
    assert found[-1].position == manifest.last_position


async def test_accounts_documents_and_the_online_key_come_back(config: CollectorConfig, tmp_path: Path) -> None:
    with closing(Accounts.open(config.accounts_file)) as accounts:
        account, token = accounts.create("probe", "Ayşe", NOON)
        code = accounts.invitations.invite("probe", "Ayşe", NOON, 3600)
    async with opened(config.log_folder) as log:
        await log.append(entry())
    (config.state / "views.sqlite").write_bytes(b"to be made again")
    back_up(config, tmp_path / "backup")
    assert not (tmp_path / "backup" / "views.sqlite").exists()
    restored = elsewhere(tmp_path)
    restore(restored, tmp_path / "backup")
    with closing(Accounts.open(restored.accounts_file)) as accounts:
        assert accounts.authenticated(token) == account
        assert accounts.enrol(code, "probe/1", NOON)[0].steward == "Ayşe"
    with closing(Documents.open(restored.documents_file)) as documents:
        assert documents.current("catalogue")
    key = restored.online_key_file
    assert key.read_bytes() == config.online_key_file.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600


async def test_what_was_erased_since_goes_again_from_a_restored_log(
    config: CollectorConfig, tmp_path: Path, clock: Still
) -> None:
    async with opened(config.log_folder) as log:
        await over_days(log, 1, 9)
    with closing(Accounts.open(config.accounts_file)) as accounts:
        accounts.erase("probe1", clock.now())
        accounts.erasure_done("probe1", clock.now())
    back_up(config, tmp_path / "backup")
    restored = elsewhere(tmp_path)
    restore(restored, tmp_path / "backup")
    with closing(Accounts.open(restored.accounts_file)) as accounts:
        assert [erasure.done_at for erasure in accounts.erased()] == [None]
        async with opened(restored.log_folder) as log:
            await Housekeeping(log, accounts, clock, restored.log).once()
            assert {one.probe for one in await everything(log)} == {"probe0", "probe2"}


async def test_an_erasure_is_done_once_nothing_of_it_can_be_on_its_way(config: CollectorConfig, clock: Still) -> None:
    with closing(Accounts.open(config.accounts_file)) as accounts:
        async with opened(config.log_folder) as log:
            await over_days(log, 1, 3)
            accounts.erase("probe1", clock.now())
            chores = Housekeeping(log, accounts, clock, config.log)
            await chores.once()
            assert {one.probe for one in await everything(log)} == {"probe0", "probe2"}
            assert accounts.erased()[0].done_at is None
            await log.append(entry(1))  # a request that was authenticated just before
            clock.pass_by(minutes=16)
            await chores.once()
            assert {one.probe for one in await everything(log)} == {"probe0", "probe2"}
            assert accounts.erased()[0].done_at == clock.now()


async def test_days_are_sealed_and_removed_by_the_configured_times(tmp_path: Path, clock: Still) -> None:
    text = "state: state\nlog: {seal_after: 1 day, keep: 3 days}\n"
    config = parse_config(text, tmp_path / "collector.yaml")
    with closing(Accounts.open(config.accounts_file)) as accounts:
        async with opened(config.log_folder) as log:
            await over_days(log, 6, 2)
            clock.pass_by(seconds=(NOON + 5 * DAY - clock.now()).total_seconds())
            await Housekeeping(log, accounts, clock, config.log).once()
            assert [one.position for one in await everything(log)] == list(range(5, 13))
    assert sorted(path.name for path in config.log_folder.glob("*.sealed")) == [
        f"{(NOON + n * DAY).date()}.sealed" for n in (2, 3)
    ]


async def test_a_backup_that_was_changed_or_cut_short_is_refused(config: CollectorConfig, tmp_path: Path) -> None:
    async with opened(config.log_folder) as log:
        await log.append(entry())
    target = tmp_path / "backup"
    back_up(config, target)
    (day,) = target.glob("log/*.live.sqlite")
    raw = day.read_bytes()
    for change in (raw[:-1], raw[:-1] + bytes([raw[-1] ^ 1])):
        day.write_bytes(change)
        with pytest.raises(BackupFault, match="not what was written"):
            verified(target)
    day.unlink()
    with pytest.raises(BackupFault, match="missing"):
        restore(elsewhere(tmp_path), target)
    (target / "backup.json").unlink()
    with pytest.raises(BackupFault, match="not a complete one"):
        verified(target)


def test_a_backup_cannot_write_outside_of_the_state_folder(config: CollectorConfig, tmp_path: Path) -> None:
    config.log_folder.mkdir()
    target = tmp_path / "backup"
    back_up(config, target)
    manifest = msgspec.json.decode((target / "backup.json").read_bytes())
    manifest["files"]["../../escaped"] = "0"
    (target / "backup.json").write_bytes(msgspec.json.encode(manifest))
    with pytest.raises(BackupFault, match="leads out"):
        restore(elsewhere(tmp_path), target)


def test_neither_a_backup_nor_a_collector_is_written_over(config: CollectorConfig, tmp_path: Path) -> None:
    config.log_folder.mkdir()
    back_up(config, tmp_path / "backup")
    with pytest.raises(BackupFault, match="exists already"):
        back_up(config, tmp_path / "backup")
    with pytest.raises(BackupFault, match="holds a collector already"):
        restore(config, tmp_path / "backup")
