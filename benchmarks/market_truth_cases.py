"""The cases of `benchmarks.market_truth`: an input of each kind of fact, and the right value.

Written against docs/market.md and not against the code.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.yahoo_standin import ScriptedMarket

HEADER: Final = "timestamp,symbol,open,high,low,price,previous_close,volume"
_FULL: Final = f"{HEADER},currency,exchange,market_state"


@dataclass(frozen=True)
class Case:
    """One fact.

    Attributes:
        name: Of the kind.
        expected: What `see` must find.
        see: Reads a run.
        shared: Name of a shared input; else `text` is written to a file and replayed.
        text: Content of a file.
        more: Further arguments.
        ends: Run to the end, and look at exit code and log; else the tables are read.
        market: Scripts a stand-in Yahoo, which the run then polls.
        record: Put into the stream when the source is through.
        environment: Variables of the run.
    """

    name: str
    expected: Any
    see: Callable[[Any], Any]
    shared: str | None = None
    text: str = ""
    more: Sequence[str] = ()
    ends: bool = False
    market: Callable[[ScriptedMarket], None] | None = None
    record: bytes | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs_shared(self) -> bool:
        return self.shared is not None

    def arguments(self, folder: Path, cases: Path) -> list[str]:
        """Arguments of `stockstream local`."""
        if self.market is not None:
            return ["--source", "yahoo", *self.more]
        if self.shared is not None:
            return ["--replay", str(cases / self.shared), *self.more]
        path = folder / "input.csv"
        path.write_bytes(self.text.encode("utf-16") if self.name == "utf16" else self.text.encode())
        if "FILE" in self.more:
            return [argument.replace("FILE", str(path)) for argument in self.more if argument != "FILE"]
        if self.more and any("@LIST" in argument for argument in self.more):
            return [argument.replace("@LIST", f"@{path}") for argument in self.more]
        return ["--replay", str(path), *self.more]


def rows(*lines: str, header: str = HEADER) -> str:
    return "\n".join([header, *lines]) + "\n"


def says(text: str) -> Callable[[Any], Any]:
    return lambda run: [run.code, text in run.output]


def exit_and_stored(run: Any) -> list[Any]:
    return [run.code, run.summary.get("stored", 0)]


def _crash(market: ScriptedMarket) -> None:
    now = int(time.time()) - 3600
    market.states["NMS"] = "POST"
    market.overrides["CRSH"] = {
        "regularMarketPrice": 22.9, "regularMarketOpen": 22.5, "regularMarketDayHigh": 23.1,
        "regularMarketDayLow": 22.3, "regularMarketPreviousClose": 22.6, "regularMarketTime": now,
        "postMarketPrice": 15.51,
        "postMarketTime": now + 1800,
    }  # fmt: skip


def _post_then_closed(market: ScriptedMarket) -> None:
    _crash(market)

    def close() -> None:
        market.states["NMS"] = "CLOSED"

    turn = threading.Timer(35, close)
    turn.daemon = True
    turn.start()


def _old(market: ScriptedMarket) -> None:
    market.overrides["OLD"] = {
        "regularMarketPrice": 31, "regularMarketOpen": 10, "regularMarketDayHigh": 31, "regularMarketDayLow": 10,
        "regularMarketPreviousClose": 10, "regularMarketTime": 1_650_000_000,
    }  # fmt: skip


def _reverse_split(market: ScriptedMarket) -> None:
    market.overrides["TTNP"] = {
        "regularMarketPrice": 3.51, "regularMarketOpen": 3.6, "regularMarketDayHigh": 3.75, "regularMarketDayLow": 3.4,
        "regularMarketPreviousClose": 0.17,
    }  # fmt: skip


def _ahead(market: ScriptedMarket) -> None:
    market.overrides["AHEAD"] = {"regularMarketTime": int(time.time()) + 6 * 3600}


def _alias(market: ScriptedMarket) -> None:
    market.overrides["USDJPY=X"] = {"symbol": "JPY=X", "quoteType": "CURRENCY", "exchange": "CCY"}


def _unknown(market: ScriptedMarket) -> None:
    market.unknown.add("BRK.B")
    market.chartless.add("BRK.B")


def _refused(market: ScriptedMarket) -> None:
    market.overrides["BAD"] = {"regularMarketPrice": -1}


def _no_volume(market: ScriptedMarket) -> None:
    market.overrides["AAPL"] = {"regularMarketVolume": None}


def _sessions(symbol: str) -> Callable[[Any], Any]:
    return lambda run: len(run.candles.get(f"{symbol}#1d", []))


def _two(symbol: str, exchange: str, first: str, second: str) -> str:
    return rows(
        f"2026-03-09T{first}:00.000Z,{symbol},10,11,9,10,10,100,,{exchange},REGULAR",
        f"2026-03-09T{second}:00.000Z,{symbol},10,11,9,10,10,200,,{exchange},REGULAR",
        header=_FULL,
    )


_PLAIN: Final = {
    "symbol": "plain", "timestamp": "2026-11-25T15:17:00Z", "open": 1, "high": 2, "low": 1, "price": 2,
    "previous_close": 2, "volume": 1001.0,
}  # fmt: skip
_MINUTES: Final = [f"2026-03-09T14:{minute:02d}:00.000Z,AAA,10,11,9,10,10,{minute}" for minute in range(5)]

CASES: Final[tuple[Case, ...]] = (
    Case("volume-lower-for-one-poll", [[30_050_000], []], lambda run: [run.volumes("AAPL#1d"), run.kinds()],
         shared="g1-volume-zero-tick.csv"),
    Case("volume-null-once", [], lambda run: [kind for kind in run.kinds() if kind == "volume"],
         shared="g12-one-null-volume.csv.gz"),
    Case("volume-absent-at-yahoo", [True, True],
         lambda run: [bool(run.quotes), all("volume" not in quote for quote in run.quotes)],
         market=_no_volume, more=("--symbols", "AAPL", "--for", "60")),
    Case("joined-late", [[30_100_000], [50_000, 50_000]],
         lambda run: [run.volumes("AAPL#1d"), run.volumes("AAPL#1m")], shared="midsession-start.csv"),
    Case("outage-in-mid-session", [43_420, True, []],
         lambda run: [sum(v or 0 for v in run.volumes("AAPL#1d")), max(v or 0 for v in run.volumes("AAPL#1m")) < 1000,
                      [kind for kind in run.kinds() if kind == "volume"]], shared="g10-outage-backfill.csv"),
    Case("futures", [["2026-03-09", 5001, 180_500], ["2026-03-10", 5003, 190_000]],
         lambda run: [[one[0][:10], one[2 if number == 0 else 1], one[3]]
                      for number, one in enumerate(run.of("GC=F#1d"))],
         shared="futures-evening.csv"),
    Case("crypto-rolling-volume", [True, 29_998_000_000],
         lambda run: [not any(run.volumes("BTC-USD#1m") + run.volumes("BTC-USD#1d")), int(run.quotes[-1]["volume"])],
         shared="crypto-rolling.csv"),
    Case("premarket-leaves-the-gap-to-the-opening", [[104.2], ["gap"]],
         lambda run: [[one[1] for one in run.of("ACME#1d")][-1:], [kind for kind in run.kinds() if kind == "gap"]],
         shared="g13-premarket-gap.csv"),
    Case("after-hours-crash", ["15.51", "Yes", ["critical"]],
         lambda run: [str(run.quotes[-1]["price"]), run.quotes[-1]["anomaly"],
                      [alert.get("severity") for alert in run.alerts if alert.get("kind") == "move"]],
         market=_crash, more=("--symbols", "CRSH", "--for", "60"), environment={"STOCKSTREAM_EXTENDED_HOURS": "true"}),
    Case("post-becomes-closed", 0, lambda run: sum("quote_rejected" in line for line in run.output.splitlines()),
         market=_post_then_closed, more=("--symbols", "CRSH,AAPL", "--for", "60"), ends=True,
         environment={"STOCKSTREAM_EXTENDED_HOURS": "true"}),
    Case("session-hanoi", 1, _sessions("VNM.VN"), text=_two("VNM.VN", "VSE", "02:15", "07:45")),
    Case("session-manila", 1, _sessions("SM.PS"), text=_two("SM.PS", "PHS", "01:35", "07:20")),
    Case("session-karachi", 1, _sessions("HBL.KA"), text=_two("HBL.KA", "KAR", "03:35", "10:20")),
    Case("session-nikkei-without-exchange", 1, _sessions("^N225"), text=_two("^N225", "", "00:05", "06:20")),
    Case("session-hang-seng-without-exchange", 1, _sessions("^HSI"), text=_two("^HSI", "", "01:35", "07:50")),
    Case("event-time-ahead", [0, True], lambda run: [run.summary.get("stored"), "time_in_future" in run.output],
         market=_ahead, more=("--symbols", "AHEAD", "--for", "60"), ends=True),
    # The day before fell by 5.6%, which rings; the split's does not.
    Case("reverse-split-replayed", [3, [["move", "2026-03-06"]]],
         lambda run: [len(run.quotes), [[a["kind"], a["timestamp"][:10]] for a in run.alerts if a["kind"] == "move"]],
         shared="g7-reverse-split.csv"),
    Case("reverse-split-at-yahoo", True, lambda run: bool(run.quotes), market=_reverse_split,
         more=("--symbols", "TTNP", "--for", "60")),
    Case("alias", ["USDJPY=X"], lambda run: sorted({quote["symbol"] for quote in run.quotes}), market=_alias,
         more=("--symbols", "USDJPY=X", "--for", "60")),
    Case("old-quote-rings-nothing", [1, []], lambda run: [len(run.quotes), run.kinds()], market=_old,
         more=("--symbols", "OLD", "--for", "60")),
    Case("negative-prices", ["0.01", "-1.43", "-37.63"], lambda run: [str(quote["price"]) for quote in run.quotes],
         shared="f22-negative.csv"),
    Case("no-percentage-of-a-close-below-zero", [1, False],
         lambda run: [len(run.quotes), "change_percent" in (run.quotes or [{"change_percent": 0}])[0]],
         text=rows("2020-04-21T14:00:00.000Z,CL=F,-14,13,-16,10.01,-37.63,1000")),
    Case("watchlist-with-bom", [0, True], says('"symbols": 2'),
         text="\ufeffAAPL\r\nMSFT\r\n", more=("--source", "simulated", "--symbols", "@LIST", "--for", "2"), ends=True),
    Case("watchlist-unreadable", [2, True], says("names an exchange before a colon"), text="LSE:VOD\n",
         more=("--source", "simulated", "--symbols", "@LIST", "--for", "2"), ends=True),
    Case("file-semicolons", [0, 3], exit_and_stored, shared="f02-semicolon.csv", ends=True),
    Case("file-epoch-seconds", [0, 3], exit_and_stored, shared="f05-epoch-s.csv", ends=True),
    Case("file-thousands", [0, 3], exit_and_stored, shared="f07-thousands.csv", ends=True),
    Case("file-naive-times", [2, True], says("--timezone America/New_York"), shared="f15-naive.csv", ends=True),
    Case("file-naive-times-with-zone", [0, 3], exit_and_stored, shared="f15-naive.csv",
         more=("--timezone", "America/New_York"), ends=True),
    Case("utf16", [0, 5], exit_and_stored, text=rows(*_MINUTES), ends=True),
    Case("file-newest-first", [0, 5, 0], lambda run: [*exit_and_stored(run), run.summary.get("late")],
         text=rows(*reversed(_MINUTES)), ends=True),
    Case("file-late-rows-counted", [0, 5, 2], lambda run: [*exit_and_stored(run), run.summary.get("late")],
         text=rows(*_MINUTES[2:4], *_MINUTES[:2], _MINUTES[4]), ends=True),
    Case("file-of-nothing", [2, True], says("No row of the file can be read"), text=rows("what", "is this"), ends=True),
    Case("fractional-volume", [[0, 1]], lambda run: [exit_and_stored(run)],
         text=rows("2026-03-09T14:00:00Z,BTC-USD,1,2,1,2,1,1234.5678"), ends=True),
    Case("refused-once", 1, lambda run: sum('"quote_rejected"' in line for line in run.output.splitlines()),
         market=_refused, more=("--symbols", "AAPL,BAD", "--for", "60"), ends=True),
    Case("share-class-hint", True, lambda run: "BRK-B" in run.output, market=_unknown,
         more=("--symbols", "AAPL,BRK.B", "--for", "60"), ends=True),
    Case("plain-producer", ["PLAIN", "2026-11-25T15:17:00.000Z"],
         lambda run: [[q["symbol"], q["timestamp"]] for q in run.quotes if q["symbol"] == "PLAIN"][0:1][0],
         text=rows(_MINUTES[0]), record=json.dumps(_PLAIN).encode()),
)  # fmt: skip
