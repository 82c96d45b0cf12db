"""`/api/v1/alert-rules`: levels added and removed by who may, and nobody else."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.audit.stored_day import QUOTES, item_of
from tests.dashboard.serving import Served, served

PATH = "/api/v1/alert-rules"
ASKED = {"symbol": "aapl", "when": "above", "price": "200"}


@pytest.fixture(name="api")
async def _api() -> AsyncIterator[Served]:
    async with served() as found:
        await found.stored.put("quotes", **item_of(QUOTES[0]))
        await found.stored.append(QUOTES[0])
        yield found


async def send(api: Served, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    url = api.url + path.lstrip("/")
    async with api.http.request(method, url, json=body, headers=named) as answer:
        text = await answer.text()
    is_json = "json" in answer.headers.get("content-type", "")
    return answer.status, json.loads(text) if is_json else text


async def token_of(api: Served) -> str:
    return str(json.loads((await api.get("/api/v1/session"))[1])["csrf_token"])


async def test_a_level_is_added_seen_and_removed(api: Served) -> None:
    token = await token_of(api)
    status, added = await send(api, "POST", PATH, ASKED, x_csrf_token=token)
    assert (status, added["symbol"], added["name"]) == (201, "AAPL", "above-200")
    _, listed = await send(api, "GET", PATH)
    (row,) = listed["items"]
    assert (row["symbol"], row["name"], row["price"], row["repeat"]) == ("AAPL", "above-200", 200, "once")
    moved = {**ASKED, "price": "210", "replaces": "above-200"}
    assert (await send(api, "POST", PATH, moved, x_csrf_token=token))[1]["name"] == "above-210"
    assert [row["name"] for row in (await send(api, "GET", PATH))[1]["items"]] == ["above-210"]
    back = {**ASKED, "replaces": "above-210"}
    assert (await send(api, "POST", PATH, back, x_csrf_token=token))[0] == 201
    assert (await send(api, "DELETE", f"{PATH}/AAPL/above-200", x_csrf_token=token))[0] == 204
    assert (await send(api, "DELETE", f"{PATH}/AAPL/above-200", x_csrf_token=token))[0] == 404
    assert (await send(api, "GET", PATH))[1]["items"] == []


@pytest.mark.parametrize(
    ("method", "path"), [("POST", PATH), ("POST", f"{PATH}/test"), ("DELETE", f"{PATH}/AAPL/above-1")]
)
async def test_no_page_of_another_origin_and_nobody_without_the_csrf_token_changes_a_rule(
    api: Served, method: str, path: str
) -> None:
    token = await token_of(api)
    assert (await send(api, method, path, ASKED))[0] == 403
    assert (await send(api, method, path, ASKED, x_csrf_token="guessed"))[0] == 403
    assert (await send(api, method, path, ASKED, x_csrf_token=token, Origin="http://evil.example"))[0] == 403
    assert (await send(api, method, path, ASKED, x_csrf_token=token, Sec_Fetch_Site="cross-site"))[0] == 403
    assert (await send(api, "GET", PATH))[1]["items"] == []


async def test_with_a_token_who_does_not_know_it_changes_nothing() -> None:
    async with served(token="correct-horse-battery") as api:
        assert (await send(api, "POST", PATH, ASKED))[0] == 401
        assert (await send(api, "POST", PATH, ASKED, Authorization="Bearer wrong"))[0] == 401
        assert (await send(api, "POST", PATH, ASKED, Authorization="Bearer correct-horse-battery"))[0] == 201


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "the body must be"),
        ({"symbol": "AAPL"}, "the body must be"),
        ({**ASKED, "who": "me"}, "the body must be"),
        ({**ASKED, "price": True}, "symbol must be a text"),
        ({**ASKED, "replaces": 1}, "replaces must be"),
        ({**ASKED, "price": "lots"}, "price='lots'"),
        ({**ASKED, "when": "near"}, "when='near'"),
        ({**ASKED, "symbol": "A A"}, "symbol"),
    ],
)
async def test_what_is_no_level_is_a_problem_that_says_so(api: Served, body: Any, said: str) -> None:
    status, problem = await send(api, "POST", PATH, body, x_csrf_token=await token_of(api))
    assert (status, said in problem["detail"]) == (400, True), problem
