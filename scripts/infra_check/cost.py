"""What a deployment costs a month, line by line: `python -m scripts.infra_check.cost`. docs/cost.md holds its output.

Prices of us-east-1 in USD, from AWS's price pages; quantities from the deployment's own numbers.
"""

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DOC: Final = Path(__file__).resolve().parents[2] / "docs" / "cost.md"
BEGIN: Final = "<!-- written by `make infra-docs` -->"
END: Final = "<!-- end -->"

HOURS: Final = 730
TRADING_DAYS: Final = 21
SESSION_SECONDS: Final = 6.5 * 3600
# A schedule starts the task and the capacity half an hour around the session.
MARKET_HOURS: Final = TRADING_DAYS * 7
# Storage is billed by its average over the month, and the first month begins with nothing.
FIRST_MONTH_PART: Final = 0.5

# https://aws.amazon.com/kinesis/data-streams/pricing/
SHARD_HOUR: Final = 0.015
PUT_UNIT: Final = 0.014 / 1e6
PUT_UNIT_BYTES: Final = 25 * 1024
# https://aws.amazon.com/lambda/pricing/ (arm64; a million requests and 400,000 GB-seconds a month stay free)
LAMBDA_REQUEST: Final = 0.20 / 1e6
LAMBDA_GB_SECOND: Final = 0.0000133334
LAMBDA_FREE_REQUESTS: Final = 1e6
LAMBDA_FREE_GB_SECONDS: Final = 400_000
# https://aws.amazon.com/dynamodb/pricing/on-demand/ (25 GB stay free)
WRITE_UNIT: Final = 0.625 / 1e6
# https://aws.amazon.com/dynamodb/pricing/provisioned/
WRITE_UNIT_HOUR: Final = 0.00065
READ_UNIT_HOUR: Final = 0.00013
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html: of an item's storage
ITEM_OVERHEAD_BYTES: Final = 100
TABLE_GB: Final = 0.25
TABLE_FREE_GB: Final = 25
BACKUP_GB: Final = 0.20
# https://aws.amazon.com/s3/pricing/
S3_PUT: Final = 0.005 / 1000
S3_GET: Final = 0.0004 / 1000
S3_GB: Final = 0.023
# https://aws.amazon.com/fargate/pricing/ (Linux on arm64) and https://aws.amazon.com/vpc/pricing/ (public IPv4)
FARGATE_VCPU_HOUR: Final = 0.03238
FARGATE_GB_HOUR: Final = 0.00356
# The smallest task: a quarter of a CPU, half a gigabyte.
FARGATE_HOUR: Final = 0.25 * FARGATE_VCPU_HOUR + 0.5 * FARGATE_GB_HOUR
SPOT_PART: Final = 0.3
IPV4_HOUR: Final = 0.005
# https://aws.amazon.com/kms/pricing/
KEY: Final = 1.0
# https://aws.amazon.com/cloudwatch/pricing/ (ten metrics, ten alarms and 5 GB of logs stay free)
METRIC: Final = 0.30
ALARM: Final = 0.10
LOG_GB: Final = 0.50
FREE_METRICS: Final = 10
FREE_ALARMS: Final = 10
FREE_LOG_GB: Final = 5
# https://aws.amazon.com/firehose/pricing/ (a record counts in steps of 5 KB) with format conversion
FIREHOSE_GB: Final = 0.029
CONVERSION_GB: Final = 0.018
FIREHOSE_STEP_BYTES: Final = 5 * 1024
GIB: Final = 1024**3

# Measured: python -m scripts.infra_check.request_units (the twelfth session; a quote a symbol and batch).
QUOTE_WRITE_UNITS: Final = 1.0
CANDLE_WRITE_UNITS: Final = 0.11
ALERT_WRITE_UNITS: Final = 0.026
WRITE_UNITS_A_QUOTE: Final = QUOTE_WRITE_UNITS + CANDLE_WRITE_UNITS + ALERT_WRITE_UNITS
# The item with its open candles, and its part of the closed ones. With the tails of floats 133 and 15 more.
STORED_QUOTE_BYTES: Final = 582
STORED_CANDLE_BYTES: Final = 31
ITEMS_A_QUOTE: Final = 1.13
# On the stream; in the archive, of 260 quotes an object and more (alone, a quote takes 273).
QUOTE_BYTES: Final = 350
ARCHIVE_QUOTE_BYTES: Final = 25
METRICS: Final = 27
# Of the stub with 40 ms a put, docs/consumer.md: on the high side.
BATCH_SECONDS: Final = 0.12
LOG_BYTES_A_BATCH: Final = 2_000
# Polls are spread over this part of their interval; a request of Yahoo's has so many symbols.
SPREAD_PART: Final = 0.8
REQUEST_SYMBOLS: Final = 90
BATCH_WINDOW_SECONDS: Final = 5
PARTITIONS: Final = 4
CHECKPOINT_EVERY: Final = 32

# infra/main.tf, `provisioned_capacity`: units kept ready in market hours, and outside them.
QUOTE_UNIT_PART: Final = 0.9
CANDLES_A_SYMBOL_SECOND: Final = 1 / 300 + 1 / 3600
CANDLE_HEADROOM: Final = 1.75 * 1.25
READY_READ_UNITS: Final = 25 + 5
CLOSED_WRITE_UNITS: Final = 1 + 1

# The plain way: an item of the twelve published fields and an object a record, unaggregated, 128 MB, batches of 2.
PLAIN_ITEM_BYTES: Final = 270
PLAIN_OBJECT_BYTES: Final = 273
PLAIN_BATCH_RECORDS: Final = 2
PLAIN_BATCH_SECONDS: Final = 0.1
PLAIN_MEMORY_GB: Final = 0.125
MEMORY_GB: Final = 0.5


@dataclass(frozen=True, slots=True)
class Scenario:
    """One deployment.

    Attributes:
        symbols: Symbols followed; each has a new quote at every poll of the session.
        poll_seconds: Seconds between two polls.
        service_hours: Hours a month that the task runs; 0 where it runs on a laptop.
        alarms: Alarms of the deployment.
    """

    title: str
    symbols: int
    poll_seconds: float
    shards: int = 1
    service_hours: float = MARKET_HOURS
    spot: bool = True
    firehose: bool = False
    alarms: int = 21

    @property
    def polls(self) -> float:
        return TRADING_DAYS * SESSION_SECONDS / self.poll_seconds

    @property
    def quotes(self) -> float:
        return self.symbols * self.polls

    @property
    def batches(self) -> float:
        """Batches of the consumer: windows that hold a request's answer."""
        windows = max(1.0, self.poll_seconds * SPREAD_PART / BATCH_WINDOW_SECONDS)
        return self.polls * min(math.ceil(self.symbols / REQUEST_SYMBOLS), windows) * self.shards

    @property
    def entries(self) -> float:
        """Entries of the log: one a batch and partition that has quotes in it."""
        return self.batches * min(PARTITIONS, self.symbols)


SCENARIOS: Final = (
    Scenario("One symbol, service on a laptop", 1, 30, service_hours=0),
    Scenario("One symbol, round the clock (`examples/minimal`)", 1, 30, service_hours=HOURS, spot=False),
    Scenario("100 symbols", 100, 30),
    Scenario("1,000 symbols", 1000, 30),
    Scenario("5,000 symbols", 5000, 30),
    Scenario("5,000 every 5 s", 5000, 5),
    Scenario("1,000 every 15 s, Parquet", 1000, 15, firehose=True, alarms=23),
)
COMPARED: Final = (
    Scenario("1 / 30 s", 1, 30),
    Scenario("100 / 30 s", 100, 30),
    Scenario("1,000 / 30 s", 1000, 30),
    Scenario("5,000 / 30 s", 5000, 30),
    Scenario("5,000 / 5 s", 5000, 5),
)


def lines(case: Scenario, *, provisioned: bool = False, held: float = FIRST_MONTH_PART) -> dict[str, float]:
    """Cost of each service in USD a month; `held` is the part of a month's quotes that lies there on average."""
    units = max(case.batches * 2, case.quotes * QUOTE_BYTES / PUT_UNIT_BYTES)
    gb_seconds = case.batches * BATCH_SECONDS * MEMORY_GB
    table_bytes = case.quotes * (STORED_QUOTE_BYTES + STORED_CANDLE_BYTES)
    tidied_objects = case.symbols * TRADING_DAYS
    found = {
        "Kinesis: shards": case.shards * HOURS * SHARD_HOUR,
        "Kinesis: PUT units": units * PUT_UNIT,
        "Lambda": _lambda(case.batches, gb_seconds),
        "DynamoDB: writes": _provisioned(case) if provisioned else case.quotes * WRITE_UNITS_A_QUOTE * WRITE_UNIT,
        "DynamoDB: storage": _table_storage(held * (table_bytes + case.quotes * ITEMS_A_QUOTE * ITEM_OVERHEAD_BYTES)),
        "DynamoDB: backup": table_bytes / GIB * held * BACKUP_GB,
        "S3: puts, the log and its checkpoints": case.entries * (1 + 1 / CHECKPOINT_EVERY) * S3_PUT,
        "S3: the tidy": tidied_objects * S3_PUT + case.entries * S3_GET,
        "S3: storage": case.quotes * ARCHIVE_QUOTE_BYTES / GIB * held * S3_GB,
        "Fargate": case.service_hours * FARGATE_HOUR * (SPOT_PART if case.spot else 1),
        "Public IPv4 address": case.service_hours * IPV4_HOUR,
        "KMS key": KEY,
        "CloudWatch: metrics": max(METRICS - FREE_METRICS, 0) * METRIC,
        "CloudWatch: alarms": max(case.alarms - FREE_ALARMS, 0) * ALARM,
        "CloudWatch: logs": max(case.batches * LOG_BYTES_A_BATCH / GIB - FREE_LOG_GB, 0) * LOG_GB,
    }
    if case.firehose:
        found["Firehose"] = case.quotes * FIREHOSE_STEP_BYTES / GIB * FIREHOSE_GB
        found["Firehose: conversion"] = case.quotes * QUOTE_BYTES / GIB * CONVERSION_GB
    return found


def plain_lines(case: Scenario, *, held: float = FIRST_MONTH_PART) -> dict[str, float]:
    """Cost of the plain published way, everything in its favour: no service, no alarms, no backup."""
    invocations = case.quotes / PLAIN_BATCH_RECORDS
    return {
        "Kinesis: shards": case.shards * HOURS * SHARD_HOUR,
        "Kinesis: PUT units": case.quotes * PUT_UNIT,
        "Lambda": _lambda(invocations, invocations * PLAIN_BATCH_SECONDS * PLAIN_MEMORY_GB),
        "DynamoDB: writes": case.quotes * WRITE_UNIT,
        "DynamoDB: storage": _table_storage(held * case.quotes * (PLAIN_ITEM_BYTES + ITEM_OVERHEAD_BYTES)),
        "S3: puts": case.quotes * S3_PUT,
        "S3: storage": case.quotes * PLAIN_OBJECT_BYTES / GIB * held * S3_GB,
    }


def _lambda(requests: float, gb_seconds: float) -> float:
    return (
        max(requests - LAMBDA_FREE_REQUESTS, 0) * LAMBDA_REQUEST
        + max(gb_seconds - LAMBDA_FREE_GB_SECONDS, 0) * LAMBDA_GB_SECOND
    )


def _table_storage(held_bytes: float) -> float:
    return max(held_bytes / GIB - TABLE_FREE_GB, 0) * TABLE_GB


def _provisioned(case: Scenario) -> float:
    """Units of `quotes` and `candles`, kept ready; `alerts` on demand. No free tier."""
    quotes = max(1, math.ceil(case.symbols / (case.poll_seconds * SPREAD_PART) / QUOTE_UNIT_PART))
    candles = max(1, math.ceil(case.symbols * CANDLES_A_SYMBOL_SECOND * CANDLE_HEADROOM))
    return (
        (quotes + candles) * MARKET_HOURS * WRITE_UNIT_HOUR
        + CLOSED_WRITE_UNITS * (HOURS - MARKET_HOURS) * WRITE_UNIT_HOUR
        + READY_READ_UNITS * HOURS * READ_UNIT_HOUR
        + case.quotes * ALERT_WRITE_UNITS * WRITE_UNIT
    )


def table() -> str:
    """Render every scenario as one Markdown table."""
    costs = [lines(case) for case in SCENARIOS]
    names = list(dict.fromkeys(name for found in costs for name in found))
    rows = [
        "| USD a month | " + " | ".join(case.title for case in SCENARIOS) + " |",
        "|---|" + "---:|" * len(SCENARIOS),
        "| Quotes | " + " | ".join(f"{case.quotes:,.0f}" for case in SCENARIOS) + " |",
    ]
    rows.extend(
        f"| {name} | " + " | ".join(f"{found[name]:.2f}" if name in found else "–" for found in costs) + " |"
        for name in names
    )
    rows.append("| **Sum** | " + " | ".join(f"**{sum(found.values()):.2f}**" for found in costs) + " |")
    return "\n".join(rows)


def sums(case: Scenario, held: float = FIRST_MONTH_PART) -> tuple[float, float, float]:
    """The plain way's bill, ours on demand, ours provisioned."""
    bills = plain_lines(case, held=held), lines(case, held=held), lines(case, provisioned=True, held=held)
    plain, on_demand, provisioned = (sum(bill.values()) for bill in bills)
    return plain, on_demand, provisioned


def comparison() -> str:
    """Render the plain way beside ours as a Markdown table: the first month, and one with all its quotes held."""
    rows = [
        "| USD a month, market hours | " + " | ".join(case.title for case in COMPARED) + " |",
        "|---|" + "---:|" * len(COMPARED),
    ]
    for held, month in ((FIRST_MONTH_PART, "first month"), (1.0, "a month's quotes held all month")):
        bills = [sums(case, held) for case in COMPARED]
        rows.append(f"| Plain published way, {month} | " + " | ".join(f"{bill[0]:,.2f}" for bill in bills) + " |")
        for number, name in enumerate(("The log, on demand", "The log, provisioned"), 1):
            cells = [f"{bill[number]:,.2f} ({bill[0] / bill[number]:.1f}x)" for bill in bills]
            rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def with_table(text: str) -> str:
    """Put the tables between the markers of the page."""
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n\n{comparison()}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    if "--write" in sys.argv:
        DOC.write_text(with_table(DOC.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(comparison(), table(), sep="\n\n")
