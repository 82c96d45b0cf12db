"""The senders that are measured, ours among them, behind the same two calls. Peers run in an environment of theirs."""
