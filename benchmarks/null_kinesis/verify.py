"""What arrived, against what was promised: loss, duplicates, order, hash ranges.

Quotes of the benchmarks carry a sequence number per symbol (`{"seq":0000000001,"symbol":"S0001"…`), counted from 0.
"""

import re
from dataclasses import asdict, dataclass
from typing import Any, Final

from benchmarks.null_kinesis.stream import Stream, hash_of
from stockstream_wire import AggregationError, deaggregate, is_aggregated

QUOTE: Final = re.compile(rb'\{"seq":(\d{10}),"symbol":"([^"]+)"')
PAYLOAD_UNIT_BYTES: Final = 25 * 1024


@dataclass(slots=True)
class Verdict:
    """What the endpoint found.

    Attributes:
        user_records: Quotes that arrived, duplicates included.
        distinct: Quotes that arrived at least once.
        lost: Quotes expected that never arrived.
        duplicated: Arrivals of a quote that had arrived before.
        out_of_order: First arrivals of a quote after a later one of its symbol.
        dropped_by_kcl: Quotes in aggregates that KCL throws away: some user record hashes outside the shard.
        broken: Aggregates that cannot be decoded.
        kinesis_records: Records stored.
        payload_units: PUT payload units of 25 KB.
    """

    user_records: int = 0
    distinct: int = 0
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    dropped_by_kcl: int = 0
    broken: int = 0
    kinesis_records: int = 0
    payload_units: int = 0


def verify(stream: Stream, expected: dict[str, int]) -> dict[str, Any]:
    """Check all that is stored.

    Args:
        stream: What to check.
        expected: Number of quotes that were sent of each symbol.
    """
    verdict = Verdict(kinesis_records=len(stream.records))
    ranges = {shard.shard_id: (shard.first, shard.last) for shard in stream.shards}
    seen: dict[bytes, set[int]] = {}
    highest: dict[bytes, int] = {}
    for record in stream.records:
        verdict.payload_units += -(-(len(record.data) + len(record.partition_key)) // PAYLOAD_UNIT_BYTES)
        for payload in _user_payloads(record.data, ranges[record.shard_id], verdict):
            for match in QUOTE.finditer(payload):
                sequence, symbol = int(match[1]), match[2]
                verdict.user_records += 1
                of_symbol = seen.setdefault(symbol, set())
                if sequence in of_symbol:
                    verdict.duplicated += 1
                    continue
                of_symbol.add(sequence)
                if sequence < highest.get(symbol, -1):
                    verdict.out_of_order += 1
                else:
                    highest[symbol] = sequence
    verdict.distinct = sum(len(of_symbol) for of_symbol in seen.values())
    for symbol, count in expected.items():
        arrived = seen.get(symbol.encode(), set())
        verdict.lost += count - sum(1 for sequence in arrived if sequence < count)
    return asdict(verdict)


def _user_payloads(data: bytes, shard_range: tuple[int, int], verdict: Verdict) -> list[bytes]:
    if not is_aggregated(data):
        return [data]
    try:
        users = deaggregate(data)
    except AggregationError:
        verdict.broken += 1
        return [data]
    first, last = shard_range
    hashes = {(user.explicit_hash_key, user.partition_key) for user in users}
    if not all(first <= (hash_of(key) if explicit is None else int(explicit)) <= last for explicit, key in hashes):
        verdict.dropped_by_kcl += len(users)
    return [user.data for user in users]
