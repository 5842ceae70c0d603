"""Keeping the daemon small over months: what Python and the C library let go of is given back to the system.

glibc keeps an arena of its own for each thread and hands freed pages back only from the end of one: after a day of
rounds a fifth of the process was such pages. Elsewhere nothing of this is needed or possible.
"""

import ctypes
import gc
import sys
from typing import Any

_ARENAS = -8  # M_ARENA_MAX of mallopt(3)


def settle_down() -> None:
    """Once all is loaded: modules and catalogue stay, so no sweep needs to look at them again."""
    library = _glibc()
    if library is not None:
        library.mallopt(_ARENAS, 1)
    gc.collect()
    gc.freeze()
    tidy_up()


def tidy_up() -> None:
    """After a round."""
    gc.collect()
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> Any | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
