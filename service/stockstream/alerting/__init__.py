"""Alert rules as a person edits them, and a test alert: what the page, the API and `stockstream alerts` share."""

from stockstream.alerting.desk import AlertDesk, open_desk
from stockstream.alerting.drill import send_test_alert
from stockstream.alerting.rules import RuleRow, RulesBusyError, RulesFile, new_level

__all__ = ["AlertDesk", "RuleRow", "RulesBusyError", "RulesFile", "new_level", "open_desk", "send_test_alert"]
