"""Several workers of one deployment share the watchlist: decisions in `share` and `members`, effects in the rest.

docs/workers.md says how. Readers need `table` alone, which brings no sender with it.
"""
