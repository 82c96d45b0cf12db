"""Settings that are more than a number or a word: watchlists, file lists, speeds, sizes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, runtime_checkable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stockstream.settings._watchlist import decode_text, read_symbols
from stockstream_wire import QuoteInvalidError, validate_symbol

# Ten thousand symbols with comments are a tenth of this.
WATCHLIST_MAX_BYTES: Final = 1024 * 1024
# Of a watchlist of which nothing can be read, so many lines are explained.
_REASONS_SHOWN: Final = 3
REPLAY_COLUMNS: Final = ("timestamp", "symbol", "open", "high", "low", "price", "previous_close", "volume")


@runtime_checkable
class Share(Protocol):
    """Which symbols of a watchlist are one worker's, where several share it (docs/workers.md)."""

    @property
    def version(self) -> int: ...

    def of(self, symbols: Sequence[str]) -> tuple[str, ...]:
        """Those of the symbols that are ours at this version, in their order."""
        ...

    async def moved(self, since: int) -> int:
        """Wait until the version is another; returns it."""
        ...


@dataclass(frozen=True, slots=True)
class Watchlist:
    """The symbols to follow, and the file they come from where they come from one.

    Attributes:
        symbols: Upper case, in the order given, each once. From a file: its content at start.
        file: The file to watch for changes, or None for a fixed list.
        skipped: Lines of the file that are no symbols, as `file:line: reason`; reported at start, never fatal.
        share: Which of them this worker follows; None: all.
        takes_sighup: SIGHUP reads the file again. A run in a terminal ends by it: the terminal was closed.
    """

    symbols: tuple[str, ...]
    file: Path | None = None
    skipped: tuple[str, ...] = ()
    share: Share | None = None
    takes_sighup: bool = True


def parse_watchlist(text: str) -> Watchlist:
    """Parse `AAPL,MSFT` or `@FILE`.

    Raises:
        ValueError: no symbol at all, a malformed symbol in a list, or a file that cannot be read.
    """
    if text.strip().startswith("@"):
        return read_watchlist_file(Path(text.strip()[1:]).expanduser())
    symbols = tuple(dict.fromkeys(part.strip().upper() for part in text.split(",") if part.strip()))
    if not symbols:
        msg = "names no symbol"
        raise ValueError(msg)
    for symbol in symbols:
        try:
            validate_symbol(symbol)
        except QuoteInvalidError as exc:
            raise ValueError(str(exc)) from exc
    return Watchlist(symbols)


def read_watchlist_file(path: Path) -> Watchlist:
    """Read a watchlist as people save them: a symbol a line or several, a table with a column of symbols, JSON.

    Lines that are no symbols are skipped and listed.

    Raises:
        ValueError: the file cannot be read, or holds no symbol; what stands in its first lines is said.
    """
    try:
        with path.open("rb") as file:
            data = file.read(WATCHLIST_MAX_BYTES + 1)
        if len(data) > WATCHLIST_MAX_BYTES:
            msg = f"{path} is larger than {WATCHLIST_MAX_BYTES} bytes: no watchlist is. Remedy: name another file"
            raise ValueError(msg)
        text = decode_text(data)
    except (OSError, UnicodeDecodeError) as exc:
        msg = f"cannot read {path}: {exc}"
        raise ValueError(msg) from exc
    symbols, skipped = read_symbols(text)
    if not symbols:
        why = "".join(f"; line {reason}" for reason in skipped[:_REASONS_SHOWN])
        msg = f"{path} holds no symbol{why}. Write one a line, as Yahoo spells them"
        raise ValueError(msg)
    return Watchlist(tuple(symbols), path, tuple(f"{path}:{reason}" for reason in skipped))


def parse_files(text: str) -> tuple[Path, ...]:
    """Parse paths separated by commas."""
    return tuple(Path(part.strip()).expanduser() for part in text.split(",") if part.strip())


def parse_columns(text: str) -> dict[str, str]:
    """Parse `price=Last,timestamp=Time (UTC)`: our name of a column, and the file's.

    Raises:
        ValueError: not such pairs, or no such column of ours.
    """
    columns: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        ours, equals, theirs = (part.strip() for part in pair.partition("="))
        if not equals or not theirs or ours not in REPLAY_COLUMNS:
            msg = f"{pair!r} is not NAME=COLUMN with one of {', '.join(REPLAY_COLUMNS)} before the sign"
            raise ValueError(msg)
        columns[ours] = theirs
    return columns


def parse_zone(text: str) -> ZoneInfo:
    """Parse the IANA name of a time zone.

    Raises:
        ValueError: this machine knows none of that name.
    """
    try:
        return ZoneInfo(text.strip())
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        msg = "no such time zone"
        raise ValueError(msg) from exc


def parse_speed(text: str) -> float:
    """Parse a replay speed: a number of at least 1 (a trailing `x` is fine), or `max` for no waiting (infinity).

    Raises:
        ValueError: neither.
    """
    cleaned = text.strip().lower()
    if cleaned == "max":
        return math.inf
    try:
        speed = float(cleaned.removesuffix("x"))
    except ValueError:
        speed = math.nan
    if not 1 <= speed < math.inf:
        msg = "no such speed"
        raise ValueError(msg)
    return speed
