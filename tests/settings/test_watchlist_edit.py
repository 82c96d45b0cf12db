"""Symbols into and out of a list as its user saved it, by several editors at once."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stockstream.errors import InputError
from stockstream.settings import edit_watchlist, read_watchlist_file


@pytest.mark.parametrize(
    ("text", "joins", "leaves", "becomes"),
    [
        ("AAPL\nMSFT\n", ["nvda"], [], "AAPL\nMSFT\nNVDA\n"),
        ("# mine\r\nAAPL", ["NASDAQ:AMD"], [], "# mine\r\nAAPL\r\nAMD\r\n"),
        ("# mine\nAAPL  # fruit\nMSFT\n", [], ["aapl"], "# mine\nMSFT\n"),
        ("AAPL, MSFT, NVDA # three\nTSLA", [], ["MSFT", "NVDA"], "AAPL # three\nTSLA"),
        ("AAPL MSFT;NVDA\n", [], ["AAPL"], "MSFT;NVDA\n"),
        ("###TECH,NASDAQ:AAPL,NASDAQ:MSFT", ["^VIX"], ["MSFT"], "###TECH,NASDAQ:AAPL\n^VIX\n"),
        ("###TECH,NASDAQ:AAPL\n###CARS,NYSE:F\n", [], ["AAPL"], "###TECH,\n###CARS,NYSE:F\n"),
        ("Symbol,Name\nAAPL,Apple\nMSFT,Microsoft\n", ["NVDA"], ["AAPL"], "Symbol,Name\nMSFT,Microsoft\nNVDA\n"),
        ("AAPL\nMSFT\n", ["AAPL"], ["AMD"], "AAPL\nMSFT\n"),
    ],
)
def test_an_edit_leaves_all_else_as_it_was(
    tmp_path: Path, text: str, joins: list[str], leaves: list[str], becomes: str
) -> None:
    path = tmp_path / "list.txt"
    path.write_text(text, newline="")

    if joins:
        edit_watchlist(path, add=joins)
    if leaves:
        edit_watchlist(path, remove=leaves)

    assert path.read_bytes().decode() == becomes


@pytest.mark.parametrize(
    ("text", "joins", "leaves", "said"),
    [
        ("AAPL\n", ["A B"], [], "must be 1 to 32 of"),
        ("AAPL\n", ["LSE:VOD"], [], "names an exchange before a colon"),
        ("AAPL\n", [], ["AAPL"], "would hold no symbol any more"),
        ('["AAPL", "MSFT"]', ["NVDA"], [], "cannot edit"),
        ("Name,Symbol\nApple,AAPL\n", ["NVDA"], [], "cannot edit"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    tmp_path: Path, text: str, joins: list[str], leaves: list[str], said: str
) -> None:
    path = tmp_path / "list.txt"
    path.write_text(text)

    with pytest.raises(InputError, match=said):
        edit_watchlist(path, add=joins, remove=leaves)

    assert path.read_text() == text
    assert [entry.name for entry in tmp_path.iterdir()] == ["list.txt"]


def test_a_file_that_is_a_link_stays_one_and_keeps_its_rights(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("AAPL\n")
    real.chmod(0o600)
    link.symlink_to(real)

    edit_watchlist(link, add=["MSFT"])

    assert link.is_symlink()
    assert (real.read_text(), real.stat().st_mode & 0o777) == ("AAPL\nMSFT\n", 0o600)


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root may give a file away, and only root can take it from its owner"
)
def test_an_edit_by_root_leaves_a_file_to_its_owner_and_a_new_one_to_that_of_its_folder(tmp_path: Path) -> None:
    theirs = tmp_path / "watchlist.txt"
    theirs.write_text("AAPL\n")
    theirs.chmod(0o640)
    os.chown(theirs, 12345, 23456)

    edit_watchlist(theirs, add=["MSFT"])

    now = theirs.stat()
    assert theirs.read_text() == "AAPL\nMSFT\n"
    assert (now.st_uid, now.st_gid, now.st_mode & 0o777) == (12345, 23456, 0o640)
    os.chown(tmp_path, 12345, 23456)
    edit_watchlist(tmp_path / "new.txt", add=["AAPL"])
    made = (tmp_path / "new.txt").stat()
    assert (made.st_uid, made.st_gid, made.st_mode & 0o777) == (12345, 23456, 0o644)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-16-le"])
def test_a_file_keeps_its_encoding_and_its_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes("AAPL # Äpfel\r\n".encode(encoding))

    edit_watchlist(path, add=["MSFT"])

    assert path.read_bytes() == "AAPL # Äpfel\r\nMSFT\r\n".encode(encoding)


def test_a_link_to_itself_is_told_and_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.symlink_to(path)

    with pytest.raises(InputError, match="cannot be written"):
        edit_watchlist(path, add=["MSFT"])


def test_of_editors_at_once_none_loses_a_change_even_where_each_would_make_the_file(tmp_path: Path) -> None:
    path = tmp_path / "made" / "list.txt"
    each = [[f"E{editor}N{number}" for number in range(20)] for editor in range(4)]

    def edit(symbols: list[str]) -> None:
        for symbol in symbols:
            edit_watchlist(path, add=[symbol], usual=("AAPL",))

    with ThreadPoolExecutor(len(each)) as editors:  # flock is of an open file, so threads are as good as processes
        list(editors.map(edit, each))

    found = read_watchlist_file(path)
    assert sorted(found.symbols) == sorted(["AAPL", *(symbol for symbols in each for symbol in symbols)])
    assert [entry.name for entry in path.parent.iterdir()] == ["list.txt"]
