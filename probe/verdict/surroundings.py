"""Is the probe's own network fit to speak about anybody?

Anchors are pages with known answers from several operators. One wrong anchor is a note; most wrong is a portal; all
silent is no network. Two unrelated neutral names whose certificates one unknown issuer made is software or a company
that intercepts everything: nothing can be said of anybody's certificate then.
"""

from collections import Counter

from probe.wire.measurement import AnchorSeen, Surroundings
from probe.wire.vocabulary import Failure, Void

_INTERCEPTED_NEEDED = 2
_NOT_VALID_NOW = Failure.SSL_INVALID_CERTIFICATE  # a path to a trusted authority exists: this clock is wrong


def judge_surroundings(seen: Surroundings | None) -> tuple[Void, str] | None:
    """Why the round is void, with a sentence; None where it is fit, or was not looked at."""
    if seen is None or not seen.anchors:
        return None
    foreign = [anchor for anchor in seen.anchors if anchor.country is None]
    domestic = [anchor for anchor in seen.anchors if anchor.country is not None]
    right = [anchor for anchor in foreign if anchor.seen == "right"]
    wrong = [anchor for anchor in foreign if anchor.seen == "wrong"]
    if not foreign:
        return None
    if not right and not wrong:
        return _silent(foreign, domestic)
    intercepted = _interceptor(foreign)
    portal = _portal(right, wrong) and not any(anchor.seen == "right" for anchor in domestic)
    if intercepted is not None and not portal:
        return Void.LOCAL_INTERCEPTION, intercepted
    if portal:
        text = (
            f"{len(wrong)} of {len(foreign)} anchors answer wrongly ({wrong[0].url} first): a login or payment portal"
        )
        return Void.CAPTIVE_PORTAL, text
    return None


def _silent(foreign: list[AnchorSeen], domestic: list[AnchorSeen]) -> tuple[Void, str]:
    failures = Counter(anchor.failure for anchor in foreign)
    commonest = failures.most_common(1)[0][0] if failures else None
    if any(anchor.seen == "right" for anchor in domestic):
        return (
            Void.INTERNATIONAL_CUT,
            f"domestic anchors answer, all {len(foreign)} foreign ones are silent ({commonest})",
        )
    return Void.OFFLINE, f"all {len(foreign)} anchors are silent ({commonest})"


def _portal(right: list[AnchorSeen], wrong: list[AnchorSeen]) -> bool:
    """A portal answers for every name, so the plain pages are wrong too; interception of TLS leaves those alone. Where
    a domestic anchor is right no portal stands before it: then somebody forges the foreign ones."""
    plain = [anchor for anchor in wrong if anchor.url.startswith("http:")]
    return len(wrong) > len(right) and bool(plain)


def _interceptor(foreign: list[AnchorSeen]) -> str | None:
    shown = [anchor for anchor in foreign if anchor.seen == "wrong" and anchor.failure != _NOT_VALID_NOW]
    issuers = Counter(anchor.issuer for anchor in shown if anchor.issuer)
    secure = [anchor for anchor in foreign if anchor.url.startswith("https:")]
    if not issuers or any(anchor.seen == "right" for anchor in secure):
        return None
    issuer, count = issuers.most_common(1)[0]
    if count < min(_INTERCEPTED_NEEDED, len(secure)):
        return None
    return f"{count} unrelated neutral sites show certificates that {issuer} made: something near intercepts them all"
