"""Which host, by which way: the standard variables, honoured or refused by name."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from stockstream_lambda.aws.client import ServiceClient
from stockstream_lambda.aws.credentials import CredentialSource, Endpoint, endpoint_for, region_from
from stockstream_lambda.aws.proxy import Proxy, proxy_for
from stockstream_lambda.errors import ConfigError, StoreUnavailableError

AWS = Endpoint("https", "s3.eu-west-1.amazonaws.com", 443, "")


def test_the_endpoint_follows_the_standard_variables() -> None:
    assert endpoint_for("s3", "eu-west-1", {}) == ("https", "s3.eu-west-1.amazonaws.com", 443, "")
    assert endpoint_for("s3", "cn-north-1", {}).host == "s3.cn-north-1.amazonaws.com.cn"
    environ = {"AWS_ENDPOINT_URL": "http://localhost:4566", "AWS_ENDPOINT_URL_SNS": "https://sns.test/prefix/"}
    assert endpoint_for("dynamodb", "eu-west-1", environ) == ("http", "localhost", 4566, "")
    assert endpoint_for("sns", "eu-west-1", environ) == ("https", "sns.test", 443, "/prefix")
    ignored = {**environ, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    assert endpoint_for("s3", "eu-west-1", ignored).host == "s3.eu-west-1.amazonaws.com"


def test_a_missing_region_is_said_with_the_remedy() -> None:
    assert region_from({"AWS_DEFAULT_REGION": "eu-west-1"}) == "eu-west-1"
    with pytest.raises(ConfigError, match="AWS_REGION is not set"):
        region_from({})
    with pytest.raises(ConfigError, match="AWS_REGION='us east 1': must be a region"):
        region_from({"AWS_REGION": "us east 1"})


@pytest.mark.parametrize("url", ["localhost:4566", "ftp://h", "http://", "http://h:99999", "http://[::1"])
def test_an_endpoint_that_is_no_url_is_refused_by_the_name_of_its_variable(url: str) -> None:
    with pytest.raises(ConfigError, match=r"AWS_ENDPOINT_URL_S3=.*: must be an http or https URL"):
        endpoint_for("s3", "eu-west-1", {"AWS_ENDPOINT_URL_S3": url, "AWS_ENDPOINT_URL": "http://localhost:1"})


def test_an_endpoint_with_a_password_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigError, match="AWS_ENDPOINT_URL must hold no user and password") as caught:
        endpoint_for("s3", "eu-west-1", {"AWS_ENDPOINT_URL": "http://me:hidden@localhost:4566"})
    assert "hidden" not in str(caught.value)


def test_an_ipv6_endpoint_has_brackets_in_its_host_header_alone() -> None:
    endpoint = endpoint_for("s3", "eu-west-1", {"AWS_ENDPOINT_URL": "http://[::1]:4566"})
    assert (endpoint.host, endpoint.host_header) == ("::1", "[::1]:4566")
    assert endpoint_for("s3", "eu-west-1", {"AWS_ENDPOINT_URL": "https://[fd00::2]"}).host_header == "[fd00::2]"


def test_fips_and_dual_stack_endpoints_are_those_of_the_region() -> None:
    fips, dual = {"AWS_USE_FIPS_ENDPOINT": "true"}, {"AWS_USE_DUALSTACK_ENDPOINT": "True"}
    assert endpoint_for("dynamodb", "us-west-2", fips).host == "dynamodb-fips.us-west-2.amazonaws.com"
    assert endpoint_for("s3", "us-west-2", {**fips, **dual}).host == "s3-fips.dualstack.us-west-2.amazonaws.com"
    assert endpoint_for("sns", "eusc-de-east-1", dual).host == "sns.eusc-de-east-1.api.amazonwebservices.eu"
    assert endpoint_for("sns", "us-west-2", {"AWS_USE_FIPS_ENDPOINT": "false"}).host == "sns.us-west-2.amazonaws.com"


@pytest.mark.parametrize(
    ("environ", "region", "message"),
    [
        ({"AWS_USE_FIPS_ENDPOINT": "yes"}, "us-east-1", "AWS_USE_FIPS_ENDPOINT='yes': must be true or false"),
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, "cn-north-1", "AWS_USE_FIPS_ENDPOINT=true.*no FIPS endpoints in China"),
        (
            {"AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_ENDPOINT_URL": "http://localhost:4566"},
            "us-east-1",
            "AWS_ENDPOINT_URL names one endpoint and AWS_USE_DUALSTACK_ENDPOINT asks for another",
        ),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(environ: dict[str, str], region: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        endpoint_for("s3", region, environ)


def test_a_proxy_is_taken_unless_the_host_is_excepted() -> None:
    proxy = {"HTTPS_PROXY": "http://proxy.test:3128"}
    assert proxy_for(AWS, {}) is None
    assert proxy_for(AWS, proxy) == Proxy("proxy.test", 3128, {})
    assert proxy_for(AWS, {"https_proxy": "other.test:8080", **proxy}) == Proxy("other.test", 8080, {})
    assert proxy_for(AWS, {**proxy, "NO_PROXY": "localhost,.amazonaws.com"}) is None
    assert proxy_for(AWS, {**proxy, "NO_PROXY": "*"}) is None
    assert proxy_for(AWS, {**proxy, "NO_PROXY": "example.com"}) is not None
    assert proxy_for(AWS, {"HTTP_PROXY": "http://proxy.test:3128"}) is None
    with_password = proxy_for(AWS, {"HTTPS_PROXY": "http://user:p%40ss@proxy.test"})
    assert with_password == Proxy("proxy.test", 80, {"Proxy-Authorization": "Basic dXNlcjpwQHNz"})


@pytest.mark.parametrize("url", ["https://u:hidden@proxy.test", "socks5://u:hidden@proxy.test", "http://u:hidden@:1"])
def test_a_proxy_that_we_cannot_go_through_is_refused_by_name_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match="HTTPS_PROXY must be the URL of a proxy") as caught:
        proxy_for(AWS, {"HTTPS_PROXY": url})
    assert "hidden" not in str(caught.value)


def test_an_emulator_behind_a_proxy_is_refused_with_the_remedy() -> None:
    emulator = endpoint_for("s3", "eu-west-1", {"AWS_ENDPOINT_URL": "http://aws:4566"})
    with pytest.raises(ConfigError, match=r"HTTP_PROXY is set.*add aws to NO_PROXY"):
        proxy_for(emulator, {"HTTP_PROXY": "http://proxy.test:3128"})
    assert proxy_for(emulator, {"HTTP_PROXY": "http://proxy.test:3128", "NO_PROXY": "aws"}) is None


@contextmanager
def refusing_proxy(heads: list[bytes]) -> Iterator[int]:
    """Takes one CONNECT, and refuses it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                heads.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_the_proxy_is_asked_for_a_tunnel_and_its_refusal_is_told() -> None:
    heads: list[bytes] = []
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}
    with refusing_proxy(heads) as port:
        proxy = proxy_for(AWS, {"HTTPS_PROXY": f"http://user:pass@127.0.0.1:{port}"})
        client = ServiceClient("s3", "eu-west-1", AWS, CredentialSource(keys), proxy=proxy, sleep=lambda _: None)
        with closing(client), pytest.raises(StoreUnavailableError, match=r"s3\.eu-west-1\.amazonaws\.com"):
            client.call("PutObject", "PUT", "/b/k", {}, b"")
    assert heads[0].startswith(b"CONNECT s3.eu-west-1.amazonaws.com:443 ")
    assert b"Proxy-Authorization: Basic dXNlcjpwYXNz\r\n" in heads[0]
