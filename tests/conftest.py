"""What holds for every test."""

from hypothesis import settings

# Tests assert what happens, never how long it takes: a busy machine is no failure.
settings.register_profile("stockstream", deadline=None)
settings.load_profile("stockstream")
