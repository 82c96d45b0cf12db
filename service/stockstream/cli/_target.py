"""Where a command works: on AWS as the environment names it, or else on this machine's local stack."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stockstream.settings import LocalStack, Settings, find_stack, names_aws

if TYPE_CHECKING:
    from stockstream.aws import AwsConfig


class Target(NamedTuple):
    """Where a command works.

    Attributes:
        settings: With the names that things have there.
        aws: Region, endpoint, credentials.
        local_state_dir: State folder of the local stack; None on an AWS that the environment names.
    """

    settings: Settings
    aws: "AwsConfig"
    local_state_dir: Path | None


@asynccontextmanager
async def open_target(settings: Settings) -> AsyncIterator[Target]:
    """Find out where to work: the AWS that the environment names, else the local stack, else a profile's AWS.

    Raises:
        SettingsError: no AWS is named, and nothing ever ran here.
        LocalModeError: the local stack cannot be opened.
    """
    async with open_local(settings) as local:
        if local is not None:
            yield local
            return
        from stockstream.aws import resolve_aws  # noqa: PLC0415 - a wrong setting or option is told at once

        yield Target(settings, resolve_aws(settings.region), None)


@asynccontextmanager
async def open_local(settings: Settings) -> AsyncIterator[Target | None]:
    """Give the local stack where the environment names no AWS, and say so in one line on standard error.

    None where AWS is named, or nothing ever ran here.

    Raises:
        LocalModeError: the local stack cannot be opened.
    """
    from stockstream.local.stack import open_stack  # noqa: PLC0415 - as above

    stack = _find_stack(settings)
    if stack is None:
        yield None
        return
    where = f"at {stack.endpoint_url}" if stack.is_running else "at rest"
    print(  # noqa: T201 - to a person
        f"stockstream: on the local stack {where} ({stack.state_dir}); AWS_PROFILE or AWS_REGION would mean AWS",
        file=sys.stderr,
    )
    async with open_stack(stack) as aws:
        yield Target(stack.settings(settings), aws, stack.state_dir)


def on_disk(settings: Settings) -> Settings:
    """Settings with the folders of the local stack, for what is read from disk alone, where no AWS is named."""
    stack = _find_stack(settings)
    return settings if stack is None else stack.settings(settings)


def _find_stack(settings: Settings) -> LocalStack | None:
    return None if names_aws(settings, os.environ) else find_stack(settings.local_state_dir)
