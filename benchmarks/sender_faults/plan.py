"""Which sender meets which fault, how often, and what may run beside what."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks.sender_faults.common import LAPTOP, OURS_IN_MEMORY, OURS_ON_DISK, Fault
from benchmarks.sender_faults.outage import outage
from benchmarks.sender_faults.reshard import reshard
from benchmarks.sender_faults.reshard_moto import reshard_moto
from benchmarks.sender_faults.stops import kill_9, sigterm
from benchmarks.sender_faults.storms import STORMS, storm
from benchmarks.sender_peers.senders import PEERS

OUTAGES_SECONDS: Final = (40, 170)
QUICK_OUTAGE_SECONDS: Final = 8
OUR_KILLS, PEER_KILLS, OUR_QUICK_KILLS, QUICK_THROTTLED_KILLS, PEER_QUICK_KILLS = 50, 10, 5, 2, 1
SIGTERMS, QUICK_SIGTERMS = 5, 1
QUICK_FINISH_SECONDS: Final = 8.0
QUICK_OUTAGE_PEER: Final = PEERS.index("boto3 put_records")
KILL_THROTTLED_ENTRIES: Final = 0.02
SIDE_BY_SIDE_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Measurement:
    """One sender in one fault.

    Attributes:
        sender: As in `SENDERS`.
        fault: Name of the fault in the result.
        measure: Returns what was found.
        seconds: How long it may take in a quick run, on two cores that others use as well.
    """

    sender: str
    fault: str
    measure: Callable[[], Fault]
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Phase:
    """Measurements of which so many run side by side."""

    side_by_side: int
    measurements: list[Measurement]


def full_plan() -> list[Phase]:
    """All senders in all faults.

    An outage is waiting for the most part: the peers meet it at the same time. Ours comes last and alone, for what an
    outage may cost is a promise of ours, and some peers keep both cores busy in theirs. Storms are full flow: one at a
    time.
    """
    peers_outages = [Phase(SIDE_BY_SIDE_MAX, [_outage(name, seconds) for name in PEERS]) for seconds in OUTAGES_SECONDS]
    our_outages = Phase(
        SIDE_BY_SIDE_MAX,
        [_outage(name, seconds) for name in (OURS_ON_DISK, OURS_IN_MEMORY) for seconds in OUTAGES_SECONDS],
    )
    kills = [
        Measurement(OURS_ON_DISK, "kill_9", partial(kill_9, OURS_ON_DISK, OUR_KILLS)),
        _kill_throttled(OUR_KILLS),
        *(Measurement(name, "kill_9", partial(kill_9, name, PEER_KILLS)) for name in PEERS),
    ]
    senders = (OURS_ON_DISK, *PEERS)
    sigterms = [Measurement(name, "sigterm", partial(sigterm, name, SIGTERMS)) for name in senders]
    reshards = [Measurement(name, "reshard_2_4_3", partial(reshard, name)) for name in senders]
    on_moto = [Measurement(name, "reshard_2_4_3_moto", partial(reshard_moto, name)) for name in (LAPTOP, *PEERS)]
    storms = [
        Measurement(name, fault, partial(storm, name, fault, quick=False))
        for fault in STORMS
        for name in (OURS_IN_MEMORY, OURS_ON_DISK, *PEERS)
    ]
    stops = Phase(2, [*kills, *sigterms])
    return [stops, Phase(4, [*reshards, *on_moto]), Phase(1, storms), *peers_outages, our_outages]


def quick_plan() -> list[Phase]:
    """Ours in everything; then the peers in the same, as far as the time goes: the faults that say most come first."""
    finish = QUICK_FINISH_SECONDS
    outage_name = f"outage_{QUICK_OUTAGE_SECONDS}s"
    ours = [
        Measurement(name, outage_name, partial(outage, name, QUICK_OUTAGE_SECONDS, finish_seconds=finish))
        for name in (OURS_ON_DISK, OURS_IN_MEMORY)
    ]
    ours += [
        Measurement(OURS_ON_DISK, "reshard_2_4_3", partial(reshard, OURS_ON_DISK, seconds_each=2.0)),
        Measurement(LAPTOP, "reshard_2_4_3_moto", partial(reshard_moto, LAPTOP, seconds_each=2.0)),
        Measurement(OURS_ON_DISK, "kill_9", partial(kill_9, OURS_ON_DISK, OUR_QUICK_KILLS)),
        _kill_throttled(QUICK_THROTTLED_KILLS),
        Measurement(OURS_ON_DISK, "sigterm", partial(sigterm, OURS_ON_DISK, QUICK_SIGTERMS)),
        *(Measurement(OURS_ON_DISK, fault, partial(storm, OURS_ON_DISK, fault, quick=True)) for fault in STORMS),
    ]
    outages = [
        Measurement(name, outage_name, partial(outage, name, QUICK_OUTAGE_SECONDS, finish_seconds=finish), seconds=25.0)
        for name in PEERS
    ]
    stops = [
        measurement
        for name in reversed(PEERS)
        for measurement in (
            Measurement(name, "kill_9", partial(kill_9, name, PEER_QUICK_KILLS), seconds=7.0),
            Measurement(name, "sigterm", partial(sigterm, name, QUICK_SIGTERMS), seconds=5.0),
        )
    ]
    others = [
        *(
            Measurement(
                name, fault, partial(storm, name, fault, quick=True, finish_seconds=finish), seconds=finish + 6.0
            )
            for fault in STORMS
            for name in PEERS
        ),
        *(
            Measurement(name, fault, partial(measure, name, seconds_each=2.0, finish_seconds=finish), seconds=20.0)
            for fault, measure in (("reshard_2_4_3", reshard), ("reshard_2_4_3_moto", reshard_moto))
            for name in PEERS
        ),
    ]
    # One outage, which waits for the most part, beside all the rest.
    by_urgency = [outages[QUICK_OUTAGE_PEER], *stops, *others]
    by_urgency += outages[:QUICK_OUTAGE_PEER] + outages[QUICK_OUTAGE_PEER + 1 :]
    return [Phase(SIDE_BY_SIDE_MAX, ours), Phase(3, by_urgency)]


def _outage(name: str, seconds: float) -> Measurement:
    return Measurement(name, f"outage_{seconds}s", partial(outage, name, seconds))


def _kill_throttled(kills: int) -> Measurement:
    """Ours once more, with retries in flight: of peers that drop what is throttled it would not show a kill's loss."""
    measure = partial(kill_9, OURS_ON_DISK, kills, throttled_entries=KILL_THROTTLED_ENTRIES)
    return Measurement(OURS_ON_DISK, "kill_9_throttled", measure)
