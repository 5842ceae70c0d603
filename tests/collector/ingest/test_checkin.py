import datetime as dt
from pathlib import Path

import msgspec
import pytest
import trio

from probe import __version__
from probe.catalogue.bundle import decode_bundle, unpacked
from probe.catalogue.keyring import Keyring
from probe.catalogue.signatures import sign
from probe.collector.documents import Documents
from probe.collector.keys import online_key
from probe.wire.reports import Retest
from probe.wire.signed import ExpectationsDocument, Signed
from tests.collector.ingest.reports import compressed, report
from tests.collector.ingest.world import Still, World, opened_world, refusal


def retest(world: World, id: str = "r1", minutes: float = 10) -> Retest:
    until = world.clock.now() + dt.timedelta(minutes=minutes)
    return Retest(id=id, platform="x", service="web", until=until)


def publish_expectations(world: World, version: str) -> None:
    """From another connection, as the analysis does."""
    expires = world.clock.now() + dt.timedelta(days=2)
    document = ExpectationsDocument(version=version, made_at=world.clock.now(), expires_at=expires, expectations="{}")
    signed = sign(msgspec.json.encode(document), online_key(world.config))
    elsewhere = Documents.open(world.config.documents_file)
    elsewhere.publish("expectations", signed, version, expires)
    elsewhere.close()


async def test_a_checkin_tells_the_time_and_what_is_new(world: World) -> None:
    publish_expectations(world, "v1")
    world.desk.look()
    answer = (await world.ask("GET", "/checkin", world.token())).json()
    assert msgspec.convert(answer["time"], dt.datetime) == world.clock.now()
    assert answer["collector_version"] == __version__
    assert answer["expectations"] == "v1"
    assert answer["catalogue"]
    assert answer["keys"]
    assert "retests" not in answer


@pytest.mark.parametrize(
    "query", ["country=tr", "country=TUR", "asn=x", "asn=0", "asn=99999999999", "wait=-1", "wait=nan", "wait=1e3"]
)
async def test_a_question_that_makes_no_sense_is_refused(world: World, query: str) -> None:
    answer = await world.ask("GET", f"/checkin?{query}", world.token())
    assert answer.status_code == 422
    assert refusal(answer)[1] == f"?{query.partition('=')[0]}"


async def test_a_retest_rides_on_the_checkin_and_on_the_answer_to_a_report(world: World, clock: Still) -> None:
    token, other = world.token(), world.token()
    probe = world.accounts.authenticated(token)
    assert probe is not None
    wanted = retest(world)
    elsewhere = Documents.open(world.config.documents_file)
    elsewhere.ask(wanted, [probe.probe])
    world.desk.look()
    expected = [msgspec.to_builtins(wanted)]
    assert (await world.ask("GET", "/checkin", token)).json()["retests"] == expected
    assert (await world.send(compressed(report()), token, "zstd")).json()["retests"] == expected
    assert "retests" not in (await world.ask("GET", "/checkin", other)).json()
    clock.pass_by(minutes=11)
    assert "retests" not in (await world.ask("GET", "/checkin", token)).json()
    elsewhere.forget_passed(clock.now())
    assert elsewhere.retests(clock.now() - dt.timedelta(hours=1)) == {}
    elsewhere.close()


async def test_a_waiting_probe_is_told_of_a_retest_at_once(world: World) -> None:
    token = world.token()
    probe = world.accounts.authenticated(token)
    assert probe is not None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.desk.keep_looking)
        with trio.fail_after(20):
            async with trio.open_nursery() as asking:
                asking.start_soon(_ask_soon, world, probe.probe)
                answer = await world.ask("GET", "/checkin?wait=50", token)
        assert [one["id"] for one in answer.json()["retests"]] == ["r1"]
        nursery.cancel_scope.cancel()


async def _ask_soon(world: World, probe: str) -> None:
    await trio.sleep(0.3)
    elsewhere = Documents.open(world.config.documents_file)
    elsewhere.ask(retest(world), [probe])
    elsewhere.close()


async def test_a_waiting_probe_gets_its_answer_when_the_time_is_up_or_the_collector_stops(
    tmp_path: Path, clock: Still
) -> None:
    async with opened_world(tmp_path, clock, "checkin_wait: 0.2\n") as world:
        with trio.fail_after(10):
            assert (await world.ask("GET", "/checkin?wait=50", world.token())).status_code == 200


async def test_a_stopping_collector_keeps_nobody_waiting(world: World) -> None:
    token = world.token()
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_soon, world)
            assert (await world.ask("GET", "/checkin?wait=50", token)).status_code == 200


async def _stop_soon(world: World) -> None:
    await trio.sleep(0.1)
    world.app.stop_waiting()


async def test_a_token_that_is_revoked_while_it_waits_gets_nothing(world: World) -> None:
    token = world.token()
    account = world.accounts.authenticated(token)
    assert account is not None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_stop_soon, world)
        nursery.start_soon(_revoke_soon, world, account.probe)
        answer = await world.ask("GET", "/checkin?wait=50", token)
    assert answer.status_code == 401


async def _revoke_soon(world: World, probe: str) -> None:
    await trio.sleep(0.01)
    await trio.to_thread.run_sync(world.accounts.revoke, probe, world.clock.now())


# --- documents ---


async def test_a_document_is_signed_and_served_by_its_version(world: World) -> None:
    token = world.token()
    keys = await world.ask("GET", "/keys", token)
    public = msgspec.json.decode(msgspec.json.decode(keys.content, type=Signed).payload)["catalogue"]
    ring = Keyring.of(public).after(msgspec.convert(keys.json(), Signed), world.clock.now())
    catalogue = await world.ask("GET", "/catalogue", token)
    bundle = decode_bundle(ring.catalogue_payload(msgspec.convert(catalogue.json(), Signed)))
    assert catalogue.headers["etag"] == f'"{bundle.version}"'
    assert len(unpacked(bundle).catalogue.platforms) >= 30
    checkin = (await world.ask("GET", "/checkin", token)).json()
    assert checkin["catalogue"] == bundle.version


async def test_who_has_the_version_is_told_so(world: World) -> None:
    token = world.token()
    tag = (await world.ask("GET", "/catalogue", token)).headers["etag"]
    for known in (tag, f'"other", {tag}', f"W/{tag}"):
        answer = await world.ask("GET", "/catalogue", token, headers={"if-none-match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert (await world.ask("GET", "/catalogue", token, headers={"if-none-match": '"other"'})).status_code == 200


async def test_a_document_is_compressed_for_whom_it_helps(world: World) -> None:
    token = world.token()
    plain = await world.ask("GET", "/catalogue", token, headers={"accept-encoding": "identity"})
    packed = await world.ask("GET", "/catalogue", token, headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert packed.content == plain.content


async def test_a_new_version_is_handed_out_as_soon_as_it_is_there(world: World) -> None:
    token = world.token()
    assert (await world.ask("GET", "/expectations", token)).status_code == 404
    for version in ("v1", "v2"):
        publish_expectations(world, version)
        world.desk.look()
        assert (await world.ask("GET", "/expectations", token)).headers["etag"] == f'"{version}"'


async def test_documents_can_be_public(tmp_path: Path, clock: Still) -> None:
    async with opened_world(tmp_path, clock, "public_documents: true\n") as world:
        assert (await world.ask("GET", "/keys")).status_code == 200
        assert (await world.ask("GET", "/checkin")).status_code == 401
