"""How long something has waited without anything being stored."""


class Silence:
    """A pure clock of the time since the last sign that Kinesis takes records, while any wait for it.

    Args:
        seconds: This long is too long.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._since: float | None = None

    def rest(self) -> None:
        """Nothing waits: there is nothing to be silent about."""
        self._since = None

    def broken(self, now: float) -> None:
        """Something was stored."""
        self._since = now

    def is_over(self, now: float) -> bool:
        """Something waits: whether it has for too long."""
        if self._since is None:
            self._since = now
        return now - self._since >= self.seconds

    def ends_at(self) -> float | None:
        """When it will have been too long; None while nothing waits."""
        return None if self._since is None else self._since + self.seconds
