"""The consumer's environment, parsed once into a frozen model."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from stockstream_lambda.errors import ConfigError
from stockstream_wire.storage import ALERT_RULES_KEY, DEFAULT_PARTITIONS, PARTITIONS_MAX, is_partition_count

DEFAULT_ANOMALY_THRESHOLD_PERCENT: Final = Decimal(5)
DEFAULT_RETENTION_DAYS: Final = 0
DEFAULT_PARALLEL_CALLS: Final = 32
DEFAULT_MAX_RECORD_AGE_SECONDS: Final = 43_200
DEFAULT_DEPLOYMENT: Final = "stockstream"
_LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True)
class Config:
    """What the consumer is told by its environment.

    Attributes:
        quotes_table: DynamoDB table of stored quotes.
        candles_table: DynamoDB table of closed candles.
        alerts_table: DynamoDB table of alerts.
        archive_bucket: S3 bucket of the log, its checkpoints, quarantine and alert rules.
        partitions: Partitions of the log, a power of two; fixed once the log exists.
        max_record_age_seconds: How old a record may be when the event source still delivers it.
        alerts_topic_arn: SNS topic; None sends no alerts (they are still recorded).
        anomaly_threshold_percent: The published rule: `anomaly` is "Yes" beyond it.
        alert_rules_key: S3 key of the alert rules per symbol; the bundled rules serve where it does not exist.
        retention_days: Days after the event time at which DynamoDB may drop an item; 0 keeps items for ever.
        parallel_calls: Calls in flight to the stores.
        log_level: DEBUG, INFO, WARNING or ERROR.
        deployment: Name of the deployment, a dimension of every metric.
    """

    quotes_table: str = "quotes"
    candles_table: str = "candles"
    alerts_table: str = "alerts"
    archive_bucket: str = "stockstream-archive"
    partitions: int = DEFAULT_PARTITIONS
    max_record_age_seconds: int = DEFAULT_MAX_RECORD_AGE_SECONDS
    alerts_topic_arn: str | None = None
    anomaly_threshold_percent: Decimal = DEFAULT_ANOMALY_THRESHOLD_PERCENT
    alert_rules_key: str = ALERT_RULES_KEY
    retention_days: int = DEFAULT_RETENTION_DAYS
    parallel_calls: int = DEFAULT_PARALLEL_CALLS
    log_level: str = "INFO"
    deployment: str = DEFAULT_DEPLOYMENT

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Config":
        """Parse `STOCKSTREAM_*`; an empty value counts as unset.

        Raises:
            ConfigError: naming the variable, its value and the allowed range.
        """
        log_level = (environ.get("STOCKSTREAM_LOG_LEVEL") or "INFO").upper()
        if log_level not in _LOG_LEVELS:
            raise ConfigError(f"STOCKSTREAM_LOG_LEVEL={log_level!r}: must be one of {', '.join(_LOG_LEVELS)}")
        return cls(
            quotes_table=environ.get("STOCKSTREAM_QUOTES_TABLE") or "quotes",
            candles_table=environ.get("STOCKSTREAM_CANDLES_TABLE") or "candles",
            alerts_table=environ.get("STOCKSTREAM_ALERTS_TABLE") or "alerts",
            archive_bucket=environ.get("STOCKSTREAM_ARCHIVE_BUCKET") or "stockstream-archive",
            partitions=_partitions(environ),
            max_record_age_seconds=_integer(
                environ, "STOCKSTREAM_MAX_RECORD_AGE_SECONDS", DEFAULT_MAX_RECORD_AGE_SECONDS, 60, 7 * 86_400
            ),
            alerts_topic_arn=environ.get("STOCKSTREAM_ALERTS_TOPIC_ARN") or None,
            anomaly_threshold_percent=_percent(environ),
            alert_rules_key=environ.get("STOCKSTREAM_ALERT_RULES_KEY") or ALERT_RULES_KEY,
            retention_days=_integer(environ, "STOCKSTREAM_RETENTION_DAYS", DEFAULT_RETENTION_DAYS, 0, 36_500),
            parallel_calls=_integer(environ, "STOCKSTREAM_PARALLEL_CALLS", DEFAULT_PARALLEL_CALLS, 1, 128),
            log_level=log_level,
            deployment=environ.get("STOCKSTREAM_DEPLOYMENT") or DEFAULT_DEPLOYMENT,
        )


def _partitions(environ: Mapping[str, str]) -> int:
    name = "STOCKSTREAM_PARTITIONS"
    count = _integer(environ, name, DEFAULT_PARTITIONS, 1, PARTITIONS_MAX)
    if not is_partition_count(count):
        raise ConfigError(f"{name}={count}: must be a power of two from 1 to {PARTITIONS_MAX}")
    return count


def _percent(environ: Mapping[str, str]) -> Decimal:
    name = "STOCKSTREAM_ANOMALY_THRESHOLD_PERCENT"
    text = environ.get(name)
    if not text:
        return DEFAULT_ANOMALY_THRESHOLD_PERCENT
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not (value.is_finite() and 0 < value <= 1000):
        raise ConfigError(f"{name}={text!r}: must be a number above 0, at most 1000")
    return value


def _integer(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = environ.get(name)
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise ConfigError(f"{name}={text!r}: must be an integer from {low} to {high}")
    return value
