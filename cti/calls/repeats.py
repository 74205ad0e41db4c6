"""One number that calls again and again: its callers are never blocked, nor served before others.

Compared by pseudonym, in memory alone. The calls of one moment are those the house holds,
taken back ones included; those of the past hour begin at zero with each controller.
A withheld number is compared with nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cti import clock

if TYPE_CHECKING:
    from cti.calls.house import House
    from cti.calls.state import Call

TURNED_AWAY_WITH = "appels-en-cours"  # what a caller hears who is already with us several times
HOUR_SECONDS = 3600.0
ARRIVALS_KEPT_MAX = 10_000


@dataclass(eq=False)
class Repeats:
    """The arrivals of the past hour."""

    # (monotonic seconds, pseudonym of the number, channel), the oldest first
    _arrivals: deque[tuple[float, str, str]] = field(
        default_factory=lambda: deque(maxlen=ARRIVALS_KEPT_MAX)
    )

    def arrived(self, caller_ref: str, channel_id: str) -> int:
        """Note an arrival; returns how many this number has made in an hour, this one included.

        A caller whom the dialplan offers twice has arrived once.
        """
        now = clock.monotonic()
        while self._arrivals and now - self._arrivals[0][0] > HOUR_SECONDS:
            self._arrivals.popleft()
        self._arrivals.append((now, caller_ref, channel_id))
        return len({channel for _, ref, channel in self._arrivals if ref == caller_ref})


def compare(call: Call, house: House) -> None:
    """Decide what a new call's number changes for it: nothing, its place, or a goodbye.

    One call too many at the same time is turned away with a sentence: the others of that
    number are kept. One too many in an hour is served as ever, after the callers of the
    next minutes: people in crisis call back often.
    """
    if call.caller_ref is None:
        return
    settings = house.settings
    others = sum(
        other.caller_ref == call.caller_ref
        and other is not call
        and not other.duplicate
        and not other.caller.gone.is_set()
        for other in house.calls.values()
    )
    in_an_hour = house.repeats.arrived(call.caller_ref, call.caller.id)
    if 0 < settings.same_number_per_hour_max < in_an_hour:
        call.frequent = True
        house.records.event("call.frequent", call_id=call.id, in_an_hour=in_an_hour)
    # Without its sentence, nobody is turned away.
    said = house.seconds(call.caller.language, TURNED_AWAY_WITH) is not None
    if said and 0 < settings.same_number_at_once_max <= others:
        call.duplicate = True
        house.records.event("call.duplicate", call_id=call.id, others=others)


def is_behind(call: Call) -> bool:
    """Whether this caller is served after those of the next minutes.

    Not once a person has spoken with them: whoever orients them knows best.
    """
    return call.frequent and not call.answered
