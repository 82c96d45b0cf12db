"""The figures of docs/cost.md are counted by DynamoDB's rules."""

import re
from typing import Any

from scripts.infra_check.cost import READ_UNITS_A_QUOTE, WRITE_UNITS_A_QUOTE
from scripts.infra_check.hcl import ROOT
from scripts.infra_check.request_units import Units, item_bytes, measure


def test_an_item_is_its_names_and_its_values() -> None:
    item: dict[str, dict[str, Any]] = {
        "symbol": {"S": "AAPL"},
        "price": {"N": "-101.50"},
        "stale": {"BOOL": True},
        "state": {"B": "AAAAAAAA"},
    }
    assert item_bytes(item) == (6 + 4) + (5 + 3) + (5 + 1) + (5 + 6)  # four significant digits: two bytes, and one


def test_a_transaction_costs_twice_and_an_update_the_larger_item() -> None:
    units = Units()
    large = {"symbol": {"S": "A"}, "state": {"S": "x" * 1500}}
    units.count("TransactWriteItems", {"TransactItems": [{"Put": {"TableName": "symbols", "Item": large}}]}, {})
    units.count("UpdateItem", {"TableName": "symbols", "Key": {"symbol": {"S": "A"}}}, {})
    small = {"symbol": {"S": "A"}, "timestamp": {"S": "t"}}
    units.count("BatchWriteItem", {"RequestItems": {"quotes": [{"PutRequest": {"Item": small}}]}}, {})
    request: dict[str, Any] = {"RequestItems": {"symbols": {"Keys": [{}, {}]}}}
    units.count("BatchGetItem", request, {"Responses": {"symbols": [{**large, "more": {"S": "y" * 4000}}]}})
    assert units.writes == {"symbols": 2 * 2 + 2, "quotes": 1}
    assert units.reads == {"symbols": 2 + 1}


def test_the_consumer_is_counted_at_work() -> None:
    units = measure(symbols=2, polls=2)
    assert units.writes["quotes"] == 4
    assert units.writes["symbols"] >= 4 * 3
    assert units.puts == 4


def test_the_document_tells_the_programs_figures() -> None:
    text = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
    assert re.search(rf"{WRITE_UNITS_A_QUOTE} write units a quote", text)
    assert READ_UNITS_A_QUOTE == 1.0
