"""Rebinding, other origins, tokens, CSRF, traversal, oversize, slow senders: each is tried."""

import asyncio
import json
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from stockstream.dashboard import access_from
from stockstream.dashboard.access import COOKIE, Access
from stockstream.errors import SettingsError
from stockstream.request_guard import GuardPolicy, refusal
from stockstream.settings import Settings
from tests.dashboard.serving import served

TOKEN = "correct-horse-battery"


async def test_a_rebound_name_and_pages_of_other_origins_are_refused() -> None:
    async with served() as api:
        port = urlsplit(api.url).port
        assert (await api.get("/api/v1/latest", Host=f"evil.example:{port}"))[0] == 403
        assert (await api.get("/api/v1/latest", Origin="http://evil.example"))[0] == 403
        assert (await api.get("/api/v1/latest", Sec_Fetch_Site="cross-site"))[0] == 403
        link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
        assert (await api.get("/api/v1/health", **link))[0] == 200


async def test_every_answer_forbids_frames_inline_scripts_and_third_parties() -> None:
    async with served() as api:
        for path in ("/api/v1/latest", "/api/v1/nothing", "/static/nothing.js"):
            _, _, headers = await api.get(path)
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert "access-control-allow-origin" not in headers


async def test_with_a_token_nothing_is_told_before_the_login_and_the_cookie_is_out_of_reach() -> None:
    async with served(token=TOKEN) as api:
        assert (await api.get("/api/v1/latest"))[0] == 401
        assert (await api.get("/api/v1/latest", Authorization=f"Bearer {TOKEN}"))[0] == 200
        assert (await api.get("/api/v1/latest", Authorization="Bearer no"))[0] == 401
        assert (await api.get(f"/api/v1/latest?token={TOKEN}"))[0] == 401
        status, _, headers = await api.get("/")
        assert (status, headers["location"]) == (303, "/login")
        session = json.loads((await api.get("/api/v1/session"))[1])
        assert session == {"logged_in": False, "needs_token": True, "csrf_token": None}
        async with api.http.post(api.url + "api/v1/login", json={"token": TOKEN}) as answer:
            assert answer.status == 204
            (cookie,) = answer.headers.getall("Set-Cookie")
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        assert (await api.get("/api/v1/latest"))[0] == 200


async def test_guessing_the_token_becomes_slow() -> None:
    async with served(token=TOKEN) as api:
        statuses = []
        for number in range(8):
            async with api.http.post(api.url + "api/v1/login", json={"token": f"guess-{number}"}) as answer:
                statuses.append(answer.status)
        assert statuses[:5] == [401] * 5
        assert statuses[-1] == 429


def test_a_session_ends_and_cannot_be_made_up() -> None:
    now = 1000.0
    access = Access(TOKEN, GuardPolicy("X"), clock=lambda: now)
    cookie = access.login(TOKEN)
    assert cookie is not None
    assert access.is_known({}, {COOKIE: cookie})
    expires, _, rest = cookie.partition(".")
    assert not access.is_known({}, {COOKIE: f"{int(expires) + 9}.{rest}"})
    assert not access.is_known({}, {COOKIE: ""})
    assert not Access(TOKEN + "2", GuardPolicy("X"), clock=lambda: now).is_known({}, {COOKIE: cookie})
    now += 13 * 3600
    assert not access.is_known({}, {COOKIE: cookie})


@pytest.mark.parametrize("token", [None, TOKEN])
def test_a_state_changing_call_must_repeat_what_only_our_page_can_read(token: str | None) -> None:
    access = Access(token, GuardPolicy("X"))
    cookies = {COOKIE: access.login(TOKEN) or ""}
    assert access.refusal("PUT", "/api/v1/alert-rules", {}, cookies) == 403
    assert access.refusal("PUT", "/api/v1/alert-rules", {"x-csrf-token": "no"}, cookies) == 403
    assert access.refusal("PUT", "/api/v1/alert-rules", {"x-csrf-token": access.csrf_token}, cookies) is None
    if token is not None:
        assert access.refusal("PUT", "/api/v1/alert-rules", {"authorization": f"Bearer {TOKEN}"}, {}) is None


def test_beyond_loopback_there_is_no_page_without_a_token() -> None:
    with pytest.raises(SettingsError, match="STOCKSTREAM_DASHBOARD_TOKEN must be set"):
        access_from(Settings(), "0.0.0.0")
    for bad in ("short", "with spaces in the middle", "ä" * 20):
        with pytest.raises(SettingsError, match="not shown") as caught:
            access_from(Settings(dashboard_token=SecretStr(bad)), "127.0.0.1")
        assert bad not in str(caught.value)
    assert access_from(Settings(dashboard_token=SecretStr(TOKEN)), "0.0.0.0").policy.any_address


def test_a_port_that_a_container_publishes_on_loopback_alone_is_loopback() -> None:
    access = access_from(Settings(dashboard_behind_loopback=True), "0.0.0.0")

    assert access.is_known({}, {})
    assert refusal("GET", [("Host", "localhost:8765")], access.policy) is None
    for name in ("rebound.example", "192.0.2.7:8765", "page:8765", "0.0.0.0:8765"):
        assert refusal("GET", [("Host", name)], access.policy) is not None
    protected = access_from(Settings(dashboard_behind_loopback=True, dashboard_token=SecretStr(TOKEN)), "0.0.0.0")
    assert not protected.is_known({}, {})


@pytest.mark.parametrize(
    "path", ["/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2fserver.py", "/static//etc/passwd"]
)
async def test_nothing_outside_the_static_folder_is_served(path: str) -> None:
    async with served() as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(api.url).port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        assert answer.split()[1] == b"404"
        assert b"import" not in answer


async def test_a_body_that_is_too_large_or_no_json_is_refused() -> None:
    async with served(token=TOKEN) as api:
        async with api.http.post(api.url + "api/v1/login", json={"token": "x" * 70_000}) as answer:
            assert answer.status == 413
        async with api.http.post(api.url + "api/v1/login", data="token=x") as answer:
            assert answer.status == 415
        headers = {"content-type": "application/json"}
        async with api.http.post(api.url + "api/v1/login", data="{", headers=headers) as answer:
            assert answer.status == 400


async def test_who_sends_byte_by_byte_is_let_go() -> None:
    async with served() as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(api.url).port)
        writer.write(b"GET / HTTP/1.1\r\nHost: 127")
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        writer.close()
