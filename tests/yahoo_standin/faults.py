"""What can be wrong with Yahoo, on demand."""

import random
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    RATE_LIMIT = "429"
    UNAUTHORIZED = "401"  # every v7 call, whatever its crumb
    FORGET_COOKIES = "forget-cookies"  # once: cookies and crumbs handed out so far are worth nothing
    CRUMB_UNAUTHORIZED = "crumb-401"  # the crumb endpoint refuses, with a body that looks like a crumb to some
    CRUMB_RATE_LIMIT = "crumb-429"
    SERVER_ERROR = "500"
    BAD_GATEWAY = "502"
    HTML = "html"
    TRUNCATED = "truncated"
    HANG = "hang"
    RESET = "reset"
    DRIP = "drip"
    SHORT = "short"  # a third of the symbols is left out, without a word
    NAN = "nan"
    WS_CLOSE_1000 = "ws-1000"
    WS_CLOSE_1001 = "ws-1001"
    WS_CLOSE_1006 = "ws-1006"
    WS_CLOSE_1011 = "ws-1011"
    WS_GARBAGE = "ws-garbage"
    WS_SILENT = "ws-silent"  # half open: the connection stands, nothing comes, pings go unanswered


@dataclass
class _Order:
    probability: float
    remaining: int | None


@dataclass
class FaultPlan:
    """Faults in force; each request asks whether one strikes it."""

    rng: random.Random = field(default_factory=lambda: random.Random(1))
    _orders: dict[Fault, _Order] = field(default_factory=dict)

    def order(self, fault: Fault, *, probability: float = 1.0, times: int | None = None) -> None:
        """Put a fault in force, for so many requests, or until `clear`."""
        self._orders[fault] = _Order(probability, times)

    def clear(self, *faults: Fault) -> None:
        """Lift the faults named, or all."""
        for fault in faults or tuple(self._orders):
            self._orders.pop(fault, None)

    def strikes(self, *candidates: Fault) -> Fault | None:
        """The first of the candidates that strikes this request."""
        for fault in candidates:
            order = self._orders.get(fault)
            if order is None or self.rng.random() >= order.probability:
                continue
            if order.remaining is not None:
                order.remaining -= 1
                if order.remaining <= 0:
                    del self._orders[fault]
            return fault
        return None

    def in_force(self) -> list[str]:
        return sorted(fault.value for fault in self._orders)
