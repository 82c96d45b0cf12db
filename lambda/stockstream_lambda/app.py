"""Puts the consumer together: environment → clients → pipeline. Made once per process."""

import gc
import os
from collections.abc import Mapping
from typing import Final

from stockstream_lambda.aws.client import ServiceClient
from stockstream_lambda.aws.credentials import CredentialSource, endpoint_for, region_from
from stockstream_lambda.aws.proxy import proxy_for
from stockstream_lambda.aws.transport import Epoch
from stockstream_lambda.config import Config
from stockstream_lambda.pipeline import Pipeline
from stockstream_lambda.stores import AwsStores

GC_THRESHOLD: Final = 200_000


def build_pipeline(config: Config, environ: Mapping[str, str] = os.environ) -> Pipeline:
    """Make the clients, the stores and the pipeline that uses them.

    Raises:
        ConfigError: no region, no credentials, or an endpoint or a proxy that is no URL.
    """
    # What a batch makes holds no cycles, and a collection would walk all states of all symbols for nothing.
    gc.set_threshold(GC_THRESHOLD)
    return Pipeline(config, build_stores(config, environ))


def build_stores(config: Config, environ: Mapping[str, str] = os.environ) -> AwsStores:
    """Make the clients and the stores; raises ConfigError as `build_pipeline` does."""
    region, credentials, epoch = region_from(environ), CredentialSource(environ), Epoch()

    def client(service: str) -> ServiceClient:
        endpoint = endpoint_for(service, region, environ)
        return ServiceClient(service, region, endpoint, credentials, epoch=epoch, proxy=proxy_for(endpoint, environ))

    return AwsStores(client, config)
