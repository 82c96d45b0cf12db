"""`stockstream watch`: the symbols that are followed, in a file of the user's."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from stockstream.cli._help import WholeHelp
from stockstream.errors import InputError
from stockstream.exit_codes import ExitCode
from stockstream.settings import Settings, find_stack, load_settings

if TYPE_CHECKING:
    from stockstream.settings import WatchlistEdit

_file_option = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Another list [default: STOCKSTREAM_SYMBOLS=@FILE, else the list of `stockstream local`].",
)


class _List(NamedTuple):
    """A watchlist's file, what it is taken to hold where it is not there, and who reads it."""

    path: Path
    usual: tuple[str, ...]
    read_by: str


@click.group(cls=WholeHelp)
def watch() -> None:
    """Add symbols to the watchlist, remove and list them. What runs takes a change up at its next poll.

    The list is the file that STOCKSTREAM_SYMBOLS=@FILE names, else `watchlist.txt` in the state folder of `stockstream
    local`, which follows it where nobody names symbols. On AWS the list is Terraform's variable `symbols`.
    """


@watch.command()
@click.argument("symbols", nargs=-1, required=True)
@_file_option
def add(symbols: tuple[str, ...], path: Path | None) -> None:
    """Add SYMBOLS, spelt as Yahoo does: stockstream watch add NVDA BTC-USD."""
    from stockstream.settings import edit_watchlist  # noqa: PLC0415 - `--help` needs none of it

    chosen = _chosen(path)
    edit = edit_watchlist(chosen.path, add=symbols, usual=chosen.usual)
    _tell(edit, "added", "is on it already")
    _say_where(chosen, len(edit.symbols))


@watch.command()
@click.argument("symbols", nargs=-1, required=True)
@_file_option
def remove(symbols: tuple[str, ...], path: Path | None) -> None:
    """Remove SYMBOLS; what is stored of them stays."""
    from stockstream.settings import edit_watchlist  # noqa: PLC0415

    chosen = _chosen(path)
    edit = edit_watchlist(chosen.path, remove=symbols, usual=chosen.usual)
    _tell(edit, "removed", "is not on it")
    _say_where(chosen, len(edit.symbols))
    raise SystemExit(ExitCode.FAILED if edit.unchanged else ExitCode.DONE)


@watch.command("list")
@_file_option
def list_(path: Path | None) -> None:
    """Print the symbols, one a line; where they come from goes to standard error."""
    from stockstream.settings import read_watchlist_file  # noqa: PLC0415

    chosen = _chosen(path)
    symbols: tuple[str, ...] = chosen.usual
    if chosen.path.exists() or not symbols:
        try:
            found = read_watchlist_file(chosen.path)
        except ValueError as exc:
            raise InputError(str(exc)) from exc
        symbols = found.symbols
        for line in found.skipped:
            click.echo(f"left out: {line}", err=True)
    for symbol in symbols:
        click.echo(symbol)
    _say_where(chosen, len(symbols))


def _chosen(path: Path | None) -> _List:
    """The list that is meant: the one named here, by the setting, by a run that follows one, or local mode's own."""
    if path is not None:
        return _List(path, (), f"whatever runs with STOCKSTREAM_SYMBOLS=@{path} takes a change up at its next poll")
    settings = load_settings()
    if settings.symbols.file is not None:
        name = settings.symbols.file
        return _List(name, (), f"whatever runs with STOCKSTREAM_SYMBOLS=@{name} takes a change up at its next poll")
    if "symbols" in settings.model_fields_set:
        raise InputError(
            f"STOCKSTREAM_SYMBOLS={','.join(settings.symbols.symbols)} is the list itself. Remedy: write it into a "
            "file, one a line, and set STOCKSTREAM_SYMBOLS=@FILE; or name the file of another list: --file FILE"
        )
    return _of_local_mode(settings)


def _of_local_mode(settings: Settings) -> _List:
    from stockstream.source_kinds import AUTO, AUTO_TRIES, source_kind  # noqa: PLC0415
    from stockstream.sources.watchlist import users_watchlist_file, usual_symbols  # noqa: PLC0415

    stack = find_stack(settings.local_state_dir)
    is_running = stack is not None and stack.is_running
    name = settings.source
    if stack is not None and is_running and source_kind(stack.names["source"]).follows_watchlist:
        name = stack.names["source"]
    kind = source_kind(AUTO_TRIES if name == AUTO else name)
    usual = usual_symbols(kind)
    own = users_watchlist_file(settings.local_state_dir, kind)
    if stack is None or not is_running:
        return _List(own, usual, "the next `stockstream local` follows it")
    if not stack.watchlist:
        return _List(own, usual, "the run that is on follows other symbols; the next without --symbols follows it")
    followed = Path(stack.watchlist)
    return _List(followed, stack.symbols, "`stockstream local` takes a change up at its next poll")


def _tell(edit: "WatchlistEdit", done: str, otherwise: str) -> None:
    for symbol in edit.changed:
        click.echo(f"{symbol}: {done}")
    for symbol in edit.unchanged:
        click.echo(f"{symbol}: {otherwise}", err=True)


def _say_where(chosen: _List, symbols: int) -> None:
    click.echo(f"{symbols} {'symbol' if symbols == 1 else 'symbols'} in {chosen.path}; {chosen.read_by}", err=True)
