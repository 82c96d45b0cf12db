"""The metadata endpoints of ECS and EC2 (IMDSv2), on a free port, with credentials that a test changes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

_TOKEN = "imds-session-token"


class MetadataServer:
    """Hands out `key`, valid for hours by its own word; counts how often."""

    def __init__(self) -> None:
        self.key = "OLDKEY"
        self.given = 0
        self.hangs = False
        self.is_expired = False
        self.broken: Any = None
        self.url = ""

    async def credentials(self, _: web.Request) -> web.StreamResponse:
        self.given += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.broken is not None:
            return web.json_response(self.broken)
        expires = datetime.now(UTC) + timedelta(hours=-1 if self.is_expired else 6)
        return web.json_response(
            {
                "Code": "Success",
                "AccessKeyId": self.key,
                "SecretAccessKey": "secret",
                "Token": f"token-of-{self.key}",
                "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )

    async def token(self, request: web.Request) -> web.Response:
        assert request.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        return web.Response(text=_TOKEN)

    async def role(self, request: web.Request) -> web.Response:
        if request.headers.get("X-aws-ec2-metadata-token") != _TOKEN:
            return web.Response(status=401)
        return web.Response(text="stockstream-role")


@asynccontextmanager
async def metadata_server() -> AsyncIterator[MetadataServer]:
    """A running one."""
    metadata = MetadataServer()
    app = web.Application()
    app.router.add_get("/ecs", metadata.credentials)
    app.router.add_put("/latest/api/token", metadata.token)
    app.router.add_get("/latest/meta-data/iam/security-credentials/", metadata.role)
    app.router.add_get("/latest/meta-data/iam/security-credentials/stockstream-role", metadata.credentials)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    metadata.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield metadata
    finally:
        await runner.cleanup()
