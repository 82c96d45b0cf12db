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
from stockstream_lambda.notifier.addresses import guarded, is_forbidden
from stockstream_lambda.notifier.handler import Notifier, NotifierConfig
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


def deliver(alert: dict[str, Any], config: NotifierConfig) -> None:
    Notifier(config).deliver(alert, "[warning] M&M.NS -11.50% at 88.50")


def hook(url: str, secret: str | None = None) -> NotifierConfig:
    return NotifierConfig(webhook_url=url, secret=secret)


@pytest.fixture
def receiver() -> Iterator[ScriptedAws]:
    with scripted_aws() as server:
        yield server


def test_the_generic_shape_carries_the_alert_signed_and_with_its_id(receiver: ScriptedAws) -> None:
    deliver(ALERT, hook(f"{receiver.url}/hook", secret="shared"))
    (request,) = receiver.requests
    assert json.loads(request["body"])["alert"] == ALERT
    assert request["headers"]["x-stockstream-alert-id"] == "M&M.NS@2026-11-20T14:30:00.000Z-move"
    expected = hmac.digest(b"shared", request["body"], "sha256").hex()
    assert request["headers"]["x-stockstream-signature"] == f"sha256={expected}"


@pytest.mark.parametrize("status", [400, 404, 429, 500])
def test_a_refusal_raises_so_that_lambda_tries_again_and_never_shows_the_url(
    receiver: ScriptedAws, status: int
) -> None:
    receiver.say(status, b"no")
    with pytest.raises(WebhookError, match=f"HTTP {status}") as caught:
        deliver(ALERT, hook(f"{receiver.url}/secret-token"))
    assert "secret-token" not in str(caught.value)


def test_nobody_listening_raises() -> None:
    with pytest.raises(WebhookError, match=r"127\.0\.0\.1.*cannot be reached"):
        deliver(ALERT, hook("http://127.0.0.1:1/hook"))


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
            deliver(ALERT, hook(f"{receiver.url}/secret-token", secret="shared"))
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
                deliver(ALERT, hook(f"http://127.0.0.1:{listener.getsockname()[1]}/secret-token?key=secret-key"))
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
        NotifierConfig.from_environment({"STOCKSTREAM_WEBHOOK_URL": url})
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
    assert "secret" not in repr(hook("https://hooks.example/secret", secret="secret")).replace("secret=", "")


def test_the_handler_reads_alerts_from_the_sns_event(receiver: ScriptedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_WEBHOOK_URL", receiver.url)
    notifier._notifier.cache_clear()
    try:
        notifier.handler({"Records": [{"Sns": {"Message": json.dumps(ALERT)}}]}, None)
    finally:
        notifier._notifier.cache_clear()
    assert len(receiver.requests) == 1


def test_without_a_url_it_is_off() -> None:
    deliver(ALERT, NotifierConfig.from_environment({}))


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        ("nonsense://secret@host", "URL 1 \\(nonsense://"),
        ("json://127.0.0.1/x secret", "URL 2 \\(a text without"),
        ("tgram://secret", "URL 1 \\(tgram://"),
        (" ".join(f"json://127.0.0.1/secret{number}" for number in range(21)), "21 URLs"),
    ],
)
def test_a_url_that_apprise_cannot_use_is_named_by_its_place_and_not_shown(urls: str, said: str) -> None:
    config = NotifierConfig.from_environment({"STOCKSTREAM_NOTIFY_URLS": urls})
    assert "secret" not in repr(config)
    with pytest.raises(ConfigError, match=f"STOCKSTREAM_NOTIFY_URLS: {said}") as caught:
        Notifier(config)
    assert "secret" not in told(caught.value).replace("is a secret and", "")


def of_apprise(receiver: ScriptedAws, path: str = "secret-topic") -> NotifierConfig:
    return NotifierConfig(notify_urls=(f"json://{receiver.url.partition('://')[2]}/{path}",))


def test_apprise_hands_on_title_and_numbers(receiver: ScriptedAws) -> None:
    deliver(ALERT, of_apprise(receiver))
    (body,) = receiver.bodies()
    assert body["title"] == "[warning] M&M.NS -11.50% at 88.50"
    assert "-11.50%" in body["message"]
    assert "(simulated)" in body["message"]
    assert body["type"] == "warning"


def test_who_has_taken_an_alert_does_not_get_it_again_when_another_fails(
    receiver: ScriptedAws, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted_aws() as failing:
        failing.say(500, b"no")
        urls = (*of_apprise(receiver).notify_urls, *of_apprise(failing).notify_urls)
        to_all = Notifier(NotifierConfig(notify_urls=urls))
        with pytest.raises(WebhookError, match="json: did not take the alert") as caught:
            to_all.deliver(ALERT, "title")
        to_all.deliver(ALERT, "title")
    assert (len(receiver.requests), len(failing.requests)) == (1, 2)
    captured = capsys.readouterr()
    assert "secret-topic" not in told(caught.value) + captured.out + captured.err


@pytest.mark.parametrize("asked", ["", "?redirect=yes"])
def test_apprise_follows_no_redirect_whatever_a_url_asks_for(receiver: ScriptedAws, asked: str) -> None:
    with scripted_aws() as elsewhere:
        receiver.say(307, b"")
        receiver.extra_headers["Location"] = f"{elsewhere.url}/x"
        with pytest.raises(WebhookError):
            deliver(ALERT, of_apprise(receiver, f"secret{asked}"))
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.170.2",
        "fd00:ec2::254",
        "fe80::1",
        "::ffff:169.254.169.254",
        "100.100.100.200",
        "localhost",
    ],
)
def test_no_alert_goes_to_a_metadata_service(host: str) -> None:
    assert is_forbidden(host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as client, guarded(), pytest.raises(PermissionError):
        client.connect((host, 80))
    assert not is_forbidden("127.0.0.1")
    assert not is_forbidden("192.168.1.5")


@pytest.mark.parametrize(
    "config",
    [
        NotifierConfig(notify_urls=("json://169.254.169.254/latest/meta-data",)),
        NotifierConfig(notify_urls=("jsons://[fd00:ec2::254]/latest",)),
        NotifierConfig(webhook_url="https://169.254.169.254/latest"),
    ],
)
def test_a_receiver_that_is_a_metadata_service_gets_nothing(config: NotifierConfig) -> None:
    with pytest.raises(WebhookError):
        deliver(ALERT, config)
