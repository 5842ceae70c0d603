"""The closed vocabularies: outcomes, techniques, failures and the purposes of steps.

Techniques follow RFC 9505 (a survey of censorship techniques). Failure strings are those of OONI's data format
df-007-errors, so that a record can be compared with OONI's without translation.
"""

from enum import StrEnum


class Outcome(StrEnum):
    """What is concluded of an endpoint, a service or a platform."""

    OK = "ok"
    BLOCKED = "blocked"
    PARTIAL = "partial"  # service or platform: some endpoints blocked
    DEGRADED = "degraded"  # reached, but throttled
    DOWN = "down"  # the control cannot reach it either
    INCONCLUSIVE = "inconclusive"  # evidence lacking
    VOID = "void"  # the probe's own network was not fit to measure


class Technique(StrEnum):
    """How it is stopped, declared in the order in which a connection meets them."""

    DNS_NXDOMAIN = "dns-nxdomain"
    DNS_NO_ANSWER = "dns-no-answer"
    DNS_REFUSED = "dns-refused"
    DNS_SERVFAIL = "dns-servfail"
    DNS_TIMEOUT = "dns-timeout"
    DNS_FORGED = "dns-forged"  # a wrong address, bogon and loopback included
    IP_DROP = "ip-drop"
    IP_RESET = "ip-reset"
    IP_UNREACHABLE = "ip-unreachable"
    SNI_DROP = "sni-drop"
    SNI_RESET = "sni-reset"
    SNI_CLOSE = "sni-close"
    TLS_DROP = "tls-drop"  # tls-*: the SNI test was impossible or did not isolate the name
    TLS_RESET = "tls-reset"
    TLS_CLOSE = "tls-close"
    TLS_INTERCEPTION = "tls-interception"
    HTTP_BLOCKPAGE = "http-blockpage"
    HTTP_RESET = "http-reset"
    HTTP_DROP = "http-drop"
    HTTP_CLOSE = "http-close"
    HTTP_CUTOFF = "http-cutoff"  # stalls after some kB
    QUIC_DROP = "quic-drop"
    THROTTLING = "throttling"


CONNECTION_ORDER: dict[str, int] = {technique: position for position, technique in enumerate(Technique)}


class Purpose(StrEnum):
    """Why a step was taken: the ordinary flow, or the one thing that a follow-up changed."""

    TARGET = "target"  # what a user's connection would do
    UPLINK = "uplink"  # dns: what the stub resolver on this machine forwards to
    TRUSTED = "trusted"  # dns: a trusted resolver over HTTPS
    TRUSTED_UDP = "trusted-udp"  # dns: a trusted resolver over plain UDP port 53
    SILENT_NEUTRAL = "silent-neutral"  # dns: a neutral name asked of an address that runs no resolver
    SILENT_TARGET = "silent-target"  # dns: this name asked of that address
    TRUSTED_ADDRESS = "trusted-address"  # tcp, tls, http: this name at a trusted resolver's answer
    OTHER_ADDRESS = "other-address"  # tcp, tls: another address of the same name
    OTHER_PORT = "other-port"  # tcp: another port of the same address
    INNOCUOUS = "innocuous"  # tcp, tls, http: after an innocuous name at the target's address
    ELSEWHERE = "elsewhere"  # tls: this name at an address known to be fine
    SPLIT = "split"  # tls: ClientHello in two TCP segments
    SMALL_HELLO = "small-hello"  # tls: an innocuous ClientHello as small as can be
    OTHER_HOST = "other-host"  # http: the same path with another Host
    REPEAT = "repeat"  # any: the step that failed, once more


class Void(StrEnum):
    """Why a whole round cannot speak about anybody but the probe's own network."""

    OFFLINE = "offline"
    CAPTIVE_PORTAL = "captive-portal"
    INTERNATIONAL_CUT = "international-cut"
    PLAN = "plan"
    LOCAL_INTERCEPTION = "local-interception"


class Failure(StrEnum):
    """OONI's failure strings (df-007-errors); `unknown_failure: TEXT` stands for whatever is left."""

    ADDRESS_FAMILY_NOT_SUPPORTED = "address_family_not_supported"
    ADDRESS_IN_USE = "address_in_use"
    ADDRESS_NOT_AVAILABLE = "address_not_available"
    ALREADY_CONNECTED = "already_connected"
    ANDROID_DNS_CACHE_NO_DATA = "android_dns_cache_no_data"
    BAD_ADDRESS = "bad_address"
    BAD_FILE_DESCRIPTOR = "bad_file_descriptor"
    CONNECTION_ABORTED = "connection_aborted"
    CONNECTION_ALREADY_CLOSED = "connection_already_closed"
    CONNECTION_ALREADY_IN_PROGRESS = "connection_already_in_progress"
    CONNECTION_REFUSED = "connection_refused"
    CONNECTION_RESET = "connection_reset"
    DESTINATION_ADDRESS_REQUIRED = "destination_address_required"
    DNS_BOGON_ERROR = "dns_bogon_error"
    DNS_NO_ANSWER = "dns_no_answer"
    DNS_NON_RECOVERABLE_FAILURE = "dns_non_recoverable_failure"
    DNS_NXDOMAIN_ERROR = "dns_nxdomain_error"
    DNS_REFUSED_ERROR = "dns_refused_error"
    DNS_REPLY_WITH_WRONG_QUERY_ID = "dns_reply_with_wrong_query_id"
    DNS_SERVER_MISBEHAVING = "dns_server_misbehaving"
    DNS_SERVFAIL_ERROR = "dns_servfail_error"
    DNS_TEMPORARY_FAILURE = "dns_temporary_failure"
    EOF_ERROR = "eof_error"
    GENERIC_TIMEOUT_ERROR = "generic_timeout_error"
    HOST_UNREACHABLE = "host_unreachable"
    HTTP_INVALID_REDIRECT_LOCATION_HOST = "http_invalid_redirect_location_host"
    INTERRUPTED = "interrupted"
    INVALID_ARGUMENT = "invalid_argument"
    JSON_PARSE_ERROR = "json_parse_error"
    MESSAGE_SIZE = "message_size"
    NETWORK_DOWN = "network_down"
    NETWORK_RESET = "network_reset"
    NETWORK_UNREACHABLE = "network_unreachable"
    NO_BUFFER_SPACE = "no_buffer_space"
    NO_PROTOCOL_OPTION = "no_protocol_option"
    NOT_A_SOCKET = "not_a_socket"
    NOT_CONNECTED = "not_connected"
    OPERATION_WOULD_BLOCK = "operation_would_block"
    PERMISSION_DENIED = "permission_denied"
    PROTOCOL_NOT_SUPPORTED = "protocol_not_supported"
    QUIC_INCOMPATIBLE_VERSION = "quic_incompatible_version"
    SSL_FAILED_HANDSHAKE = "ssl_failed_handshake"
    SSL_INVALID_CERTIFICATE = "ssl_invalid_certificate"
    SSL_INVALID_HOSTNAME = "ssl_invalid_hostname"
    SSL_UNKNOWN_AUTHORITY = "ssl_unknown_authority"
    TIMED_OUT = "timed_out"
    WRONG_PROTOCOL_TYPE = "wrong_protocol_type"


UNKNOWN_FAILURE = "unknown_failure"
