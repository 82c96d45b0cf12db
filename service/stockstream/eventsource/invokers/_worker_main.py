"""The inside of one local execution environment: imports the handler, then runs one invocation after the other.

Run as a script by `worker.py`, with the standard library only; nothing of the service may be imported here, because
the function must not find it. Frames on both pipes: 4 bytes of length (big endian), then JSON; an invocation is a
header frame and a frame with the event, an answer is a header frame and a frame with the result.
"""

import importlib
import importlib.abc
import json
import os
import struct
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

# Lambda's quota of a synchronous response.
_RESPONSE_MAX_BYTES = 6 * 1024 * 1024


class DeploymentFinder(importlib.abc.MetaPathFinder):
    """Refuses every import that is neither the standard library's nor in the deployment zip."""

    def __init__(self, allowed: Sequence[str], own_directories: Sequence[str]) -> None:
        self._allowed = (
            frozenset(allowed) | sys.stdlib_module_names | frozenset(sys.builtin_module_names) | {"__main__"}
        )
        self._own_directories = tuple(own_directories)

    def find_spec(self, fullname: str, _path: Any = None, _target: Any = None) -> None:
        """Say nothing of what is allowed, so that the finders after this one find it."""
        top = fullname.partition(".")[0]
        # The build's own data module has the platform in its name, which no list of standard modules can hold.
        is_standard = top in self._allowed or top.startswith("_sysconfigdata_")
        if not is_standard and not self._is_own(top):
            raise ModuleNotFoundError(
                f"No module named {fullname!r}: {top!r} is not in the deployment zip; "
                "add it to the lambda extra, or do not import it in the function",
                name=fullname,
            )

    def _is_own(self, top: str) -> bool:
        places = [Path(directory) / top for directory in self._own_directories]
        return any(place.exists() or place.with_suffix(".py").exists() for place in places)


class LambdaContext:
    """The context object of Lambda's Python runtime."""

    def __init__(self, request_id: str, function_arn: str, deadline_epoch_ms: float) -> None:
        self.aws_request_id = request_id
        self.invoked_function_arn = function_arn
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self._deadline_epoch_ms = deadline_epoch_ms

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation is killed."""
        return max(int(self._deadline_epoch_ms - time.time() * 1000), 0)


def _read_exactly(pipe: BinaryIO, size: int) -> bytes:
    data = pipe.read(size)
    if len(data) != size:
        raise SystemExit(0)  # the service closed the pipe: this environment is over
    return data


def read_frame(pipe: BinaryIO) -> bytes:
    """Read one frame; ends the process at the end of the pipe."""
    (size,) = struct.unpack(">I", _read_exactly(pipe, 4))
    return _read_exactly(pipe, size)


def write_frames(pipe: BinaryIO, *frames: bytes) -> None:
    """Write frames and flush."""
    pipe.write(b"".join(struct.pack(">I", len(frame)) + frame for frame in frames))
    pipe.flush()


def error_of(exc: BaseException, error_type: str | None = None) -> bytes:
    """An error as Lambda's Python runtime reports it."""
    frames = traceback.extract_tb(exc.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__ and "importlib" not in frame.filename]
    return json.dumps(
        {
            "errorMessage": str(exc),
            "errorType": error_type or type(exc).__name__,
            "stackTrace": traceback.format_list(own),
        }
    ).encode()


def load_handler(module_name: str, function_name: str) -> Any:
    """Import the handler.

    Raises:
        LookupError: the module has no such function.
    """
    module = importlib.import_module(module_name)
    try:
        return getattr(module, function_name)
    except AttributeError as exc:
        raise LookupError(f"Handler {function_name!r} missing on module {module_name!r}") from exc


def initialise(settings: dict[str, Any]) -> tuple[Any, bytes | None]:
    """Set the import path, confine it and import; returns the handler, or None and the init error as JSON."""
    own = settings["code_directories"]
    sys.path[:0] = own
    os.environ.setdefault("LAMBDA_TASK_ROOT", own[0] if own else str(Path.cwd()))
    if settings["allowed_modules"] is not None:
        sys.meta_path.insert(0, DeploymentFinder(settings["allowed_modules"], own))
    module_name, function_name = settings["module"], settings["function"]
    try:
        return load_handler(module_name, function_name), None
    except LookupError as exc:
        return None, error_of(exc, "Runtime.HandlerNotFound")
    except ImportError as exc:
        named = ImportError(f"Unable to import module '{module_name}': {exc}")
        return None, error_of(named.with_traceback(exc.__traceback__), "Runtime.ImportModuleError")
    except SyntaxError as exc:
        return None, error_of(exc, "Runtime.UserCodeSyntaxError")
    except Exception as exc:  # noqa: BLE001 - whatever the function's import raises is its init error
        return None, error_of(exc)


def invoke(handler: Any, header: dict[str, Any], event: bytes) -> tuple[bool, bytes]:
    """Run the handler once; returns whether it answered, and the answer or the error as JSON."""
    context = LambdaContext(header["request_id"], header["function_arn"], header["deadline_epoch_ms"])
    try:
        answer = handler(json.loads(event), context)
    except Exception as exc:  # noqa: BLE001 - a function error, whatever it is; the exit of the process is not
        print(f"[ERROR] {type(exc).__name__}: {exc}", file=sys.stderr)  # noqa: T201 - Lambda's runtime logs it so
        return False, error_of(exc)
    try:
        data = json.dumps(answer).encode()
    except (TypeError, ValueError) as exc:
        return False, error_of(exc, "Runtime.MarshalError")
    if len(data) > _RESPONSE_MAX_BYTES:
        too_large = ValueError(f"Response payload size exceeded maximum allowed payload size ({_RESPONSE_MAX_BYTES})")
        return False, error_of(too_large, "Function.ResponseSizeTooLarge")
    return True, data


def main() -> None:
    """Serve until the service closes the pipe."""
    # The function gets neither pipe: its stdin is empty, its stdout and stderr are log lines.
    requests = os.fdopen(os.dup(0), "rb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    answers_descriptor = int(sys.argv[1])
    os.set_inheritable(answers_descriptor, False)
    answers = os.fdopen(answers_descriptor, "wb")
    settings = json.loads(read_frame(requests))
    handler, init_error = initialise(settings)
    sys.stdout.flush()
    if init_error is not None:
        write_frames(answers, b'{"status":"init_error"}', init_error)
        return
    write_frames(answers, b'{"status":"ready"}', b"")
    while True:
        header, event = json.loads(read_frame(requests)), read_frame(requests)
        is_answer, data = invoke(handler, header, event)
        sys.stdout.flush()
        sys.stderr.flush()
        status = b'{"status":"answer"}' if is_answer else b'{"status":"error"}'
        write_frames(answers, status, data)


if __name__ == "__main__":
    main()
