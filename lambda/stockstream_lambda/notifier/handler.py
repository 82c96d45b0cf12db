"""Lambda entry point of the notifier: `stockstream_lambda.notifier.handler.handler`, subscribed to the alerts topic.

A call that fails raises: Lambda then tries the invocation again, and SNS keeps the message until it is taken. The alert
id travels along (header `X-Stockstream-Alert-Id`, and the alert itself in the generic shape), so that a receiver can
tell a repetition.
"""

import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec
import structlog

from stockstream_lambda.errors import ConfigError
from stockstream_lambda.notifier.receiver import WebhookError, check_url, post
from stockstream_lambda.notifier.shapes import SHAPES, Alert
from stockstream_lambda.observability import configure_logging

log = structlog.get_logger("stockstream.notifier")


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """Where alerts go.

    Attributes:
        url: The receiver; None turns the notifier off.
        shape: generic, slack, discord or telegram.
        telegram_chat_id: Chat of the bot, for the telegram shape.
        secret: Signs the body (HMAC-SHA256, header `X-Stockstream-Signature`) where set.
    """

    url: str | None = field(repr=False)
    shape: str = "generic"
    telegram_chat_id: str | None = None
    secret: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "WebhookConfig":
        """Parse `STOCKSTREAM_WEBHOOK_*`.

        Raises:
            ConfigError: naming the variable, its value and the range. The URL itself is a secret and is not repeated.
        """
        url = environ.get("STOCKSTREAM_WEBHOOK_URL") or None
        shape = environ.get("STOCKSTREAM_WEBHOOK_SHAPE") or "generic"
        chat_id = environ.get("STOCKSTREAM_WEBHOOK_TELEGRAM_CHAT_ID") or None
        if shape not in SHAPES:
            raise ConfigError(f"STOCKSTREAM_WEBHOOK_SHAPE={shape!r}: must be one of {', '.join(SHAPES)}")
        if shape == "telegram" and url and chat_id is None:
            raise ConfigError("STOCKSTREAM_WEBHOOK_TELEGRAM_CHAT_ID is not set: the telegram shape needs it")
        if url is not None:
            check_url(url)
        return cls(url, shape, chat_id, environ.get("STOCKSTREAM_WEBHOOK_SECRET") or None)


def handler(event: Mapping[str, Any], context: Any) -> None:  # noqa: ARG001 - Lambda's signature
    """Hand every alert of an SNS event to the webhook.

    Raises:
        WebhookError: the receiver did not take one; Lambda tries again.
    """
    config = _config()
    for record in event.get("Records") or ():
        deliver(msgspec.json.decode(record["Sns"]["Message"]), config)


def deliver(alert: Alert, config: WebhookConfig) -> None:
    """Post one alert.

    Raises:
        WebhookError: no connection, or an answer other than success.
    """
    alert_id = f"{alert['symbol']}@{alert['alert_id']}"
    if config.url is None:
        log.info("webhook_off", alert_id=alert_id)
        return
    body = msgspec.json.encode(SHAPES[config.shape](alert, config.telegram_chat_id))
    headers = {"Content-Type": "application/json", "User-Agent": "stockstream", "X-Stockstream-Alert-Id": alert_id}
    if config.secret is not None:
        headers["X-Stockstream-Signature"] = "sha256=" + hmac.digest(config.secret.encode(), body, "sha256").hex()
    try:
        status = post(config.url, body, headers)
    except WebhookError as exc:
        log.warning("webhook_failed", alert_id=alert_id, error=str(exc))
        raise
    log.info("webhook_delivered", alert_id=alert_id, shape=config.shape, status=status)


@cache
def _config() -> WebhookConfig:
    configure_logging((os.environ.get("STOCKSTREAM_LOG_LEVEL") or "INFO").upper())
    return WebhookConfig.from_environment()
