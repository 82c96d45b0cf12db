"""What can go wrong with one call to Yahoo, by what to do about it.

SourceUnavailableError (stockstream.errors)
└── YahooCallError          one call failed; `kind` decides between breaker, cure, smaller batches and patience

One class and a kind, not a class for each: every caller asks the same question, what to do next.
"""

from enum import StrEnum
from typing import Final

from stockstream.errors import SourceUnavailableError

# 429 is Yahoo's limit today, 999 its older one; 403 is what a blocked address gets.
RATE_LIMIT_STATUSES: Final = frozenset({429, 403, 999})
UNAUTHORIZED_STATUS: Final = 401
NOT_FOUND_STATUS: Final = 404


class FailureKind(StrEnum):
    """How a call failed; the values are the names in logs and metrics."""

    RATE_LIMITED = "rate_limited"
    UNAUTHORIZED = "unauthorized"
    SERVER = "server_error"
    BAD_REQUEST = "bad_request"
    MALFORMED = "malformed_reply"
    UNREACHABLE = "unreachable"


class YahooCallError(SourceUnavailableError):
    """One call to Yahoo failed.

    Attributes:
        kind: What it means for the next call.
        status: HTTP status, or None where no reply came.
        retry_after_seconds: What the server asked for in `Retry-After`, or None.
        http_requests: HTTP requests that the call took, those for cookie and crumb included.
        fresh_cookie: The call had fetched a new cookie for itself; what refused it refuses everybody.
    """

    def __init__(
        self, kind: FailureKind, detail: str, *, status: int | None = None, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(f"Yahoo: {kind.value.replace('_', ' ')}: {detail}")
        self.kind = kind
        self.detail = detail
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.http_requests = 1
        self.fresh_cookie = False


def kind_of_status(status: int) -> FailureKind:
    """Classify an HTTP status of 400 and above."""
    if status in RATE_LIMIT_STATUSES:
        return FailureKind.RATE_LIMITED
    if status == UNAUTHORIZED_STATUS:
        return FailureKind.UNAUTHORIZED
    return FailureKind.SERVER if status >= 500 else FailureKind.BAD_REQUEST
