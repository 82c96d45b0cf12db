"""Invented replies in the shapes that Yahoo gives, for tests that must not depend on recorded ones."""

from typing import Any

EVENT_SECONDS = 1_795_359_600  # 2026-11-22T15:00:00Z


def equity(symbol: str = "ACME", **changes: Any) -> dict[str, Any]:
    """A v7 result of a share in its regular session; `changes` replace fields, `None` included."""
    result: dict[str, Any] = {
        "quoteType": "EQUITY",
        "marketState": "REGULAR",
        "regularMarketPrice": 101.25,
        "regularMarketOpen": 100.5,
        "regularMarketDayHigh": 102,
        "regularMarketDayLow": 99.875,
        "regularMarketPreviousClose": 100,
        "regularMarketVolume": 123456,
        "regularMarketTime": EVENT_SECONDS,
        "bid": 101.2,
        "ask": 101.3,
        "currency": "USD",
        "exchange": "NMS",
        "exchangeDataDelayedBy": 15,
        "priceHint": 2,
        "symbol": symbol,
    }
    return result | changes


def without(result: dict[str, Any], *fields: str) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key not in fields}


def fund(symbol: str = "0P00TEST01.TO") -> dict[str, Any]:
    return without(
        equity(symbol, quoteType="MUTUALFUND"),
        "regularMarketOpen",
        "regularMarketDayHigh",
        "regularMarketDayLow",
        "regularMarketVolume",
        "bid",
        "ask",
    )


def delisted(symbol: str = "GONE") -> dict[str, Any]:
    return {"quoteType": "NONE", "tradeable": False, "symbol": symbol, "corporateActions": []}


def v7(*results: dict[str, Any]) -> dict[str, Any]:
    return {"quoteResponse": {"result": list(results), "error": None}}


def chart(symbol: str = "ACME", *, days: int = 1, **meta_changes: Any) -> dict[str, Any]:
    """A v8 chart of `days` daily bars up to the day of the last trade; bar prices are float32 as Yahoo writes them."""
    meta: dict[str, Any] = {
        "symbol": symbol,
        "currency": "USD",
        "exchangeName": "NMS",
        "instrumentType": "EQUITY",
        "regularMarketTime": EVENT_SECONDS,
        "regularMarketPrice": 166.7,
        "regularMarketDayHigh": 167.1,
        "regularMarketDayLow": 165.05,
        "regularMarketVolume": 1000,
        "chartPreviousClose": 164.32,
        "priceHint": 2,
        "gmtoffset": -18000,
    }
    opening = EVENT_SECONDS - 1800
    return {
        "chart": {
            "result": [
                {
                    "meta": meta | meta_changes,
                    "timestamp": [opening - 86_400 * (days - 1 - day) for day in range(days)],
                    "indicators": {
                        "quote": [
                            {"open": [166.69000244140625] * days, "close": [162.14999389648438] * days},
                        ]
                    },
                }
            ],
            "error": None,
        }
    }
