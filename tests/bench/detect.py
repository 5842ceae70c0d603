"""How fast, how quiet and how right detection is: every figure that was set for it, and two other detectors.

    python -m tests.bench.detect [--runs N]

Simulations are seeded. Nothing but standard output is written.
"""

import argparse
import gc
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from probe.detect.detector import Detector
from probe.detect.fleet import CROSSING, Fleet
from probe.detect.settings import Settings
from probe.detect.votes import Presence, Vote, order
from probe.wire.vocabulary import Outcome
from tests.bench.detect_baselines import ioda_drop, ooni_cusum
from tests.detect import kenya, rare
from tests.detect.forgetful import Forgetful
from tests.detect.retasking import minutes_to_confirm
from tests.detect.worlds import (
    DAY,
    HOUR,
    MINUTE,
    OPEN,
    ROUND,
    START,
    STRICT,
    Block,
    Network,
    confirmed,
    incidents,
    replaced,
    seen,
    vote,
    votes_of,
)
from tests.memory import peak

FLEET = 1000 * 3 * 288  # votes a day of a thousand cells
ASNS = (9121, 47331, 15897, 16135, 34984, 8386)
PLATFORMS = ("x", "facebook", "instagram", "youtube", "whatsapp")
ABROAD = [Network(3320, 2, "DE", control=True), Network(1136, 2, "NL", control=True), Network(3215, 3, "FR")]
FEW, LARGE = STRICT, Settings(false_alarms_per_year=0.006)  # six cells, with their own thresholds and a thousand's


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="simulations a row")
    runs = parser.parse_args().runs
    table = Table("on", "got", "wanted", title="probe detect")
    for rows in (on_kenya, false_alarms, outages_of_probes, delays, national, liars, platform_outage, standing, cost):
        for row in rows(runs):
            table.add_row(*row)
        print(".", end="", file=sys.stderr, flush=True)
    Console(width=170).print(table)


Rows = list[tuple[str, str, str]]


def on_kenya(_: int) -> Rows:
    if not kenya.FOLDER.exists():
        return [("Kenya, Telegram 2023", "absent", "")]
    votes = kenya.rows()
    pooled = [v for v in votes if v.asn == kenya.SAFARICOM]
    wanted = ">= 22 of 23, 0 false, <= 44 min, recovery <= 37 min; aim 23 and 21"
    rows = [
        ("Kenya, Safaricom pooled", _kenya(pooled), wanted),
        ("Kenya, whole file: Safaricom", _kenya(votes), wanted),
    ]
    others = [r for r in confirmed(seen(votes, kenya.SETTINGS)) if r.asn != kenya.SAFARICOM]
    rows.append(("Kenya, other networks", f"{len(others)} false alarms", "0"))
    for name, alarms in (("OONI's hourly CUSUM", ooni_cusum(pooled)), ("IODA's drop", ioda_drop(pooled))):
        score = kenya.scored_alarms(pooled, alarms)
        rows.append((f"  {name}", f"{score.found} of 23, {score.false} false, {score.delay:.0f} min", ""))
    return rows


def _kenya(votes: Sequence[Vote]) -> str:
    score = kenya.scored(votes)
    said = f"{score.found} of 23, {score.false} false, median {score.delay:.0f} min"
    once = "each one restriction" if score.once else "NOT each one restriction"
    return f"{said}, recovery {score.recovery:.0f} min after the window, {score.back:.0f} after the first ok; {once}"


def false_alarms(runs: int) -> Rows:
    """By importance sampling, each by the detector's own code."""
    rng = random.Random(11)
    fleet = Fleet()
    fleet.meet(START, None)
    fleet.tally(int(START // DAY), "x.web")[0] = FLEET
    threshold = fleet.threshold(int(START // DAY) + 1, STRICT)
    alone = rare.of_one_cell(rng, threshold, 0.02, paths=100 * runs)
    together = rare.of_a_country(rng, threshold, 0.02, paths=20 * runs)
    year = alone.yearly(FLEET), together.yearly(FLEET)
    stated = f"{year[0]:.2f} +- {alone.error / max(alone.mean, 1e-99) * year[0]:.2f} alone, {year[1]:.2g} nationally"
    factors = [
        rare.of_one_cell(rng, h, p, paths=20 * runs).mean * 2.718281828**h for p in (0.01, 0.05) for h in (9, 15)
    ]
    votes = votes_of(rng, [Network(n, 3) for n in range(1, 101)], ["x"], (START, START + 2 * DAY))
    past = seen(votes)
    return [
        (f"1,000 cells, 2 % noise, a year (threshold {threshold:.1f})", stated, "<= 1"),
        ("  false alarms a vote * exp(threshold)", ", ".join(f"{f:.2f}" for f in factors), f"<= {CROSSING}"),
        ("  100 cells, two days, as they come", f"{len(confirmed(past))} confirmed", "0"),
    ]


def outages_of_probes(_: int) -> Rows:
    """Each probe offline once a day for twenty minutes: told as void, left out, or told as failures of everything."""
    rng = random.Random(9)
    networks = [Network(n, 3) for n in range(1, 31)]
    votes = votes_of(rng, [*networks, *ABROAD], PLATFORMS[:4], (START, START + 2 * DAY))
    offline = {v.probe: [START + day * DAY + rng.random() * (DAY - 1200) for day in range(2)] for v in votes}
    out = [v for v in votes if any(begin <= v.time < begin + 1200 for begin in offline[v.probe])]
    lost = set(map(id, out))
    rest = [v for v in votes if id(v) not in lost]
    voids = [Presence(time=v.time, country=v.country, asn=v.asn, probe=v.probe, void="offline") for v in out]
    blind = [replaced(v, Outcome.BLOCKED, "dns-timeout") for v in out]
    rows: Rows = []
    for name, past in (
        ("with anchors", seen(rest, OPEN, [p for p, v in zip(voids, out, strict=True) if v.platform == "x"])),
        ("rounds missing", seen(rest)),
        ("without anchors: every service fails", seen([*rest, *blind])),
    ):
        kinds = sorted({i.event for i in past.incidents if i.confirmed_at is not None})
        said = f"{len(confirmed(past))} restrictions{', ' + ', '.join(kinds) if kinds else ''}"
        rows.append((f"probes offline 20 min a day, {name}", said, "0 restrictions"))
    return rows


def delays(runs: int) -> Rows:
    """Failures without a known technique, which weigh least."""
    rng = random.Random(5)
    rows: Rows = []
    for probes, slow, fast in ((3, 9, 2), (10, 2.8, 1)):
        for again, wanted in ((False, slow), (True, fast)):
            many, few = (
                statistics.median(minutes_to_confirm(rng, probes, settings, again, "") for _ in range(runs))
                for settings in (LARGE, FEW)
            )
            name = f"full block, {probes} probes, {'with' if again else 'without'} re-tasking"
            rows.append((name, f"median {many:.2f} min in 1,000 cells, {few:.2f} in six", f"<= {wanted} min"))
    return rows


def national(runs: int) -> Rows:
    rng = random.Random(6)
    one, ordered, errors, late = 0, 0, [], []
    tries = max(3, runs // 3)
    for _ in range(tries):
        onset = START + 26 * HOUR + rng.random() * ROUND
        begins = {asn: onset + place * 8 * MINUTE for place, asn in enumerate(ASNS)}
        blocks = [Block(begin, onset + 5 * HOUR, (asn,), PLATFORMS) for asn, begin in begins.items()]
        networks = [*(Network(asn, 2) for asn in ASNS), *ABROAD]
        past = seen(votes_of(rng, networks, [*PLATFORMS, "wikipedia"], (START, onset + 6 * HOUR), blocks))
        found = incidents(past)
        one += len(found) == 1
        ordered += [n.asn for n in found[0].networks] == list(ASNS)
        errors += [abs(r.starts - begins[r.asn]) for r in confirmed(past)]
    for _ in range(tries):
        onset = START + 26 * HOUR + rng.random() * ROUND
        networks = [*(Network(asn, 1) for asn in ASNS), *ABROAD]
        past = seen(
            votes_of(
                rng, networks, ["x", "wikipedia"], (START, onset + HOUR), [Block(onset, onset + DAY, ASNS, ("x",))]
            )
        )
        late.append(min(r.confirmed_at or 9e18 for r in confirmed(past)) - onset)
    within = sum(error <= ROUND for error in errors) / len(errors)
    return [
        ("national block, staggered", f"{one} of {tries} one incident, {ordered} in order", "all"),
        ("  onset", f"error median {statistics.median(errors):.0f} s, {within:.1%} within a round", "<= one round"),
        (
            "six networks of one probe",
            f"median {statistics.median(late) / 60:.1f} min, most {max(late) / 60:.1f}",
            "<= 10 min",
        ),
    ]


def liars(_: int) -> Rows:
    rng = random.Random(8)
    span, begin = (START, START + 2 * DAY), START + DAY
    antivirus = votes_of(rng, [Network(9121, 3), *ABROAD], PLATFORMS[:3], span)
    antivirus = [_from(v, begin, v.probe == "TR9121-0", "tls-interception") for v in antivirus]
    crowd = votes_of(rng, [Network(9121, 23), *ABROAD], PLATFORMS[:2], span)
    crowd = [_of_steward(v, begin) for v in crowd]
    told, untold = (_blockers(rng, span, begin, resolver) for resolver in (15169, None))
    rows = [("antivirus on one probe", antivirus), ("one steward, 20 lying probes", crowd)]
    rows += [("two users of an ad-blocking resolver", told), ("  its operator not told", untold)]
    return [(name, f"{len(confirmed(seen(votes)))} confirmed", "0") for name, votes in rows]


def _from(v: Vote, begin: float, chosen: bool, technique: str) -> Vote:
    return replaced(v, Outcome.BLOCKED, technique) if chosen and v.time > begin else v


def _of_steward(v: Vote, begin: float) -> Vote:
    if v.country != "TR" or int(v.probe.rpartition("-")[2]) < 3:
        return v
    lie = v.platform == "x" and v.time > begin
    return replaced(v, Outcome.BLOCKED if lie else v.outcome, "http-blockpage" if lie else "", witness="liar")


def _blockers(rng: random.Random, span: tuple[float, float], begin: float, resolver: int | None) -> list[Vote]:
    votes = votes_of(rng, [Network(9121, 5), *ABROAD], PLATFORMS[:2], span)
    users = {"TR9121-0", "TR9121-1"}
    return [
        replaced(v, Outcome.BLOCKED, "dns-forged", resolver_asn=resolver)
        if v.probe in users and v.platform == "facebook" and v.time > begin
        else v
        for v in votes
    ]


def platform_outage(runs: int) -> Rows:
    """Controls at rounds of their own, up to five minutes behind; once told as controls, once as another country."""
    rng = random.Random(7)
    found, outages, tries = 0, 0, max(4, runs // 2)
    for number in range(tries):
        onset = START + 26 * HOUR + rng.random() * ROUND
        abroad = [Network(3320, 1, "DE", control=number % 2 == 0), Network(1136, 1, "NL", control=number % 2 == 0)]
        networks = [*(Network(asn, 3) for asn in ASNS), *abroad]
        blocks = [Block(onset, onset + 2 * HOUR, (), ("x",), "tls-drop")]
        past = seen(votes_of(rng, networks, PLATFORMS[:3], (START, onset + 4 * HOUR), blocks))
        found += len(confirmed(past))
        outages += len(incidents(past, "platform-outage")) == 1
    return [("platform down everywhere", f"{found} restrictions, {outages} of {tries} one platform-outage", "0")]


def standing(runs: int) -> Rows:
    rng = random.Random(12)
    good, tries = 0, max(4, runs // 2)
    for _ in range(tries):
        onset = START + DAY
        block = Block(onset, onset + 2 * HOUR, (9121,), ("x",))
        votes = votes_of(rng, [Network(9121, 3), *ABROAD], PLATFORMS[:2], (START, onset + 3 * HOUR), [block])
        new = Block(START, onset + DAY, (777,), ("facebook",))
        votes += votes_of(rng, [Network(777, 3)], PLATFORMS[:2], (onset - 600, onset + 3 * HOUR), [new])
        past = seen(votes)
        stands = [r for r in past.restrictions if r.asn == 777 and r.platform == "facebook"]
        apart = all(n.asn != 777 for i in past.incidents for n in i.networks)
        good += bool(stands) and all(r.state == "standing" for r in stands) and apart
    return [("new network, old block, beside a new one", f"{good} of {tries} standing and apart", "all")]


def cost(_: int) -> Rows:
    rng = random.Random(2)
    networks = [Network(n, 3, f"{chr(65 + n % 26)}{chr(65 + n // 26)}") for n in range(1, 101)]
    votes = votes_of(rng, networks, [f"p{n}" for n in range(10)], (START, START + 2 * HOUR))
    votes.sort(key=order)
    detector, due, spent = Detector(STRICT), START + 10, []
    for begin in range(0, len(votes), 1000):
        began = time.process_time()
        for v in votes[begin : begin + 1000]:
            if v.time > due:
                detector.tick(v.time)
                due = v.time + 10
            detector.add(v)
        spent.append((time.process_time() - began) * 1000)
    said = f"{statistics.fmean(spent):.0f} us; the least disturbed thousand {min(spent):.0f} us"
    return [
        ("a vote, 1,000 cells, a tick every 10 s", said, "< 20 us"),
        ("100,000 cells, three probes each", _memory(), "< 1,024 MiB"),
    ]


def _memory() -> str:
    """In a process of its own; the votes themselves are the store's, on disk in a collector."""
    code = "from tests.bench.detect import hundred_thousand; hundred_thousand()"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def hundred_thousand() -> None:
    gc.disable()
    detector = Detector(STRICT, Forgetful())
    for turn in range(4):
        for number in range(100_000):
            for probe in range(3):
                moment = START + turn * ROUND + probe * 100
                detector.add(_cheap(number, probe, moment))
        detector.tick(START + (turn + 1) * ROUND)
    print(f"{peak(os.getpid()):.0f} MiB")


def _cheap(number: int, probe: int, moment: float) -> Vote:
    place = f"{chr(65 + number // 1000 % 26)}{chr(65 + number // 26000)}"
    network, platform = number // 20 + 1, f"p{number % 20}"
    return vote(moment, probe=f"{network}-{probe}", country=place, asn=network, platform=platform)


if __name__ == "__main__":
    main()
