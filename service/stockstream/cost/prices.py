"""Prices of AWS in USD, from its price pages; and what an account has free each month."""

from typing import Final

from stockstream.errors import InputError

# Of us-east-1, written down on that day as they were known; not read again since. Check them before you budget.
AS_OF: Final = "2026-11-22"
# AWS asks the same in these, for every service here.
REGIONS: Final = ("us-east-1", "us-east-2", "us-west-2")

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


def check_region(region: str) -> None:
    """Refuse a region whose prices are not in the table; raises InputError, naming those that are."""
    if region not in REGIONS:
        raise InputError(
            f"--region {region}: its prices are not in the table (there are {', '.join(REGIONS)}, of {AS_OF}). "
            "Remedy: one of these for a first idea (other regions ask 0 to 60% more), and https://calculator.aws"
        )
