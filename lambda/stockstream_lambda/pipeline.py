"""One batch: decode → gate → states → fold → commit → effects; and which record must come again, if any."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any, Final, NamedTuple

import structlog

from stockstream_lambda.alerts.provider import RulesProvider
from stockstream_lambda.analysis.gate import FUTURE_SLACK_SECONDS, refuse
from stockstream_lambda.config import Config
from stockstream_lambda.errors import StoreError
from stockstream_lambda.parallel import Calls
from stockstream_lambda.quarantine import quarantine_key, quarantine_object
from stockstream_lambda.records import BadRecord, UserQuote, bad_tick, decode_batch
from stockstream_lambda.rounds import Rounds
from stockstream_lambda.stores import Stores
from stockstream_lambda.tally import Tally
from stockstream_lambda.work import group_by_symbol
from stockstream_wire import format_timestamp

log = structlog.get_logger("stockstream.consumer")

# No round is begun with less time than this: what it would leave half done is finished by the next delivery anyway.
ROUND_MARGIN_MS: Final = 3000


class Outcome(NamedTuple):
    """Lambda's answer, and what the batch came to."""

    response: dict[str, Any]
    tally: Tally


class Pipeline:
    """Processes batches; made once per process.

    Args:
        config: The consumer's configuration.
        stores: Where everything is kept.
    """

    def __init__(self, config: Config, stores: Stores) -> None:
        self._config = config
        self.deployment = config.deployment
        self._stores = stores
        self._calls = Calls(config.parallel_calls)
        self._rules = RulesProvider(stores.get_object, config.alert_rules_key, config.anomaly_threshold_percent)

    def process(
        self,
        event: Mapping[str, Any],
        *,
        now: datetime | None = None,
        remaining_ms: Callable[[], int] | None = None,
    ) -> Outcome:
        """Process one event of the Kinesis event source mapping.

        Bad records go to quarantine. Where a store fails, the answer names the first Kinesis record that depends on it.

        Args:
            event: Lambda's event.
            now: The present moment; quotes from a far future are refused by it, and lag is measured against it.
            remaining_ms: Milliseconds until the invocation is cut off.
        """
        now = now or datetime.now(UTC)
        batch = decode_batch(event)
        tally = Tally(records=len(batch.sequence_numbers), lag_ms=_lag_ms(batch.oldest_arrival_ms, now))
        quotes, bad = self._gate(batch.quotes, batch.bad, now)
        failed = self._quarantine(bad, tally)
        works = group_by_symbol(quotes)
        try:
            rules = self._rules.current(monotonic())
        except StoreError as exc:
            for work in works:
                work.fail(exc)
        else:
            out_of_time = partial(_out_of_time, remaining_ms)
            Rounds(self._config, self._stores, self._calls, rules, tally).run(works, out_of_time)
        for work in works:
            if work.error is not None:
                failed.append(work.failed_index())
                tally.failed_symbols += 1
                log.warning("symbol_failed", symbol=work.symbol, error=str(work.error), kind=type(work.error).__name__)
        failures = [{"itemIdentifier": batch.sequence_numbers[min(failed)]}] if failed else []
        return Outcome({"batchItemFailures": failures}, tally)

    def close(self) -> None:
        """End the threads and close the connections."""
        self._calls.close()
        self._stores.close()

    def _gate(
        self, quotes: list[UserQuote], bad: list[BadRecord], now: datetime
    ) -> tuple[list[UserQuote], list[BadRecord]]:
        latest_timestamp = format_timestamp(now + timedelta(seconds=FUTURE_SLACK_SECONDS))
        passed = []
        for user_quote in quotes:
            detail = refuse(user_quote.quote, latest_timestamp)
            if detail is None:
                passed.append(user_quote)
            else:
                bad.append(bad_tick(user_quote, detail))
        return passed, bad

    def _quarantine(self, bad: list[BadRecord], tally: Tally) -> list[int]:
        """Put every bad record away; returns the indexes of the Kinesis records where that failed."""
        jobs = [partial(self._stores.put_object, quarantine_object(record)) for record in bad]
        failed = []
        for record, error in zip(bad, self._calls.run(jobs), strict=True):
            if error is None:
                tally.quarantined[record.reason] += 1
            else:
                failed.append(record.record_index)
        if bad:
            # One line a batch, not one a record: every record's own story is in its object.
            log.warning(
                "records_quarantined",
                count=len(bad) - len(failed),
                failed=len(failed),
                reasons=dict(tally.quarantined),
                first_reason=bad[0].reason,
                first_detail=bad[0].detail[:200],
                first_key=quarantine_key(bad[0]),
            )
        return failed


def _lag_ms(oldest_arrival_ms: int, now: datetime) -> int:
    return max(0, round(now.timestamp() * 1000) - oldest_arrival_ms) if oldest_arrival_ms else 0


def _out_of_time(remaining_ms: Callable[[], int] | None) -> bool:
    return remaining_ms is not None and remaining_ms() < ROUND_MARGIN_MS
