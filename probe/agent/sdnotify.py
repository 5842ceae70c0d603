"""Telling systemd how the service is (sd_notify(3)): a datagram to the socket that the environment names."""

import os
import socket
import time
from collections.abc import Mapping

import trio


class Notifier:
    """Says nothing where nobody asked: `NOTIFY_SOCKET` is absent. A message that cannot be delivered is lost."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self._watchdog = _seconds(environment)

    def ready(self) -> None:
        self._say("READY=1")

    def reloading(self) -> None:
        """To be followed by `ready`. The stamp tells systemd which reload that will be."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._say("STOPPING=1")

    def status(self, text: str) -> None:
        self._say(f"STATUS={' '.join(text.split())}")

    async def keep_alive(self) -> None:
        """For as long as the event loop turns; at once back where systemd keeps no watch."""
        while self._watchdog is not None and self._address:
            self._say("WATCHDOG=1")
            await trio.sleep(self._watchdog / 2)

    def _say(self, message: str) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto(message.encode(), self._address)
        except OSError:
            return


def _seconds(environment: Mapping[str, str]) -> float | None:
    """How often systemd wants to hear from this very process."""
    text, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", str(os.getpid()))
    return int(text) / 1e6 if text.isdecimal() and int(text) > 0 and pid == str(os.getpid()) else None
