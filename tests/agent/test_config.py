"""The volunteer's configuration: what the example says is true, and every fault is one line."""

import re
from pathlib import Path

import msgspec
import pytest

from probe.agent.config import AgentConfig, ConfigError, Metrics, default_state, load_config, parse_config
from probe.agent.config_file import with_changes
from probe.catalogue.quantities import bytes_of, seconds_of

EXAMPLE = Path(__file__).parents[2] / "configs" / "agent" / "probe.yaml"
WHERE = Path("/etc/probe/probe.yaml")


def test_the_example_says_what_the_program_does_anyway() -> None:
    assert load_config(EXAMPLE) == AgentConfig()


@pytest.mark.parametrize("key", [*AgentConfig.__struct_fields__, *Metrics.__struct_fields__])
def test_the_example_explains_every_key(key: str) -> None:
    lines = EXAMPLE.read_text("utf-8").splitlines()
    (at,) = [number for number, line in enumerate(lines) if re.match(rf" *{key}:", line)]
    assert lines[at - 1].lstrip().startswith("# ")


def test_every_key_can_be_set() -> None:
    config = parse_config(
        """
        state: /srv/probe
        collectors: [https://collector.example/, http://abcdef.onion]
        proxy: socks5://127.0.0.1:9050
        role: control
        platforms: [x, whatsapp]
        interval: 10 min
        first_round: 40 s
        budget: 1 GB
        spool: 50 MiB
        concurrency: 3
        deep_every: 12 h
        page_every: 2
        geo: [asn.mmdb, /usr/share/GeoIP/country.mmdb]
        ask_strangers: true
        metrics: {listen: "[::1]:9999", allow_targets: ["https://example.org/"], allow_hosts: [nas, "10.0.0.2:9640"]}
        catalogue: mine
        resolvers: [192.0.2.53, "2001:db8::53"]
        source: 192.0.2.1
        ca_file: ca.pem
        timeout: 4
        """,
        WHERE,
    )
    assert config == AgentConfig(
        state=Path("/srv/probe"),
        collectors=("https://collector.example", "http://abcdef.onion"),
        proxy="socks5://127.0.0.1:9050",
        role="control",
        platforms=("x", "whatsapp"),
        interval=600,
        first_round=40,
        budget=1_000_000_000,
        spool=50 << 20,
        concurrency=3,
        deep_every=43_200,
        page_every=2,
        geo=(WHERE.parent / "asn.mmdb", Path("/usr/share/GeoIP/country.mmdb")),
        ask_strangers=True,
        metrics=Metrics(
            listen="[::1]:9999", allow_targets=("https://example.org/",), allow_hosts=("nas", "10.0.0.2:9640")
        ),
        catalogue=WHERE.parent / "mine",
        resolvers=("192.0.2.53", "2001:db8::53"),
        source="192.0.2.1",
        ca_file=WHERE.parent / "ca.pem",
        timeout=4,
    )
    default = AgentConfig()
    assert [name for name in config.__struct_fields__ if getattr(config, name) == getattr(default, name)] == []


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("intervall: 5 min", "unknown key 'intervall'", "the keys are state, collectors"),
        ("interval: 30", "interval", "from 60 to"),
        ("interval: soon", "interval", "'5 min'"),
        ("interval: -300", "interval", "cannot be read"),
        ("timeout: .nan", "timeout", "cannot be read"),
        ("timeout: .inf", "timeout", "cannot be read"),
        ("budget: 100 bananas", "budget", "'100 MB'"),
        ("budget: 5 kB", "budget", "1 MB at the least"),
        ("spool: 10", "spool", "1 MB at the least"),
        ("role: admin", "role", "probe, control"),
        ("platforms: [X]", "platforms[0]", "lower-case letters"),
        ("platforms: x", "platforms", "expected a list, got text"),
        ("collectors: [collector.example]", "collectors[0]", "no URL"),
        ("collectors: [https://ok.example, 'ftp://c.example']", "collectors[1]", "begins with https://"),
        ("collectors: ['https://c.example/invite#abc.def']", "collectors[0]", "probe setup --invitation"),
        ("collectors: ['https://c.example:99999']", "collectors[0]", "no URL"),
        ("proxy: tor", "proxy", "no URL"),
        ("proxy: ftp://127.0.0.1:21", "proxy", "socks5://"),
        ("concurrency: 0", "concurrency", ">= 1"),
        ("page_every: 1.5", "page_every", "a whole number"),
        ("resolvers: [dns.example]", "resolvers[0]", "no IP address"),
        ("source: eth0", "source", "no IP address"),
        ("metrics: 127.0.0.1:9640", "metrics", "expected a mapping, got text"),
        ("metrics: {listen: 9640}", "metrics.listen", "expected text"),
        ("metrics: {listen: 'localhost:9640'}", "metrics.listen", "ADDRESS:PORT"),
        ("metrics: {listen: '127.0.0.1:0'}", "metrics.listen", "ADDRESS:PORT"),
        ("metrics: {allow_targets: ['https://192.168.1.1/']}", "metrics.allow_targets[0]", "not a public address"),
        ("metrics: {allow_hosts: ['a b']}", "metrics.allow_hosts[0]", "no host name"),
        ("metrics: {port: 1}", "metrics", "unknown key 'port'"),
        ("[]", "", "expected a mapping, got a list"),
        ("a: [", "", "broken YAML"),
        ("state: {}", "state", "expected text"),
    ],
)
def test_a_fault_names_file_key_and_reason_in_one_line(text: str, key: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, WHERE)
    said = str(caught.value)
    assert re.match(rf"{WHERE}(:\d+)?: {re.escape(key)}", said), said
    assert reason in said, said
    assert "\n" not in said


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"role: \xfcber")
    reasons = {tmp_path / "none.yaml": "probe setup", tmp_path: "directory", tmp_path / "latin.yaml": "UTF-8"}
    for path, reason in reasons.items():
        with pytest.raises(ConfigError, match=f"^{path}.*{reason}"):
            load_config(path)


def test_the_state_lies_where_systemd_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/elsewhere")
    assert default_state() == parse_config("", WHERE).state == Path("/var/lib/elsewhere")


@pytest.mark.parametrize(
    ("written", "seconds"), [(90, 90), ("90", None), ("90 s", 90), ("5min", 300), ("1.5 h", 5400), ("2 days", 172_800)]
)
def test_durations(written: float | str, seconds: float | None) -> None:
    if seconds is None:
        with pytest.raises(ValueError, match="a number with s, min"):
            seconds_of(written)
    else:
        assert seconds_of(written) == seconds


@pytest.mark.parametrize(
    ("written", "size"), [(5, 5), ("100 MB", 10**8), ("1 KiB", 1024), ("1.5GB", 15 * 10**8), ("0 B", 0)]
)
def test_sizes(written: float | str, size: int) -> None:
    assert bytes_of(written) == size


def test_changing_a_value_leaves_every_comment_and_other_value(tmp_path: Path) -> None:
    path = tmp_path / "probe.yaml"
    text, changed = with_changes(path, {})
    assert (text, changed) == (EXAMPLE.read_text("utf-8"), True)
    path.write_text(text.replace("concurrency: 8", "concurrency: 4  # mine"))
    text, changed = with_changes(path, {"collectors": ["https://c.example"]})
    assert changed
    assert parse_config(text, path) == msgspec.structs.replace(
        AgentConfig(), concurrency=4, collectors=("https://c.example",)
    )
    before, after = path.read_text().splitlines(), text.splitlines()
    assert [new for old, new in zip(before, after, strict=True) if old != new] == ["collectors: [https://c.example]"]
    path.write_text(text)
    assert with_changes(path, {}) == (text, False)


def test_a_change_that_would_break_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="proxy: "):
        with_changes(tmp_path / "probe.yaml", {"proxy": "nonsense"})
