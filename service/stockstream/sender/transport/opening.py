"""Chooses and opens the transport that the configuration asks for."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from botocore.httpsession import ProxyConfiguration
from botocore.utils import get_environ_proxies

from stockstream.aws import AwsConfig, ca_bundle_path, find_credentials
from stockstream.request_guard import is_loopback
from stockstream.sender.config import SenderConfig
from stockstream.sender.transport.aiobotocore_transport import AiobotocoreTransport
from stockstream.sender.transport.base import Transport
from stockstream.sender.transport.bodies import Encoding
from stockstream.sender.transport.connections import ConnectionPool
from stockstream.sender.transport.fast import FastTransport, is_aws_host

# Kinesis closes idle connections after some minutes; a poll every 30 seconds should still find its connection open.
_KEEPALIVE_SECONDS: Final = 60.0

log = structlog.get_logger("stockstream.sender")


@asynccontextmanager
async def open_transport(config: SenderConfig, aws: AwsConfig, client: Any) -> AsyncIterator[Transport]:
    """Open the transport.

    Args:
        config: `transport`, `encoding` and timeouts.
        aws: Credentials.
        client: An open Kinesis client of aiobotocore, which knows endpoint and region.
    """
    endpoint_url = str(client.meta.endpoint_url)
    url = urlsplit(endpoint_url)
    proxies = {} if is_loopback(url.hostname or "") else get_environ_proxies(endpoint_url)
    proxy = ProxyConfiguration(proxies).proxy_url_for(endpoint_url)
    if config.transport == "fast" and proxy is not None:
        log.info("transport_chosen", transport="aiobotocore", reason="the fast one goes through no proxy")
    if config.transport == "aiobotocore" or proxy is not None:
        yield AiobotocoreTransport(client, config.stream)
        return
    is_tls = url.scheme == "https"
    pool = ConnectionPool(
        url.hostname or "",
        url.port or (443 if is_tls else 80),
        tls=ssl.create_default_context(cafile=ca_bundle_path()) if is_tls else None,
        connect_timeout_seconds=config.connect_timeout_seconds,
        read_timeout_seconds=config.read_timeout_seconds,
        keepalive_seconds=_KEEPALIVE_SECONDS,
    )
    try:
        yield FastTransport(
            endpoint_url=endpoint_url,
            region=str(client.meta.region_name),
            stream=config.stream,
            credentials=find_credentials(aws),
            encoding=choose_encoding(config.encoding, endpoint_url),
            pool=pool,
        )
    finally:
        await pool.close()


def choose_encoding(setting: str, endpoint_url: str) -> Encoding:
    """Decide what bodies are made of.

    AWS's endpoints take CBOR: it is what the AWS SDK for Java sends. Some emulators take it and store the bytes
    base64-decoded (localstack #11220) or as text (kinesalite #111), and none says so: `auto` trusts no other.
    """
    if setting == "cbor":
        return "cbor"
    if setting == "json":
        return "json"
    return "cbor" if is_aws_host(urlsplit(endpoint_url).hostname or "") else "json"
