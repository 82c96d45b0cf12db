"""Every `STOCKSTREAM_*` variable: its range, its default, and the one line a bad value gets."""

from stockstream.settings._load import load_settings
from stockstream.settings._model import ENV_PREFIX, Settings
from stockstream.settings._table import settings_table

__all__ = ["ENV_PREFIX", "Settings", "load_settings", "settings_table"]
