"""The figures of docs/cost.md are counted by DynamoDB's rules, and the bill keeps what it promises."""

import json
import re
from typing import Any

import pytest

from scripts.infra_check.counting_stores import CountingStores, item_bytes
from scripts.infra_check.hcl import ROOT
from scripts.infra_check.request_units import measure
from stockstream import cost
from stockstream_lambda.aws.dynamodb import Table, Write
from stockstream_wire.storage import TABLES

QUOTES = Table("quotes", TABLES["quotes"])


def test_an_item_is_its_names_and_its_values() -> None:
    item: dict[str, dict[str, Any]] = {
        "symbol": {"S": "AAPL"},
        "price": {"N": "-101.50"},
        "stale": {"BOOL": True},
        "state": {"B": "AAAAAAAA"},
        "candle_1m": {"L": [{"N": "101.50"}, {"N": "7"}]},
    }
    # Four significant digits: two bytes, and one. A list: three bytes, and one for each element beside its own.
    assert item_bytes(item) == (6 + 4) + (5 + 3) + (5 + 1) + (5 + 6) + (9 + 3 + (1 + 3) + (1 + 2))


def test_writes_and_reads_are_counted_in_whole_units() -> None:
    stores = CountingStores()
    for timestamp, size in (("t1", 900), ("t2", 1500)):
        item = {"symbol": {"S": "A"}, "timestamp": {"S": timestamp}, "more": {"S": "x" * size}}
        stores.write_items([Write(QUOTES, ("A", timestamp), json.dumps(item).encode())])
    assert stores.writes == {"quotes": 1 + 2}
    assert stores.stored_keys(QUOTES, [("A", "t1"), ("A", "t3")]) == {("A", "t1")}
    assert stores.reads == {"quotes": 1 + 1}
    stores.update_item(QUOTES, ("A", "t2"), {})
    assert stores.writes == {"quotes": 3 + 2, "quotes, index": 2}


def test_the_consumer_is_counted_at_work() -> None:
    units = measure(symbols=2, sessions=2, polls=60)
    assert units.writes["quotes"] == 1
    assert 0 < units.writes["candles"] < 0.25
    assert units.write_units < 1.4
    assert units.reads < 0.05
    assert 450 < units.quote_bytes < 650
    assert measure(symbols=2, sessions=2, polls=60, tails=True).quote_bytes > units.quote_bytes


def test_the_document_tells_the_programs_figures() -> None:
    text = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
    assert re.search(rf"{cost.WRITE_UNITS_A_QUOTE:.2f} write units a quote", text)
    assert f"an item of {cost.STORED_QUOTE_BYTES} bytes" in text


def test_the_log_is_billed_as_promised_beside_the_plain_way() -> None:
    (case,) = (case for case in cost.COMPARED if (case.symbols, case.poll_seconds) == (5000, 30))
    plain, on_demand, provisioned = cost.sums(case)
    assert plain == pytest.approx(483, rel=0.01)
    assert plain / on_demand >= 5
    assert plain / provisioned >= 7.5
    (smaller,) = (case for case in cost.COMPARED if case.symbols == 1000)
    assert smaller.entries == case.entries == 314_496
