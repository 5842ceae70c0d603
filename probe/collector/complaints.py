"""Faults that last: told when they begin and when they are over, not with each request that meets them."""

import logging


class Complaints:
    """`over` is what is said in the end."""

    def __init__(self, logger: logging.Logger, over: str) -> None:
        self._logger = logger
        self._over = over
        self._open = False

    def begin(self, text: str) -> None:
        if not self._open:
            self._open = True
            self._logger.error("%s", text)

    def end(self) -> None:
        if self._open:
            self._open = False
            self._logger.warning("%s", self._over)
