"""Three workers share 300 symbols on one emulator: a kill, a restart of each, and an audit over all of it."""
