"""Who is admitted to a port of ours, request by request, without a network."""

import pytest

from stockstream.observability.health import health_policy
from stockstream.request_guard import GuardPolicy, parse_hosts, refusal

LOOPBACK = GuardPolicy("NAMES", hosts=frozenset({"aws"}))


def decide(policy: GuardPolicy = LOOPBACK, method: str = "GET", **headers: str) -> str | None:
    return refusal(method, [(name.replace("_", "-"), value) for name, value in headers.items()], policy)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:4566", "127.8.9.10:1", "localhost", "LOCALHOST:4566", "[::1]:4566", "aws:4566"]
)
def test_loopback_and_the_configured_names_are_ours(host: str) -> None:
    assert decide(host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:4566",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example#localhost",
        "localhost@evil.example",
        "localhost:80:80",
        "localhost.",
        "sub.localhost",
        "10.0.0.5:4566",
        "0.0.0.0",
        "[fe80::1]",
        "[localhost]",
        "",
        "aws, evil.example",
        "aws\\evil",
    ],
)
def test_no_other_host_is(host: str) -> None:
    assert "NAMES" in (decide(host=host) or "")


def test_a_request_without_a_host_or_with_two_is_refused() -> None:
    assert refusal("GET", [], LOOPBACK)
    assert refusal("GET", [("Host", "localhost"), ("host", "localhost")], LOOPBACK)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:3000",
        "http://localhost:4566",
        "file://",
        "",
        "https://127.0.0.1",
    ],
)
def test_a_page_of_another_origin_is_refused_another_port_of_this_machine_too(origin: str) -> None:
    assert "another origin" in (decide(host="127.0.0.1:4566", origin=origin) or "")


def test_a_page_of_the_port_itself_is_admitted() -> None:
    assert decide(host="127.0.0.1:4566", origin="http://127.0.0.1:4566", sec_fetch_site="same-origin") is None
    assert decide(host="localhost", origin="https://localhost") is None


def test_one_foreign_origin_among_several_is_enough_to_refuse() -> None:
    headers = [("host", "aws"), ("origin", "http://aws"), ("Origin", "http://evil.example")]
    assert refusal("POST", headers, LOOPBACK)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_what_a_browser_calls_another_site_is_refused_though_it_tells_no_origin(site: str) -> None:
    assert "another origin" in (decide(host="localhost", sec_fetch_site=site) or "")


def test_a_preflight_is_never_answered() -> None:
    assert decide(method="OPTIONS", host="localhost", access_control_request_method="POST")
    assert decide(method="OPTIONS", host="localhost", origin="http://localhost")


def test_a_link_opens_a_window_only_where_the_port_allows_it_and_never_a_frame() -> None:
    link = {"host": "localhost", "sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    reading = GuardPolicy("NAMES", navigation=True)
    assert decide(reading, sec_fetch_dest="document", **link) is None
    assert decide(LOOPBACK, sec_fetch_dest="document", **link)
    assert decide(reading, sec_fetch_dest="iframe", **link)
    assert decide(reading, method="POST", sec_fetch_dest="document", **link)


def test_a_health_port_beyond_loopback_answers_to_addresses_and_to_its_names_only() -> None:
    policy = health_policy("0.0.0.0", frozenset({"service"}))
    assert decide(policy, host="10.1.2.3:8080") is None
    assert decide(policy, host="[2001:db8::1]:8080") is None
    assert decide(policy, host="service:8080") is None
    assert "STOCKSTREAM_HEALTH_ALLOWED_HOSTS" in (decide(policy, host="evil.example") or "")
    on_loopback = health_policy("127.0.0.1", frozenset())
    assert decide(on_loopback, host="10.1.2.3:8080")


def test_names_are_parsed_and_what_is_none_is_named() -> None:
    assert parse_hosts(" Service, my_emulator ,,a.b-c") == {"service", "my_emulator", "a.b-c"}
    for bad in ("a:80", "http://a", "*", "a b", "-"):
        with pytest.raises(ValueError, match="no host name"):
            parse_hosts(f"ok,{bad}")
