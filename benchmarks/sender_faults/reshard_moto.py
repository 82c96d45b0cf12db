"""A reshard under flow, 2 → 4 → 3 shards, against moto: a Kinesis that is not of our making.

moto 5.2.5 lists the new shards and goes on storing in the closed ones, so this shows that listing, mapping and answers
that contradict the map do no harm; that new shards are used is shown against the null Kinesis (`reshard`).
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from benchmarks.null_kinesis.stream import hash_of
from benchmarks.null_kinesis.verify import QUOTE
from benchmarks.sender_faults.common import SLOW_PEER, SLOW_PEER_RATE, Fault, fault_of_run, outbox
from benchmarks.sender_faults.reshard import NOTES, SHARDS
from benchmarks.sender_peers import runner
from benchmarks.sender_peers.environment import ROOT
from stockstream_wire import deaggregate, is_aggregated

STREAM: Final = "stockstream"
SYMBOLS: Final = 100
RATE: Final = 400


def reshard_moto(name: str, *, seconds_each: float = 3.0, finish_seconds: float = 20.0) -> Fault:
    """Send at 400 quotes a second, reshard twice, then read every shard, parents first, and check.

    Args:
        name: Of the sender, as in `SENDERS`; one that speaks JSON.
        seconds_each: How long each number of shards lasts.
        finish_seconds: How long the sender may go on sending what it holds when the flow has ended.
    """
    import boto3

    rate = SLOW_PEER_RATE if name == SLOW_PEER else RATE
    with _moto() as moto, outbox() as outbox_dir:
        client = boto3.client(
            "kinesis", endpoint_url=moto.url, region_name="us-east-1", aws_access_key_id="t", aws_secret_access_key="t"
        )
        client.create_stream(StreamName=STREAM, ShardCount=SHARDS[0])
        job = {"sender": name, "url": moto.url, "outbox_dir": outbox_dir, "finish_seconds": finish_seconds}
        job |= {"rate": rate, "seconds": len(SHARDS) * seconds_each, "symbols": SYMBOLS}
        with runner.started(job) as sender:
            for shards in SHARDS[1:]:
                time.sleep(seconds_each)
                client.update_shard_count(StreamName=STREAM, TargetShardCount=shards, ScalingType="UNIFORM_SCALING")
            ran = runner.result_of(sender)
        report = _check(client, ran["made"])
        calls = moto.puts()
    found = fault_of_run(report, ran, calls)
    found |= {"quotes": sum(ran["made"].values())}
    found |= {field: report[field] for field in ("outside_of_their_shard", "shards_used")}
    return {**found, "note": NOTES[name]} if name in NOTES else found


class _Moto:
    """A running moto."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._process = process
        self.url = process.stdout.readline().strip()

    def puts(self) -> int:
        """End it, and return how many puts it was sent."""
        output, _ = self._process.communicate()
        return int(output)


@contextmanager
def _moto() -> Iterator[_Moto]:
    command = [sys.executable, "-m", "benchmarks.sender_faults.moto_server"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield _Moto(process)
    finally:
        process.kill()
        process.communicate()


def _check(client: Any, made: dict[str, int]) -> dict[str, int]:
    seen: dict[str, list[int]] = {name: [] for name in made}
    outside = dropped = used = 0
    for shard in _parents_first(client.list_shards(StreamName=STREAM)["Shards"]):
        first, last = (int(shard["HashKeyRange"][end]) for end in ("StartingHashKey", "EndingHashKey"))
        records = _read(client, shard["ShardId"])
        used += bool(records)
        for record in records:
            keys, payloads = _taken_apart(record)
            strangers = sum(not first <= key <= last for key in keys)
            outside += strangers
            if strangers and is_aggregated(record["Data"]):
                dropped += len(payloads)
            for match in (match for payload in payloads for match in QUOTE.finditer(payload)):
                seen[match[2].decode()].append(int(match[1]))
    return {
        "lost": sum(made[name] - len(set(sequences)) for name, sequences in seen.items()),
        "duplicated": sum(len(sequences) - len(set(sequences)) for sequences in seen.values()),
        "out_of_order": sum(_late(sequences) for sequences in seen.values()),
        "dropped_by_kcl": dropped,
        "outside_of_their_shard": outside,
        "shards_used": used,
    }


def _taken_apart(record: dict[str, Any]) -> tuple[list[int], list[bytes]]:
    """Return the hash keys and the payloads of a Kinesis record's user records."""
    if not is_aggregated(record["Data"]):
        # Which shard such a record went to was not the sender's to choose.
        return [], [record["Data"]]
    users = deaggregate(record["Data"])
    keys = [hash_of(u.partition_key) if u.explicit_hash_key is None else int(u.explicit_hash_key) for u in users]
    return keys, [user.data for user in users]


def _late(sequences: list[int]) -> int:
    highest, late, known = -1, 0, set()
    for sequence in sequences:
        late += sequence < highest and sequence not in known
        known.add(sequence)
        highest = max(highest, sequence)
    return late


def _parents_first(shards: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_id = {shard["ShardId"]: shard for shard in shards}
    ordered: dict[str, dict[str, Any]] = {}

    def visit(shard: dict[str, Any]) -> None:
        for field in ("ParentShardId", "AdjacentParentShardId"):
            parent = by_id.get(shard.get(field, ""))
            if parent is not None and parent["ShardId"] not in ordered:
                visit(parent)
        ordered[shard["ShardId"]] = shard

    for shard in shards:
        visit(shard)
    return list(ordered.values())


def _read(client: Any, shard_id: str) -> list[dict[str, Any]]:
    iterator = client.get_shard_iterator(StreamName=STREAM, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON")
    position = iterator["ShardIterator"]
    records: list[dict[str, Any]] = []
    while position:
        page = client.get_records(ShardIterator=position, Limit=1000)
        records += page["Records"]
        position = page.get("NextShardIterator")
        if not page["Records"] and not page.get("MillisBehindLatest"):
            break
    return records
