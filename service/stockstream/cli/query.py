"""`stockstream query`: Athena's SQL on the archive, on this machine."""

import asyncio
import shutil
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stockstream.cli._market import moment_of
from stockstream.cli._target import open_target
from stockstream.errors import InputError
from stockstream.settings import load_settings
from stockstream_wire import format_timestamp

if TYPE_CHECKING:
    from stockstream.lake import AthenaFiles, LocalArchive

PUBLISHED = "published"


@click.command()
@click.argument("query", metavar="FILE|NAME|SQL", required=False)
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option(
    "--archive",
    "archive_dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Read a folder laid out as the bucket (raw/symbol=.../dt=.../) instead of the bucket.",
)
@click.option("--symbol", "symbols", multiple=True, metavar="SYMBOL", help="Quotes of this symbol only; repeatable.")
@click.option("--from", "start", metavar="TIME", help="Quotes from then on: -2h, 2026-11-20 or 2026-11-20T14:30Z.")
@click.option("--to", "end", metavar="TIME", help="Quotes before then; a date is taken to its end.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Rows of each answer at most.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write to FILE.csv, FILE.parquet or FILE.json; of several answers to FILE-1.csv, FILE-2.csv, …",
)
@click.option("--show-sql", is_flag=True, help="Print what DuckDB runs before each answer.")
@click.option("--list", "listing", is_flag=True, help="List the queries that come with the project, and end.")
def query(query: str | None, form: str, archive_dir: Path | None, **options: Any) -> None:
    """Run Athena SQL on the archive with DuckDB: a file, a query's NAME (see --list), or SQL.

    The archive is the bucket STOCKSTREAM_ARCHIVE_BUCKET of the AWS that the environment names, or else of the local
    stack, copied into the cache folder first: new and changed objects only.
    """
    now = datetime.now(UTC)
    first = moment_of("--from", options["start"], now)
    last = moment_of("--to", options["end"], now, end_of_day=True)
    # Imported late: DuckDB and sqlglot take longer than the rest of the command line.
    from stockstream.cli._rows import checked_output, numbered, render, write  # noqa: PLC0415
    from stockstream.lake import Lake, LocalArchive, Only, find_athena_files  # noqa: PLC0415

    files = find_athena_files()
    if options["listing"]:
        _list(files)
        return
    if query is None:
        raise click.UsageError("Missing argument 'FILE|NAME|SQL'; --list shows the queries that come with the project.")
    output: Path | None = options["output"]
    if output is not None:
        checked_output(output)
    sql = _sql(query, files)
    only = Only(
        symbols=options["symbols"],
        start=format_timestamp(first) if first else "",
        end=format_timestamp(last) if last else "",
    )
    archive = LocalArchive(archive_dir) if archive_dir is not None else asyncio.run(_fetch())
    with Lake(archive, files, only) as lake:
        results = list(lake.run(sql, limit=options["limit"])) if output else lake.run(sql, limit=options["limit"])
        for number, result in enumerate(results, 1):
            if options["show_sql"]:
                click.echo(f"-- DuckDB:\n{result.duckdb_sql};")
            if output is None:
                if number > 1 and form == "table":
                    click.echo()
                click.echo(render(result, form))
                continue
            path = output if isinstance(results, list) and len(results) == 1 else numbered(output, number)
            write(lake, result, path)
            click.echo(f"{len(result.rows)} rows in {path}", err=True)


def _list(files: "AthenaFiles") -> None:
    named = {PUBLISHED: "the four published queries", **{n: files.description(p) for n, p in files.queries().items()}}
    width = max(map(len, named)) + 2
    columns = shutil.get_terminal_size((100, 24)).columns
    for name, description in named.items():
        for number, line in enumerate(textwrap.wrap(description, max(20, columns - width))):
            click.echo(f"{name if number == 0 else '':{width}}{line}")


def _sql(text: str, files: "AthenaFiles") -> str:
    named = {PUBLISHED: files.published_queries, **files.queries()}
    if text in named:
        return named[text].read_text(encoding="utf-8")
    # A statement has spaces; a file name that has them too exists.
    looks_like_sql = any(character.isspace() for character in text)
    try:
        return Path(text).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as exc:
        if looks_like_sql:
            return text
        raise InputError(
            f"{text!r} is neither a file that can be read ({exc}), nor SQL, nor one of: {', '.join(named)}"
        ) from exc


async def _fetch() -> "LocalArchive":
    from stockstream.lake import fetch_archive  # noqa: PLC0415

    settings = load_settings()
    async with open_target(settings) as (named, aws, state_dir):
        # The emulator's port is another each time; what is copied is the bucket of this folder.
        origin = None if state_dir is None else str(state_dir.resolve())
        return await fetch_archive(aws, named.archive_bucket, settings.cache_dir, origin=origin)
