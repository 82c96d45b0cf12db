"""Writes what commits owe: quotes and closed candles, archive objects, alerts. Everything here may be repeated."""

from collections.abc import Callable, Sequence
from functools import partial

from stockstream_lambda.alerts.alert import Alert
from stockstream_lambda.alerts.messages import build_message
from stockstream_lambda.aws.dynamodb import BATCH_GET_MAX_KEYS, BATCH_WRITE_MAX_ITEMS, Write
from stockstream_lambda.aws.sns import PUBLISH_BATCH_MAX_MESSAGES
from stockstream_lambda.config import Config
from stockstream_lambda.errors import StoreError, StoreUnavailableError
from stockstream_lambda.items import expires_attribute
from stockstream_lambda.parallel import Calls, chunks
from stockstream_lambda.redo import Redo
from stockstream_lambda.stores import Stores


class Effects:
    """Writes redo logs, many symbols' together, in as few calls as the services allow."""

    def __init__(self, config: Config, stores: Stores, calls: Calls) -> None:
        self._config = config
        self._stores = stores
        self._calls = calls
        self.alerts_published = 0

    def write(self, redos: Sequence[Redo], *, recovered: bool = False) -> list[StoreError | None]:
        """Write all that the redo logs say; tells for each what went wrong, or None.

        Args:
            redos: Redo logs of distinct symbols.
            recovered: They were found unfinished: alerts that are marked as published are not published again.
        """
        jobs: list[Callable[[], None]] = []
        owners: list[list[int]] = []
        writes: list[tuple[int, Write]] = []
        alerts: list[tuple[int, Alert]] = []
        for owner, redo in enumerate(redos):
            writes += [(owner, Write(self._config.quotes_table, item)) for item in redo.quote_items]
            writes += [(owner, Write(self._config.candles_table, item)) for item in redo.candle_items]
            alerts += [(owner, alert) for alert in redo.alerts]
            if (archive := redo.archive) is not None:
                jobs.append(partial(self._stores.put_object, archive))
                owners.append([owner])
        for chunk in chunks(writes, BATCH_WRITE_MAX_ITEMS):
            jobs.append(partial(self._stores.put_items, [write for _, write in chunk]))
            owners.append([owner for owner, _ in chunk])
        if self._config.alerts_topic_arn is not None:
            for part in chunks(alerts, PUBLISH_BATCH_MAX_MESSAGES):
                jobs.append(partial(self._deliver, [alert for _, alert in part], recovered=recovered))
                owners.append([owner for owner, _ in part])
        errors: list[StoreError | None] = [None] * len(redos)
        for of_job, error in zip(owners, self._calls.run(jobs), strict=True):
            if error is not None:
                for owner in of_job:
                    errors[owner] = errors[owner] or error
        return errors

    def _deliver(self, alerts: Sequence[Alert], *, recovered: bool) -> None:
        if recovered:
            keys = [(alert.symbol, alert.alert_id) for alert in alerts[:BATCH_GET_MAX_KEYS]]
            done = self._stores.published_alerts(keys)
            alerts = [alert for alert in alerts if (alert.symbol, alert.alert_id) not in done]
        if not alerts:
            return
        taken = self._stores.publish([build_message(alert) for alert in alerts])
        published = [alert for alert, was_taken in zip(alerts, taken, strict=True) if was_taken]
        if published:
            self._stores.put_items([self._mark(alert) for alert in published])
            self.alerts_published += len(published)
        if len(published) < len(alerts):
            raise StoreUnavailableError(f"PublishBatch: SNS refused {len(alerts) - len(published)} of {len(alerts)}")

    def _mark(self, alert: Alert) -> Write:
        expires_at = expires_attribute(alert.timestamp, self._config.retention_days)
        return Write(self._config.alerts_table, alert.item("published", expires_at))
