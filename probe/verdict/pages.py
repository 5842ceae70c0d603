"""Comparing pages, and telling whose host a redirect leads to."""

from collections.abc import Iterable

from probe.verdict.known import Known
from probe.verdict.seen import registrable
from probe.wire.addresses import is_address
from probe.wire.expectations import Expectation
from probe.wire.steps import HttpStep

# OONI's web_connectivity calls two bodies alike when the shorter has at least 0.7 of the longer (ts-017).
ALIKE = 0.7
_SMALL = 4096  # bytes: below it, and without a title, lengths prove nothing
_BRAND = 4  # letters: shorter names are too common to be one owner's
_FAILED = 400
_CHALLENGE_TITLES = ("Just a moment", "Attention Required! | Cloudflare", "Please Wait... | Cloudflare", "DDoS-Guard")


def resembles(page: HttpStep, other: HttpStep | Expectation) -> bool:
    """Whether two responses look like one page: the same kind of status, and the same title or a like length."""
    if page.status is None or other.status is None or _kind(page.status) != _kind(other.status):
        return False
    if page.title or other.title:
        return _words(page.title or "") == _words(other.title or "")
    if page.body_length and page.body_length < _SMALL and other.body_sha256:
        return page.body_sha256 == other.body_sha256
    if page.body_length is None or other.body_length is None or (page.body_truncated and not page.body):
        return False
    shorter, longer = sorted((page.body_length, other.body_length))
    truncated = page.body_truncated and page.body_length == shorter
    return truncated or longer == 0 or shorter / longer >= ALIKE


def alike_but_for_title(page: HttpStep, expected: Expectation) -> bool:
    """The same length and the same headers as the control's: a site in its visitor's language, more likely than a
    notice."""
    names = {name.lower() for name, _ in page.headers}
    if not names or names != set(expected.headers):
        return False
    shorter, longer = sorted((page.body_length or 0, expected.body_length or 0))
    return longer > 0 and shorter / longer >= ALIKE


def _kind(status: int) -> int:
    return status // 100 if status >= _FAILED else 2


def _words(title: str) -> str:
    return " ".join(title.lower().split())


def is_challenge(page: HttpStep) -> bool:
    """A protection service's own check of the visitor: no censor's page."""
    headers = {name.lower() for name, _ in page.headers}
    return "cf-mitigated" in headers or bool(page.title and page.title.startswith(_CHALLENGE_TITLES))


def on_platform(host: str, origin: str, known: Known) -> bool:
    """Whether the host belongs to the site measured: its neighbour by name, of its platform, or where the control
    was sent as well."""
    expected = known.expectation is not None and host in known.expectation.hosts
    return not host or expected or is_own_host(host, origin, known.domains)


def is_own_host(host: str, origin: str, domains: Iterable[str]) -> bool:
    """Whether the host is a neighbour of the origin, or lies within the platform's domains."""
    return within(host, domains) or registrable(host) == registrable(origin) or _same_brand(host, origin)


def within(host: str, domains: Iterable[str]) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def _same_brand(host: str, origin: str) -> bool:
    """`google.com.tr` and `google.com`: one name under several suffixes."""
    brand = registrable(host).split(".")[0]
    return len(brand) >= _BRAND and brand == registrable(origin).split(".")[0] and not is_address(host)
