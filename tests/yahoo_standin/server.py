"""The stand-in's sockets: a CONNECT proxy whose far end is itself, and a control port in plain HTTP beside it."""

import asyncio
import json
import socket
import ssl
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from tests.yahoo_standin.certificates import client_environment, make_authority
from tests.yahoo_standin.faults import Fault, FaultPlan
from tests.yahoo_standin.http import Request, Response, read_request
from tests.yahoo_standin.market import Market
from tests.yahoo_standin.streamer import Streamer
from tests.yahoo_standin.yahoo import Yahoo

STREAMER_HOST = "streamer.finance.yahoo.com"
# Longer than any test waits: nothing ever answers.
HANG_SECONDS = 3600.0
DRIP_SECONDS_A_BYTE = 0.2


class YahooStandin:
    """Serves a market as Yahoo would. `async with YahooStandin(market, folder) as yahoo: ...`

    Args:
        market: What it serves.
        folder: Where the authority's certificate is written.
        port: Port of the proxy and the control requests; 0 takes a free one.
        latency_seconds: Before every reply.
    """

    def __init__(self, market: Market, folder: Path, *, port: int = 0, latency_seconds: float = 0.0) -> None:
        self.market = market
        self.faults = FaultPlan()
        self.yahoo = Yahoo(market, self.faults)
        self.latency_seconds = latency_seconds
        self.port = port
        self.ca_file = folder / "yahoo-standin-ca.pem"
        self.streamer = Streamer(market, self.faults)
        self._tls: ssl.SSLContext | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def environment(self) -> dict[str, str]:
        """Variables under which a client takes this for Yahoo."""
        return client_environment(self.port, self.ca_file)

    @property
    def open_connections(self) -> int:
        """Connections being served."""
        return len(self._connections)

    async def __aenter__(self) -> Self:
        self._tls = make_authority(self.ca_file)
        await self.streamer.start(self._tls)
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self.streamer.stop()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went, or we are closing; either way this connection is over
        finally:
            self._connections.discard(task)
            # Not a graceful close: curl answers no close_notify, and a connection cut off in its handshake never
            # tells its writer that it is closed.
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        if request is None:
            return
        if request.method != "CONNECT":
            await _send_and_close(writer, self._control(request))
            return
        host = request.target.rsplit(":", 1)[0]
        if host != "yahoo.com" and not host.endswith(".yahoo.com"):
            await _send_and_close(writer, Response.of_text(f"{host} is not Yahoo\n", 403))
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()
        if host == STREAMER_HOST:
            await self._tunnel(reader, writer)
            return
        assert self._tls is not None
        await writer.start_tls(self._tls)
        while (request := await read_request(reader)) is not None:
            if not await self._reply(host, request, reader, writer):
                return

    async def _reply(
        self, host: str, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; False where the connection is over."""
        if self.latency_seconds:
            await asyncio.sleep(self.latency_seconds)
        is_data = request.path.startswith(("/v7/", "/v8/"))
        strike = self.faults.strikes(Fault.HANG, Fault.RESET, Fault.DRIP, Fault.TRUNCATED) if is_data else None
        if strike is Fault.HANG:
            self.yahoo.requests.append((host, request.path, 0))
            await _until_closed(reader)
            return False
        if strike is Fault.RESET:
            self.yahoo.requests.append((host, request.path, 0))
            _reset(writer)
            return False
        response = self.yahoo.answer(host, request)
        if strike is Fault.TRUNCATED:
            response = Response(200, response.body[: len(response.body) // 2], response.headers)
        payload = response.encoded()
        if strike is Fault.DRIP:
            for index in range(len(payload)):
                writer.write(payload[index : index + 1])
                await writer.drain()
                await asyncio.sleep(DRIP_SECONDS_A_BYTE)
        else:
            writer.write(payload)
        await writer.drain()
        return True

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.streamer.port)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(65_536):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        try:
            await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
        finally:
            far_writer.close()

    def _control(self, request: Request) -> Response:
        """Plain HTTP on the same port: `GET /standin`, `POST /standin/fault`, `POST /standin/clear`."""
        body: dict[str, Any] = json.loads(request.body) if request.body else {}
        if request.path == "/standin/fault":
            self.faults.order(
                Fault(body["fault"]), probability=float(body.get("probability", 1)), times=body.get("times")
            )
        elif request.path == "/standin/clear":
            self.faults.clear(*(Fault(name) for name in body.get("faults", [])))
        elif request.path != "/standin":
            return Response.of_text("not found", 404)
        return Response.of_json(
            {
                "requests": len(self.yahoo.requests),
                "quote_requests": self.yahoo.count("/v7/"),
                "chart_requests": self.yahoo.count("/v8/"),
                "faults": self.faults.in_force(),
                "environment": self.environment,
            }
        )


async def _send_and_close(writer: asyncio.StreamWriter, response: Response) -> None:
    writer.write(response.encoded())
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def _until_closed(reader: asyncio.StreamReader) -> None:
    with suppress(OSError, TimeoutError):
        await asyncio.wait_for(reader.read(), HANG_SECONDS)


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        # A zero linger time makes close() send RST in place of FIN.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
