"""Files as people have them: what has one reading is read, and what has none or two says so, with the remedy."""

import codecs
import gzip
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from stockstream.errors import InputError
from stockstream.sources.base import Rejection
from stockstream.sources.replay import ReplayFormat, ReplaySource
from stockstream_wire import Quote

HEADER = "timestamp,symbol,open,high,low,price,previous_close,volume"
NEW_YORK = ReplayFormat(zone=ZoneInfo("America/New_York"))
CASES = Path(__file__).parents[2] / ".." / "shared" / "cases"


OBJECT = {"s": "AAA", "o": 1, "h": 2, "l": 1, "price": 2, "pc": 1, "v": 5}


async def replay(path: Path, form: ReplayFormat | None = None, **options: Any) -> tuple[list[Quote], list[Rejection]]:
    source = ReplaySource([path], form=form, **options)
    quotes: list[Quote] = []
    rejected: list[Rejection] = []
    async for batch in source.batches():
        quotes += batch.quotes
        rejected += batch.rejected
    assert (source.failure is None) == bool(quotes)
    return quotes, rejected


def save(folder: Path, content: str | bytes, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def row(separator: str = ",", **values: str) -> str:
    good = {
        "timestamp": "2026-03-09T14:00:00.000Z", "symbol": "AAA", "open": "100", "high": "101", "low": "99",
        "price": "100.5", "previous_close": "100", "volume": "1000",
    }  # fmt: skip
    return separator.join((good | values).values())


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
async def test_the_separator_is_found_by_the_header(tmp_path: Path, separator: str) -> None:
    text = f"{HEADER.replace(',', separator)}\n{row(separator)}\n"
    (quote,), rejected = await replay(save(tmp_path, text))
    assert (quote.symbol, str(quote.price), quote.volume, rejected) == ("AAA", "100.5", 1000, [])


@pytest.mark.parametrize(
    "data",
    [
        codecs.BOM_UTF16_LE + f"{HEADER}\r\n{row()}\r\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + f"{HEADER}\r\n{row()}\r\n".encode("utf-16-be"),
        f"{HEADER}\n{row()}\n".encode("utf-16-le"),
        codecs.BOM_UTF8 + f"{HEADER}\r\n{row()}".encode(),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
async def test_encodings_of_windows_are_read(tmp_path: Path, data: bytes, name: str) -> None:
    (quote,), _ = await replay(save(tmp_path, gzip.compress(data) if name.endswith("gz") else data, name))
    assert quote.volume == 1000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1773064800", "2026-03-09T14:00:00.000Z"),
        ("1773064800.5", "2026-03-09T14:00:00.500Z"),
        ("1773064800123", "2026-03-09T14:00:00.123Z"),
        ("1773064800123456", "2026-03-09T14:00:00.123Z"),
        ("1773064800123456789", "2026-03-09T14:00:00.123Z"),
        ("2026-03-09T14:00:00Z", "2026-03-09T14:00:00.000Z"),
        ("2026-03-09 14:00:00 UTC", "2026-03-09T14:00:00.000Z"),
    ],
)
async def test_a_moment_is_read_in_every_form_that_has_one_reading(tmp_path: Path, text: str, expected: str) -> None:
    for path in (
        save(tmp_path, f"{HEADER}\n{row(timestamp=text)}\n"),
        save(tmp_path, json.dumps({**OBJECT, "t": text}), "a.jsonl"),
    ):
        (quote,), _ = await replay(path)
        assert quote.timestamp == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-06 09:30:00", "2026-03-06T14:30:00.000Z"),
        ("2026-03-09T09:30:00.250", "2026-03-09T13:30:00.250Z"),  # after the change of the clock
        ("2026-03-09", "2026-03-09T04:00:00.000Z"),
        ("2026-03-09T14:00:00Z", "2026-03-09T14:00:00.000Z"),  # one with an offset keeps it
    ],
)
async def test_a_time_without_an_offset_is_of_the_clock_that_the_user_names(
    tmp_path: Path, text: str, expected: str
) -> None:
    (quote,), _ = await replay(save(tmp_path, f"{HEADER}\n{row(timestamp=text)}\n"), NEW_YORK)
    assert quote.timestamp == expected


async def test_without_a_clock_it_stops_with_the_line_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.csv:2: timestamp_naive: .*--timezone America/New_York"):
        await replay(save(tmp_path, f"{HEADER}\n{row(timestamp='2026-03-09 14:00:00')}\n"))


@pytest.mark.parametrize(
    ("separator", "field", "text", "expected"),
    [
        (",", "volume", '"1,000"', "1000"),
        (",", "volume", '"1,234,567"', "1234567"),
        (",", "price", '"1,234.50"', "1234.50"),
        (",", "price", '"1,234"', "1234"),
        (",", "price", "$189.50", "189.50"),
        (",", "price", "1'234.50", "1234.50"),
        (";", "volume", "1,000", "1000"),
        (";", "price", "1.234,50", "1234.50"),
        (";", "price", "100,5", "100.5"),
        (";", "price", "1 234,50", "1234.50"),
        (",", "volume", "1234.5678", "1234"),
        (",", "volume", "", "None"),
        (",", "volume", "0", "0"),
    ],
)
async def test_a_number_is_read_where_it_has_one_reading(
    tmp_path: Path, separator: str, field: str, text: str, expected: str
) -> None:
    lines = f"{HEADER.replace(',', separator)}\n{row(separator, **{'high': '9999', field: text})}\n"
    (quote,), _ = await replay(save(tmp_path, lines))
    assert str(getattr(quote, field)) == expected


async def test_a_number_with_two_readings_stops_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.csv:2: number_ambiguous: price='1,234'.*decimal point"):
        await replay(save(tmp_path, f"{HEADER.replace(',', ';')}\n{row(';', price='1,234')}\n"))


async def test_the_newest_row_first_is_turned_round(tmp_path: Path) -> None:
    rows = [row(timestamp=f"2026-03-09T14:{minute:02d}:00Z", volume=str(minute)) for minute in range(40)]
    quotes, rejected = await replay(save(tmp_path, "\n".join([HEADER, *reversed(rows)])))
    assert [quote.volume for quote in quotes] == list(range(40))
    assert rejected == []


EXPORTS = {
    "Yahoo": "Date,Open,High,Low,Close,Adj Close,Volume\n2026-03-06,1,3,1,2,2,100\n2026-03-09,2,5,2,4,4,200\n",
    "yfinance": "Datetime,Close,High,Low,Open,Volume\n2026-03-06 09:30:00-05:00,2,3,1,1,100\n"
    "2026-03-09 09:30:00-04:00,4,5,2,2,200\n",
    "Nasdaq": "Date,Close/Last,Volume,Open,High,Low\n03/09/2026,$4.00,200,$2.00,$5.00,$2.00\n"
    "03/06/2026,$2.00,100,$1.00,$3.00,$1.00\n",
    "Stooq": "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"
    "AAPL,5,20260306,153000,1,3,1,2,100,0\nAAPL,5,20260309,153000,2,5,2,4,200,0\n",
    "Alpaca": "symbol,timestamp,open,high,low,close,volume,trade_count,vwap\n"
    "AAPL,2026-03-06T14:30:00Z,1,3,1,2,100,1,2\nAAPL,2026-03-09T13:30:00Z,2,5,2,4,200,1,3\n",
}  # fmt: skip


@pytest.mark.parametrize("export", EXPORTS)
async def test_a_common_export_is_read_and_its_first_session_has_no_previous_close(tmp_path: Path, export: str) -> None:
    quotes, rejected = await replay(save(tmp_path, EXPORTS[export]), NEW_YORK, symbols=["AAPL"])
    (quote,) = quotes
    assert [quote.open, quote.high, quote.low, quote.price, quote.previous_close] == [2, 5, 2, 4, 2]
    assert (quote.symbol, quote.volume) == ("AAPL", 200)
    assert [rejection.reason for rejection in rejected] == ["previous_close_unknown"]


async def test_bars_within_a_session_become_its_range_and_cumulative_volume(tmp_path: Path) -> None:
    text = "symbol,timestamp,open,high,low,close,volume\n" + "\n".join(
        f"AAPL,{moment}Z,{o},{h},{low},{c},{v}"
        for moment, o, h, low, c, v in (
            ("2026-03-06T20:59:00", 9, 10, 9, 10, 5), ("2026-03-09T13:30:00", 10, 12, 10, 11, 100),
            ("2026-03-09T13:31:00", 11, 11, 8, 9, 50),
        )
    )  # fmt: skip
    quotes, _ = await replay(save(tmp_path, text))
    last = quotes[-1]
    assert [last.open, last.high, last.low, last.price, last.previous_close] == [10, 12, 8, 9, 10]
    assert last.volume == 150


async def test_a_file_without_symbols_asks_which_it_is_of(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"column symbol missing.*--symbols AAPL"):
        await replay(save(tmp_path, EXPORTS["Yahoo"]), NEW_YORK)


async def test_columns_of_any_name_are_named_by_the_user(tmp_path: Path) -> None:
    text = "When,Sym,O1,Hi,Lo,Kurs,Vortag,Stück\n" + row()
    names = {"timestamp": "when", "symbol": "Sym", "open": "O1", "high": "Hi", "low": "Lo", "price": "Kurs",
             "previous_close": "Vortag", "volume": "Stück"}  # fmt: skip
    (quote,), _ = await replay(save(tmp_path, text), ReplayFormat(columns=names))
    assert str(quote.price) == "100.5"
    with pytest.raises(InputError, match="--columns price=Preis: no such column; found: When, Sym"):
        await replay(save(tmp_path, text), ReplayFormat(columns={**names, "price": "Preis"}))


async def test_a_quote_says_its_session_where_the_row_says_its_exchange(tmp_path: Path) -> None:
    text = f"{HEADER},exchange,market_state\n{row()},NMS,PRE\n{row(symbol='VNM.VN')},,\n{row(symbol='BBB')},,REGULAR\n"
    known, by_suffix, guessed = (await replay(save(tmp_path, text)))[0]
    assert (known.session_date, known.regular) == ("2026-03-09", False)
    assert by_suffix.session_date == "2026-03-09"
    assert guessed.session_date is None


async def test_a_file_of_which_nothing_is_stored_fails_after_the_others_were_delivered(tmp_path: Path) -> None:
    empty = save(tmp_path, EXPORTS["Alpaca"].splitlines()[0] + "\n" + EXPORTS["Alpaca"].splitlines()[1], "empty.csv")
    source = ReplaySource([empty, save(tmp_path, f"{HEADER}\n{row()}\n")])
    quotes = [quote async for batch in source.batches() for quote in batch.quotes]
    assert len(quotes) == 1
    assert source.failure is not None
    assert "empty.csv:2: previous_close_unknown" in source.failure


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not there")
@pytest.mark.parametrize(
    ("name", "rows"), [("f02-semicolon.csv", 3), ("f05-epoch-s.csv", 3), ("f07-thousands.csv", 3), ("f15-naive.csv", 3),
                       ("f22-negative.csv", 3), ("crypto-rolling.csv", 6), ("g7-reverse-split.csv", 3)],
)  # fmt: skip
async def test_the_shared_cases_are_read_whole(name: str, rows: int) -> None:
    quotes, rejected = await replay(CASES / name, NEW_YORK)
    assert (len(quotes), rejected) == (rows, [])


async def test_a_header_of_which_every_name_is_quoted_is_read(tmp_path: Path) -> None:
    for separator in (",", ";", "\t", "|"):
        header = separator.join(f'"{name}"' for name in HEADER.split(","))
        values = separator.join(f'"{value}"' for value in row().split(","))
        (quote,), rejected = await replay(save(tmp_path, f"{header}\n{values}\n"))
        assert (quote.symbol, str(quote.price), rejected) == ("AAA", "100.5", [])


async def test_investing_com_writes_american_dates_and_rounds_its_volumes(tmp_path: Path) -> None:
    text = (
        '"Date","Price","Open","High","Low","Vol.","Change %"\n'
        '"03/10/2026","251.30","249.10","252.00","248.50","45.12M","0.92%"\n'
        '"03/09/2026","249.00","247.10","250.00","246.50","-","0.10%"\n'
    )
    form = ReplayFormat(zone=ZoneInfo("America/New_York"), symbol="AAPL")
    (quote,), (first,) = await replay(save(tmp_path, text), form)

    assert (quote.timestamp, str(quote.price), str(quote.previous_close)) == (
        "2026-03-10T04:00:00.000Z", "251.30", "249.00",
    )  # fmt: skip
    assert quote.volume == 45_120_000
    assert first.reason == "previous_close_unknown"
    assert "Remedy: add the session before" in first.detail


YFINANCE_BY_COLUMN = """Price,Close,Close,High,High,Low,Low,Open,Open,Volume,Volume
Ticker,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT
Date,,,,,,,,,,
2026-03-09,249.19999694824222,500.5,250.5,501,248,499,249,500,1000,2000
2026-03-10,251,,252,,250,,250,,1100,
2026-03-11,252,503,253,504,251,502,251,502.5,1200,2200
"""
YFINANCE_BY_TICKER = """Ticker,MSFT,MSFT,MSFT,MSFT,MSFT
Price,Open,High,Low,Close,Volume
Datetime,,,,,
2026-03-09 19:59:00+00:00,500,501,499,500.5,2000
2026-03-10 13:30:00+00:00,502.5,504,502,503,2200
"""


async def test_what_yfinance_downloads_gives_a_quote_for_each_symbol_of_a_line(tmp_path: Path) -> None:
    quotes, rejected = await replay(save(tmp_path, YFINANCE_BY_COLUMN), NEW_YORK)

    assert [(quote.symbol, quote.timestamp[:10], str(quote.previous_close), quote.volume) for quote in quotes] == [
        ("AAPL", "2026-03-10", "249.19999694824222", 1100),
        ("AAPL", "2026-03-11", "251", 1200),
        ("MSFT", "2026-03-11", "500.5", 2200),
    ]
    assert [(each.subject.rpartition(":")[2], each.reason) for each in rejected] == [
        ("4", "previous_close_unknown"), ("4", "previous_close_unknown"),
    ]  # fmt: skip

    (quote,), _ = await replay(save(tmp_path, YFINANCE_BY_TICKER))
    assert (quote.symbol, quote.timestamp, str(quote.price)) == ("MSFT", "2026-03-10T13:30:00.000Z", "503")


async def test_a_line_of_yfinance_that_lacks_a_value_spoils_itself_alone(tmp_path: Path) -> None:
    text = YFINANCE_BY_TICKER + "2026-03-10 13:31:00+00:00,502.5,504\n2026-03-10 13:32:00+00:00,503,504,502,503.5,100\n"
    quotes, rejected = await replay(save(tmp_path, text))

    assert [quote.timestamp[11:16] for quote in quotes] == ["13:30", "13:32"]
    assert [each.reason for each in rejected] == ["previous_close_unknown", "column_count"]


async def test_a_first_column_called_price_is_no_table_of_yfinance(tmp_path: Path) -> None:
    text = f"price,{HEADER.replace(',price', '')}\n100.5,{row().replace(',100.5', '')}\n"
    (quote,), _ = await replay(save(tmp_path, text))
    assert (quote.symbol, str(quote.price)) == ("AAA", "100.5")


async def test_flat_files_of_polygon_are_bars_by_nanoseconds(tmp_path: Path) -> None:
    text = (
        "ticker,volume,open,close,high,low,window_start,transactions\n"
        "AAPL,1000,249,249.2,249.5,248.9,1773086340000000000,10\nAAPL,1100,250,251,252,250,1773149400000000000,11\n"
    )
    (quote,), _ = await replay(save(tmp_path, text))
    assert (quote.timestamp, str(quote.previous_close)) == ("2026-03-10T13:30:00.000Z", "249.2")
