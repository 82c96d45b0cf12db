"""From environment to `Settings`, or to one line that says which variable is wrong and what it may be."""

import difflib
import os
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from stockstream.errors import SettingsError
from stockstream.redaction import redact
from stockstream.settings._foreign import FOREIGN_VARIABLES
from stockstream.settings._model import ENV_PREFIX, Settings
from stockstream.settings._table import allowed_values


def load_settings(
    overrides: Mapping[str, Any] | None = None, option_names: Mapping[str, str] | None = None
) -> Settings:
    """Read and validate all settings from the process's environment.

    Args:
        overrides: Values of command line options by field name; they win over the environment.
        option_names: What an option is called where that is not its field's name: field name to `--option`.

    Raises:
        SettingsError: the message holds one line for each bad value: the variable, the value, the allowed range.
    """
    _refuse_unknown_variables()
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as exc:
        lines = [_line(error, given, option_names or {}) for error in exc.errors()]
        raise SettingsError("\n".join(dict.fromkeys(lines))) from exc


def _line(error: Any, overrides: Mapping[str, Any], option_names: Mapping[str, str]) -> str:
    name = str(error["loc"][0])
    if name in overrides:
        label, value = option_names.get(name, f"--{name.replace('_', '-')}"), overrides[name]
    else:
        label = ENV_PREFIX + name.upper()
        value = os.environ.get(label, error.get("input"))
    # pydantic's own prose repeats the range in other words; only our validators' reasons add to it.
    reason = f"{error['ctx']['error']}; " if error["type"] == "value_error" else ""
    return redact(f"{label}={str(value)!r}: {reason}must be {allowed_values(name)}")


def _refuse_unknown_variables() -> None:
    known = {ENV_PREFIX + name.upper() for name in Settings.model_fields} | FOREIGN_VARIABLES.keys()
    unknown = sorted(name for name in os.environ if name.startswith(ENV_PREFIX) and name not in known)
    if not unknown:
        return
    lines = []
    for name in unknown:
        near = difflib.get_close_matches(name, known - FOREIGN_VARIABLES.keys(), n=1, cutoff=0.75)
        hint = "docs/settings.md lists them all"
        if near:
            hint = f"did you mean {near[0]} ({allowed_values(near[0].removeprefix(ENV_PREFIX).lower())})?"
        # Without its value: it may be a secret, under a name that was misspelt.
        lines.append(f"{name}: no such setting; {hint}")
    raise SettingsError("\n".join(lines))
