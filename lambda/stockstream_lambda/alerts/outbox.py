"""Alerts on their way to SNS: created once, sent by whoever created them; what nobody sent, the sweep sends.

While SNS has not taken an alert its item stands in the index `unsent`. A process that died between SNS's answer and
the removal from the index leaves the one case in which an alert is sent again, under the same id.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec
import structlog

from stockstream_lambda.alerts.alert import Alert
from stockstream_lambda.alerts.messages import build_message
from stockstream_lambda.aws.sns import PUBLISH_BATCH_MAX_MESSAGES
from stockstream_lambda.clock import Clock
from stockstream_lambda.errors import StoreError
from stockstream_lambda.items import expires_attribute
from stockstream_lambda.parallel import Calls, chunks
from stockstream_lambda.stores import Stores, Tables
from stockstream_wire import format_epoch_ms
from stockstream_wire.storage import UNSENT, UNSENT_INDEX, UNSENT_SINCE, UNSENT_VALUE

# A creator that comes to sending later than this may meet the sweep, and leaves it to it.
SEND_WITHIN_SECONDS: Final = 60.0
# The sweep takes what is older than this: twice the above, for clocks differ.
SWEEP_AFTER_SECONDS: Final = 120.0

log = structlog.get_logger("stockstream.consumer.alerts")


class Outbox:
    """Creates, sends and sweeps alerts.

    Args:
        stores: Table and topic.
        tables: Names of the tables.
        calls: Runs calls in parallel.
        clock: The time.
        retention_days: Days until an alert's item expires; 0 keeps it.
        is_sending: There is a topic; without one alerts are only recorded.
    """

    def __init__(
        self, stores: Stores, tables: Tables, calls: Calls, clock: Clock, retention_days: int, *, is_sending: bool
    ) -> None:
        self._stores = stores
        self._table = tables.alerts
        self._calls = calls
        self._clock = clock
        self._retention_days = retention_days
        self._is_sending = is_sending
        self.sent: list[Alert] = []
        self.unsent = 0

    def create(self, alert: Alert) -> str | None:
        """Create an alert; since when it waits to be sent, or None where somebody else has created it.

        Raises:
            StoreError: it is not known whether it was created; the sweep sends what this call has created.
        """
        since = format_epoch_ms(int(self._clock.now() * 1000))
        more = expires_attribute(alert.timestamp, self._retention_days)
        if self._is_sending:
            more += f',"{UNSENT}":{{"S":"{UNSENT_VALUE}"}},"{UNSENT_SINCE}":{{"S":"{since}"}}'
        return since if self._stores.create_item(self._table, alert.item(more)) else None

    def send(self, created: Sequence[tuple[Alert, str]]) -> None:
        """Send alerts that this process has created, or leased. What fails waits for the sweep; nothing is raised."""
        if not self._is_sending:
            return
        parts = chunks(created, PUBLISH_BATCH_MAX_MESSAGES)
        for error in self._calls.run([partial(self._send, part) for part in parts]):
            if error is not None:
                log.warning("alerts_not_sent", error=str(error))

    def sweep(self) -> None:
        """Send what waits longer than a live creator would take; each alert by one of those who find it.

        Raises:
            StoreError: the index cannot be read.
        """
        self.unsent = 0
        if not self._is_sending:
            return
        before = format_epoch_ms(int((self._clock.now() - SWEEP_AFTER_SECONDS) * 1000))
        items = self._stores.query(
            self._table,
            {
                "IndexName": UNSENT_INDEX,
                "KeyConditionExpression": f"{UNSENT} = :unsent AND {UNSENT_SINCE} < :before",
                "ExpressionAttributeValues": {":unsent": {"S": UNSENT_VALUE}, ":before": {"S": before}},
            },
        )
        self.unsent = len(items)
        leased: list[tuple[Alert, str]] = []

        def lease(alert: Alert, seen: str) -> None:
            now = format_epoch_ms(int(self._clock.now() * 1000))
            update = {
                "UpdateExpression": f"SET {UNSENT_SINCE} = :now",
                "ConditionExpression": f"attribute_exists(alert_id) AND {UNSENT_SINCE} = :seen",
                "ExpressionAttributeValues": {":now": {"S": now}, ":seen": {"S": seen}},
            }
            if self._stores.update_item(self._table, alert.key, update):
                leased.append((alert, now))

        jobs = []
        for item in items:
            try:
                jobs.append(partial(lease, Alert.from_item(item), item[UNSENT_SINCE]["S"]))
            except (msgspec.ValidationError, KeyError) as exc:
                log.error("alert_unreadable", item=item, error=str(exc))  # noqa: TRY400 - the item's fault
        for error in self._calls.run(jobs):
            if error is not None:
                log.warning("alert_not_leased", error=str(error))
        self.send(leased)

    def _send(self, created: Sequence[tuple[Alert, str]]) -> None:
        latest = format_epoch_ms(int((self._clock.now() - SEND_WITHIN_SECONDS) * 1000))
        alerts = [alert for alert, since in created if since > latest]
        if not alerts:
            return
        taken = self._stores.publish([build_message(alert) for alert in alerts])
        for alert, was_taken in zip(alerts, taken, strict=True):
            if was_taken:
                self.sent.append(alert)
                self._mark_sent(alert)
            else:
                log.warning("alert_refused_by_sns", symbol=alert.symbol, alert_id=alert.alert_id)

    def _mark_sent(self, alert: Alert) -> None:
        update = {
            "UpdateExpression": f"REMOVE {UNSENT}, {UNSENT_SINCE}",
            "ConditionExpression": "attribute_exists(alert_id)",
        }
        try:
            self._stores.update_item(self._table, alert.key, update)
        except StoreError as exc:
            log.warning("alert_sent_and_not_marked", symbol=alert.symbol, alert_id=alert.alert_id, error=str(exc))
