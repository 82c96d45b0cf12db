"""The consumer's environment."""

from decimal import Decimal

import pytest

from stockstream_lambda.config import Config
from stockstream_lambda.errors import ConfigError


def test_defaults_are_the_names_of_the_architecture() -> None:
    config = Config.from_environment({"STOCKSTREAM_QUOTES_TABLE": ""})
    assert (config.quotes_table, config.candles_table, config.alerts_table) == ("quotes", "candles", "alerts")
    assert config.partitions == 4
    assert config.archive_bucket == "stockstream-archive"
    assert config.alerts_topic_arn is None
    assert config.anomaly_threshold_percent == Decimal(5)


@pytest.mark.parametrize(
    ("name", "value", "range_"),
    [
        ("STOCKSTREAM_ANOMALY_THRESHOLD_PERCENT", "0", "above 0, at most 1000"),
        ("STOCKSTREAM_ANOMALY_THRESHOLD_PERCENT", "NaN", "above 0, at most 1000"),
        ("STOCKSTREAM_ANOMALY_THRESHOLD_PERCENT", "five", "above 0, at most 1000"),
        ("STOCKSTREAM_RETENTION_DAYS", "-1", "from 0 to 36500"),
        ("STOCKSTREAM_PARTITIONS", "0", "from 1 to 1024"),
        ("STOCKSTREAM_MAX_RECORD_AGE_SECONDS", "1", "from 60 to 604800"),
        ("STOCKSTREAM_PARALLEL_CALLS", "many", "from 1 to 128"),
        ("STOCKSTREAM_LOG_LEVEL", "LOUD", "one of DEBUG, INFO, WARNING, ERROR"),
    ],
)
def test_a_bad_value_names_the_variable_the_value_and_the_range(name: str, value: str, range_: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}={value!r}: must be .*{range_}"):
        Config.from_environment({name: value})


def test_partitions_are_a_power_of_two() -> None:
    with pytest.raises(ConfigError, match="STOCKSTREAM_PARTITIONS=12: must be a power of two"):
        Config.from_environment({"STOCKSTREAM_PARTITIONS": "12"})
