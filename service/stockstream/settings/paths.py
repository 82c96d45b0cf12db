"""Where state and caches live on this platform unless a setting says otherwise."""

from pathlib import Path
from typing import Final

import platformdirs

# Beside the outbox, and in the ledger's folder: a folder for each of several workers, by number.
WORKERS_FOLDER: Final = "workers"


def default_state_dir() -> Path:
    """What must survive: the user's state folder of the platform."""
    return Path(platformdirs.user_state_dir("stockstream", appauthor=False))


def default_cache_dir() -> Path:
    """What can be made again: the user's cache folder of the platform."""
    return Path(platformdirs.user_cache_dir("stockstream", appauthor=False))


def worker_folders(parent: Path) -> list[Path]:
    """The folders of workers, those that are gone too, below the state's or the ledger's."""
    try:
        return sorted(folder for folder in (parent / WORKERS_FOLDER).iterdir() if folder.is_dir())
    except OSError:
        return []


def backfill_folder(outbox_dir: Path) -> Path:
    """The outbox of backfilled quotes, beside that of the live ones."""
    return outbox_dir.with_name(f"{outbox_dir.name}-backfill")
