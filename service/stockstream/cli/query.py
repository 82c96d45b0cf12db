"""`stockstream query`: Athena's SQL on the archive, on this machine."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stockstream.cli._target import open_target
from stockstream.errors import InputError
from stockstream.settings import load_settings

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
@click.option("--show-sql", is_flag=True, help="Print what DuckDB runs before each answer.")
@click.option("--list", "listing", is_flag=True, help="List the queries that come with the project, and end.")
def query(query: str | None, form: str, archive_dir: Path | None, *, show_sql: bool, listing: bool) -> None:
    """Run Athena SQL on the archive with DuckDB: a file, a query's NAME (see --list), or SQL.

    The archive is the bucket STOCKSTREAM_ARCHIVE_BUCKET of the AWS that the environment names, or else of the local
    stack, copied into the cache folder first: new and changed objects only.
    """
    # Imported late: DuckDB and sqlglot take longer than the rest of the command line.
    from stockstream.cli._rows import render  # noqa: PLC0415
    from stockstream.lake import Lake, LocalArchive, find_athena_files  # noqa: PLC0415

    files = find_athena_files()
    if listing:
        for name in (PUBLISHED, *files.queries()):
            click.echo(name)
        return
    if query is None:
        raise click.UsageError("Missing argument 'FILE|NAME|SQL'; --list shows the queries that come with the project.")
    sql = _sql(query, files)
    archive = LocalArchive(archive_dir) if archive_dir is not None else asyncio.run(_fetch())
    with Lake(archive, files) as lake:
        for result in lake.run(sql):
            if show_sql:
                click.echo(f"-- DuckDB:\n{result.duckdb_sql};")
            click.echo(render(result, form))


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
