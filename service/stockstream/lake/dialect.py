"""From Athena's SQL to DuckDB's, where sqlglot alone would change an answer: the division of decimals.

Trino divides decimals exactly and rounds to the larger scale of the two; DuckDB makes doubles of them. A move of
exactly 5% (2.1 after 2.0) is `5.0` in Trino and `5.000000000000004` in DuckDB, so the published query would call it an
anomaly here and not there. Types are inferred first, so that only the division of decimals is touched.
"""

from collections.abc import Mapping
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from stockstream.errors import InputError
from stockstream.lake.definitions import ATHENA

DUCKDB: Final = "duckdb"
# The scale of the price columns (athena/tables); a product of two prices has more, and loses digits past this one.
DIVISION_SCALE: Final = 10
_EXACT: Final = frozenset({exp.DataType.Type.DECIMAL, *exp.DataType.INTEGER_TYPES})

Schema = Mapping[str, Mapping[str, str]]


def parse_statements(sql: str) -> list[exp.Expr]:
    """Parse Athena SQL into its statements.

    Raises:
        InputError: it does not parse, or holds none.
    """
    try:
        parsed = sqlglot.parse(sql, read=ATHENA)
    except SqlglotError as exc:
        raise InputError(f"not Athena SQL: {exc}") from exc
    statements = [entry for entry in parsed if entry is not None and not isinstance(entry, exp.Semicolon)]
    if not statements:
        raise InputError("no SQL statement to run")
    return statements


def title_of(statement: exp.Expr) -> str:
    """The comment before a statement, on one line; empty where there is none."""
    comments = [line for line in statement.comments or [] if not _parameters_in(line)]
    return " ".join(" ".join(comments).split())


def bound(statement: exp.Expr, values: Mapping[str, str]) -> exp.Expr:
    """Fill Athena's `?` in with what the line `-- Parameters: symbol, from, to` says they stand for.

    Raises:
        InputError: a parameter without a value, or marks that no line of names explains.
    """
    marks = list(statement.find_all(exp.Placeholder, bfs=False))
    names = [name for line in statement.comments or [] for name in _parameters_in(line)]
    if len(marks) != len(names):
        raise InputError(
            f"the query has {len(marks)} marks (?) and names {len(names)} of them. "
            "Remedy: a comment before it, `-- Parameters: symbol, from, to`, with a name for each"
        )
    for mark, name in zip(marks, names, strict=True):
        if name not in values:
            raise InputError(f"this query needs --{name}")
        mark.replace(exp.Literal.string(values[name]))
    return statement


def _parameters_in(comment: str) -> list[str]:
    head, _, names = comment.strip().partition(":")
    return [name.strip() for name in names.split(",")] if head == "Parameters" else []


def to_duckdb(query: exp.Expr, schema: Schema) -> str:
    """Translate one SELECT.

    Args:
        query: Parsed by `parse_statements`.
        schema: DuckDB's type of every column, by table and column.

    Raises:
        InputError: it names a table or column that is not there, or is no query.
    """
    if not isinstance(query, exp.Query):
        raise InputError(f"only queries run here, not {query.key.upper()}: {query.sql(dialect=ATHENA)[:80]}")
    types = MappingSchema(_data_types(schema), dialect=ATHENA)
    try:
        qualified = qualify(query.copy(), schema=types, dialect=ATHENA)
        typed = annotate_types(qualified, schema=types, dialect=ATHENA)
    except SqlglotError as exc:
        raise InputError(f"{exc}. Tables: {', '.join(sorted(schema))}") from exc
    # Innermost first: an outer division is copied with what it holds.
    for division in reversed([entry for entry in typed.find_all(exp.Div) if _is_decimal(entry)]):
        division.replace(exp.cast(division.copy(), f"DECIMAL(38, {DIVISION_SCALE})", dialect=DUCKDB))
    return typed.sql(dialect=DUCKDB, pretty=True)


def _is_decimal(division: exp.Div) -> bool:
    kinds = {side.type.this if side.type else None for side in (division.this, division.expression)}
    return exp.DataType.Type.DECIMAL in kinds and kinds <= _EXACT


def _data_types(schema: Schema) -> dict[str, object]:
    return {
        table: {name: exp.DataType.build(kind, dialect=DUCKDB) for name, kind in columns.items()}
        for table, columns in schema.items()
    }
