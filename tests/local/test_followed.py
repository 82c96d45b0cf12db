"""The symbols on the screen are those that the run follows now."""

import os
from pathlib import Path

from stockstream.local.followed import Followed
from stockstream.settings import read_watchlist_file


def test_what_is_taken_off_the_list_leaves_the_screen_and_what_joins_comes_to_it(tmp_path: Path) -> None:
    path = tmp_path / "watchlist.txt"
    path.write_text("AAPL\nTSLA\n")
    followed = Followed(read_watchlist_file(path))
    assert followed.symbols() == frozenset({"AAPL", "TSLA"})

    path.write_text("AAPL\n^VIX\n")
    os.utime(path, ns=(1, 1))  # whatever the clock's step
    assert followed.symbols() == frozenset({"AAPL", "^VIX"})


def test_a_list_that_is_gone_changes_nothing_and_a_replay_has_none(tmp_path: Path) -> None:
    path = tmp_path / "watchlist.txt"
    path.write_text("AAPL\n")
    followed = Followed(read_watchlist_file(path))
    path.unlink()
    assert followed.symbols() == frozenset({"AAPL"})
    assert Followed(None).symbols() is None
