"""AWS's partitions, and the host names of its regional services, as botocore knows them (a test compares all regions).

The rows are botocore's `partitions.json`; a region that no pattern knows is taken for one of the first, as botocore
does.
"""

import re
from typing import Final, NamedTuple


class Partition(NamedTuple):
    """One world of AWS, with DNS names of its own."""

    name: str
    region_pattern: str
    dns_suffix: str
    dual_stack_dns_suffix: str


PARTITIONS: Final = (
    Partition("aws", r"^(us|eu|ap|sa|ca|me|af|il|mx)\-\w+\-\d+$", "amazonaws.com", "api.aws"),
    Partition("aws-cn", r"^cn\-\w+\-\d+$", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    Partition("aws-eusc", r"^eusc\-(de)\-\w+\-\d+$", "amazonaws.eu", "api.amazonwebservices.eu"),
    Partition("aws-iso", r"^us\-iso\-\w+\-\d+$", "c2s.ic.gov", "api.aws.ic.gov"),
    Partition("aws-iso-b", r"^us\-isob\-\w+\-\d+$", "sc2s.sgov.gov", "api.aws.scloud"),
    Partition("aws-iso-e", r"^eu\-isoe\-\w+\-\d+$", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    Partition("aws-iso-f", r"^us\-isof\-\w+\-\d+$", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    Partition("aws-us-gov", r"^us\-gov\-\w+\-\d+$", "amazonaws.com", "api.aws"),
)
# AWS's own hosts end so; `on.aws` is of dual-stack names made since 2024.
AWS_HOST_SUFFIXES: Final = tuple(
    sorted({f".{suffix}" for row in PARTITIONS for suffix in (row.dns_suffix, row.dual_stack_dns_suffix)} | {".on.aws"})
)


def partition_of(region: str) -> Partition:
    """The partition that a region belongs to."""
    return next((row for row in PARTITIONS if re.match(row.region_pattern, region)), PARTITIONS[0])


def host_of(service: str, region: str, *, fips: bool = False, dual_stack: bool = False) -> str:
    """Host name of kinesis, dynamodb, s3 or sns in a region.

    Raises:
        ValueError: AWS has no such endpoint.
    """
    partition = partition_of(region)
    if service == "s3":
        if fips and partition.name == "aws-cn":
            raise ValueError("S3 has no FIPS endpoints in China")
        return f"s3{'-fips' if fips else ''}{'.dualstack' if dual_stack else ''}.{region}.{partition.dns_suffix}"
    # GovCloud's usual endpoints are its FIPS ones.
    infix = "-fips" if fips and (dual_stack or partition.name != "aws-us-gov") else ""
    return f"{service}{infix}.{region}.{partition.dual_stack_dns_suffix if dual_stack else partition.dns_suffix}"
