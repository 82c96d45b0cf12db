"""Settings: every variable is validated, documented, and a bad one is one clear line and exit code 2."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.settings_docs import TARGET, render
from stockstream.errors import SettingsError
from stockstream.settings import ENV_PREFIX, FOREIGN_VARIABLES, Settings, load_settings


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(ENV_PREFIX):
            monkeypatch.delenv(name)


def test_defaults_are_those_of_the_published_pipeline() -> None:
    settings = load_settings()

    assert settings.symbols.symbols == ("AAPL",)
    assert settings.poll_interval_seconds == 30
    assert settings.anomaly_threshold_percent == 5


BAD_VALUES = {
    "SOURCE": "bloomberg",
    "SYMBOLS": "AA PL",
    "POLL_INTERVAL_SECONDS": "soon",
    "SEND_UNCHANGED": "perhaps",
    "REPLAY_SPEED": "0.5",
    "SIMULATED_SEED": "-1",
    "EXTENDED_HOURS": "later",
    "REGION": "mars",
    "STREAM": "a stream",
    "QUOTES_TABLE": "q",
    "CANDLES_TABLE": "q",
    "ALERTS_TABLE": "q",
    "ARCHIVE_BUCKET": "My_Bucket",
    "ALERTS_TOPIC_ARN": "topic",
    "FAILED_BATCHES_QUEUE_URL": "stockstream-failed-batches",
    "ANOMALY_THRESHOLD_PERCENT": "0",
    "OUTBOX": "tape",
    "OUTBOX_MAX_BYTES": "1",
    "OUTBOX_POLICY": "drop_newest",
    "SENDER_TRANSPORT": "pigeon",
    "SENDER_AGGREGATION": "maybe",
    "SENDER_RECORD_MAX_BYTES": "99999999",
    "SHUTDOWN_SECONDS": "-1",
    "LOG_LEVEL": "loud",
    "LOG_FORMAT": "xml",
    "METRICS_INTERVAL_SECONDS": "0",
    "EMF_METRICS": "perhaps",
    "STALE_AFTER_SECONDS": "1e999",
    "MAX_PRICE_RATIO": "inf",
    "HEALTH_PORT": "70000",
}


@pytest.mark.parametrize(("name", "value"), BAD_VALUES.items())
def test_a_bad_value_is_one_line_with_variable_value_and_range(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENV_PREFIX + name, value)

    with pytest.raises(SettingsError) as caught:
        load_settings()

    message = str(caught.value)
    assert message.startswith(f"{ENV_PREFIX}{name}={value!r}: ")
    assert "must be " in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "url",
    [
        "https://sqs.us-east-1.amazonaws.com/123456789012/stockstream-failed-batches",
        "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/failed.fifo",
        "https://queue.amazonaws.com/123456789012/failed",
        "https://vpce-0a.sqs.us-east-1.vpce.amazonaws.com/123456789012/failed",
        "http://127.0.0.1:4566/000000000000/stockstream-failed-batches",
        "http://[::1]:4566/000000000000/failed",
        "http://my_emulator:4566/queue/us-east-1/000000000000/failed",
        "http://localhost:9324/queue/failed",
    ],
)
def test_a_queue_of_aws_or_of_any_emulator_is_taken_as_it_stands(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_FAILED_BATCHES_QUEUE_URL", url)

    assert load_settings().failed_batches_queue_url == url


@pytest.mark.parametrize(
    "value",
    [
        "arn:aws:sqs:us-east-1:123456789012:stockstream-failed-batches",
        "sqs.us-east-1.amazonaws.com/123456789012/failed",
        "ftp://sqs.us-east-1.amazonaws.com/123456789012/failed",
        "https://sqs.us-east-1.amazonaws.com",
        "https:///123456789012/failed",
        "https://localhost:port/123456789012/failed",
        "https://sqs.us-east-1.amazonaws.com/123456789012/two words",
        "https://sqs.us-east-1.amazonaws.com/123456789012/failed?Action=SendMessage",
    ],
)
def test_what_is_no_queue_url_is_told_with_its_form(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_FAILED_BATCHES_QUEUE_URL", value)

    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert str(caught.value) == (
        f"STOCKSTREAM_FAILED_BATCHES_QUEUE_URL={value!r}: must be the URL of an SQS queue, "
        "such as https://sqs.REGION.amazonaws.com/ACCOUNT/NAME"
    )
    assert caught.value.exit_code == 2


def test_every_bad_value_gets_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_HEALTH_PORT", "x")
    monkeypatch.setenv("STOCKSTREAM_LOG_LEVEL", "x")

    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert len(str(caught.value).splitlines()) == 2


def test_an_unknown_variable_is_refused_with_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_POLL_INTERVAL", "30")

    with pytest.raises(SettingsError, match=r"did you mean STOCKSTREAM_POLL_INTERVAL_SECONDS"):
        load_settings()


def test_a_command_line_option_wins_over_the_environment_and_is_named_in_its_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STOCKSTREAM_SYMBOLS", "IBM")

    assert load_settings({"symbols": "msft, aapl,MSFT"}).symbols.symbols == ("MSFT", "AAPL")
    with pytest.raises(SettingsError, match=r"^--symbols='A B'"):
        load_settings({"symbols": "A B"})


def test_a_watchlist_file_gives_its_symbols_and_lists_bad_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watchlist = tmp_path / "watch.txt"
    watchlist.write_text("aapl # the first\n\nno good\n^VIX, BRK-B\n")
    monkeypatch.setenv("STOCKSTREAM_SYMBOLS", f"@{watchlist}")

    symbols = load_settings().symbols

    assert symbols.symbols == ("AAPL", "^VIX", "BRK-B")
    assert symbols.file == watchlist
    assert len(symbols.skipped) == 1
    assert f"{watchlist}:3" in symbols.skipped[0]


def test_an_absent_watchlist_file_stops_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STOCKSTREAM_SYMBOLS", f"@{tmp_path / 'none'}")

    with pytest.raises(SettingsError, match="cannot read"):
        load_settings()


def test_settings_cannot_be_changed_after_the_start() -> None:
    settings = load_settings()

    with pytest.raises(ValueError, match="frozen"):
        settings.stream = "another"


def test_the_documented_table_is_what_the_settings_say() -> None:
    assert TARGET.read_text(encoding="utf-8") == render(), "run `make docs`"


def test_every_setting_has_a_section_and_a_meaning() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert isinstance(field.json_schema_extra, dict), name


def test_foreign_variables_are_not_settings_of_the_service() -> None:
    assert not {ENV_PREFIX + name.upper() for name in Settings.model_fields} & FOREIGN_VARIABLES.keys()


def test_every_variable_that_the_lambda_package_reads_is_known_and_documented() -> None:
    package = Path(__file__).parents[2] / "lambda" / "stockstream_lambda"
    text = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    read = set(re.findall(r"STOCKSTREAM_[A-Z_]*[A-Z]", text)) - {"STOCKSTREAM_WEBHOOK"}
    of_the_service = {ENV_PREFIX + name.upper() for name in Settings.model_fields}

    assert len(read) > 10
    assert read - of_the_service == {
        name for name, known in FOREIGN_VARIABLES.items() if known.reader in {"consumer", "notifier"}
    }


@pytest.mark.long
@pytest.mark.parametrize("command", ["run", "local"])
def test_a_bad_setting_ends_the_program_with_exit_code_2(command: str) -> None:
    environment = os.environ | {"STOCKSTREAM_POLL_INTERVAL_SECONDS": "soon"}

    done = subprocess.run(
        [sys.executable, "-m", "stockstream", command], env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "stockstream: STOCKSTREAM_POLL_INTERVAL_SECONDS='soon': must be a number from 0.1 to 3600"
    ]


@pytest.mark.long
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "AWS_REGION"),
        ({"AWS_PROFILE": "nope"}, "AWS_PROFILE='nope'"),
        ({"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": "localhost:4566"}, "AWS_ENDPOINT_URL='localhost:4566'"),
        ({"AWS_REGION": "us-east-1", "STOCKSTREAM_SOURCE": "replay"}, "STOCKSTREAM_REPLAY_FILES"),
    ],
)
def test_what_keeps_the_service_from_starting_is_told_at_once_in_one_line(
    variables: dict[str, str], said: str, tmp_path: Path
) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", ENV_PREFIX))}
    environment = kept | {"HOME": str(tmp_path), "STOCKSTREAM_HEALTH_PORT": "0"} | variables

    done = subprocess.run(
        [sys.executable, "-m", "stockstream", "run"], env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert (done.stdout, len(done.stderr.splitlines())) == ("", 1)
    assert said in done.stderr
