"""A query's answer as text: a table for people, CSV and JSON lines for programs; and as a file."""

import csv
import datetime as dt
import io
import json
import shutil
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from stockstream.errors import InputError
from stockstream.lake import Lake, QueryResult

# Wide enough that no cell is folded: a pipe keeps everything.
_PIPE_WIDTH: Final = 1000
FILE_ENDINGS: Final = (".csv", ".parquet", ".json")


def render(result: QueryResult, form: str) -> str:
    """Render an answer.

    Args:
        result: What a statement gave.
        form: `table`, `csv` (with a header line) or `json` (an object a row; decimals as text, digits kept).
    """
    if form == "csv":
        return _csv(result).rstrip("\n")
    if form == "json":
        return "\n".join(json.dumps(row) for row in _objects(result))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPE_WIDTH
    return _table(result, width)


def checked_output(path: Path) -> Path:
    """Refuse, before anything runs, a file that cannot be written.

    Raises:
        InputError: names the file and what it may be.
    """
    if path.suffix not in FILE_ENDINGS:
        raise InputError(f"--output {path}: must end with {', '.join(FILE_ENDINGS)}")
    if not path.parent.is_dir():
        raise InputError(f"--output {path}: there is no folder {path.parent}. Remedy: make it, or name another file")
    return path


def numbered(path: Path, number: int) -> Path:
    """The file of one of several answers: result.csv becomes result-2.csv."""
    return path.with_stem(f"{path.stem}-{number}")


def write(lake: Lake, result: QueryResult, path: Path) -> None:
    """Write an answer by the ending of the file's name.

    Raises:
        InputError: the file cannot be written.
    """
    if path.suffix == ".parquet":
        lake.write_parquet(result, path)
        return
    text = _csv(result) if path.suffix == ".csv" else json.dumps(_objects(result), indent=1) + "\n"
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise InputError(f"--output {path}: cannot be written: {exc.strerror}") from exc


def _csv(result: QueryResult) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(result.columns)
    writer.writerows([["" if value is None else _text(value) for value in row] for row in result.rows])
    return out.getvalue()


def _objects(result: QueryResult) -> list[dict[str, Any]]:
    return [{name: _plain(value) for name, value in zip(result.columns, row, strict=True)} for row in result.rows]


def _table(result: QueryResult, width: int) -> str:
    """A table where it fits the terminal, else a column a line: no cell is folded or cut."""
    cells = [["" if value is None else _text(value) for value in row] for row in result.rows]
    table = Table(*result.columns)
    for row in cells:
        table.add_row(*row)
    out = io.StringIO()
    console = Console(file=out, width=_PIPE_WIDTH, color_system=None, markup=False, highlight=False)
    if table.__rich_measure__(console, console.options).maximum <= width:
        console.print(table)
    else:
        out.write(_upright(result.columns, cells))
    rows = len(result.rows)
    title = f"{result.title}\n" if result.title else ""
    return f"{title}{out.getvalue()}{rows} {'row' if rows == 1 else 'rows'}"


def _upright(columns: tuple[str, ...], rows: list[list[str]]) -> str:
    name_width = max(map(len, columns))
    blocks = []
    for number, row in enumerate(rows, 1):
        lines = [f"  {name:{name_width}}  {cell}" for name, cell in zip(columns, row, strict=True)]
        blocks.append("\n".join([f"row {number}", *lines]))
    return "\n".join([*blocks, ""])


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        # The columns have ten decimal places; the quotes had fewer.
        return f"{value.normalize():f}"
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="milliseconds")
    return str(value)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else _text(value)
