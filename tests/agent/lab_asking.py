"""Asking HTTP servers inside a namespace of the lab, from a thread of the tests that entered it: a process for each
question took a fifth of a second of the processor that the probe under test needs."""

import ctypes
import http.client
import os
import urllib.parse
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Self

_NETWORK = 0x40000000  # CLONE_NEWNET of setns(2)
_PATIENCE = 60.0  # seconds
_NONE: Mapping[str, str] = {}


class Asking:
    """In the namespace of this name."""

    def __init__(self, namespace: str) -> None:
        self._thread = ThreadPoolExecutor(1, initializer=_enter, initargs=(namespace,))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def ask(self, url: str, method: str = "GET", body: bytes = b"") -> bytes:
        """Raises OSError where nobody answers, or with anything but 200."""
        status, answer = self.answer(url, method, body)
        if status != http.client.OK:
            raise ConnectionError(f"{url}: answered {status}")
        return answer

    def answer(
        self, url: str, method: str = "GET", body: bytes = b"", headers: Mapping[str, str] = _NONE
    ) -> tuple[int, bytes]:
        """Status and body. Raises OSError where nobody answers."""
        return self._thread.submit(_fetched, urllib.parse.urlsplit(url), method, body, headers).result()


def _enter(namespace: str) -> None:
    """This thread alone."""
    descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, _NETWORK):
            raise OSError(ctypes.get_errno(), f"cannot enter the namespace {namespace}")
    finally:
        os.close(descriptor)


def _fetched(url: urllib.parse.SplitResult, method: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=_PATIENCE)
    try:
        connection.request(method, f"{url.path}{'?' * bool(url.query)}{url.query}", body or None, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"{url.geturl()}: {error!r}") from error
    finally:
        connection.close()
