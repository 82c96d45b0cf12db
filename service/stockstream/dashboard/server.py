"""The server: routes, guard, headers, bounds; one async context manager that `dashboard` and `local` enter."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stockstream.alerting import AlertDesk
from stockstream.dashboard.access import COOKIE, SECURITY_HEADERS, SESSION_SECONDS, Access
from stockstream.dashboard.answers import json_answer
from stockstream.dashboard.api import Api, stage_counts
from stockstream.dashboard.board import Board
from stockstream.dashboard.bodies import read_json
from stockstream.dashboard.openapi import document
from stockstream.dashboard.problems import ApiError, answered, on_error, on_http_exception, problem_response
from stockstream.dashboard.query import Query
from stockstream.dashboard.rules import RulesApi
from stockstream.dashboard.stream import Streams
from stockstream.errors import InputError
from stockstream.reading import Market
from stockstream.request_guard import AsgiApp, Receive, Scope, Send, guarded

_STATIC: Final = Path(__file__).with_name("static")
_FIRST_REQUEST_SECONDS: Final = 10.0
_KEEP_ALIVE_SECONDS: Final = 20
_CONNECTIONS_MAX: Final = 512
_BACKLOG: Final = 128
_PAGES: Final = ("/", "/s/{symbol}", "/alerts", "/health", "/api", "/login")


@asynccontextmanager
async def serve_dashboard(
    market: Market,
    access: Access,
    *,
    host: str,
    port: int,
    anomaly_threshold_percent: Decimal = Decimal(5),
    poll_seconds: float = 1.0,
    pipeline: Callable[[], Mapping[str, Any]] | None = None,
    desk: AlertDesk | None = None,
    receivers: Sequence[str] | None = None,
    poll_interval_seconds: float = 30.0,
) -> AsyncIterator[str]:
    """Serve page and API until the context ends; yields the page's address.

    Args:
        market: What is read.
        access: Who may use it.
        host: Address to bind.
        port: Port to bind; 0 takes a free one.
        anomaly_threshold_percent: As the deployment's consumer has it.
        poll_seconds: Pause between two looks at the log.
        pipeline: What this process knows of its own stages, for `/health`.
        desk: The alert rules that may be edited; None: none.
        receivers: Kinds of what has alerts from this process; None where another hands them on.
        poll_interval_seconds: As the deployment's service polls, for the cost model.

    Raises:
        InputError: the address cannot be bound.
    """
    listening = _bind(host, port)
    board = Board(market, anomaly_threshold_percent, poll_seconds)
    api = Api(market, board, pipeline, poll_interval_seconds)
    config = uvicorn.Config(
        make_app(api, access, RulesApi(desk, board, receivers)),
        http=_Impatient,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=2,
        limit_concurrency=_CONNECTIONS_MAX,
    )
    server = _Server(config)
    async with board.following(), api.history.sampling(lambda: stage_counts(api)):
        serving = asyncio.create_task(server.serve(sockets=[listening]), name="dashboard-server")
        try:
            shown = f"[{host}]" if ":" in host else host
            yield f"http://{shown}:{listening.getsockname()[1]}/"
        finally:
            server.should_exit = True
            board.end_listeners()
            with suppress(asyncio.CancelledError):
                await serving
            listening.close()


def make_app(api: Api, access: Access, rules: RulesApi) -> AsgiApp:
    """The application behind its guard."""
    streams = Streams(api.board)
    routes = [
        Route("/api/v1/latest", answered(api.latest)),
        Route("/api/v1/quotes/{symbol}", answered(api.quotes)),
        Route("/api/v1/candles/{symbol}", answered(api.candles)),
        Route("/api/v1/signals/{symbol}", answered(api.signals)),
        Route("/api/v1/records/{symbol}/{timestamp}", answered(api.record)),
        Route("/api/v1/alerts", answered(api.alerts)),
        *rules.routes(),
        Route("/api/v1/sparklines", answered(api.sparklines)),
        Route("/api/v1/health", answered(api.health)),
        Route("/api/v1/stream", answered(streams.stream)),
        Route("/api/v1/openapi.json", answered(_openapi)),
        Route("/api/v1/session", answered(_session(access))),
        Route("/api/v1/login", answered(_login(access)), methods=["POST"]),
        *(Route(path, _page) for path in _PAGES),
        Mount("/static", GZipMiddleware(StaticFiles(directory=_STATIC))),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: on_http_exception, Exception: on_error})
    return guarded(_with_headers(_with_access(app, access)), access.policy)


async def _page(_: Request) -> Response:
    page = (_STATIC / "index.html").read_bytes()
    return Response(page, media_type="text/html", headers={"cache-control": "no-cache"})


async def _openapi(request: Request) -> Response:
    Query(request)
    return json_answer(request, document())


def _session(access: Access) -> Callable[[Request], Any]:
    async def session(request: Request) -> Response:
        is_known = access.is_known(request.headers, request.cookies)
        content = {
            "logged_in": is_known,
            "needs_token": access.token is not None,
            "csrf_token": access.csrf_token if is_known else None,
        }
        response = json_answer(request, content)
        response.headers["cache-control"] = "no-store"
        return response

    return session


def _login(access: Access) -> Callable[[Request], Any]:
    async def login(request: Request) -> Response:
        content = await read_json(request)
        given = content.get("token") if isinstance(content, dict) else None
        if not isinstance(given, str):
            raise ApiError(400, 'the body must be {"token": "…"}')
        wait = access.seconds_to_wait()
        if wait > 0:
            response = problem_response(429, f"too many wrong tokens. Remedy: wait {wait:.0f} s")
            response.headers["retry-after"] = f"{wait:.0f}"
            return response
        cookie = access.login(given)
        if cookie is None:
            raise ApiError(401, "this is not the token, or none is needed")
        response = Response(status_code=204)
        response.set_cookie(
            COOKIE, cookie, max_age=SESSION_SECONDS, httponly=True, samesite="strict",
            secure=request.url.scheme == "https",
        )  # fmt: skip
        return response

    return login


def _with_access(app: AsgiApp, access: Access) -> AsgiApp:
    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope)
        status = access.refusal(request.method, request.url.path, request.headers, request.cookies)
        if status is None:
            await app(scope, receive, send)
        elif status == 401 and not request.url.path.startswith("/api/"):
            await Response(status_code=303, headers={"location": "/login"})(scope, receive, send)
        elif status == 401:
            await problem_response(401, "log in, or send Authorization: Bearer TOKEN")(scope, receive, send)
        else:
            await problem_response(403, "the x-csrf-token of /api/v1/session is missing or not this server's")(
                scope, receive, send
            )

    return checked


def _with_headers(app: AsgiApp) -> AsgiApp:
    added = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]

    async def with_headers(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_more(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        await app(scope, receive, send_more)

    return with_headers


class _Server(uvicorn.Server):
    """Signals are those of the process that it runs in."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Impatient(HttpToolsProtocol):
    """Closes a connection whose first request does not come in time: sent byte by byte it would hold a place."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(_FIRST_REQUEST_SECONDS, self._hurry)

    def _hurry(self) -> None:
        if vars(self).get("cycle") is None and not self.transport.is_closing():
            self.transport.close()


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(address)
            # Who is told the address may connect at once.
            listening.listen(_BACKLOG)
        except OSError:
            listening.close()
            raise
    except OSError as exc:
        raise InputError(
            f"cannot listen on {host}:{port} ({exc.strerror}). Remedy: STOCKSTREAM_DASHBOARD_PORT with a free port, "
            "or 0 for any; STOCKSTREAM_DASHBOARD_HOST with an address of this machine"
        ) from exc
    return listening
