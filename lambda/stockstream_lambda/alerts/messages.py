"""What an alert says: a subject, a text per protocol, and attributes for filter policies."""

from typing import Final

import msgspec

from stockstream_lambda.alerts.alert import Alert
from stockstream_lambda.alerts.kinds import KINDS
from stockstream_lambda.aws.sns import Message

# SNS API Reference: a subject has fewer than 100 ASCII characters. One SMS of the GSM alphabet has 160.
SUBJECT_MAX_LENGTH: Final = 99
SMS_MAX_LENGTH: Final = 160


def build_message(alert: Alert) -> Message:
    """Build the SNS message of one alert: `default` (SQS, Lambda, HTTPS) is JSON, e-mail and SMS are text."""
    headline = _headline(alert)
    text = msgspec.json.encode(alert).decode()
    body = msgspec.json.encode({"default": text, "email": _email(alert, headline), "sms": _sms(alert, headline)})
    attributes = {
        "alert_id": f"{alert.symbol}@{alert.alert_id}",
        "symbol": alert.symbol,
        "kind": alert.kind,
        "severity": alert.severity,
        "direction": alert.direction,
    }
    return Message(_ascii(f"[{alert.severity}] {headline}")[:SUBJECT_MAX_LENGTH], body.decode(), attributes)


def _email(alert: Alert, headline: str) -> str:
    lines = [
        headline,
        "",
        _fill(KINDS[alert.kind].explanation, alert),
        "",
        f"Symbol          {alert.symbol}",
        f"Event time      {alert.timestamp}",
        f"Price           {alert.price} {alert.currency or ''}".rstrip(),
        f"Previous close  {alert.previous_close}",
        "Change          " + ("none" if alert.change_percent is None else f"{alert.change_percent:+.2f}%"),
        "Volume          " + ("none" if alert.volume is None else f"{alert.volume:,}"),
        f"Judged          {alert.value:.8g} against {alert.threshold:.8g}",
        f"Severity        {alert.severity}",
    ]
    if alert.source:
        lines.append(f"Source          {alert.source}")
    lines += ["", f"Alert id: {alert.symbol}@{alert.alert_id} (the same on every delivery)"]
    return "\n".join(lines)


def _sms(alert: Alert, headline: str) -> str:
    simulated = " SIMULATED" if alert.source == "simulated" else ""
    return _ascii(f"Stockstream {alert.severity}{simulated}: {headline} {alert.timestamp[:16]}Z")[:SMS_MAX_LENGTH]


def _headline(alert: Alert) -> str:
    if alert.silent_symbols is not None:
        return (
            f"{alert.exchange or 'An exchange'} has gone silent: {alert.silent_symbols} symbols, {alert.symbol} first"
        )
    return _fill(KINDS[alert.kind].headline, alert)


def _fill(template: str, alert: Alert) -> str:
    return template.format(
        symbol=alert.symbol,
        change=alert.change_percent or 0.0,
        price=alert.price,
        direction=alert.direction,
        value=alert.value,
        threshold=alert.threshold,
    )


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()
