"""What `probe lab list` and `probe lab run` do."""

import msgspec

from probe.cli.faults import Failed
from probe.cli.lab_view import check_line, view_for
from probe.cli.scenario_faults import scenario_faults
from probe.cli.sink import sink
from probe.lab.scenario.loader import find, load_scenario, shipped
from probe.lab.scenario.model import Scenario
from probe.lab.scenario.run import play
from probe.lab.scenario.timeline import steps
from probe.lab.scenario.verify import verify

_NAME = 28


def print_list(form: str) -> None:
    with scenario_faults(), sink(None) as out:
        for scenario in map(load_scenario, shipped()):
            if form == "json":
                out.write(msgspec.json.encode(_summary(scenario)).decode() + "\n")
            else:
                out.write(f"{scenario.name:<{_NAME}}{scenario.about}\n")


def _summary(scenario: Scenario) -> dict[str, object]:
    return {
        "name": scenario.name,
        "about": scenario.about,
        "country": scenario.country,
        "isps": [isp.asn for isp in scenario.isps],
        "platforms": scenario.platform_ids,
        "rounds": sum(step.round for step in steps(scenario)),
        "sources": scenario.sources,
    }


def run_scenario(word: str, speed: float | None, form: str) -> None:
    """Raises Failed where something that the scenario expects did not come."""
    with scenario_faults():
        scenario = load_scenario(find(word))
        with sink(None) as out:
            with view_for(form, out)(scenario, out) as watcher:
                played = play(scenario, watcher, speed)
            checks = tuple(verify(scenario, played.rounds, played.incidents))
            for check in checks:
                out.write(check_line(check, form) + "\n")
    failed = sum(check.held is False for check in checks)
    if failed:
        raise Failed(f"{scenario.name}: {failed} of {len(checks)} expectations did not hold")
