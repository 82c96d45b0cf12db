"""What an API call that fails is answered with: problem+json (RFC 9457)."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import structlog
from botocore.exceptions import BotoCoreError, ClientError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from stockstream.errors import InputError, StockstreamError
from stockstream.redaction import redact

CONTENT_TYPE: Final = "application/problem+json"
_TITLES: Final = {
    400: "Bad request",
    401: "Not logged in",
    403: "Refused",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "Too slow",
    409: "Conflict",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Unsupported media type",
    429: "Too many requests",
    500: "Internal error",
    503: "Stores not available",
}

log = structlog.get_logger("stockstream.dashboard")
Endpoint = Callable[[Request], Awaitable[Response]]


class ApiError(Exception):
    """A call that cannot be answered; `detail` names the thing, the value and the remedy."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def problem_response(status: int, detail: str) -> Response:
    body = {"type": "about:blank", "title": _TITLES.get(status, "Error"), "status": status, "detail": detail}
    return Response(msgspec.json.encode(body), status, media_type=CONTENT_TYPE)


def answered(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose failures are answers."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ApiError as exc:
            return problem_response(exc.status, exc.detail)
        except InputError as exc:
            return problem_response(400, str(exc))
        except (StockstreamError, ClientError, BotoCoreError) as exc:
            log.warning("stores_not_read", path=request.url.path, error=redact(str(exc)))
            return problem_response(503, redact(str(exc)))

    return answer


async def on_http_exception(_: Request, exc: Exception) -> Response:
    """Of Starlette's own: no such path, no such method."""
    if not isinstance(exc, HTTPException):
        raise exc
    return problem_response(exc.status_code, str(exc.detail))


async def on_error(request: Request, exc: Exception) -> Response:
    """A defect of ours: told in the log, not to the caller."""
    log.error("request_failed", path=request.url.path, error=repr(exc))
    return problem_response(500, "the server failed; its log says why")
