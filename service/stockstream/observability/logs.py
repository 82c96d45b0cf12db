"""structlog set-up: JSON lines for CloudWatch, a readable form for a terminal; stdlib loggers join in."""

import logging
import os
import sys
from collections.abc import Mapping
from io import TextIOBase
from typing import IO, Any, Final, Literal

import structlog

from stockstream.redaction import redact

LogFormat = Literal["auto", "json", "console"]

# They narrate every request at INFO, or repeat what our own events say.
_NOISY_LOGGERS: Final = (
    "aiobotocore", "botocore", "aiohttp.access", "yfinance", "peewee", "asyncio", "urllib3", "uvicorn.error",
)  # fmt: skip
# Without the frames' locals, which may hold credentials.
_TRACEBACKS: Final = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)
# They can neither move the cursor nor draw in colour.
_PLAIN_TERMINALS: Final = frozenset({"dumb", "unknown", ""})


def is_plain_terminal(environ: Mapping[str, str]) -> bool:
    """Whether the terminal of these variables takes text alone."""
    return environ.get("TERM", "") in _PLAIN_TERMINALS


def configure_logging(level: str, log_format: LogFormat, stream: IO[str] | TextIOBase | None = None) -> None:
    """Configure structlog and the standard library's logging to write one line an event.

    Args:
        level: Lowest level written: debug, info, warning or error.
        log_format: `json`, `console`, or `auto` (console where the stream is a terminal).
        stream: Where lines go; standard output unless given.
    """
    out = stream if stream is not None else sys.stdout
    console = log_format == "console" or (log_format == "auto" and out.isatty())
    # https://no-color.org: set to anything but the empty string.
    colours = out.isatty() and not is_plain_terminal(os.environ) and not os.environ.get("NO_COLOR")
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: list[Any] = (
        [_hide_emf, structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=24)]
        if console
        else [_TRACEBACKS, structlog.processors.JSONRenderer(default=str)]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redact_urls, *renderer],
        )
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _NOISY_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))


def _redact_urls(_logger: object, _method: str, event: Any) -> Any:
    """Take the secrets out of URLs: libraries put the endpoint, the proxy or Yahoo's crumb into their messages."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = redact(value)
    return event


def _hide_emf(_logger: object, _method: str, event: Any) -> Any:
    """Drop the CloudWatch metadata of metric lines where a person reads them."""
    event.pop("_aws", None)
    return event
