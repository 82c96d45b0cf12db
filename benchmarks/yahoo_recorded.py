"""What each recorded Yahoo reply becomes, as the table of docs/yahoo.md.

`python -m benchmarks.yahoo_recorded --recorded DIR` prints the table; `--write docs/yahoo.md` puts it between the
markers of that page. A recorded reply is a JSON file `{path, status, recorded, body}`.
"""

import argparse
import sys
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from stockstream.sources.base import Rejection
from stockstream.sources.yahoo.chart import map_chart_reply
from stockstream.sources.yahoo.mapping import map_v7_result
from stockstream.sources.yahoo.reply import decode_json, v7_results
from stockstream_wire import Quote

BEGIN: Final = "<!-- recorded replies: begin (benchmarks/yahoo_recorded.py) -->"
END: Final = "<!-- recorded replies: end -->"
CHART_PREFIX: Final = "/v8/finance/chart/"


def outcomes_of(path: Path) -> list[tuple[str, Quote | Rejection | None]]:
    """Map one recorded file: (kind, outcome) per result; an outcome of None is an answer without the symbol."""
    recorded = decode_json(path.read_bytes())
    assert isinstance(recorded, dict)
    url, body = str(recorded["path"]), recorded["body"]
    if url.startswith(CHART_PREFIX):
        symbol = unquote(url.removeprefix(CHART_PREFIX).split("?")[0])
        return [("chart", map_chart_reply(body, symbol))]
    results = v7_results(body)
    return [(str(result.get("quoteType", "?")), map_v7_result(result)) for result in results] or [("empty", None)]


def table(folder: Path) -> str:
    lines = ["| Recorded reply | Kind | Becomes |", "|---|---|---|"]
    for path in sorted(folder.glob("*.json")):
        for kind, outcome in outcomes_of(path):
            lines.append(f"| `{path.stem}` | {kind} | {_describe(outcome)} |")
    return "\n".join(lines)


def _describe(outcome: Quote | Rejection | None) -> str:
    if outcome is None:
        return "missing: counted towards quarantine (`unknown_symbol` where it is so at the start)"
    if isinstance(outcome, Rejection):
        return f"rejection `{outcome.reason}`"
    return f"quote, {outcome.currency or 'no currency'}, event time {outcome.timestamp}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recorded", type=Path, required=True, help="folder of recorded replies")
    parser.add_argument("--write", type=Path, help="page whose table is replaced")
    arguments = parser.parse_args()
    text = table(arguments.recorded)
    if arguments.write is None:
        print(text)
        return 0
    page = arguments.write.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    arguments.write.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
