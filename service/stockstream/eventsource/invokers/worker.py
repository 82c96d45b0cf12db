"""One local execution environment, seen from the service: a process, its pipes and its log lines."""

import asyncio
import contextlib
import json
import os
import signal
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from stockstream.errors import AnswerTooLargeError
from stockstream.eventsource.errors import InvokerUnavailableError
from stockstream.eventsource.invokers.local_function import LocalFunction

_MAIN: Final = Path(__file__).with_name("_worker_main.py")
# A log line longer than this is cut into pieces; Lambda's own limit of a log event is 256 KB.
_LINE_MAX_BYTES: Final = 1024 * 1024
# Lambda quotas: "Invocation payload (request and response): 6 MB each (synchronous)"; this number is in its error text.
ANSWER_MAX_BYTES: Final = 6_291_556
_EXIT_WAIT_SECONDS: Final = 2.0

LogLine = Callable[[str], None]


class WorkerExitedError(Exception):
    """The process ended in the middle of something; the message says how, in Lambda's words."""


class Worker:
    """A process that holds one function, warm, for one invocation at a time."""

    def __init__(self, process: asyncio.subprocess.Process, answers: asyncio.StreamReader, close: Callable[[], None]):
        self._process = process
        self._answers = answers
        self._close_answers = close
        self._pumps: list[asyncio.Task[None]] = []

    @classmethod
    async def start(
        cls, function: LocalFunction, settings: dict[str, Any], log_stream: str, on_log: LogLine
    ) -> "Worker":
        """Start the process and hand it its settings; `wait_ready` then waits for the import of the handler.

        Raises:
            InvokerUnavailableError: the machine cannot start a process.
        """
        read_end, write_end = os.pipe()
        isolation = ["-I", "-S"] if function.package is not None else ["-I"]
        try:
            process = await asyncio.create_subprocess_exec(
                function.python,
                *isolation,
                str(_MAIN),
                str(write_end),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(write_end,),
                env=function.process_environment(log_stream),
                # A group of its own: Ctrl-C in the terminal must not reach it before the drain is over, and a kill
                # takes whatever the function started with it.
                start_new_session=True,
                limit=_LINE_MAX_BYTES,
            )
        except OSError as exc:
            os.close(read_end)
            raise InvokerUnavailableError(f"cannot start {function.python}: {exc}") from exc
        finally:
            os.close(write_end)
        answers = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(answers), os.fdopen(read_end, "rb", 0)
        )
        worker = cls(process, answers, transport.close)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                worker._pumps.append(asyncio.create_task(_pump(stream, on_log)))
        await worker._send(json.dumps(settings).encode())
        return worker

    async def wait_ready(self) -> bytes | None:
        """Wait for the init; None when ready, else the init error as JSON.

        Raises:
            WorkerExitedError: the process died of it.
        """
        status, data = await self._receive()
        return None if status == "ready" else data

    async def invoke(self, header: dict[str, Any], event: bytes) -> tuple[bool, bytes]:
        """Run one invocation; returns whether the function answered, and its answer or error as JSON.

        Raises:
            WorkerExitedError: the process died of it.
            AnswerTooLargeError: the answer is larger than Lambda takes; the process is of no more use.
        """
        await self._send(json.dumps(header).encode(), event)
        status, data = await self._receive()
        return status == "answer", data

    async def aclose(self) -> None:
        """End the process: by closing its pipe where it waits, by a kill where it does not."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(_EXIT_WAIT_SECONDS):
                await self._process.wait()
        except TimeoutError:
            await self.kill()
            return
        await self._finish()

    async def kill(self) -> None:
        """End the process and all that it started, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        await self._finish()

    async def _finish(self) -> None:
        # A grandchild may hold the log pipes open; what it says is not waited for.
        _, running = await asyncio.wait(self._pumps, timeout=_EXIT_WAIT_SECONDS)
        for pump in running:
            pump.cancel()
        self._close_answers()
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def _send(self, *frames: bytes) -> None:
        stdin = self._process.stdin
        if stdin is None:
            raise WorkerExitedError("Runtime exited: its pipe is closed")
        try:
            for frame in frames:
                stdin.write(struct.pack(">I", len(frame)))
                stdin.write(frame)
            await stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as exc:
            raise WorkerExitedError(await self._how_it_ended()) from exc

    async def _receive(self) -> tuple[str, bytes]:
        try:
            header = json.loads(await self._frame())
            return header["status"], await self._frame()
        except asyncio.IncompleteReadError as exc:
            raise WorkerExitedError(await self._how_it_ended()) from exc

    async def _frame(self) -> bytes:
        (size,) = struct.unpack(">I", await self._answers.readexactly(4))
        if size > ANSWER_MAX_BYTES:
            raise AnswerTooLargeError("the function's answer", ANSWER_MAX_BYTES)
        return await self._answers.readexactly(size)

    async def _how_it_ended(self) -> str:
        code = await self._process.wait()
        if code < 0:
            return f"Runtime exited with error: signal: {signal.Signals(-code).name}"
        return f"Runtime exited with error: exit status {code}" if code else "Runtime exited without providing a reason"


async def _pump(stream: asyncio.StreamReader, on_log: LogLine) -> None:
    while True:
        try:
            line = await stream.readuntil(b"\n")
        except asyncio.IncompleteReadError as exc:
            if exc.partial:
                on_log(exc.partial.decode(errors="replace"))
            return
        except asyncio.LimitOverrunError as exc:
            line = await stream.readexactly(exc.consumed)
        on_log(line.decode(errors="replace").rstrip("\n"))
