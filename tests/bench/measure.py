"""What a round costs: seconds, memory, bytes on the wire; and what the command line costs to start.

Run as root: `.venv-test/bin/python -m tests.bench.measure`. Prints a table; judges nothing. The lab's servers run on
the same processors as the probe, so a round here is slower than one against servers elsewhere.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.lab.interference import AddressFilter
from probe.lab.internet import internet
from probe.lab.lab import Lab
from probe.lab.model import Site
from probe.lab.processes import environment
from tests.memory import peak

CATALOGUE = load_catalogue(default_catalogue_path())
SITES = tuple(Site(name=f"bench-{n}.example.net", addresses=(f"151.101.200.{n + 1}",)) for n in range(11))


@dataclass
class Run:
    """One command: how long it took, how much memory it had at most, what it said."""

    seconds: float
    peak: float  # MiB
    lines: list[dict[str, object]] = field(default_factory=list)

    @property
    def outcomes(self) -> str:
        counts = Counter(str(line["outcome"]) for line in self.lines if line["kind"] == "endpoint")
        return ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())


def measured(lab: Lab, arguments: Sequence[str]) -> Run:
    """`probe measure` at the vantage point, as a whole process."""
    probe = [sys.executable, "-m", "probe", "measure", *arguments, "--format", "json", "--ca-file", str(lab.ca_file)]
    began = time.monotonic()
    read, write = os.pipe()
    process = subprocess.Popen(
        ["ip", "netns", "exec", lab.vantage, *probe],
        stdout=write,
        stderr=subprocess.DEVNULL,
        env=environment(lab.folder),
    )
    os.close(write)
    lines, most = [], 0.0
    with os.fdopen(read, "rb") as output:
        for line in output:
            lines.append(json.loads(line))
            most = max(most, peak(process.pid))
    process.wait()
    return Run(time.monotonic() - began, most, lines)


def wire_bytes(lab: Lab) -> int:
    """Bytes that the vantage point's interface has carried, both ways, link headers included."""
    done = lab.run(lab.vantage, ["cat", "/proc/net/dev"])
    rows = [line.split(":") for line in done.stdout.splitlines() if ":" in line]
    counters = [row[1].split() for row in rows if row[0].strip() != "lo"]
    return sum(int(counter[0]) + int(counter[8]) for counter in counters)


def healthy(runs: int) -> list[Run]:
    with Lab(internet(CATALOGUE)) as lab:
        return [measured(lab, []) for _ in range(runs)]


def dropped() -> Run:
    world = internet(CATALOGUE)
    kept = {address for resolver in CATALOGUE.infrastructure.resolvers for address in resolver.addresses}
    kept |= {address for anchor in CATALOGUE.infrastructure.anchors for address in world.addresses(_host(anchor.url))}
    platforms = {endpoint.target.host for endpoint in CATALOGUE.endpoints()}
    targets = {address for site in world.sites if site.name in platforms for address in site.addresses} - kept
    with Lab(world, [AddressFilter(targets=tuple(sorted(targets)), ports=())]) as lab:
        return measured(lab, [])


def _host(url: str) -> str:
    return url.split("/")[2]


def light() -> tuple[float, float]:
    """Bytes for one more healthy https endpoint of a light round, and those of them that its TLS server sent."""
    urls = [f"https://{site.name}/" for site in SITES]
    with Lab(internet(CATALOGUE, SITES)) as lab:
        carried = []
        for chosen in (urls[:1], urls):
            before = wire_bytes(lab)
            run = measured(lab, [*chosen, "--light"])
            carried.append(wire_bytes(lab) - before)
    steps = [step for line in run.lines for step in line["steps"]]  # type: ignore[attr-defined]
    flights = [step["bytes_read"] for step in steps if step["step"] == "tls"]
    return (carried[1] - carried[0]) / (len(urls) - 1), statistics.mean(flights)


def start_ratio(runs: int = 15) -> tuple[float, float]:
    """Medians in seconds: `probe --help`, `python -c pass`."""

    def median(command: list[str]) -> float:
        times = []
        for _ in range(runs):
            began = time.monotonic()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times.append(time.monotonic() - began)
        return statistics.median(times)

    script = os.path.join(os.path.dirname(sys.executable), "probe")
    return median([script, "--help"]), median([sys.executable, "-c", "pass"])


def main() -> None:
    table = Table("what", "got", "wanted", "details", title="probe measure")
    count = len(CATALOGUE.endpoints())
    rounds = healthy(3)
    seconds = statistics.median(run.seconds for run in rounds)
    table.add_row(f"whole catalogue, healthy ({count} endpoints)", f"{seconds:.1f} s", "< 10 s", rounds[0].outcomes)
    table.add_row("  peak memory", f"{max(run.peak for run in rounds):.0f} MiB", "< 80 MiB", "")
    run = dropped()
    table.add_row("every platform address dropped", f"{run.seconds:.1f} s", "< 40 s", run.outcomes)
    table.add_row("  peak memory", f"{run.peak:.0f} MiB", "< 80 MiB", "")
    wire, flight = light()
    table.add_row("light check on the wire", f"{wire:.0f} B", "<= 8,000 B", f"TLS server's flight {flight:.0f} B of it")
    helped, bare = start_ratio()
    ratio = f"{helped / bare:.1f} times"
    table.add_row("probe --help / python -c pass", ratio, "<= 5", f"{helped * 1000:.0f} ms / {bare * 1000:.0f} ms")
    Console(width=140).print(table)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
