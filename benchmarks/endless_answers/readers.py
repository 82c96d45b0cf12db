"""One reader against one endless answer, in a process of its own: `-m benchmarks.endless_answers.readers NAME PORT`.

Prints a JSON line: the memory before and at its peak, and what the reader said.
"""

import asyncio
import importlib
import json
import os
import random
import resource
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.endless_answers.server import bomb

_FILE_BYTES: Final = 1024**3
# A reader without a bound fails here, and not the machine.
_MEMORY_MAX_BYTES: Final = 3 * 1024**3
_SILENCE_SECONDS: Final = 20.0

Read = Callable[[int, Path], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Case:
    """A reader and what it is given.

    Attributes:
        answer: Kind of the server's answer; None for a file of its own.
        read: The reader.
        said: What it must say: of an answer that it took for good, or of a broken case, it says something else.
        module: Imported before memory is measured: it is no part of the answer.
    """

    answer: str | None
    read: Read
    said: str
    module: str


async def _kinesis_fast(port: int, _: Path) -> object:
    from stockstream.sender.lane import KinesisRecord, Lane
    from stockstream.sender.transport.connections import ConnectionPool
    from stockstream.sender.transport.fast import FastTransport
    from stockstream_wire.aws.sigv4 import SigningKeys

    class Keys:
        access_key = secret_key = "test"
        token: str | None = None

        async def get_frozen_credentials(self) -> SigningKeys:
            return self

        async def renew(self, _: object) -> bool:
            return False

    pool = ConnectionPool(
        "127.0.0.1", port, tls=None, connect_timeout_seconds=5, read_timeout_seconds=10, keepalive_seconds=60
    )
    transport = FastTransport(
        endpoint_url=f"http://127.0.0.1:{port}",
        region="us-east-1",
        stream="stockstream",
        credentials=Keys(),
        encoding="json",
        pool=pool,
    )
    try:
        return await transport.put_records([KinesisRecord(Lane(0, "0"), b"x", 1, 1, 0.0)])
    finally:
        await pool.close()


async def _kinesis_aiobotocore(port: int, _: Path) -> object:
    from stockstream.aws import AwsConfig, open_client
    from stockstream.sender.lane import KinesisRecord, Lane
    from stockstream.sender.transport.aiobotocore_transport import AiobotocoreTransport
    from stockstream.sender.transport.connections import ANSWER_MAX_BYTES

    aws = AwsConfig("us-east-1", f"http://127.0.0.1:{port}", "test", "test")
    options: dict[str, Any] = {"answer_max_bytes": ANSWER_MAX_BYTES, "retries": {"total_max_attempts": 1}}
    async with open_client(aws, "kinesis", **options) as client:
        transport = AiobotocoreTransport(client, "stockstream")
        return await transport.put_records([KinesisRecord(Lane(0, "0"), b"x", 1, 1, 0.0)])


async def _aws_call(port: int, _: Path) -> object:
    from stockstream.aws import AwsConfig, open_client

    aws = AwsConfig("us-east-1", f"http://127.0.0.1:{port}", "test", "test")
    async with open_client(aws, "dynamodb", retries={"total_max_attempts": 1}) as client:
        return await client.list_tables()


async def _s3_object(port: int, _: Path) -> object:
    from stockstream.aws import AwsConfig, open_client, read_object

    aws = AwsConfig("us-east-1", f"http://127.0.0.1:{port}", "test", "test")
    async with open_client(aws, "s3", retries={"total_max_attempts": 1}) as client:
        return await read_object(client, "archive", "raw/key")


async def _credentials(environment: Mapping[str, str]) -> object:
    from stockstream.aws import AwsConfig, find_credentials

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(environment, AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
    found = await find_credentials(AwsConfig("us-east-1")).get_frozen_credentials()
    raise LookupError(f"no credentials were found: {found}")


async def _ecs_credentials(port: int, _: Path) -> object:
    return await _credentials({"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{port}/credentials"})


async def _ec2_credentials(port: int, _: Path) -> object:
    return await _credentials({"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{port}/"})


async def _yahoo(port: int, _: Path) -> object:
    from stockstream.sources.yahoo._session import GuardedSession

    session = GuardedSession(60.0)
    try:
        return await asyncio.to_thread(session.get, f"http://127.0.0.1:{port}/v7/finance/quote")
    finally:
        session.close()


async def _yahoo_stream(port: int, _: Path) -> object:
    from stockstream.clock import SYSTEM_CLOCK
    from stockstream.sources.stream import StreamConnection

    async def take(_: str | bytes) -> bool:
        raise AssertionError("the message has come through")

    connection = StreamConnection(
        lambda: ["AAPL"],
        take,
        orders=lambda joined, _left: joined,
        url=f"ws://127.0.0.1:{port}",
        clock=SYSTEM_CLOCK,
        rng=random.Random(1),
    )
    task = asyncio.create_task(connection.run())
    try:
        while connection.connections_total < 2:
            if task.done():
                await task
            await asyncio.sleep(0.05)
    finally:
        task.cancel()
    raise ConnectionError("the connection was given up, and made again")


async def _webhook(port: int, _: Path) -> object:
    from stockstream_lambda.notifier.receiver import post

    return await asyncio.to_thread(post, f"http://127.0.0.1:{port}/hook", b"{}", {})


async def _consumer(port: int, service: str) -> object:
    from stockstream_lambda.aws.client import ServiceClient
    from stockstream_lambda.aws.credentials import CredentialSource, endpoint_for
    from stockstream_lambda.aws.dynamodb import DynamoDb, Table
    from stockstream_lambda.aws.s3 import S3
    from stockstream_wire.storage import TABLES

    environ = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
    client = ServiceClient(service, "us-east-1", endpoint_for(service, "us-east-1", environ), CredentialSource(environ))
    if service == "s3":
        return await asyncio.to_thread(S3(client, "archive").get, "raw/key")
    keys = [("AAPL", "2026-11-20T14:30:00.000Z")]
    return await asyncio.to_thread(DynamoDb(client).stored_keys, Table("quotes", TABLES["quotes"]), keys)


async def _consumer_dynamodb(port: int, _: Path) -> object:
    return await _consumer(port, "dynamodb")


async def _consumer_s3(port: int, _: Path) -> object:
    return await _consumer(port, "s3")


async def _archive_object(_: int, __: Path) -> object:
    from stockstream_wire.storage import unpack_lines

    return unpack_lines(bomb(_FILE_BYTES))


async def _watchlist(_: int, folder: Path) -> object:
    from stockstream.settings._values import read_watchlist_file

    return read_watchlist_file(_sparse(folder / "watchlist.txt"))


async def _replay_line(_: int, folder: Path) -> object:
    from stockstream.sources.replay._readers import open_reader

    return list(open_reader(_sparse(folder / "quotes.csv")).rows())


async def _replay_gzip(_: int, folder: Path) -> object:
    from stockstream.sources.replay._readers import open_reader

    path = folder / "quotes.csv.gz"
    path.write_bytes(bomb(_FILE_BYTES))
    return list(open_reader(path).rows())


async def _function(_: int, folder: Path) -> object:
    from stockstream.eventsource import LocalFunction, SubprocessInvoker

    (folder / "large.py").write_text(f"def handler(event, context):\n    return 'x' * {_FILE_BYTES // 4}\n")
    function = LocalFunction(handler="large.handler", name="large", code_directories=(folder,))
    async with AsyncExitStack() as stack:
        invoker = SubprocessInvoker(function, on_log=lambda _line: None)
        stack.push_async_callback(invoker.aclose)
        answer = await invoker.invoke(b"{}")
    if answer.function_error is None:
        return answer.payload
    raise ValueError(answer.payload.decode())


def _sparse(path: Path) -> Path:
    with path.open("wb") as file:
        file.truncate(_FILE_BYTES)
    return path


_TOO_LARGE: Final = "is larger than"

CASES: Final[dict[str, Case]] = {
    **{
        f"kinesis, fast: {kind}": Case(kind, _kinesis_fast, "PutError: AnswerTooLargeError", "stockstream.sender")
        for kind in ("endless", "declared", "until-close", "error", "head", "interim")
    },
    **{
        f"kinesis, aiobotocore: {kind}": Case(
            kind, _kinesis_aiobotocore, f"PutError: HTTPClientError.*{_TOO_LARGE}", "stockstream.sender"
        )
        for kind in ("endless", "declared", "until-close", "error")
    },
    "kinesis, aiobotocore: head": Case("head", _kinesis_aiobotocore, "PutError", "stockstream.sender"),
    "aws call: endless": Case("endless", _aws_call, _TOO_LARGE, "stockstream.aws"),
    "s3 object: endless": Case("endless", _s3_object, _TOO_LARGE, "stockstream.aws"),
    "ecs credentials: endless": Case("endless", _ecs_credentials, _TOO_LARGE, "stockstream.aws"),
    "ec2 credentials: endless": Case("endless", _ec2_credentials, _TOO_LARGE, "stockstream.aws"),
    **{
        f"yahoo: {kind}": Case(kind, _yahoo, f"YahooCallError: .*{_TOO_LARGE}", "stockstream.sources.yahoo._session")
        for kind in ("endless", "declared", "until-close", "gzip", "error")
    },
    "yahoo: head": Case("head", _yahoo, "Too large response headers", "stockstream.sources.yahoo._session"),
    "yahoo stream: endless": Case("websocket", _yahoo_stream, "given up", "stockstream.sources.stream"),
    "yahoo stream: deflate": Case("websocket-deflate", _yahoo_stream, "given up", "stockstream.sources.stream"),
    # The body of a webhook's answer is never read.
    "webhook: endless": Case("endless", _webhook, "returned 200", "stockstream_lambda.notifier.receiver"),
    "webhook: error": Case("error", _webhook, "WebhookError", "stockstream_lambda.notifier.receiver"),
    "webhook: head": Case("head", _webhook, "WebhookError", "stockstream_lambda.notifier.receiver"),
    **{
        f"consumer, {service}: {kind}": Case(kind, read, f"StoreUnavailableError: .*{said}", "stockstream_lambda.app")
        for service, read in (("dynamodb", _consumer_dynamodb), ("s3", _consumer_s3))
        for kind, said in (
            ("endless", "AnswerTooLong"),
            ("declared", "AnswerTooLong"),
            ("until-close", "AnswerTooLong"),
            ("error", "AnswerTooLong"),
            ("head", "head does not end"),
            ("interim", "TimeoutError"),
        )
    },
    "archive object: gzip": Case(
        None, _archive_object, "OSError: unpacked it is longer than", "stockstream_wire.storage"
    ),
    "watchlist file": Case(None, _watchlist, _TOO_LARGE, "stockstream.settings"),
    "replay file: one line": Case(None, _replay_line, "InputError: .*too long", "stockstream.sources.replay._readers"),
    "replay file: gzip": Case(None, _replay_gzip, "InputError: .*too long", "stockstream.sources.replay._readers"),
    "function's answer": Case(None, _function, "ResponseSizeTooLarge", "stockstream.eventsource"),
}


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


async def _run(case: Case, port: int, folder: Path) -> str:
    async with asyncio.timeout(120):
        try:
            answer = await case.read(port, folder)
        except TimeoutError:
            raise
        except Exception as exc:  # noqa: BLE001 - what it says is the result
            return f"{type(exc).__name__}: {exc}"
    return f"returned {str(answer)[:80]}"


def main() -> None:
    """Run one case."""
    case, port = CASES[sys.argv[1]], int(sys.argv[2])
    if sys.platform != "darwin":
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_MAX_BYTES, _MEMORY_MAX_BYTES))
    importlib.import_module(case.module)
    with tempfile.TemporaryDirectory() as name:
        before_bytes = _peak_bytes()
        said = asyncio.run(_run(case, port, Path(name)))
    print(json.dumps({"before_bytes": before_bytes, "peak_bytes": _peak_bytes(), "said": said[:300]}))


if __name__ == "__main__":
    main()
