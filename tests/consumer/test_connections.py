"""The consumer's connections after a thaw: whatever became of those that were kept, no call costs a try."""

import itertools
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import get_args

import pytest
import trustme

from stockstream_lambda.aws import client as aws_client
from stockstream_lambda.aws import transport
from stockstream_lambda.aws.answers import Answer
from stockstream_lambda.aws.client import ServiceClient
from stockstream_lambda.aws.credentials import CredentialSource, endpoint_for
from stockstream_lambda.aws.transport import KEPT_SECONDS, UNSEEN_SECONDS, Epoch, Transport
from stockstream_lambda.errors import StoreUnavailableError
from tests.consumer.fading_aws import FadingAws, Fate, fading_aws
from tests.consumer.trickling_aws import trickling_aws
from tests.patience import PATIENCE_SECONDS

ENVIRON = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}
PARALLEL = 16
# Longer than what a TLS connection that the other end closed still takes without an error.
BODY = b'{"x":"%b"}' % (b"x" * 40_000)
FATES = [fate for fate in get_args(Fate) if fate != "well"]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """Of a server, which the consumer trusts."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    transport._tls_context.cache_clear()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    yield context
    transport._tls_context.cache_clear()


def no_pause(_: float) -> None:
    raise AssertionError("a call cost a try")


def client_of(aws: FadingAws, service: str = "dynamodb", epoch: Epoch | None = None) -> ServiceClient:
    endpoint = endpoint_for(service, "eu-west-1", {"AWS_ENDPOINT_URL": aws.url})
    return ServiceClient(service, "eu-west-1", endpoint, CredentialSource(ENVIRON), epoch=epoch, sleep=no_pause)


def put(client: ServiceClient) -> None:
    client.call("PutItem", "POST", "/", {"content-type": "application/x-amz-json-1.0"}, BODY)


def ask(kept: Transport) -> Answer:
    deadline = time.monotonic() + PATIENCE_SECONDS
    return kept.send("POST", "/", {"host": "h"}, b"", answer_max_bytes=100, deadline=deadline)


def put_many(pool: ThreadPoolExecutor, clients: list[ServiceClient], calls: int) -> None:
    list(pool.map(lambda number: put(clients[number % len(clients)]), range(calls)))


@pytest.mark.parametrize("fate", FATES)
def test_behind_tls_the_first_batch_after_a_thaw_is_stored_whatever_became_of_the_connections(
    fate: Fate, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "READ_TIMEOUT_SECONDS", 2.0)
    with ExitStack() as stack:
        aws = stack.enter_context(fading_aws(tls))
        pool = stack.enter_context(ThreadPoolExecutor(PARALLEL))
        client = stack.enter_context(closing(client_of(aws)))
        put_many(pool, [client], 4 * PARALLEL)
        for _ in range(3):
            aws.fade(fate)
            aws.bodies.clear()
            put_many(pool, [client], 4 * PARALLEL)
            assert aws.bodies == [BODY] * 4 * PARALLEL


def test_a_hang_is_met_once_and_not_once_a_connection_or_service(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "READ_TIMEOUT_SECONDS", 3.0)
    epoch = Epoch()
    with ExitStack() as stack:
        aws = stack.enter_context(fading_aws(tls))
        pool = stack.enter_context(ThreadPoolExecutor(PARALLEL))
        clients = [stack.enter_context(closing(client_of(aws, name, epoch))) for name in ("dynamodb", "s3", "sns")]
        put_many(pool, clients, 6 * PARALLEL)
        aws.fade("hangs")
        began = time.monotonic()
        for client in clients:  # one after the other, as the phases of a batch are
            put(client)
            put(client)
        assert time.monotonic() - began < 2 * 3.0


def test_a_connection_is_used_again_while_it_is_young_and_not_later_by_the_wall_clock() -> None:
    now = [1_000_000.0]
    with fading_aws() as aws:
        endpoint = endpoint_for("s3", "eu-west-1", {"AWS_ENDPOINT_URL": aws.url})
        kept = Transport(endpoint, Epoch(), clock=lambda: now[0])
        with closing(kept):
            connections = []
            for passes in (0.0, KEPT_SECONDS - 1, KEPT_SECONDS + 1, -1.0, 0.0):
                now[0] += passes
                ask(kept)
                connections.append(aws.connections)
    assert connections == [1, 1, 2, 3, 3]


def test_an_answer_to_nobody_meets_no_request() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = endpoint_for(
            "s3", "eu-west-1", {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{listener.getsockname()[1]}"}
        )
        moments = itertools.count(1_000_000.0, UNSEEN_SECONDS)
        kept = Transport(endpoint, Epoch(), clock=lambda: next(moments))
        with ThreadPoolExecutor(1) as pool, closing(kept):
            for name in (b"first", b"second"):
                answer = pool.submit(ask, kept)
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(name), name))
                    assert answer.result().body == name
                    connection.sendall(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")


@pytest.mark.parametrize("service", ["dynamodb", "s3"])
@pytest.mark.parametrize("head", ["whole", "endless"])
def test_an_answer_that_trickles_ends_with_the_time_of_a_call_and_all_its_tries(
    service: str, head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_client, "CALL_TIMEOUT_SECONDS", 2.0)
    start = b"HTTP/1.1 200 OK\r\ncontent-length: 500000\r\n\r\n" if head == "whole" else b"HTTP/1.1 200 OK\r\nx: "
    with trickling_aws(start) as aws:
        endpoint = endpoint_for(service, "eu-west-1", {"AWS_ENDPOINT_URL": aws.url})
        with closing(ServiceClient(service, "eu-west-1", endpoint, CredentialSource(ENVIRON))) as client:
            began = time.monotonic()
            with pytest.raises(StoreUnavailableError, match="TimeoutError"):
                client.call("GetItem", "POST", "/", {}, b"{}")
            assert time.monotonic() - began < PATIENCE_SECONDS
        assert aws.connections == 1


def test_an_ipv6_endpoint_is_called_by_its_name_in_brackets() -> None:
    try:
        server = fading_aws(family=socket.AF_INET6)
        aws = server.__enter__()
    except OSError as exc:
        pytest.skip(f"no IPv6 here: {exc}")
    with ExitStack() as stack:
        stack.push(server)
        client = stack.enter_context(closing(client_of(aws)))
        put(client)
        assert f"host: {aws.url.removeprefix('http://')}".encode() in aws.heads[0].split(b"\r\n")
