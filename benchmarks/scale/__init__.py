"""The consumer at rates that no laptop has: its cost measured against the stub, the event source simulated."""
