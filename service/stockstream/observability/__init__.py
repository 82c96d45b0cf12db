"""Logs, metrics and the health endpoints: everything that says how the service is doing."""
