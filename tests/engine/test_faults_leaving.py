"""The caller hangs up: in every state, everything is freed and one record tells how it ended."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from cti.rehearsal.phone import PhoneCall
from tests.line import NUMBER, Desk, Line
from tests.scenes import (
    LEA_HZ,
    ROSA_HZ,
    Caller,
    a_caller,
    add_quick_flow,
    another_life,
    nothing_left,
    talk,
)

GREETING_SECONDS, MENU_SECONDS, PATIENCE_SECONDS = 4.7, 3.8, 2.7
RING_SECONDS_MAX = 25
JITTER_SECONDS_MAX = 0.005
ABANDONED, TALKED = ("abandoned", "caller"), ("talked", "caller")
# Beside the test itself, the limit covers a controller that starts three times.
pytestmark = pytest.mark.timeout(240)


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def ringing_at_once(shared_line: Line) -> AsyncIterator[None]:
    """Phones ring at once, and long enough for every prompt to be reached meanwhile."""
    flow = add_quick_flow(shared_line, whole=True)
    async with another_life(shared_line, FIL_FLOW=flow, FIL_RING_SECONDS_MAX=str(RING_SECONDS_MAX)):
        yield


@dataclass
class Scene:
    """Who is there."""

    line: Line
    caller: Caller
    rosa: Desk
    lea: Desk
    rings: PhoneCall | None = None  # what must stop ringing when the caller leaves

    async def after(self, seconds: float) -> None:
        """Rosa's phone rings, and the caller has been heard out to so many seconds."""
        call = await self.caller.dials()
        self.rings = await self.rosa.ring()
        assert call.answered_at is not None
        await asyncio.sleep(call.answered_at + seconds - time.monotonic())

    async def talks(self) -> str:
        _, call_id = await talk(self.caller, self.rosa, ROSA_HZ)
        return call_id

    async def oriented(self) -> None:
        call_id = await self.talks()
        assert (await self.rosa.does("call.orient", call=call_id, to={"line": "listeners"}))["ok"]


async def in_the_greeting(scene: Scene) -> None:
    await scene.after(1)


async def in_the_menu(scene: Scene) -> None:
    await scene.after(GREETING_SECONDS + 1)


async def as_a_key_is_pressed(scene: Scene) -> None:
    await scene.after(GREETING_SECONDS + 1)
    await scene.caller.call.press("2")


async def in_the_music(scene: Scene) -> None:
    await scene.after(GREETING_SECONDS + MENU_SECONDS + PATIENCE_SECONDS + 1)


async def before_the_screen_has_shown_the_offer(scene: Scene) -> None:
    scene.rosa.acks = False
    await scene.caller.dials()
    await scene.rosa.sees("call.offered")


async def at_the_instant_of_the_answer(scene: Scene) -> None:
    await scene.after(GREETING_SECONDS + 1)
    assert scene.rings is not None
    await scene.rings.answer()
    scene.rings = None
    await asyncio.sleep(random.uniform(0, JITTER_SECONDS_MAX))


async def between_the_answer_and_the_end_of_the_greeting(scene: Scene) -> None:
    await scene.after(1)
    assert scene.rings is not None
    await scene.rings.answer()
    scene.rings = None
    await asyncio.sleep(0.5)


async def in_the_talk(scene: Scene) -> None:
    await scene.talks()


async def before_the_listeners_screen_has_shown_the_offer(scene: Scene) -> None:
    scene.lea.acks = False
    await scene.oriented()
    await scene.lea.sees("call.offered")


async def as_the_listener_is_rung(scene: Scene) -> None:
    await scene.oriented()
    scene.rings = await scene.lea.ring()


async def in_the_talk_with_the_listener(scene: Scene) -> None:
    await scene.oriented()
    await (await scene.lea.ring()).answer()
    await scene.caller.call.hears(LEA_HZ, 5)


async def in_the_farewell(scene: Scene) -> None:
    call_id = await scene.talks()
    assert (await scene.rosa.does("call.end", call=call_id))["ok"]
    await asyncio.sleep(1.5)


State = Callable[[Scene], Awaitable[None]]
# state -> outcomes it may have, and what became of the legs
STATES: dict[State, tuple[set[tuple[str, str]], list[list[str]]]] = {
    in_the_greeting: ({ABANDONED}, [["withdrawn"]]),
    in_the_menu: ({ABANDONED}, [["withdrawn"]]),
    as_a_key_is_pressed: ({ABANDONED}, [["withdrawn"]]),
    in_the_music: ({ABANDONED}, [["withdrawn"]]),
    before_the_screen_has_shown_the_offer: ({ABANDONED}, [["withdrawn"]]),
    at_the_instant_of_the_answer: ({ABANDONED, TALKED}, [["withdrawn"], ["talked"]]),
    between_the_answer_and_the_end_of_the_greeting: ({ABANDONED}, [["withdrawn"]]),
    in_the_talk: ({TALKED}, [["talked"]]),
    before_the_listeners_screen_has_shown_the_offer: ({TALKED}, [["talked", "withdrawn"]]),
    as_the_listener_is_rung: ({TALKED}, [["talked", "withdrawn"]]),
    in_the_talk_with_the_listener: ({TALKED}, [["talked", "talked"]]),
    in_the_farewell: ({TALKED}, [["talked"]]),
}


async def frees_everything(
    line: Line, caller: Caller, rings: PhoneCall | None = None
) -> dict[str, Any]:
    """The caller hangs up; nothing is left. Returns the one record."""
    left_at = time.monotonic()
    await caller.call.hang_up()
    if rings is not None:
        await rings.ended(2)
        assert rings.end_status == "CANCEL"
        assert rings.ended_at is not None
        assert rings.ended_at - left_at < 0.5
    await nothing_left(line, 1.5)
    record = await caller.record()
    assert len(await caller.records()) == 1
    return record


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
async def test_fault_19_a_caller_who_leaves(line: Line, state: State) -> None:
    async with AsyncExitStack() as people:
        rosa = await people.enter_async_context(line.agent("rosa", hz=ROSA_HZ))
        lea = await people.enter_async_context(line.agent("lea", hz=LEA_HZ))
        caller = await people.enter_async_context(a_caller(line))
        scene = Scene(line, caller, rosa, lea)
        await state(scene)
        record = await frees_everything(line, caller, scene.rings)
        outcomes, legs = STATES[state]
        assert (record["outcome"], record["ended_by"]) in outcomes
        assert [leg["outcome"] for leg in record["legs"]] in legs
        # Nobody is held, or blamed, for a caller who left.
        for desk in (rosa, lea):
            await line.until(
                lambda desk=desk: desk.presence()[0] in ("READY", "WRAP_UP"), 2, "all are free"
            )


@pytest.mark.parametrize("seconds", [0.0, 0.003, 0.02, 0.1])
async def test_fault_19_a_caller_who_leaves_as_they_arrive(line: Line, seconds: float) -> None:
    async with line.agent("rosa") as rosa, a_caller(line) as caller:
        caller.call = await caller.phone.call(NUMBER)
        await asyncio.sleep(seconds)
        await caller.call.hang_up()
        await asyncio.sleep(0.5)  # what was on its way when they left has come
        await nothing_left(line, 1)
        records = await caller.records()
        assert len(records) <= 1
        if records:
            assert await caller.outcome() == ABANDONED
        await rosa.becomes("READY")


async def test_fault_19_a_caller_who_leaves_while_they_are_told_that_nobody_is_there(
    line: Line,
) -> None:
    async with a_caller(line) as caller:
        call = await caller.dials()
        await asyncio.sleep(6)
        assert call.answered_at is not None
        heard = call.heard(call.answered_at + 4, time.monotonic())
        assert line.likeness(heard, "fr/au-revoir") >= 0.3  # they are being told
        record = await frees_everything(line, caller)
        assert (record["outcome"], record["ended_by"]) == ABANDONED


async def test_fault_19_a_caller_who_leaves_while_they_are_told_that_the_line_is_closed(
    line: Line,
) -> None:
    async with another_life(line, FIL_FLOW="demo-ferme.yaml"), a_caller(line) as caller:
        await caller.dials()
        await asyncio.sleep(2)
        record = await frees_everything(line, caller)
        assert (record["outcome"], record["ended_by"]) == ABANDONED
