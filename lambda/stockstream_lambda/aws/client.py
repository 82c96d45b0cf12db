"""One AWS service: signed calls with bounded retries and full jitter."""

import random
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from stockstream_lambda.aws.answers import Answer
from stockstream_lambda.aws.credentials import CredentialSource, Endpoint
from stockstream_lambda.aws.signer import Request, Signer
from stockstream_lambda.aws.transport import Transport
from stockstream_lambda.errors import StoreRefusedError, StoreUnavailableError

MAX_ATTEMPTS: Final = 5
BACKOFF_BASE_SECONDS: Final = 0.05
BACKOFF_CAP_SECONDS: Final = 2.0
# AWS names throttles differently per service; all of them mean "later" (botocore's retry table is the source).
_RETRYABLE_CODES: Final = frozenset(
    {
        "ThrottlingException",
        "ThrottledException",
        "Throttling",
        "RequestThrottled",
        "RequestLimitExceeded",
        "ProvisionedThroughputExceededException",
        "TransactionInProgressException",
        "InternalServerError",
        "InternalFailure",
        "ServiceUnavailable",
        "SlowDown",
        "ConditionalRequestConflict",
        "RequestTimeout",
        "RequestTimeoutException",
    }
)


class ServiceClient:
    """Calls one service. Thread-safe; made once."""

    def __init__(
        self,
        service: str,
        region: str,
        endpoint: Endpoint,
        credentials: CredentialSource,
        *,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.endpoint = endpoint
        self._signer = Signer(service, region)
        self._transport = Transport(endpoint)
        self._credentials = credentials
        self._sleep = sleep
        self._jitter = jitter

    def call(
        self,
        operation: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        answers: Collection[int] = (),
    ) -> Answer:
        """Make one call and return its answer, retrying what may succeed later.

        Args:
            operation: Name of it, for errors.
            method: HTTP method.
            path: Path and query, percent-encoded.
            headers: Names in lower case; all are signed.
            body: The body.
            answers: Statuses from 300 on that answer the caller's question (404, 412): returned and not raised.

        Raises:
            StoreUnavailableError: throttled, failing or unreachable until the attempts were used up.
            StoreRefusedError: the service understood and refused.
        """
        path = self.endpoint.path + path
        request = Request(method, path, {"host": self.endpoint.host_header, **headers}, body)
        for attempt in range(MAX_ATTEMPTS):
            if attempt:
                self.pause(attempt)
            try:
                signed = self._signer.sign(request, self._credentials.get(), datetime.now(UTC))
                answer = self._transport.send(method, path, signed, body)
            except StoreUnavailableError:
                if attempt == MAX_ATTEMPTS - 1:
                    raise
                continue
            if answer.status < 300 or answer.status in answers:
                return answer
            code, message = error_of(answer)
            if answer.status < 500 and answer.status != 429 and code not in _RETRYABLE_CODES:
                raise StoreRefusedError(operation, code, message, answer.status)
            if attempt == MAX_ATTEMPTS - 1:
                raise StoreUnavailableError(f"{operation}: {code} (HTTP {answer.status}): {message}")
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the kept connections."""
        self._transport.close()

    def pause(self, attempt: int) -> None:
        """Wait before the given attempt (1, 2, ...): full jitter under an exponential cap."""
        self._sleep(self._jitter() * min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2**attempt))


def error_of(answer: Answer) -> tuple[str, str]:
    """Read an error's code and message from JSON, XML or nothing."""
    body = answer.body
    if body[:1] == b"{":
        try:
            content: dict[str, Any] = msgspec.json.decode(body)
        except msgspec.DecodeError:
            content = {}
        code = str(content.get("__type", content.get("code", ""))).rpartition("#")[2]
        return code or f"HTTP{answer.status}", str(content.get("message", content.get("Message", "")))
    code, message = _between(body, b"<Code>", b"</Code>"), _between(body, b"<Message>", b"</Message>")
    return code or f"HTTP{answer.status}", message


def _between(body: bytes, before: bytes, after: bytes) -> str:
    _, _, rest = body.partition(before)
    text, found, _ = rest.partition(after)
    return text.decode(errors="replace") if found else ""
