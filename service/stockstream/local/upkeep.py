"""`stockstream tidy` and `rebuild`: the consumer's own code, in a process confined to what the zip holds."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stockstream.aws import AwsConfig
from stockstream.errors import InputError, PermanentError
from stockstream.eventsource import LocalFunction, SubprocessInvoker
from stockstream.local.consumer import handler_environment
from stockstream.local.emulator import choose_port, run_emulator
from stockstream.local.options import LOCAL_REGION
from stockstream.local.provision import Resources, provision, resource_names
from stockstream.local.state import open_state
from stockstream.settings import Settings

TIDY_HANDLER: Final = "stockstream_lambda.tidy.handler:handler"
REBUILD_HANDLER: Final = "stockstream_lambda.rebuild:handler"
# Lambda's longest; the tidy runs so long there too.
_TIMEOUT_SECONDS: Final = 900.0
_MEMORY_MB: Final = 1769
_SHOWN_LOG_LINES: Final = 5


class UpkeepError(PermanentError):
    """The consumer's code could not do it; the message has its words."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """One of the consumer's functions, ready to be called."""

    invoker: SubprocessInvoker
    lines: list[str]

    async def call(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Call it once.

        Raises:
            UpkeepError: it failed.
        """
        result = await self.invoker.invoke(json.dumps(event).encode())
        answer: dict[str, Any] = json.loads(result.payload)
        if result.function_error is not None:
            told = "\n".join(self.lines[-_SHOWN_LOG_LINES:])
            raise UpkeepError(f"{answer.get('errorType')}: {answer.get('errorMessage')}\n{told}".strip())
        return answer


@asynccontextmanager
async def open_upkeep(
    settings: Settings, aws: AwsConfig, handler: str, *, alerts_topic_arn: str = ""
) -> AsyncIterator[Upkeep]:
    """Start the function's process.

    Args:
        settings: What things are called.
        aws: Where they are.
        handler: The function's.
        alerts_topic_arn: Where its alerts go; without one they are recorded as sent, and nobody hears of them.
    """
    environment = handler_environment(
        aws,
        resource_names(settings),
        alerts_topic_arn=alerts_topic_arn,
        anomaly_threshold_percent=settings.anomaly_threshold_percent,
        retention_days=settings.retention_days,
        log_level="WARNING",
    )
    function = LocalFunction(
        handler=handler,
        name="stockstream-upkeep",
        region=aws.region,
        environment=environment,
        timeout_seconds=_TIMEOUT_SECONDS,
        memory_mb=_MEMORY_MB,
    )
    lines: list[str] = []
    invoker = SubprocessInvoker(function, concurrency=1, on_log=lines.append)
    try:
        if (error := await invoker.warm_up(1)) is not None:
            raise UpkeepError(f"the consumer's code does not start: {error.decode(errors='replace')}")
        yield Upkeep(invoker, lines)
    finally:
        await invoker.aclose()


@asynccontextmanager
async def aws_of_state(state_dir: Path, settings: Settings) -> AsyncIterator[tuple[AwsConfig, Resources]]:
    """The emulator of a local run that has ended, started on its state folder; what is missing there is made.

    Raises:
        LocalModeError: a run uses the folder.
        InputError: there is none, or an earlier version has left it.
    """
    if not (state_dir / "emulator").is_dir():
        raise InputError(f"--state {state_dir} is no state folder of a run. Remedy: the one of `stockstream local`")
    with open_state(state_dir, fresh=False) as state:
        region = settings.region or LOCAL_REGION
        async with run_emulator(state.root, choose_port(None), region=region) as emulator:
            aws = AwsConfig(region, emulator.endpoint_url, "test", "test")
            yield aws, await provision(aws, resource_names(settings))
