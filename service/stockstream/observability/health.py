"""`/healthz`, `/readyz` and `/metrics` over HTTP, for programs and for no page of another origin."""

import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from stockstream.errors import InputError
from stockstream.observability.metrics import ServiceMetrics
from stockstream.request_guard import REFUSED_STATUS, GuardPolicy, is_loopback, refusal

_PROMETHEUS_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@asynccontextmanager
async def serve_health(
    host: str,
    port: int,
    *,
    not_ready_reasons: Callable[[], list[str]],
    metrics: ServiceMetrics | None = None,
    allowed_hosts: frozenset[str] = frozenset(),
    details: Callable[[], Mapping[str, Any]] = dict,
) -> AsyncIterator[int]:
    """Serve `/healthz`, `/readyz` and, where there are metrics, `/metrics`; yields the port that is listened on.

    Args:
        host: Address to bind; loopback unless the user says otherwise.
        port: Port to bind; 0 takes a free one.
        not_ready_reasons: Empty when ready; else why not, in words. `/readyz` answers 503 with them.
        metrics: What `/metrics` renders; None leaves the path out.
        allowed_hosts: Host names that requests may name beside loopback's. Bound beyond loopback, every IP address may
            be named too: load balancers and scrapers do.
        details: What `/readyz` tells besides, ready or not.

    Raises:
        InputError: the address cannot be bound.
    """

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_: web.Request) -> web.Response:
        reasons = not_ready_reasons()
        status = 503 if reasons else 200
        said = {"status": "not ready" if reasons else "ready", "reasons": reasons, **details()}
        return web.json_response(said, status=status)

    app = web.Application(middlewares=[_guard(health_policy(host, allowed_hosts))])
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    if metrics is not None:
        app.router.add_get("/metrics", _prometheus_handler(metrics))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as exc:
            if exc.errno in {errno.EADDRINUSE, errno.EACCES}:
                remedy = "set STOCKSTREAM_HEALTH_PORT to a free port, or to 0 for any"
            else:
                remedy = "set STOCKSTREAM_HEALTH_HOST to an address of this machine"
            raise InputError(f"cannot listen on {host}:{port} ({exc.strerror}). Remedy: {remedy}") from exc
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def health_policy(bound_to: str, allowed_hosts: frozenset[str]) -> GuardPolicy:
    """Whom the health port answers, by the address or name that it is bound to."""
    return GuardPolicy(
        "STOCKSTREAM_HEALTH_ALLOWED_HOSTS",
        hosts=allowed_hosts | {bound_to.lower()},
        any_address=not is_loopback(bound_to),
        navigation=True,
    )


def _guard(policy: GuardPolicy) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        reason = refusal(request.method, request.headers.items(), policy)
        if reason is not None:
            return web.Response(status=REFUSED_STATUS, text=f"refused: {reason}\n")
        return await handler(request)

    return guard


def _prometheus_handler(metrics: ServiceMetrics) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def prometheus(_: web.Request) -> web.Response:
        return web.Response(body=metrics.prometheus_text(), headers={"Content-Type": _PROMETHEUS_CONTENT_TYPE})

    return prometheus
