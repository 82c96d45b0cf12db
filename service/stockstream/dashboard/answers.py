"""Rows as an answer: JSON, CSV or Arrow as `Accept` says, with an ETag, and a link to the next page."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from stockstream.dashboard.problems import ApiError
from stockstream.errors import InputError
from stockstream.reading import Rows

JSON: Final = "application/json"
CSV: Final = "text/csv"
ARROW: Final = "application/vnd.apache.arrow.stream"
_FORMS: Final = (JSON, CSV, ARROW)
_RANGES: Final = {"*/*": JSON, "application/*": JSON, "text/*": CSV}

encode_json: Final = msgspec.json.Encoder(decimal_format="number").encode


def rows_answer(request: Request, rows: Rows[Any], *, next_query: Mapping[str, str] | None = None, **more: Any
) -> Response:  # fmt: skip
    """Answer with rows.

    Args:
        request: What was asked.
        rows: The rows of this page.
        next_query: Query of the next page, where there is one: told as a Link, and in JSON as `next`.
        more: Further fields of the JSON object, beside `items`.

    Raises:
        ApiError: 406, no form that is accepted can be had.
    """
    form = form_of(request.headers.get("accept", ""))
    link = f"{request.url.path}?{urlencode(next_query)}" if next_query else None
    headers = {"vary": "Accept"} | ({"link": f'<{link}>; rel="next"'} if link else {})
    if form == JSON:
        return answer(request, encode_json({"items": list(rows), "next": link, **more}), JSON, headers)
    if form == CSV:
        return answer(request, rows.to_csv(), f"{CSV}; charset=utf-8", headers)
    return answer(request, _as_arrow(rows), ARROW, headers)


def json_answer(request: Request, content: Any) -> Response:
    return answer(request, encode_json(content), JSON, {})


def answer(request: Request, body: bytes, media_type: str, headers: Mapping[str, str]) -> Response:
    """The body, or 304 where the caller has it."""
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {**headers, "etag": etag, "cache-control": "private, no-cache"}
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def form_of(accept: str) -> str:
    """The form to answer in: the first of the highest quality.

    Raises:
        ApiError: 406.
    """
    best, best_quality = None, 0.0
    for part in accept.split(",") if accept.strip() else ["*/*"]:
        name, *parameters = [word.strip().lower() for word in part.split(";")]
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        form = _RANGES.get(name, name if name in _FORMS else None)
        if form is not None and quality > best_quality:
            best, best_quality = form, quality
    if best is None:
        raise ApiError(406, f"Accept: {accept[:100]}: there are {', '.join(_FORMS)}")
    return best


def _as_arrow(rows: Rows[Any]) -> bytes:
    try:
        table = rows.to_arrow()
    except InputError as exc:
        raise ApiError(406, str(exc)) from exc
    import pyarrow as pa  # noqa: PLC0415 - only where it is installed

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def page_of(rows: Sequence[Any], limit: int) -> tuple[Rows[Any], bool]:
    """The first `limit` rows, and whether there are more."""
    return Rows(rows[:limit]), len(rows) > limit
