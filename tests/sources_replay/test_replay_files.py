"""What a replay makes of files of every kind, good and broken."""

import gzip
import hashlib
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.errors import InputError, SourceError
from stockstream.sources.base import Rejection
from stockstream.sources.replay import ReplaySource
from stockstream_wire import Quote

HEADER = "timestamp,symbol,open,high,low,price,previous_close,volume"
ROW = "2014-06-05T13:31:00.000Z,AAPL,646.2000,646.9600,645.7500,646.2600,644.8200,220173"
SESSIONS = sorted((Path(__file__).parents[2] / ".." / "shared" / "data" / "market").glob("*.csv.gz"))


async def replay_into(quotes: list[Quote], *files: Path) -> None:
    async for batch in ReplaySource(files).batches():
        quotes += batch.quotes


async def replay(*files: Path, **options: Any) -> tuple[list[Quote], list[Rejection]]:
    quotes: list[Quote] = []
    rejected: list[Rejection] = []
    source = ReplaySource(files, **options)
    async for batch in source.batches():
        quotes += batch.quotes
        rejected += batch.rejected
    await source.aclose()
    return quotes, rejected


def write(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    text = "".join(line + "\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def to_parquet(select: str, path: Path) -> None:
    duckdb.sql(f"COPY ({select}) TO '{path}' (FORMAT parquet)")


def read_rows(session: Path) -> list[list[str]]:
    return [line.split(",") for line in gzip.decompress(session.read_bytes()).decode().splitlines()]


def reasons(rejected: list[Rejection]) -> list[tuple[str, str]]:
    return [(rejection.subject.rpartition("/")[2], rejection.reason) for rejection in rejected]


async def test_a_row_becomes_one_quote_with_the_digits_of_the_file(tmp_path: Path) -> None:
    quotes, rejected = await replay(write(tmp_path, "a.csv", HEADER, ROW))
    assert rejected == []
    (quote,) = quotes
    assert quote.timestamp == "2014-06-05T13:31:00.000Z"
    assert str(quote.open) == "646.2000"  # not only equal: the trailing zeros are there
    assert (quote.high, quote.low) == (Decimal("646.96"), Decimal("645.75"))
    assert (quote.volume, quote.source) == (220173, "replay")


@pytest.mark.skipif(not SESSIONS, reason="the real sessions (../shared/data/market) are not here")
@pytest.mark.parametrize("session", SESSIONS, ids=lambda path: path.name)
@pytest.mark.parametrize("form", ["csv.gz", "csv", "jsonl", "jsonl.gz", "parquet"])
async def test_every_row_of_a_real_session_is_exactly_one_equal_quote(session: Path, form: str, tmp_path: Path) -> None:
    rows = read_rows(session)
    header, body = rows[0], rows[1:]
    path = tmp_path / f"session.{form}"
    if form.startswith("csv"):
        write(tmp_path, path.name, *(",".join(row) for row in rows))
    elif form == "parquet":
        to_parquet(f"FROM read_csv('{session}')", path)
    else:
        numbers = {"open", "high", "low", "price", "previous_close", "volume"}
        objects = (
            "{"
            + ",".join(f'"{k}":{v if k in numbers else json.dumps(v)}' for k, v in zip(header, row, strict=True))
            + "}"
            for row in body
        )
        write(tmp_path, path.name, *objects)

    quotes, rejected = await replay(path)

    assert rejected == []
    got = [(q.timestamp, q.symbol, q.open, q.high, q.low, q.price, q.previous_close, q.volume) for q in quotes]
    expected = [(row[0], row[1], *map(Decimal, row[2:7]), int(row[7])) for row in body]
    assert got == expected
    if form != "parquet":  # a DOUBLE column has no trailing zeros to keep
        assert [str(q.price) for q in quotes] == [row[5] for row in body]


async def test_columns_come_in_any_order_and_unknown_ones_are_ignored(tmp_path: Path) -> None:
    path = write(
        tmp_path, "a.csv",
        "\ufeffVolume, Symbol ,note,price,previous_close,low,high,open,timestamp,bid,currency",
        '5,AAPL,"a, b",2,3,1,4,2,2014-06-05T13:31:00Z,1.99,USD',
    )  # fmt: skip
    (quote,), rejected = await replay(path)
    assert rejected == []
    assert (quote.volume, str(quote.price), str(quote.low), str(quote.high)) == (5, "2", "1", "4")
    assert (quote.bid, quote.ask, quote.currency) == (Decimal("1.99"), None, "USD")


async def test_a_file_that_says_where_it_came_from_still_replays_as_replay(tmp_path: Path) -> None:
    (quote,), _ = await replay(write(tmp_path, "a.csv", HEADER + ",source", ROW + ",yahoo"))
    assert quote.source == "replay"


BROKEN = {
    "2014-06-05T13:32:00Z,AAPL,1,2,1,2,1": "column_count",
    "2014-06-05T13:32:00Z,AAPL,1,2,1,2,1,5,9": "column_count",
    "2014-06-05T13:32:00,AAPL,1,2,1,2,1,5": "timestamp_naive",
    "2014-06-05,AAPL,1,2,1,2,1,5": "timestamp_naive",
    "yesterday,AAPL,1,2,1,2,1,5": "timestamp_malformed",
    "2014-13-05T13:32:00Z,AAPL,1,2,1,2,1,5": "timestamp_malformed",
    "0001-01-01T00:00:00+14:00,AAPL,1,2,1,2,1,5": "timestamp_malformed",
    ",AAPL,1,2,1,2,1,5": "value_missing",
    "2014-06-05T13:32:00Z,AAPL,,2,1,2,1,5": "value_missing",
    "2014-06-05T13:32:00Z,AAPL,1,2,1,abc,1,5": "number_malformed",
    "2014-06-05T13:32:00Z,AAPL,1,2,1,NaN,1,5": "number_malformed",
    "2014-06-05T13:32:00Z,AAPL,1,2,1,Infinity,1,5": "number_malformed",
    "2014-06-05T13:32:00Z,AAPL,1,2,1,1_0,1,5": "number_malformed",
    "2014-06-05T13:32:00Z,AAPL,1,2,1,٣,1,5": "number_malformed",
    "2014-06-05T13:32:00Z,AAPL,1,2,1,2,1,1e99999": "number_malformed",
    "2014-06-05T13:32:00Z,AAPL,1,2,1,2,1,-5": "quote_invalid",
    "2014-06-05T13:32:00Z,AAPL,1,2,1,0,1,5": "quote_invalid",
    "2014-06-05T13:32:00Z,AAPL,1,1,2,1,1,5": "quote_invalid",
    "2014-06-05T13:32:00Z,A PL,1,2,1,2,1,5": "quote_invalid",
    '2014-06-05T13:32:00Z,"AAPL,1,2,1,2,1,5': "line_malformed",
    "x" * 70_000: "line_too_long",
    "x" * 700_000: "line_too_long",
}


@pytest.mark.parametrize("form", ["csv", "csv.gz"])
async def test_each_broken_line_is_reported_with_its_number_and_costs_no_other(form: str, tmp_path: Path) -> None:
    good = [ROW.replace("13:31", f"{14 + i // 60:02d}:{i % 60:02d}") for i in range(len(BROKEN))]
    lines = [line for pair in zip(BROKEN, good, strict=True) for line in pair]
    quotes, rejected = await replay(write(tmp_path, f"b.{form}", HEADER, *lines))
    assert reasons(rejected) == [(f"b.{form}:{2 + 2 * i}", reason) for i, reason in enumerate(BROKEN.values())]
    assert len(quotes) == len(good)
    assert all(len(rejection.detail) < 300 for rejection in rejected)


async def test_bytes_that_are_not_text_spoil_only_their_line(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    path.write_bytes(f"{HEADER}\r\n".encode() + b"\xff\xfe\x00,\n" + f"{ROW}\r\n\r\n".encode())
    quotes, rejected = await replay(path)
    assert len(quotes) == 1
    assert reasons(rejected) == [("b.csv:2", "encoding_invalid")]


async def test_a_last_line_without_its_end_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{HEADER}\n{ROW}")
    assert len((await replay(path))[0]) == 1


async def test_a_duplicate_row_is_rejected_by_name_even_across_files(tmp_path: Path) -> None:
    other_value = ROW.replace("646.2600", "646.2700")
    first = write(tmp_path, "a.csv", HEADER, ROW, other_value)
    second = write(tmp_path, "b.csv", HEADER, ROW.replace("13:31:00.000Z", "09:31:00-04:00"))
    quotes, rejected = await replay(first, second)
    assert len(quotes) == 1
    assert reasons(rejected) == [("a.csv:3", "duplicate_row"), ("b.csv:2", "duplicate_row")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2014-06-05T09:31:00-04:00", "2014-06-05T13:31:00.000Z"),
        ("2014-06-05 13:31:00+00:00", "2014-06-05T13:31:00.000Z"),
        ("20140605T133100Z", "2014-06-05T13:31:00.000Z"),
        ("2014-06-05T13:31:00.123456789Z", "2014-06-05T13:31:00.123Z"),
        ("2014-W23-4T13:31:00.000Z", "2014-06-05T13:31:00.000Z"),
        ("2014-06-05T23:31+1000", "2014-06-05T13:31:00.000Z"),
    ],
)
async def test_any_iso_time_with_an_offset_takes_the_wire_form(text: str, expected: str, tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", HEADER, ROW.replace("2014-06-05T13:31:00.000Z", text))
    (quote,), _ = await replay(path)
    assert quote.timestamp == expected


@pytest.mark.parametrize("column", HEADER.split(","))
async def test_a_missing_column_stops_with_its_name(column: str, tmp_path: Path) -> None:
    kept = [(name, value) for name, value in zip(HEADER.split(","), ROW.split(","), strict=True) if name != column]
    csv_path = write(tmp_path, "a.csv", ",".join(n for n, _ in kept), ",".join(v for _, v in kept))
    jsonl_path = write(tmp_path, "a.jsonl", json.dumps(dict(kept)))
    parquet_path = tmp_path / "a.parquet"
    to_parquet(f"FROM read_csv('{csv_path}')", parquet_path)
    for path in (csv_path, jsonl_path, parquet_path):
        with pytest.raises(InputError, match=f"{path.name}: column {column} missing"):
            await replay(path)


async def test_a_column_missing_in_the_last_file_stops_before_the_first_quote(tmp_path: Path) -> None:
    good = write(tmp_path, "a.csv", HEADER, ROW)
    bad = write(tmp_path, "b.csv", HEADER.replace("low,", ""), ROW)
    got: list[Quote] = []
    with pytest.raises(InputError, match=r"b\.csv: column low missing"):
        await replay_into(got, good, bad)
    assert got == []


async def test_a_column_named_twice_stops_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="column price is there twice"):
        await replay(write(tmp_path, "a.csv", HEADER + ",price", ROW + ",1"))


def make_absent(path: Path) -> None:
    pass


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


def make_folder(path: Path) -> None:
    path.mkdir()


def make_blank(path: Path) -> None:
    path.write_bytes(b"\n\n")


def make_truncated_gzip(path: Path) -> None:
    rows = "".join(ROW.replace("13:31", f"{14 + i // 60:02d}:{i % 60:02d}") + "\n" for i in range(500))
    path.write_bytes(gzip.compress(f"{HEADER}\n{rows}".encode())[:-40])


def make_damaged_gzip(path: Path) -> None:
    whole = bytearray(gzip.compress(f"{HEADER}\n{ROW}\n".encode()))
    whole[-5] ^= 0xFF
    path.write_bytes(whole)


def make_cut_gzip_head(path: Path) -> None:
    path.write_bytes(b"\x1f\x8b\x08")


def make_array(path: Path) -> None:
    path.write_bytes(b'[{"symbol":"AAPL"}]')


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_absent, "cannot be opened: No such file"),
        (make_empty, "is empty"),
        (make_blank, "is empty"),
        (make_folder, "is a folder"),
        (make_truncated_gzip, "gzip file is truncated"),
        (make_damaged_gzip, "gzip file is damaged"),
        (make_cut_gzip_head, "gzip file is truncated"),
        (make_array, "not JSON Lines"),
    ],
)
@pytest.mark.parametrize("name", ["x.csv.gz", "x"])
async def test_a_file_that_cannot_be_read_is_a_clear_error_with_its_name(
    make: Any, message: str, name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    make(path)
    with pytest.raises(InputError, match=message) as caught:
        await replay(path)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x"])
async def test_a_header_without_rows_stops_with_the_name_of_its_file(name: str, tmp_path: Path) -> None:
    good, bare = write(tmp_path, "a.csv", HEADER, ROW), write(tmp_path, name, HEADER, "", "\r")
    got: list[Quote] = []
    with pytest.raises(InputError, match="has columns and no rows") as caught:
        await replay_into(got, good, bare)
    assert str(caught.value).startswith(f"{bare}: ")
    assert (got, caught.value.exit_code) == ([], 2)


async def test_parquet_without_rows_stops_with_its_name(tmp_path: Path) -> None:
    source = write(tmp_path, "a.csv", HEADER, ROW)
    to_parquet(f"FROM read_csv('{source}', all_varchar=true) WHERE symbol = 'none'", tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"b\.parquet: has columns and no rows"):
        await replay(tmp_path / "b.parquet")


async def test_a_file_of_broken_rows_only_stops_before_the_first_quote_with_the_first_of_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.csv:2: column_count: .* No row of the file can be read"):
        await replay(write(tmp_path, "a.csv", HEADER, "what is this", "and this"))


async def test_a_truncated_gzip_never_yields_the_row_it_was_cut_in(tmp_path: Path) -> None:
    moments = [f"{h:02d}:{m:02d}:{s:02d}" for h in range(6) for m in range(60) for s in range(60)]
    rows = [f"2014-06-05T{moment}Z,AAPL,1,2,1,2,1,{hash_of(moment)}" for moment in moments]
    whole = gzip.compress("\n".join([HEADER, *rows]).encode())
    path = tmp_path / "x.csv.gz"
    path.write_bytes(whole[: len(whole) // 2])
    got: list[Quote] = []
    with pytest.raises(InputError, match="truncated"):
        await replay_into(got, path)
    assert 0 < len(got) < len(rows)
    assert [quote.volume for quote in got] == [hash_of(moment) for moment in moments[: len(got)]]


def hash_of(text: str) -> int:
    """Digits that gzip cannot guess, so that the file is long."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7])


async def test_json_lines_take_numbers_and_strings_exactly(tmp_path: Path) -> None:
    as_numbers = (
        '{"v":1,"symbol":"AAPL","timestamp":"2014-06-05T13:31:00.000Z","open":646.2000,"high":646.96,"low":1e1,'
        '"price":0.1000000000000000055,"previous_close":644.82,"volume":220173,"bid":null,"stale":false,"x":{"y":[1]}}'
    )
    as_strings = (
        '{"symbol":"AAPL","timestamp":"2014-06-05T13:32:00Z","open":"646.2000","high":"646.96","low":"10",'
        '"price":"646.26","previous_close":"644.82","volume":220173.0,"ask":"1.5","currency":"U\\u0053D","stale":true}'
    )
    quotes, rejected = await replay(write(tmp_path, "a.jsonl", as_numbers, as_strings))
    assert rejected == []
    assert (str(quotes[0].open), str(quotes[0].price), quotes[0].bid) == ("646.2000", "0.1000000000000000055", None)
    assert (quotes[1].ask, quotes[1].currency, quotes[1].stale) == (Decimal("1.5"), "USD", True)
    assert quotes[1].volume == 220173


async def test_a_broken_json_line_is_reported_with_its_number(tmp_path: Path) -> None:
    good = dict(zip(HEADER.split(","), ROW.split(","), strict=True))
    lacking = {key: value for key, value in good.items() if key != "low"}
    naive = {**good, "timestamp": "2014-06-05T13:31:00"}
    nested = {**good, "price": {"raw": 1}}
    lines = ["{", json.dumps(lacking), "[1]", json.dumps(naive), json.dumps(nested), "", json.dumps(good), "nul"]
    quotes, rejected = await replay(write(tmp_path, "a.jsonl", *lines))
    assert len(quotes) == 1
    assert reasons(rejected) == [
        ("a.jsonl:1", "line_malformed"),
        ("a.jsonl:2", "value_missing"),
        ("a.jsonl:3", "line_malformed"),
        ("a.jsonl:4", "timestamp_naive"),
        ("a.jsonl:5", "number_malformed"),
        ("a.jsonl:8", "line_malformed"),
    ]


async def test_json_lines_without_a_telling_name_are_known_by_their_content(tmp_path: Path) -> None:
    good = dict(zip(HEADER.split(","), ROW.split(","), strict=True))
    quotes, _ = await replay(write(tmp_path, "archive.json.gz", json.dumps(good)))
    assert len(quotes) == 1


async def test_parquet_of_exact_and_of_binary_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    to_parquet(
        """SELECT TIMESTAMPTZ '2014-06-05 13:31:00.5+00' AS timestamp, 'AAPL' AS symbol,
            646.2000::DECIMAL(18,4) AS open, 646.96::DOUBLE AS high, 645.7::FLOAT AS low, '646.2600' AS price,
            0.1::DOUBLE + 0.2::DOUBLE AS previous_close, 220173::DOUBLE AS volume, NULL::DOUBLE AS bid""",
        path,
    )
    (quote,), rejected = await replay(path)
    assert rejected == []
    assert quote.timestamp == "2014-06-05T13:31:00.500Z"
    assert str(quote.open) == "646.2000"
    assert (quote.high, quote.low) == (Decimal("646.96"), Decimal("645.7"))
    assert str(quote.price) == "646.2600"
    assert quote.previous_close == Decimal(repr(0.1 + 0.2))
    assert (quote.volume, quote.bid) == (220173, None)


async def test_parquet_times_without_a_zone_stop_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    csv_path = write(tmp_path, "a.csv", HEADER, ROW)
    to_parquet(f"FROM read_csv('{csv_path}') SELECT * REPLACE (timestamp::TIMESTAMP AS timestamp)", path)
    with pytest.raises(InputError, match=r"timestamp_naive: timestamp=.*--timezone"):
        await replay(path)


async def test_a_broken_parquet_row_is_reported_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    csv_path = write(tmp_path, "a.csv", HEADER, ROW, ROW.replace("13:31", "13:32").replace("646.2600", "nan"))
    to_parquet(f"FROM read_csv('{csv_path}')", path)
    quotes, rejected = await replay(path)
    assert len(quotes) == 1
    assert reasons(rejected) == [("a.parquet:2", "number_malformed")]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"x" * 100 + b"PAR1", b"timestamp,symbol\n"])
async def test_a_file_that_is_parquet_by_name_only_is_a_clear_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.parquet: is"):
        await replay(path)


def test_parquet_without_duckdb_names_the_extra_that_has_it(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; sys.modules['duckdb'] = None\n"  # what an import finds where it is not installed
        "from stockstream.sources.replay import ReplaySource\n"
        f"asyncio.run(anext(ReplaySource([{str(tmp_path / 'a.parquet')!r}]).batches()))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "InputError" in run.stderr
    assert "reading Parquet needs duckdb. Remedy: pip install 'stockstream[local]'" in run.stderr


async def test_only_the_symbols_asked_for_are_replayed(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", HEADER, ROW, ROW.replace("AAPL", "IBM"), ROW.replace("AAPL", "BAD ONE"))
    quotes, rejected = await replay(path, symbols=["IBM", "MSFT"])
    assert [quote.symbol for quote in quotes] == ["IBM"]
    assert reasons(rejected) == [("MSFT", "symbol_not_in_files")]


async def test_symbols_that_are_in_no_file_stop_the_replay(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="none of MSFT is in"):
        await replay(write(tmp_path, "a.csv", HEADER, ROW), symbols=["MSFT"])


@given(
    st.decimals(min_value="0.0000001", max_value=10**9, allow_nan=False, allow_infinity=False).filter(
        lambda d: d > 0 and len(d.as_tuple().digits) <= 20
    )
)
def test_a_price_is_the_decimal_of_its_text(price: Decimal) -> None:
    from stockstream.sources.replay._values import parse_number

    assert str(parse_number("price", str(price))) == str(price)


@given(st.floats(min_value=1e-10, max_value=1e15))
def test_the_text_of_a_parquet_double_is_its_repr(number: float) -> None:
    (text,) = duckdb.execute("SELECT CAST(?::DOUBLE AS VARCHAR)", [number]).fetchone() or ("",)
    assert Decimal(text) == Decimal(repr(number))


@given(st.text(max_size=200))
def test_no_text_breaks_the_parser_with_anything_but_a_rejection(text: str) -> None:
    from stockstream.sources.replay._rows import RowParser, Seen

    parser = RowParser("f", HEADER.split(","), None, Seen())
    outcome = parser.parse(1, text.split(","))
    assert isinstance(outcome, Rejection)
