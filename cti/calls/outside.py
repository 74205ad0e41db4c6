"""Ringing an agent on a telephone of their own, over the trunk, and what its silence means."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from cti.asterisk.ari import PhoneUnreachable
from cti.asterisk.legs import ChannelLeg
from cti.asterisk.own_phone import ASKED_TIMES_MAX, KEY_SECONDS_MAX, OwnPhoneLeg
from cti.calls.house import House
from cti.people.agents import Agent
from cti.records.privacy import SealBroken
from cti.relays.guard import NotAnOwnNumber

log = logging.getLogger("fil.calls")

# Why the agent is not ready after their own telephone was not accepted; of a missed ring, and
# of one they declined, the team decides.
NOT_READY = {
    "phone_busy": "phone_busy",
    "phone_unreachable": "phone_unreachable",
    "trunk_dead": "trunk_dead",
}


def leg_of(agent: Agent, house: House, leg_id: str) -> ChannelLeg:
    """A leg for whichever telephone rings for this agent, not rung yet."""
    if agent.rung_outside:
        return OwnPhoneLeg(house.exchange.ari, leg_id)
    return ChannelLeg(house.exchange.ari, leg_id)


async def ring(leg: ChannelLeg, agent: Agent, house: House, seconds_max: int) -> float:
    """Have the agent's telephone ring; returns for how long an answer may be waited for.

    Raises PhoneUnreachable, or another AriError.
    """
    if not isinstance(leg, OwnPhoneLeg):
        await house.exchange.ring(leg, agent.account, seconds_max)
        return seconds_max
    try:
        number = agent.own_number.opened() if agent.own_number is not None else ""
        await house.exchange.ring_outside(leg, number, seconds_max)
    except (SealBroken, NotAnOwnNumber) as error:
        log.error(
            "own_number.not_dialled", extra={"agent": agent.id, "error": type(error).__name__}
        )
        raise PhoneUnreachable("ring_outside", 0, "") from None
    media, seconds = house.accept_prompt("fr" if "fr" in agent.languages else "en")
    answer_seconds = seconds_max + ASKED_TIMES_MAX * (seconds + KEY_SECONDS_MAX)
    house.spawn(_ask(leg, house, (media, seconds), seconds_max, answer_seconds))
    return answer_seconds


async def _ask(
    leg: OwnPhoneLeg,
    house: House,
    question: tuple[str, float],
    ring_seconds_max: float,
    answer_seconds_max: float,
) -> None:
    """Ask whoever picks up to press 1; anybody else is hung up on, a machine above all."""
    with contextlib.suppress(TimeoutError):  # an offer taken back is told of nothing more
        async with asyncio.timeout(answer_seconds_max + 1):
            if await leg.asked(*question, ring_seconds_max):
                return
    await house.exchange.release(leg)


def tell_of_dead_trunk(call_id: str, agent: Agent, house: House) -> None:
    """No telephone outside can be rung: for those who watch over the line."""
    log.error("trunk.dead", extra={"call": call_id, "agent": agent.id})
    house.records.event("trunk.dead", call_id=call_id, agent_id=agent.id)
    house.team.alert("trunk_dead", agent)
