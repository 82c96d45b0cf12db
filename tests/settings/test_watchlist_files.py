"""Watchlists as people save them: what can be read is read, and what cannot says why."""

import codecs
from pathlib import Path

import pytest

from stockstream.settings._values import read_watchlist_file

WANTED = ("AAPL", "MSFT", "BRK-B")


@pytest.mark.parametrize(
    "content",
    [
        b"AAPL\nMSFT\nBRK-B\n",
        codecs.BOM_UTF8 + b"AAPL\r\nMSFT\r\nBRK-B\r\n",
        codecs.BOM_UTF16_LE + "AAPL\r\nMSFT\r\nBRK-B".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "AAPL\nMSFT\nBRK-B".encode("utf-16-be"),
        b"$AAPL $MSFT $BRK-B",
        b"- AAPL\n- MSFT\n- BRK-B\n",
        b'"Positions of today"\n""\n"Symbol","Description"\n"AAPL","APPLE INC"\n"MSFT","MICROSOFT"\n"BRK-B"\n',
        "AAPL\nMSFT\nBRK-B".encode("utf-16-le"),
        b"AAPL\rMSFT\rBRK-B\r",
        b"AAPL;MSFT;BRK-B",
        b"AAPL, MSFT ,BRK-B,,\n",
        b"AAPL MSFT\tBRK-B",
        b"  aapl  \n\n\tmsft\nBrk-B",
        b"Symbol\nAAPL\nMSFT\nBRK-B\n",
        b"Ticker,\nAAPL,\nMSFT,\nBRK-B,\n",
        b"# mine\nAAPL # fruit\n; old ones\nMSFT\n// more\nBRK-B\n",
        b'"AAPL"\n"MSFT"\n"BRK-B"\n',
        b'Symbol,Name,Last Sale\nAAPL,Apple Inc.,$189\nMSFT,MICROSOFT,$400\nBRK-B,"BERKSHIRE, Class B",$300\n',
        b"Name;Ticker;Weight\nApple;AAPL;7\nMicrosoft;MSFT;6\nBerkshire;BRK-B;2\n",
        b"No\tSymbol\n1\tAAPL\n2\tMSFT\n3\tBRK-B\n",
        b"NASDAQ:AAPL\nNASDAQ:MSFT\nNYSE:BRK.B\n",
        b"###TECH,NASDAQ:AAPL,NASDAQ:MSFT,###BANKS,NYSE:BRK.B",
        b'["AAPL", "msft", "BRK-B"]',
        b'{"symbols": ["AAPL", "MSFT", "BRK-B"]}',
        b'[{"symbol": "AAPL", "name": "IBM"}, {"Ticker": "MSFT"}, {"symbol": "BRK-B"}]',
    ],
)
def test_a_list_is_read_as_it_was_saved(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    watchlist = read_watchlist_file(path)
    assert watchlist.symbols == WANTED
    assert watchlist.skipped == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"LSE:VOD\nTSE:7203\n", r"line 1: 'LSE:VOD' names an exchange.*VOD\.L.*line 2: 'TSE:7203'"),
        (b"A/B\n", r"line 1: symbol="),
        (b'["AAPL", ', "line 1: begins like JSON"),
        (b"", "holds no symbol. Write one a line"),
        (b"Symbol\n", "holds no symbol"),
        (b"\xff\xfe\xff", "cannot read"),
    ],
)
def test_a_list_of_which_nothing_can_be_read_says_why_for_its_first_lines(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read_watchlist_file(path)


def test_lines_that_are_no_symbols_are_listed_with_their_numbers_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("AAPL\nÄÖÜ\nMSFT\n", encoding="utf-8")
    watchlist = read_watchlist_file(path)
    assert watchlist.symbols == ("AAPL", "MSFT")
    assert [line.partition(": ")[0] for line in watchlist.skipped] == [f"{path}:2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [('Symbol,Name\n"' + "x" * 140_000 + '",AAPL\n', "line 2"), ("[" * 50_000, "too many brackets")],
)
def test_a_file_that_no_reader_of_its_form_can_read_is_told(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(text)

    with pytest.raises(ValueError, match=said):
        read_watchlist_file(path)
