"""Answers without an end take no more memory than their bound, measured in a process of its own."""

import gzip
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

MEBIBYTE = 1 << 20
BLOCK = b"x" * MEBIBYTE
HEAD = b"HTTP/1.1 200 OK\r\n"

CLIENT = """
import json, resource, sys
from stockstream_lambda.aws.client import ServiceClient
from stockstream_lambda.aws.credentials import CredentialSource, endpoint_for
from stockstream_lambda.errors import StoreError
environ = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": sys.argv[1]}
client = ServiceClient("s3", "eu-west-1", endpoint_for("s3", "eu-west-1", environ), CredentialSource(environ),
                       sleep=lambda _: None)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
try:
    said = str(len(client.call("GetObject", "GET", "/b/k", {}, b"").body))
except StoreError as exc:
    said = str(exc)
print(json.dumps([said, peak() - before]))
"""
CREDENTIALS = """
import json, resource, sys
from stockstream_lambda.aws import botocore_credentials
from stockstream_lambda.aws.credentials import CredentialSource
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
try:
    said = CredentialSource({}).get().access_key
except Exception as exc:
    said = f"{type(exc).__name__}: {exc}"
print(json.dumps([said, peak() - before]))
"""
# A test's own process shows its peak; a child of it begins with that.
RUN = "import sys; exec(sys.argv.pop(1))"


def _bomb() -> Iterator[bytes]:
    packed = gzip.compress(bytes(256 * MEBIBYTE), 1)
    yield HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed) + packed


def _endless(head: bytes, block: bytes = BLOCK) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        yield head
        while True:
            yield block

    return pieces


ANSWERS: dict[str, tuple[Callable[[], Iterator[bytes]], str]] = {
    "of two gigabytes": (_endless(HEAD + b"content-length: 2147483648\r\n\r\n"), "longer than the 33554432 bytes"),
    "in endless chunks": (
        _endless(HEAD + b"transfer-encoding: chunked\r\n\r\n", b"100000\r\n%b\r\n" % BLOCK),
        "longer than the 33554432 bytes",
    ),
    "in one endless chunk": (
        _endless(HEAD + b"transfer-encoding: chunked\r\n\r\nfffffffffff\r\n"),
        "longer than the 33554432 bytes",
    ),
    "until the end that never comes": (_endless(HEAD + b"\r\n"), "longer than the 33554432 bytes"),
    "of a head alone": (_endless(HEAD, b"x-header: %b\r\n" % (b"y" * 4000)), "the answer's head does not end"),
    "of an endless error": (_endless(b"HTTP/1.1 503 Oh\r\n\r\n"), "longer than the 33554432 bytes"),
    "that unpacks to 256 MiB": (_bomb, ""),
}


@contextmanager
def serving(pieces: Callable[[], Iterator[bytes]]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads: list[threading.Thread] = []

        def serve(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.recv(65536)
                for piece in pieces():
                    connection.sendall(piece)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threads.append(threading.Thread(target=serve, args=(listener.accept()[0],)))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in threads:
                thread.join()


def run(code: str, *arguments: str, **environ: str) -> tuple[str, int]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [sys.executable, "-c", RUN, code, *arguments]
    # Through a shell: its process is small, and Linux counts the peak of what a process was before its exec.
    done = subprocess.run(
        ["/bin/sh", "-c", '"$@" & wait $!', "sh", *command],
        env=kept | environ,
        capture_output=True,
        text=True,
        check=True,
    )
    said, grown_bytes = json.loads(done.stdout)
    return said, grown_bytes


@pytest.mark.parametrize(("pieces", "error"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_takes_no_more_memory_than_its_bound(pieces: Callable[[], Iterator[bytes]], error: str) -> None:
    with serving(pieces) as url:
        said, grown_bytes = run(CLIENT, url)
    assert error in said
    assert grown_bytes < 48 * MEBIBYTE


def test_credentials_of_the_metadata_endpoint_are_taken() -> None:
    role = b'{"AccessKeyId":"ROLE","SecretAccessKey":"s","Token":"t","Expiration":"2199-01-01T00:00:00Z"}'
    with serving(lambda: iter([HEAD + b"content-length: %d\r\n\r\n%b" % (len(role), role)])) as url:
        said, _ = run(
            CREDENTIALS,
            AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{url}/role",
            AWS_EC2_METADATA_DISABLED="true",
            HOME="/none",
        )
    assert said == "ROLE"


def test_an_endless_answer_of_the_metadata_endpoint_takes_next_to_none() -> None:
    with serving(_endless(HEAD + b"\r\n")) as url:
        said, grown_bytes = run(
            CREDENTIALS,
            AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{url}/role",
            AWS_EC2_METADATA_DISABLED="true",
            HOME="/none",
        )
    assert said.startswith("StoreUnavailableError: AWS credentials:")
    assert "longer than 65536 bytes" in said
    assert grown_bytes < 16 * MEBIBYTE
