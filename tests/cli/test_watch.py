"""`stockstream watch`: whose list is edited, what is said, and that what runs takes it up."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from stockstream.local.state import open_state
from stockstream.settings import LocalStack, edit_watchlist
from stockstream.source_kinds import DEMO_WATCHLIST, source_kind
from stockstream.sources.watchlist import (
    WatchlistChange,
    WatchlistFollower,
    users_watchlist,
    users_watchlist_file,
    usual_symbols,
)


def watch(state: Path, *arguments: str, **extra: str) -> tuple[int, str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STOCKSTREAM_", "AWS_"))}
    done = subprocess.run(
        [sys.executable, "-m", "stockstream", "watch", *arguments],
        env=kept | {"STOCKSTREAM_LOCAL_STATE_DIR": str(state)} | extra,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_the_first_edit_begins_with_what_local_mode_follows_until_then(tmp_path: Path) -> None:
    code, _, said = watch(tmp_path, "add", "amd")
    assert (code, said) == (
        0, f"11 symbols in {tmp_path / 'watchlist.txt'}; the next `stockstream local` follows it\n"
    )  # fmt: skip
    code, listed, _ = watch(tmp_path, "list")
    assert (code, listed.split()[0], listed.split()[-1]) == (0, "AAPL", "AMD")
    code, done, said = watch(tmp_path, "remove", "amd", "X")
    assert (code, done) == (1, "AMD: removed\n")
    assert "X: is not on it" in said


def test_a_list_that_the_setting_names_is_the_one_that_is_edited(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("AAPL\n")
    assert watch(tmp_path, "add", "MSFT", STOCKSTREAM_SYMBOLS=f"@{path}")[0] == 0
    assert path.read_text() == "AAPL\nMSFT\n"
    code, _, said = watch(tmp_path, "add", "MSFT", STOCKSTREAM_SYMBOLS="AAPL,IBM")
    assert code == 2
    assert "STOCKSTREAM_SYMBOLS=AAPL,IBM is the list itself" in said


def test_a_source_with_symbols_of_its_own_has_a_list_of_its_own(tmp_path: Path) -> None:
    assert watch(tmp_path, "add", "DOGE-USD", STOCKSTREAM_SOURCE="coinbase")[0] == 0
    assert (tmp_path / "watchlist-coinbase.txt").read_text().split() == ["BTC-USD", "ETH-USD", "SOL-USD", "DOGE-USD"]


@pytest.mark.parametrize("name", ["watchlist.txt", "mine.txt", ""])
def test_of_a_run_the_list_that_it_follows_is_edited(tmp_path: Path, name: str) -> None:
    with open_state(tmp_path, fresh=False) as state:  # holds the lock, as a run does
        followed = str(state.root / name) if name else ""
        stack = LocalStack(
            state_dir=state.root, endpoint_url="http://127.0.0.1:1", region="us-east-1", names={"source": "simulated"},
            symbols=DEMO_WATCHLIST, watchlist=followed,
        )  # fmt: skip
        stack.write()
        code, _, said = watch(tmp_path, "add", "IBM")
    assert code == 0
    assert ("takes a change up at its next poll" in said) == bool(name)
    assert ("the run that is on follows other symbols" in said) == (not name)
    assert (tmp_path / (name or "watchlist.txt")).read_text().split()[-1] == "IBM"


def test_a_run_that_began_without_a_list_follows_the_one_that_is_made(tmp_path: Path) -> None:
    kind = source_kind("simulated")
    follower = WatchlistFollower(users_watchlist(tmp_path, kind))
    assert follower.symbols == DEMO_WATCHLIST
    assert follower.refresh() is None

    edit_watchlist(users_watchlist_file(tmp_path, kind), add=["IBM"], usual=usual_symbols(kind))

    assert follower.refresh() == WatchlistChange(("IBM",), ())
    assert users_watchlist(tmp_path, kind).symbols == (*DEMO_WATCHLIST, "IBM")


async def test_a_run_in_a_terminal_leaves_the_hangup_its_force(tmp_path: Path) -> None:
    watchlist = replace(users_watchlist(tmp_path, source_kind("simulated")), takes_sighup=False)
    previous = signal.getsignal(signal.SIGHUP)

    with WatchlistFollower(watchlist).reload_on_sighup():
        assert signal.getsignal(signal.SIGHUP) == previous
