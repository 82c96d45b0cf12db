"""A consumer that nobody invokes rings, and nothing else does: alarms of silence.tf under a simulated evaluation."""

from collections.abc import Sequence
from typing import Any

import pytest

from scripts.infra_check.hcl import INFRA, blocks
from tests.infra.alarm_math import Series, evaluate, state

FOLDER = INFRA / "modules" / "observability"
(ALARM,) = (block for block in blocks(FOLDER, "resource") if block.labels == ("aws_cloudwatch_metric_alarm", "silence"))
LOCALS: dict[str, Any] = next(block.body for block in blocks(FOLDER, "locals") if "silences" in block.body)

# Metric math that AWS's documentation leaves open is tried both ways.
both_ways = pytest.mark.parametrize("fill_empty", [False, True])
NIGHT: Series = {}


def expression(name: str) -> str:
    (query,) = (query for query in ALARM.body["metric_query"] if query["id"] == name)
    text = str(query["expression"])
    return str(LOCALS["silent"]) if text == "${local.silent}" else text


def rings(alive: Series, put: Series, batches: Series, periods: Sequence[int], *, fill_empty: bool) -> bool:
    series = {"alive": alive, "input": put, "output": batches}
    series["zero"] = evaluate(expression("zero"), series, periods, fill_empty=fill_empty)
    points = evaluate(expression("silent"), series, periods, fill_empty=fill_empty)
    assert ALARM.body["treat_missing_data"] == "notBreaching"
    return state(points, periods, threshold=ALARM.body["threshold"], missing_breaches=False) == "ALARM"


def every(value: float, periods: Sequence[int]) -> Series:
    return dict.fromkeys(periods, value)


FIFTEEN_MINUTES = [0, 1, 2]


@both_ways
def test_records_that_nobody_takes_ring(fill_empty: bool) -> None:
    put = every(600, FIFTEEN_MINUTES)
    assert rings(every(5, FIFTEEN_MINUTES), put, {}, FIFTEEN_MINUTES, fill_empty=fill_empty)


@both_ways
def test_a_consumer_that_is_called_at_all_does_not_ring(fill_empty: bool) -> None:
    alive, put = every(5, FIFTEEN_MINUTES), every(600, FIFTEEN_MINUTES)
    for period in FIFTEEN_MINUTES:
        assert not rings(alive, put, {period: 1}, FIFTEEN_MINUTES, fill_empty=fill_empty)


@both_ways
@pytest.mark.parametrize("put", [{}, {0: 0, 1: 0, 2: 0}, {0: 12}, {1: 3, 2: 9}])
def test_where_little_or_nothing_is_put_nothing_rings(put: Series, fill_empty: bool) -> None:
    assert not rings(every(5, FIFTEEN_MINUTES), put, {}, FIFTEEN_MINUTES, fill_empty=fill_empty)


@both_ways
def test_a_service_that_sleeps_over_night_lets_the_alarm_sleep(fill_empty: bool) -> None:
    assert not rings(NIGHT, NIGHT, NIGHT, FIFTEEN_MINUTES, fill_empty=fill_empty)


@both_ways
def test_a_mapping_disabled_in_the_middle_of_the_day_rings_within_three_periods(fill_empty: bool) -> None:
    day = list(range(12))
    disabled_at = 6
    heard = [
        rings(
            every(5, window),
            every(600, window),
            {period: 60.0 for period in window if period < disabled_at},
            window,
            fill_empty=fill_empty,
        )
        for window in (day[start : start + 3] for start in range(len(day) - 2))
    ]
    assert heard.index(True) + 3 == disabled_at + 3
    assert all(heard[disabled_at:])


@both_ways
def test_another_deployments_heartbeat_does_not_count(fill_empty: bool) -> None:
    assert LOCALS["alive_metric"]["dimensions"] == "${local.service}"
    services = next(block.body for block in blocks(FOLDER, "locals") if "service" in block.body)
    assert services["service"]["Deployment"] == "${var.name}"
    assert not rings({}, {}, every(3, FIFTEEN_MINUTES), FIFTEEN_MINUTES, fill_empty=fill_empty)


def test_the_alarm_is_told_by_one_series_and_speaks_to_operators() -> None:
    assert [query["id"] for query in ALARM.body["metric_query"] if query.get("return_data")] == ["silent"]
    assert ALARM.body["alarm_actions"] == ["${var.operations_topic_arn}"]


def test_batches_are_counted_by_their_age_since_the_sweep_invokes_too() -> None:
    text = (FOLDER / "silence.tf").read_text(encoding="utf-8")
    consumer = text[text.index('"consumer-silent"') : text.index('"tidy-silent"')]
    assert 'metric = "IteratorAge"' in consumer
    assert 'statistic = "SampleCount"' in consumer
