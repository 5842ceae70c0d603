"""From nothing to a probe that may start: read, agreed, enrolled, written down; and nothing of it without agreement."""

import json
from pathlib import Path

import pytest

from probe.agent.config import load_config
from probe.agent.consent import consented, read_consent
from probe.agent.credentials import load_credentials
from probe.catalogue.loader import default_catalogue_path
from probe.catalogue.signatures import Keypair, public_text
from tests.agent.publishing import SHOP, holding, publishing

from .owner import Done, at_terminal, run


def places(folder: Path) -> tuple[str | Path, ...]:
    return "--config", folder / "etc" / "probe.yaml", "--state", folder / "state"


def left(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_one_line(done: Done, status: int, *words: str) -> None:
    assert (done.status, done.stdout) == (status, ""), done
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert [word for word in words if word not in done.stderr] == []


async def test_where_nobody_is_nothing_happens(tmp_path: Path) -> None:
    async with publishing() as collector:
        done = await run(tmp_path, "setup", *places(tmp_path), "--invitation", collector.invitation)
        assert collector.seen.connections == 0
    assert_one_line(done, 2, "--accept-risks", "probe setup --read")
    assert left(tmp_path) == []


async def test_a_script_sets_up_a_probe_without_a_collector(tmp_path: Path) -> None:
    done = await run(
        tmp_path, "setup", *places(tmp_path), "--accept-risks", "--platform", "x", "--platform", "telegram"
    )
    assert done.status == 0, done
    config = load_config(tmp_path / "etc" / "probe.yaml")
    assert (config.state, config.platforms, config.collectors) == (tmp_path / "state", ("x", "telegram"), ())
    assert consented(config.state)
    assert holding(config.state) == {"consent.json"}
    assert f"probe run --config {tmp_path}/etc/probe.yaml" in done.stdout


async def test_a_script_enrols_with_an_invitation(tmp_path: Path) -> None:
    async with publishing() as collector:
        collector.publish_keys()
        version = collector.publish_catalogue()
        collector.role = "control"
        done = await run(tmp_path, "setup", *places(tmp_path), "--accept-risks", "--invitation", collector.invitation)
        assert done.status == 0, done
        assert collector.invitation.partition("#")[2] not in done.stdout + done.stderr
    config = load_config(tmp_path / "etc" / "probe.yaml")
    assert (config.collectors, config.role) == ((collector.url,), "control")
    credentials = load_credentials(config.state)
    assert credentials is not None
    assert (credentials.collector, credentials.role, credentials.collectors) == (
        "Stand-in",
        "control",
        (collector.url,),
    )
    assert credentials.catalogue_keys == (public_text(collector.catalogue_key.public),)
    assert (config.state / "credentials.json").stat().st_mode & 0o777 == 0o600
    assert config.state.stat().st_mode & 0o777 == 0o700
    assert json.loads((config.state / "documents" / "catalogue.json").read_bytes())["version"] == version
    consent = read_consent(config.state)
    assert consent is not None
    assert (consent.by, consent.collector) == ("accept-risks", collector.url)


async def test_running_it_again_keeps_what_is_there_and_uses_no_second_invitation(tmp_path: Path) -> None:
    async with publishing() as collector:
        arguments = ("setup", *places(tmp_path), "--accept-risks", "--invitation", collector.invitation)
        await run(tmp_path, *arguments)
        before = contents(tmp_path)
        file = tmp_path / "etc" / "probe.yaml"
        file.write_text(file.read_text().replace("concurrency: 8", "concurrency: 3 # mine"))
        done = await run(tmp_path, *arguments)
        assert (done.status, collector.seen.count("/api/v1/enrol")) == (0, 1), done
    after = contents(tmp_path)
    assert {path for path in after if after[path] != before.get(path)} == {file}
    assert load_config(file).concurrency == 3
    assert "Kept the configuration" in done.stdout


async def test_a_collector_with_other_keys_than_the_invitation_names_is_refused_and_left(tmp_path: Path) -> None:
    async with publishing() as collector:
        collector.shown = (public_text(Keypair.generate().public),)
        done = await run(tmp_path, "setup", *places(tmp_path), "--accept-risks", "--invitation", collector.invitation)
        assert collector.seen.count("/api/v1/probe", 202) == 1
    assert done.status == 2
    assert "somebody may stand between" in done.stderr
    assert not (tmp_path / "state" / "credentials.json").exists()
    assert not (tmp_path / "etc").exists()


async def test_a_collector_that_is_away_or_refuses_leaves_no_half_enrolment(tmp_path: Path) -> None:
    async with publishing() as collector:
        used = collector.invitation.replace("stand-in-invitation", "used-up-invitation")
        refused = await run(tmp_path, "setup", *places(tmp_path), "--accept-risks", "--invitation", used)
        collector.close_port()
        away = await run(tmp_path, "setup", *places(tmp_path), "--accept-risks", "--invitation", collector.invitation)
    for done, reason in [(refused, "this invitation was used already"), (away, collector.url)]:
        assert done.status == 1
        assert reason in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "state" / "credentials.json").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--invitation", "https://c.example/invite"), "is incomplete"),
        (("--invitation", "https://c.example/invite#code"), "is incomplete"),
        (("--invitation", "ftp://c.example/invite#abcdefgh.0123456789abcdef"), "no URL of a collector"),
        (("--platform", "nonsense"), "no platform 'nonsense' in the catalogue"),
        (("--platform", "X!"), "platforms[0]"),
        (("--proxy", "nonsense"), "proxy: "),
    ],
)
async def test_wrong_usage_is_one_line_before_anything_is_done(
    arguments: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    done = await run(tmp_path, "setup", *places(tmp_path), "--accept-risks", *arguments)
    assert_one_line(done, 2, reason)
    assert left(tmp_path) == []


async def test_a_configuration_with_a_fault_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    file = tmp_path / "etc" / "probe.yaml"
    file.write_text("intervall: 5\n")
    assert_one_line(await run(tmp_path, "setup", *places(tmp_path), "--accept-risks"), 2, str(file), "'intervall'")
    assert file.read_text() == "intervall: 5\n"


async def test_the_text_can_be_read_without_anything_else(tmp_path: Path) -> None:
    done = await run(tmp_path, "setup", "--read", *places(tmp_path))
    assert done.status == 0
    assert "What risk that carries" in done.stdout
    assert "In Türkiye" in done.stdout  # by the time zone
    assert left(tmp_path) == []


# --- at a terminal ---

COUNTRY, AGREE, INVITATION = "In which country", "Do you agree", "Invitation (Enter for none)"


async def test_somebody_reads_and_agrees(tmp_path: Path) -> None:
    async with publishing() as collector:
        collector.publish_keys()
        answers = [(INVITATION, collector.invitation), (COUNTRY, ""), (AGREE, "yes")]
        done = await at_terminal(tmp_path, answers, "setup", *places(tmp_path), "--no-service")
    assert done.status == 0, done.stdout
    assert "In Türkiye" in done.stdout
    assert load_credentials(tmp_path / "state") is not None
    consent = read_consent(tmp_path / "state")
    assert consent is not None
    assert consent.by == "terminal"


@pytest.mark.parametrize("answer", ["no", "y", ""])
async def test_anything_but_yes_sends_nothing(answer: str, tmp_path: Path) -> None:
    async with publishing() as collector:
        answers = [(COUNTRY, "DE"), (AGREE, answer)]
        arguments = ("setup", *places(tmp_path), "--no-service", "--invitation", collector.invitation)
        done = await at_terminal(tmp_path, answers, *arguments)
        assert collector.seen.connections == 0
    assert done.status == 1
    assert "nothing was sent" in done.stdout
    assert left(tmp_path) == []


async def test_a_collector_is_agreed_to_by_name(tmp_path: Path) -> None:
    await run(tmp_path, "setup", *places(tmp_path), "--accept-risks")
    async with publishing() as collector:
        done = await run(tmp_path, "setup", *places(tmp_path), "--invitation", collector.invitation)
        assert collector.seen.connections == 0
    assert_one_line(done, 2, "nobody is here to agree")


@pytest.mark.parametrize("agreed", [True, False])
async def test_what_the_collectors_catalogue_contacts_beyond_is_asked_for(agreed: bool, tmp_path: Path) -> None:
    text = (default_catalogue_path() / "infrastructure.yaml").read_text("utf-8")
    more = "anchors:\n  - {url: 'https://new.example/', operator: New, source: made up, conf: M}\n"
    async with publishing() as collector:
        collector.publish_catalogue(
            more={"platforms/shop.yaml": SHOP, "infrastructure.yaml": text.replace("anchors:\n", more, 1)}
        )
        answers = [(COUNTRY, "DE"), (AGREE, "yes"), ("May the probe contact these", "y" if agreed else "n")]
        arguments = ("setup", *places(tmp_path), "--no-service", "--invitation", collector.invitation)
        done = await at_terminal(tmp_path, answers, *arguments)
    assert done.status == 0, done.stdout
    consent = read_consent(tmp_path / "state")
    assert consent is not None
    assert ("new.example" in (consent.contacts or ())) is agreed
