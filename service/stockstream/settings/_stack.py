"""What a local run leaves beside its state: where its AWS is, and what things are called there.

A run writes `stack.json` into its state folder. Who was told of no other AWS reads it: commands, `stockstream.open()`.
"""

import fcntl
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from stockstream.errors import LocalModeError
from stockstream.settings._model import Settings
from stockstream.settings._values import Watchlist, read_watchlist_file

LOCK_NAME: Final = "local.lock"
STACK_NAME: Final = "stack.json"
# Fixed: whatever account the user's environment names is never spoken to.
LOCAL_CREDENTIALS: Final = ("test", "test")
_FORMAT: Final = 1
# Any of these says that the user means an AWS of their own. A profile of ~/.aws/config that nobody named does not.
_AWS_VARIABLES: Final = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_ENDPOINT_PREFIX: Final = "AWS_ENDPOINT_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStack:
    """What a run made, and where.

    Attributes:
        state_dir: The run's state folder.
        endpoint_url: The emulator's, while the run lasts.
        region: Where the resources are.
        names: Fields of `Settings` that say what the resources are called.
        symbols: What the run follows, as it began; none of a replay.
        watchlist: File that it reads again when it changes, and follows; empty where there is none to follow.
    """

    state_dir: Path
    endpoint_url: str
    region: str
    names: Mapping[str, str]
    symbols: tuple[str, ...] = ()
    watchlist: str = ""

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
        if self.symbols and "symbols" not in asked:
            changes["symbols"] = self._followed()
        return settings.model_copy(update=changes)

    def _followed(self) -> Watchlist:
        """What the run follows by now; where its file cannot be read it stays with what it had."""
        if self.watchlist:
            with suppress(ValueError):
                return read_watchlist_file(Path(self.watchlist))
        return Watchlist(self.symbols)


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
            symbols=tuple(str(symbol) for symbol in content.get("symbols", ())),
            watchlist=str(content.get("watchlist", "")),
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise LocalModeError(
            f"{path} cannot be read: {exc}. Remedy: delete it (the next `stockstream local` writes it anew)"
        ) from exc


def names_aws(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Whether setting or environment say which AWS is meant."""
    return settings.region is not None or any(
        value and (name in _AWS_VARIABLES or name.startswith(_ENDPOINT_PREFIX)) for name, value in environ.items()
    )
