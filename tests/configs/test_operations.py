"""What an operator copies is right: rules and configurations by the programs that read them, dashboards by Prometheus's
own parser."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from probe.agent.exporter.modules import MODULES
from probe.agent.exporter.targets import Targets
from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.notify.alertmanager import alert as alert_of
from tests.notify.notices import notice

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
DASHBOARDS = sorted((CONFIGS / "grafana" / "dashboards").glob("*.json"))
RULES = sorted((CONFIGS / "prometheus" / "rules").glob("*.yml"))
SCRAPED = YAML(typ="safe").load(CONFIGS / "prometheus" / "prometheus.yml")["scrape_configs"]
ALERTMANAGER = YAML(typ="safe").load(CONFIGS / "alertmanager" / "alertmanager.yml")
KINDS = ("restriction", "throttling", "network-outage", "silence", "void-jump", "platform-outage")
ALERTS = [rule for group in YAML(typ="safe").load(RULES[0])["groups"] for rule in group["rules"]]


def run(program: str, *arguments: object) -> str:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed: apt-get install prometheus prometheus-alertmanager")
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=CONFIGS)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def expressions(node: Any) -> Iterator[str]:
    match node:
        case dict():
            yield from ([node["expr"]] if "expr" in node else [])
            for value in node.values():
                yield from expressions(value)
        case list():
            for value in node:
                yield from expressions(value)


def concrete(expression: str) -> str:
    """With the dashboard's variables replaced, as Grafana does before it asks."""
    return re.sub(r"\$\{?\w+\}?", "chosen", expression)


def test_prometheus_takes_its_configuration_and_the_rules() -> None:
    run("promtool", "check", "config", "prometheus/prometheus.yml")
    run("promtool", "check", "rules", *RULES)


def test_the_rules_do_what_their_unit_tests_say() -> None:
    run("promtool", "test", "rules", *sorted((CONFIGS / "prometheus" / "tests").glob("*.test.yml")))


def test_alertmanager_takes_its_configuration() -> None:
    run("amtool", "check-config", "alertmanager/alertmanager.yml")


@pytest.mark.parametrize("kind", KINDS)
def test_an_incident_of_any_kind_reaches_somebody(kind: str) -> None:
    """By Prometheus's rules and by the collector itself under one name; also under a name that no route knows."""
    (rule,) = [one for one in ALERTS if f'reachability_incident_active{{kind="{kind}"}}' in one["expr"]]
    alert = notice(kind=kind, severity=rule["labels"]["severity"])
    labels = alert_of(alert, alert.starts_at)["labels"]
    assert labels["alertname"] == rule["alert"]
    assert receivers(labels) <= {"on-call", "operators", "record"}
    assert receivers({**labels, "alertname": "InternetIncident", "severity": "warning"}) == {"operators"}


def receivers(labels: dict[str, str]) -> set[str]:
    """Only such as send something somewhere."""
    words = [f"{name}={value}" for name, value in labels.items()]
    told = run("amtool", "config", "routes", "test", "--config.file=alertmanager/alertmanager.yml", *words)
    found = set(filter(None, told.strip().split(",")))
    silent = {one["name"] for one in ALERTMANAGER["receivers"] if one.keys() == {"name"}}
    assert found
    assert not found & silent
    return found


def test_every_job_that_a_rule_names_is_scraped() -> None:
    scraped = {job["job_name"] for job in SCRAPED}
    named = {job for rule in ALERTS for job in re.findall(r'job="([^"]+)"', rule["expr"])}
    assert {"collector", "probe", "collector-tls"} <= named
    assert named <= scraped


def test_a_probe_that_allows_the_collectors_address_measures_its_certificate() -> None:
    (job,) = [job for job in SCRAPED if job["job_name"] == "collector-tls"]
    (target,) = job["static_configs"][0]["targets"]
    task, _ = Targets(load_catalogue(default_catalogue_path()), [target]).task(target)
    assert task.target.scheme == "https"
    (module,) = job["params"]["module"]
    assert not MODULES[module].schemes or "https" in MODULES[module].schemes


def test_the_panel_of_new_incidents_asks_what_the_rule_test_holds() -> None:
    overview = json.loads((CONFIGS / "grafana" / "dashboards" / "observatory-overview.json").read_text())
    (panel,) = [panel for panel in overview["panels"] if panel["title"] == "Incidents by kind"]
    assert list(expressions(panel)) == ["kind:reachability_incidents:new1d"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_prometheus_understands_every_expression_of_a_dashboard(path: Path, tmp_path: Path) -> None:
    found = sorted({concrete(expression) for expression in expressions(json.loads(path.read_text()))})
    assert found
    rules = [{"record": f"shown:{number}", "expr": expression} for number, expression in enumerate(found)]
    (tmp_path / "shown.yml").write_text(json.dumps({"groups": [{"name": path.stem, "rules": rules}]}))
    run("promtool", "check", "rules", tmp_path / "shown.yml")


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_of_a_dashboard_neither_overlap_nor_lack_a_name(path: Path) -> None:
    panels = json.loads(path.read_text())["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not taken & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["title"] for panel in panels}) == len(panels) == len({panel["id"] for panel in panels})


@pytest.mark.parametrize("alert", [rule for rule in ALERTS if "alert" in rule], ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert alert["annotations"]["summary"].strip().endswith(".")
    assert alert["annotations"]["description"].strip()
    name = alert["alert"].lower()
    assert alert["annotations"]["runbook_url"] == f"RUNBOOK.md#{name}"
    runbook = (CONFIGS / "prometheus" / "RUNBOOK.md").read_text("utf-8").lower()
    assert re.search(rf"^#+ {name}$", runbook, re.MULTILINE), f"RUNBOOK.md has no section {alert['alert']}"


@pytest.mark.parametrize("alert", [rule["alert"] for rule in ALERTS if "alert" in rule])
def test_every_alert_has_a_unit_test(alert: str) -> None:
    tests = "".join(path.read_text() for path in (CONFIGS / "prometheus" / "tests").glob("*.test.yml"))
    assert f'"{alert}"' in tests or f"alertname: {alert}\n" in tests
