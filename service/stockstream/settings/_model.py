"""The settings as one frozen model. A field's section, range and description are also its documentation."""

import os
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from stockstream.request_guard import parse_hosts
from stockstream.settings._values import Watchlist, parse_columns, parse_files, parse_speed, parse_watchlist, parse_zone
from stockstream.settings.paths import default_cache_dir, default_state_dir
from stockstream.source_kinds import SOURCE_CHOICES

ENV_PREFIX: Final = "STOCKSTREAM_"

# Kinesis: 1-128 of these characters. DynamoDB: 3-255. S3: 3-63, lower case.
_STREAM_PATTERN: Final = r"^[a-zA-Z0-9_.-]{1,128}$"
_DEPLOYMENT_PATTERN: Final = r"^[a-z][a-z0-9-]{1,23}$"
_TABLE_PATTERN: Final = r"^[a-zA-Z0-9_.-]{3,255}$"
_BUCKET_PATTERN: Final = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
# Host, port, account and name as AWS writes them; emulators put more, or less, before the name.
_QUEUE_URL_PATTERN: Final = r"^(?i:https?)://([a-zA-Z0-9_.-]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?(/[a-zA-Z0-9_.-]+)+$"


def _setting(section: str, default: Any, description: str, **constraints: Any) -> Any:
    return Field(default, description=description, json_schema_extra={"section": section}, **constraints)


class Settings(BaseSettings):
    """All settings of the service, read once at start from the environment and validated.

    `AWS_*` variables (AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL, credentials) keep their standard meaning and are read
    by botocore itself.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        validate_default=False,
        arbitrary_types_allowed=True,
    )

    # --- source -----------------------------------------------------------------------------------------------------
    source: str = _setting(
        "Source",
        "yahoo",
        "Where quotes come from, as below. `auto` tries Yahoo and, where it cannot be reached, says so and simulates",
    )
    symbols: Annotated[Watchlist, NoDecode] = _setting(
        "Source",
        Watchlist(("AAPL",)),
        "Symbols, separated by commas, or `@FILE` with one a line (re-read when it changes). Without it `auto` follows "
        "ten well-known ones, and some sources their own, as below",
    )
    poll_interval_seconds: float = _setting("Source", 30.0, "Seconds between two polls of the source", ge=0.1, le=3600)
    send_unchanged: bool = _setting("Source", False, "Send quotes that have not changed since the last poll too")

    backfill: Literal["auto", "off"] = _setting(
        "Source",
        "auto",
        "Fill gaps from history once the source is well again; `off` leaves them to `backfill --gaps`",
    )

    # --- replay and simulation --------------------------------------------------------------------------------------
    replay_files: Annotated[tuple[Path, ...], NoDecode] = _setting(
        "Replay and simulation", (), "Files to replay (CSV, CSV.gz, JSONL, Parquet), separated by commas"
    )
    replay_speed: Annotated[float, NoDecode] = _setting(
        "Replay and simulation", 1.0, "Speed of the replay: 1 is real time, `max` is without waiting", ge=1
    )
    replay_timezone: Annotated[ZoneInfo | None, NoDecode] = _setting(
        "Replay and simulation", None, "Clock of a replayed file's times that have no offset, such as America/New_York"
    )
    replay_columns: Annotated[dict[str, str], NoDecode] = _setting(
        "Replay and simulation", {}, "Columns of replayed files under other names, as `price=Last,volume=Vol`"
    )
    simulated_seed: int = _setting("Replay and simulation", 7, "Seed of the simulated market", ge=0, le=2**63 - 1)

    # --- Yahoo ------------------------------------------------------------------------------------------------------
    extended_hours: bool = _setting("Yahoo", False, "Poll in pre-market and post-market hours too")
    yahoo_requests_per_second: float = _setting(
        "Yahoo", 1.0, "HTTP requests to Yahoo a second at most, on average; its patience is about 1", gt=0, le=100
    )
    yahoo_batch_symbols: int = _setting("Yahoo", 90, "Symbols in one quote request; Yahoo refuses 100", ge=1, le=99)
    stale_after_seconds: float = _setting(
        "Yahoo",
        300.0,
        "A symbol silent for this long in an open session is sent once more, marked stale",
        ge=1,
        le=604_800,
    )
    max_price_ratio: float = _setting(
        "Yahoo",
        10.0,
        "A price more than this many times its previous close, or less, is a bad tick",
        gt=1,
        le=1_000_000,
    )
    cache_dir: Path = _setting("Yahoo", default_cache_dir(), "Folder for yfinance's cookie and time zone caches")

    # --- Alpaca -----------------------------------------------------------------------------------------------------
    alpaca_key_id: SecretStr | None = _setting(
        "Alpaca", None, "Key of an account at Alpaca, its ID ([alpaca.md](alpaca.md))"
    )
    alpaca_secret_key: SecretStr | None = _setting("Alpaca", None, "The secret half of that key")
    alpaca_feed: Literal["iex", "sip", "delayed_sip"] = _setting(
        "Alpaca",
        "iex",
        "Trades of one exchange (`iex`, free), of all (`sip`, paid), or of all a quarter of an hour later",
    )

    # --- AWS --------------------------------------------------------------------------------------------------------
    region: str | None = _setting(
        "AWS", None, "AWS region; where unset, AWS_REGION and the profile decide", pattern=r"^[a-z]{2}(-[a-z]+)+-\d$"
    )
    stream: str = _setting("AWS", "stockstream", "Kinesis data stream", pattern=_STREAM_PATTERN)
    quotes_table: str = _setting("AWS", "quotes", "DynamoDB table of stored quotes", pattern=_TABLE_PATTERN)
    candles_table: str = _setting("AWS", "candles", "DynamoDB table of candles", pattern=_TABLE_PATTERN)
    alerts_table: str = _setting("AWS", "alerts", "DynamoDB table of alerts", pattern=_TABLE_PATTERN)
    archive_bucket: str = _setting(
        "AWS",
        "stockstream-archive",
        "S3 bucket of the archive and the quarantine",
        pattern=_BUCKET_PATTERN,
    )
    alerts_topic_arn: str | None = _setting(
        "AWS", None, "SNS topic of alerts; `doctor` and local mode use it", pattern=r"^arn:aws[a-z-]*:sns:.+$"
    )
    failed_batches_queue_url: str | None = _setting(
        "AWS",
        None,
        "SQS queue where the event source puts batches it gave up on; `redrive` reads it",
        pattern=_QUEUE_URL_PATTERN,
    )

    # --- consumer ---------------------------------------------------------------------------------------------------
    anomaly_threshold_percent: float = _setting(
        "Consumer",
        5.0,
        'A change from the previous close beyond this many percent is an anomaly ("Yes")',
        gt=0,
        le=1000,
    )
    retention_days: int = _setting(
        "Consumer",
        0,
        "Days after which DynamoDB drops items, as the consumer is set; `backfill` writes candles so; 0 keeps them",
        ge=0,
        le=36_500,
    )

    # --- sender and outbox ------------------------------------------------------------------------------------------
    outbox: Literal["disk", "memory"] = _setting(
        "Sender", "disk", "Where accepted quotes wait for Kinesis; `memory` loses them with the process, and says so"
    )
    outbox_dir: Path = _setting("Sender", default_state_dir() / "outbox", "Folder of the outbox on disk")
    outbox_max_bytes: int = _setting(
        "Sender", 1024 * 1024**2, "Bound of the outbox on disk, bytes", ge=1024**2, le=2**40
    )
    outbox_policy: Literal["block", "drop_oldest"] = _setting(
        "Sender",
        "block",
        "At that bound: stop polling until there is room, or drop the oldest quotes, counted and logged",
    )
    ledger_dir: Path | None = _setting(
        "Sender",
        None,
        "Folder of the list of accepted quotes that `audit` reads; `ledger` beside the outbox where unset",
    )
    ledger_max_bytes: int = _setting(
        "Sender",
        1024**3,
        "Bound of that list, bytes, beside the outbox's on the same disk; past it, or where the disk runs short, its "
        "oldest days are given up, which `audit` tells",
        ge=1024**2,
        le=2**40,
    )
    ledger_keep_days: int = _setting(
        "Sender", 30, "Days after which a day's list is removed, counted from its last quote", ge=1, le=36_500
    )
    sender_transport: Literal["fast", "aiobotocore"] = _setting(
        "Sender", "fast", "`fast` writes and signs PutRecords itself; `aiobotocore` leaves both to botocore"
    )
    sender_aggregation: bool = _setting(
        "Sender",
        True,
        "Many quotes in one Kinesis record (KPL); false for readers that do not deaggregate, at many times the cost",
    )
    sender_record_max_bytes: int = _setting(
        "Sender",
        1024**2,
        "Largest Kinesis record that the stream takes; up to 10 MiB where it is set so",
        ge=25_600,
        le=10 * 1024**2,
    )
    sender_call_seconds: float = _setting(
        "Sender",
        60.0,
        "Seconds that one call to Kinesis may take as a whole, connection and last byte included",
        ge=1,
        le=600,
    )
    sender_away_seconds: float = _setting(
        "Sender",
        20.0,
        "Kinesis counts as away when it has stored nothing for so many seconds while quotes wait, whatever the cause",
        ge=1,
        le=600,
    )
    shutdown_seconds: float = _setting(
        "Sender", 25.0, "Seconds that SIGTERM gives the drain; ECS kills after 30 by default", ge=0, le=3600
    )

    # --- workers ----------------------------------------------------------------------------------------------------
    workers: Literal["auto", "off"] = _setting(
        "Workers",
        "off",
        "`auto`: the services of one deployment share the watchlist, and take over from one that dies "
        "([workers.md](workers.md))",
    )
    workers_heartbeat_seconds: float = _setting(
        "Workers",
        5.0,
        "Seconds between two heartbeats of a worker, the same for all of a deployment; what one who dies followed is "
        "polled elsewhere within three",
        ge=0.2,
        le=300,
    )
    workers_table: str = _setting(
        "Workers", "workers", "DynamoDB table of the workers that live", pattern=_TABLE_PATTERN
    )

    # --- local mode -------------------------------------------------------------------------------------------------
    local_state_dir: Path = _setting(
        "Local mode",
        default_state_dir() / "local",
        "Folder that keeps the state of `stockstream local`; other commands look for the local stack there",
    )

    # --- observability ----------------------------------------------------------------------------------------------
    deployment: str = _setting(
        "Observability",
        "stockstream",
        "Name of the deployment, a dimension of every metric: two in one account ring their own alarms",
        pattern=_DEPLOYMENT_PATTERN,
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting("Observability", "info", "Lowest level logged")
    log_format: Literal["auto", "json", "console"] = _setting(
        "Observability", "auto", "Form of log lines; `auto` is console on a terminal and JSON elsewhere"
    )
    metrics_interval_seconds: float = _setting(
        "Observability", 60.0, "Seconds between two EMF metric lines in the log", ge=1, le=3600
    )
    emf_metrics: bool = _setting(
        "Observability", True, "Write metrics into the log as EMF lines too: for CloudWatch. Compose turns it off"
    )
    health_host: str = _setting("Observability", "127.0.0.1", "Address of /healthz, /readyz and /metrics")
    health_port: int = _setting(
        "Observability", 8080, "Port of /healthz, /readyz and /metrics; 0 takes a free one", ge=0, le=65535
    )

    health_allowed_hosts: Annotated[frozenset[str], NoDecode] = _setting(
        "Observability",
        frozenset(),
        "Host names that requests to the health port may name, beside `localhost` and addresses: a service's name in "
        "compose or in a scraper's list. Any other is refused, as is every page of another origin",
    )

    # --- dashboard --------------------------------------------------------------------------------------------------
    dashboard_host: str = _setting(
        "Dashboard", "127.0.0.1", "Address of the page and the read API; beyond loopback a token is required"
    )
    dashboard_port: int = _setting(
        "Dashboard", 8765, "Port of the page and the read API; 0 takes a free one", ge=0, le=65535
    )
    dashboard_behind_loopback: bool = _setting(
        "Dashboard",
        False,
        "Whether what publishes the port, as docker-compose.yml does, publishes it on its machine's loopback alone: "
        "then no token is required, and only loopback's names are answered",
    )
    dashboard_token: SecretStr | None = _setting(
        "Dashboard", None, "What whoever opens the page must know, in its login or as `Authorization: Bearer`"
    )
    dashboard_allowed_hosts: Annotated[frozenset[str], NoDecode] = _setting(
        "Dashboard",
        frozenset(),
        "Host names that requests may name, beside `localhost` and addresses: what a proxy before the page is called",
    )

    @field_validator("health_allowed_hosts", "dashboard_allowed_hosts", mode="before")
    @classmethod
    def _parse_allowed_hosts(cls, value: object) -> object:
        return parse_hosts(value) if isinstance(value, str) else value

    @field_validator("symbols", mode="before")
    @classmethod
    def _parse_symbols(cls, value: object) -> object:
        return parse_watchlist(value) if isinstance(value, str) else value

    @field_validator("replay_files", mode="before")
    @classmethod
    def _parse_replay_files(cls, value: object) -> object:
        return parse_files(value) if isinstance(value, str) else value

    @field_validator("replay_timezone", mode="before")
    @classmethod
    def _parse_replay_timezone(cls, value: object) -> object:
        return parse_zone(value) if isinstance(value, str) else value

    @field_validator("replay_columns", mode="before")
    @classmethod
    def _parse_replay_columns(cls, value: object) -> object:
        return parse_columns(value) if isinstance(value, str) else value

    @field_validator("replay_speed", mode="before")
    @classmethod
    def _parse_replay_speed(cls, value: object) -> object:
        return parse_speed(value) if isinstance(value, str) else value

    @field_validator("source", mode="after")
    @classmethod
    def _known_source(cls, value: str) -> str:
        if value not in SOURCE_CHOICES:
            msg = "no such source"
            raise ValueError(msg)
        return value

    @property
    def ledger_folder(self) -> Path:
        """Where the ledger is: as set, or beside the outbox."""
        return self.ledger_dir if self.ledger_dir is not None else self.outbox_dir.parent / "ledger"

    @field_validator(
        "log_level",
        "log_format",
        "source",
        "outbox",
        "outbox_policy",
        "sender_transport",
        "alpaca_feed",
        "backfill",
        "workers",
        mode="before",
    )
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("outbox_dir", "cache_dir", "local_state_dir", mode="after")
    @classmethod
    def _expand_user(cls, value: Path) -> Path:
        return Path(os.path.expandvars(value)).expanduser()
