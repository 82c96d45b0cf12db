"""An alert in the shape that a receiver understands."""

from collections.abc import Callable
from typing import Any, Final

Alert = dict[str, Any]

_SIGNS: Final = {"up": "▲", "down": "▼", "none": "●"}
_COLOURS: Final = {"info": 0x3B82F6, "warning": 0xF59E0B, "critical": 0xDC2626}
# Discord API documentation, "Embed Limits"; Telegram Bot API, sendMessage; Slack, "text" of a message.
_TEXT_MAX_LENGTH: Final = 2000


def summary(alert: Alert) -> str:
    """One line for a person."""
    sign = _SIGNS.get(str(alert.get("direction")), "●")
    simulated = " (simulated)" if alert.get("source") == "simulated" else ""
    percent, silent = alert.get("change_percent"), alert.get("silent_symbols")
    change = "" if percent is None else f" ({percent:+.2f}%)"
    whole = "" if silent is None else f" ({silent} symbols of {alert.get('exchange') or 'its exchange'})"
    return (
        f"{sign} {alert['symbol']} {alert['kind']} {alert['severity']}{whole}: {alert['price']}"
        f"{change}, {alert['value']:.4g} against {alert['threshold']:g} "
        f"at {alert['timestamp']}{simulated}"
    )[:_TEXT_MAX_LENGTH]


def generic(alert: Alert, _: str | None) -> Alert:
    return {"text": summary(alert), "alert": alert}


def slack(alert: Alert, _: str | None) -> Alert:
    # Slack reads &, < and > as markup (Slack, "Formatting text for app surfaces"); M&M.NS is a symbol.
    text = summary(alert).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": text}


def discord(alert: Alert, _: str | None) -> Alert:
    fields = [
        {"name": name, "value": str(alert.get(key)), "inline": True}
        for name, key in (("Price", "price"), ("Previous close", "previous_close"), ("Volume", "volume"))
    ]
    embed = {
        "title": f"{alert['symbol']} {alert['kind']}",
        "description": summary(alert),
        "color": _COLOURS.get(str(alert.get("severity")), _COLOURS["info"]),
        "timestamp": alert["timestamp"],
        "fields": fields,
    }
    # A symbol must never page a role: no text of ours is a mention.
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def telegram(alert: Alert, chat_id: str | None) -> Alert:
    return {"chat_id": chat_id, "text": summary(alert), "disable_web_page_preview": True}


SHAPES: Final[dict[str, Callable[[Alert, str | None], Alert]]] = {
    "generic": generic,
    "slack": slack,
    "discord": discord,
    "telegram": telegram,
}
