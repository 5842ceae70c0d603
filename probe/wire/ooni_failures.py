"""OONI's failure strings of every age in the vocabulary of today.

Sources: df-007-errors and df-000-base (which name the Twisted error behind each old string), and what OONI's test
helper answers. A string that does not say which failure it was stays unknown: no verdict is better than its evidence.
"""

from probe.wire.addresses import scrub
from probe.wire.ooni_fields import clean
from probe.wire.vocabulary import UNKNOWN_FAILURE, Failure

_OLD: dict[str, Failure] = {
    "address_family_not_supported_error": Failure.DNS_NON_RECOVERABLE_FAILURE,  # socket.gaierror
    "connection_done": Failure.EOF_ERROR,
    "connection_lost_error": Failure.CONNECTION_RESET,  # closed, and not cleanly
    "connection_refused_error": Failure.CONNECTION_REFUSED,
    "connection_reset_error": Failure.CONNECTION_RESET,
    "deferred_timeout_error": Failure.GENERIC_TIMEOUT_ERROR,
    "dns_lookup_error": Failure.DNS_NON_RECOVERABLE_FAILURE,  # some failure of the lookup
    "dns_name_error": Failure.DNS_NXDOMAIN_ERROR,
    "dns_name_failure": Failure.DNS_SERVFAIL_ERROR,
    "dns_server_failure": Failure.DNS_SERVER_MISBEHAVING,
    "http_invalid_redirect_url": Failure.HTTP_INVALID_REDIRECT_LOCATION_HOST,
    "ssl_unknown_autority": Failure.SSL_UNKNOWN_AUTHORITY,  # as df-007 once spelt it
    "task_timed_out": Failure.GENERIC_TIMEOUT_ERROR,
    "tcp_timed_out_error": Failure.GENERIC_TIMEOUT_ERROR,
}

CERTIFICATE = frozenset({Failure.SSL_INVALID_CERTIFICATE, Failure.SSL_INVALID_HOSTNAME, Failure.SSL_UNKNOWN_AUTHORITY})

_VOCABULARY = frozenset(Failure)


def failure(value: object) -> str | None:
    """The failure as our records write it, or None for success (null, and false in documents of 2016)."""
    if not isinstance(value, str) or not value:
        return None
    if value in _VOCABULARY:
        return value
    if value in _OLD:
        return _OLD[value]
    rest = value.removeprefix(UNKNOWN_FAILURE).lstrip(": ") or "unknown_error"
    return f"{UNKNOWN_FAILURE}: {scrub(clean(rest))}"
