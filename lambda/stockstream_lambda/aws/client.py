"""One AWS service: signed calls with bounded retries and full jitter."""

import random
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import msgspec

from stockstream_lambda.aws.answers import Answer
from stockstream_lambda.aws.credentials import CredentialSource, Endpoint
from stockstream_lambda.aws.proxy import Proxy
from stockstream_lambda.aws.transport import Epoch, Transport
from stockstream_lambda.errors import StoreRefusedError, StoreUnavailableError
from stockstream_wire.aws.error_codes import bare_code, passes_with_time, with_request_id
from stockstream_wire.aws.sigv4 import Request, Signer
from stockstream_wire.version import USER_AGENT

MAX_ATTEMPTS: Final = 5
# All attempts together: one that hangs is waited for, and asked again, within it.
CALL_TIMEOUT_SECONDS: Final = 30.0
BACKOFF_BASE_SECONDS: Final = 0.05
BACKOFF_CAP_SECONDS: Final = 2.0
# DynamoDB answers with 16 MB of items at most (API Reference, BatchGetItem), which its JSON makes longer. Nobody else
# answers with as much; who reads objects says how long they may be.
ANSWER_MAX_BYTES: Final = 32 * 1024 * 1024


class ServiceClient:
    """Calls one service. Thread-safe; made once."""

    def __init__(
        self,
        service: str,
        region: str,
        endpoint: Endpoint,
        credentials: CredentialSource,
        *,
        epoch: Epoch | None = None,
        proxy: Proxy | None = None,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.endpoint = endpoint
        self._signer = Signer(region, service)
        self._transport = Transport(endpoint, epoch or Epoch(), proxy)
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
        answer_max_bytes: int = ANSWER_MAX_BYTES,
    ) -> Answer:
        """Make one call and return its answer, retrying what may succeed later.

        All our calls may be sent twice: they are idempotent, or conditional. A conditional write whose answer was lost
        comes back as a failed condition; who makes one reads what stands there.

        Args:
            operation: Name of it, for errors.
            method: HTTP method.
            path: Path and query, percent-encoded.
            headers: Names in lower case; all are signed. `host` and `user-agent` are added.
            body: The body.
            answers: Statuses from 300 on that answer the caller's question (404, 412): returned and not raised.
            answer_max_bytes: A longer body is an error, of which no more is ever held.

        Raises:
            StoreUnavailableError: throttled, failing or unreachable until the attempts, or the time, were used up.
            StoreRefusedError: the service understood and refused.
        """
        target = self.endpoint.path + path
        request = Request(method, target, {"host": self.endpoint.host_header, **headers}, sha256(body).hexdigest())
        deadline = time.monotonic() + CALL_TIMEOUT_SECONDS
        for attempt in range(MAX_ATTEMPTS):
            if attempt:
                self.pause(attempt)
            is_last = attempt == MAX_ATTEMPTS - 1
            try:
                signed = self._signer.sign(request, self._credentials.get(), datetime.now(UTC))
                signed["user-agent"] = USER_AGENT
                answer = self._transport.send(
                    method, target, signed, body, answer_max_bytes=answer_max_bytes, deadline=deadline
                )
            except StoreUnavailableError:
                if is_last or time.monotonic() >= deadline:
                    raise
                continue
            if answer.status < 300 or answer.status in answers:
                return answer
            code, message = error_of(answer)
            if not passes_with_time(code, answer.status):
                raise StoreRefusedError(operation, code, message, answer.status)
            if is_last:
                raise StoreUnavailableError(f"{operation}: {code} (HTTP {answer.status}): {message}")
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the kept connections."""
        self._transport.close()

    def pause(self, attempt: int) -> None:
        """Wait before the given attempt (1, 2, ...): full jitter under an exponential cap."""
        self._sleep(self._jitter() * min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2**attempt))


def error_of(answer: Answer) -> tuple[str, str]:
    """Read an error's code, and its message with the request's id, from JSON, XML or nothing."""
    body = answer.body
    if body[:1] == b"{":
        try:
            content: dict[str, Any] = msgspec.json.decode(body)
        except msgspec.DecodeError:
            content = {}
        code = bare_code(str(content.get("__type") or content.get("code") or ""))
        message = str(content.get("message") or content.get("Message") or "")
    else:
        code, message = _between(body, b"<Code>", b"</Code>"), _between(body, b"<Message>", b"</Message>")
    return code or f"HTTP{answer.status}", with_request_id(message, answer.headers())


def _between(body: bytes, before: bytes, after: bytes) -> str:
    _, _, rest = body.partition(before)
    text, found, _ = rest.partition(after)
    return text.decode(errors="replace") if found else ""
