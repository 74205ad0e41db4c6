"""With the controller dead, hung or coming back: no caller notices more than a change of voice."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from cti.rehearsal.phone import Phone, PhoneCall
from tests.line import NUMBER, Line

CALLER_HZ, ROSA_HZ, OTHER_HZ, REMY_HZ = 440, 800, 520, 1600


def worst_gap(call: PhoneCall, since: float, until: float) -> float:
    gaps = call.gaps(since, until, longer_than_s=0.03)
    return max((seconds for _, seconds in gaps), default=0.02)


async def on_call(line: Line, phones: str) -> None:
    """Wait until the engine knows whom to ring by itself."""
    await line.until(
        lambda: line.ari("asterisk/variable?variable=FIL_ON_CALL")["value"] == phones,
        3,
        "the engine knows whom to ring",
    )
    assert line.on_call() == f"FIL_ON_CALL={phones}\n"


async def test_fault_4_kill_9_in_a_conversation_is_not_heard_and_the_record_closes_right(
    line: Line,
) -> None:
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        line.caller(hz=CALLER_HZ) as telephone,
        line.caller("0199000077", hz=OTHER_HZ) as control,
    ):
        call = await telephone.call(NUMBER)
        pop = (await rosa.sees("call.offered"))["data"]
        at_rosa = await rosa.ring()
        await at_rosa.answer()
        await rosa.sees("call.connected", 10)
        await call.hears(ROSA_HZ, 3)
        # A control pair that no controller of ours has ever touched.
        async with Phone("witness", server=line.server, tone_hz=600, answering="auto") as witness:
            control.server = witness.address
            untouched = await control.call("witness")
            await untouched.answered(3)
            at_witness = await witness.incoming.get()
            await asyncio.sleep(0.5)

            began = time.monotonic()
            line.kill()
            await asyncio.sleep(4)
            await line.start()
            await asyncio.sleep(2)
            until = time.monotonic()

            ours = max(worst_gap(call, began, until), worst_gap(at_rosa, began, until))
            theirs = max(worst_gap(untouched, began, until), worst_gap(at_witness, began, until))
            # Three packets more than the control pair's worst: a scheduler's breath, no gap.
            assert ours <= theirs + 0.06, (ours, theirs)
        # Still talking, both ways; the new controller knows it.
        await call.hears(ROSA_HZ, 2)
        await at_rosa.hears(CALLER_HZ, 2)
        await call.hang_up()
        await at_rosa.ended(1.5)
        record = await line.closed_record(pop["call"]["id"])
        assert (record["outcome"], record["ended_by"]) == ("talked", "caller")
        assert [leg["outcome"] for leg in record["legs"]] == ["talked"]


async def test_a_caller_taken_back_hears_music_between_the_prompts_as_before(line: Line) -> None:
    async with line.agent("rosa", hz=ROSA_HZ), line.caller(hz=CALLER_HZ) as telephone:
        call = await telephone.call(NUMBER)
        await call.answered(2)
        await asyncio.sleep(7)
        line.kill()
        await line.start()
        await asyncio.sleep(9)  # the menu, the wait for a key, a word, the wait in line
        now = time.monotonic()
        assert call.silences(call.answered_at + 0.1, now, longer_than_s=1.5) == []
        assert call.state == "up"
        await call.hang_up()


@pytest.mark.parametrize("state", ["dead", "hung"])
async def test_without_a_controller_a_new_caller_hears_us_and_the_on_call_phone_rings(
    line: Line, state: str
) -> None:
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        line.agent("remy", hz=REMY_HZ) as remy,
        line.caller(hz=CALLER_HZ) as telephone,
    ):
        await on_call(line, "remy&rosa")
        if state == "dead":
            line.kill()
        else:
            line.signal_all(signal.SIGSTOP)
        try:
            call = await telephone.call(NUMBER)
            await call.answered(2)
            remy.phone.answering = "ignore"
            at_rosa = await rosa.ring(30)
            rang_after = time.monotonic() - call.answered_at
            await asyncio.sleep(1)
            await at_rosa.answer()
            await asyncio.sleep(2)
            await at_rosa.press("1")
            await call.hears(ROSA_HZ, 8)
            await at_rosa.hears(CALLER_HZ, 3)

            assert 13 <= rang_after <= 25
            limit = 3.0 if state == "dead" else 5.0
            talked_at = time.monotonic()
            assert call.silences(call.invited_at, talked_at, longer_than_s=limit) == []
            heard = call.heard(call.answered_at, call.answered_at + 12)
            assert line.likeness(heard, "fr/secours-accueil") >= 0.8
            await call.hang_up()
            await at_rosa.ended(2)
        finally:
            if state == "hung":
                line.signal_all(signal.SIGCONT)
                os.killpg(line.process.pid, signal.SIGKILL)
                line.process.wait(10)
                line.process = None
            await line.start()


async def test_a_voicemail_that_answers_the_on_call_ring_does_not_take_the_caller(
    line: Line,
) -> None:
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        line.agent("remy", hz=REMY_HZ) as remy,
        line.caller(hz=CALLER_HZ) as telephone,
    ):
        await on_call(line, "remy&rosa")
        line.kill()
        rosa.phone.answering = "auto"  # a voicemail: it answers, speaks, and presses nothing
        call = await telephone.call(NUMBER)
        await call.answered(2)
        at_remy = await remy.ring(30)
        at_voicemail = await rosa.ring(2)
        await at_voicemail.answered(3)
        await asyncio.sleep(5)
        assert at_remy.state == "ringing"
        await at_remy.answer()
        await asyncio.sleep(1)
        await at_remy.press("1")
        await call.hears(REMY_HZ, 8)
        await at_voicemail.ended(12)
        await call.hang_up()
        await line.start()


async def test_an_on_call_phone_picked_up_and_hung_up_does_not_take_the_caller(line: Line) -> None:
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        line.agent("remy", hz=REMY_HZ) as remy,
        line.caller(hz=CALLER_HZ) as telephone,
    ):
        await on_call(line, "remy&rosa")
        remy.phone.answering = "ignore"
        line.kill()
        call = await telephone.call(NUMBER)
        await call.answered(2)
        at_rosa = await rosa.ring(30)
        await at_rosa.answer()
        await asyncio.sleep(0.5)  # she is being told to press 1
        await at_rosa.hang_up()
        again = await rosa.ring(30)
        await again.answer()
        await asyncio.sleep(1)
        await again.press("1")
        await call.hears(ROSA_HZ, 8)
        assert call.silences(call.answered_at, time.monotonic(), longer_than_s=3.0) == []
        await asyncio.sleep(11)
        left_at = time.monotonic()
        await again.hang_up()
        await call.ended(10)
        assert line.likeness(call.heard(left_at), "fr/au-revoir") >= 0.8
        await line.start()


async def test_an_agent_who_hangs_up_before_the_talk_leaves_the_caller_their_music(
    line: Line,
) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa, line.caller(hz=CALLER_HZ) as telephone:
        call = await telephone.call(NUMBER)
        at_rosa = await rosa.ring(10)
        await at_rosa.answer()
        await asyncio.sleep(0.2)  # the caller is being told what must be told
        await at_rosa.hang_up()
        again = await rosa.ring(20)
        await asyncio.sleep(8)  # the word for those who lost somebody, and what comes after it
        assert call.silences(call.answered_at + 0.1, longer_than_s=1.5) == []
        await again.decline()
        await call.hang_up()


async def test_fault_5_an_agent_who_hangs_up_while_the_controller_is_dead_strands_nobody(
    line: Line,
) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa, line.caller(hz=CALLER_HZ) as telephone:
        call = await telephone.call(NUMBER)
        pop = (await rosa.sees("call.offered"))["data"]
        at_rosa = await rosa.ring()
        await at_rosa.answer()
        await call.hears(ROSA_HZ, 10)
        line.kill()
        await asyncio.sleep(1)
        left_at = time.monotonic()
        await at_rosa.hang_up()
        await asyncio.sleep(6)
        assert call.state == "up"
        assert call.silences(left_at, time.monotonic(), longer_than_s=3.0) == []
        await line.start()
        # Back in our hands: offered again within one round of the dialplan.
        async with line.agent("rosa", hz=ROSA_HZ) as rosa_again:
            again = (await rosa_again.sees("call.offered", 20))["data"]
            assert again["call"]["id"] == pop["call"]["id"]
            await call.hang_up()
            record = await line.closed_record(pop["call"]["id"])
            assert record["outcome"] == "talked"
