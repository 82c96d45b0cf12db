"""Alerts of session files with the numbers behind them."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import structlog.testing

from stockstream_lambda.pipeline import Pipeline
from tests.consumer.kinesis_events import quote_event, read_session
from tests.consumer.twin import CONFIG, Memory, TwinStores


def list_alerts(paths: Sequence[Path], rules: Path | None) -> list[dict[str, Any]]:
    """Alerts of the sessions, one after the other, by a rules file or the bundled rules."""
    memory = Memory()
    if rules is not None:
        memory.put_bytes(CONFIG.alert_rules_key, rules.read_bytes())
    number = 0
    with structlog.testing.capture_logs(), closing(Pipeline(CONFIG, TwinStores(memory))) as pipeline:
        for path in paths:
            quotes = read_session(path)
            for start in range(0, len(quotes), 400):
                pipeline.process(quote_event(quotes[start : start + 400], start=number + start))
            number += len(quotes)
    found = [
        {name: next(iter(value.values())) for name, value in item.items()} for item in memory.tables["alerts"].values()
    ]
    return sorted(found, key=lambda alert: (alert["timestamp"], alert["symbol"]))
