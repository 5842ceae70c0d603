"""Who gets nothing: a stranger, a revoked token, a used invitation, a token of another role."""

from contextlib import closing

import httpx
import msgspec
import pytest

from probe.collector.accounts import Accounts
from probe.wire.reports import Agent, Enrolment, Role
from tests.collector.ingest.reports import compressed, report
from tests.collector.ingest.world import Still, World, refusal

PATHS = [("POST", "/reports"), ("GET", "/checkin"), ("DELETE", "/probe")]
DOCUMENTS = [("GET", f"/{kind}") for kind in ("catalogue", "expectations", "keys")]
AGENT = Agent(name="censorship-probe", version="1.0")


def enrolment(code: str) -> bytes:
    return msgspec.json.encode(Enrolment(invitation=code, agent=AGENT))


@pytest.mark.parametrize(("method", "path"), PATHS + DOCUMENTS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": "Bearer " + "A" * 43},
        {"authorization": "Bearer " + "A" * 20_000},
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"authorization": "Bearer \xff\xfe\x00".encode("latin-1")},
    ],
    ids=["none", "empty", "unknown", "endless", "another scheme", "no text"],
)
async def test_a_stranger_gets_nothing(world: World, method: str, path: str, headers: dict[str, str]) -> None:
    answer = await world.ask(method, path, headers=headers, content=b"{}" if method == "POST" else None)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert refusal(answer)[0].startswith("unknown or revoked token")
    assert await world.kept() == []


async def test_two_tokens_at_once_are_none(world: World) -> None:
    token = world.token()
    for other in ("Bearer x", f"Bearer {token}"):
        headers = httpx.Headers([("authorization", f"Bearer {token}"), ("authorization", other)])
        assert (await world.ask("GET", "/checkin", headers=headers)).status_code == 401


@pytest.mark.parametrize(("method", "path"), PATHS + DOCUMENTS)
async def test_a_token_that_another_process_revoked_gets_nothing_from_the_next_request_on(
    world: World, method: str, path: str
) -> None:
    token = world.token()
    with closing(Accounts.open(world.config.accounts_file)) as elsewhere:
        (account,) = elsewhere.probes()
        assert (await world.ask("GET", "/checkin", token)).status_code == 200
        assert elsewhere.revoke(account.probe, world.clock.now())
    answer = await world.ask(method, path, token, content=b"{}" if method == "POST" else None)
    assert answer.status_code == 401
    assert await world.kept() == []


@pytest.mark.parametrize("role", ["read", "admin"])
@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_a_token_of_another_role_gets_nothing(world: World, role: Role, method: str, path: str) -> None:
    token = world.token(role)
    body = compressed(report()) if method == "POST" else None
    answer = await world.ask(method, path, token, content=body, headers={"content-encoding": "zstd"})
    assert answer.status_code == 403
    assert role in refusal(answer)[0]
    assert await world.kept() == []
    assert world.accounts.erased() == []


async def test_an_invitation_gives_its_role_and_steward_once(world: World) -> None:
    code = world.accounts.invitations.invite("control", "Ayşe", world.clock.now(), 3600)
    answer = await world.ask("POST", "/enrol", content=enrolment(code))
    assert answer.status_code == 200
    enrolled = answer.json()
    assert enrolled["role"] == "control"
    assert len(enrolled["token"]) == 43
    assert len(enrolled["catalogue_keys"]) == 1
    assert enrolled["keys"]["signature"]
    (account,) = world.accounts.probes()
    assert (account.role, account.steward, account.agent) == ("control", "Ayşe", "censorship-probe/1.0")
    again = await world.ask("POST", "/enrol", content=enrolment(code))
    assert again.status_code == 403
    assert "used already" in refusal(again)[0]
    assert len(world.accounts.probes()) == 1
    sent = await world.send(compressed(report()), enrolled["token"], "zstd")
    assert sent.status_code == 202
    assert (await world.kept())[0].role == "control"


async def test_an_invitation_that_expired_or_never_was_gives_nothing(world: World, clock: Still) -> None:
    code = world.accounts.invitations.invite("probe", "Ayşe", clock.now(), 3600)
    clock.pass_by(hours=2)
    for wrong, why in ((code, "expired"), ("A" * 24, "no such"), ("x", "no such")):
        answer = await world.ask("POST", "/enrol", content=enrolment(wrong))
        assert answer.status_code == 403
        assert why in refusal(answer)[0]
    assert world.accounts.probes() == []


async def test_the_invitations_of_a_revoked_steward_are_withdrawn(world: World) -> None:
    code = world.accounts.invitations.invite("probe", "Ayşe", world.clock.now(), 3600)
    token = world.token(steward="Ayşe")
    other = world.token(steward="Mehmet")
    assert len(world.accounts.revoke_steward("Ayşe", world.clock.now())) == 1
    assert (await world.ask("POST", "/enrol", content=enrolment(code))).status_code == 403
    assert (await world.ask("GET", "/checkin", token)).status_code == 401
    assert (await world.ask("GET", "/checkin", other)).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 422),
        (b'{"invitation": 5}', 422),
        (b'{"invitation": "x", "agent": {"name": "", "version": "1"}}', 422),
        (b"x" * 20_000, 413),
    ],
)
async def test_what_is_no_enrolment_is_refused(world: World, body: bytes, status: int) -> None:
    answer = await world.ask("POST", "/enrol", content=body)
    assert answer.status_code == status
    assert refusal(answer)[0]


async def test_enrolments_are_bounded_in_number(world: World, clock: Still) -> None:
    statuses = [(await world.ask("POST", "/enrol", content=enrolment("x" * 24))).status_code for _ in range(31)]
    assert statuses == [403] * 30 + [429]
    clock.pass_by(minutes=1)
    assert (await world.ask("POST", "/enrol", content=enrolment("x" * 24))).status_code == 403


async def test_neither_tokens_nor_invitations_are_kept(world: World) -> None:
    code = world.accounts.invitations.invite("probe", "Ayşe", world.clock.now(), 3600)
    token = (await world.ask("POST", "/enrol", content=enrolment(code))).json()["token"]
    await world.send(compressed(report()), token, "zstd")
    raw = b"".join(path.read_bytes() for path in world.config.state.rglob("*") if path.is_file())
    assert code.encode() not in raw
    assert token.encode() not in raw


async def test_a_probe_that_leaves_is_out_at_once_and_its_reports_go(world: World) -> None:
    token, other = world.token(), world.token()
    for one in (token, other):
        assert (await world.send(compressed(report()), one, "zstd")).status_code == 202
    leaving = (await world.kept())[0].probe
    assert (await world.ask("DELETE", "/probe", token)).status_code == 202
    assert (await world.ask("DELETE", "/probe", token)).status_code == 401
    assert [erasure.probe for erasure in world.accounts.erased()] == [leaving]
    assert leaving not in [account.probe for account in world.accounts.probes()]


async def test_the_day_a_probe_was_last_seen_is_kept_and_nothing_finer(world: World, clock: Still) -> None:
    token = world.token()
    await world.ask("GET", "/checkin", token)
    await world.app.callers.write_seen()
    clock.pass_by(days=1)
    await world.send(compressed(report()), token, "zstd")
    await world.app.callers.write_seen()
    (account,) = world.accounts.probes()
    assert account.last_seen == clock.now().date()
    assert type(account.last_seen).__name__ == "date"
