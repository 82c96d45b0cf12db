"""What Yahoo answers: cookies, crumbs, quotes, charts. No I/O."""

import itertools
import json
from typing import Any

from tests.yahoo_standin.faults import Fault, FaultPlan
from tests.yahoo_standin.http import Request, Response
from tests.yahoo_standin.market import CHART_PREFIX, Market

# What Yahoo returns whatever `fields` asks for, seen in a recorded reply limited to two fields.
_ALWAYS = {
    "quoteType", "exchange", "marketState", "regularMarketTime", "regularMarketPrice", "exchangeDataDelayedBy",
    "priceHint", "symbol", "fullExchangeName", "exchangeTimezoneName", "gmtOffSetMilliseconds",
    "hasPrePostMarketData", "firstTradeDateMilliseconds", "sourceInterval", "triggerable", "tradeable",
}  # fmt: skip
_INVALID_CRUMB = {
    "finance": {"result": None, "error": {"code": "Unauthorized", "description": "Invalid Crumb"}},
}
_SYMBOLS_MAX = 99


class Yahoo:
    """The state of the make-believe Yahoo: which cookies it remembers, and what it was asked."""

    def __init__(self, market: Market, faults: FaultPlan) -> None:
        self.market = market
        self.faults = faults
        self.requests: list[tuple[str, str, int]] = []  # host, path, status
        self.asked_symbols: list[str] = []
        self._crumbs: dict[str, str] = {}
        self._serial = itertools.count(1)

    def forget_cookies(self) -> None:
        """Drop every cookie and crumb handed out so far."""
        self._crumbs.clear()

    def answer(self, host: str, request: Request) -> Response:
        """Answer one request, and note it."""
        if self.faults.strikes(Fault.FORGET_COOKIES):
            self.forget_cookies()
        response = self._answer(host, request)
        self.requests.append((host, request.path, response.status))
        return response

    def count(self, path_start: str) -> int:
        """Requests so far whose path starts so."""
        return sum(path.startswith(path_start) for _, path, _ in self.requests)

    def _answer(self, host: str, request: Request) -> Response:
        if host == "fc.yahoo.com":
            return self._cookie()
        if host in {"guce.yahoo.com", "consent.yahoo.com"}:
            return Response.of_text("<html>no consent form here</html>")
        if (fault := self.faults.strikes(Fault.RATE_LIMIT)) is not None:
            return Response.of_text("Too Many Requests\r\n", 429)
        if request.path == "/v1/test/getcrumb":
            return self._crumb(request)
        if request.path == "/v7/finance/quote":
            fault = self.faults.strikes(Fault.UNAUTHORIZED, Fault.SERVER_ERROR, Fault.BAD_GATEWAY, Fault.HTML)
            return _faulty(fault) if fault else self._quotes(request)
        if request.path.startswith(CHART_PREFIX):
            fault = self.faults.strikes(Fault.SERVER_ERROR, Fault.BAD_GATEWAY, Fault.HTML)
            return _faulty(fault) if fault else self._chart(request.path.removeprefix(CHART_PREFIX))
        return Response.of_text("Not Found", 404)

    def _cookie(self) -> Response:
        value = f"d=standin{next(self._serial)}"
        self._crumbs[value] = f"crumb.{next(self._serial)}"
        # The real one answers 404 as well, and it is the cookie that counts.
        return Response.of_text(
            "", 404, **{"set-cookie": f"A3={value}; Max-Age=31557600; Domain=.yahoo.com; Path=/; SameSite=None; Secure"}
        )

    def _crumb(self, request: Request) -> Response:
        if self.faults.strikes(Fault.CRUMB_RATE_LIMIT):
            return Response.of_text("Too Many Requests\r\n", 429)
        if self.faults.strikes(Fault.CRUMB_UNAUTHORIZED):
            return Response.of_json(_INVALID_CRUMB, 401)
        crumb = self._crumbs.get(request.cookies.get("A3", ""))
        return Response.of_text(crumb) if crumb else Response.of_json(_INVALID_CRUMB, 401)

    def _quotes(self, request: Request) -> Response:
        crumb = self._crumbs.get(request.cookies.get("A3", ""))
        if crumb is None or request.query.get("crumb") != crumb:
            return Response.of_json(_INVALID_CRUMB, 401)
        symbols = [symbol for symbol in request.query.get("symbols", "").split(",") if symbol]
        if not 0 < len(symbols) <= _SYMBOLS_MAX:
            return Response.of_json({"quoteResponse": {"result": None, "error": {"code": "argument-error"}}}, 400)
        self.asked_symbols.extend(symbols)
        if self.faults.strikes(Fault.SHORT):
            symbols = [symbol for index, symbol in enumerate(symbols) if index % 3]
        fields = set(filter(None, request.query.get("fields", "").split(",")))
        results = [_limited(result, fields) for symbol in symbols if (result := self.market.quote(symbol)) is not None]
        if self.faults.strikes(Fault.NAN) and results:
            results[0] = results[0] | {"regularMarketPrice": float("nan")}
        return Response.of_json({"quoteResponse": {"result": results, "error": None}})

    def _chart(self, symbol: str) -> Response:
        body = self.market.chart(symbol)
        if body is not None:
            return Response.of_json(body)
        error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
        return Response.of_json({"chart": {"result": None, "error": error}}, 404)


def _limited(result: dict[str, Any], fields: set[str]) -> dict[str, Any]:
    if not fields:
        return result
    return {key: value for key, value in result.items() if key in fields or key in _ALWAYS}


def _faulty(fault: Fault) -> Response:
    if fault is Fault.UNAUTHORIZED:
        return Response.of_json(_INVALID_CRUMB, 401)
    if fault is Fault.HTML:
        return Response(200, b"<!doctype html><html><body>Will be right back...</body></html>", {})
    if fault is Fault.BAD_GATEWAY:
        return Response.of_text("<html>502 Bad Gateway</html>", 502)
    return Response.of_text(json.dumps({"finance": {"error": {"code": "internal-error"}}}), 500)
