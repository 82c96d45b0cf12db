"""What a deployment costs a month, line by line: `python -m scripts.infra_check.cost`. docs/cost.md holds its output.

Prices of us-east-1 in USD, from AWS's price pages; quantities from the deployment's own numbers.
"""

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
READ_UNIT: Final = 0.125 / 1e6
TABLE_GB: Final = 0.25
TABLE_FREE_GB: Final = 25
BACKUP_GB: Final = 0.20
# https://aws.amazon.com/s3/pricing/
S3_PUT: Final = 0.005 / 1000
S3_GB: Final = 0.023
# https://aws.amazon.com/fargate/pricing/ (Linux on arm64) and https://aws.amazon.com/vpc/pricing/ (public IPv4)
FARGATE_VCPU_HOUR: Final = 0.03238
FARGATE_GB_HOUR: Final = 0.00356
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

# Measured: python -m scripts.infra_check.request_units (one new quote a symbol and batch).
WRITE_UNITS_A_QUOTE: Final = 18.6
READ_UNITS_A_QUOTE: Final = 1.0
QUOTE_BYTES: Final = 350
STORED_QUOTE_BYTES: Final = 900
ARCHIVE_OBJECT_BYTES: Final = 320
METRICS: Final = 22
# A guess on the high side: most of it is waiting for DynamoDB.
BATCH_SECONDS: Final = 0.5
LOG_BYTES_A_BATCH: Final = 2_000


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
    service_hours: float = HOURS
    spot: bool = False
    firehose: bool = False
    alarms: int = 16

    @property
    def polls(self) -> float:
        return TRADING_DAYS * SESSION_SECONDS / self.poll_seconds

    @property
    def quotes(self) -> float:
        return self.symbols * self.polls


SCENARIOS: Final = (
    Scenario("One symbol, service on a laptop", 1, 30, service_hours=0),
    Scenario("One symbol (`examples/minimal`)", 1, 30),
    Scenario("100 symbols, market hours", 100, 30, service_hours=TRADING_DAYS * 7, spot=True),
    Scenario(
        "1,000 symbols every 15 s, Parquet",
        1000,
        15,
        shards=2,
        service_hours=TRADING_DAYS * 7,
        firehose=True,
        alarms=18,
    ),
)


def lines(case: Scenario) -> dict[str, float]:
    """Cost of each service in USD a month."""
    # A lane (four a shard) sends one record a poll, several quotes in it once there are more symbols than lanes.
    records = case.polls * min(case.symbols, 4 * case.shards)
    units = max(records, case.quotes * QUOTE_BYTES / PUT_UNIT_BYTES)
    batches = case.polls * case.shards
    gb_seconds = batches * BATCH_SECONDS * 0.5
    stored_gb = case.quotes * STORED_QUOTE_BYTES / GIB
    fargate_hour = 0.25 * FARGATE_VCPU_HOUR + 0.5 * FARGATE_GB_HOUR
    found = {
        "Kinesis: shards": case.shards * HOURS * SHARD_HOUR,
        "Kinesis: PUT units": units * PUT_UNIT,
        "Lambda": max(batches - LAMBDA_FREE_REQUESTS, 0) * LAMBDA_REQUEST
        + max(gb_seconds - LAMBDA_FREE_GB_SECONDS, 0) * LAMBDA_GB_SECOND,
        "DynamoDB: writes": case.quotes * WRITE_UNITS_A_QUOTE * WRITE_UNIT,
        "DynamoDB: reads": case.quotes * READ_UNITS_A_QUOTE * READ_UNIT,
        "DynamoDB: a month's storage and backup": max(stored_gb - TABLE_FREE_GB, 0) * TABLE_GB + stored_gb * BACKUP_GB,
        "S3: puts": case.quotes * S3_PUT,
        "S3: a month's storage": case.quotes * ARCHIVE_OBJECT_BYTES / GIB * S3_GB,
        "Fargate": case.service_hours * fargate_hour * (SPOT_PART if case.spot else 1),
        "Public IPv4 address": case.service_hours * IPV4_HOUR,
        "KMS key": KEY,
        "CloudWatch: metrics": max(METRICS - FREE_METRICS, 0) * METRIC,
        "CloudWatch: alarms": max(case.alarms - FREE_ALARMS, 0) * ALARM,
        "CloudWatch: logs": max(batches * LOG_BYTES_A_BATCH / GIB - FREE_LOG_GB, 0) * LOG_GB,
    }
    if case.firehose:
        found["Firehose"] = case.quotes * FIREHOSE_STEP_BYTES / GIB * FIREHOSE_GB
        found["Firehose: conversion"] = case.quotes * QUOTE_BYTES / GIB * CONVERSION_GB
    return found


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


def with_table(text: str) -> str:
    """Put the table between the markers of the page."""
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    if "--write" in sys.argv:
        DOC.write_text(with_table(DOC.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(table())
