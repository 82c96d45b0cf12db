"""Every kind of market fact, through whole local runs: what is stored, beside what is right.

`python -m benchmarks.market_truth --json FILE [--cases DIR] [--only NAME,NAME]`. Each case is one `stockstream local`
with the embedded emulator: a replayed file, or the real yfinance against a stand-in Yahoo. The result is
`{case: {"expected": …, "got": …, "ok": …}}`, and exit code 1 where one is not ok.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from benchmarks.market_truth_cases import CASES, Case
from stockstream_wire.storage import INTERVALS, minute_start, window_start
from tests.local.local_command import LocalCommand, Outside
from tests.yahoo_standin import ScriptedMarket, YahooStandin

_CASES_DEFAULT: Final = Path(__file__).parents[1] / ".." / "shared" / "cases"
_CONSUMED_WITHIN_SECONDS: Final = 60.0


@dataclass
class Run:
    """What a run left behind.

    Attributes:
        code: Exit code; 0 where the emulator was kept up.
        output: Log lines, where it was not.
        summary: As `--summary` writes it.
        quotes: Items of `quotes` in order of time, plain values.
        candles: Candles by `SYMBOL#interval`, in order of time.
        alerts: Alerts in order of time.
    """

    code: int = 0
    output: str = ""
    summary: dict[str, Any] = field(default_factory=dict)
    quotes: list[dict[str, Any]] = field(default_factory=list)
    candles: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)

    def kinds(self) -> list[str]:
        """Kinds of the alerts, in order of time."""
        return [str(alert.get("kind")) for alert in self.alerts]

    def of(self, series: str) -> list[list[Any]]:
        """Window start, open, close and volume of a series of candles."""
        names = ("window_start", "open", "close", "volume")
        return [[_plain(candle.get(name)) for name in names] for candle in self.candles.get(series, [])]

    def volumes(self, series: str) -> list[Any]:
        """Volumes of a series of candles; None where a candle has none."""
        return [_plain(candle.get("volume")) for candle in self.candles.get(series, [])]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _value(attribute: dict[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    if kind == "N":
        return Decimal(value)
    if kind == "L":
        return [_value(item) for item in value]
    return None if kind == "NULL" else value


def _items(outside: Outside, table: str) -> list[dict[str, Any]]:
    return [{name: _value(attribute) for name, attribute in item.items()} for item in outside.scan(table)]


def look(outside: Outside) -> Run:
    """Read the tables of a run."""
    quotes = sorted(_items(outside, "quotes"), key=lambda item: (item["symbol"], item["timestamp"]))
    run = Run(summary=outside.summary, quotes=quotes, alerts=_items(outside, "alerts"))
    run.alerts.sort(key=lambda item: str(item.get("alert_id")))
    windows: dict[tuple[str, str], dict[str, Any]] = {}
    history: dict[tuple[str, str], dict[str, Any]] = {}
    for item in _items(outside, "candles"):
        symbol, start = item["symbol_interval"].partition("#")[0], item["window_start"].partition("/")[0]
        found = windows if start == item["window_start"] else history
        if "open" in item:
            found[item["symbol_interval"], start] = item | {"window_start": start}
        for values in item.get("minutes", []):  # [minute, open, high, low, close, volume, quotes]
            of_minute = minute_start(start, int(values[0]))
            candle = {"window_start": of_minute, "open": values[1], "close": values[4], "volume": values[5]}
            candle["incomplete"] = values[0] in item.get("incomplete_minutes", [])
            found[f"{symbol}#1m", of_minute] = candle
    # Open windows stand in the quotes: [open, high, low, volume, quotes], and the close is the price.
    for quote in quotes:
        for interval in INTERVALS:
            values = quote.get(f"candle_{interval}")
            if values:
                start = window_start(quote["timestamp"], interval, quote["session"])
                candle = {"window_start": start, "open": values[0], "close": quote["price"], "volume": values[3]}
                candle["incomplete"] = interval in quote.get("incomplete", "").split()
                windows.setdefault((f"{quote['symbol']}#{interval}", start), candle).update(candle)
    for key, candle in history.items():
        if windows.get(key, {"incomplete": True}).get("incomplete"):
            windows[key] = candle
    for (series, _), candle in sorted(windows.items()):
        run.candles.setdefault(series, []).append(candle)
    return run


def run_case(case: Case, folder: Path, cases: Path) -> Run:
    """Run one case in a folder of its own."""
    command = LocalCommand(folder, dict(case.environment))
    arguments = case.arguments(folder, cases)
    if case.market is not None:
        return asyncio.run(_with_yahoo(case, folder, arguments))
    if case.ends:
        code, summary, output = command.run(*arguments)
        return Run(code, output, summary)
    with command.keep_running(*arguments) as outside:
        if case.record is not None:
            _put(outside, case.record)
        return look(outside)


async def _with_yahoo(case: Case, folder: Path, arguments: list[str]) -> Run:
    market = ScriptedMarket()
    assert case.market is not None
    case.market(market)
    async with YahooStandin(market, folder) as yahoo:
        environment = yahoo.environment | {
            "STOCKSTREAM_POLL_INTERVAL_SECONDS": "1",
            "STOCKSTREAM_YAHOO_REQUESTS_PER_SECOND": "50",
            "STOCKSTREAM_CACHE_DIR": str(folder / "cache"),
        }
        command = LocalCommand(folder, environment | dict(case.environment))
        code, summary, output = await asyncio.to_thread(command.run, *arguments)
        if case.ends:
            return Run(code, output, summary)
        nothing = folder / "one.csv"
        nothing.write_text(_ONE_ROW)
        # The same state once more, with the emulator kept up, to read what the run left in it.
        again = LocalCommand(folder, dict(case.environment))
        with again.keep_running("--replay", str(nothing)) as outside:
            run = await asyncio.to_thread(look, outside)
    run.quotes = [quote for quote in run.quotes if quote["symbol"] != "ONE"]
    run.code, run.output = code, output
    return run


_ONE_ROW: Final = (
    "timestamp,symbol,open,high,low,price,previous_close,volume\n2020-01-02T15:00:00.000Z,ONE,1,1,1,1,1,1\n"
)


def _put(outside: Outside, record: bytes) -> None:
    kinesis = outside.client("kinesis")
    before = len(outside.scan("quotes"))
    kinesis.put_record(StreamName="stockstream", PartitionKey="any", Data=record)
    deadline = time.monotonic() + _CONSUMED_WITHIN_SECONDS
    while len(outside.scan("quotes")) == before and time.monotonic() < deadline:
        time.sleep(0.5)
    kinesis.close()


def judge(case: Case, see: Callable[[Any], Any], run: Run) -> dict[str, Any]:
    """Compare what was found with what is right."""
    got = see(run)
    return {"expected": case.expected, "got": got, "ok": got == case.expected}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="where to write the result")
    parser.add_argument("--cases", type=Path, default=_CASES_DEFAULT, help="folder of the shared cases")
    parser.add_argument("--only", help="names of cases, separated by commas")
    options = parser.parse_args(arguments)
    wanted = set(options.only.split(",")) if options.only else {case.name for case in CASES}
    results: dict[str, dict[str, Any]] = {}
    for case in CASES:
        if case.name not in wanted:
            continue
        if case.needs_shared and not options.cases.is_dir():
            print(f"skip  {case.name}: no folder {options.cases}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                results[case.name] = judge(case, case.see, run_case(case, Path(folder), options.cases))
            except (AssertionError, OSError, LookupError, ValueError) as exc:
                results[case.name] = {"expected": case.expected, "got": f"{type(exc).__name__}: {exc}", "ok": False}
        print(
            f"{'ok   ' if results[case.name]['ok'] else 'WRONG'} {case.name}: {results[case.name]['got']}", flush=True
        )
        options.json.write_text(json.dumps(results, indent=2, default=str) + "\n", encoding="utf-8")
    counts = Counter(result["ok"] for result in results.values())
    print(f"{counts[True]} ok, {counts[False]} wrong")
    return 1 if counts[False] else 0


if __name__ == "__main__":
    sys.exit(main())
