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


# Imported wherever it happens to be installed, and of no use here: BeautifulSoup takes up lxml (4 MB), while yfinance
# parses its one consent page with Python's own parser.
UNUSED_BY_US: Final = ("lxml",)


@contextmanager
def without_unused() -> Iterator[None]:
    """Hide what yfinance would import and we do not use, from imports made in the context."""
    hidden = [name for name in UNUSED_BY_US if name not in sys.modules]
    for name in hidden:
        # Python's documented way to make an import fail.
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def settle_after_import() -> None:
    """Take the modules just imported out of every later garbage collection, and give free pages back to the system.

    A full collection that walks pandas takes 50 ms, in which no quote moves.
    """
    gc.collect()
    gc.freeze()
    return_freed_pages()


def return_freed_pages() -> None:
    """Give free pages back to the system; does nothing where the C library is not glibc."""
    with suppress(OSError, AttributeError):
        if sys.platform == "linux":
            ctypes.CDLL("libc.so.6").malloc_trim(0)
