"""Alerts as a subscriber gets them: SNS into an SQS queue of local mode's own, read as they arrive."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

import structlog
from botocore.exceptions import BotoCoreError, ClientError

_WAIT_SECONDS: Final = 1
_RETRY_SECONDS: Final = 1.0

log = structlog.get_logger("stockstream.local.alerts")


class AlertsInbox:
    """Reads the queue until it is told to end; counts and hands on every alert.

    Args:
        sqs_client: An aiobotocore SQS client.
        queue_url: The queue that is subscribed to the alerts topic.
        on_alert: Called with subject and message (SNS's, JSON where it is JSON).
    """

    def __init__(self, sqs_client: Any, queue_url: str, on_alert: Callable[[str, Any], None]) -> None:
        self._sqs = sqs_client
        self._queue_url = queue_url
        self._on_alert = on_alert
        self.received = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop` is set and the queue is empty."""
        while True:
            was_stopped = stop.is_set()
            try:
                count = await self._read(0 if was_stopped else _WAIT_SECONDS)
            except (BotoCoreError, ClientError) as exc:
                log.warning("alerts_inbox_unavailable", error=str(exc))
                if was_stopped:
                    return
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if was_stopped and not count:
                return

    async def _read(self, wait_seconds: int) -> int:
        response = await self._sqs.receive_message(
            QueueUrl=self._queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_seconds
        )
        messages = response.get("Messages", [])
        for message in messages:
            envelope = json.loads(message["Body"])
            self.received += 1
            self._on_alert(envelope.get("Subject") or "", _maybe_json(envelope.get("Message", "")))
            await self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
        return len(messages)


def _maybe_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
