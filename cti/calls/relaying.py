"""Leading a caller to a relay: its number past the guard, the engine's ringing, what came of it.

The engine rings the relay and joins it to the caller by itself: their talk does not need us,
and a restart finds out how it went.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from cti import clock
from cti.calls.house import House
from cti.calls.state import Call
from cti.relays import guard
from ivr.steps import RelayStep

log = logging.getLogger("fil.relays")

LEFT_SECONDS_MAX = 2.0  # from the order to the engine's taking the caller
RINGS_MAX = 2  # of an order that the engine did not obey


async def ring_relay(call: Call, house: House, step: RelayStep) -> str | None:
    """Ring a relay for the caller and wait until that is over, however long they talk.

    Returns the engine's word for what came of it: ``ANSWER``, ``BUSY``, ``NOANSWER``…; None when
    the relay may not be rung, or never was. Raises HungUp.
    """
    caller, exchange = call.caller, house.exchange
    if call.taken_back:  # the process before us may have led them there
        await caller.in_our_hands()
        answer = await exchange.relay_answer(caller)
        if answer is not None:
            return answer
    relay = house.flows.relays.get(step.relay)
    if relay is None or relay.verified_at is None:
        _refused(call, house, step, "unverified")
        return None
    if not relay.is_open(house.clock()):
        _refused(call, house, step, "closed")
        return None
    verified_at = datetime.combine(relay.verified_at, datetime.min.time(), UTC)
    row = guard.Relay(step.relay, relay.number, verified_at, relay.live)
    try:
        number = guard.may_dial(relay.number, row)
    except guard.NotDialled:
        log.error("relay.not_dialled", extra={"relay": step.relay})
        _refused(call, house, step, "not_dialled")
        return None
    if step.prompt:
        await caller.play(step.prompt)
    for _ in range(RINGS_MAX):
        await caller.in_our_hands()
        entries = caller.entries
        house.records.event("relay.rung", call_id=call.id, relay=step.relay)
        await exchange.to_relay(caller, number)
        await _taken(call, entries)
        await caller.in_our_hands()
        answer = await exchange.relay_answer(caller)
        if answer is not None:
            house.records.event("relay.over", call_id=call.id, relay=step.relay, answer=answer)
            return answer
    return None


def _refused(call: Call, house: House, step: RelayStep, why: str) -> None:
    house.records.event("relay.refused", call_id=call.id, relay=step.relay, why=why)


async def _taken(call: Call, entries: int) -> None:
    """Wait until the engine has taken the caller to ring the relay."""
    caller, until = call.caller, clock.monotonic() + LEFT_SECONDS_MAX
    while caller.in_app.is_set() and caller.entries == entries and clock.monotonic() < until:  # noqa: ASYNC110 -- told by several things, or by none
        await asyncio.sleep(0.05)
