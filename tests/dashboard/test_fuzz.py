"""The API under schemathesis: whatever is asked by its document, the answer is the document's, and never a 500."""

import asyncio
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.audit.stored_day import QUOTES, item_of
from tests.dashboard.serving import served

EXAMPLES = 15
TOKEN = "correct-horse-battery"


@pytest.mark.timeout(600)
async def test_whatever_is_asked_the_answer_is_as_the_document_says() -> None:
    async with served(token=TOKEN) as api:
        await api.stored.put("quotes", **item_of(QUOTES[0]))
        await api.stored.append(QUOTES[0])
        asked = await asyncio.to_thread(_fuzz, api.url.rstrip("/"))
    assert asked > 5 * EXAMPLES


def _fuzz(url: str) -> int:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    schema = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json", headers=headers)
    asked = 0
    for found in schema.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]  # an Err says by raising what is wrong with the document
        if operation.path.endswith("/stream"):
            continue  # it does not end

        @hypothesis.settings(
            max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
        )
        @hypothesis.seed(20261126)
        @hypothesis.given(operation.as_strategy())
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
            response = case.call(base_url=url, headers=headers, timeout=60)
            case.validate_response(
                response, checks=[not_a_server_error, content_type_conformance, response_schema_conformance]
            )

        ask()
    return asked
