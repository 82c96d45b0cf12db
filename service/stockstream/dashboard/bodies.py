"""A request's body, bounded."""

import asyncio
from typing import Any, Final

import msgspec
from starlette.requests import Request

from stockstream.dashboard.problems import ApiError

_BODY_MAX_BYTES: Final = 64 * 1024
_BODY_SECONDS: Final = 10.0


async def read_json(request: Request) -> Any:
    """The body, bounded in bytes and seconds.

    Raises:
        ApiError: 408, 413, 415, or no JSON.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ApiError(415, "the body must be application/json")
    body = b""
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _BODY_MAX_BYTES:
                    raise ApiError(413, f"the body is larger than {_BODY_MAX_BYTES} bytes")
    except TimeoutError as exc:
        raise ApiError(408, f"the body did not come within {_BODY_SECONDS:.0f} s") from exc
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as exc:
        raise ApiError(400, f"the body is no JSON: {exc}") from exc
