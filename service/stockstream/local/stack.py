"""The local stack as other commands find it: what a run leaves beside its state, and the way to it.

A run writes `stack.json` into its state folder: where AWS is and what things are called there. A command that nobody
told of another AWS reads it. While the run lasts it talks to the run's emulator; afterwards the emulator is started
over the saved state for as long as the command takes, so what was stored is read (and mended) through the same APIs.
"""

import fcntl
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from stockstream.aws import AwsConfig
from stockstream.errors import LocalModeError
from stockstream.local.emulator import any_free_port, keep_off_proxies, run_emulator
from stockstream.local.state import LOCK_NAME, STACK_NAME, open_state
from stockstream.settings import Settings

_FORMAT: Final = 1
# Fixed: whatever account the user's environment names is never spoken to.
LOCAL_CREDENTIALS: Final = ("test", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStack:
    """What a run made, and where.

    Attributes:
        state_dir: The run's state folder.
        endpoint_url: The emulator's, while the run lasts.
        region: Where the resources are.
        names: Fields of `Settings` that say what the resources are called.
    """

    state_dir: Path
    endpoint_url: str
    region: str
    names: Mapping[str, str]

    @property
    def is_running(self) -> bool:
        """Whether the run that wrote it holds its folder still."""
        try:
            with (self.state_dir / LOCK_NAME).open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def write(self) -> None:
        """Leave it in the state folder, whole or not at all."""
        path = self.state_dir / STACK_NAME
        content = {"v": _FORMAT, **asdict(self), "state_dir": str(self.state_dir)}
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        partial.replace(path)

    def settings(self, settings: Settings) -> Settings:
        """What the resources are called here, but for what the user named."""
        asked = settings.model_fields_set
        changes: dict[str, Any] = {name: value for name, value in self.names.items() if name not in asked}
        if "outbox_dir" not in asked:
            # The ledger and the list of gaps lie beside the outbox.
            changes["outbox_dir"] = self.state_dir / "outbox"
        return settings.model_copy(update=changes)


def find_stack(state_dir: Path) -> LocalStack | None:
    """Read what the last run left in its state folder; None where there never was one.

    Raises:
        LocalModeError: the file is there and cannot be read.
    """
    path = state_dir / STACK_NAME
    try:
        content = json.loads(path.read_bytes())
        if content["v"] != _FORMAT:
            raise LocalModeError(
                f"{path} has format {content['v']}, this version reads {_FORMAT}. "
                "Remedy: end the run and start it again with this version"
            )
        return LocalStack(
            state_dir=state_dir,
            endpoint_url=str(content["endpoint_url"]),
            region=str(content["region"]),
            names={str(name): str(value) for name, value in content["names"].items()},
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise LocalModeError(
            f"{path} cannot be read: {exc}. Remedy: delete it (the next `stockstream local` writes it anew)"
        ) from exc


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
            yield AwsConfig(stack.region, emulator.endpoint_url, *LOCAL_CREDENTIALS)
