"""The markets a stand-in can serve: recorded replies, or one scripted by the test."""

import json
import math
import time
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

CHART_PREFIX = "/v8/finance/chart/"


class Market(Protocol):
    def quote(self, symbol: str) -> dict[str, Any] | None:
        """The v7 result of a symbol, or None where Yahoo leaves it out."""
        ...

    def chart(self, symbol: str) -> dict[str, Any] | None:
        """The whole v8 reply of a symbol, or None for a 404."""
        ...


class RecordedMarket:
    """Serves a folder of recorded replies `{path, status, recorded, body}`."""

    def __init__(self, folder: Path) -> None:
        self._quotes: dict[str, dict[str, Any]] = {}
        self._charts: dict[str, dict[str, Any]] = {}
        self.symbols: list[str] = []
        for path in sorted(folder.glob("*.json")):
            recorded = json.loads(path.read_text(encoding="utf-8"))
            url = urlsplit(recorded["path"])
            if url.path.startswith(CHART_PREFIX):
                self._charts.setdefault(unquote(url.path.removeprefix(CHART_PREFIX)), recorded["body"])
                continue
            asked = parse_qs(url.query).get("symbols", [""])[0].split(",")
            self.symbols.extend(symbol for symbol in asked if symbol and symbol not in self.symbols)
            for result in recorded["body"]["quoteResponse"]["result"]:
                self._quotes.setdefault(result["symbol"], result)

    def quote(self, symbol: str) -> dict[str, Any] | None:
        return self._quotes.get(symbol)

    def chart(self, symbol: str) -> dict[str, Any] | None:
        return self._charts.get(symbol)


class ScriptedMarket:
    """Any symbol has a price that wanders with the clock; tests change what they need.

    `overrides` replaces fields of a symbol's v7 result; `unknown` symbols are left out of v7, and `chartless` ones have
    no chart either. `frozen` symbols keep the event time they had when frozen.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.overrides: dict[str, dict[str, Any]] = {}
        self.unknown: set[str] = set()
        self.chartless: set[str] = set()
        self.states: dict[str, str] = {}
        self._frozen: dict[str, int] = {}

    def freeze(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            self._frozen[symbol] = int(self.now())

    def thaw(self) -> None:
        self._frozen.clear()

    def quote(self, symbol: str) -> dict[str, Any] | None:
        if symbol in self.unknown:
            return None
        event_seconds = self._frozen.get(symbol, int(self.now()))
        close, price = self._prices(symbol, event_seconds)
        exchange = "LSE" if symbol.endswith(".L") else "NMS"
        result: dict[str, Any] = {
            "quoteType": "EQUITY",
            "marketState": self.states.get(exchange, "REGULAR"),
            "regularMarketPrice": price,
            "regularMarketOpen": close,
            "regularMarketDayHigh": max(price, close),
            "regularMarketDayLow": min(price, close),
            "regularMarketPreviousClose": close,
            "regularMarketVolume": event_seconds % 86_400,
            "regularMarketTime": event_seconds,
            "bid": price,
            "ask": price,
            "currency": "USD",
            "exchange": exchange,
            "exchangeDataDelayedBy": 0,
            "priceHint": 2,
            "fullExchangeName": "NasdaqGS",
            "exchangeTimezoneName": "America/New_York",
            "gmtOffSetMilliseconds": -18000000,
            "hasPrePostMarketData": True,
            "firstTradeDateMilliseconds": 345479400000,
            "sourceInterval": 15,
            "triggerable": True,
            "tradeable": False,
            "symbol": symbol,
        }
        return result | self.overrides.get(symbol, {})

    def chart(self, symbol: str) -> dict[str, Any] | None:
        if symbol in self.chartless:
            return None
        event_seconds = int(self.now())
        close, price = self._prices(symbol, event_seconds)
        meta = {
            "symbol": symbol,
            "currency": "USD",
            "exchangeName": "NMS",
            "regularMarketTime": event_seconds,
            "regularMarketPrice": price,
            "regularMarketDayHigh": max(price, close),
            "regularMarketDayLow": min(price, close),
            "regularMarketVolume": event_seconds % 86_400,
            "chartPreviousClose": close,
            "priceHint": 2,
            "gmtoffset": 0,
        }
        bars = {"open": [close], "high": [price], "low": [close], "close": [price], "volume": [1]}
        result = {"meta": meta, "timestamp": [event_seconds], "indicators": {"quote": [bars]}}
        return {"chart": {"result": [result], "error": None}}

    @staticmethod
    def _prices(symbol: str, event_seconds: int) -> tuple[float, float]:
        seed = zlib.crc32(symbol.encode())
        close = 10 + seed % 49_000 / 100
        swing = math.sin(event_seconds / 1800 + seed % 628 / 100) * 0.03
        return round(close, 2), round(close * (1 + swing), 2)
