"""HTTP requests made inside a namespace: a thread enters it, connects and ends; the socket stays where it was made."""

import ctypes
import http.client
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_NETNS = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_TIMEOUT = 10.0
_LIBC = ctypes.CDLL(None, use_errno=True)


def get(namespace: str, address: str, port: int, path: str, headers: dict[str, str] | None = None) -> bytes:
    """The body of a 200. Raises OSError for whatever else happens."""
    connection = _Connection(namespace, address, port)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        body = answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"http://{address}:{port}{path}: {error!r}") from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise OSError(f"http://{address}:{port}{path}: HTTP status {answer.status}")
    return body


class _Connection(http.client.HTTPConnection):
    def __init__(self, namespace: str, address: str, port: int) -> None:
        super().__init__(address, port, timeout=_TIMEOUT)
        self._namespace = namespace

    def connect(self) -> None:
        with ThreadPoolExecutor(1) as thread:
            self.sock = thread.submit(self._connected).result()

    def _connected(self) -> socket.socket:
        _enter(self._namespace)
        return socket.create_connection((self.host, self.port), _TIMEOUT)


def _enter(namespace: str) -> None:
    """This thread only, for the rest of its life."""
    handle = os.open(_NETNS / namespace, os.O_RDONLY)
    try:
        if _LIBC.setns(handle, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter the namespace {namespace}")
    finally:
        os.close(handle)
