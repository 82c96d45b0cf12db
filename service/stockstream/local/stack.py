"""The way to the local stack for other commands.

While a run lasts they talk to the run's emulator; afterwards the emulator is started over the saved state for as long
as the command takes, so what was stored is read (and mended) through the same APIs.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from stockstream.aws import AwsConfig
from stockstream.local.emulator import any_free_port, keep_off_proxies, run_emulator
from stockstream.local.state import open_state
from stockstream.settings import LOCAL_CREDENTIALS, LocalStack


@asynccontextmanager
async def open_stack(stack: LocalStack) -> AsyncIterator[AwsConfig]:
    """Give access to the stack: to the emulator that runs, or to one over the saved state until the context ends.

    Raises:
        LocalModeError: the emulator cannot be started, or the state is in use or corrupt.
    """
    keep_off_proxies(os.environ)
    if stack.is_running:
        yield AwsConfig(stack.region, stack.endpoint_url, *LOCAL_CREDENTIALS)
        return
    with open_state(stack.state_dir, fresh=False) as state:
        async with run_emulator(state.root, any_free_port(), region=stack.region) as emulator:
            # The folder is locked as by a run: another command, beside a page that stays open, finds its way here.
            replace(stack, endpoint_url=emulator.endpoint_url).write()
            yield AwsConfig(stack.region, emulator.endpoint_url, *LOCAL_CREDENTIALS)
