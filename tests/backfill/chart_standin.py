"""The stand-in Yahoo with a memory: minute and daily charts by range, as the real chart API gives them."""

import math
from datetime import UTC, datetime
from typing import Any

from tests.yahoo_standin import ScriptedMarket, YahooStandin
from tests.yahoo_standin.faults import Fault, FaultPlan
from tests.yahoo_standin.http import Request, Response
from tests.yahoo_standin.market import CHART_PREFIX
from tests.yahoo_standin.yahoo import Yahoo

OPEN_SECONDS = 14 * 3600 + 30 * 60  # 09:30 in New York's winter, of the UTC day
MINUTES = 390
OFFSET_SECONDS = -5 * 3600
DAY_SECONDS = 86_400
UNPROCESSABLE = 422


class HistoryYahoo(Yahoo):
    """Serves every weekday's session up to `now`, and refuses what Yahoo refuses."""

    def __init__(self, faults: FaultPlan, now: datetime) -> None:
        super().__init__(ScriptedMarket(), faults)
        self.now_seconds = int(now.timestamp())
        self.charts_asked: list[dict[str, str]] = []

    def _answer(self, host: str, request: Request) -> Response:
        if not request.path.startswith(CHART_PREFIX):
            return super()._answer(host, request)
        if (self.faults.strikes(Fault.RATE_LIMIT)) is not None:
            return Response.of_text("Too Many Requests\r\n", 429)
        symbol = request.path.removeprefix(CHART_PREFIX)
        self.charts_asked.append({"symbol": symbol, **request.query})
        start, end = int(request.query["period1"]), int(request.query["period2"])
        if symbol == "NOPE":
            return Response.of_json(error("Not Found", "No data found, symbol may be delisted"), 404)
        if request.query["interval"] == "1m" and (
            end - start > 7 * DAY_SECONDS or start < self.now_seconds - 30 * DAY_SECONDS
        ):
            detail = "1m data not available: only 7 days per request, within the last 30 days"
            return Response.of_json(error("Unprocessable Entity", detail), UNPROCESSABLE)
        return Response.of_json(self._history(start, end, request.query["interval"]))

    def _history(self, start: int, end: int, interval: str) -> dict[str, Any]:
        columns: dict[str, list[Any]] = {name: [] for name in ("open", "high", "low", "close", "volume")}
        times: list[int] = []
        for day in sessions(start - DAY_SECONDS, end):
            rows: list[tuple[Any, ...]] = [
                (t, *minute(t)) for t in range(day + OPEN_SECONDS, day + OPEN_SECONDS + MINUTES * 60, 60)
            ]
            rows = [row for row in rows if row[0] <= self.now_seconds]
            if interval == "1d":
                rows = [daily(rows)] if rows else []
            for row in rows:
                if start <= row[0] < end:
                    times.append(row[0])
                    for name, value in zip(columns, row[1:], strict=True):
                        columns[name].append(value)
        today = self.now_seconds // DAY_SECONDS * DAY_SECONDS
        closes = today + OPEN_SECONDS + MINUTES * 60
        last_trade = min(self.now_seconds, closes) if self.now_seconds >= today + OPEN_SECONDS else closes - DAY_SECONDS
        meta = {
            "currency": "USD", "exchangeName": "NMS", "gmtoffset": OFFSET_SECONDS, "priceHint": 2,
            "regularMarketTime": last_trade,
            "currentTradingPeriod": {"regular": {"start": today + OPEN_SECONDS, "end": closes}},
        }  # fmt: skip
        if interval == "1m" and end > self.now_seconds and last_trade < closes:
            # The real one ends a running session with the last trade, off the grid.
            times.append(last_trade + 7)
            for name, value in zip(columns, minute(last_trade), strict=True):
                columns[name].append(value)
        return {
            "chart": {"result": [{"meta": meta, "timestamp": times, "indicators": {"quote": [columns]}}], "error": None}
        }


class ChartStandin(YahooStandin):
    """`YahooStandin` with that Yahoo behind it."""

    def __init__(self, folder: Any, now: datetime) -> None:
        super().__init__(ScriptedMarket(), folder)
        self.history = HistoryYahoo(self.faults, now)
        self.yahoo = self.history


def error(code: str, description: str) -> dict[str, Any]:
    return {"chart": {"result": None, "error": {"code": code, "description": description}}}


def sessions(start: int, end: int) -> list[int]:
    days = range(start // DAY_SECONDS * DAY_SECONDS, end, DAY_SECONDS)
    return [day for day in days if datetime.fromtimestamp(day, UTC).weekday() < 5]


def minute(seconds: int) -> tuple[float | None, ...]:
    """Open, high, low, close, volume of a minute, as Yahoo's float32 in disguise; every seventh had no trade."""
    index = seconds // 60
    if index % 7 == 3:
        return (None,) * 5
    close = 200 + 5 * math.sin(index / 50)
    open_ = 200 + 5 * math.sin((index - 1) / 50)
    return (
        float32(open_),
        float32(max(open_, close) + 0.05),
        float32(min(open_, close) - 0.05),
        float32(close),
        index % 1000,
    )


def daily(rows: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    traded = [row for row in rows if row[1] is not None]
    return (
        rows[0][0], traded[0][1], max(row[2] for row in traded), min(row[3] for row in traded), traded[-1][4],
        sum(row[5] for row in traded),
    )  # fmt: skip


def float32(price: float) -> float:
    import struct

    value: float = struct.unpack("<f", struct.pack("<f", round(price, 2)))[0]
    return value
