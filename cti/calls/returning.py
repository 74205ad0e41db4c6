"""Callers whose talk broke off and who ring again at once: they find the same person first.

Compared by pseudonym, in memory alone; a withheld number is compared with nothing. Whoever
was with them may be resting after that talk: their rest gives way to this caller alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cti import clock

if TYPE_CHECKING:
    from cti.calls.house import House
    from cti.calls.state import Call

RETURN_SECONDS_MAX = 180.0
BROKEN_OFF_MAX = 1000


@dataclass(eq=False)
class Returning:
    """The talks that broke off in the past minutes."""

    # pseudonym of the number -> (monotonic seconds, agent, call)
    _broken_off: dict[str, tuple[float, str, str]] = field(default_factory=dict)

    def broke_off(self, caller_ref: str, agent_id: str, call_id: str) -> None:
        """A caller has left a talk, or their line was lost: nobody knows which."""
        self._broken_off.pop(caller_ref, None)
        if len(self._broken_off) >= BROKEN_OFF_MAX:
            self._broken_off.pop(next(iter(self._broken_off)))
        self._broken_off[caller_ref] = (clock.monotonic(), agent_id, call_id)

    def was_with(self, caller_ref: str) -> tuple[str, str] | None:
        """Whom this caller was with a moment ago, and in which call; told once."""
        at, agent_id, call_id = self._broken_off.pop(caller_ref, (0.0, "", ""))
        if not agent_id or clock.monotonic() - at > RETURN_SECONDS_MAX:
            return None
        return agent_id, call_id


def note_broken_off(call: Call, house: House) -> None:
    """Remember, as a call ends by its caller's leg, whom they were talking with."""
    if call.caller_ref is not None and call.talk is not None:
        house.returning.broke_off(call.caller_ref, call.talk.agent.id, call.id)


def find_again(call: Call, house: House) -> None:
    """Have a new call of somebody who returns go to the person they were with, if they can."""
    found = house.returning.was_with(call.caller_ref) if call.caller_ref is not None else None
    if found is None:
        return
    call.back_to, call.rest_of = found
    call.returned = True
    house.records.event("call.returned", call_id=call.id, agent_id=call.back_to)
