"""Ten thousand garbage records between good ones: good ones stored, bad ones in quarantine, nothing stuck."""

import json
import random
import zlib
from base64 import b64decode
from collections.abc import Callable

import pytest

from stockstream_lambda.pipeline import Pipeline
from stockstream_wire import Quote, UserRecord, aggregate, encode_quote, format_epoch_ms
from tests.consumer.conftest import World
from tests.consumer.kinesis_events import FIRST_SEQUENCE, SHARD, event, quote
from tests.consumer.twin import CONFIG, Memory, TwinStores

OPEN_MS = 1_795_185_000_000


def garbage(rng: random.Random, good: bytes) -> bytes:
    """One user record that is no quote."""
    content = json.loads(good)
    kinds: list[Callable[[], bytes]] = [
        lambda: b"",
        lambda: rng.randbytes(rng.randrange(1, 300)) + b"\xff",
        lambda: good[: rng.randrange(1, len(good) - 1)],
        lambda: json.dumps({**content, rng.choice(["price", "open"]): rng.choice([None, [], {}, "x"])}).encode(),
        lambda: json.dumps({**content, "volume": rng.choice([[], {}, "x", 10.5])}).encode(),
        lambda: json.dumps({**content, "price": float("nan")}).encode(),
        lambda: json.dumps({**content, "high": "NaN"}).encode(),
        lambda: good.replace(b'"price":', b'"price":1e999999,"x":'),
        lambda: good.replace(b'"volume":', b'"volume":' + b"9" * 400 + b',"x":'),
        lambda: json.dumps({**content, "v": rng.choice([0, -1, 2, 99])}).encode(),
        lambda: json.dumps({**content, "symbol": rng.choice(["", "lo wer", "A" * 33, "A B", "ÄÖ"])}).encode(),
        lambda: json.dumps(
            {**content, "timestamp": rng.choice(["now", "2026-11-20", "2026-W47-7T14:30:00.000Z"])}
        ).encode(),
        lambda: json.dumps([content]).encode(),
        lambda: b"[" * 5000,
        lambda: zlib.compress(good),
        lambda: good + good,
        lambda: json.dumps({**content, "price": -1}).encode(),
        lambda: json.dumps({**content, "price": content["low"] / 100}).encode(),
        lambda: json.dumps({**content, "timestamp": "2199-01-01T00:00:00.000Z"}).encode(),
        lambda: good[:-1] + b',"filler":"' + b"x" * 70_000 + b'"}',
    ]
    return rng.choice(kinds)()


def build(seed: int, count: int) -> tuple[list[bytes], list[Quote], dict[tuple[int, int], bytes]]:
    """Kinesis records, the good quotes among them, and the bad user records by record index and subsequence."""
    rng = random.Random(seed)
    records: list[bytes] = []
    good: list[Quote] = []
    bad: dict[tuple[int, int], bytes] = {}

    def next_good() -> bytes:
        q = quote(f"S{len(good) % 7}", format_epoch_ms(OPEN_MS + 1000 * len(good)), "100.25", high="101", low="99.5")
        good.append(q)
        return encode_quote(q)

    while len(bad) < count:
        index = len(records)
        shape = rng.random()
        if shape < 0.1:
            records.append(next_good())
        elif shape < 0.5:
            data = garbage(rng, encode_quote(quote("S1", high="101", low="99.5")))
            records.append(data)
            bad[index, 0] = data
        elif shape < 0.9:
            users = []
            for number in range(rng.randrange(1, 20)):
                if rng.random() < 0.6:
                    users.append(garbage(rng, encode_quote(quote("S2", high="101", low="99.5"))))
                    bad[index, number] = users[-1]
                else:
                    users.append(next_good())
            records.append(aggregate([UserRecord("S2", None, data) for data in users]))
        else:
            whole = bytearray(aggregate([UserRecord("S3", None, encode_quote(quote("S3"))) for _ in range(3)]))
            if rng.random() < 0.5:
                whole[rng.randrange(4, len(whole))] ^= 0x40
            else:
                del whole[rng.randrange(4, len(whole)) :]
            records.append(bytes(whole))
            bad[index, 0] = bytes(whole)
    records.append(next_good())
    return records, good, bad


def check(records: list[bytes], good: list[Quote], bad: dict[tuple[int, int], bytes], memory: Memory) -> None:
    assert {(q.symbol, q.timestamp) for q in good} == set(memory.tables["quotes"])
    found = {}
    for key, content in memory.quarantined().items():
        index = int(content["sequence_number"]) - FIRST_SEQUENCE
        subsequence = content["subsequence_number"]
        assert key.endswith(f"/{SHARD}/{content['sequence_number']}-{subsequence}.json")
        assert all(content[name] for name in ("reason", "error_class", "detail"))
        found[index, subsequence] = b64decode(content["data_base64"])
    assert found == bad


def test_ten_thousand_garbage_records_between_good_ones_stop_nothing() -> None:
    records, good, bad = build(5, 10_000)
    memory = Memory()
    pipeline = Pipeline(CONFIG, TwinStores(memory))
    size = 100
    for _ in range(2):  # a retry overwrites, it adds nothing
        for start in range(0, len(records), size):
            answer = pipeline.process(event(records[start : start + size], start=start)).response
            assert answer == {"batchItemFailures": []}
        check(records, good, bad, memory)
    pipeline.close()


@pytest.mark.emulator
def test_garbage_ends_in_the_bucket_and_good_quotes_in_the_table(world: World) -> None:
    records, good, bad = build(6, 300)
    answer = world.pipeline().process(event(records)).response
    assert answer == {"batchItemFailures": []}
    assert len(world.items(world.config.quotes_table)) == len(good)
    objects = world.objects("quarantine/")
    assert len(objects) == len(bad)
    for body in objects.values():
        content = json.loads(body)
        index = int(content["sequence_number"]) - FIRST_SEQUENCE
        assert b64decode(content["data_base64"]) == bad[index, content["subsequence_number"]]


def test_an_event_whose_data_is_not_base64_is_quarantined() -> None:
    batch = event([encode_quote(quote()), b"x"])
    batch["Records"][1]["kinesis"]["data"] = "not base64!"
    memory = Memory()
    pipeline = Pipeline(CONFIG, TwinStores(memory))
    assert pipeline.process(batch).response == {"batchItemFailures": []}
    pipeline.close()
    assert [content["reason"] for content in memory.quarantined().values()] == ["base64_error"]
    assert len(memory.tables["quotes"]) == 1
