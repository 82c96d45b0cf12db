"""Every `STOCKSTREAM_*` variable: its range, its default, and the one line a bad value gets."""

from stockstream.settings._foreign import CONSUMER_VARIABLES, FOREIGN_VARIABLES, NOTIFIER_VARIABLES
from stockstream.settings._load import load_settings
from stockstream.settings._model import ENV_PREFIX, Settings
from stockstream.settings._stack import (
    LOCAL_CREDENTIALS,
    LOCK_NAME,
    STACK_NAME,
    LocalStack,
    find_stack,
    names_aws,
)
from stockstream.settings._table import settings_table
from stockstream.settings._values import Watchlist, read_watchlist_file
from stockstream.settings._watchlist_edit import WatchlistEdit, edit_watchlist

__all__ = [
    "CONSUMER_VARIABLES",
    "ENV_PREFIX",
    "FOREIGN_VARIABLES",
    "LOCAL_CREDENTIALS",
    "LOCK_NAME",
    "NOTIFIER_VARIABLES",
    "STACK_NAME",
    "LocalStack",
    "Settings",
    "Watchlist",
    "WatchlistEdit",
    "edit_watchlist",
    "find_stack",
    "load_settings",
    "names_aws",
    "read_watchlist_file",
    "settings_table",
]
