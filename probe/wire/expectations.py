"""What a control saw of each endpoint: the measure that a probe holds its own observations against."""

import datetime as dt

import msgspec


class Expectation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One endpoint as seen from an uncensored network. A layer that the control did not reach is absent;
    `*_failure` says that the control failed there too."""

    addresses: tuple[str, ...] = ()
    dns_failure: str | None = None
    tcp_ok: bool | None = None  # at least one address accepted
    tcp_failure: str | None = None
    tls_ok: bool | None = None  # a handshake finished (whatever the certificate)
    tls_failure: str | None = None
    chain_valid: bool | None = None
    chain_failure: str | None = None
    host_match: bool | None = None
    issuers: tuple[str, ...] = ()
    chain_sha256: tuple[str, ...] = ()
    http_ok: bool | None = None  # a whole response came
    http_failure: str | None = None
    status: int | None = None  # of the last hop
    title: str | None = None
    body_length: int | None = None
    body_sha256: str | None = None
    headers: tuple[str, ...] = ()  # names, lower case
    hosts: tuple[str, ...] = ()  # of every hop of the redirect chain
    controls: int = 1  # how many agreed


class Expectations(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`endpoints` by the endpoint's URL as the catalogue writes it."""

    made_at: dt.datetime
    schema: int = 1
    catalogue: str | None = None  # version of the catalogue they were made with
    endpoints: dict[str, Expectation] = {}
