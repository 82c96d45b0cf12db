"""Runs MiniStack inside the emulator's own environment; executed by path with that environment's Python.

Of ours it imports its neighbour `_emulator_server` only. It holds the state folder's lock while the emulator may
write there, and it ends the emulator (which then saves its snapshot) when its standard input closes: so the emulator
never outlives the process that started it, even one killed with SIGKILL, and what it held is kept.

Usage: python _emulator_launcher.py LOCK_FILE    (settings come from the environment)
"""

import fcntl
import os
import signal
import sys
import threading
import time

# An emulator whose starter was killed saves its snapshot first; the next one waits for it this long.
LOCK_WAIT_SECONDS = 20.0
_LOCK_POLL_SECONDS = 0.05


def _end_with_parent() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Take the lock, watch the parent, run the emulator in this process until it is told to end."""
    lock = open(sys.argv[1], "a+")  # noqa: PTH123, SIM115 - held until the process ends
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            if time.monotonic() > deadline:
                sys.exit("the state folder is still in use by another emulator")
            time.sleep(_LOCK_POLL_SECONDS)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from _emulator_server import run  # type: ignore[import-not-found]  # noqa: PLC0415 - it lies beside this file

    run()


if __name__ == "__main__":
    main()
