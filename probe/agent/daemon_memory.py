"""Keeping the daemon small over months: what Python and the C library let go of is given back to the system.

glibc keeps an arena of its own for each thread and hands freed pages back only from the end of one: after a day of
rounds a fifth of the process was such pages. Left to itself it also takes ever larger blocks from where the small ones
are, once one of that size was freed, and so leaves holes there. Elsewhere nothing of this is needed or possible.
"""

import ctypes
import gc
import sys
from typing import Any

_ARENAS, _LARGE = -8, -3  # M_ARENA_MAX and M_MMAP_THRESHOLD of mallopt(3)
_APART = 128 << 10  # bytes: what glibc begins with; blocks from there on are apart, and go back when they are freed


def keep_small() -> None:
    """Before the first thread: an arena that it got would stay."""
    library = _glibc()
    if library is not None:
        library.mallopt(_ARENAS, 1)
        library.mallopt(_LARGE, _APART)


def settle_down() -> None:
    """Once all is loaded: modules and catalogue stay, so no sweep needs to look at them again."""
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
