"""An alert: what happened, how severe, and the numbers behind it."""

from typing import Any, Final

import msgspec

from stockstream_lambda.items import attribute

SEVERITIES: Final = ("info", "warning", "critical")


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert. Everything in it derives from quotes, so a retry makes the same one.

    Attributes:
        symbol: Ticker.
        alert_id: Unique per symbol and the same on every delivery: event time, and kind or level.
        kind: One of `KINDS`.
        direction: up, down or none.
        severity: info, warning or critical: from one, two and three times the threshold.
        timestamp: Event time of the quote that fired it.
        price: Price in that quote, as text with its digits.
        change_percent: Change against the previous close (split-adjusted), in percent; None of one at or below 0.
        value: The number that was judged: percent, z-score or ratio.
        threshold: What it was judged against.
        previous_close: Previous close in the quote, as text.
        volume: Volume in the quote, where it has one.
        currency: Where known.
        exchange: Where known.
        source: Where the quote comes from.
        session: Date of the trading session that the quote is of, as its candles have it; None in alerts of before.
        silent_symbols: The exchange has gone silent, and so many of its symbols.
    """

    symbol: str
    alert_id: str
    kind: str
    direction: str
    severity: str
    timestamp: str
    price: str
    value: float
    threshold: float
    previous_close: str
    change_percent: float | None = None
    volume: int | None = None
    currency: str | None = None
    exchange: str | None = None
    source: str | None = None
    session: str | None = None
    silent_symbols: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.symbol, self.alert_id

    def item(self, more: str) -> bytes:
        """The DynamoDB item as JSON bytes; `more` are ready attributes, each with a comma before it, or empty."""
        head = (
            f'{{"symbol":{{"S":"{self.symbol}"}},"alert_id":{{"S":"{self.alert_id}"}},"kind":{{"S":"{self.kind}"}},'
            f'"direction":{{"S":"{self.direction}"}},"severity":{{"S":"{self.severity}"}},'
            f'"timestamp":{{"S":"{self.timestamp}"}},"price":{{"N":"{self.price}"}},'
            f'"previous_close":{{"N":"{self.previous_close}"}},'
            f'"value":{{"N":"{self.value:.10g}"}},"threshold":{{"N":"{self.threshold:.10g}"}}'
        )
        if self.change_percent is not None:
            head += f',"change_percent":{{"N":"{self.change_percent:.10g}"}}'
        for name in ("volume", "silent_symbols"):
            if (number := getattr(self, name)) is not None:
                head += f',"{name}":{{"N":"{number}"}}'
        for name in ("currency", "exchange", "source", "session"):
            if (text := getattr(self, name)) is not None:
                head += f',"{name}":{attribute(text)}'
        return f"{head}{more}}}".encode()

    @classmethod
    def from_item(cls, item: dict[str, dict[str, Any]]) -> "Alert":
        """Read an alert's item; raises msgspec.ValidationError where it is none."""
        plain = {name: next(iter(value.values())) for name, value in item.items()}
        return msgspec.convert(plain, cls, strict=False)
