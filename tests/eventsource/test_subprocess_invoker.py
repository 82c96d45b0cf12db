"""The local execution environment: warm reuse, errors as Lambda reports them, timeouts, crashes, and confinement."""

import asyncio
import json
import os
import sys
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from stockstream.eventsource import LocalFunction, SubprocessInvoker
from stockstream.eventsource.errors import EventSourceConfigError, InvokerUnavailableError
from stockstream.eventsource.invokers.deployment import deployed_modules
from tests.patience import PATIENCE_SECONDS

HERE = Path(__file__).parent


def function(**changes: Any) -> LocalFunction:
    values: dict[str, Any] = {
        "handler": "fixture_function:handler",
        "name": "stockstream-consumer",
        "code_directories": (HERE,),
    }
    return LocalFunction(**(values | changes))


@asynccontextmanager
async def invoking(
    *, concurrency: int = 1, on_log: Callable[[str], None] = lambda _line: None, **changes: Any
) -> AsyncIterator[SubprocessInvoker]:
    invoker = SubprocessInvoker(function(**changes), concurrency=concurrency, on_log=on_log)
    try:
        yield invoker
    finally:
        await invoker.aclose()


async def call(invoker: SubprocessInvoker, **event: Any) -> Any:
    answer = await invoker.invoke(json.dumps(event).encode())
    assert answer.function_error is None, answer.payload
    return json.loads(answer.payload)


async def error(invoker: SubprocessInvoker, **event: Any) -> dict[str, Any]:
    answer = await invoker.invoke(json.dumps(event).encode())
    assert answer.function_error == "Unhandled"
    assert answer.status_code == 200
    problem: dict[str, Any] = json.loads(answer.payload)
    return problem


async def test_an_environment_is_reused_warm() -> None:
    async with invoking() as invoker:
        first, second = await call(invoker), await call(invoker)
    assert first["pid"] == second["pid"] != os.getpid()
    assert second["invocations"] == 2


async def test_invocations_at_once_get_environments_of_their_own_up_to_the_concurrency() -> None:
    async with invoking(concurrency=2) as invoker:
        answers = await asyncio.gather(*(call(invoker) for _ in range(6)))
    assert len({answer["pid"] for answer in answers}) == 2


async def test_an_exception_is_a_function_error_as_lambda_reports_it() -> None:
    async with invoking() as invoker:
        problem = await error(invoker, do="raise")
        after = await call(invoker)
    assert problem["errorType"] == "KeyError"
    assert problem["errorMessage"] == "'no such quote'"
    assert "fixture_function.py" in problem["stackTrace"][-1]
    assert after["invocations"] == 2, "a function error leaves the environment warm"


async def test_a_crash_is_a_function_error_and_the_environment_is_replaced() -> None:
    async with invoking() as invoker:
        before = await call(invoker)
        problem = await error(invoker, do="exit")
        after = await call(invoker)
    assert problem["errorType"] == "Runtime.ExitError"
    assert "exit status 3" in problem["errorMessage"]
    assert after["invocations"] == 1
    assert after["pid"] != before["pid"]


async def test_a_timeout_kills_the_environment_and_the_next_invocation_gets_a_new_one() -> None:
    async with invoking(timeout_seconds=3) as invoker:
        before = await call(invoker)
        problem = await error(invoker, do="sleep", seconds=60)
        after = await call(invoker)
    assert problem["errorType"] == "Sandbox.Timedout"
    assert problem["errorMessage"].endswith("Task timed out after 3.00 seconds")
    assert after["pid"] != before["pid"]
    with pytest.raises(ProcessLookupError):
        os.kill(before["pid"], 0)


async def test_an_answer_that_is_no_json_is_a_marshal_error() -> None:
    async with invoking() as invoker:
        problem = await error(invoker, do="unserialisable")
    assert problem["errorType"] == "Runtime.MarshalError"


async def test_an_import_error_is_an_init_error_and_does_not_stop_the_pool() -> None:
    async with invoking(handler="no_such_module.handler") as invoker:
        for _ in range(2):
            problem = await error(invoker)
            assert problem["errorType"] == "Runtime.ImportModuleError"
            assert "no_such_module" in problem["errorMessage"]


async def test_a_missing_handler_is_named() -> None:
    async with invoking(handler="fixture_function.nothing") as invoker:
        problem = await error(invoker)
    assert problem["errorType"] == "Runtime.HandlerNotFound"
    assert problem["errorMessage"] == "Handler 'nothing' missing on module 'fixture_function'"


async def test_an_init_that_hangs_is_killed(tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text("import time\ntime.sleep(60)\n")
    async with invoking(handler="hangs:handler", code_directories=(tmp_path,), init_timeout_seconds=0.5) as invoker:
        problem = await error(invoker)
    assert problem["errorType"] == "Sandbox.Timedout"


async def test_log_lines_of_both_streams_come_out_and_stdin_is_empty() -> None:
    lines: list[str] = []
    async with invoking(on_log=lines.append) as invoker:
        await call(invoker, do="print")
        assert await call(invoker, do="stdin") == ""
    assert sorted(lines) == ["to stderr", "to stdout"]


async def test_the_context_is_lambdas() -> None:
    async with invoking(timeout_seconds=30, memory_mb=256) as invoker:
        context = await call(invoker, do="context")
        remaining_ms = context.pop("remaining_ms")
    assert 0 < remaining_ms <= 30_000
    assert context.pop("aws_request_id")
    assert context.pop("log_stream_name").count("/") == 3
    assert context == {
        "client_context": None,
        "function_name": "stockstream-consumer",
        "function_version": "$LATEST",
        "identity": None,
        "invoked_function_arn": "arn:aws:lambda:us-east-1:000000000000:function:stockstream-consumer",
        "log_group_name": "/aws/lambda/stockstream-consumer",
        "memory_limit_in_mb": "256",
    }


async def test_the_function_sees_its_own_environment_and_not_the_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_SECRET_OF_THE_SERVICE", "1")
    async with invoking(environment={"QUOTES_TABLE": "quotes"}) as invoker:
        environment = await call(invoker, do="environment")
    assert environment["QUOTES_TABLE"] == "quotes"
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "stockstream-consumer"
    assert "STOCKSTREAM_SECRET_OF_THE_SERVICE" not in environment


@pytest.mark.parametrize("module", ["tzdata", "structlog", "msgspec", "stockstream_wire", "zoneinfo"])
async def test_what_the_deployment_zip_holds_is_importable(module: str) -> None:
    async with invoking() as invoker:
        assert await call(invoker, do="import", module=module) == module


@pytest.mark.parametrize("module", ["stockstream", "pydantic", "boto3", "pytest", "yfinance", "no_such_module"])
async def test_what_the_deployment_zip_does_not_hold_is_refused_by_name(module: str) -> None:
    async with invoking() as invoker:
        problem = await error(invoker, do="import", module=module)
    assert problem["errorType"] == "ModuleNotFoundError"
    assert f"{module!r} is not in the deployment zip" in problem["errorMessage"]


def test_the_deployment_zip_holds_the_lambda_extra_and_nothing_of_the_others() -> None:
    modules = deployed_modules("stockstream", "lambda")
    assert {"structlog", "msgspec"} <= modules
    assert not modules & {"pydantic", "aiobotocore", "aiohttp", "click", "pytest", "stockstream", "moto", "numpy"}


def test_the_closure_of_an_extra_follows_requirements_and_extras_of_extras() -> None:
    modules = deployed_modules("stockstream", "local")
    assert {"aiobotocore", "botocore", "jmespath", "structlog", "rich", "markdown_it"} <= modules
    assert not modules & {"pytest", "stockstream", "moto", "hypothesis"}


def test_an_unknown_distribution_is_named() -> None:
    with pytest.raises(EventSourceConfigError, match="no-such-distribution"):
        deployed_modules("no-such-distribution", "lambda")


@pytest.mark.parametrize("form", ["zip", "directory"])
async def test_a_built_package_sees_the_standard_library_and_itself_only(tmp_path: Path, form: str) -> None:
    package = tmp_path / "function"
    package.mkdir()
    (package / "app.py").write_text((HERE / "fixture_function.py").read_text())
    if form == "zip":
        archive = tmp_path / "function.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.write(package / "app.py", "app.py")
        package = archive
    async with invoking(handler="app.handler", code_directories=(), package=package) as invoker:
        assert await call(invoker, do="import", module="decimal") == "decimal"
        for module in ("msgspec", "boto3", "stockstream", "stockstream_wire"):
            problem = await error(invoker, do="import", module=module)
            assert problem["errorType"] == "ModuleNotFoundError"


async def test_a_package_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "function.zip"
    broken.write_bytes(b"not a zip")
    with pytest.raises(EventSourceConfigError, match=r"function\.zip"):
        SubprocessInvoker(function(package=broken))


async def test_a_python_that_cannot_be_started_means_not_invoked() -> None:
    async with invoking(python="/nonexistent/python") as invoker:
        with pytest.raises(InvokerUnavailableError, match="/nonexistent/python"):
            await invoker.invoke(b"{}")


async def test_a_cancelled_invocation_leaves_no_process_behind() -> None:
    async with invoking() as invoker:
        pid = (await call(invoker))["pid"]
        running = asyncio.create_task(invoker.invoke(b'{"do": "sleep", "seconds": 60}'))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_closing_ends_every_environment() -> None:
    async with invoking(concurrency=2) as invoker:
        assert await invoker.warm_up(2) is None
        pids = {answer["pid"] for answer in await asyncio.gather(call(invoker), call(invoker))}
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert len(pids) == 2


async def test_a_large_event_and_a_large_answer_cross_the_pipes(tmp_path: Path) -> None:
    (tmp_path / "echo.py").write_text("def handler(event, context):\n    return event['text']\n")
    text = "x" * 5_000_000
    async with invoking(handler="echo:handler", code_directories=(tmp_path,)) as invoker:
        assert await call(invoker, text=text) == text


@pytest.mark.parametrize("handler", ["", "handler", "module:", ":handler", "module:not a name"])
def test_a_handler_of_another_form_is_refused(handler: str) -> None:
    with pytest.raises(EventSourceConfigError, match="handler="):
        function(handler=handler)


def test_the_interpreter_is_this_one_by_default() -> None:
    assert function().python == sys.executable


async def test_an_environment_does_not_outlive_a_service_that_is_killed() -> None:
    service = """
import asyncio, json, sys
from pathlib import Path
from stockstream.eventsource import LocalFunction, SubprocessInvoker

async def main():
    function = LocalFunction(handler="fixture_function:handler", name="f", code_directories=(Path(sys.argv[1]),))
    invoker = SubprocessInvoker(function)
    print(json.loads((await invoker.invoke(b"{}")).payload)["pid"], flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", service, str(HERE), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    process.kill()
    await process.wait()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while is_alive(pid):  # noqa: ASYNC110 - the state of a process that is not our child
            await asyncio.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # a zombie has ended; whoever inherited it has not looked yet
