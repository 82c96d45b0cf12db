"""What an invoker is: something that runs a function once on one payload."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """The answer of Lambda's Invoke, as the runner needs it.

    Attributes:
        request_id: AWS request id of the invocation.
        payload: JSON of the function's answer, or of its error `{errorMessage, errorType, stackTrace}`.
        function_error: None, or "Unhandled" as Lambda says it.
        status_code: HTTP status of Invoke: 200 also where the function failed.
        executed_version: "$LATEST" or a version number.
    """

    request_id: str
    payload: bytes
    function_error: str | None = None
    status_code: int = 200
    executed_version: str = "$LATEST"


class Invoker(Protocol):
    """Runs one function; safe to call concurrently."""

    @property
    def function_arn(self) -> str:
        """ARN of the function, for the on-failure message."""
        ...

    async def invoke(self, payload: bytes) -> InvocationResult:
        """Run the function once.

        Raises:
            InvokerUnavailableError: the function was not run at all.
        """
        ...

    async def aclose(self) -> None:
        """Stop whatever the invoker started. Safe to call twice."""
        ...
