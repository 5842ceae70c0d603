"""From what the libraries raise to the failure vocabulary: what all steps share. Each step has its own table beside
the call that can raise, and asks these for the rest."""

import errno
import socket
from collections.abc import Iterator

from probe.wire.addresses import scrub
from probe.wire.vocabulary import UNKNOWN_FAILURE, Failure

_LONGEST_TEXT = 200  # characters of an unknown failure: a server can put anything into an exception

_BY_ERRNO = {
    errno.EACCES: Failure.PERMISSION_DENIED,
    errno.EADDRINUSE: Failure.ADDRESS_IN_USE,
    errno.EADDRNOTAVAIL: Failure.ADDRESS_NOT_AVAILABLE,
    errno.EAFNOSUPPORT: Failure.ADDRESS_FAMILY_NOT_SUPPORTED,
    errno.EAGAIN: Failure.OPERATION_WOULD_BLOCK,
    errno.EALREADY: Failure.CONNECTION_ALREADY_IN_PROGRESS,
    errno.EBADF: Failure.BAD_FILE_DESCRIPTOR,
    errno.ECONNABORTED: Failure.CONNECTION_ABORTED,
    errno.ECONNREFUSED: Failure.CONNECTION_REFUSED,
    errno.ECONNRESET: Failure.CONNECTION_RESET,
    errno.EDESTADDRREQ: Failure.DESTINATION_ADDRESS_REQUIRED,
    errno.EFAULT: Failure.BAD_ADDRESS,
    errno.EHOSTUNREACH: Failure.HOST_UNREACHABLE,
    errno.EINPROGRESS: Failure.CONNECTION_ALREADY_IN_PROGRESS,
    errno.EINTR: Failure.INTERRUPTED,
    errno.EINVAL: Failure.INVALID_ARGUMENT,
    errno.EISCONN: Failure.ALREADY_CONNECTED,
    errno.EMSGSIZE: Failure.MESSAGE_SIZE,
    errno.ENETDOWN: Failure.NETWORK_DOWN,
    errno.ENETRESET: Failure.NETWORK_RESET,
    errno.ENETUNREACH: Failure.NETWORK_UNREACHABLE,
    errno.ENOBUFS: Failure.NO_BUFFER_SPACE,
    errno.ENOPROTOOPT: Failure.NO_PROTOCOL_OPTION,
    errno.ENOTCONN: Failure.NOT_CONNECTED,
    errno.ENOTSOCK: Failure.NOT_A_SOCKET,
    errno.EPERM: Failure.PERMISSION_DENIED,
    errno.EPIPE: Failure.CONNECTION_RESET,  # the kernel's word for an RST that came after a FIN
    errno.EPROTONOSUPPORT: Failure.PROTOCOL_NOT_SUPPORTED,
    errno.EPROTOTYPE: Failure.WRONG_PROTOCOL_TYPE,
    errno.ETIMEDOUT: Failure.TIMED_OUT,
}

# What `getaddrinfo` says of an address literal of another family, or with a zone that is not there.
_BY_EAI = {
    socket.EAI_AGAIN: Failure.DNS_TEMPORARY_FAILURE,
    socket.EAI_FAIL: Failure.DNS_NON_RECOVERABLE_FAILURE,
    socket.EAI_FAMILY: Failure.ADDRESS_FAMILY_NOT_SUPPORTED,
    socket.EAI_NONAME: Failure.ADDRESS_NOT_AVAILABLE,  # a zone without such an interface: no name was asked for
    getattr(socket, "EAI_ADDRFAMILY", socket.EAI_FAMILY): Failure.ADDRESS_FAMILY_NOT_SUPPORTED,
}


def failure_of_oserror(exc: OSError) -> str:
    table = _BY_EAI if isinstance(exc, socket.gaierror) else _BY_ERRNO
    return table.get(exc.errno or 0) or unknown(exc)


def errno_name(exc: OSError) -> str | None:
    """ECONNREFUSED and the like; None where the error carries no errno of the kernel's."""
    return None if isinstance(exc, socket.gaierror) else errno.errorcode.get(exc.errno or 0)


def unknown(exc: BaseException) -> str:
    """`unknown_failure: TEXT`: the type where the exception has no text, addresses scrubbed, one line."""
    text = " ".join(str(exc).split()) or type(exc).__name__
    return f"{UNKNOWN_FAILURE}: {scrub(text)[:_LONGEST_TEXT]}"


def causes(exc: BaseException) -> Iterator[BaseException]:
    """The exception, then what it was raised from, outermost first. Ends also where the chain bites its tail."""
    seen: set[int] = set()
    link: BaseException | None = exc
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
