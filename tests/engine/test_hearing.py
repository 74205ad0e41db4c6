"""One-way sound and silent calls, with real sound: what the agent is told, and how soon."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from cti.rehearsal.phone import PhoneCall
from tests.line import NUMBER, Desk, Line
from tests.scenes import CALLER_HZ, ROSA_HZ, nothing_left

TOLD_SECONDS_MAX = 10.0
HEARD_AGAIN_SECONDS_MAX = 5.0


async def taken(
    line: Line, rosa: Desk, call: PhoneCall, *, mute: bool = False
) -> tuple[PhoneCall, str]:
    """Rosa answers: (her call, its id). ``mute``: her microphone is off from the first."""
    pop = (await rosa.sees("call.offered", 8))["data"]
    at_rosa = await rosa.ring()
    if mute:
        at_rosa.mute()
    await at_rosa.answer()
    await rosa.sees("call.connected", 10)
    return at_rosa, pop["call"]["id"]


async def told(rosa: Desk, seconds_max: float = TOLD_SECONDS_MAX) -> dict[str, Any]:
    """What the screen is next told of the sound."""
    data: dict[str, Any] = (await rosa.sees("call.sound", seconds_max))["data"]
    return data


def sounds(rosa: Desk) -> list[str | None]:
    return [f["data"]["problem"] for _, f in rosa.frames if f["type"] == "call.sound"]


async def test_of_two_who_hear_each_other_nothing_is_told(line: Line) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa, line.caller(hz=CALLER_HZ) as telephone:
        call = await telephone.call(NUMBER)
        at_rosa, _ = await taken(line, rosa, call)
        await at_rosa.hears(CALLER_HZ, 3)
        await asyncio.sleep(14)
        assert sounds(rosa) == []
        await call.hang_up()
        await nothing_left(line)


async def test_an_agent_whose_phone_sends_nothing_is_told_within_ten_seconds(line: Line) -> None:
    async with (
        line.agent("rosa", hz=ROSA_HZ, early_rtp=False) as rosa,
        line.caller(hz=CALLER_HZ) as telephone,
    ):
        call = await telephone.call(NUMBER)
        at_rosa, call_id = await taken(line, rosa, call)
        sound = await told(rosa)
        assert (sound["call"]["id"], sound["problem"]) == (call_id, "no_voice")
        assert "On ne vous entend pas" in sound["advice"]
        at_rosa.start_rtp()
        assert (await told(rosa, HEARD_AGAIN_SECONDS_MAX))["problem"] is None
        await call.hears(ROSA_HZ, 2)

        at_rosa.stop_rtp()  # in the middle of the talk
        stopped_at = time.monotonic()
        assert (await told(rosa))["problem"] == "no_voice"
        assert time.monotonic() - stopped_at < TOLD_SECONDS_MAX
        at_rosa.start_rtp()
        assert (await told(rosa, HEARD_AGAIN_SECONDS_MAX))["problem"] is None
        await call.hang_up()
        await nothing_left(line)


async def test_a_microphone_that_sends_silence_is_told_of_until_it_is_heard(line: Line) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa, line.caller(hz=CALLER_HZ) as telephone:
        call = await telephone.call(NUMBER)
        at_rosa, _ = await taken(line, rosa, call, mute=True)
        sound = await told(rosa)
        assert sound["problem"] == "no_voice"
        at_rosa.unmute()
        assert (await told(rosa, HEARD_AGAIN_SECONDS_MAX))["problem"] is None
        at_rosa.mute()  # they listen
        await asyncio.sleep(12)
        assert sounds(rosa) == ["no_voice", None]
        await call.hang_up()
        await nothing_left(line)


async def test_a_caller_who_says_nothing_starts_the_guide_and_their_keys_are_shown(
    line: Line,
) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa, line.caller(hz=CALLER_HZ) as telephone:
        call = await telephone.call(NUMBER)
        call.mute()
        await taken(line, rosa, call)
        sound = await told(rosa)
        assert sound["problem"] == "caller_silent"
        assert len(sound["say"]) > 3
        await call.press("55")
        shown = (await rosa.sees("call.updated", 2))["data"]["call"]["keys"]
        if shown == ["5"]:
            shown = (await rosa.sees("call.updated", 2))["data"]["call"]["keys"]
        assert shown == ["5", "5"]
        call.unmute()
        assert (await told(rosa, HEARD_AGAIN_SECONDS_MAX))["problem"] is None
        await call.hang_up()
        await nothing_left(line)


async def test_a_caller_whose_sound_does_not_arrive_is_told_of(line: Line) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa, line.caller(hz=CALLER_HZ) as telephone:
        call = await telephone.call(NUMBER)
        at_rosa, _ = await taken(line, rosa, call)
        await at_rosa.hears(CALLER_HZ, 3)
        call.stop_rtp()
        assert (await told(rosa))["problem"] == "caller_silent"
        call.start_rtp()
        assert (await told(rosa, HEARD_AGAIN_SECONDS_MAX))["problem"] is None
        await call.hang_up()
        await nothing_left(line)


@pytest.mark.parametrize("speaks", [True, False])
async def test_after_a_restart_it_goes_on(line: Line, speaks: bool) -> None:
    async with line.caller(hz=CALLER_HZ) as telephone:
        async with line.agent("rosa", hz=ROSA_HZ) as rosa:
            call = await telephone.call(NUMBER)
            at_rosa, _ = await taken(line, rosa, call, mute=not speaks)
            await at_rosa.hears(CALLER_HZ, 3)
            line.kill()
            await line.start()
            async with Desk.sign_in(line, "rosa", rosa.phone) as again:
                if speaks:
                    await asyncio.sleep(12)
                    assert sounds(again) == []
                else:
                    assert (await told(again))["problem"] == "no_voice"
                await call.hang_up()
                await nothing_left(line)


# -- closed kindly


@pytest.mark.parametrize(
    ("why", "sentence", "disposition"),
    [
        ("abusive", "fr/fermeture-bienveillante", "hors-sujet"),
        ("silent", "fr/fermeture-silencieuse", "silencieux"),
    ],
)
async def test_a_call_closed_kindly_frees_the_agent_and_is_told_so(
    line: Line, why: str, sentence: str, disposition: str
) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa, line.caller(hz=CALLER_HZ) as telephone:
        call = await telephone.call(NUMBER)
        at_rosa, call_id = await taken(line, rosa, call)
        await call.hears(ROSA_HZ, 3)
        closed_at = time.monotonic()
        assert (await rosa.does("call.close", call=call_id, why=why))["ok"]
        await at_rosa.ended(1)
        assert (await rosa.sees("call.ended", 1))["data"]["reason"] == "ended"
        await rosa.becomes("WRAP_UP")
        (wrap_up,) = [
            f["data"]["wrap_up"]
            for _, f in rosa.frames
            if f["type"] == "presence.changed" and f["data"]["presence"] == "WRAP_UP"
        ]
        assert wrap_up["form"] is False
        await call.ended(30)
        assert line.likeness(call.heard(closed_at, call.ended_at), sentence) >= 0.8
        assert call.silences(closed_at, call.ended_at, longer_than_s=1.5) == []
        await nothing_left(line)
        record = await line.closed_record(call_id)
        assert (record["outcome"], record["ended_by"]) == ("talked", "agent")
        assert record["disposition"] == disposition


async def test_a_key_in_the_silent_sentence_brings_somebody_again(line: Line) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa, line.caller(hz=CALLER_HZ) as telephone:
        call = await telephone.call(NUMBER)
        _, call_id = await taken(line, rosa, call)
        await call.hears(ROSA_HZ, 3)
        assert (await rosa.does("call.close", call=call_id, why="silent"))["ok"]
        await rosa.sees("call.ended")
        await asyncio.sleep(2)
        await call.press("1")
        await rosa.be("READY")
        again = (await rosa.sees("call.offered", 8))["data"]
        assert again["call"]["id"] == call_id
        await (await rosa.ring()).answer()
        await call.hears(ROSA_HZ, 5)
        await call.hang_up()
        await nothing_left(line)
