"""What holds for every test."""

import sys

import pytest
from hypothesis import settings
from structlog._config import BoundLoggerLazyProxy

# Tests assert what happens, never how long it takes: a busy machine is no failure.
settings.register_profile("stockstream", deadline=None)
settings.load_profile("stockstream")


@pytest.fixture(autouse=True)
def _loggers_as_configured() -> None:
    """Loggers as structlog is configured now: one that the function's logging has cached would not be captured."""
    for name, module in list(sys.modules.items()):
        if name.startswith("stockstream"):
            for logger in (getattr(module, "log", None), getattr(module, "_log", None)):
                if isinstance(logger, BoundLoggerLazyProxy):
                    vars(logger).pop("bind", None)
