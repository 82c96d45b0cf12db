"""Partitions and host names, against the botocore that is installed."""

import itertools
from typing import Any, Final

import botocore.session
import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError

from stockstream_wire.aws.partitions import AWS_HOST_SUFFIXES, PARTITIONS, Partition, host_of, partition_of

LOADER: Final = botocore.session.Session().get_component("data_loader")
KNOWN: Final = LOADER.load_data("partitions")
# What botocore tells the rules of S3 for a bucket in the path.
_S3: Final = {
    "ForcePathStyle": True,
    "UseGlobalEndpoint": False,
    "DisableMultiRegionAccessPoints": False,
    "Accelerate": False,
    "UseArnRegion": False,
}


def test_the_table_is_botocores() -> None:
    rows = [
        Partition(row["id"], row["regionRegex"], row["outputs"]["dnsSuffix"], row["outputs"]["dualStackDnsSuffix"])
        for row in KNOWN["partitions"]
    ]
    assert list(PARTITIONS) == rows


@pytest.mark.parametrize("service", ["kinesis", "dynamodb", "s3", "sns"])
def test_every_region_of_every_partition_has_the_host_that_botocore_gives_it(service: str) -> None:
    provider = EndpointProvider(LOADER.load_service_model(service, "endpoint-rule-set-1"), KNOWN)
    wrong = []
    for row in KNOWN["partitions"]:
        for region in (name for name in row["regions"] if not name.endswith("-global")):
            assert partition_of(region).name == row["id"]
            for fips, dual_stack in itertools.product((False, True), repeat=2):
                options: dict[str, Any] = {"Region": region, "UseFIPS": fips, "UseDualStack": dual_stack}
                expected = _by_botocore(provider, options | (_S3 if service == "s3" else {}))
                found = _ours(service, region, fips=fips, dual_stack=dual_stack)
                if found != expected:
                    wrong.append((region, fips, dual_stack, found, expected))
    assert wrong == []


def test_the_host_of_a_new_region_of_a_known_partition_is_known() -> None:
    assert host_of("s3", "eusc-de-west-7") == "s3.eusc-de-west-7.amazonaws.eu"
    assert host_of("dynamodb", "ap-nowhere-9", dual_stack=True) == "dynamodb.ap-nowhere-9.api.aws"
    assert host_of("kinesis", "us-gov-west-1", fips=True).endswith(AWS_HOST_SUFFIXES)


def _by_botocore(provider: EndpointProvider, options: dict[str, Any]) -> str:
    try:
        return str(provider.resolve_endpoint(**options).url)
    except EndpointProviderError:
        return "none"


def _ours(service: str, region: str, *, fips: bool, dual_stack: bool) -> str:
    try:
        return f"https://{host_of(service, region, fips=fips, dual_stack=dual_stack)}"
    except ValueError:
        return "none"
