"""The run loop: source → gate → sender, its schedule, its start and its end."""
