"""No answer takes more memory than anything of its kind can honestly need; each reader in a process of its own."""

import gzip
import json
import zlib
from decimal import Decimal
from pathlib import Path

import pytest
import structlog.testing

from benchmarks.endless_answers.measure import measure
from benchmarks.endless_answers.server import bomb
from stockstream.sender.failures import FailureKind, classify
from stockstream.settings._values import WATCHLIST_MAX_BYTES, read_watchlist_file
from stockstream_lambda.alerts.provider import RulesProvider
from stockstream_wire.storage import RULES_MAX_BYTES, UNPACKED_MAX_BYTES, unpack_lines

MIB = 1024 * 1024
# Allocators and buffers take some of their own.
SLACK_BYTES = 32 * MIB


@pytest.mark.parametrize(
    ("name", "bound_bytes"),
    [
        ("kinesis, fast: endless", MIB),
        ("kinesis, fast: interim", MIB),
        ("kinesis, aiobotocore: endless", MIB),
        ("aws call: endless", 2 * 32 * MIB),
        ("s3 object: endless", 2 * 64 * MIB),
        ("consumer, dynamodb: endless", 2 * 32 * MIB),
        ("consumer, s3: until-close", 2 * 32 * MIB),
        ("ecs credentials: endless", MIB),
        ("ec2 credentials: endless", MIB),
        ("yahoo: gzip", 2 * 16 * MIB),
        ("yahoo stream: deflate", MIB),
        ("webhook: endless", MIB),
        ("watchlist file", 2 * MIB),
        ("replay file: gzip", MIB),
    ],
)
async def test_an_answer_without_an_end_is_cut_off_and_told(name: str, bound_bytes: int) -> None:
    result = await measure(name)
    assert result.is_told, result.said
    assert result.growth_bytes <= bound_bytes + SLACK_BYTES


def test_a_put_records_call_that_was_cut_off_is_tried_again() -> None:
    for code in ("AnswerTooLargeError", "HTTPClientError"):
        assert classify(code, 0) is FailureKind.TRANSIENT


def test_unpacking_ends_at_its_bound_and_says_of_what() -> None:
    assert unpack_lines(gzip.compress(b"a" * UNPACKED_MAX_BYTES)) == [b"a" * UNPACKED_MAX_BYTES]
    assert unpack_lines(gzip.compress(b"a\n") + gzip.compress(b"b\n")) == [b"a", b"b"]
    for packed in (gzip.compress(b"a" * (UNPACKED_MAX_BYTES + 1)), bomb(256 * MIB)):
        with pytest.raises(OSError, match=f"longer than the {UNPACKED_MAX_BYTES} bytes"):
            unpack_lines(packed)
    for damaged in (b"no", gzip.compress(b"abc" * 50)[:-9]):
        with pytest.raises((OSError, EOFError, zlib.error)):
            unpack_lines(damaged)


def test_a_watchlist_file_that_is_none_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "watchlist.txt"
    path.write_text("AAPL\n" + "#" * WATCHLIST_MAX_BYTES)
    with pytest.raises(ValueError, match=r"watchlist\.txt is larger than 1048576 bytes.*Remedy"):
        read_watchlist_file(path)
    path.write_text("AAPL\n" + "#" * (WATCHLIST_MAX_BYTES - 5))
    assert read_watchlist_file(path).symbols == ("AAPL",)


def test_a_rules_file_that_is_too_large_is_said_and_not_used() -> None:
    data = json.dumps({"padding": "x" * RULES_MAX_BYTES}).encode()
    provider = RulesProvider(lambda _key: data, "config/alert-rules.json", Decimal(5))
    with structlog.testing.capture_logs() as logs:
        rules = provider.current(0.0)
    assert rules is not None
    (line,) = [entry for entry in logs if entry["event"] == "alert_rules_invalid"]
    assert "config/alert-rules.json is larger than 1048576 bytes" in line["error"]
