"""One core for what is measured, another for all that it needs."""

import os


def two_cores() -> tuple[int | None, int | None]:
    """The first and the last core that this process may use; None twice where there is but one, or no way to choose."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[-1]) if len(cores) > 1 else (None, None)
