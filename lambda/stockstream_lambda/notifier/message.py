"""What a receiver is handed, and what it is."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

_SIGNS: Final = {"up": "▲", "down": "▼", "none": "●"}


class Message(NamedTuple):
    """An alert on its way: as it is, its id, and what a person reads."""

    alert: Mapping[str, Any]
    alert_id: str
    title: str
    text: str


class Receiver(Protocol):
    """One who gets alerts; `name` holds no secret."""

    name: str

    def send(self, message: Message) -> str | None:
        """Send it; None: it was taken, else why not, with no secret in it."""
        ...


def summary(alert: Mapping[str, Any]) -> str:
    """One line for a person."""
    if alert["kind"] == "test":
        return "This is a test alert of Stockstream: the real ones come the same way."
    simulated = " (simulated)" if alert.get("source") == "simulated" else ""
    percent, silent = alert.get("change_percent"), alert.get("silent_symbols")
    change = "" if percent is None else f" ({percent:+.2f}%)"
    whole = "" if silent is None else f" ({silent} symbols of {alert.get('exchange') or 'its exchange'})"
    return (
        f"{_SIGNS.get(str(alert.get('direction')), '●')} {alert['symbol']} {alert['kind']} {alert['severity']}{whole}: "
        f"{alert['price']}{change}, {alert['value']:.8g} against {alert['threshold']:.8g} "
        f"at {alert['timestamp']}{simulated}"
    )
