"""What is said of refusals: each once, until the symbol is accepted again; one that lasts is said as such. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from stockstream.sources.base import Rejection
from stockstream_wire import Quote

# A symbol refused again and again for this long, and never accepted in between, is one that is not being recorded.
LASTING_SECONDS: Final = 300.0
# Subjects remembered at most: those of the largest watchlist, or of the worst file; the oldest are said again.
SUBJECTS_MAX: Final = 20_000


@dataclass(slots=True)
class _Refused:
    reason: str
    since_seconds: float
    times: int = 1
    lasting_said: bool = False


@dataclass(frozen=True, slots=True)
class LastingRefusal:
    """A symbol that has been refused for a while: every quote of it, since then."""

    rejection: Rejection
    for_seconds: float
    times: int


class Refusals:
    """Remembers who is being refused, and for what."""

    def __init__(self) -> None:
        self._refused: dict[str, _Refused] = {}

    @property
    def lasting(self) -> int:
        """Symbols of which nothing but refusals has come for `LASTING_SECONDS` or longer."""
        return sum(refused.lasting_said for refused in self._refused.values())

    def accepted(self, quotes: Iterable[Quote]) -> None:
        """Note accepted quotes: what is refused of their symbols from here on is news."""
        if self._refused:
            for quote in quotes:
                self._refused.pop(quote.symbol, None)

    def note(self, rejections: Sequence[Rejection], now_seconds: float) -> tuple[list[Rejection], list[LastingRefusal]]:
        """Note refusals.

        Args:
            rejections: In the order they came.
            now_seconds: Monotonic time.

        Returns:
            Those that have not been said, and those that have come to last.
        """
        news: list[Rejection] = []
        lasting: list[LastingRefusal] = []
        for rejection in rejections:
            known = self._refused.get(rejection.subject)
            if known is None or known.reason != rejection.reason:
                self._remember(rejection, known, now_seconds)
                news.append(rejection)
                continue
            known.times += 1
            for_seconds = now_seconds - known.since_seconds
            if not known.lasting_said and for_seconds >= LASTING_SECONDS:
                known.lasting_said = True
                lasting.append(LastingRefusal(rejection, for_seconds, known.times))
        return news, lasting

    def _remember(self, rejection: Rejection, known: _Refused | None, now_seconds: float) -> None:
        if known is None and len(self._refused) >= SUBJECTS_MAX:
            del self._refused[next(iter(self._refused))]
        since_seconds = now_seconds if known is None else known.since_seconds
        said = known is not None and known.lasting_said
        self._refused[rejection.subject] = _Refused(rejection.reason, since_seconds, lasting_said=said)
