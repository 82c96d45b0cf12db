"""A reshard under flow, 2 → 4 → 3 shards, against moto: a Kinesis that is not of our making.

moto 5.2.5 lists the new shards and goes on storing in the closed ones, so this shows that listing, mapping and answers
that contradict the map do no harm; that new shards are used is shown against the null Kinesis (`sender_faults`).
"""

import logging
import tempfile
import time
from typing import Any

from benchmarks.null_kinesis.stream import hash_of
from benchmarks.null_kinesis.verify import QUOTE
from benchmarks.sender_peers import runner
from benchmarks.sender_peers.environment import ROOT
from stockstream_wire import deaggregate

STREAM = "stockstream"
SYMBOLS = 100


def reshard_under_flow(sender_name: str) -> dict[str, Any]:
    """Send at 400 quotes a second, reshard twice, then read every shard, parents first, and check."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "kinesis", endpoint_url=url, region_name="us-east-1", aws_access_key_id="t", aws_secret_access_key="t"
    )
    try:
        client.create_stream(StreamName=STREAM, ShardCount=2)
        with tempfile.TemporaryDirectory(prefix="stockstream-outbox-", dir=ROOT / "benchmarks") as outbox_dir:
            job = {
                "sender": sender_name,
                "url": url,
                "rate": 400,
                "seconds": 9,
                "symbols": SYMBOLS,
                "finish_seconds": 60,
            }
            sender = runner.start({**job, "outbox_dir": outbox_dir})
            for shards in (4, 3):
                time.sleep(3)
                client.update_shard_count(StreamName=STREAM, TargetShardCount=shards, ScalingType="UNIFORM_SCALING")
            ran = runner.result_of(sender)
        found = _check(client, ran["made"])
    finally:
        server.stop()
    return {**found, "stall_seconds": ran["stall_seconds"], "calls_per_second": 0.0, "cpu_seconds": ran["cpu_seconds"]}


def _check(client: Any, made: dict[str, int]) -> dict[str, Any]:
    shards = client.list_shards(StreamName=STREAM)["Shards"]
    seen: dict[str, list[int]] = {name: [] for name in made}
    outside = 0
    used = 0
    for shard in _parents_first(shards):
        first, last = (int(shard["HashKeyRange"][end]) for end in ("StartingHashKey", "EndingHashKey"))
        records = _read(client, shard["ShardId"])
        used += bool(records)
        for record in records:
            users = deaggregate(record["Data"])
            keys = [
                hash_of(u.partition_key) if u.explicit_hash_key is None else int(u.explicit_hash_key) for u in users
            ]
            outside += sum(not first <= key <= last for key in keys)
            for user in users:
                match = QUOTE.match(user.data)
                assert match is not None
                seen[match[2].decode()].append(int(match[1]))
    lost = sum(made[name] - len(set(sequences)) for name, sequences in seen.items())
    duplicated = sum(len(sequences) - len(set(sequences)) for sequences in seen.values())
    out_of_order = sum(_late(sequences) for sequences in seen.values())
    return {
        "lost": lost,
        "duplicated": duplicated,
        "out_of_order": out_of_order,
        "outside_of_their_shard": outside,
        "shards_used": used,
    }


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
