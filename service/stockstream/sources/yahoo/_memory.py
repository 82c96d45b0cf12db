"""Memory that glibc keeps for no use: the pages of an import, and an arena for each thread.

Importing yfinance (and compiling it, where bytecode is not written) leaves about 15 MB of free pages that a process
running for weeks never needs again.
"""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

# mallopt(3), glibc's malloc.h.
_M_ARENA_MAX: Final = -8


def use_one_arena() -> None:
    """Have new threads allocate where the others do; four worker threads gain nothing from arenas of their own."""
    with suppress(OSError, AttributeError):
        if sys.platform == "linux":
            ctypes.CDLL("libc.so.6").mallopt(_M_ARENA_MAX, 1)


@contextmanager
def without_lxml() -> Iterator[None]:
    """Hide lxml from imports made in the context: BeautifulSoup takes it up wherever it is installed, 4 MB.

    yfinance parses its one consent page with Python's own parser.
    """
    hidden = "lxml" not in sys.modules
    if hidden:
        # Python's documented way to make an import fail.
        sys.modules["lxml"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hidden:
            del sys.modules["lxml"]


def settle_after_import() -> None:
    """Take the modules just imported out of every later garbage collection, and give free pages back to the system.

    A full collection that walks pandas takes 50 ms, in which no quote moves. The second part does nothing where the C
    library is not glibc.
    """
    gc.collect()
    gc.freeze()
    with suppress(OSError, AttributeError):
        if sys.platform == "linux":
            ctypes.CDLL("libc.so.6").malloc_trim(0)
