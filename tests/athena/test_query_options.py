"""`stockstream query` for a person: a symbol, a range, a few rows, a file; no query carries dates of test data."""

import csv
import json
import re
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from stockstream.cli._commands import stockstream
from stockstream.cli._rows import render
from stockstream.errors import InputError
from stockstream.lake import QueryResult, find_athena_files
from tests.athena.sessions import quote, write_archive

DAYS = ("2026-11-18", "2026-11-19", "2026-11-20")
FILES = find_athena_files()


@pytest.fixture(name="archive")
def _archive(tmp_path: Path) -> str:
    quotes = [
        quote(symbol, f"{day}T15:0{minute}:00.000Z", f"10{minute}.5", "100", volume=minute)
        for day in DAYS
        for symbol in ("AAPL", "^VIX")
        for minute in range(3)
    ]
    return str(write_archive(tmp_path / "archive", quotes))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(stockstream, ["query", *arguments])


def values(*arguments: str) -> list[str]:
    done = run(*arguments, "--format", "csv")
    assert done.exit_code == 0, done.output
    return done.output.splitlines()[1:]


COUNT = "SELECT symbol, count(*) AS n FROM stock_data_table GROUP BY symbol ORDER BY symbol"


def test_a_symbol_and_a_range_restrict_every_query(archive: str) -> None:
    where = ("--archive", archive)
    assert values(COUNT, *where) == ["AAPL,9", "^VIX,9"]
    assert values(COUNT, *where, "--symbol", "^VIX") == ["^VIX,9"]
    assert values(COUNT, *where, "--from", "2026-11-19", "--to", "2026-11-19") == ["AAPL,3", "^VIX,3"]
    assert values(COUNT, *where, "--from", "2026-11-20T15:01Z", "--to", "2026-11-20T15:02Z") == ["AAPL,1", "^VIX,1"]
    assert len(values("vwap_per_day", *where, "--symbol", "AAPL", "--to", "2026-11-19")) == 2


def test_a_query_with_marks_takes_them_from_the_options(archive: str) -> None:
    where = ("--archive", archive, "--symbol", "AAPL")
    assert len(values("one_symbol", *where)) == 9
    assert len(values("one_symbol", *where, "--from", "2026-11-19", "--to", "2026-11-20")) == 6
    missing = run("one_symbol", "--archive", archive)
    assert isinstance(missing.exception, InputError)
    assert str(missing.exception) == "this query needs --symbol"


def test_marks_that_no_line_explains_are_refused(archive: str) -> None:
    done = run("SELECT * FROM stock_data_table WHERE symbol = ?", "--archive", archive)
    assert isinstance(done.exception, InputError)
    assert "-- Parameters: symbol, from, to" in str(done.exception)


def test_a_limit_is_of_each_answer_and_keeps_its_order(archive: str) -> None:
    assert values(COUNT + " DESC", "--archive", archive, "--limit", "1") == ["^VIX,9"]
    assert run("published", "--archive", archive, "--limit", "2").output.count("2 rows") == 3


def test_every_answer_of_several_has_its_title(archive: str) -> None:
    said = run("published", "--archive", archive).output
    titles = ["Basic data retrieval", "Top 5 stocks with highest price change", "Average trading volume per stock"]
    places = [said.index(title) for title in titles]
    assert places == sorted(places)


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_an_answer_goes_into_a_file_by_its_ending(archive: str, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"answer.{ending}"
    done = run(COUNT, "--archive", archive, "--output", str(path))

    assert done.exit_code == 0, done.output
    if ending == "csv":
        rows = [(row["symbol"], int(row["n"])) for row in csv.DictReader(path.read_text().splitlines())]
    elif ending == "json":
        rows = [(row["symbol"], row["n"]) for row in json.loads(path.read_text())]
    else:
        rows = duckdb.connect().read_parquet(str(path)).fetchall()
    assert rows == [("AAPL", 9), ("^VIX", 9)]


def test_several_answers_go_into_a_file_each(archive: str, tmp_path: Path) -> None:
    done = run("published", "--archive", archive, "-o", str(tmp_path / "p.csv"))

    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in tmp_path.glob("p*")) == [f"p-{number}.csv" for number in (1, 2, 3, 4)]
    assert (tmp_path / "p-3.csv").read_text().splitlines()[0] == "symbol,avg_volume"


@pytest.mark.parametrize("name", ["answer.txt", "absent/answer.csv"])
def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(archive: str, tmp_path: Path, name: str) -> None:
    done = run("no such query", "--archive", archive, "--output", str(tmp_path / name))
    assert isinstance(done.exception, InputError)
    assert str(done.exception).startswith("--output")


def test_the_list_says_what_each_query_answers() -> None:
    lines = run("--list").output.splitlines()
    names = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert names == ["published", *FILES.queries()]
    assert any(line.split(maxsplit=1)[1].startswith("Volume-weighted average price") for line in lines)


def test_no_query_carries_a_date() -> None:
    for name, path in FILES.queries().items():
        assert re.search(r"\b(19|20)\d\d-\d\d", path.read_text(encoding="utf-8")) is None, name


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_table_fits_the_terminal_and_no_cell_is_cut(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    result = QueryResult(tuple(f"column_{n}" for n in range(8)), [tuple(f"value-{n}-long" for n in range(8))], "")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))

    text = render(result, "table")

    assert all(len(line) <= columns for line in text.splitlines())
    assert all(f"value-{n}-long" in text for n in range(8))
    assert text.endswith("1 row")
