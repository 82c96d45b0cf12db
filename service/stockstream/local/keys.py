"""Single keys from the terminal, while the live view has it."""

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def watch_keys(on_key: Callable[[str], None]) -> Iterator[None]:
    """Call `on_key` with each character typed, without waiting for Enter; Ctrl-C stays a signal.

    Does nothing where standard input is no terminal of ours: a pipe, or a run in the background.
    """
    descriptor = _own_terminal()
    if descriptor is None:
        yield
        return
    loop = asyncio.get_running_loop()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor, termios.TCSANOW)

    def read() -> None:
        typed = os.read(descriptor, 64)
        if not typed:  # the terminal is gone
            loop.remove_reader(descriptor)
        for character in typed.decode(errors="ignore"):
            on_key(character)

    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSANOW, before)


def _own_terminal() -> int | None:
    try:
        descriptor = sys.stdin.fileno()
        # Whoever changes a terminal from the background is stopped by the kernel.
        return descriptor if os.isatty(descriptor) and os.tcgetpgrp(descriptor) == os.getpgrp() else None
    except (OSError, ValueError):
        return None
