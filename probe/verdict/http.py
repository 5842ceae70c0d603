"""The HTTP layer: is the page the site's own?

A page over a valid certificate for the right name is, whatever its status and body. A plain page has to be compared:
with what a control got, with a status that a source fixes, with the same page over TLS, with known notices.
"""

import msgspec

from probe.verdict.findings import Finding, blocks, down, fine, note, unclear
from probe.verdict.fingerprints import concludes, describe
from probe.verdict.known import Known
from probe.verdict.pages import alike_but_for_title, is_challenge, on_platform, resembles
from probe.verdict.seen import TIMEOUTS, USER_PATH, Hop, host_of
from probe.wire.addresses import is_bogon
from probe.wire.expectations import Expectation
from probe.wire.steps import HttpStep
from probe.wire.vocabulary import Failure, Purpose, Technique

_CLOSES = frozenset({Failure.EOF_ERROR, Failure.CONNECTION_ALREADY_CLOSED})
_RESETS = frozenset({Failure.CONNECTION_RESET, Failure.CONNECTION_ABORTED})
CUTOFF_BYTES = 8_000  # a stall after less is no cutoff: the filters seen in 2025 cut after 16 to 20 kB
_STRUCK = {  # right after a handshake, by its name
    Technique.HTTP_RESET: Technique.SNI_RESET,
    Technique.HTTP_DROP: Technique.SNI_DROP,
    Technique.HTTP_CLOSE: Technique.SNI_CLOSE,
}
_STALL = 3.0  # seconds of silence at the end: less is a slow line
_SERVER_ERROR = 500
_TOO_MANY_REQUESTS = 429


def judge_http(hop: Hop, known: Known, honest: frozenset[str] | None, *, last: bool, vouched: bool) -> list[Finding]:
    """Findings about one hop's pages. `last` is the hop that the chain ended at; `vouched` says that the site itself
    led there: no unprotected redirect to a stranger lies on the way."""
    if hop.scheme not in {"https", "http"}:
        return []
    counting = [page for page in hop.http if _counts(page, hop, honest)]
    pages = [page for page in counting if page.purpose in USER_PATH]
    pages = pages or [page for page in counting if page.purpose is Purpose.REPEAT]
    if not pages:
        return []
    whole = [page for page in pages if page.failure is None]
    if whole:
        return _page(hop, known, whole[0], last=last, vouched=vouched)
    again = [page for page in counting if page.purpose is Purpose.REPEAT and page.failure is None]
    if again:
        failed = f"the request to {hop.host} failed once ({pages[0].failure}) and succeeded when repeated"
        return [note("http-transient", failed), *_page(hop, known, again[0], last=last, vouched=vouched)]
    return [_failed(hop, known, pages[0])]


def _counts(page: HttpStep, hop: Hop, honest: frozenset[str] | None) -> bool:
    """Whether the page came from an honest address. OONI's older records name none: then it was the resolver's.
    What lies behind a bad certificate is no page of this layer, only evidence for the one below."""
    if hop.scheme == "https" and page.failure is None and not page.trusted:
        return False
    if honest is None or (page.address is not None and hop.real(page.address) in honest):
        return True
    return page.address is None and bool(honest & frozenset(hop.answers))


# --- no page ---


def _failed(hop: Hop, known: Known, page: HttpStep) -> Finding:
    said = f"the request to {hop.host} failed: {page.failure}"
    if page.failure == Failure.HTTP_INVALID_REDIRECT_LOCATION_HOST:
        return unclear("http-broken-redirect", f"{said}: the redirect leads nowhere")
    row = known.fingerprints.of_page(page)
    if row is not None and concludes(row):
        return _notice(f"the page of {hop.host} is a known notice: fingerprint {describe(row)}", 0.97)
    expected = known.expectation
    if expected is not None and page.status and page.body_length and not page.trusted and expected.status:
        cut = msgspec.structs.replace(page, failure=None)  # a notice may be followed by a reset
        if not resembles(cut, expected) and page.failure not in TIMEOUTS:
            return _different(hop, known, cut, f"{said} after a page, status {page.status}, {page.title!r}", expected)
    if expected is not None and expected.http_ok is False:
        return down("http-fails-for-control", f"{said}; the control's fails too ({expected.http_failure})")
    technique = technique_of(page, expected)
    if technique is None:
        return unclear("http-unknown-failure", said)
    if (by_name := _by_name(hop, page, technique, said)) is not None:
        return by_name
    others = [other for other in hop.pages(Purpose.OTHER_HOST) if other.status is not None]
    if others and (expected is not None or page.failure not in TIMEOUTS):
        text = f"{said}; with the Host {others[0].host} the same address answers with status {others[0].status}"
        return blocks(technique, "http-host-isolated", text, 0.93)
    if expected is not None and expected.http_ok:
        return blocks(technique, f"{technique}", f"{said}; the control gets its page", 0.8)
    return unclear("http-no-control", f"{said}; no control tells whether the site works")


def _by_name(hop: Hop, page: HttpStep, technique: Technique, said: str) -> Finding | None:
    """Nobody reads a request under TLS: what strikes between the handshake and the answer goes by the handshake's name,
    if the same request is answered after a handshake with another."""
    answered = [other for other in hop.pages(Purpose.INNOCUOUS) if other.status is not None]
    if not page.trusted or page.bytes_read or not answered or technique not in _STRUCK:
        return None
    text = f"{said} right after its handshake; after one with an innocuous name {answered[0].address} answers it"
    return blocks(_STRUCK[technique], "sni-after-handshake", text, 0.93)


def technique_of(page: HttpStep, expected: Expectation | None) -> Technique | None:
    """How a request was stopped; None where bytes kept coming, only too slowly, or the failure is another."""
    if page.failure in _RESETS:
        return Technique.HTTP_RESET
    if page.failure in _CLOSES:
        return Technique.HTTP_CLOSE
    if page.failure not in TIMEOUTS:
        return None
    if not page.bytes_read:
        return Technique.HTTP_DROP
    if page.last_byte is None or page.t - page.last_byte < _STALL:
        return None
    larger = expected is None or expected.body_length is None or expected.body_length > (page.body_length or 0)
    cut = page.bytes_read >= CUTOFF_BYTES and larger  # even with no status: a TLS record of 16 kB may be cut in two
    return Technique.HTTP_CUTOFF if cut else Technique.HTTP_DROP


# --- a page ---


def _page(hop: Hop, known: Known, page: HttpStep, *, last: bool, vouched: bool) -> list[Finding]:
    if page.trusted and vouched:
        text = f"{hop.host} answered over a valid certificate with status {page.status}"
        return [fine("http-over-valid-tls", text, 0.98)]
    row = known.fingerprints.of_page(page)
    if row is not None and concludes(row):
        scope = "opt-in" if row.scope == "opt-in" else None
        return [_notice(f"{_what(hop, page)} is a known notice: fingerprint {describe(row)}", 0.97, scope=scope)]
    if page.location is not None:
        return _redirect(hop, known, page, last=last)
    return [_plain(hop, known, page, false_positive=row is not None and row.scope == "fp")]


def _notice(text: str, confidence: float, *, rule: str = "http-fingerprint", scope: str | None = None) -> Finding:
    return blocks(Technique.HTTP_BLOCKPAGE, rule, text, confidence, scope=scope)


def _what(hop: Hop, page: HttpStep) -> str:
    return f"the redirect of {hop.host} to {page.location}" if page.location else f"the page of {hop.host}"


def _redirect(hop: Hop, known: Known, page: HttpStep, *, last: bool) -> list[Finding]:
    """An unprotected redirect: anybody on the path can have sent it. Where it was followed, the next hop tells."""
    host = host_of(page.location or "")
    said = f"{hop.host} redirected without protection to {page.location}"
    if on_platform(host, hop.origin, known):
        return [fine("http-redirect-own", f"{said}, its own", 0.7)] if last else []
    if is_bogon(host):
        return [_notice(f"{said}, an address that no public site has", 0.85, rule="http-redirect-private")]
    if known.expectation is not None and known.expectation.hosts:
        return [_notice(f"{said}, where the control is not sent", 0.9, rule="http-redirect-foreign")]
    return (
        [unclear("http-redirect-unknown", f"{said}; no control tells whether that is the site's will")] if last else []
    )


def _plain(hop: Hop, known: Known, page: HttpStep, *, false_positive: bool) -> Finding:
    how = "after an unprotected redirect" if page.trusted else "without protection"
    said = f"{hop.host} answered {how}, status {page.status}, title {page.title!r}"
    expected = known.expectation
    if known.healthy and page.status in known.healthy:
        return fine("http-healthy-status", f"{said}: the status that a healthy server gives", 0.7)
    twins = [other for other in hop.pages(Purpose.OTHER_PORT) if other.trusted and other.failure is None]
    if any(resembles(page, twin) for twin in twins):
        return fine("http-same-over-tls", f"{said}: the same page comes over a valid certificate", 0.9)
    if expected is None or expected.status is None:
        return unclear("http-nothing-to-compare", f"{said}; no control or valid certificate to compare it with")
    if resembles(page, expected):
        return fine("http-as-expected", f"{said}: as the control got it", 0.85)
    if false_positive or is_challenge(page):
        return unclear("http-challenge", f"{said}: a challenge of the site's own protection, not what the control got")
    return _different(hop, known, page, said, expected)


def _different(hop: Hop, known: Known, page: HttpStep, said: str, expected: Expectation) -> Finding:
    got = f"the control got status {expected.status}, title {expected.title!r}, {expected.body_length} bytes"
    if not on_platform(hop.host, hop.origin, known):
        return _notice(f"{said}: a notice on another host; {got}", 0.92, rule="http-notice-elsewhere")
    if page.status is not None and (page.status >= _SERVER_ERROR or page.status == _TOO_MANY_REQUESTS):
        return unclear("http-server-error", f"{said}: a server's trouble; {got}")
    if page.body_length is None or (expected.body_length is None and expected.title is None):
        return unclear("http-incomparable", f"{said}; {got}")
    if any(resembles(other, expected) for other in hop.pages(Purpose.OTHER_PORT) if other.trusted):
        return _notice(f"{said}; the page over a valid certificate is the control's, this one is not", 0.93)
    if alike_but_for_title(page, expected):
        return unclear("http-other-title", f"{said}, as long as the control's and with its headers; {got}")
    others = hop.pages(Purpose.OTHER_HOST)
    if any(other.body_sha256 == page.body_sha256 for other in others):
        return unclear("http-same-for-any-host", f"{said}, whatever the Host; {got}")
    return _notice(f"{said}; {got}", 0.85 if others else 0.75, rule="http-page-differs")
