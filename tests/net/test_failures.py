"""Whatever the libraries raise is mapped: to a word of the vocabulary, or to a scrubbed text."""

import errno
import importlib
import inspect
import pkgutil
import socket
import ssl
from collections.abc import Callable, Iterator

import dns
import h2.events
import httpcore
import pytest
import trio
from h2.errors import ErrorCodes

from probe.net import dns as dns_step
from probe.net import doh, http, tcp, tls
from probe.net.failures import causes, failure_of_oserror, unknown
from probe.wire.vocabulary import Failure

TABLES: dict[str, Callable[[BaseException], str]] = {
    "dns": dns_step.failure_of,
    "doh": doh.failure_of,
    "tcp": tcp.failure_of,
    "tls": tls.failure_of,
    "http": http.failure_of,
}
MODULES = ("trio", "ssl", "socket", "httpcore", "httpx", "h11", "h2.exceptions", "hpack.exceptions", "dns.exception")


def exceptions_of(module: str) -> Iterator[type[Exception]]:
    for _, kind in inspect.getmembers(importlib.import_module(module), inspect.isclass):
        if issubclass(kind, Exception):
            yield kind


def all_exceptions() -> list[type[Exception]]:
    modules = [*MODULES, *(f"dns.{module.name}" for module in pkgutil.iter_modules(dns.__path__) if plain(module.name))]
    return sorted({kind for module in modules for kind in exceptions_of(module)}, key=lambda kind: kind.__qualname__)


def plain(name: str) -> bool:
    return name in {"message", "name", "rdata", "rdatatype", "rcode", "edns", "wire", "tokenizer", "flags"}


def an_instance(kind: type[Exception]) -> Exception:
    for arguments in ((), ("text 192.0.2.7",), (1, "text"), (None, None)):
        try:
            return kind(*arguments)
        except Exception:
            continue
    instance = kind.__new__(kind)
    instance.args = ()
    return instance


def in_vocabulary(failure: str) -> bool:
    return failure.startswith("unknown_failure: ") or failure in set(Failure)


def test_the_walk_finds_the_libraries_exceptions() -> None:
    names = {kind.__qualname__ for kind in all_exceptions()}
    assert {"BrokenResourceError", "SSLEOFError", "RemoteProtocolError", "ReadTimeout", "BadPointer"} <= names
    assert len(names) > 100


@pytest.mark.parametrize("step", TABLES)
def test_every_exception_is_mapped(step: str) -> None:
    failure_of = TABLES[step]
    for kind in all_exceptions():
        wrapped = trio.BrokenResourceError()
        wrapped.__cause__ = an_instance(kind)
        assert in_vocabulary(failure_of(an_instance(kind))), kind
        assert in_vocabulary(failure_of(wrapped)), kind


def test_every_errno_is_mapped() -> None:
    for number in errno.errorcode:
        assert in_vocabulary(failure_of_oserror(OSError(number, "as the system says")))


@pytest.mark.parametrize(
    ("number", "failure"),
    [
        (errno.ECONNREFUSED, "connection_refused"),
        (errno.ECONNRESET, "connection_reset"),
        (errno.EPIPE, "connection_reset"),
        (errno.EHOSTUNREACH, "host_unreachable"),
        (errno.ENETUNREACH, "network_unreachable"),
        (errno.EACCES, "permission_denied"),
        (errno.EPERM, "permission_denied"),
        (errno.ETIMEDOUT, "timed_out"),
    ],
)
def test_an_errno_has_its_word_in_every_step_also_beneath_trio(number: int, failure: str) -> None:
    broken = trio.BrokenResourceError()
    broken.__cause__ = OSError(number, "as the system says")
    for step, failure_of in TABLES.items():
        assert failure_of(broken) == failure, step
        assert failure_of(broken.__cause__) == failure, step


def test_an_errno_of_getaddrinfo_is_not_taken_for_one_of_the_kernel() -> None:
    assert failure_of_oserror(socket.gaierror(socket.EAI_AGAIN, "")) == Failure.DNS_TEMPORARY_FAILURE
    assert failure_of_oserror(socket.gaierror(1, "odd")).startswith("unknown_failure")


def test_the_code_of_an_ssl_error_is_not_taken_for_an_errno() -> None:
    refused = ssl.SSLError(errno.ECONNREFUSED, "an SSL code that happens to be the same number")
    assert tls.failure_of(refused) == Failure.SSL_FAILED_HANDSHAKE
    assert http.failure_of(refused).startswith("unknown_failure")


def test_an_unknown_failure_names_no_address() -> None:
    text = unknown(ValueError("from 198.51.100.9 to\n2001:db8::1 at port 443"))
    assert text == "unknown_failure: from [scrubbed] to [scrubbed] at port 443"


def test_an_unknown_failure_without_text_names_the_type_and_a_long_one_is_cut() -> None:
    assert unknown(KeyError()) == "unknown_failure: KeyError"
    assert len(unknown(ValueError("x" * 9999))) < 250


def test_causes_end_where_the_chain_bites_its_tail() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert list(causes(one)) == [one, two]


def test_a_goaway_and_a_stream_reset_are_named_and_are_no_reset() -> None:
    terminated, stream = h2.events.ConnectionTerminated(), h2.events.StreamReset(stream_id=1)
    terminated.error_code, stream.error_code = ErrorCodes.ENHANCE_YOUR_CALM, ErrorCodes.INTERNAL_ERROR
    said = [http.failure_of(httpcore.RemoteProtocolError(event)) for event in (terminated, stream)]
    assert said == ["unknown_failure: http2 goaway, error code 11", "unknown_failure: http2 stream reset, error code 2"]


def test_cancellation_is_never_a_failure() -> None:
    assert not issubclass(trio.Cancelled, Exception)
