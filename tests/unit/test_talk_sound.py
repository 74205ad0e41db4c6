"""A talk is heard, whatever the dialplan had the caller hear before it."""

from __future__ import annotations

import asyncio
from random import Random

from cti.asterisk.caller import CallerLeg
from cti.asterisk.exchange import APP, Exchange
from cti.asterisk.legs import ChannelLeg
from cti.config import load
from cti.simulation.fake import FakeAsterisk
from cti.simulation.virtual import VirtualLoop
from tests.contract.worlds import connected, until


def test_a_caller_who_talks_before_they_were_held_hears_the_agent_and_not_the_music() -> None:
    loop = VirtualLoop(Random(1))

    async def story() -> None:
        engine = FakeAsterisk(Random(1), prompt_seconds=lambda path: 1.0)
        engine.add_phone("rosa").on_ring = lambda ring: ring.answer()
        async with connected(engine.wire(), APP) as ari:
            exchange = Exchange(ari, load({}))
            end = engine.dial("0199000042")
            await until(lambda: end.channel and end.channel.offered, 1, "offered")
            caller = CallerLeg(
                ari, end.channel_id, "PJSIP/trunk", lambda language, prompt: 1.0, "fr"
            )
            agent = ChannelLeg(ari, "leg")
            followed = [asyncio.ensure_future(leg.listen()) for leg in (caller, agent)]
            assert await exchange.claim(caller.id)
            await caller.in_app.wait()
            assert end.hears == "music"
            await exchange.ring(agent, "rosa", 10)
            await agent.in_app.wait()
            await exchange.talk("call", caller, agent, None)
            await until(lambda: end.hears == "people:rosa", 1, f"hears her, not {end.hears}")
            for task in followed:
                task.cancel()

    try:
        told = loop.create_task(story())
        loop.run_until(30)
        told.result()
    finally:
        loop.close()
