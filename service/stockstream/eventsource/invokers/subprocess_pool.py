"""Runs a Python handler in a pool of processes, each like one of Lambda's execution environments."""

import asyncio
import json
import tempfile
import time
import uuid
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stockstream.errors import AnswerTooLargeError
from stockstream.eventsource.errors import EventSourceConfigError, InvokerUnavailableError
from stockstream.eventsource.invokers.base import InvocationResult
from stockstream.eventsource.invokers.deployment import deployed_modules
from stockstream.eventsource.invokers.local_function import LocalFunction
from stockstream.eventsource.invokers.worker import ANSWER_MAX_BYTES, LogLine, Worker, WorkerExitedError

_UNHANDLED = "Unhandled"


def _ignore_log(_line: str) -> None:
    """Drop the function's log lines."""


class SubprocessInvoker:
    """A pool of execution environments: one invocation at a time each, reused warm, replaced when they die.

    Args:
        function: What to run.
        concurrency: Most environments at once (the function's reserved concurrency); a further invocation waits.
        on_log: Called with every line that the function writes to stdout or stderr, without its line end.
        make_request_id: For the AWS request id of an invocation.

    Raises:
        EventSourceConfigError: the package does not exist, or the extra's distributions are not installed.
    """

    def __init__(
        self,
        function: LocalFunction,
        *,
        concurrency: int = 4,
        on_log: LogLine = _ignore_log,
        make_request_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._function = function
        self._on_log = on_log
        self._make_request_id = make_request_id
        self._slots = asyncio.Semaphore(concurrency)
        self._warm: list[Worker] = []
        self._is_closed = False
        self._unpacked: tempfile.TemporaryDirectory[str] | None = None
        self._settings = self._worker_settings()

    @property
    def function_arn(self) -> str:
        return self._function.arn

    async def warm_up(self, count: int = 1) -> bytes | None:
        """Start environments before the first batch needs them; returns the init error as JSON, or None."""
        for _ in range(count - len(self._warm)):
            worker, init_error = await self._start()
            if worker is None:
                return init_error
            self._warm.append(worker)
        return None

    async def invoke(self, payload: bytes) -> InvocationResult:
        """Run the handler once, in a warm environment where there is one."""
        async with self._slots:
            if self._is_closed:
                raise InvokerUnavailableError("the invoker is closed")
            request_id = self._make_request_id()
            worker: Worker | None
            if self._warm:
                worker = self._warm.pop()
            else:
                worker, init_error = await self._start()
                if worker is None:
                    return InvocationResult(request_id, init_error or b"null", _UNHANDLED)
            return await self._invoke_in(worker, request_id, payload)

    async def aclose(self) -> None:
        self._is_closed = True
        workers, self._warm = self._warm, []
        await asyncio.gather(*(worker.aclose() for worker in workers))
        if self._unpacked is not None:
            self._unpacked.cleanup()
            self._unpacked = None

    async def _invoke_in(self, worker: Worker, request_id: str, payload: bytes) -> InvocationResult:
        timeout = self._function.timeout_seconds
        header = {
            "request_id": request_id,
            "function_arn": self._function.arn,
            "deadline_epoch_ms": (time.time() + timeout) * 1000,
        }
        is_reusable = False
        try:
            async with asyncio.timeout(timeout):
                is_answer, data = await worker.invoke(header, payload)
            is_reusable = not self._is_closed
        except TimeoutError:
            error = f"RequestId: {request_id} Error: Task timed out after {timeout:.2f} seconds"
            return _runtime_error(request_id, "Sandbox.Timedout", error)
        except AnswerTooLargeError:
            error = f"Response payload size exceeded maximum allowed payload size ({ANSWER_MAX_BYTES} bytes)."
            return _runtime_error(request_id, "Function.ResponseSizeTooLarge", error)
        except WorkerExitedError as exc:
            return _runtime_error(request_id, "Runtime.ExitError", f"RequestId: {request_id} Error: {exc}")
        finally:
            # Also on cancellation: an environment in the middle of something is never used again.
            if is_reusable:
                self._warm.append(worker)
            else:
                await worker.kill()
        return InvocationResult(request_id, data, None if is_answer else _UNHANDLED)

    async def _start(self) -> tuple[Worker | None, bytes | None]:
        stream = f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{uuid.uuid4().hex}"
        worker = await Worker.start(self._function, self._settings, stream, self._on_log)
        is_ready = False
        try:
            async with asyncio.timeout(self._function.init_timeout_seconds):
                init_error = await worker.wait_ready()
            is_ready = init_error is None
        except TimeoutError:
            seconds = self._function.init_timeout_seconds
            init_error = _error("Sandbox.Timedout", f"Init timed out after {seconds:.2f} seconds")
        except WorkerExitedError as exc:
            init_error = _error("Runtime.ExitError", str(exc))
        except AnswerTooLargeError as exc:
            init_error = _error("Runtime.Unknown", str(exc))
        finally:
            if not is_ready:
                await worker.kill()
        return (worker, None) if is_ready else (None, init_error)

    def _worker_settings(self) -> dict[str, Any]:
        function = self._function
        module, _, name = function.handler_parts
        directories = [str(path.resolve()) for path in function.code_directories]
        allowed: list[str] | None = None
        if function.package is not None:
            directories.insert(0, str(self._unpack(function.package)))
        else:
            deployed = deployed_modules(function.distribution, function.extra)
            allowed = sorted(deployed | set(function.own_packages))
        return {"module": module, "function": name, "code_directories": directories, "allowed_modules": allowed}

    def _unpack(self, package: Path) -> Path:
        """Lambda unpacks the zip too: compiled modules cannot be imported out of one."""
        if package.is_dir():
            return package.resolve()
        try:
            with zipfile.ZipFile(package) as archive:
                self._unpacked = tempfile.TemporaryDirectory(prefix="stockstream-function-")
                archive.extractall(self._unpacked.name)
        except (OSError, zipfile.BadZipFile) as exc:
            raise EventSourceConfigError(f"package={package} is not a deployment zip or directory: {exc}") from exc
        return Path(self._unpacked.name)


def _runtime_error(request_id: str, error_type: str, message: str) -> InvocationResult:
    return InvocationResult(request_id, _error(error_type, message), _UNHANDLED)


def _error(error_type: str, message: str) -> bytes:
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()
