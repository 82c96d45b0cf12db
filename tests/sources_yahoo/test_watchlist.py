import asyncio
import os
import signal
from pathlib import Path

import pytest

from stockstream.settings._values import Watchlist, read_watchlist_file
from stockstream.sources.watchlist import WatchlistChange, WatchlistFollower


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "symbols.txt"
    path.write_text("AAPL\nMSFT\n")
    return path


@pytest.fixture
def follower(file: Path) -> WatchlistFollower:
    return WatchlistFollower(read_watchlist_file(file))


def test_a_file_that_has_not_changed_is_not_read_again(follower: WatchlistFollower) -> None:
    assert follower.refresh() is None


def test_symbols_join_and_leave(follower: WatchlistFollower, file: Path) -> None:
    file.write_text("MSFT\nNVDA\n")

    assert follower.refresh() == WatchlistChange(joined=("NVDA",), left=("AAPL",))
    assert follower.symbols == ("MSFT", "NVDA")
    assert follower.refresh() is None


@pytest.mark.parametrize("content", ["", "# nothing yet\n", "!!!\n"])
def test_a_file_half_saved_keeps_the_last_good_list(follower: WatchlistFollower, file: Path, content: str) -> None:
    file.write_text(content)
    assert follower.refresh() is None
    assert follower.symbols == ("AAPL", "MSFT")

    file.write_text("NVDA\n")
    assert follower.refresh() is not None


def test_a_file_that_is_gone_keeps_the_last_good_list_and_is_taken_up_again(
    follower: WatchlistFollower, file: Path
) -> None:
    file.unlink()
    assert follower.refresh() is None

    file.write_text("NVDA\n")

    assert follower.refresh() is not None


def test_a_fixed_list_has_nothing_to_refresh() -> None:
    assert WatchlistFollower(Watchlist(("AAPL",))).refresh() is None


def write_unnoticed(file: Path, content: str) -> None:
    """Write content of the same size and keep the time of the last change, as `cp -p` may."""
    status = file.stat()
    assert len(content) == status.st_size
    file.write_text(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


async def test_sighup_reads_the_file_again_even_where_it_looks_the_same(
    follower: WatchlistFollower, file: Path
) -> None:
    write_unnoticed(file, "NVDA\nMSFT\n")
    assert follower.refresh() is None
    previous = signal.getsignal(signal.SIGHUP)

    with follower.reload_on_sighup():
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.05)

    assert follower.refresh() is not None
    assert follower.symbols == ("NVDA", "MSFT")
    assert signal.getsignal(signal.SIGHUP) == previous
