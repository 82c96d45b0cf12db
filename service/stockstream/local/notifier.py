"""The notifier on this machine: the real function, called for each alert that SNS hands to a queue of its own."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from stockstream.aws import AwsConfig, open_client
from stockstream.errors import LocalModeError, SettingsError
from stockstream.eventsource import LocalFunction, SubprocessInvoker
from stockstream.local.provision import NOTIFY_QUEUE_NAME, subscribed_queue
from stockstream.settings import NOTIFIER_VARIABLES

HANDLER: Final = "stockstream_lambda.notifier.handler:handler"
# What turns it on.
_RECEIVERS: Final = ("STOCKSTREAM_NOTIFY_URLS", "STOCKSTREAM_WEBHOOK_URL")
# As Lambda does with a function that SNS calls: once, and twice again.
_TRIES: Final = 3
_TRY_AGAIN_SECONDS: Final = 60
_WAIT_SECONDS: Final = 5
_RETRY_SECONDS: Final = 1.0

log = structlog.get_logger("stockstream.local.notifier")


def receivers() -> list[str]:
    """What alerts go to besides the topic, by kind alone (ntfys, slack, webhook): the rest of each URL is a secret."""
    kinds = [url.partition("://")[0] for url in os.environ.get("STOCKSTREAM_NOTIFY_URLS", "").split() if "://" in url]
    return [*kinds, *(["webhook"] if os.environ.get("STOCKSTREAM_WEBHOOK_URL") else [])]


@asynccontextmanager
async def notifying(aws: AwsConfig, topic_arn: str, on_log: Callable[[str], None]) -> AsyncIterator[bool]:
    """Hand on alerts until the context ends; yields whether anybody is to have them.

    Raises:
        SettingsError: a receiver is none.
        LocalModeError: the function cannot be started.
    """
    environment = {name: os.environ[name] for name in NOTIFIER_VARIABLES if os.environ.get(name)}
    if not environment.keys() & set(_RECEIVERS):
        yield False
        return
    proxies = {name: text for name, text in os.environ.items() if name.lower() in {"https_proxy", "no_proxy"}}
    function = LocalFunction(
        handler=HANDLER,
        name="stockstream-notifier",
        region=aws.region,
        environment={**proxies, **environment},
        extra="notifier",
    )
    async with AsyncExitStack() as stack:
        invoker = SubprocessInvoker(function, concurrency=1, on_log=on_log)
        stack.push_async_callback(invoker.aclose)
        if (error := await invoker.warm_up(1)) is not None:
            raise LocalModeError(f"the notifier does not start: {error.decode(errors='replace')}")
        if (failure := await _call(invoker, [])) is not None:
            # Without an alert it only reads its settings.
            raise SettingsError(failure)
        sns, sqs = [await stack.enter_async_context(open_client(aws, service)) for service in ("sns", "sqs")]
        url = await subscribed_queue(sns, sqs, NOTIFY_QUEUE_NAME, topic_arn)
        task = asyncio.create_task(_hand_on(sqs, url, invoker), name="notifier")
        try:
            yield True
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _hand_on(sqs: Any, url: str, invoker: SubprocessInvoker) -> None:
    while True:
        try:
            response = await sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=_WAIT_SECONDS,
                VisibilityTimeout=_TRY_AGAIN_SECONDS,
                AttributeNames=["ApproximateReceiveCount"],
            )
            for message in response.get("Messages", ()):
                envelope = json.loads(message["Body"])
                failure = await _call(invoker, [{"Sns": envelope}])
                tries = int(message.get("Attributes", {}).get("ApproximateReceiveCount", "1"))
                if failure is not None and tries < _TRIES:
                    log.warning("alert_waits_for_another_try", tries=tries, error=failure)
                    continue
                if failure is not None:
                    log.error("alert_given_up", tries=tries, error=failure, alert=envelope.get("Subject"))
                await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        except (BotoCoreError, ClientError, OSError) as exc:
            log.warning("alerts_queue_unavailable", error=str(exc))
            await asyncio.sleep(_RETRY_SECONDS)


async def _call(invoker: SubprocessInvoker, records: list[Mapping[str, Any]]) -> str | None:
    """Call the function; None, or what it raised."""
    result = await invoker.invoke(json.dumps({"Records": records}).encode())
    if result.function_error is None:
        return None
    answer = json.loads(result.payload)
    return str(answer.get("errorMessage") or answer.get("errorType"))
