"""The nightly tidy: closes windows that are over, and lays past days out by symbol and day of the event."""
