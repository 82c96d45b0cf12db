"""`/api/v1/alert-rules`: levels, seen, added and removed, and a test alert. The one thing that the page writes."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stockstream.alerting import AlertDesk, new_level
from stockstream.dashboard.answers import JSON, encode_json, rows_answer
from stockstream.dashboard.board import Board
from stockstream.dashboard.bodies import read_json
from stockstream.dashboard.problems import ApiError, answered
from stockstream.dashboard.query import Query, path_symbol
from stockstream.reading import Rows, checked_symbols

_FIELDS: Final = {"symbol", "when", "price", "repeat", "replaces"}


class RulesApi:
    """The endpoints.

    Args:
        desk: What is edited; None where this page may only look.
        board: Knows where the price stands.
        receivers: Kinds of what has alerts from this process; None where another hands them on.
    """

    def __init__(self, desk: AlertDesk | None, board: Board, receivers: Sequence[str] | None = None) -> None:
        self._desk = desk
        self._receivers = receivers
        self._board = board

    def routes(self) -> list[Route]:
        path = "/api/v1/alert-rules"
        return [
            Route(path, answered(self._list), methods=["GET"]),
            Route(path, answered(self._add), methods=["POST"]),
            Route(f"{path}/test", answered(self._test), methods=["POST"]),
            Route(f"{path}/{{symbol}}/{{name}}", answered(self._remove), methods=["DELETE"]),
        ]

    async def _list(self, request: Request) -> Response:
        Query(request)
        desk = self._known()
        delivery = {"topic": desk.topic_arn, "receivers": self._receivers}
        return rows_answer(request, Rows(await desk.rules.levels()), delivery=delivery)

    async def _add(self, request: Request) -> Response:
        content = await read_json(request)
        if not isinstance(content, dict) or not content.keys() <= _FIELDS or not content.keys() >= {"symbol", "price"}:
            raise ApiError(
                400, 'the body must be {"symbol": "AAPL", "when": "above", "price": "200", "repeat": "once"}'
            )
        symbol, price, replaces = content["symbol"], content["price"], content.get("replaces", "")
        if not isinstance(symbol, str) or not isinstance(price, str | int | float) or isinstance(price, bool):
            raise ApiError(400, "symbol must be a text, and price a number or a text that is one")
        if not isinstance(replaces, str):
            raise ApiError(400, "replaces must be the name of a level: above-190")
        (symbol,) = checked_symbols(symbol)
        newest = self._board.rows.get(symbol)
        level = new_level(
            Decimal(str(price)) if not isinstance(price, str) else price,
            str(content.get("when", "above")),
            str(content.get("repeat", "once")),
            last_price=newest.price if newest is not None else None,
        )
        await self._known().rules.add(symbol, level, replaces=replaces)
        content = {"symbol": symbol, "name": level.name, "since": level.since, "starts": level.start or None}
        return Response(encode_json(content), status_code=201, media_type=JSON)

    async def _remove(self, request: Request) -> Response:
        symbol, name = path_symbol(request), request.path_params["name"]
        if not await self._known().rules.remove(symbol, name):
            raise ApiError(404, f"{symbol} has no level {name[:50]}")
        return Response(status_code=204)

    async def _test(self, request: Request) -> Response:
        Query(request)
        alert_id = await self._known().send_test()
        return Response(encode_json({"alert_id": alert_id}), status_code=202, media_type=JSON)

    def _known(self) -> AlertDesk:
        if self._desk is None:
            raise ApiError(404, "this page has no alert rules to edit")
        return self._desk
