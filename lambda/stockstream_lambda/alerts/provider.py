"""The alert rules in force: from the bucket where there is a file, else the bundled ones; read again and again."""

from collections.abc import Callable
from decimal import Decimal

import structlog

from stockstream_lambda.alerts.rules import AlertRules, bundled_rules, parse_rules
from stockstream_lambda.errors import ConfigError, StoreRefusedError, StoreUnavailableError
from stockstream_wire.storage import RULES_MAX_BYTES, RULES_READ_SECONDS

log = structlog.get_logger("stockstream.consumer.rules")


class RulesProvider:
    """Reads the rules file once and then every five seconds of use.

    A file that is not valid is said loudly and not used: alerts go on by the rules in force. No file, or no permission
    to see whether there is one, means the bundled rules.

    Args:
        read: Reads the rules file; None where it does not exist.
        key: Its key, for messages.
        anomaly_threshold_percent: The published threshold, for move rules that name none.
    """

    def __init__(self, read: Callable[[str], bytes | None], key: str, anomaly_threshold_percent: Decimal) -> None:
        self._read = read
        self._key = key
        self._threshold_percent = anomaly_threshold_percent
        self._rules: AlertRules | None = None
        self._data: bytes | None = None
        self._refresh_at = float("-inf")

    def current(self, monotonic_seconds: float) -> AlertRules:
        """Return the rules in force.

        Raises:
            StoreUnavailableError: the bucket cannot be read and no rules were read before.
        """
        in_force = self._rules
        if in_force is not None and monotonic_seconds < self._refresh_at:
            return in_force
        try:
            in_force = self._read_again(in_force or bundled_rules(self._threshold_percent))
        except StoreUnavailableError as exc:
            if in_force is None:
                raise
            log.warning("alert_rules_unavailable", key=self._key, error=str(exc))
        self._rules, self._refresh_at = in_force, monotonic_seconds + RULES_READ_SECONDS
        return in_force

    def _read_again(self, in_force: AlertRules) -> AlertRules:
        try:
            data = self._read(self._key)
        except StoreRefusedError as exc:
            # S3 answers 403 for a missing key to whoever may not list the bucket.
            log.warning("alert_rules_refused", key=self._key, error=str(exc))
            return in_force
        if data is not None and data == self._data:
            return in_force
        self._data = data
        if data is None:
            return bundled_rules(self._threshold_percent)
        try:
            rules = self._parse(data)
        except ConfigError as exc:
            log.error("alert_rules_invalid", key=self._key, error=str(exc))  # noqa: TRY400 - the file's fault
            return in_force
        log.info("alert_rules_loaded", key=self._key)
        return rules

    def _parse(self, data: bytes) -> AlertRules:
        if len(data) > RULES_MAX_BYTES:
            raise ConfigError(f"{self._key} is larger than {RULES_MAX_BYTES} bytes. Remedy: fewer or shorter rules")
        return parse_rules(data, self._threshold_percent, self._key)
