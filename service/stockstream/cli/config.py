"""`stockstream config`: every setting as it is in force, and where it comes from."""

import os
from typing import Any, Final

import click
from pydantic import SecretStr

from stockstream.redaction import redact
from stockstream.settings import ENV_PREFIX, FOREIGN_VARIABLES, Settings, Watchlist, load_settings

# What of other parts is a secret as a whole.
_SECRET_VARIABLES: Final = frozenset(
    {"STOCKSTREAM_NOTIFY_URLS", "STOCKSTREAM_WEBHOOK_URL", "STOCKSTREAM_WEBHOOK_SECRET"}
)
_MASK: Final = "***"


@click.command()
@click.option("--set", "only_set", is_flag=True, help="Only what is not the default.")
def config(*, only_set: bool) -> None:
    """Show each setting, its value and where it comes from; secrets are masked."""
    settings = load_settings()
    rows = [
        (ENV_PREFIX + name.upper(), _shown(getattr(settings, name)), _source(settings, name))
        for name in Settings.model_fields
    ]
    rows += [
        (name, _MASK if name in _SECRET_VARIABLES else redact(os.environ[name]), f"environment ({known.reader})")
        for name, known in FOREIGN_VARIABLES.items()
        if os.environ.get(name)
    ]
    width = max(len(name) for name, _, _ in rows)
    for name, value, source in rows:
        if source != "default" or not only_set:
            click.echo(f"{name:<{width}}  {value}  ({source})")


def _source(settings: Settings, name: str) -> str:
    return "environment" if name in settings.model_fields_set else "default"


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, SecretStr):
        return _MASK
    if isinstance(value, Watchlist):
        return ",".join(value.symbols) + (f" of {value.file}" if value.file is not None else "")
    if isinstance(value, frozenset | tuple | list):
        return ",".join(sorted(map(str, value))) or "-"
    return redact(str(value))
