"""A token bucket: how many HTTP requests one address may spend. Pure; the time is passed in."""

from typing import Final

# Long-standing folklore among yfinance's users: about 60 price requests a minute for one address.
REQUESTS_PER_SECOND_DEFAULT: Final = 1.0
# A first poll is a cookie, a crumb and a quote request; four lets it through without waiting.
BURST_DEFAULT: Final = 4.0


class TokenBucket:
    """Tokens come at `rate_per_second` up to `burst`; a charge may leave a debt, which later requests wait off.

    Args:
        rate_per_second: Tokens a second, above 0.
        burst: Most tokens held, at least 1.
    """

    def __init__(self, rate_per_second: float = REQUESTS_PER_SECOND_DEFAULT, burst: float = BURST_DEFAULT) -> None:
        if not rate_per_second > 0 or not burst >= 1:
            msg = f"rate_per_second={rate_per_second!r} must be above 0 and burst={burst!r} at least 1"
            raise ValueError(msg)
        self.rate_per_second = rate_per_second
        self.burst = burst
        self._tokens = burst
        self._at_seconds: float | None = None

    def wait_seconds(self, now_seconds: float) -> float:
        """Seconds until one token is there; 0 where there is one."""
        self._fill(now_seconds)
        return max(0.0, (1.0 - self._tokens) / self.rate_per_second)

    def charge(self, now_seconds: float, requests: float) -> None:
        """Spend tokens for requests sent, those that only a failure showed included."""
        self._fill(now_seconds)
        self._tokens -= requests

    def _fill(self, now_seconds: float) -> None:
        if self._at_seconds is not None and now_seconds > self._at_seconds:
            gained = (now_seconds - self._at_seconds) * self.rate_per_second
            self._tokens = min(self.burst, self._tokens + gained)
        self._at_seconds = now_seconds
