"""`stockstream doctor`: what is wrong, and what to do."""

import asyncio

import click

from stockstream.settings import load_settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(*, as_json: bool) -> None:
    """Check Yahoo, credentials, stream, tables, bucket, topic and clock; exit code 1 if anything is wrong."""
    settings = load_settings()
    from stockstream.doctor import examine, has_problem, render_json, render_text  # noqa: PLC0415

    findings = asyncio.run(examine(settings))
    click.echo(render_json(findings) if as_json else render_text(findings))
    raise SystemExit(1 if has_problem(findings) else 0)
