"""The settings as documentation: allowed ranges in words, and the table in docs/settings.md."""

import math
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from stockstream.settings._foreign import FOREIGN_VARIABLES
from stockstream.settings._model import ENV_PREFIX, Settings
from stockstream.settings._values import Watchlist
from stockstream.settings.paths import default_cache_dir, default_state_dir
from stockstream.source_kinds import SOURCE_CHOICES, SOURCE_KINDS

_SPECIAL: Final = {
    "source": "one of " + ", ".join(SOURCE_CHOICES),
    "symbols": "symbols of A-Z 0-9 . - = ^ & _ $ separated by commas, or @FILE",
    "replay_files": "paths separated by commas",
    "replay_timezone": "an IANA time zone",
    "replay_columns": "pairs NAME=COLUMN separated by commas",
    "replay_speed": "a number of at least 1, or max",
    "health_allowed_hosts": "host names, without ports, separated by commas",
    "dashboard_allowed_hosts": "host names, without ports, separated by commas",
    "dashboard_token": "16 to 200 printable ASCII characters without spaces",
}
_TABLE: Final = "3 to 255 of a-z A-Z 0-9 _ . -"
# What the patterns of _model.py say, in words.
_FORMS: Final = {
    "region": "an AWS region such as us-east-1",
    "stream": "1 to 128 of a-z A-Z 0-9 _ . -",
    "quotes_table": _TABLE,
    "candles_table": _TABLE,
    "alerts_table": _TABLE,
    "workers_table": _TABLE,
    "archive_bucket": "3 to 63 of a-z 0-9 . -",
    "alerts_topic_arn": "arn:aws:sns:REGION:ACCOUNT:NAME",
    "failed_batches_queue_url": "the URL of an SQS queue, such as https://sqs.REGION.amazonaws.com/ACCOUNT/NAME",
    "deployment": "2 to 24 of a-z 0-9 -, starting with a letter",
    "health_host": "an address or host name",
    "dashboard_host": "an address or host name",
}


def allowed_values(name: str) -> str:
    """Say in words what the setting may be."""
    if name in _SPECIAL:
        return _SPECIAL[name]
    field = Settings.model_fields[name]
    kind = _plain_type(field.annotation)
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(str(value) for value in get_args(kind))
    if kind is bool:
        return "true or false"
    if kind is Path:
        return "a path"
    if name in _FORMS:
        return _FORMS[name]
    noun = {int: "a whole number", float: "a number"}.get(kind, "text")
    return " ".join([noun, *_range(field)]).strip()


def settings_table() -> str:
    """Render every setting of the service as Markdown, a section and table for each group."""
    sections: dict[str, list[str]] = {}
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        section = str(extra["section"]) if isinstance(extra, dict) else "Other"
        cells = (
            f"`{ENV_PREFIX}{name.upper()}`",
            _default(field.default),
            _cell(allowed_values(name)),
            _cell(field.description or ""),
        )
        row = f"| {' | '.join(cells)} |"
        sections.setdefault(section, []).append(row)
    parts = []
    for section, rows in sections.items():
        parts += [f"### {section}", "", "| Variable | Default | Allowed | Meaning |", "|---|---|---|---|", *rows, ""]
        if section == "Source":
            parts += _sources()
    parts += ["### Of other parts", "", "| Variable | Read by | Default | Allowed | Meaning |", "|---|---|---|---|---|"]
    parts += [
        f"| `{name}` | {known.reader} | {known.default} | {_cell(known.allowed)} | {_cell(known.meaning)} |"
        for name, known in FOREIGN_VARIABLES.items()
    ]
    return "\n".join([*parts, ""])


def _sources() -> list[str]:
    """The catalogue as a table."""
    default = Settings.model_fields["symbols"].default.symbols
    rows = []
    for kind in SOURCE_KINDS:
        symbols = ", ".join(kind.own_symbols or default) if kind.follows_watchlist else "the file's"
        rows.append(f"| `{kind.name}` | {_cell(kind.meaning)} | {symbols} |")
    return ["| Source | Gives | Symbols where nobody says |", "|---|---|---|", *rows, ""]


def _plain_type(annotation: Any) -> Any:
    if get_origin(annotation) in {Union, types.UnionType}:
        return next(arg for arg in get_args(annotation) if arg is not type(None))
    return annotation


def _range(field: FieldInfo) -> Iterable[str]:
    low = high = ""
    for constraint in field.metadata:
        if isinstance(constraint, annotated_types.Ge):
            low = f"from {constraint.ge}"
        elif isinstance(constraint, annotated_types.Gt):
            low = f"above {constraint.gt}"
        elif isinstance(constraint, annotated_types.Le):
            high = f"to {constraint.le}"
    return [part for part in (low, high) if part]


def _default(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, Watchlist):
        return f"`{','.join(value.symbols)}`"
    if isinstance(value, tuple | frozenset | dict):
        return "–" if not value else f"`{','.join(str(part) for part in value)}`"
    if isinstance(value, Path):
        return f"`{_portable(value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return "`max`" if math.isinf(value) else f"`{value:g}`"
    return f"`{value}`"


def _portable(path: Path) -> str:
    """Name the user's folders by what they are, so that the table is the same on every machine."""
    for folder, label in ((default_state_dir(), "STATE"), (default_cache_dir(), "CACHE")):
        if path.is_relative_to(folder):
            return str(Path(label) / path.relative_to(folder))
    return str(path)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
