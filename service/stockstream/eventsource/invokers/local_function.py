"""A function on this machine: handler, limits and environment, as Lambda's configuration would have them."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from stockstream.eventsource.errors import EventSourceConfigError

# Lambda: 1 s to 15 min, 128 MB to 10,240 MB.
TIMEOUT_MAX_SECONDS: Final = 900
MEMORY_MIN_MB: Final = 128
MEMORY_MAX_MB: Final = 10_240
# What a process needs to run at all; everything else the function sees is in `environment`, as in Lambda.
_INHERITED: Final = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFunction:
    """How to run a Python handler as Lambda would.

    Attributes:
        handler: `package.module:function`, or AWS's `package.module.function`.
        name: Function name.
        region: For the ARN and AWS_REGION.
        account_id: For the ARN.
        timeout_seconds: An invocation that takes longer is killed.
        init_timeout_seconds: Importing the handler may take this long. Lambda gives 10 s and then runs the init again
            inside the invocation; here it is one longer limit.
        memory_mb: What the context says; not enforced.
        environment: Variables that the function sees.
        package: Built deployment zip or directory: the function sees the standard library and this. None: it sees this
            interpreter's packages, confined to what the deployment zip holds.
        code_directories: More places of the function's own code, for functions that are not installed.
        distribution: Whose `extra` says what the zip holds.
        extra: The extra of that distribution.
        own_packages: Packages of ours in the zip.
        python: The interpreter.
    """

    handler: str
    name: str
    region: str = "us-east-1"
    account_id: str = "000000000000"
    timeout_seconds: float = 60.0
    init_timeout_seconds: float = 30.0
    memory_mb: int = 512
    environment: Mapping[str, str] = field(default_factory=dict)
    package: Path | None = None
    code_directories: tuple[Path, ...] = ()
    distribution: str = "stockstream"
    extra: str = "lambda"
    own_packages: tuple[str, ...] = ("stockstream_lambda", "stockstream_wire")
    python: str = sys.executable

    def __post_init__(self) -> None:
        if not 0 < self.timeout_seconds <= TIMEOUT_MAX_SECONDS:
            raise EventSourceConfigError(
                f"timeout_seconds={self.timeout_seconds} is out of range: above 0, at most {TIMEOUT_MAX_SECONDS}"
            )
        if not MEMORY_MIN_MB <= self.memory_mb <= MEMORY_MAX_MB:
            raise EventSourceConfigError(
                f"memory_mb={self.memory_mb} is out of range: {MEMORY_MIN_MB} to {MEMORY_MAX_MB}"
            )
        module, separator, function = self.handler_parts
        if not (module and separator and function.isidentifier()):
            raise EventSourceConfigError(f"handler={self.handler} is not of the form package.module:function")

    @property
    def handler_parts(self) -> tuple[str, str, str]:
        """Module, separator and function name."""
        return self.handler.rpartition(":" if ":" in self.handler else ".")

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account_id}:function:{self.name}"

    def process_environment(self, log_stream_name: str) -> dict[str, str]:
        """The environment of one execution environment, with Lambda's reserved variables."""
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        module, _, function = self.handler_parts
        return {
            **inherited,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "TZ": ":UTC",
            **self.environment,
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory_mb),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": log_stream_name,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "_HANDLER": f"{module}.{function}",
            "PYTHONUNBUFFERED": "1",
        }
