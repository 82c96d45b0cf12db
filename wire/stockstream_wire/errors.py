"""What can be wrong with bytes that crossed the stream.

    WireError
    ├── QuoteDecodeError          not JSON, or not an object of the quote's shape
    ├── SchemaVersionError        a major version newer than this code knows; never guessed at
    ├── QuoteInvalidError         the right shape with a value that no market has (names field, value and reason)
    └── AggregationError          a KPL aggregate that is not one: bad MD5, truncated or inconsistent protobuf

All of them are permanent: reading the same bytes again gives the same error, so a consumer quarantines the bytes.
"""


class WireError(Exception):
    """Root of all wire errors; `code` is a stable snake_case name for logs, metrics and quarantine objects."""

    code = "wire_error"


class QuoteDecodeError(WireError):
    """The bytes are not a JSON object of the quote's shape."""

    code = "quote_decode_error"


class SchemaVersionError(WireError):
    """The quote is of a newer major schema version than this code knows."""

    code = "schema_version_error"

    def __init__(self, version: int, supported: int) -> None:
        super().__init__(
            f"quote schema version {version} is newer than {supported}, the newest this code reads; "
            "deploy a newer consumer, then redrive"
        )
        self.version = version
        self.supported = supported


class QuoteInvalidError(WireError):
    """A field of the quote holds a value that no market has."""

    code = "quote_invalid"

    def __init__(self, field: str, value: object, reason: str) -> None:
        super().__init__(f"{field}={value!s}: {reason}")
        self.field = field
        self.value = value
        self.reason = reason


class AggregationError(WireError):
    """The bytes carry the KPL magic number but are not a valid aggregated record."""

    code = "aggregation_error"
