"""Presence follows the device: whose phone the engine cannot find is not ready."""

from __future__ import annotations

import asyncio

from cti import clock
from cti.asterisk.ari import AriError
from cti.calls.house import House
from cti.people.agents import Presence

LOOKED_EVERY_SECONDS = 3.0
ENGINE_SETTLES_SECONDS = 20.0  # it has restarted, perhaps, and asks phones whether they are there
AWAY_LOOKS = 2  # in a row: a phone that changes its address is known under none for a moment


async def follow_phones(house: House) -> None:
    """Ask the engine, for ever, where the phones of those who are here are."""
    away: dict[str, int] = {}
    ari = house.exchange.ari
    lost_at, believed_from = ari.lost_at, 0.0
    while True:
        await asyncio.sleep(LOOKED_EVERY_SECONDS)
        await ari.in_step.wait()
        if ari.lost_at != lost_at:
            lost_at, believed_from = ari.lost_at, clock.monotonic() + ENGINE_SETTLES_SECONDS
            away.clear()
        try:
            known = await house.exchange.phones_known()
        except AriError:
            continue
        for agent in list(house.team.agents.values()):
            here = agent.presence is not Presence.LOGGED_OUT
            lost = here and agent.account not in known
            away[agent.id] = away.get(agent.id, 0) + 1 if lost else 0
            sure = away[agent.id] >= AWAY_LOOKS and clock.monotonic() >= believed_from
            if not lost or sure:
                house.team.phone_is(agent, lost)
