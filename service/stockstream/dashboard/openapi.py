"""The API's OpenAPI document: the routes as a table, the schemas from the rows themselves."""

from functools import cache
from typing import Any, Final

import msgspec

from stockstream.alerting import RuleRow
from stockstream.dashboard.answers import ARROW, CSV, JSON
from stockstream.dashboard.problems import CONTENT_TYPE
from stockstream.dashboard.query import LIMIT_DEFAULT, LIMIT_MAX
from stockstream.reading import Candle, Health, Record, Signal, StoredAlert, StoredQuote
from stockstream_wire import Quote
from stockstream_wire.storage import INTERVALS
from stockstream_wire.version import VERSION

_TEMPLATE: Final = "#/components/schemas/{name}"


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


_SYMBOL: Final = {
    "name": "symbol", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Ticker: AAPL",
}  # fmt: skip
_SYMBOLS: Final = _query("symbols", {"type": "string"}, "Tickers, separated by commas")
_START: Final = _query("start", {"type": "string", "format": "date-time"}, "From this moment on")
_END: Final = _query("end", {"type": "string", "format": "date-time"}, "Before this moment")
_SESSION: Final = _query("session", {"type": "string", "format": "date"}, "The exchange's day, in place of start, end")
_LIMIT: Final = _query(
    "limit", {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}, "Rows at most"
)
_INTERVAL: Final = _query("interval", {"enum": list(INTERVALS), "default": "1m"}, "Length")
_TIMESTAMP: Final = {
    "name": "timestamp", "in": "path", "required": True, "schema": {"type": "string", "format": "date-time"},
    "description": "Event time of a stored quote",
}  # fmt: skip

_Route = tuple[str, str, type, tuple[dict[str, Any], ...]]
# Path, what it gives, the row, its parameters.
_ROUTES: Final[tuple[_Route, ...]] = (
    ("/api/v1/latest", "The newest quote of each symbol", StoredQuote, (_SYMBOLS,)),
    (
        "/api/v1/quotes/{symbol}", "Stored quotes of a symbol", StoredQuote,
        (_SYMBOL, _START, _END, _SESSION, _LIMIT,
         _query("order", {"enum": ["oldest", "newest"], "default": "oldest"}, "Which come first")),
    ),
    (
        "/api/v1/candles/{symbol}", "Candles of a symbol, closed and open", Candle,
        (_SYMBOL, _INTERVAL, _START, _END, _SESSION),
    ),
    (
        "/api/v1/signals/{symbol}", "What the newest 10,000 quotes of a range say beside its candles", Signal,
        (_SYMBOL, _INTERVAL, _START, _END),
    ),
    (
        "/api/v1/alerts", "Alerts, newest first", StoredAlert,
        (_SYMBOLS, _START, _END, _SESSION, _LIMIT,
         _query("severity", {"enum": ["info", "warning", "critical"]}, "Only these"),
         _query("kind", {"type": "string"}, "Only of this kind")),
    ),
)  # fmt: skip


@cache
def document() -> dict[str, Any]:
    """OpenAPI 3.1."""
    (_, *_), schemas = msgspec.json.schema_components(
        [StoredQuote, Candle, Signal, StoredAlert, Health, Quote, Record, RuleRow], ref_template=_TEMPLATE
    )
    paths: dict[str, Any] = {path: {"get": _rows(summary, row, given)} for path, summary, row, given in _ROUTES}
    paths["/api/v1/health"] = {"get": _operation("How the deployment is", (), {JSON: {"schema": {"type": "object"}}})}
    paths["/api/v1/sparklines"] = {
        "get": _operation(
            "Closes of the newest session's five-minute candles, volume ratios, suspected splits", (_SYMBOLS,),
            {JSON: {"schema": {"type": "object"}}},
        )
    }  # fmt: skip
    record = {"$ref": _TEMPLATE.format(name="Record")}
    paths["/api/v1/records/{symbol}/{timestamp}"] = {
        "get": _operation(
            "One quote as the stores have it: item, bytes, and where both lie", (_SYMBOL, _TIMESTAMP),
            {JSON: {"schema": record}},
        )
    }  # fmt: skip
    since = _query("since", {"type": "string"}, "Go on behind this place; Last-Event-ID does the same")
    paths["/api/v1/stream"] = {
        "get": _operation(
            "What is accepted, as server-sent events `quotes`; each id is a place to go on from",
            (_SYMBOLS, since),
            {"text/event-stream": {"schema": {"type": "string"}}},
        )
    }
    paths |= _rule_paths()
    return {
        "openapi": "3.1.0",
        "info": {"title": "Stockstream", "version": VERSION, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": _with_numbers(schemas) | {"Problem": _PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _with_numbers(schema: Any) -> Any:
    """Prices are JSON numbers here, with the digits they have; msgspec's own schema of a Decimal is a string."""
    if isinstance(schema, dict):
        if schema.get("format") == "decimal":
            return {"type": "number"}
        return {name: _with_numbers(value) for name, value in schema.items()}
    return [_with_numbers(value) for value in schema] if isinstance(schema, list) else schema


def _rule_paths() -> dict[str, Any]:
    path = "/api/v1/alert-rules"
    csrf = {
        "name": "x-csrf-token", "in": "header", "required": False, "schema": {"type": "string"},
        "description": "csrf_token of /api/v1/session; not needed with Authorization",
    }  # fmt: skip
    asked = {
        "type": "object",
        "additionalProperties": False,
        "required": ["symbol", "price"],
        "properties": {
            "symbol": {"type": "string"},
            "when": {"enum": ["above", "below"], "default": "above"},
            "price": {"type": ["number", "string"]},
            "repeat": {"enum": ["once", "each"], "default": "once"},
            "replaces": {
                "type": "string",
                "description": "Name of a level of the symbol that goes with the same write",
            },
        },
    }
    added = {JSON: {"schema": {"type": "object"}}}
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}, "description": "above-200"}
    adding = _operation("Add a level: an alert when the price comes to it", (csrf,), added, status="201")
    adding["requestBody"] = {"required": True, "content": {JSON: {"schema": asked}}}
    return {
        path: {"get": _rows("Levels that alerts wait for", RuleRow, ()), "post": adding},
        f"{path}/test": {"post": _operation("Send a test alert to the topic", (csrf,), added, status="202")},
        f"{path}/{{symbol}}/{{name}}": {
            "delete": _operation("Remove a level", (_SYMBOL, name, csrf), {}, status="204")
        },
    }


_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}


def _rows(summary: str, row: type, parameters: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    items = {"type": "array", "items": {"$ref": _TEMPLATE.format(name=row.__name__)}}
    following = {"type": ["string", "null"], "description": "Path of the next page"}
    page = {"type": "object", "required": ["items"], "properties": {"items": items, "next": following}}
    content = {
        JSON: {"schema": page},
        CSV: {"schema": {"type": "string"}},
        ARROW: {"schema": {"type": "string", "format": "binary"}},
    }
    return _operation(summary, parameters, content)


def _operation(
    summary: str, parameters: tuple[dict[str, Any], ...], content: dict[str, Any], *, status: str = "200"
) -> dict[str, Any]:
    reason = {CONTENT_TYPE: {"schema": {"$ref": _TEMPLATE.format(name="Problem")}}}
    problem = {"description": "Why not", "content": reason}
    return {
        "summary": summary,
        "parameters": list(parameters),
        "responses": {
            status: {"description": summary, **({"content": content} if content else {})},
            "default": problem,
        },
    }
