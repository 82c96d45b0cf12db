"""Every `STOCKSTREAM_*` variable: its range, its default, and the one line a bad value gets."""

from stockstream.settings._foreign import CONSUMER_VARIABLES, FOREIGN_VARIABLES, NOTIFIER_VARIABLES
from stockstream.settings._load import load_settings
from stockstream.settings._model import ENV_PREFIX, Settings
from stockstream.settings._table import settings_table
from stockstream.settings._values import Watchlist

__all__ = [
    "CONSUMER_VARIABLES",
    "ENV_PREFIX",
    "FOREIGN_VARIABLES",
    "NOTIFIER_VARIABLES",
    "Settings",
    "Watchlist",
    "load_settings",
    "settings_table",
]
