"""`stockstream doctor`: what is wrong, and what to do."""

import asyncio
from typing import TYPE_CHECKING

import click

from stockstream.cli._target import open_local
from stockstream.exit_codes import ExitCode
from stockstream.settings import Settings, load_settings

if TYPE_CHECKING:
    from stockstream.doctor import Finding


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(*, as_json: bool) -> None:
    """Check source, credentials, stream, tables, bucket, topic and clock; say what to do."""
    settings = load_settings()
    from stockstream.doctor import has_problem, render_json, render_text  # noqa: PLC0415

    findings = asyncio.run(_examine(settings))
    click.echo(render_json(findings) if as_json else render_text(findings))
    raise SystemExit(ExitCode.FAILED if has_problem(findings) else ExitCode.DONE)


async def _examine(settings: Settings) -> "list[Finding]":
    from stockstream.doctor import examine  # noqa: PLC0415

    async with open_local(settings) as target:
        return await (examine(settings) if target is None else examine(target.settings, aws=target.aws))
