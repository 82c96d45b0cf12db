"""Alerts as webhooks see them, through a real HTTP server."""

import hmac
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from stockstream_lambda.errors import ConfigError
from stockstream_lambda.notifier import handler as notifier
from stockstream_lambda.notifier.handler import WebhookConfig, deliver
from stockstream_lambda.notifier.receiver import WebhookError, check_url
from tests.consumer.scripted_aws import ScriptedAws, scripted_aws
from tests.patience import PATIENCE_SECONDS

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
    with pytest.raises(WebhookError, match=r"127\.0\.0\.1.*cannot be reached"):
        deliver(ALERT, WebhookConfig("http://127.0.0.1:1/hook"))


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308])
@pytest.mark.parametrize("location", ["other", "file:///etc/passwd", "//["])
def test_a_redirect_is_an_error_and_nothing_is_sent_where_it_leads(
    receiver: ScriptedAws, status: int, location: str
) -> None:
    with scripted_aws() as elsewhere:
        receiver.say(status, b"")
        receiver.extra_headers["Location"] = f"{elsewhere.url}/x" if location == "other" else location
        with pytest.raises(
            WebhookError, match=f"127.0.0.1: the webhook answered HTTP {status}.*not followed"
        ) as caught:
            deliver(ALERT, WebhookConfig(f"{receiver.url}/secret-token", secret="shared"))
        assert elsewhere.requests == []
    assert len(receiver.requests) == 1
    assert "secret-token" not in told(caught.value)


def told(error: BaseException) -> str:
    """All that a traceback says, what stands behind the error included."""
    parts: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        parts += [str(seen), repr(seen)]
        seen = seen.__cause__ or seen.__context__
    return " ".join(parts)


@pytest.mark.parametrize(
    "answer", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"x" * 70_000]
)
def test_an_answer_that_is_none_raises_and_never_shows_the_url(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with pytest.raises(WebhookError, match="cannot be reached") as caught:
                deliver(
                    ALERT, WebhookConfig(f"http://127.0.0.1:{listener.getsockname()[1]}/secret-token?key=secret-key")
                )
        finally:
            thread.join(PATIENCE_SECONDS)
    assert "secret" not in told(caught.value)


SECRET_URLS = [
    "https://hooks.example/secret token",
    "https://hooks.example/secret\n",
    "https://hooks.example/secret\r\nX-Injected: 1",
    "https://hooks.example/secret\t",
    "https://hooks.example/secret\x00",
    "https://hooks.example/secret\x7f",
    "https://hooks.example/sécret",
    "https://hooks.example\\@evil.example/secret",
    " https://hooks.example/secret",
    "https://user:secret@hooks.example/",
    "https://secret@hooks.example/",
    "https://@hooks.example/secret",
    "https:///secret",
    "https://:443/secret",
    "https://hooks.example:port/secret",
    "https://hooks.example:70000/secret",
    "https://hooks.example:0/secret",
    "https://[::1/secret",
    "hooks.example/secret",
    "ftp://hooks.example/secret",
    "file:///secret",
    "http://hooks.example/secret",
    "secret",
]


@pytest.mark.parametrize("url", SECRET_URLS)
def test_a_bad_url_is_refused_at_start_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError, match="STOCKSTREAM_WEBHOOK_URL: must") as caught:
        WebhookConfig.from_environment({"STOCKSTREAM_WEBHOOK_URL": url})
    text = told(caught.value)
    assert "cret" not in text.replace("is a secret and", "")


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/services/T0/B0/x?a=b&c=%20d",
        "https://[2001:db8::1]:8443/",
        "http://127.0.0.1:8080",
        "http://localhost/x",
    ],
)
def test_a_good_url_is_taken(url: str) -> None:
    check_url(url)


def test_neither_url_nor_secret_shows_in_the_configurations_own_text() -> None:
    assert "secret" not in repr(WebhookConfig("https://hooks.example/secret", secret="secret")).replace("secret=", "")


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
