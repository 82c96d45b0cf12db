"""Symbols into and out of a watchlist's file, as its user saved it: comments and all else stay as they are.

Two editors at once never lose one's change: each holds the file's lock (the kernel's, of the file itself) while it
reads, and puts the new file in the old one's place. Whoever follows the list never sees half of it.
"""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from stockstream.errors import InputError
from stockstream.settings._values import WATCHLIST_MAX_BYTES
from stockstream.settings._watchlist import SECTION, encoding_of, locate_symbols, meant_symbol, read_symbols

# With what separates it from the next one.
_PART: Final = re.compile(r"[^,;|\t ]+[,;|\t ]*")
_BETWEEN: Final = ",;|\t "
# Byte order mark and encoding.
_Form = tuple[bytes, str]
_PLAIN: Final[_Form] = (b"", "utf-8")


@dataclass(frozen=True, slots=True)
class WatchlistEdit:
    """What an edit did.

    Attributes:
        symbols: The list as it is now.
        changed: What joined, or left.
        unchanged: What was on it already, or was not on it.
    """

    symbols: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]


def edit_watchlist(
    path: Path, *, add: Iterable[str] = (), remove: Iterable[str] = (), usual: Sequence[str] = ()
) -> WatchlistEdit:
    """Add symbols to a file, or remove them.

    Args:
        path: The file; it is made where there is none.
        add: Symbols as people write them: aapl, NASDAQ:AAPL.
        remove: The same.
        usual: What a file that is not there is taken to hold.

    Raises:
        InputError: one is no symbol, the file cannot be read or written, is laid out so that this cannot edit it, or
            would hold none any more.
    """
    joining, leaving = _meant(add), _meant(remove)
    target = Path(os.path.realpath(path))
    try:
        while True:
            with _locked(target) as file:
                text, form = "".join(f"{symbol}\n" for symbol in usual), _PLAIN
                if file is not None:
                    text, form = _read(file, path)
                before = read_symbols(text)[0]
                new = _with(_without(text, leaving), [symbol for symbol in joining if symbol not in before])
                after = read_symbols(new)[0]
                _check(path, before, after, joining, leaving)
                if after == before or _replaced(target, form, new, is_there=file is not None):
                    asked = joining or leaving
                    changed = tuple(symbol for symbol in asked if (symbol in before) != (symbol in after))
                    return WatchlistEdit(tuple(after), changed, tuple(one for one in asked if one not in changed))
    except OSError as exc:
        why = exc.strerror or exc
        raise InputError(f"{path} cannot be written: {why}. Remedy: own it, or name another file") from exc


def _meant(texts: Iterable[str]) -> list[str]:
    symbols: dict[str, None] = {}
    for text in texts:
        symbol, reason = meant_symbol(text)
        if not symbol:
            raise InputError(reason or f"{text!r} is no symbol")
        symbols[symbol] = None
    return list(symbols)


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes] | None]:
    """The file, locked; None where there is none. Whoever had the lock before has put another file in its place."""
    while True:
        try:
            file = path.open("rb+")
        except FileNotFoundError:
            yield None
            return
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_still(path, file):
                yield file
                return


def _is_still(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _read(file: IO[bytes], path: Path) -> tuple[str, _Form]:
    data = file.read(WATCHLIST_MAX_BYTES + 1)
    if len(data) > WATCHLIST_MAX_BYTES:
        raise InputError(f"{path} is larger than {WATCHLIST_MAX_BYTES} bytes: no watchlist is. Remedy: name another")
    try:
        mark, encoding = form = encoding_of(data)
        return data[len(mark) :].decode(encoding), form
    except UnicodeDecodeError as exc:
        raise InputError(f"cannot read {path}: {exc}") from exc


def _with(text: str, symbols: Sequence[str]) -> str:
    end = "\r\n" if "\r\n" in text else "\n"
    begin = end if symbols and text and not text.endswith(("\n", "\r")) else ""
    return text + begin + "".join(f"{symbol}{end}" for symbol in symbols)


def _without(text: str, symbols: Sequence[str]) -> str:
    gone = set(symbols)
    of_line: dict[int, set[str]] = {}
    for number, symbol in locate_symbols(text) if gone else ():
        of_line.setdefault(number, set()).add(symbol)
    lines = []
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        found = of_line.get(number, set())
        if not found & gone:
            lines.append(line)
        elif not found <= gone or SECTION.match(line):
            lines.append(_line_without(line, gone))
    return "".join(lines)


def _line_without(line: str, gone: set[str]) -> str:
    bare = line.rstrip("\r\n")
    heading = SECTION.match(bare)
    begin = heading.end() if heading is not None else 0
    kept, mark, comment = bare[begin:].partition("#")
    parts = [part for part in _PART.findall(kept) if meant_symbol(part.strip(_BETWEEN))[0] not in gone]
    between = " " if mark else ""
    return bare[:begin] + "".join(parts).rstrip(_BETWEEN) + between + mark + comment + line[len(bare) :]


def _check(
    path: Path, before: Sequence[str], after: Sequence[str], joining: Sequence[str], leaving: Sequence[str]
) -> None:
    """Whether the new text means what was asked for: the list's own reader judges it."""
    wanted = [symbol for symbol in before if symbol not in leaving]
    wanted += [symbol for symbol in joining if symbol not in before]
    if not wanted:
        raise InputError(f"{path} would hold no symbol any more. Remedy: add another first")
    if list(after) != wanted:
        raise InputError(
            f"{path} is laid out in a way that this command cannot edit. Remedy: edit it yourself, or name a file with "
            "a symbol a line"
        )


def _replaced(path: Path, form: _Form, text: str, *, is_there: bool) -> bool:
    """Put the new file in place, with owner and rights of the old one; False where somebody made one meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        beside = Path(file.name)
        try:
            mark, encoding = form
            file.write(mark + text.encode(encoding))
            file.flush()
            os.fsync(file.fileno())
            if is_there:
                _give_to(path.stat(), file)
                shutil.copymode(path, beside)
                beside.replace(path)
                return True
            if os.geteuid() == 0:  # `sudo stockstream watch add` in somebody's folder: the list is theirs
                _give_to(path.parent.stat(), file)
            beside.chmod(0o644)
            path.hardlink_to(beside)
        except FileExistsError:
            return False
        finally:
            beside.unlink(missing_ok=True)
    return True


def _give_to(owner: os.stat_result, file: IO[bytes]) -> None:
    """Give a file to an owner and their group: who is neither may give it to a group of their own at most."""
    try:
        os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
    except PermissionError:
        with suppress(PermissionError):
            os.fchown(file.fileno(), -1, owner.st_gid)
