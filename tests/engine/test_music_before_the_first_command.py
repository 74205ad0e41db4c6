"""From the claim on a caller hears music, though no command of the controller follows."""

from __future__ import annotations

import asyncio
import time

from cti.asterisk import ari_models as events
from cti.asterisk.ari import Ari, EngineInfo
from cti.asterisk.wire import HttpWire
from tests.line import NUMBER, Line


async def test_a_controller_that_claims_a_call_and_stops_there_leaves_music(line: Line) -> None:
    line.kill()
    offered: asyncio.Queue[events.CallBroadcast] = asyncio.Queue()

    def hear(event: events.Event) -> None:
        if isinstance(event, events.CallBroadcast):
            offered.put_nowait(event)

    connected = asyncio.Event()

    async def on_connected(engine: EngineInfo) -> None:
        connected.set()

    wire = HttpWire(line.settings.ari_url, "fil", line.settings.secret("ari"))
    async with Ari(wire, app="fil", on_orphan=hear) as ari, line.caller(hz=440) as telephone:
        running = asyncio.create_task(ari.run(on_connected))
        try:
            async with asyncio.timeout(10):
                await connected.wait()
                call = await telephone.call(NUMBER)
                channel = (await offered.get()).channel
            await ari.events.claimChannel(channelId=channel.id, application="fil")
            claimed_at = time.monotonic()
            await asyncio.sleep(3)
            silences = call.silences(claimed_at + 0.3, time.monotonic(), longer_than_s=0.3)
            assert silences == []
            await call.hang_up()
        finally:
            running.cancel()
            await asyncio.wait({running})
    await line.start()
