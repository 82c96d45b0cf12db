"""The folder that keeps local mode's state between runs, and its lock."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Final

from stockstream.errors import InputError, LocalModeError
from stockstream.settings import LOCK_NAME, STACK_NAME

_MARKER: Final = "stockstream-local-state"
# What the folder's bucket and tables look like; an earlier one is not read.
_LAYOUT: Final = "layout: the archive is the log (2)"
_EMULATOR_LOCK: Final = "emulator.lock"
_BEGUN: Final = "begun"
_PAST: Final = "past"
_ASIDE_FORM: Final = "%Y-%m-%dT%H%M%SZ"
# What a run stores: set aside together when it is old or large, and readable then as a state folder of its own. The
# outbox is not of it: what waits there goes to what comes next.
_STORED: Final = (
    "emulator", "emulator.log", "ledger", "checkpoints", "consumer.log", "consumer.log.1", "service.log",
    "service.log.1", STACK_NAME, _BEGUN,
)  # fmt: skip
# The emulator reads its snapshot at the start, some 5 s for so much.
SNAPSHOT_MAX_BYTES: Final = 128 * 1024 * 1024
# All that a run writes into its folder. --fresh deletes these and nothing else: the folder may be one that the user
# keeps other files in.
_OURS: Final = frozenset(
    {
        *_STORED, _MARKER, _EMULATOR_LOCK, _PAST, "outbox", "outbox-backfill", "gaps.jsonl", "gaps-filled.json",
        "gaps.lock", "last-seen.json",
    }
)  # fmt: skip
# The emulator of a run that was killed saves its snapshot and ends by itself, in a second or so; a save of hours of
# quotes on a busy machine takes longer.
_EMULATOR_END_SECONDS: Final = 30.0
_LOCK_POLL_SECONDS: Final = 0.05
# Who asks whether a run is on has its lock for an instant; a process may be put to sleep within it.
_QUESTION_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class LocalState:
    """Paths inside the state folder.

    Attributes:
        root: The folder itself; the emulator's snapshot and log live here too.
        outbox_dir: Outbox of the service.
        checkpoints_dir: Checkpoints of the event-source runner.
    """

    root: Path

    @property
    def outbox_dir(self) -> Path:
        return self.root / "outbox"

    @property
    def checkpoints_dir(self) -> Path:
        return self.root / "checkpoints"

    @property
    def size_bytes(self) -> int:
        """Of everything in it, past runs included."""
        return folder_bytes(self.root)

    def set_old_aside(self, keep_days: int, now: datetime) -> str | None:
        """Begin anew where what is stored has grown old or large; says so. What was set aside is kept as long again.

        Args:
            keep_days: Nothing is deleted that was stored within so many days; 0 keeps everything.
            now: The present moment.
        """
        begun = self.root / _BEGUN
        snapshot_bytes = folder_bytes(self.root / "emulator", pattern="*.json")
        is_old = bool(keep_days) and begun.exists() and now - _written(begun) > timedelta(days=keep_days)
        told = None
        if is_old or snapshot_bytes > SNAPSHOT_MAX_BYTES:
            aside = self.root / _PAST / now.strftime(_ASIDE_FORM)
            aside.mkdir(parents=True)
            shutil.copy2(self.root / _MARKER, aside / _MARKER)
            for name in _STORED:
                if (self.root / name).exists():
                    (self.root / name).rename(aside / name)
            why = f"older than --keep-days {keep_days}" if is_old else f"{show_bytes(snapshot_bytes)} of tables"
            told = f"Began anew ({why}); what was stored is in {aside}: STOCKSTREAM_LOCAL_STATE_DIR={aside} reads it"
        if not begun.exists():
            begun.touch()
        if keep_days:
            for aside in (self.root / _PAST).glob("*Z"):
                moment = _set_aside_at(aside)
                if moment is not None and now - moment > timedelta(days=keep_days):
                    shutil.rmtree(aside)
        return told


def folder_bytes(folder: Path, *, pattern: str = "**/*") -> int:
    """Bytes of a folder's files; what vanishes meanwhile counts nothing."""
    total = 0
    for path in folder.glob(pattern):
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def show_bytes(count: int) -> str:
    """12.3 MB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _set_aside_at(folder: Path) -> datetime | None:
    """When a run's state was set aside; None of what is not such a folder of ours, which is then left alone."""
    try:
        moment = datetime.strptime(folder.name, _ASIDE_FORM).replace(tzinfo=UTC)
    except ValueError:
        return None
    is_ours = not folder.is_symlink() and (folder / _MARKER).is_file()
    return moment if is_ours else None


def _written(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


@contextmanager
def open_state(root: Path, *, fresh: bool) -> Iterator[LocalState]:
    """Lock the state folder for this process, and empty it first where a fresh start is asked for.

    The lock is the kernel's (flock): it ends with the process however that ends, so it is never stale.

    Raises:
        LocalModeError: another run uses the folder, it cannot be written, or `fresh` would delete a folder that is
            not a state folder.
        InputError: an earlier version of Stockstream has left it.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = (root / LOCK_NAME).open("a+")
    except OSError as exc:
        msg = f"cannot use the state folder {root}: {exc}. Remedy: --state DIR with a folder that can be written"
        raise LocalModeError(msg) from exc
    with lock:
        if not _locked(lock):
            lock.seek(0)
            msg = (
                f"another `stockstream local` (pid {lock.read().strip() or 'unknown'}) uses the state folder {root}. "
                "Remedy: end it, or use another folder: --state DIR"
            )
            raise LocalModeError(msg)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        _wait_for_emulator(root)
        if fresh:
            _empty(root)
        _check_layout(root)
        (root / _MARKER).write_text(
            f"State of `stockstream local`. Safe to delete while it is not running.\n{_LAYOUT}\n"
        )
        yield LocalState(root)


def _locked(lock: IO[str]) -> bool:
    """Take a run's lock; False where a run has it.

    Whoever asks whether a run is on (`LocalStack.is_running`) shares the lock for a moment, and is no run: that passes.
    """
    deadline = time.monotonic() + _QUESTION_SECONDS
    while True:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        fcntl.flock(lock, fcntl.LOCK_UN)
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOCK_POLL_SECONDS)


def _wait_for_emulator(root: Path) -> None:
    """Wait until the emulator of a killed run has saved and gone: until then the snapshot and its port are its own."""
    deadline = time.monotonic() + _EMULATOR_END_SECONDS
    with (root / _EMULATOR_LOCK).open("a+") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                if time.monotonic() > deadline:
                    lock.seek(0)
                    msg = (
                        f"the emulator of an earlier run (pid {lock.read().strip() or 'unknown'}) still uses the state "
                        f"folder {root}. Remedy: end it, or use another folder: --state DIR"
                    )
                    raise LocalModeError(msg) from exc
                time.sleep(_LOCK_POLL_SECONDS)
            else:
                return


def _check_layout(root: Path) -> None:
    """Refuse what an earlier version has stored: its tables and objects are others."""
    marker = root / _MARKER
    if marker.exists() and (root / "emulator").exists() and _LAYOUT not in marker.read_text(errors="replace"):
        raise InputError(
            f"the state folder {root} was left by an earlier version of Stockstream, whose tables and archive this one "
            "does not read. Remedy: --fresh discards it; --state DIR begins another"
        )


def _empty(root: Path) -> None:
    entries = [entry for entry in root.iterdir() if entry.name in _OURS]
    if not (root / _MARKER).exists() and any(entry.name != _EMULATOR_LOCK for entry in entries):
        names = ", ".join(sorted(entry.name for entry in entries if entry.name != _EMULATOR_LOCK))
        msg = f"--fresh would delete {names} in {root}, which is not a folder of ours. Remedy: another --state DIR"
        raise LocalModeError(msg)
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
