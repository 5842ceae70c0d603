"""The commands by name, and the text of `probe --help`.

It is kept here as text, not asked of click, because importing click alone takes four times as long as Python needs to
start: `probe --help` answers without it. Command, place and short help are listed in the order in which a newcomer
needs them; tests hold the texts against the commands.
"""

COMMANDS = {
    "measure": ("probe.cli.measure:measure", "Measure now what this network blocks, and how."),
    "up": ("probe.cli.up:up", "Everything on this machine: a collector, and a probe that reports to it."),
    "setup": ("probe.cli.setup:setup", "Set up this machine's probe: what it does and risks, your consent."),
    "run": ("probe.cli.run:run", "Measure in rounds, for as long as it runs, and report."),
    "status": ("probe.cli.status:status", "What the running probe sees now."),
    "doctor": ("probe.cli.doctor:doctor", "Check what a probe needs, and say what to do."),
    "leave": ("probe.cli.leave:leave", "End this machine's probe, and have the collector forget it."),
    "collector": ("probe.cli.collector:collector", "The collector: takes reports of probes, shows what they see."),
    "incidents": ("probe.cli.incidents:incidents", "What a collector saw begin and end."),
    "judge": ("probe.cli.judge:judge", "Judge saved measurements again, one verdict a line."),
    "detect": ("probe.cli.detect:detect", "Find restrictions and incidents in saved votes."),
    "catalogue": ("probe.cli.catalogue:catalogue", "The catalogue of platforms: what is tested."),
    "lab": ("probe.cli.lab:lab", "The censored internet in network namespaces (Linux, root)."),
    "simulate": ("probe.cli.simulate:simulate", "Play a scenario with virtual probes that report to a collector."),
}

_OVERVIEW = """\
Usage: probe [OPTIONS] COMMAND [ARGS]...

  Tells which social platforms this network blocks, and how.

Options:
  --version                       Show the version and exit.
  --log-format [console|json]     How the log on standard error is written.
                                  [default: console]
  --log-level [debug|info|warning|error]
                                  The least that is logged.  [default: warning]
  --help                          Show this message and exit.

Commands:
{commands}

Every command has a --help with an example. Exit status: 0 done, 1 failed,
2 wrong usage or configuration, 3 done and something is blocked (only with
--fail-on-blocked).

  Example: probe measure x whatsapp.messaging
"""


def overview() -> str:
    return _OVERVIEW.format(commands="\n".join(f"  {name:<10} {text}" for name, (_, text) in COMMANDS.items()))
