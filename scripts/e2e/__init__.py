"""`make e2e`: compose end to end on a replayed session, with containers killed in the middle, checked from outside."""
