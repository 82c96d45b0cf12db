"""The catalogue of sources: what the rest of the program knows of each, in one entry.

Settings, CLI, doctor, service, gaps, Terraform's validation and the docs read it; nothing else names a source. It lies
on the ground, below settings and sources, so a source's code is named by its place (`module:function`) and imported
when it is chosen: yfinance alone costs most of a second and 99 MB.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

# What a look at the program follows, where the source has no list of its own.
DEMO_WATCHLIST: Final = ("AAPL", "MSFT", "NVDA", "AMZN", "GOOGL", "META", "TSLA", "JPM", "SPY", "BRK-B")
# Not a source: tries the first, and where that cannot be had says so and takes the second.
AUTO: Final = "auto"
AUTO_TRIES: Final = "yahoo"
AUTO_FALLS_BACK_TO: Final = "simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKind:
    """One source.

    Attributes:
        name: In the settings, and in `source` of its quotes.
        meaning: One line for the docs.
        make: Place of `(Settings, Clock) -> Source`.
        check: Place of `(Settings) -> None`, blocking, which raises InputError where it can be seen beforehand that the
            source cannot start.
        probe: Place of `async (Settings, timeout_seconds) -> ProbeResult`: whether it can be reached now.
        history: Place of `(Settings) -> HistoryProvider`: minute bars of what was missed.
        is_live: The market as it happens: its silences are gaps.
        accepts_late: Its quotes may run backwards in time: history, in the order it was written.
        follows_watchlist: It follows `STOCKSTREAM_SYMBOLS`; a file's symbols are the file's.
        runs_on_aws: A task can run it: it needs no file of ours.
        answers_every_seconds: In a closed market nothing comes sooner; 0 is the poll interval.
        own_symbols: What it follows where nobody says; empty leaves the setting's default.
        pace_of_a_look_seconds: Poll interval of `stockstream local` where nobody says; None leaves the setting's.
    """

    name: str
    meaning: str
    make: str
    check: str | None = None
    probe: str | None = None
    history: str | None = None
    is_live: bool = True
    accepts_late: bool = False
    follows_watchlist: bool = True
    runs_on_aws: bool = True
    answers_every_seconds: float = 0.0
    own_symbols: tuple[str, ...] = ()
    pace_of_a_look_seconds: float | None = None


SOURCE_KINDS: Final = (
    SourceKind(
        name="yahoo",
        meaning="Yahoo Finance, polled",
        make="stockstream.sources.yahoo:yahoo_source",
        probe="stockstream.sources.yahoo.probe:probe_source",
        history="stockstream.backfill.yahoo_history:yahoo_history",
    ),
    SourceKind(
        name="yahoo-stream",
        meaning="Yahoo Finance by WebSocket, with a slow poll behind it",
        make="stockstream.sources.yahoo_stream:yahoo_stream_source",
        probe="stockstream.sources.yahoo.probe:probe_source",
        history="stockstream.backfill.yahoo_history:yahoo_history",
        answers_every_seconds=120.0,  # nothing but the poll behind it answers in a closed market
    ),
    SourceKind(
        name="coinbase",
        meaning="coins at Coinbase Exchange, round the clock and without a key ([coinbase.md](coinbase.md))",
        make="stockstream.sources.coinbase:coinbase_source",
        probe="stockstream.sources.coinbase:probe_source",
        history="stockstream.sources.coinbase.history:coinbase_history",
        own_symbols=("BTC-USD", "ETH-USD", "SOL-USD"),
        pace_of_a_look_seconds=1.0,
    ),
    SourceKind(
        name="alpaca",
        meaning="shares of the United States at Alpaca, polled, with a key ([alpaca.md](alpaca.md))",
        make="stockstream.sources.alpaca:alpaca_source",
        check="stockstream.sources.alpaca:check_keys",
        probe="stockstream.sources.alpaca:probe_source",
        history="stockstream.sources.alpaca:alpaca_history",
        answers_every_seconds=20.0,
    ),
    SourceKind(
        name="alpaca-stream",
        meaning="the same by WebSocket, with polled snapshots behind it",
        make="stockstream.sources.alpaca:alpaca_stream_source",
        check="stockstream.sources.alpaca:check_keys",
        probe="stockstream.sources.alpaca:probe_source",
        history="stockstream.sources.alpaca:alpaca_history",
        answers_every_seconds=20.0,
        pace_of_a_look_seconds=1.0,
    ),
    SourceKind(
        name="replay",
        meaning="files of quotes or bars ([sources.md](sources.md))",
        make="stockstream.sources.replay:replay_source",
        check="stockstream.sources.replay:check_replay",
        is_live=False,
        accepts_late=True,
        follows_watchlist=False,
        runs_on_aws=False,
    ),
    SourceKind(
        name="simulated",
        meaning="an invented market that never closes; no real prices, and labelled so everywhere",
        make="stockstream.sources.simulated:simulated_source",
        is_live=False,
        own_symbols=DEMO_WATCHLIST,
        pace_of_a_look_seconds=1.0,
    ),
)
# History of what has none of its own, by hand: files, the simulated market, `auto`.
HISTORY_ELSE: Final = "stockstream.backfill.yahoo_history:yahoo_history"
_BY_NAME: Final = {kind.name: kind for kind in SOURCE_KINDS}
SOURCE_CHOICES: Final = (*_BY_NAME, AUTO)


def source_kind(name: str) -> SourceKind:
    """Look a source up by its name, which is never `auto`.

    Raises:
        KeyError: no such source.
    """
    return _BY_NAME[name]


def at_place(place: str) -> Any:
    """Import what an entry names as `module:name`."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
