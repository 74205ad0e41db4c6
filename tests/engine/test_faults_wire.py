"""The wire between controller and engine: cut, refused, half-open, or taken by somebody else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from cti.asterisk.ari import Ari, EngineInfo
from cti.asterisk.wire import HttpWire
from cti.parent import EXIT_REPLACED
from tests.line import Line
from tests.proxy import Proxy, a_proxy
from tests.scenes import (
    CALLER_HZ,
    REMY_HZ,
    ROSA_HZ,
    LogMark,
    a_caller,
    add_quick_flow,
    another_life,
    nothing_left,
    talk,
)

NOTICED_SECONDS_MAX = 16.0  # ten without a word, five for an answer, one of this machine's
SILENCE_SECONDS_MAX = 5.0
# Beside the test itself, the limit covers a controller that starts three times.
pytestmark = pytest.mark.timeout(240)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def wire(shared_line: Line) -> AsyncIterator[Proxy]:
    """The shared line with a wire that can be damaged, and a flow that loses no time."""
    async with a_proxy(shared_line.settings.ari_port) as proxy:
        quick = add_quick_flow(shared_line)
        port = str(proxy.port)
        async with another_life(
            shared_line, FIL_ARI_PORT=port, FIL_FLOW=quick, FIL_RING_SECONDS_MAX="25"
        ):
            yield proxy


@pytest.mark.parametrize(
    "fault", ["cut", "refused", "to_controller stalled", "to_engine stalled", "stalled"]
)
async def test_fault_7_a_damaged_wire_is_noticed_and_costs_no_caller_anything(
    line: Line, wire: Proxy, fault: str
) -> None:
    async with AsyncExitStack() as people:
        rosa = await people.enter_async_context(line.agent("rosa", hz=ROSA_HZ))
        talking, waiting, leaving, arriving = [
            await people.enter_async_context(a_caller(line)) for _ in range(4)
        ]
        at_rosa, _ = await talk(talking, rosa, ROSA_HZ)
        await waiting.dials()
        await leaving.dials()
        await asyncio.sleep(1)
        log = LogMark(line)

        damaged_at = time.monotonic()
        match fault.split():
            case ["cut"]:
                wire.cut()
            case ["refused"]:
                wire.cut(refusing=True)
            case ["stalled"]:
                wire.stall()
            case [direction, "stalled"]:
                wire.stall(direction)
        await arriving.dials()
        await leaving.call.hang_up()
        await people.enter_async_context(line.agent("remy", hz=REMY_HZ, answering="auto"))
        await log.sees("engine.lost", NOTICED_SECONDS_MAX)
        if fault == "refused":
            await asyncio.sleep(4)
        wire.mend()
        await log.sees("house.recovered", 8)

        # The one who waited is served by who came meanwhile, within a second round of asking.
        await waiting.call.hears(REMY_HZ, 20)
        # Taken in hand again, in one round of the dialplan; meanwhile nobody heard nothing.
        await log.sees("call.opened", 12)
        await talking.call.hears(ROSA_HZ, 2)
        await at_rosa.hears(CALLER_HZ, 2)
        gaps = talking.call.gaps(damaged_at, time.monotonic(), longer_than_s=0.5)
        assert gaps == []
        await talking.call.hang_up()
        for caller in (waiting, arriving):
            assert caller.silences(longer_than_s=SILENCE_SECONDS_MAX) == []
        await waiting.call.hang_up()
        await arriving.call.hang_up()
        await nothing_left(line)
        assert await talking.outcome() == ("talked", "caller")
        assert await waiting.outcome() == ("talked", "caller")
        assert (await leaving.outcome())[0] == "abandoned"
        assert (await arriving.outcome())[0] == "abandoned"
        assert log.count("call.failed") == 0
        assert log.count("engine.lost") == 1


async def test_fault_7_an_agent_who_answers_into_a_deaf_wire_has_the_caller_once_it_is_mended(
    line: Line, wire: Proxy
) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa, a_caller(line) as caller:
        await caller.dials()
        pop = (await rosa.sees("call.offered"))["data"]
        at_rosa = await rosa.ring()
        log = LogMark(line)
        wire.stall("to_controller")
        await at_rosa.answer()
        await log.sees("engine.lost", NOTICED_SECONDS_MAX)
        wire.mend()
        await caller.call.hears(ROSA_HZ, 8)
        await at_rosa.hears(CALLER_HZ, 2)
        assert caller.silences(longer_than_s=SILENCE_SECONDS_MAX) == []
        await caller.call.hang_up()
        await nothing_left(line)
        record = await caller.record()
        assert (record["id"], record["outcome"]) == (pop["call"]["id"], "talked")
        assert [leg["outcome"] for leg in record["legs"]] == ["talked"]


async def test_fault_8_a_controller_whose_place_is_taken_leaves_and_its_callers_are_cared_for(
    line: Line,
) -> None:
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        a_caller(line) as talking,
        a_caller(line) as waiting,
        a_caller(line) as arriving,
    ):
        at_rosa, _ = await talk(talking, rosa, ROSA_HZ)
        await waiting.dials()
        await asyncio.sleep(0.5)
        taken_at = asyncio.Event()

        async def take(_: EngineInfo) -> None:
            taken_at.set()

        wire = HttpWire(line.settings.ari_url, "fil", line.settings.secret("ari"))
        async with Ari(wire, app="fil") as other:
            taking = asyncio.create_task(other.run(take))
            await asyncio.wait_for(taken_at.wait(), 5)
            serve = line.process
            assert serve is not None
            code = await asyncio.to_thread(serve.wait, 10)
            line.process = None
            # It does not come back by itself: a person must say which of the two it is to be.
            assert code == EXIT_REPLACED
            assert "fil: Another controller took over the line" in line.log_path.read_text()
            await arriving.dials()
            await asyncio.sleep(9)  # the other one claims nobody
            heard = arriving.call.heard(arriving.call.answered_at, time.monotonic())
            assert line.likeness(heard, "fr/secours-accueil") >= 0.8
            await at_rosa.hears(CALLER_HZ, 1)
            assert not taking.done()  # its place was never taken back
            taking.cancel()
        await line.start()
        await talking.call.hang_up()
        async with line.agent("remy", hz=REMY_HZ, answering="auto"):
            await waiting.call.hears(REMY_HZ, 15)
            for caller in (waiting, arriving):
                assert caller.silences(longer_than_s=3.0) == []
            # Before remy leaves: else they are out of our hands for a moment, and unseen.
            await waiting.call.hang_up()
        await arriving.call.hang_up()
        await nothing_left(line, 3)
        assert await talking.outcome() == ("talked", "caller")
        assert await waiting.outcome() == ("talked", "caller")
