"""The table definitions say what the wire says, and say it alike."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import sqlglot
from sqlglot import exp

from stockstream.errors import InputError
from stockstream.lake import AthenaFiles, Lake, LocalArchive, Only, find_athena_files
from stockstream_wire import Quote
from stockstream_wire.storage import day_prefix, partition_of, tidied_key
from tests.athena.sessions import ROOT, old_objects, quote, tidied_objects, write, write_archive

FILES = find_athena_files()
TABLES = ("stock_data_table", "stock_data_by_day", "quotes")
TYPES: dict[Any, str] = {str: "TEXT", Decimal: "DECIMAL(28, 10)", bool: "BOOLEAN"}


def plain(annotation: Any) -> Any:
    if get_origin(annotation) is Literal:
        return str
    return next((arg for arg in get_args(annotation) if arg is not type(None)), annotation)


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_the_wires_fields_in_the_wires_order(table: str) -> None:
    columns = {column.name: column.type for column in FILES.table(table).columns}
    assert list(columns) == list(Quote.__struct_fields__)
    for name, annotation in Quote.__annotations__.items():
        kind = plain(annotation)
        if kind is int:
            assert columns[name] in {"BIGINT", "INT"}, name
        else:
            assert columns[name] == TYPES[kind], name
    # A cumulative volume passes 2**31 on a busy day.
    assert columns["volume"] == "BIGINT"


def test_no_partition_is_called_like_a_column() -> None:
    for table in TABLES:
        definition = FILES.table(table)
        assert not {c.name for c in definition.columns} & {c.name for c in definition.partitions}
    assert FILES.table("stock_data_table").partitions == ()


def test_the_published_table_needs_no_where() -> None:
    text = (FILES.root / "tables" / "stock_data_table.sql").read_text(encoding="utf-8")
    assert "projection" not in text.partition("CREATE")[2]


def test_every_file_is_one_statement_of_athenas_dialect() -> None:
    paths = [*FILES.queries().values(), *(FILES.root / "views").glob("*.sql"), *(FILES.root / "tables").glob("*.sql")]
    assert len(paths) >= 12
    for path in paths:
        statements = sqlglot.parse(path.read_text(encoding="utf-8"), read="athena")
        assert len([entry for entry in statements if not isinstance(entry, exp.Semicolon)]) == 1, path
        assert path.read_text(encoding="utf-8").startswith("-- "), f"{path} does not say what it is"


def test_every_query_runs_on_an_empty_archive(tmp_path: Path) -> None:
    with Lake(LocalArchive(tmp_path), FILES, Only(symbols=("AAPL",))) as lake:
        for path in (FILES.published_queries, *FILES.queries().values()):
            assert all(result.rows == [] for result in lake.run(path.read_text(encoding="utf-8")))


def test_prices_come_back_digit_for_digit(tmp_path: Path) -> None:
    prices = ["0.0000000001", "150.1199951171", "98765.4321", "123456789.123456", "12345678901.2345", "2.10", "3"]
    quotes = [quote("A", f"2026-11-20T15:00:0{n}.000Z", price, "1") for n, price in enumerate(prices)]
    with Lake(LocalArchive(write_archive(tmp_path, quotes)), FILES) as lake:
        (result,) = lake.run('SELECT price FROM stock_data_table ORDER BY "timestamp"')
    assert [row[0] for row in result.rows] == [Decimal(price) for price in prices]


def test_a_number_that_no_column_holds_is_null_and_the_rest_is_there(tmp_path: Path) -> None:
    huge = quote("A", "2026-11-20T15:00:00.000Z", "2.5", "1", high=Decimal("99999999999999999999e15"))
    late = quote("B", "2026-11-20T15:00:00.000Z", "1e-9", "1e3", delayed_by_seconds=2**40)
    with Lake(LocalArchive(write_archive(tmp_path, [huge, late])), FILES) as lake:
        (result,) = lake.run(
            "SELECT symbol, price, previous_close, high, delayed_by_seconds FROM stock_data_table ORDER BY symbol"
        )
    assert result.rows == [
        ("A", Decimal("2.5"), Decimal(1), None, None),
        ("B", Decimal("1e-9"), Decimal(1000), Decimal("1e-9"), None),
    ]


def test_parquet_is_read_where_the_archive_has_it(tmp_path: Path) -> None:
    import duckdb

    folder = tmp_path / "quotes" / "dt=2026-11-20" / "hour=09"
    folder.mkdir(parents=True)
    columns = {column.name: column.type for column in FILES.table("quotes").columns}
    values = ", ".join(
        f'CAST({"NULL" if n else chr(39) + "A" + chr(39)} AS {t}) AS "{c}"' for n, (c, t) in enumerate(columns.items())
    )
    duckdb.connect().execute(f"COPY (SELECT {values}) TO '{folder / 'a.parquet'}' (FORMAT parquet)")
    with Lake(LocalArchive(tmp_path), FILES) as lake:
        (result,) = lake.run("SELECT symbol, dt, hour FROM quotes")
    assert result.rows == [("A", "2026-11-20", "09")]


def test_a_view_on_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    for folder in ("tables", "views", "queries"):
        (tmp_path / "athena" / folder).mkdir(parents=True)
    for table in TABLES:
        text = (FILES.root / "tables" / f"{table}.sql").read_text(encoding="utf-8")
        (tmp_path / "athena" / "tables" / f"{table}.sql").write_text(text)
    (tmp_path / "athena" / "views" / "lost.sql").write_text("CREATE OR REPLACE VIEW lost AS SELECT * FROM nowhere;")
    with pytest.raises(InputError, match=r"lost.*nowhere"):
        Lake(LocalArchive(tmp_path), AthenaFiles(tmp_path / "athena"))


def test_the_ddls_projection_covers_the_layout_of_the_bucket() -> None:
    layout = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert "raw/dt=2026-11-22/symbol=AAPL/" in layout
    assert tidied_key(partition_of("AAPL", 4), "2026-11-22", "AAPL", 1, 0).startswith("raw/dt=2026-11-22/symbol=AAPL/")
    by_day = (FILES.root / "tables" / "stock_data_by_day.sql").read_text(encoding="utf-8")
    template = re.search(r"storage\.location\.template' = 's3://\$\{archive_bucket\}/(.+?)'", by_day)
    assert template is not None
    assert template[1].replace("${dt}", "2026-11-22") == day_prefix("2026-11-22")


def test_the_published_queries_read_old_log_and_tidied_objects_side_by_side(tmp_path: Path) -> None:
    """An archive that was begun by an earlier version, and whose first days are tidied."""
    days = [f"2026-11-{day}" for day in (18, 19, 20)]
    old, tidied, log = ([quote(name, f"{day}T15:00:00.000Z", "10", "9.5") for name in ("A", "^VIX")] for day in days)
    for key, body in (old_objects(old) | tidied_objects(tidied)).items():
        write(tmp_path, key, body)
    write_archive(tmp_path, log)
    with Lake(LocalArchive(tmp_path), FILES) as lake:
        first, top, average, anomalies = lake.run(FILES.published_queries.read_text(encoding="utf-8"))
        (by_day,) = lake.run("SELECT dt, count(*) AS n FROM stock_data_by_day GROUP BY dt ORDER BY dt")
    assert (len(first.rows), len(top.rows), len(anomalies.rows)) == (6, 5, 6)
    assert sorted(row[0] for row in average.rows) == ["A", "^VIX"]
    assert by_day.rows == [("2026-11-19", 2), ("2026-11-20", 2)]


def test_a_late_quote_is_found_in_the_folder_that_was_open_when_it_came(tmp_path: Path) -> None:
    quotes = [
        quote("A", "2026-11-20T15:00:00.000Z", "10", "9"),
        quote("A", "2026-11-21T15:00:00.000Z", "11", "10"),
        quote("A", "2026-11-20T15:00:30.000Z", "10", "9"),
    ]
    with Lake(LocalArchive(write_archive(tmp_path, quotes, batch=1)), FILES) as lake:
        (result,) = lake.run(
            "SELECT dt FROM stock_data_by_day WHERE dt BETWEEN '2026-11-20' AND '2026-11-22' "
            'AND substr("timestamp", 1, 10) = \'2026-11-20\' ORDER BY "timestamp"'
        )
    assert result.rows == [("2026-11-20",), ("2026-11-21",)]
