"""A query's answer as text: a table for people, CSV and JSON lines for programs."""

import csv
import datetime as dt
import io
import json
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from stockstream.lake import QueryResult

# Wide enough that no cell is folded; a terminal scrolls, a pipe keeps everything.
_TABLE_WIDTH = 1000


def render(result: QueryResult, form: str) -> str:
    """Render an answer.

    Args:
        result: What a statement gave.
        form: `table`, `csv` (with a header line) or `json` (an object a row; decimals as text, digits kept).
    """
    if form == "csv":
        return _csv(result)
    if form == "json":
        return "\n".join(
            json.dumps({name: _plain(value) for name, value in zip(result.columns, row, strict=True)})
            for row in result.rows
        )
    return _table(result)


def _csv(result: QueryResult) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(result.columns)
    writer.writerows([["" if value is None else _text(value) for value in row] for row in result.rows])
    return out.getvalue().rstrip("\n")


def _table(result: QueryResult) -> str:
    table = Table(*result.columns)
    for row in result.rows:
        table.add_row(*("" if value is None else _text(value) for value in row))
    out = io.StringIO()
    Console(file=out, width=_TABLE_WIDTH, color_system=None, markup=False, highlight=False).print(table)
    rows = len(result.rows)
    return f"{out.getvalue()}{rows} {'row' if rows == 1 else 'rows'}"


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        # The columns have ten decimal places; the quotes had fewer.
        return f"{value.normalize():f}"
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="milliseconds")
    return str(value)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else _text(value)
