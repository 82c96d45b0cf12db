"""DynamoDB's answers with items in them, taken as the JSON that they are.

botocore walks through every attribute value by its model, eight member names a value, to come to the same dicts: four
fifths of what a read of ten thousand quotes costs.
"""

from typing import Any, Final

import msgspec
from aiobotocore.parsers import AioJSONParser, AioResponseParserFactory

# Their members are numbers, strings, lists, maps, and attribute values of which ours are never binary.
_PLAIN_ANSWERS: Final = frozenset({"QueryOutput", "ScanOutput", "BatchGetItemOutput"})


class _Parser(AioJSONParser):  # type: ignore[misc]  # aiobotocore has no types
    def _handle_json_body(self, raw_body: bytes, shape: Any) -> Any:
        if shape.name in _PLAIN_ANSWERS:
            try:
                answer = msgspec.json.decode(raw_body, type=dict[str, Any])
                # As botocore does: what is null was not said.
                return {name: value for name, value in answer.items() if value is not None}
            except msgspec.DecodeError:
                # Of a proxy: botocore says what it is.
                pass
        return super()._handle_json_body(raw_body, shape)


class AnswerParsers(AioResponseParserFactory):  # type: ignore[misc]
    """The session's component `response_parser_factory`: botocore's own but for those answers."""

    def create_parser(self, protocol_name: str) -> Any:
        if protocol_name == "json":
            return _Parser(**self._defaults)
        return super().create_parser(protocol_name)
