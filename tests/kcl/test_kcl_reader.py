"""The example of a KCL 3 application, Amazon's own reader, beside the local stack: what it makes of our aggregates."""

import csv
import gzip
import json
import os
import subprocess
import time
from collections import defaultdict
from pathlib import Path

import pytest

from benchmarks.java_program import Absent, JavaProgram, java_program
from tests.local.local_command import LocalCommand
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.emulator

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SESSION = EXAMPLES / "simulated-session.csv.gz"
# The emulator speaks JSON to Kinesis's clients. One thread of the collector is enough for so small a heap.
JVM_OPTIONS = ("-Daws.cborEnabled=false", "-DfailoverMillis=1500", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# So long after the last quote a surplus would show.
SURPLUS_SECONDS = 2.0


@pytest.fixture
def newest_quotes() -> JavaProgram:
    try:
        return java_program(EXAMPLES / "kcl")
    except Absent as exc:
        pytest.skip(f"the KCL application cannot be built here: {exc}")


def test_the_example_reads_every_quote_of_a_session_in_order_and_tells_the_newest(
    tmp_path: Path, newest_quotes: JavaProgram
) -> None:
    with gzip.open(SESSION, "rt") as file:
        rows = [(row["symbol"], row["timestamp"], row["price"]) for row in csv.DictReader(file)]
    every_file = tmp_path / "every"

    with LocalCommand(tmp_path).keep_running("--replay", str(SESSION)) as outside:
        java, *command = newest_quotes.command("NewestQuotes", "stockstream", str(every_file))
        environment = dict(os.environ) | {
            "AWS_ENDPOINT_URL": outside.endpoint_url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        reading = subprocess.Popen(
            [java, *JVM_OPTIONS, *command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            wait_for_lines(every_file, len(rows), reading)
            time.sleep(SURPLUS_SECONDS)
        finally:
            reading.terminate()
            told, errors = reading.communicate(timeout=PATIENCE_SECONDS)
        shards = len(outside.client("kinesis").list_shards(StreamName="stockstream")["Shards"])

    read = defaultdict(list)
    shards_of = defaultdict(set)
    for line in every_file.read_text().splitlines():
        shard, _, data = line.partition("\t")
        quote = json.loads(data)
        read[quote["symbol"]].append((quote["symbol"], quote["timestamp"], f"{quote['price']:.2f}"))
        shards_of[quote["symbol"]].add(shard)
    assert read == {symbol: [row for row in rows if row[0] == symbol] for symbol, _, _ in rows}, errors[-2000:]
    # Of one symbol in one shard, and of all in more than one: order was at stake.
    assert {len(found) for found in shards_of.values()} == {1}
    assert len(set.union(*shards_of.values())) == shards > 1
    # What it told last of each symbol is its newest quote; `{price}` has the digits of the stream.
    newest = {symbol: tuple(rest) for symbol, *rest in (line.split("\t") for line in told.splitlines())}
    assert {symbol: (timestamp, float(price)) for symbol, (timestamp, price) in newest.items()} == {
        symbol: (timestamp, float(price)) for symbol, timestamp, price in rows
    }, errors[-2000:]


def wait_for_lines(file: Path, count: int, reading: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not file.exists() or file.read_text().count("\n") < count:
        if reading.poll() is not None or time.monotonic() > deadline:
            return  # the assertions tell what is missing
        time.sleep(0.1)
