"""The answer of OONI's test helper (ts-017: `test_keys.control`) as an expectation.

Two ages of it are read: before 0.5 it holds dns, tcp_connect and http_request; later tls_handshake too. It is asked to
connect to whatever the probe resolved, so what it says of an address that it did not resolve itself is no word about
the site. -1 stands for "not measured", and names may stand among the addresses (they are CNAMEs).
"""

from msgspec.structs import replace

from probe.wire.addresses import is_address, parse_address
from probe.wire.expectations import Expectation
from probe.wire.ooni_failures import CERTIFICATE, failure
from probe.wire.ooni_fields import Document, Place, integer, part, socket_address, text, texts
from probe.wire.ooni_pages import one_line
from probe.wire.vocabulary import UNKNOWN_FAILURE, Failure

_UNSAID = f"{UNKNOWN_FAILURE}: the control did not say why"


def control_addresses(test_keys: Document) -> tuple[str, ...]:
    found = texts(part(part(test_keys, "control"), "dns"), "addrs")
    return tuple(dict.fromkeys(str(parse_address(address)) for address in found if is_address(address)))


def expectation(test_keys: Document, target: Place) -> Expectation | None:
    """None where the test helper was not asked or did not answer."""
    control = part(test_keys, "control")
    if not control or failure(test_keys.get("control_failure")):
        return None
    addresses = control_addresses(test_keys)
    seen = _page(Expectation(addresses=addresses), part(control, "http_request"))
    if "dns" in control and not (addresses or target.literal or seen.http_ok):
        seen = _unresolved(seen, part(control, "dns"))
    own = {(address, target.port) for address in ((target.host,) if target.literal else addresses)}
    seen = _connected(seen, _at(control, "tcp_connect", own))
    if target.scheme == "https":
        seen = _shaken(seen, _at(control, "tls_handshake", own))
    return None if seen == Expectation() else seen


def _page(seen: Expectation, request: Document) -> Expectation:
    wrong = failure(request.get("failure"))
    status, length = integer(request, "status_code"), integer(request, "body_length")
    if wrong is not None:
        return replace(seen, http_ok=False, http_failure=wrong)
    if status is None or status <= 0:
        return seen
    return replace(
        seen,
        http_ok=True,
        status=status,
        title=one_line(text(request, "title")),
        body_length=length if length is not None and length >= 0 else None,
        headers=tuple(sorted({name.lower() for name in part(request, "headers") if isinstance(name, str)})),
    )


def _unresolved(seen: Expectation, lookup: Document) -> Expectation:
    """The helper reports "no answer" as success without addresses."""
    return replace(seen, dns_failure=failure(lookup.get("failure")) or Failure.DNS_NO_ANSWER)


def _at(control: Document, key: str, own: set[tuple[str, int]]) -> list[Document]:
    """The helper's results at the site's own addresses, on the endpoint's port."""
    return [
        result
        for endpoint, result in part(control, key).items()
        if isinstance(endpoint, str) and isinstance(result, dict) and socket_address(endpoint) in own
    ]


def _connected(seen: Expectation, results: list[Document]) -> Expectation:
    """A page that came over the connection says more than a connect."""
    if seen.http_ok or any(result.get("status") is True for result in results):
        return replace(seen, tcp_ok=True)
    failures = [failure(result.get("failure")) or _UNSAID for result in results]
    return replace(seen, tcp_ok=False, tcp_failure=failures[0]) if failures else seen


def _shaken(seen: Expectation, results: list[Document]) -> Expectation:
    """The helper verifies certificates: a complaint about one says that the handshake got there."""
    if seen.http_ok or any(result.get("status") is True for result in results):
        return replace(seen, tls_ok=True, chain_valid=True, host_match=True)
    failures = [failure(result.get("failure")) or _UNSAID for result in results]
    complaint = next((wrong for wrong in failures if wrong in CERTIFICATE), None)
    if complaint == Failure.SSL_INVALID_HOSTNAME:
        return replace(seen, tls_ok=True, host_match=False)
    if complaint is not None:
        return replace(seen, tls_ok=True, chain_valid=False, chain_failure=complaint)
    return replace(seen, tls_ok=False, tls_failure=failures[0]) if failures else seen
