"""How fast a replay reads: rows per second of each file format, at max speed, in one process.

python -m benchmarks.replay [--rows N] [--json FILE] [--quick]
"""

import argparse
import asyncio
import gzip
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from stockstream.sources.replay import ReplaySource
from stockstream_wire import format_timestamp

HEADER = "timestamp,symbol,open,high,low,price,previous_close,volume"
SYMBOLS = ("AAPL", "MSFT", "NVDA", "SPY")


def rows(count: int) -> Iterator[str]:
    start = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
    for index in range(count):
        moment = format_timestamp(start + timedelta(seconds=index // len(SYMBOLS)))
        price = f"{200 + index % 9973 / 100:.4f}"
        yield f"{moment},{SYMBOLS[index % len(SYMBOLS)]},200.0000,320.0000,199.0000,{price},198.5000,{index}"


def make_files(folder: Path, count: int) -> list[Path]:
    text = "\n".join([HEADER, *rows(count), ""])
    csv, csv_gz, jsonl, parquet = (folder / f"replay.{form}" for form in ("csv", "csv.gz", "jsonl", "parquet"))
    csv.write_text(text)
    csv_gz.write_bytes(gzip.compress(text.encode(), compresslevel=6))
    names = HEADER.split(",")
    with jsonl.open("w") as file:
        for line in rows(count):
            values = line.split(",")
            fields = [
                f'"{n}":"{v}"' if n in {"timestamp", "symbol"} else f'"{n}":{v}'
                for n, v in zip(names, values, strict=True)
            ]
            file.write("{" + ",".join(fields) + "}\n")
    duckdb.sql(f"COPY (FROM read_csv('{csv}')) TO '{parquet}' (FORMAT parquet)")
    return [csv, csv_gz, jsonl, parquet]


async def read(path: Path) -> int:
    count = 0
    async for batch in ReplaySource([path]).batches():
        assert not batch.rejected, batch.rejected[0]
        count += len(batch.quotes)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--quick", action="store_true", help="20,000 rows")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    count = 20_000 if arguments.quick else arguments.rows
    result: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in make_files(Path(folder), count):
            before = time.process_time()
            found = asyncio.run(read(path))
            seconds = time.process_time() - before
            assert found == count, f"{path.name}: {found} of {count} rows"
            form = path.name.removeprefix("replay.")
            result[f"{form.replace('.', '_')}_rows_per_cpu_second"] = round(count / seconds)
            size_mb = path.stat().st_size / 1e6
            print(f"{form:8} {count:,} rows ({size_mb:.1f} MB): {count / seconds:,.0f} rows per CPU second")
    result["rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
