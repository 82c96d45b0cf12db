"""The senders that are measured, ours among them, each behind the same two calls. Peers run in their own environment."""
