"""Lambda entry point of the notifier: `stockstream_lambda.notifier.handler.handler`, subscribed to the alerts topic.

A receiver that does not take an alert makes the invocation raise: Lambda tries it again, and those that have taken it
are left out as far as this process remembers. The alert's id travels along in a webhook (header
`X-Stockstream-Alert-Id`, and the alert itself), so that a receiver can tell a repetition.
"""

import os
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import msgspec
import structlog

from stockstream_lambda.errors import ConfigError
from stockstream_lambda.notifier.addresses import guarded
from stockstream_lambda.notifier.message import Message, Receiver, summary
from stockstream_lambda.notifier.receiver import Webhook, WebhookError, check_url
from stockstream_lambda.observability import configure_logging

_REMEMBERED: Final = 1000

log = structlog.get_logger("stockstream.notifier")


@dataclass(frozen=True, slots=True)
class NotifierConfig:
    """Where alerts go; both may be set, and neither turns the notifier off.

    Attributes:
        notify_urls: Services, as Apprise writes them.
        webhook_url: A receiver of JSON.
        secret: Signs the webhook's body (HMAC-SHA256, header `X-Stockstream-Signature`) where set.
    """

    notify_urls: tuple[str, ...] = field(default=(), repr=False)
    webhook_url: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "NotifierConfig":
        """Parse `STOCKSTREAM_NOTIFY_URLS` (separated by blanks) and `STOCKSTREAM_WEBHOOK_*`.

        Raises:
            ConfigError: naming the variable and what is wrong. A URL is a secret and is not repeated.
        """
        url = environ.get("STOCKSTREAM_WEBHOOK_URL") or None
        if url is not None:
            check_url(url)
        secret = environ.get("STOCKSTREAM_WEBHOOK_SECRET") or None
        return cls(tuple((environ.get("STOCKSTREAM_NOTIFY_URLS") or "").split()), url, secret)


class Notifier:
    """Hands alerts to all who are to have them.

    Raises:
        ConfigError: a URL is none that Apprise knows.
    """

    def __init__(self, config: NotifierConfig) -> None:
        self._receivers: list[Receiver] = []
        if config.notify_urls:
            # Here alone: the webhook needs none of its modules.
            try:
                from stockstream_lambda.notifier.services import services_of  # noqa: PLC0415
            except ImportError as exc:
                raise ConfigError(
                    "STOCKSTREAM_NOTIFY_URLS is set, and this package holds no Apprise. Remedy: the notifier's own zip "
                    "(make lambda-zip), or pip install 'stockstream[notifier]'"
                ) from exc
            self._receivers += services_of(config.notify_urls)
        if config.webhook_url is not None:
            self._receivers.append(Webhook(config.webhook_url, config.secret))
        # What each receiver has taken, by alert and receiver.
        self._taken: OrderedDict[tuple[str, int], None] = OrderedDict()

    def deliver(self, alert: Mapping[str, Any], title: str) -> None:
        """Hand one alert to every receiver.

        Raises:
            WebhookError: one of them has not taken it; names them all.
        """
        message = Message(alert, f"{alert['symbol']}@{alert['alert_id']}", title, summary(alert))
        failures = []
        for number, receiver in enumerate(self._receivers):
            if (message.alert_id, number) in self._taken:
                continue
            with guarded():
                failure = receiver.send(message)
            if failure is None:
                self._remember(message.alert_id, number)
                log.info("alert_delivered", alert_id=message.alert_id, receiver=receiver.name)
            else:
                log.warning("alert_not_delivered", alert_id=message.alert_id, receiver=receiver.name, error=failure)
                failures.append(f"{receiver.name}: {failure}")
        if not self._receivers:
            log.info("notifier_off", alert_id=message.alert_id)
        if failures:
            raise WebhookError("; ".join(failures))

    def _remember(self, alert_id: str, number: int) -> None:
        self._taken[alert_id, number] = None
        if len(self._taken) > _REMEMBERED:
            self._taken.popitem(last=False)


def handler(event: Mapping[str, Any], context: Any) -> None:  # noqa: ARG001 - Lambda's signature
    """Hand every alert of an SNS event to all receivers.

    Raises:
        WebhookError: one did not take one; Lambda tries again.
    """
    notifier = _notifier()
    for record in event.get("Records") or ():
        alert = msgspec.json.decode(record["Sns"]["Message"])
        notifier.deliver(alert, str(record["Sns"].get("Subject") or f"Stockstream: {alert['symbol']}"))


@cache
def _notifier() -> Notifier:
    configure_logging((os.environ.get("STOCKSTREAM_LOG_LEVEL") or "INFO").upper())
    return Notifier(NotifierConfig.from_environment())
