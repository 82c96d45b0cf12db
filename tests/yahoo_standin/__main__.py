"""Run the stand-in by itself: `python -m tests.yahoo_standin --recorded DIR --port N`.

It prints the variables a client needs, then serves until Ctrl-C. Faults: `--fault 429` from the start, or at any time
`curl -d '{"fault": "429"}' http://127.0.0.1:N/standin/fault`, `curl -d '{}' http://127.0.0.1:N/standin/clear`.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
from pathlib import Path

from tests.yahoo_standin import Fault, Market, RecordedMarket, ScriptedMarket, YahooStandin


async def main(arguments: argparse.Namespace) -> None:
    market: Market = RecordedMarket(arguments.recorded) if arguments.recorded else ScriptedMarket()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with tempfile.TemporaryDirectory(prefix="yahoo-standin-") as made:
        folder = arguments.ca_folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        latency_seconds = arguments.latency_ms / 1000
        async with YahooStandin(market, folder, port=arguments.port, latency_seconds=latency_seconds) as standin:
            for name in arguments.fault:
                standin.faults.order(Fault(name))
            lines = [f"export {name}={value}" for name, value in standin.environment.items()]
            if isinstance(market, RecordedMarket):
                lines.append(f"# recorded: {','.join(market.symbols)}")
            sys.stdout.write("\n".join([*lines, "# ready", ""]))
            sys.stdout.flush()
            await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recorded", type=Path, help="folder of recorded replies; without it, a scripted market")
    parser.add_argument("--port", type=int, default=0, help="port of the proxy; 0 takes a free one")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="before every reply")
    parser.add_argument("--ca-folder", type=Path, help="where to write the certificate; default: a temporary folder")
    parser.add_argument("--fault", action="append", default=[], choices=[fault.value for fault in Fault])
    sys.exit(asyncio.run(main(parser.parse_args())))
