"""A folder for each worker, where several have one disk: the first that nobody holds, for as long as the process lives.

`STATE/workers/N` holds the outbox of a worker and what lies beside it, `LEDGER/workers/N` its ledger, where STATE is
the folder that the outbox of a single service would be in. Who comes takes the lowest number that is free, and with it
what its last holder left unsent.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from stockstream.errors import OutboxError
from stockstream.outbox import OutboxLockedError
from stockstream.outbox.lock import OutboxLock
from stockstream.settings import Settings
from stockstream.settings.paths import WORKERS_FOLDER, backfill_folder, worker_folders

OUTBOX_NAME: Final = "outbox"
# Far above any fleet: who gets here meets folders that it can lock and nobody else's.
_FOLDERS_MAX: Final = 1000


def claim_folder(state: Path, stack: ExitStack) -> Path:
    """Take the first folder that no living process holds, until the stack ends.

    Args:
        state: Where the workers' folders are.
        stack: Holds the lock; the kernel gives it back however the process ends.

    Raises:
        OutboxError: none can be had.
    """
    for number in range(_FOLDERS_MAX):
        folder = state / WORKERS_FOLDER / str(number)
        try:
            stack.enter_context(OutboxLock(folder))
        except OutboxLockedError:
            continue
        return folder
    raise OutboxError(
        f"{_FOLDERS_MAX} folders of {state / WORKERS_FOLDER} are in use. Remedy: remove those of workers that are gone"
    )


def in_folder(settings: Settings, folder: Path) -> dict[str, Any]:
    """Settings of a worker that has a folder of its own."""
    return {
        "outbox_dir": folder / OUTBOX_NAME,
        "ledger_dir": settings.ledger_folder / WORKERS_FOLDER / folder.name,
    }


def left_outboxes(alone: Path, stream: str, own: Path) -> Iterator[Path]:
    """Outboxes on this disk but for our own that hold segments: of workers, of a service that was alone, of backfills.

    That of our own backfill is among them: what a gap left there that was given up, no other gap may ever send.

    Args:
        alone: The outbox of a service that is alone.
        stream: Name of the stream.
        own: Our outbox.
    """
    for live in (alone, *(folder / OUTBOX_NAME for folder in worker_folders(alone.parent))):
        for outbox in (live, backfill_folder(live)):
            if outbox != own and any((outbox / stream).glob("*.log")):
                yield outbox
