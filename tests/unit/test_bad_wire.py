"""The stand-in's wire can be made bad on purpose, each way as it was asked, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from cti.asterisk.ari import Ari, AriError, AriTimeout, EngineAway, EngineInfo
from cti.asterisk.wire import WireLost
from cti.simulation.fake import FakeAsterisk, FakeCaller
from cti.simulation.virtual import VirtualLoop
from tests.contract.worlds import connected, until

Story = Callable[[FakeAsterisk], Coroutine[Any, Any, Any]]


def live(story: Story, seconds: float = 60, seed: int = 1) -> Any:
    """Tell a story in virtual time; returns what it returns."""
    loop = VirtualLoop(Random(seed))

    async def told() -> Any:
        return await story(FakeAsterisk(Random(seed), prompt_seconds=lambda path: 1.0))

    try:
        task = loop.create_task(told())
        loop.run_until(seconds)
        return task.result()
    finally:
        loop.close()


def test_events_overtake_replies_when_they_are_quicker() -> None:
    async def story(engine: FakeAsterisk) -> list[str]:
        order: list[str] = []
        async with connected(engine.wire(), "fil") as ari:
            engine.faults.reply_seconds = (0.5, 0.5)
            rosa = engine.add_phone("rosa")
            ari.on_orphan = lambda event: order.append(event.type)
            await ari.channels.originateWithId(channelId="leg", endpoint="PJSIP/rosa", app="fil")
            order.append("reply")
            assert rosa.calls[0].state == "ringing"
        return order

    order = live(story)
    assert order.index("ChannelStateChange") < order.index("reply")


def test_a_lost_reply_is_a_timeout_of_something_done() -> None:
    async def story(engine: FakeAsterisk) -> None:
        async with connected(engine.wire(), "fil") as ari:
            engine.faults.lost_reply = 1.0
            with pytest.raises(AriTimeout):
                await ari.bridges.createWithId(bridgeId="b", type="holding")
        assert "b" in engine.bridges

    live(story)


@pytest.mark.parametrize(("fault", "error"), [("failing", AriError), ("unavailable", EngineAway)])
def test_a_refusal_does_nothing(fault: str, error: type[AriError]) -> None:
    async def story(engine: FakeAsterisk) -> None:
        async with connected(engine.wire(), "fil") as ari:
            setattr(engine.faults, fault, 1.0)
            with pytest.raises(error):
                await ari.bridges.createWithId(bridgeId="b", type="holding")
        assert engine.bridges == {}

    live(story)


def test_events_can_come_twice_and_in_order() -> None:
    async def story(engine: FakeAsterisk) -> list[str]:
        engine.faults.duplicated = 1.0
        engine.faults.event_seconds = (0.0, 0.3)
        order: list[str] = []
        async with connected(engine.wire(), "fil") as ari:
            ari.on_orphan = lambda event: order.append(event.type)
            engine.add_phone("rosa").on_ring = lambda ring: ring.answer()
            await ari.channels.originateWithId(channelId="leg", endpoint="PJSIP/rosa", app="fil")
            await asyncio.sleep(2)
        return order

    order = live(story)
    assert order[0::2] == order[1::2]
    assert order[-1] == "StasisStart"


def test_a_stalled_wire_delivers_nothing_and_then_everything() -> None:
    async def story(engine: FakeAsterisk) -> None:
        async with connected(engine.wire(), "fil") as ari:
            arrived: list[float] = []
            ari.on_orphan = lambda event: arrived.append(engine.time())
            engine.stall(3)
            began = engine.time()
            engine.dial("0199000042")
            await ari.bridges.createWithId(bridgeId="b", type="holding")
            assert engine.time() - began >= 3
            await asyncio.sleep(0.1)
            assert arrived != []
            assert arrived[0] - began >= 3

    live(story)


def test_a_process_that_dies_loses_its_sockets_and_its_last_command_is_still_done() -> None:
    async def story(engine: FakeAsterisk) -> None:
        wire = engine.wire()
        async with wire.listen("fil") as socket:
            asking = asyncio.ensure_future(wire.put("POST", "/bridges/b", {"type": "holding"}))
            await asyncio.sleep(0)
            wire.die()
            asking.cancel()
            with pytest.raises(WireLost):
                await socket.receive()
            await asyncio.sleep(0.1)
            assert "b" in engine.bridges
            assert engine.apps["fil"] is None

    live(story)


@pytest.mark.parametrize("kill", [True, False])
def test_a_stopped_engine_ends_every_call_and_comes_back_as_another(kill: bool) -> None:
    async def story(engine: FakeAsterisk) -> None:
        connections: list[EngineInfo] = []

        async def here(info: EngineInfo) -> None:
            connections.append(info)

        ari = Ari(engine.wire())
        running = asyncio.ensure_future(ari.run(here))
        await asyncio.sleep(1)
        caller = engine.dial("0199000042")
        await asyncio.sleep(1)
        engine.stop(kill=kill)
        await asyncio.sleep(2)
        assert (caller.state, caller.ended_how) == ("ended", "engine")
        with pytest.raises(EngineAway):
            await ari.channels.list()
        engine.boot(3)
        await until(lambda: len(connections) == 2, 10, "connected again")
        assert connections[1].started_at > connections[0].started_at
        assert await ari.channels.list() == ()
        running.cancel()

    live(story)


def test_the_same_seed_is_the_same_story() -> None:
    async def story(engine: FakeAsterisk) -> list[tuple[float, str]]:
        caller: FakeCaller = engine.dial("0199000042")
        with suppress(AssertionError):
            await until(lambda: caller.state == "ended", 40, "over")
        return caller.heard

    assert live(story) == live(story)
    assert live(story) != live(story, seed=2)
