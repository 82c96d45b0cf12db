"""The files of `athena/`, read: table definitions as columns, views and queries as SQL text."""

import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlglot
from sqlglot import exp

from stockstream.errors import InputError

ATHENA: Final = "athena"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its name and its type in DuckDB."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """What a CREATE EXTERNAL TABLE says: the columns in the files, and those that their folders carry."""

    name: str
    columns: tuple[Column, ...]
    partitions: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class AthenaFiles:
    """The folder of definitions: `tables/`, `views/`, `queries/` and `queries.sql`, the published queries."""

    root: Path

    @property
    def published_queries(self) -> Path:
        return self.root / "queries.sql"

    def queries(self) -> dict[str, Path]:
        """Query files by name, without their ending."""
        return {path.stem: path for path in sorted((self.root / "queries").glob("*.sql"))}

    def description(self, path: Path) -> str:
        """What a query's file says of it before its first statement: the first sentence, on one line."""
        comments = []
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.startswith("--") or line.startswith("-- Parameters:"):
                break
            comments.append(line.removeprefix("--").strip())
        text = " ".join(comments)
        return f"{text.split('. ')[0].rstrip('.')}."

    def table(self, name: str) -> TableDefinition:
        """Read the definition of a table.

        Raises:
            InputError: the file is not there, or holds no table.
        """
        path = self.root / "tables" / f"{name}.sql"
        try:
            statement = sqlglot.parse_one(path.read_text(encoding="utf-8"), read=ATHENA)
        except OSError as exc:
            raise InputError(f"cannot read the table definition {path}: {exc}") from exc
        schema = statement.find(exp.Schema)
        if not isinstance(statement, exp.Create) or schema is None:
            raise InputError(f"{path} holds no CREATE TABLE")
        partitioned = statement.find(exp.PartitionedByProperty)
        partitions = _columns(partitioned.this) if partitioned is not None else ()
        return TableDefinition(schema.this.name, _columns(schema), partitions)

    def views(self) -> dict[str, str]:
        """SQL of every view by name."""
        return {path.stem: path.read_text(encoding="utf-8") for path in sorted((self.root / "views").glob("*.sql"))}


def find_athena_files() -> AthenaFiles:
    """Find the definitions: at the top of the checkout, or where the wheel put them.

    Raises:
        InputError: neither is there.
    """
    checkout = Path(__file__).resolve().parents[3] / "athena"
    installed = Path(sysconfig.get_path("data")) / "share" / "stockstream" / "athena"
    for root in (checkout, installed):
        if (root / "queries.sql").is_file():
            return AthenaFiles(root)
    raise InputError(f"no Athena definitions in {checkout} or {installed}; reinstall stockstream")


def _columns(schema: exp.Expr) -> tuple[Column, ...]:
    return tuple(
        Column(column.name, column.args["kind"].sql(dialect="duckdb"))
        for column in schema.expressions
        if isinstance(column, exp.ColumnDef)
    )
