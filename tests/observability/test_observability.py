"""Logs, metrics and health: the forms that CloudWatch, Prometheus and ECS read."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from stockstream.errors import InputError
from stockstream.observability.health import serve_health
from stockstream.observability.logs import configure_logging
from stockstream.observability.metrics import EMF_MAX_METRICS, SERVICE_METRICS, ServiceMetrics


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    out = io.StringIO()
    configure_logging("info", "json", out)
    yield out
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_log_line_is_one_json_object_with_time_level_logger_and_event(log_lines: io.StringIO) -> None:
    structlog.get_logger("stockstream.test").info("batch_sent", records=3)

    line = json.loads(log_lines.getvalue())
    assert line["event"] == "batch_sent"
    assert line["records"] == 3
    assert line["level"] == "info"
    assert line["logger"] == "stockstream.test"
    assert line["timestamp"].endswith("Z")


def test_lines_of_other_libraries_take_the_same_form_and_debug_is_left_out(log_lines: io.StringIO) -> None:
    logging.getLogger("some.library").warning("careful: %s", "hot")
    logging.getLogger("some.library").debug("noise")

    lines = [json.loads(line) for line in log_lines.getvalue().splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("careful: hot", "warning")]


def test_an_exception_is_logged_with_its_type_and_stays_on_one_line(log_lines: io.StringIO) -> None:
    try:
        raise ValueError("odd")  # noqa: TRY301
    except ValueError:
        structlog.get_logger("t").exception("call_failed")

    (line,) = log_lines.getvalue().splitlines()
    assert json.loads(line)["exception"][0]["exc_type"] == "ValueError"


def readings(**values: float) -> dict[str, float]:
    return {spec.name: 0.0 for spec in SERVICE_METRICS} | values


def test_emf_counters_are_differences_and_gauges_are_values() -> None:
    current = readings(QuotesSent=10, OutboxBytes=500)
    metrics = ServiceMetrics(lambda: current)

    first = metrics.emf_fields(1_700_000_000_000, {"source": "replay"})
    current = readings(QuotesSent=25, OutboxBytes=300)
    second = metrics.emf_fields(1_700_000_060_000, {"source": "replay"})

    assert (first["QuotesSent"], second["QuotesSent"]) == (10, 15)
    assert (first["OutboxBytes"], second["OutboxBytes"]) == (500, 300)
    assert second["source"] == "replay"


def test_an_emf_line_declares_every_metric_it_carries_and_its_dimensions() -> None:
    fields = ServiceMetrics(readings).emf_fields(1_700_000_000_000, {})

    (directive,) = fields["_aws"]["CloudWatchMetrics"]
    declared = [metric["Name"] for metric in directive["Metrics"]]
    assert 0 < len(declared) <= EMF_MAX_METRICS
    assert all(isinstance(fields[name], int | float) for name in declared)
    assert all(isinstance(fields[name], str) for dimensions in directive["Dimensions"] for name in dimensions)


def test_two_deployments_of_one_account_have_metrics_of_their_own() -> None:
    ours = ServiceMetrics(readings, "stockstream").emf_fields(1_700_000_000_000, {})
    theirs = ServiceMetrics(readings, "paper").emf_fields(1_700_000_000_000, {})

    def series(fields: dict[str, Any]) -> list[tuple[str, ...]]:
        (directive,) = fields["_aws"]["CloudWatchMetrics"]
        return [tuple(fields[name] for name in dimensions) for dimensions in directive["Dimensions"]]

    assert (series(ours), series(theirs)) == ([("service", "stockstream")], [("service", "paper")])


async def test_health_ready_and_metrics_answer_over_http() -> None:
    reasons = ["no quote yet"]
    metrics = ServiceMetrics(lambda: readings(QuotesSent=7))
    async with (
        serve_health("127.0.0.1", 0, not_ready_reasons=lambda: reasons, metrics=metrics) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        async with session.get("/healthz") as response:
            assert response.status == 200
        async with session.get("/readyz") as response:
            assert response.status == 503
            assert (await response.json())["reasons"] == ["no quote yet"]
        reasons.clear()
        async with session.get("/readyz") as response:
            assert response.status == 200
        async with session.get("/metrics") as response:
            families = {family.name: family for family in text_string_to_metric_families(await response.text())}
    assert families["stockstream_quotes_sent"].samples[0].value == 7
    assert len(families) == len(SERVICE_METRICS)


async def test_a_taken_health_port_is_named_with_the_remedy() -> None:
    metrics = ServiceMetrics(readings)
    async with serve_health("127.0.0.1", 0, not_ready_reasons=list, metrics=metrics) as port:
        with pytest.raises(InputError, match="STOCKSTREAM_HEALTH_PORT"):
            async with serve_health("127.0.0.1", port, not_ready_reasons=list, metrics=metrics):
                pytest.fail("bound twice")


async def test_a_health_address_that_is_not_of_this_machine_is_named_by_its_own_variable() -> None:
    with pytest.raises(InputError, match=r"192\.0\.2\.1.*STOCKSTREAM_HEALTH_HOST"):
        async with serve_health("192.0.2.1", 0, not_ready_reasons=list, metrics=ServiceMetrics(readings)):
            pytest.fail("bound to an address of the documentation's")
