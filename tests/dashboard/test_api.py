"""The read API over HTTP: rows in every form, pages, ranges, ETags, problems, and its document."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import jsonschema
import pyarrow as pa
import pytest

from stockstream_wire import encode_quote
from tests.audit.stored_day import DAY, QUOTES, WINDOWS, item_of, quote
from tests.dashboard.serving import Served, served

SESSION = {"session": DAY}


@pytest.fixture(name="api")
async def _api() -> AsyncIterator[Served]:
    async with served() as api:
        for item in QUOTES:
            await api.stored.put("quotes", **item_of(item, **WINDOWS[item.timestamp], **SESSION))
            await api.stored.append(item)
        await latest_with(api, 1)
        yield api


async def latest_with(api: Served, count: int, price: str = "98.25") -> dict[str, Any]:
    """The latest rows, once there are so many and AAPL has its price."""
    async with asyncio.timeout(60):
        while True:
            found: dict[str, Any] = json.loads((await api.get("/api/v1/latest"))[1])
            prices = {row["symbol"]: str(row["price"]) for row in found["items"]}
            if len(prices) == count and prices["AAPL"] == price:
                return found
            await asyncio.sleep(0.05)


async def test_latest_follows_the_log(api: Served) -> None:
    await api.stored.append(quote(96, "97.5", 9100))
    await api.stored.append(quote(96, "7", 1, symbol="MSFT"))
    found = await latest_with(api, 2, "97.5")
    row = found["items"][0]
    assert (row["change"], row["anomaly"], row["volume"]) == (-2, False, 9100)
    assert found["place"].count(",") == 3
    status, text, _ = await api.get("/api/v1/latest?symbols=msft")
    assert (status, [row["symbol"] for row in json.loads(text)["items"]]) == (200, ["MSFT"])


async def test_quotes_come_in_pages_and_nothing_twice_or_left_out(api: Served) -> None:
    for order in ("oldest", "newest"):
        path = f"/api/v1/quotes/AAPL?limit=2&order={order}"
        prices = []
        pages = 0
        while path:
            status, text, headers = await api.get(path)
            assert status == 200
            found = json.loads(text)
            prices += [str(row["price"]) for row in found["items"]]
            assert (found["next"] is None) == ("link" not in headers)
            path, pages = found["next"], pages + 1
        expected = [str(item.price) for item in QUOTES]
        assert prices == (expected if order == "oldest" else expected[::-1])
        assert pages == 3


async def test_every_form_tells_the_same_rows(api: Served) -> None:
    path = f"/api/v1/quotes/AAPL?session={DAY}"
    rows = json.loads((await api.get(path))[1])["items"]
    _, text, headers = await api.get(path, Accept="text/csv")
    assert headers["content-type"] == "text/csv; charset=utf-8"
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["price"] for line in lines] == ["100.01", "101.5", "99.75", "102", "98.25"]
    assert [line["timestamp"] for line in lines] == [row["timestamp"].replace("Z", ".000Z") for row in rows]
    async with api.http.get(
        api.url + path.lstrip("/"), headers={"Accept": "application/vnd.apache.arrow.stream"}
    ) as answer:
        table = pa.ipc.open_stream(await answer.read()).read_all()
    assert table.column("price").to_pylist() == [row["price"] for row in rows]
    status, text, headers = await api.get(path, Accept="image/png")
    assert (status, headers["content-type"]) == (406, "application/problem+json")


async def test_candles_of_every_interval_open_ones_too(api: Served) -> None:
    for interval, count in (("1m", 1), ("5m", 1), ("1h", 1)):
        status, text, _ = await api.get(f"/api/v1/candles/AAPL?interval={interval}")
        items = json.loads(text)["items"]
        assert (status, len(items), items[-1]["is_closed"]) == (200, count, False)
    status, text, _ = await api.get("/api/v1/candles/AAPL?interval=1m&start=2026-11-01T00:00:00Z&end=2026-11-20T00:00Z")
    assert (status, json.loads(text)["detail"]) == (
        400, "19 days, 0:00:00 of 1m candles: must be at most 7 days in one call",
    )  # fmt: skip


async def test_alerts_by_severity_and_kind_in_pages(api: Served) -> None:
    for minute in range(30, 35):
        await api.stored.put_alert("AAPL", f"{DAY}T14:{minute}:00.000Z")
    await api.stored.put_alert("MSFT", f"{DAY}T14:40:00.000Z", kind="gap", severity="critical")
    _, text, _ = await api.get("/api/v1/alerts?severity=critical")
    assert [row["symbol"] for row in json.loads(text)["items"]] == ["MSFT"]
    seen = []
    path = "/api/v1/alerts?limit=2&kind=move"
    while path:
        found = json.loads((await api.get(path))[1])
        seen += [row["alert_id"] for row in found["items"]]
        path = found["next"]
        assert len(seen) < 20
    assert len(set(seen)) == 5


async def test_an_alert_before_the_opening_has_no_volume_and_hides_no_other(api: Served) -> None:
    await api.stored.put_alert("AAPL", f"{DAY}T14:30:00.000Z")
    item = {"symbol": "AAPL", "alert_id": f"{DAY}T12:00:00.000Z-move", "timestamp": f"{DAY}T12:00:00.000Z"}
    facts = {"kind": "move", "direction": "down", "severity": "critical", "value": -7, "threshold": 5}
    await api.stored.put("alerts", **item, **facts, price=93, previous_close=100)
    items = json.loads((await api.get("/api/v1/alerts"))[1])["items"]
    assert [(row["volume"], row["change_percent"]) for row in items] == [(9, 5), (None, None)]


async def test_an_etag_saves_the_body_until_something_changes(api: Served) -> None:
    _, _, headers = await api.get("/api/v1/latest")
    status, text, _ = await api.get("/api/v1/latest", If_None_Match=headers["etag"])
    assert (status, text) == (304, "")
    await api.stored.append(quote(96, "97.5", 9100))
    await latest_with(api, 1, "97.5")
    assert (await api.get("/api/v1/latest", If_None_Match=headers["etag"]))[0] == 200


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/v1/quotes/NONE", 404, "no quote of it"),
        ("/api/v1/quotes/A%20B", 400, "symbol"),
        ("/api/v1/quotes/..%2F..%2Fetc", 404, "Not Found"),
        ("/api/v1/quotes/AAPL?limit=0", 400, "limit='0': must be a whole number from 1 to 10000"),
        ("/api/v1/quotes/AAPL?limit=99999999999999999999", 400, "limit="),
        ("/api/v1/quotes/AAPL?limti=5", 400, "limti: no such parameter"),
        ("/api/v1/quotes/AAPL?start=yesterday", 400, "start='yesterday'"),
        ("/api/v1/quotes/AAPL?start=2026-11-20T10:00", 400, "no offset from UTC"),
        ("/api/v1/quotes/AAPL?start=0001-01-01T00:00:00%2B14:00", 400, "start="),
        ("/api/v1/quotes/AAPL?session=2026-13-01", 400, "session='2026-13-01'"),
        ("/api/v1/candles/AAPL?interval=2m", 400, "interval='2m'"),
        ("/api/v1/stream?since=nonsense", 400, "no place in the log"),
        ("/api/v1/stream?since=first.1", 400, "another number of partitions"),
        ("/api/v1/signals/NONE", 404, "no quote of it"),
        ("/api/v1/signals/AAPL?start=9999-12-31T12:00:00Z", 400, "within the years 1 to 9999"),
        ("/api/v1/candles/AAPL?end=0001-01-02T00:00:00Z", 400, "within the years 1 to 9999"),
        ("/api/v1/records/AAPL/yesterday", 400, "timestamp='yesterday'"),
        ("/api/v1/records/AAPL/2026-11-20T01:00:00Z", 404, "no quote of 2026-11-20T01:00:00.000Z is stored"),
        ("/api/v1/nothing", 404, "Not Found"),
    ],
)
async def test_what_is_wrong_is_a_problem_that_says_what(api: Served, path: str, status: int, said: str) -> None:
    found, text, headers = await api.get(path)
    assert (found, headers["content-type"]) == (status, "application/problem+json"), text
    problem = json.loads(text)
    assert problem["status"] == status
    assert said in problem["detail"]


async def test_the_document_describes_what_is_answered(api: Served) -> None:
    document = json.loads((await api.get("/api/v1/openapi.json"))[1])
    assert document["openapi"] == "3.1.0"
    await api.stored.put_alert("AAPL", f"{DAY}T14:30:00.000Z")
    for name in ("latest", "quotes/AAPL", "candles/AAPL", "signals/AAPL", "alerts"):
        path = f"/api/v1/{name}"
        operation = document["paths"][path.replace("AAPL", "{symbol}")]["get"]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        row = schema["properties"]["items"]["items"]["$ref"].rpartition("/")[2]
        items = json.loads((await api.get(path))[1])["items"]
        assert items
        jsonschema.validate(items[0], {"$ref": f"#/components/schemas/{row}", "components": document["components"]})
    health = json.loads((await api.get("/api/v1/health"))[1])
    assert len(health["stored"]["partitions"]) == 4
    assert health["board"]["sources"] == {"replay": 1}
    assert health["workers"] == []
    assert health["history"]["rates"].keys() == {"Log"}
    record = json.loads((await api.get(f"/api/v1/records/AAPL/{QUOTES[0].timestamp}"))[1])
    jsonschema.validate(record, {"$ref": "#/components/schemas/Record", "components": document["components"]})
    assert record["data"] == encode_quote(QUOTES[0]).decode()


async def test_sparklines_are_the_closes_of_the_newest_session_and_what_is_stored_beside(api: Served) -> None:
    marks = {"volume_ratio": 2.5, "split_suspected": "4:1"}
    await api.stored.put("quotes", **item_of(QUOTES[-1], **WINDOWS[QUOTES[-1].timestamp], **SESSION, **marks))
    found = json.loads((await api.get("/api/v1/sparklines?symbols=AAPL,NONE"))[1])
    assert found == {"items": {"AAPL": [98.25]}, "volume_ratios": {"AAPL": 2.5}, "splits": {"AAPL": "4:1"}}
