"""A KCL 3 application, Amazon's own reader, beside the local stack: what it makes of our aggregated records."""

import csv
import gzip
import json
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from benchmarks.java_program import Absent, JavaProgram, java_program
from tests.local.local_command import LocalCommand
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.emulator

SESSION = Path(__file__).resolve().parents[2] / "examples" / "simulated-session.csv.gz"
# The emulator speaks JSON to Kinesis's clients. One thread of the collector is enough for so small a heap.
JVM_OPTIONS = ("-Daws.cborEnabled=false", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@pytest.fixture
def reader() -> JavaProgram:
    try:
        return java_program(Path(__file__).with_name("reader"))
    except Absent as exc:
        pytest.skip(f"the KCL application cannot be built here: {exc}")


def test_kcl_reads_every_quote_of_a_replayed_session_in_order(tmp_path: Path, reader: JavaProgram) -> None:
    with gzip.open(SESSION, "rt") as file:
        rows = [(row["symbol"], row["timestamp"], row["price"]) for row in csv.DictReader(file)]
    read_file = tmp_path / "read"

    with LocalCommand(tmp_path).keep_running("--replay", str(SESSION)) as outside:
        arguments = (outside.endpoint_url, "stockstream", str(len(rows)), f"{PATIENCE_SECONDS:.0f}", str(read_file))
        java, *command = reader.command("Reader", *arguments)
        done = subprocess.run([java, *JVM_OPTIONS, *command], capture_output=True, text=True, check=False)
        shards = len(outside.client("kinesis").list_shards(StreamName="stockstream")["Shards"])

    assert done.returncode == 0, done.stderr[-2000:]
    read = defaultdict(list)
    shards_of = defaultdict(set)
    for line in read_file.read_text().splitlines():
        shard, _, data = line.partition("\t")
        quote = json.loads(data)
        read[quote["symbol"]].append((quote["symbol"], quote["timestamp"], f"{quote['price']:.2f}"))
        shards_of[quote["symbol"]].add(shard)
    assert read == {symbol: [row for row in rows if row[0] == symbol] for symbol, _, _ in rows}
    # Of one symbol in one shard, and of all in more than one: order was at stake.
    assert {len(found) for found in shards_of.values()} == {1}
    assert len(set.union(*shards_of.values())) == shards > 1
