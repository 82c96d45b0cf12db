"""What a request asks for, read and bounded; what is wrong is told with the parameter, the value and the range."""

from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request

from stockstream.dashboard.problems import ApiError
from stockstream.errors import InputError
from stockstream.reading import checked_symbols

LIMIT_MAX: Final = 10_000
LIMIT_DEFAULT: Final = 1_000
SYMBOLS_MAX: Final = 500


class Query:
    """The parameters of one request; one that is not known is refused, so that a misspelt one is not ignored."""

    def __init__(self, request: Request, *known: str) -> None:
        self._values: dict[str, str] = {}
        for name, value in request.query_params.multi_items():
            if name not in known:
                raise ApiError(400, f"{name[:50]}: no such parameter; there are {', '.join(known) or 'none'}")
            if name in self._values:
                raise ApiError(400, f"{name}: given twice")
            self._values[name] = value

    def text(self, name: str) -> str | None:
        return self._values.get(name) or None

    def one_of(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        value = self._values.get(name, default)
        if value not in allowed:
            raise ApiError(400, f"{name}={value[:50]!r}: must be one of {', '.join(allowed)}")
        return value

    def symbols(self, name: str = "symbols") -> list[str] | None:
        text = self.text(name)
        if text is None:
            return None
        parts = text.split(",")
        if len(parts) > SYMBOLS_MAX:
            raise ApiError(400, f"{name}: {len(parts)} symbols: must be at most {SYMBOLS_MAX}")
        return checked_symbols(parts)

    def limit(self) -> int:
        text = self._values.get("limit", str(LIMIT_DEFAULT))
        if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= LIMIT_MAX):
            raise ApiError(400, f"limit={text[:50]!r}: must be a whole number from 1 to {LIMIT_MAX}")
        return int(text)

    def moment(self, name: str) -> datetime | None:
        text = self.text(name)
        return None if text is None else _moment(name, text)

    def session(self) -> str | None:
        return self.text("session")


def path_symbol(request: Request) -> str:
    try:
        (symbol,) = checked_symbols(request.path_params["symbol"])
    except InputError as exc:
        raise ApiError(400, str(exc)) from exc
    return symbol


def path_moment(request: Request) -> datetime:
    return _moment("timestamp", request.path_params["timestamp"])


def _moment(name: str, text: str) -> datetime:
    try:
        # In a query a plus is a space, and who forgets to escape it means a plus.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        if moment.tzinfo is None:
            raise ApiError(400, f"{name}={text[:50]!r}: has no offset from UTC: write {text[:40]}Z")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise ApiError(400, f"{name}={text[:50]!r}: must be a time such as 2026-11-25T14:30:00Z") from exc
