"""At the regulators' desk: who waits is taken, or sent to the listeners; what each phone hears."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest

from cti.rehearsal.phone import PhoneCall
from tests.line import Desk, Line
from tests.scenes import CALLER_HZ, LEA_HZ, REMY_HZ, ROSA_HZ, Caller, a_caller, nothing_left, taken

OTHER_HZ = 600
CARD_SECONDS_MAX = 0.5  # from the answer to the card on a regulator's screen
GAP_SECONDS_MAX = 1.0
RING_AFTER_SECONDS = 2.0  # until then, the line rings nobody for a new caller


async def card(desk: Desk, count: int = 1, seconds_max: float = 5) -> dict[str, Any]:
    """The last card, once so many callers wait as this screen tells."""
    until = time.monotonic() + seconds_max
    while True:
        left = until - time.monotonic()
        told = (await desk.sees("waiting.changed", max(0.0, left)))["data"]
        if told["waiting_count"] == count:
            return told["waiting"][-1]


def in_silence(call: PhoneCall, until: float) -> list[tuple[float, float]]:
    assert call.answered_at is not None
    return call.silences(call.answered_at + 0.1, until, longer_than_s=GAP_SECONDS_MAX)


async def test_who_is_taken_hears_the_line_until_the_regulator_is_there(line: Line) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa, a_caller(line) as caller:
        call = await caller.dials()
        shown = await card(rosa)
        assert call.answered_at is not None
        assert time.monotonic() - call.answered_at < CARD_SECONDS_MAX
        assert (shown["line"], shown["state"], shown["may_take"]) == ("regulators", "waiting", True)
        assert caller.phone.user not in str(rosa.frames)
        result = await rosa.does("call.take", call=shown["id"])
        assert result["ok"], result
        pop = (await rosa.sees("call.offered", 1))["data"]
        assert pop["call"]["id"] == shown["id"]
        # The screen first, then the phone, and neither waits for the line's turn.
        at_rosa = await rosa.ring(call.answered_at + RING_AFTER_SECONDS - time.monotonic())
        assert rosa.acked[pop["offer"]] < time.monotonic()
        await asyncio.sleep(1)
        assert call.heard(time.monotonic() - 0.5, time.monotonic()).any()
        await at_rosa.answer()
        await rosa.sees("call.connected", 8)
        await call.hears(ROSA_HZ, 3)
        await at_rosa.hears(CALLER_HZ, 3)
        assert in_silence(call, time.monotonic()) == []
        await call.hang_up()
        record = await caller.record()
        assert [leg["agent_id"] for leg in record["legs"]] == ["rosa"]
        await nothing_left(line)


async def test_who_is_sent_to_the_listeners_with_one_click_hears_no_gap(line: Line) -> None:
    async with AsyncExitStack() as stack:
        rosa = await stack.enter_async_context(line.agent("rosa", hz=ROSA_HZ))
        first = await stack.enter_async_context(a_caller(line))
        second = await stack.enter_async_context(a_caller(line, hz=OTHER_HZ))
        await first.dials()
        at_rosa, _ = await taken(first, rosa, ROSA_HZ)
        lea = await stack.enter_async_context(line.agent("lea", hz=LEA_HZ))
        call = await second.dials()
        shown = await card(rosa)
        await asyncio.sleep(7)  # the greeting, and into the music
        sent_at = time.monotonic()
        result = await rosa.does(
            "call.orient", call=shown["id"], to={"line": "listeners"}, handover="Bas.", danger=1
        )
        assert result["ok"], result
        pop = (await lea.sees("call.offered"))["data"]["call"]
        assert (pop["id"], pop["handover"], pop["danger_level"]) == (shown["id"], "Bas.", 1)
        at_lea = await lea.ring()
        await asyncio.sleep(4)
        heard = call.heard(sent_at, time.monotonic())
        assert line.likeness(heard, "fr/orientation") > 0.75
        await at_lea.answer()
        await lea.sees("call.connected", 8)
        await call.hears(LEA_HZ, 3)
        await at_lea.hears(OTHER_HZ, 3)
        assert in_silence(call, time.monotonic()) == []
        assert lea.phone.incoming.empty()  # one phone has rung, once
        await first.call.hears(ROSA_HZ, 2)
        await at_rosa.hears(CALLER_HZ, 2)
        for one in (call, first.call):
            await one.hang_up()
        record = await second.record()
        assert [leg["agent_id"] for leg in record["legs"]] == ["lea"]
        await nothing_left(line)


@pytest.mark.parametrize("seconds", [-0.02, 0.0, 0.02, 0.15])
async def test_who_leaves_as_they_are_taken_leaves_nobody_ringing(
    line: Line, seconds: float
) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa, a_caller(line) as caller:
        call = await caller.dials()
        shown = await card(rosa)

        async def leaves() -> None:
            await asyncio.sleep(max(0.0, seconds))
            await call.hang_up()

        async def takes() -> dict[str, Any]:
            await asyncio.sleep(max(0.0, -seconds))
            return await rosa.does("call.take", call=shown["id"])

        _, result = await asyncio.gather(leaves(), takes())
        assert result["ok"] or result["error"]["code"] == "no_longer_waiting", result
        assert (await caller.record())["outcome"] == "abandoned"
        await nothing_left(line, 3)
        await rosa.becomes("READY")


async def test_two_regulators_take_the_same_caller_and_one_phone_rings(line: Line) -> None:
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        line.agent("remy", hz=REMY_HZ) as remy,
        a_caller(line) as caller,
    ):
        await caller.dials()
        shown = await card(rosa)
        results = await asyncio.gather(
            *(desk.does("call.take", call=shown["id"]) for desk in (rosa, remy))
        )
        codes = [None if result["ok"] else result["error"]["code"] for result in results]
        assert codes.count(None) == 1
        assert set(codes) < {None, "taken_already", "rings_already"}
        winner, hz = ((rosa, ROSA_HZ), (remy, REMY_HZ))[codes.index(None)]
        await _talks(caller, winner, hz)
        other = remy if winner is rosa else rosa
        assert other.phone.incoming.empty()
        await other.becomes("READY")
        await caller.call.hang_up()
        await caller.record()


async def _talks(caller: Caller, desk: Desk, hz: float) -> None:
    at_desk = await desk.ring()
    await at_desk.answer()
    await caller.call.hears(hz, 8)
    await at_desk.hears(CALLER_HZ, 3)
