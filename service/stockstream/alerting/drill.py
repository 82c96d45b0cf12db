"""A test alert: told to the topic like any other, so that it takes every way an alert takes."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from stockstream.errors import InputError
from stockstream_wire import format_timestamp


async def send_test_alert(sns: Any, topic_arn: str | None, symbol: str = "TEST") -> str:
    """Publish a test alert and return its id. It is not stored.

    Args:
        sns: An aiobotocore client.
        topic_arn: The topic of alerts.
        symbol: What it says it is about.

    Raises:
        InputError: no topic is known.
    """
    if topic_arn is None:
        raise InputError("STOCKSTREAM_ALERTS_TOPIC_ARN is not set. Remedy: terraform output alerts_topic_arn says it")
    now = format_timestamp(datetime.now(UTC))
    alert = {
        "symbol": symbol,
        "alert_id": f"{now}-test",
        "kind": "test",
        "direction": "none",
        "severity": "info",
        "timestamp": now,
        "price": "0",
        "value": 0.0,
        "threshold": 0.0,
        "previous_close": "0",
        "source": "test",
    }
    text = "This is a test alert of Stockstream. Whoever reads it gets the real ones too."
    message = {
        "default": msgspec.json.encode(alert).decode(),
        "email": f"{text}\n\nSent at {now}.",
        "sms": "Stockstream: a test alert.",
    }
    await sns.publish(
        TopicArn=topic_arn,
        Subject="[test] Stockstream test alert",
        Message=msgspec.json.encode(message).decode(),
        MessageStructure="json",
        MessageAttributes={
            name: {"DataType": "String", "StringValue": str(alert[name])} for name in ("symbol", "kind", "severity")
        },
    )
    return str(alert["alert_id"])
