"""`stockstream config`: what is in force, from where, and no secret."""

import os
import subprocess
import sys


def run(**environment: str) -> tuple[int, str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("STOCKSTREAM_", "AWS_"))}
    done = subprocess.run(
        [sys.executable, "-m", "stockstream", "config", "--set"], env=kept | environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_each_setting_says_where_it_comes_from_and_secrets_are_masked() -> None:
    code, text, _ = run(
        STOCKSTREAM_SYMBOLS="AAPL,MSFT",
        STOCKSTREAM_DASHBOARD_TOKEN="a-secret-of-20-chars",
        STOCKSTREAM_NOTIFY_URLS="ntfys://secret-topic",
        STOCKSTREAM_PARTITIONS="8",
    )
    assert code == 0
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert "AAPL" in lines["STOCKSTREAM_SYMBOLS"]
    assert lines["STOCKSTREAM_SYMBOLS"].endswith("(environment)")
    assert lines["STOCKSTREAM_PARTITIONS"].endswith("8  (environment (consumer))")
    assert lines["STOCKSTREAM_DASHBOARD_TOKEN"].split()[1] == lines["STOCKSTREAM_NOTIFY_URLS"].split()[1] == "***"
    assert "secret" not in text
    assert "STOCKSTREAM_STREAM" not in lines


def test_a_bad_value_is_told_as_at_every_start() -> None:
    code, _, error = run(STOCKSTREAM_POLL_INTERVAL_SECONDS="soon")
    assert code == 2
    assert "STOCKSTREAM_POLL_INTERVAL_SECONDS='soon'" in error
