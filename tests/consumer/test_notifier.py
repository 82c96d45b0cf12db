"""Alerts as webhooks see them, through a real HTTP server."""

import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest

from stockstream_lambda.errors import ConfigError
from stockstream_lambda.notifier import handler as notifier
from stockstream_lambda.notifier.handler import WebhookConfig, WebhookError, deliver
from tests.consumer.scripted_aws import ScriptedAws, scripted_aws

ALERT: dict[str, Any] = {
    "symbol": "M&M.NS",
    "alert_id": "2026-11-20T14:30:00.000Z-move",
    "kind": "move",
    "direction": "down",
    "severity": "warning",
    "timestamp": "2026-11-20T14:30:00.000Z",
    "price": "88.50",
    "change_percent": -11.5,
    "value": -11.5,
    "threshold": 5.0,
    "previous_close": "100",
    "volume": 12345,
    "currency": "INR",
    "source": "simulated",
}


@pytest.fixture
def receiver() -> Iterator[ScriptedAws]:
    with scripted_aws() as server:
        yield server


def test_the_generic_shape_carries_the_alert_signed_and_with_its_id(receiver: ScriptedAws) -> None:
    deliver(ALERT, WebhookConfig(f"{receiver.url}/hook", secret="shared"))
    (request,) = receiver.requests
    assert json.loads(request["body"])["alert"] == ALERT
    assert request["headers"]["x-stockstream-alert-id"] == "M&M.NS@2026-11-20T14:30:00.000Z-move"
    expected = hmac.digest(b"shared", request["body"], "sha256").hex()
    assert request["headers"]["x-stockstream-signature"] == f"sha256={expected}"


def test_each_service_gets_its_own_shape(receiver: ScriptedAws) -> None:
    for shape in ("slack", "discord", "telegram"):
        deliver(ALERT, WebhookConfig(receiver.url, shape, telegram_chat_id="42"))
    slack, discord, telegram = receiver.bodies()
    assert "M&amp;M.NS" in slack["text"]
    assert "(simulated)" in slack["text"]
    assert discord["embeds"][0]["title"] == "M&M.NS move"
    assert discord["allowed_mentions"] == {"parse": []}
    assert telegram["chat_id"] == "42"
    assert "-11.50%" in telegram["text"]


@pytest.mark.parametrize("status", [400, 404, 429, 500])
def test_a_refusal_raises_so_that_lambda_tries_again_and_never_shows_the_url(
    receiver: ScriptedAws, status: int
) -> None:
    receiver.say(status, b"no")
    with pytest.raises(WebhookError, match=f"HTTP {status}") as caught:
        deliver(ALERT, WebhookConfig(f"{receiver.url}/secret-token"))
    assert "secret-token" not in str(caught.value)


def test_nobody_listening_raises() -> None:
    with pytest.raises(WebhookError, match="cannot be reached"):
        deliver(ALERT, WebhookConfig("http://127.0.0.1:1/hook"))


def test_the_handler_reads_alerts_from_the_sns_event(receiver: ScriptedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_WEBHOOK_URL", receiver.url)
    notifier._config.cache_clear()
    try:
        notifier.handler({"Records": [{"Sns": {"Message": json.dumps(ALERT)}}]}, None)
    finally:
        notifier._config.cache_clear()
    assert len(receiver.requests) == 1


def test_without_a_url_it_is_off() -> None:
    deliver(ALERT, WebhookConfig.from_environment({}))


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({"STOCKSTREAM_WEBHOOK_URL": "http://example.com/x"}, "STOCKSTREAM_WEBHOOK_URL"),
        ({"STOCKSTREAM_WEBHOOK_SHAPE": "teams"}, "STOCKSTREAM_WEBHOOK_SHAPE='teams'"),
        (
            {"STOCKSTREAM_WEBHOOK_URL": "https://example.com", "STOCKSTREAM_WEBHOOK_SHAPE": "telegram"},
            "STOCKSTREAM_WEBHOOK_TELEGRAM_CHAT_ID",
        ),
    ],
)
def test_a_bad_variable_is_named(environ: dict[str, str], variable: str) -> None:
    with pytest.raises(ConfigError, match=variable):
        WebhookConfig.from_environment(environ)
