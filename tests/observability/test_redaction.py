"""Secrets in URLs: they reach no log line and no error."""

import io
import json
import logging

import pytest
import structlog

from stockstream.aws import resolve_aws
from stockstream.errors import SettingsError
from stockstream.observability.logs import configure_logging
from stockstream.redaction import redact
from stockstream.settings import load_settings


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("proxy http://user:pw@proxy:3128 fails", "proxy http://***@proxy:3128 fails"),
        ("https://us@er:p@w@host/a@b", "https://***@host/a@b"),
        ("GET /v7/finance/quote?symbols=AAPL&crumb=a.b%2Fc", "GET /v7/finance/quote?symbols=AAPL&crumb=***"),
        ("https://bucket/key?X-Amz-Signature=ab&other=1", "https://bucket/key?X-Amz-Signature=***&other=1"),
        ("user@example.com, 3@4, crumb=none", "user@example.com, 3@4, crumb=none"),
        ("https://host/path?mail=a@b", "https://host/path?mail=a@b"),
    ],
)
def test_what_of_a_url_is_secret_is_replaced(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.fixture
def lines() -> io.StringIO:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    return stream


def test_no_log_line_holds_a_password_of_a_url_whoever_writes_it(lines: io.StringIO) -> None:
    structlog.get_logger("stockstream.any").warning("call_failed", error="cannot reach http://user:secret@proxy:3128/")
    logging.getLogger("websockets.client").warning("connect failed: %s", "http://user:secret@proxy:3128")
    assert "secret" not in lines.getvalue()
    assert "http://***@proxy:3128" in lines.getvalue()


def test_a_traceback_in_the_log_holds_no_local_variables(lines: io.StringIO) -> None:
    def connect() -> None:
        password = "secret-of-a-frame"
        raise RuntimeError(str(len(password)))

    try:
        connect()
    except RuntimeError:
        structlog.get_logger("stockstream.any").exception("broke")
    line = json.loads(lines.getvalue())
    assert line["exception"][0]["exc_type"] == "RuntimeError"
    assert "secret-of-a-frame" not in json.dumps([frame.get("locals") for frame in line["exception"][0]["frames"]])


def test_an_endpoint_with_a_password_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KINESIS", "http://user:secret@127.0.0.1:4566")
    with pytest.raises(SettingsError, match=r"AWS_ENDPOINT_URL_KINESIS=.*no user and password") as caught:
        resolve_aws("us-east-1")
    assert "secret" not in str(caught.value)


def test_a_setting_that_is_refused_is_shown_without_the_password_of_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_FAILED_BATCHES_QUEUE_URL", "https://user:secret@sqs.example/1/q")
    with pytest.raises(SettingsError, match="FAILED_BATCHES_QUEUE_URL") as caught:
        load_settings()
    assert "secret" not in str(caught.value)


def test_the_value_of_a_misspelt_variable_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_WEBHOOK_URLS", "https://hooks.example/secret")
    with pytest.raises(SettingsError, match="STOCKSTREAM_WEBHOOK_URLS: no such setting") as caught:
        load_settings()
    assert "secret" not in str(caught.value)
