"""Runs a deployed function through Lambda's Invoke."""

from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from stockstream.aws import read_bounded
from stockstream.errors import AnswerTooLargeError
from stockstream.eventsource.errors import InvokerUnavailableError
from stockstream.eventsource.invokers.base import InvocationResult
from stockstream.eventsource.invokers.worker import ANSWER_MAX_BYTES


class LambdaApiInvoker:
    """Invokes a function by name through an aiobotocore Lambda client, which the caller closes.

    Every error of the API itself means that the function did not run: throttles, a function that is being updated or
    does not exist (yet), no connection. The event source mapping retries all of them until the records expire.
    """

    _INVOCATION_TYPE: Final = "RequestResponse"

    def __init__(self, lambda_client: Any, function_name: str, function_arn: str) -> None:
        self._client = lambda_client
        self._function_name = function_name
        self._function_arn = function_arn

    @property
    def function_arn(self) -> str:
        return self._function_arn

    async def invoke(self, payload: bytes) -> InvocationResult:
        try:
            answer = await self._client.invoke(
                FunctionName=self._function_name, InvocationType=self._INVOCATION_TYPE, Payload=payload
            )
            async with answer["Payload"] as stream:
                body = await read_bounded(stream, ANSWER_MAX_BYTES, f"the answer of {self._function_name}")
        except (AnswerTooLargeError, BotoCoreError, ClientError, OSError, TimeoutError) as exc:
            raise InvokerUnavailableError(f"Lambda Invoke of {self._function_name}: {exc}") from exc
        return InvocationResult(
            request_id=answer["ResponseMetadata"].get("RequestId", ""),
            payload=body,
            function_error=answer.get("FunctionError"),
            status_code=answer["StatusCode"],
            executed_version=answer.get("ExecutedVersion", "$LATEST"),
        )

    async def aclose(self) -> None:
        """Nothing was started."""
