"""How long to wait before the same thing again."""

from random import Random
from typing import Final

from tenacity import RetryCallState, wait_exponential

BASE_SECONDS: Final = 0.1
MAX_SECONDS: Final = 5.0

_ceiling: Final = wait_exponential(multiplier=BASE_SECONDS, max=MAX_SECONDS)


def full_jitter_seconds(attempts: int, rng: Random) -> float:
    """Full jitter: uniform between 0 and tenacity's exponential wait after this many attempts.

    AWS Architecture Blog, "Exponential backoff and jitter": of all forms it does the least work under contention.
    """
    # Called by tenacity's protocol and not by its loop: the record goes back to its lane and waits there, beside the
    # others, rather than in a coroutine of its own.
    state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
    state.attempt_number = min(attempts, 32)
    return rng.uniform(0.0, _ceiling(state))
