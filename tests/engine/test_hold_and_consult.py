"""On hold, muted, consulted about, taken back: what each of three telephones really hears."""

from __future__ import annotations

import asyncio
import time

from cti.rehearsal.phone import PhoneCall
from tests.engine.test_three_together import CALLER_HZ, LEA_HZ, ROSA_HZ, two
from tests.line import Desk, Line

GAP_SECONDS_MAX = 1.5  # from one person or sound to the next


async def decides(desk: Desk, op: str, call_id: str, **data: object) -> None:
    result = await desk.does(op, call=call_id, **data)
    assert result["ok"], result


async def not_heard(call: PhoneCall, hz: float) -> None:
    """Whoever speaks at this pitch is heard no more, and that lasts."""
    await asyncio.sleep(1.0)
    try:
        await call.hears(hz, 1.5)
    except TimeoutError:
        return
    raise AssertionError(f"{hz} Hz is heard")


async def consults(line: Line, call_id: str, rosa: Desk, lea: Desk) -> PhoneCall:
    """rosa speaks with lea alone; returns lea's phone."""
    await decides(rosa, "call.orient", call_id, to={"agent": "lea"}, consult=True, handover="Bas.")
    assert (await lea.sees("call.offered"))["data"]["call"]["handover"] == "Bas."
    at_lea = await lea.ring()
    await at_lea.answer()
    await rosa.sees("call.consulting")
    await lea.sees("call.consulting")
    return at_lea


async def test_a_caller_on_hold_hears_music_and_then_the_agent_again(line: Line) -> None:
    async with two(line) as (call_id, call, rosa, _, at_rosa):
        await call.hears(ROSA_HZ, 3)
        held_at = time.monotonic()
        await decides(rosa, "call.hold", call_id, on=True)
        assert (await rosa.sees("call.held"))["data"]["on"]
        await not_heard(call, ROSA_HZ)
        await not_heard(at_rosa, CALLER_HZ)
        await decides(rosa, "call.hold", call_id, on=False)
        await call.hears(ROSA_HZ, 3)
        await at_rosa.hears(CALLER_HZ, 3)
        assert call.silences(held_at, time.monotonic(), longer_than_s=GAP_SECONDS_MAX) == []
        await call.hang_up()
        await line.closed_record(call_id)
        await line.until(line.is_quiet, 3, "all freed")


async def test_a_muted_agent_is_not_heard_and_hears(line: Line) -> None:
    async with two(line) as (call_id, call, rosa, _, at_rosa):
        await call.hears(ROSA_HZ, 3)
        await decides(rosa, "call.mute", call_id, on=True)
        await not_heard(call, ROSA_HZ)
        await at_rosa.hears(CALLER_HZ, 1)
        await decides(rosa, "call.mute", call_id, on=False)
        await call.hears(ROSA_HZ, 3)
        await call.hang_up()
        await line.closed_record(call_id)


async def test_consulted_and_taken_back_the_caller_never_heard_the_two(line: Line) -> None:
    async with two(line) as (call_id, call, rosa, lea, at_rosa):
        asked_at = time.monotonic()
        at_lea = await consults(line, call_id, rosa, lea)
        await at_lea.hears(ROSA_HZ, 3)
        await at_rosa.hears(LEA_HZ, 3)
        await not_heard(call, ROSA_HZ)
        await not_heard(call, LEA_HZ)
        await decides(rosa, "call.take_back", call_id)
        await at_lea.ended(3)
        await call.hears(ROSA_HZ, 3)
        await at_rosa.hears(CALLER_HZ, 3)
        assert call.silences(asked_at, time.monotonic(), longer_than_s=GAP_SECONDS_MAX) == []
        await call.hang_up()
        await line.closed_record(call_id)
        await line.until(line.is_quiet, 3, "all freed")


async def test_consulted_then_all_three_then_the_first_simply_hangs_up(line: Line) -> None:
    async with two(line) as (call_id, call, rosa, lea, at_rosa):
        asked_at = time.monotonic()
        at_lea = await consults(line, call_id, rosa, lea)
        await decides(rosa, "call.hold", call_id, on=False)
        await lea.sees("call.joined")
        await call.hears(LEA_HZ, 3)
        await call.hears(ROSA_HZ, 3)
        await at_rosa.hang_up()
        await at_lea.hears(CALLER_HZ, 3)
        await asyncio.sleep(1)
        await call.hears(LEA_HZ, 1)
        assert call.silences(asked_at, time.monotonic(), longer_than_s=GAP_SECONDS_MAX) == []
        await call.hang_up()
        await line.closed_record(call_id)


async def test_the_first_hangs_up_and_the_caller_talks_with_whom_they_consulted(line: Line) -> None:
    async with two(line) as (call_id, call, rosa, lea, at_rosa):
        at_lea = await consults(line, call_id, rosa, lea)
        left_at = time.monotonic()
        await at_rosa.hang_up()
        await call.hears(LEA_HZ, 4)
        await at_lea.hears(CALLER_HZ, 3)
        assert call.silences(left_at, time.monotonic(), longer_than_s=GAP_SECONDS_MAX) == []
        await call.hang_up()
        record = await line.closed_record(call_id)
        assert [leg["agent_id"] for leg in record["legs"]] == ["rosa", "lea"]


async def test_killed_in_a_consultation_the_controller_leaves_each_where_they_are(
    line: Line,
) -> None:
    async with two(line) as (call_id, call, rosa, lea, at_rosa):
        at_lea = await consults(line, call_id, rosa, lea)
        killed_at = time.monotonic()
        line.kill()
        await line.start()
        await at_lea.hears(ROSA_HZ, 3)
        await not_heard(call, LEA_HZ)
        await at_lea.hang_up()
        await call.hears(ROSA_HZ, 5)
        await at_rosa.hears(CALLER_HZ, 3)
        assert call.silences(killed_at, time.monotonic(), longer_than_s=GAP_SECONDS_MAX) == []
        await call.hang_up()
        await line.closed_record(call_id)
