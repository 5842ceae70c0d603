"""What an owner reads before anything is sent, in plain words.

`VERSION` goes up when the meaning changes: then everybody is asked again, and until they answered their probes rest.
A test holds the text to its version, so that neither changes alone.
"""

from collections.abc import Iterable
from typing import NamedTuple

from probe.agent.consent_countries import note
from probe.catalogue.model import Catalogue

VERSION = "1"


class Section(NamedTuple):
    title: str
    paragraphs: tuple[str, ...]


WHAT_IT_DOES = Section(
    "What this program does",
    (
        "It runs in the background and tries every few minutes, from this connection, whether social platforms, "
        "messengers and news sites can be reached, and if not, how they are stopped. It does what a browser or an app "
        "does when a visit begins: it looks up the name, connects, and sometimes fetches the page. It signs in "
        "nowhere, publishes nothing there, and never looks at your own traffic.",
    ),
)
WHAT_IS_RECORDED = Section(
    "What is recorded",
    (
        "For each test: when it was, which name was tried, what the resolver answered, how far the connection came and "
        "how long each step took, the certificates shown, and, mostly where something failed, up to 64 kB of the page "
        "that came. Beside that: the number, name and country of your network (such as AS9121, Türk Telekom, TR), the "
        "network of your resolver, whether a VPN seems to be in use, whether IPv6 works, the version of this program "
        "and the kind of system that it runs on.",
        "Not recorded: your IP address, your name, an account, a place more exact than the country, or anything else "
        "that is done on this connection. Where a page that came back shows an address that may be yours, it is taken "
        "out before the page is kept.",
    ),
)
WHO_SEES_IT_ALONE = Section(
    "Who sees it",
    ("Results stay on this machine: you chose no collector, and nothing is sent to one.",),
)
WHO_SEES_IT = Section(
    "Who sees it",
    (
        "The results go to the collector named below. While your probe is connected it sees your IP address, as every "
        "server does; our software uses it to find network and country and does not keep it. That whoever runs the "
        "collector uses this software unchanged is a matter of trust. They also know to whom they gave the invitation. "
        "With a proxy such as Tor (`proxy` in the configuration) the collector does not see your address.",
        "Sums for each network and country are public at once. Single measurements may be published after 24 hours, "
        "under a name of your probe that changes every day; a network with fewer than three probes appears there only "
        "if its volunteers agreed. What was published cannot be called back.",
    ),
)
RISK = Section(
    "What risk that carries",
    (
        "Your provider, and whoever can look into its network or its records, can see that your connection contacts "
        "these services regularly, day and night, forbidden ones among them, and may tell that a measuring program "
        "does it. So can whoever runs the network at home, at work or at school. The platforms see your IP address, as "
        "they see that of every visitor.",
        "In some countries contacting forbidden services, running such a program, or passing on what it saw may be "
        "held against the person in whose name the connection is: with a warning, the end of a contract, questions, a "
        "fine, or worse. Laws and their use change. We cannot judge where you stand; you can. Do not run it on a "
        "connection of somebody who did not agree to it, nor where being noticed would do you harm.",
    ),
)
YOUR_HOLD = Section(
    "What you keep in hand",
    (
        "It keeps to a data budget that you set (100 MB a day unless you change it). You can restrict it to the "
        "platforms that you name. A collector can ask for nothing but what a signed catalogue holds, never for an "
        "address in your own network, and for no other anchors and resolvers than those above before you agreed.",
        "`probe status` shows what it sees, `probe leave` ends it: your probe stops, the collector is asked to erase "
        "what it holds of it, and with --wipe everything is removed from this machine. If this text changes in "
        "substance, you are asked again, and until then nothing is sent.",
    ),
)
STATIC = (WHAT_IT_DOES, WHAT_IS_RECORDED, WHO_SEES_IT_ALONE, WHO_SEES_IT, RISK, YOUR_HOLD)


def sections(catalogue: Catalogue, collector: str | None, country: str | None) -> tuple[Section, ...]:
    """All that is to be read: by the catalogue's platforms, the collector's URL if any, the country's code if known."""
    risk = RISK
    if country is not None and (words := note(country)) is not None:
        risk = RISK._replace(paragraphs=(*RISK.paragraphs, *words))
    who = WHO_SEES_IT._replace(paragraphs=(*WHO_SEES_IT.paragraphs, f"Collector: {collector}")) if collector else None
    return (WHAT_IT_DOES, contacted(catalogue), WHAT_IS_RECORDED, who or WHO_SEES_IT_ALONE, risk, YOUR_HOLD)


def contacted(catalogue: Catalogue) -> Section:
    infrastructure = catalogue.infrastructure
    names = ", ".join(platform.name for platform in sorted(catalogue.platforms, key=lambda each: each.name.casefold()))
    anchors = _operators(anchor.operator for anchor in infrastructure.anchors if anchor.country is None)
    beside = [
        f"pages with a known answer ({anchors}; in some countries a domestic one)",
        f"resolvers that are trusted, over HTTPS ({_operators(each.operator for each in infrastructure.resolvers)})",
        f"names that no censor minds ({', '.join(infrastructure.neutral)})",
    ]
    if infrastructure.traces or infrastructure.whoami:
        telling = _operators(
            [each.operator for each in infrastructure.traces] + [each.operator for each in infrastructure.whoami]
        )
        beside.append(f"services that tell a probe which network it is in, where no collector does ({telling})")
    if infrastructure.origins:
        asked = _operators(each.operator for each in infrastructure.origins)
        beside.append(f"only if you allow it (`ask_strangers`): {asked}, with a shortened address")
    if infrastructure.reflectors:
        beside.append(
            f"servers that forbidden names are sent to, to see what they set off ({len(infrastructure.reflectors)})"
        )
    return Section(
        "What is contacted",
        (
            f"{len(catalogue.platforms)} platforms at {len(catalogue.endpoints())} endpoints: {names}. "
            "`probe catalogue list` shows each one.",
            f"Beside them, to tell censorship from a fault of your own network: {'; '.join(beside)}.",
        ),
    )


def _operators(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))
