"""The monthly bill, line by line, of three designs: ours, the plain published way, and the plain way with Firehose."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from stockstream.cost.prices import (
    ALARM,
    BACKUP_GB,
    CONVERSION_GB,
    FARGATE_HOUR,
    FIREHOSE_GB,
    FIREHOSE_STEP_BYTES,
    FREE_ALARMS,
    FREE_LOG_GB,
    FREE_METRICS,
    GIB,
    IPV4_HOUR,
    ITEM_OVERHEAD_BYTES,
    KEY,
    LAMBDA_FREE_GB_SECONDS,
    LAMBDA_FREE_REQUESTS,
    LAMBDA_GB_SECOND,
    LAMBDA_REQUEST,
    LOG_GB,
    METRIC,
    PUT_UNIT,
    PUT_UNIT_BYTES,
    READ_UNIT_HOUR,
    S3_GB,
    S3_GET,
    S3_PUT,
    SHARD_HOUR,
    SPOT_PART,
    TABLE_FREE_GB,
    TABLE_GB,
    WRITE_UNIT,
    WRITE_UNIT_HOUR,
)
from stockstream.cost.quantities import (
    ALERT_WRITE_UNITS,
    ARCHIVE_QUOTE_BYTES,
    BATCH_SECONDS,
    BATCH_WINDOW_SECONDS,
    CANDLE_HEADROOM,
    CANDLES_A_SYMBOL_SECOND,
    CHECKPOINT_EVERY,
    CLOSED_WRITE_UNITS,
    FIREHOSE_BATCH_RECORDS,
    FIRST_MONTH_PART,
    HOURS,
    ITEMS_A_QUOTE,
    LOG_BYTES_A_BATCH,
    MARKET_HOURS,
    MEMORY_GB,
    METRICS,
    PARTITIONS,
    PLAIN_BATCH_RECORDS,
    PLAIN_BATCH_SECONDS,
    PLAIN_ITEM_BYTES,
    PLAIN_MEMORY_GB,
    PLAIN_OBJECT_BYTES,
    QUOTE_BYTES,
    QUOTE_UNIT_PART,
    READY_READ_UNITS,
    REQUEST_SYMBOLS,
    SESSION_SECONDS,
    SPREAD_PART,
    STORED_CANDLE_BYTES,
    STORED_QUOTE_BYTES,
    TRADING_DAYS,
    WRITE_UNITS_A_QUOTE,
)
from stockstream_wire.storage import RULES_READ_SECONDS


@dataclass(frozen=True, slots=True)
class Scenario:
    """One deployment.

    Attributes:
        symbols: Symbols followed; each has a new quote at every poll of the session.
        poll_seconds: Seconds between two polls.
        service_hours: Hours a month that the task runs; 0 where it runs on a laptop.
        alarms: Alarms of the deployment.
        polled_hours: Hours a month in which it polls.
    """

    title: str
    symbols: int
    poll_seconds: float
    shards: int = 1
    service_hours: float = MARKET_HOURS
    spot: bool = True
    firehose: bool = False
    alarms: int = 21
    polled_hours: float = TRADING_DAYS * SESSION_SECONDS / 3600

    @property
    def polls(self) -> float:
        return self.polled_hours * 3600 / self.poll_seconds

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

    @property
    def rule_reads(self) -> float:
        """Reads of the alert rules: one in their interval and container, at most one a batch."""
        return min(self.batches, self.polled_hours * 3600 / RULES_READ_SECONDS * self.shards)


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
        "S3: reads of the alert rules": case.rule_reads * S3_GET,
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


def firehose_lines(case: Scenario, *, held: float = FIRST_MONTH_PART) -> dict[str, float]:
    """Cost of the plain way with Firehose in place of an object a record, and batches of a hundred."""
    found = plain_lines(case, held=held)
    del found["S3: puts"]
    invocations = case.quotes / FIREHOSE_BATCH_RECORDS
    return found | {
        "Lambda": _lambda(invocations, invocations * PLAIN_BATCH_SECONDS * PLAIN_MEMORY_GB),
        "Firehose": case.quotes * FIREHOSE_STEP_BYTES / GIB * FIREHOSE_GB,
        "Firehose: conversion": case.quotes * QUOTE_BYTES / GIB * CONVERSION_GB,
        "S3: storage": case.quotes * ARCHIVE_QUOTE_BYTES / GIB * held * S3_GB,
    }


DESIGNS: Final[dict[str, Callable[[Scenario], dict[str, float]]]] = {
    "ours": lines,
    "plain": plain_lines,
    "firehose": firehose_lines,
}


def month_so_far(case: Scenario, part: float) -> dict[str, float]:
    """What this month has cost when a part of it (0 to 1) is over, at an even pace."""
    return {name: dollars * part for name, dollars in lines(case).items()}


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


def sums(case: Scenario, held: float = FIRST_MONTH_PART) -> tuple[float, float, float]:
    """The plain way's bill, ours on demand, ours provisioned."""
    bills = plain_lines(case, held=held), lines(case, held=held), lines(case, provisioned=True, held=held)
    plain, on_demand, provisioned = (sum(bill.values()) for bill in bills)
    return plain, on_demand, provisioned
