"""Alerts: the rules, when one fires, and what it says to whom."""
