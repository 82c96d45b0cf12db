"""The whole pipeline as a user runs it: what goes in comes out, exactly once, to the last digit."""

import csv
import gzip
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from stockstream.local.state import open_state
from stockstream_wire import decode_quote
from tests.local.local_command import LocalCommand, write_session

MARKET = Path(__file__).parents[3] / "shared" / "data" / "market"
PRICES = ("open", "high", "low", "price", "previous_close")

pytestmark = pytest.mark.emulator


def rows_of(path: Path) -> dict[tuple[str, str], dict[str, Decimal]]:
    with gzip.open(path, "rt", newline="") as file:
        return {
            (row["symbol"], row["timestamp"]): {name: Decimal(row[name]) for name in (*PRICES, "volume")}
            for row in csv.DictReader(file)
        }


def small_session(folder: Path) -> Path:
    rows = [
        (f"2026-11-20T15:{minute:02d}:00.000Z", symbol, "100.00", 100 + minute, "99.5", price, "100.10", 1000 + minute)
        for minute, price in enumerate(["100.20", "100.4", "107.75", "107.80", "101.00"])
        for symbol in ("AAPL", "^VIX", "M&M.NS")
    ]
    return write_session(folder / "session.csv", rows)


@pytest.mark.skipif(not MARKET.is_dir(), reason="the real sessions are not on this machine")
def test_every_row_of_the_real_sessions_is_one_item_and_one_archive_line(tmp_path: Path) -> None:
    sessions = sorted(MARKET.glob("*.csv.gz"))
    expected = {key: row for path in sessions for key, row in rows_of(path).items()}
    files = [argument for path in sessions for argument in ("--replay", str(path))]

    with LocalCommand(tmp_path).keep_running(*files) as outside:
        items = {(item["symbol"]["S"], item["timestamp"]["S"]): item for item in outside.scan("quotes")}
        archived = Counter(
            (quote.symbol, quote.timestamp)
            for line, count in outside.archive_lines().items()
            for quote in [decode_quote(line)] * count
        )

    assert items.keys() == expected.keys()
    assert archived == Counter(expected.keys())
    for key, row in expected.items():
        item = items[key]
        for name, value in row.items():
            assert Decimal(item[name]["N"]) == value, (key, name)
        change = row["price"] - row["previous_close"]
        percent = change / row["previous_close"] * 100
        assert Decimal(item["change"]["N"]) == change
        assert Decimal(item["change_percent"]["N"]) == percent
        assert Decimal(item["moving_average"]["N"]) == (row["open"] + row["high"] + row["low"] + row["price"]) / 4
        assert item["anomaly"]["S"] == ("Yes" if abs(percent) > 5 else "No")
    assert outside.summary["accepted"] == outside.summary["stored"] == outside.summary["archived"] == len(expected)
    assert outside.summary["lost"] == 0


def test_a_replay_ends_with_a_summary_and_an_alert_past_the_threshold(tmp_path: Path) -> None:
    code, summary, output = LocalCommand(tmp_path).run("--replay", str(small_session(tmp_path)))

    assert code == 0, output
    assert {name: summary[name] for name in ("accepted", "sent", "stored", "archived", "lost", "rejected")} == {
        "accepted": 15, "sent": 15, "stored": 15, "archived": 15, "lost": 0, "rejected": 0,
    }  # fmt: skip
    # Three symbols cross the threshold, once each.
    assert summary["alerts"] >= 3
    assert summary["source"] == "replay"
    assert summary["is_market_data"] is True
    assert summary["endpoint_url"].startswith("http://127.0.0.1:")
    assert summary["elapsed_seconds"] > 0


def test_the_same_session_a_second_time_changes_nothing(tmp_path: Path) -> None:
    command, session = LocalCommand(tmp_path), small_session(tmp_path)
    with command.keep_running("--replay", str(session)) as outside:
        first_items, first_lines = outside.scan("quotes"), outside.archive_lines()

    with command.keep_running("--replay", str(session)) as outside:
        second_items, second_lines = outside.scan("quotes"), outside.archive_lines()

    assert outside.summary["lost"] == outside.summary["doubled"] == 0
    assert sorted(map(json.dumps, second_items)) == sorted(map(json.dumps, first_items))
    assert second_lines == first_lines


def test_rows_out_of_order_are_stored_too_and_marked_late(tmp_path: Path) -> None:
    session = small_session(tmp_path)
    header, *lines = session.read_text().splitlines()
    session.write_text("\n".join([header, *lines[-3:], *lines[:-3]]) + "\n")

    with LocalCommand(tmp_path).keep_running("--replay", str(session)) as outside:
        items = outside.scan("quotes")

    assert outside.summary["accepted"] == outside.summary["stored"] == outside.summary["archived"] == 15
    assert sum(item.get("late", {}).get("BOOL", False) for item in items) == outside.summary["late"] == 12


def test_simulated_quotes_are_labelled_everywhere(tmp_path: Path) -> None:
    command = LocalCommand(tmp_path, {"STOCKSTREAM_POLL_INTERVAL_SECONDS": "0.2"})

    code, summary, output = command.run("--source", "simulated", "--symbols", "AAPL,TSLA", "--for", "3")

    assert code == 0, output
    assert summary["is_market_data"] is False
    assert summary["source"] == "simulated"
    assert summary["accepted"] == summary["stored"] > 0
    started = next(json.loads(line) for line in output.splitlines() if "service_started" in line)
    assert started["source"] == "simulated"


def test_broken_lines_are_reported_with_their_number_and_the_rest_goes_on(tmp_path: Path) -> None:
    session = small_session(tmp_path)
    lines = session.read_text().splitlines()
    lines.insert(3, "2026-11-20T15:00:30.000Z,AAPL,not-a-price,1,1,1,1,1")
    session.write_text("\n".join(lines) + "\n")

    code, summary, output = LocalCommand(tmp_path).run("--replay", str(session))

    assert code == 0, output
    assert (summary["accepted"], summary["rejected"], summary["lost"]) == (15, 1, 0)
    assert f"{session}:4" in output


def test_a_file_without_a_needed_column_stops_with_its_name(tmp_path: Path) -> None:
    session = tmp_path / "session.csv"
    session.write_text("timestamp,symbol,open,high,low,price,volume\n2026-11-20T15:00:00.000Z,AAPL,1,1,1,1,1\n")

    code, summary, output = LocalCommand(tmp_path).run("--replay", str(session))

    assert code != 0
    assert summary == {}
    assert "previous_close" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--source", "replay"], "--replay"),
        (["--source", "simulated", "--replay", "session.csv"], "--source replay"),
        (["--source", "simulated", "--for", "1", "--summary", "/nonexistent/summary.json"], "/nonexistent"),
        (["--replay", "/nonexistent/file.csv"], "/nonexistent/file.csv"),
        (["--speed", "slow"], "--speed='slow'"),
        (["--symbols", "A B"], "--symbols"),
    ],
)
def test_a_wrong_argument_ends_with_one_clear_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    code, _, output = LocalCommand(tmp_path).run(*arguments)

    assert code == 2
    assert said in output.splitlines()[-1]
    assert "Traceback" not in output
    assert not (tmp_path / "state").exists(), "told after the start"


def test_a_file_without_rows_is_no_successful_run(tmp_path: Path) -> None:
    bare = write_session(tmp_path / "bare.csv", [])

    code, summary, output = LocalCommand(tmp_path).run("--replay", str(bare))

    assert (code, summary) == (2, {})
    assert output == f"stockstream: {bare}: has columns and no rows. Record it again, or leave it out\n"


def test_an_accepted_tick_that_no_market_makes_is_in_quarantine_and_not_lost(tmp_path: Path) -> None:
    rows = [
        (f"2026-11-20T15:{minute:02d}:00.000Z", "AAPL", "100", "200000", "1", price, "100", 1000)
        for minute, price in enumerate(["100.5", "150000.0", "101"])
    ]

    code, summary, output = LocalCommand(tmp_path).run("--replay", str(write_session(tmp_path / "odd.csv", rows)))

    assert (summary["accepted"], summary["stored"], summary["quarantined"], summary["lost"]) == (3, 2, 1, 0)
    assert code == 0, output


def test_a_file_that_is_named_wins_over_the_source_of_the_environment(tmp_path: Path) -> None:
    command = LocalCommand(tmp_path, {"STOCKSTREAM_SOURCE": "simulated"})

    code, summary, output = command.run("--replay", str(small_session(tmp_path)))

    assert (code, summary["source"], summary["accepted"]) == (0, "replay", 15), output


def test_the_users_account_and_proxy_are_never_used(tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9"
    environment = {
        "AWS_PROFILE": "nope",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "of the real account",
        "AWS_SESSION_TOKEN": "of the real account",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": nobody,
        "AWS_ENDPOINT_URL_S3": nobody,
        "HTTP_PROXY": nobody,
        "http_proxy": nobody,
        "HTTPS_PROXY": nobody,
    }

    code, summary, output = LocalCommand(tmp_path, environment).run("--replay", str(small_session(tmp_path)))

    assert code == 0, output
    assert (summary["stored"], summary["region"]) == (15, "us-east-1")


def test_a_fresh_start_after_a_run_leaves_nothing_of_it(tmp_path: Path) -> None:
    command = LocalCommand(tmp_path)
    command.run("--replay", str(small_session(tmp_path)))

    with open_state(tmp_path / "state", fresh=True) as state:
        left = {path.name for path in state.root.iterdir()}

    assert left == {"local.lock", "stockstream-local-state"}
