import re
from pathlib import Path

import pytest

from probe.collector.config import ConfigError, load_config, parse_config
from probe.collector.config_form import Form, Listen

EXAMPLE = Path(__file__).parents[3] / "configs" / "collector" / "collector.yaml"
FILE = Path("/etc/probe/collector.yaml")


def test_the_example_holds_what_holds_without_it() -> None:
    example = load_config(EXAMPLE)
    bare = parse_config("state: /var/lib/probe-collector\nurl: https://collector.example\n", EXAMPLE)
    assert example == bare


def test_the_example_explains_every_key() -> None:
    text = EXAMPLE.read_text("utf-8")
    for form in Form.__subclasses__():
        for key in form.__struct_fields__:
            assert re.search(rf"^ *#? *{key}:", text, re.MULTILINE), (form.__name__, key)


def test_values_are_read_as_the_program_uses_them() -> None:
    config = parse_config(
        "state: state\nlisten: ['[::1]:9000', 'unix:run/x.sock', ':8640']\ntrusted_proxies: [10.0.0.0/8, '::1']\n"
        "lease: 10 min\nlog: {seal_after: 6 h, keep: 30 days, keep_size: 2 GB}\n",
        FILE,
    )
    assert config.state == Path("/etc/probe/state")
    assert config.listen[0] == Listen("::1", 9000)
    assert config.listen[1].path == Path("/etc/probe/run/x.sock")
    assert config.listen[2] == Listen("0.0.0.0", 8640)
    assert config.url == "http://[::1]:9000"
    assert (config.lease, config.log.seal_after) == (600, 21_600)
    assert (config.log.keep_days, config.log.keep_bytes) == (30, 2_000_000_000)


FAULTS = [
    ("", "the key 'state' is missing"),
    ("state: s\nlissen: x", "unknown key 'lissen'"),
    ("state: 5", "state: expected text"),
    ("state: s\nlisten: 8640", "listen: "),
    ("state: s\nlisten: []", "listen: empty"),
    ("state: s\nlisten: localhost", "listen: 'localhost' is no address and port"),
    ("state: s\nlisten: 1.2.3.4:99999", "listen: "),
    ("state: s\nurl: collector.example", "url: "),
    ("state: s\nurl: https://x/?a=b", "url: "),
    ("state: s\nurl: 'https://[x'", "url: "),
    ("state: s\ntrusted_proxies: [10.0.0.0/8, me]", "trusted_proxies[1]: 'me'"),
    ("state: s\ntls: {certificate: nowhere.pem, key: nowhere.pem}", "tls.certificate: "),
    ("state: s\ntls: {certificate: nowhere.pem}", "tls"),
    ("state: s\nlease: soon", "lease: 'soon' cannot be read"),
    ("state: s\nlease: 1 s", "lease: '1 s' is too short"),
    ("state: s\nlog: {keep: -1}", "log.keep: "),
    ("state: s\nlog: {keep_size: 2 parsecs}", "log.keep_size: "),
    ("state: s\nlimits: {reports_per_minute: 0}", "limits.reports_per_minute: "),
    ("state: s\ndetect: {false_alarms_per_year: .nan}", "detect.false_alarms_per_year: "),
    ("state: s\nnotify: [{name: a, type: webhook, url: 'http://h/', secret: whsec_abc}]", "notify: channel 'a': "),
    ("state: s\ncheckin_wait: 10000", "checkin_wait: "),
    ("state: s\nname: ' '", "name: empty"),
    ("state: s\nminimum_version: latest", "minimum_version: "),
    ("state: [", "broken YAML"),
    ("- state", "collector.yaml: "),
]


@pytest.mark.parametrize(("text", "said"), FAULTS, ids=[text[:40] for text, _ in FAULTS])
def test_a_fault_is_one_line_with_file_key_and_reason(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as fault:
        parse_config(text, FILE)
    message = str(fault.value)
    assert message.startswith(str(FILE))
    assert said in message
    assert "\n" not in message
    assert "Traceback" not in message


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError, match=re.escape(str(path))):
            load_config(path)
    (tmp_path / "latin").write_bytes(b"state: \xff")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_config(tmp_path / "latin")


def test_no_form_takes_unknown_keys() -> None:
    assert all(form.__struct_config__.forbid_unknown_fields for form in Form.__subclasses__())
