"""One whole call on the real engine, INVITE to record, as anybody can read it."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

import pytest

from cti.rehearsal.sound import RATE, correlation, read_wav
from tests.line import NUMBER, Line, a_line

CALLER_HZ, ROSA_HZ, LEA_HZ = 440, 800, 1200


async def test_a_caller_is_greeted_talks_to_a_regulator_then_to_a_listener_and_one_record_exists(
    line: Line,
) -> None:
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        line.agent("lea", hz=LEA_HZ) as lea,
        line.caller(hz=CALLER_HZ) as telephone,
    ):
        call = await telephone.call(NUMBER)
        await call.answered(2)

        # The regulator's screen pops and is acked, then the phone rings; no key was pressed.
        pop = (await rosa.sees("call.offered"))["data"]
        at_rosa = await rosa.ring()
        assert rosa.acked[pop["offer"]] < at_rosa.invited_at
        call_id = pop["call"]["id"]
        assert pop["call"]["tier"] == "regulators"
        assert pop["call"]["handover"] is None
        assert not any(frame["type"] == "call.offered" for _, frame in lea.frames)

        # Meanwhile the caller has heard the built prompt, at once.
        await asyncio.sleep(4.5)
        heard = call.heard(call.answered_at, call.answered_at + 6)
        assert line.likeness(heard, "fr/accueil") >= 0.8
        _, lag = correlation(heard, read_wav(line.sounds / "fr/accueil.wav"))
        assert call.first_rtp_at - call.invited_at < 1.0
        assert lag < 1.0

        await at_rosa.answer()
        await rosa.sees("call.connected", 8)
        await at_rosa.hears(CALLER_HZ, 3)
        await call.hears(ROSA_HZ, 3)

        result = await rosa.does(
            "call.orient", call=call_id, to={"line": "listeners"}, handover="Parle bas."
        )
        assert result["ok"]
        pop = (await lea.sees("call.offered"))["data"]
        at_lea = await lea.ring()
        assert lea.acked[pop["offer"]] < at_lea.invited_at
        assert pop["call"]["id"] == call_id
        assert pop["call"]["handover"] == "Parle bas."
        assert pop["call"]["path"] == ["regulators"]
        await at_rosa.ended(2)
        assert (await rosa.sees("call.ended"))["data"]["call"]["id"] == call_id
        await rosa.becomes("WRAP_UP")
        result = await rosa.does("wrapup.done", call=call_id, disposition="orientation")
        assert result["ok"]

        await at_lea.answer()
        await lea.sees("call.connected", 8)
        await at_lea.hears(CALLER_HZ, 3)
        await call.hears(LEA_HZ, 3)

        await call.hang_up()
        hung_up_at = time.time()
        await at_lea.ended(1)
        await lea.sees("call.ended")
        record = await line.closed_record(call_id)

    assert record["outcome"] == "talked"
    assert record["ended_by"] == "caller"
    assert abs(datetime.fromisoformat(record["ended_at"] + "+00:00").timestamp() - hung_up_at) < 1
    assert record["started_at"] < record["answered_at"] < record["ended_at"]
    assert [leg["agent_id"] for leg in record["legs"]] == ["rosa", "lea"]
    assert [leg["outcome"] for leg in record["legs"]] == ["talked", "talked"]


async def test_an_answer_stops_the_prompt_that_may_be_cut(line: Line) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa, line.caller(hz=CALLER_HZ) as telephone:
        call = await telephone.call(NUMBER)
        await call.answered(2)
        at_rosa = await rosa.ring()
        # The greeting, which is never cut, is over; the offer of English has just begun.
        greeting = len(read_wav(line.sounds / "fr/accueil.wav")) / RATE
        await asyncio.sleep(call.answered_at + greeting + 0.4 - time.monotonic())
        await at_rosa.answer()
        answered_at = time.monotonic()
        await call.hears(ROSA_HZ, 4)

        assert time.monotonic() - answered_at < 1.0
        await call.hang_up()


async def test_the_greeting_is_heard_whole_while_the_agent_is_told_that_a_caller_comes(
    line: Line,
) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa, line.caller(hz=CALLER_HZ) as telephone:
        call = await telephone.call(NUMBER)
        await call.answered(2)
        at_rosa = await rosa.ring()
        await at_rosa.answer()
        await rosa.sees("call.connected", 8)

        heard = call.heard(call.answered_at, time.monotonic())
        greeting = read_wav(line.sounds / "fr/accueil.wav")
        assert line.likeness(heard, "fr/accueil") >= 0.8
        assert len(heard) >= len(greeting)
        told = at_rosa.heard(at_rosa.answered_at, at_rosa.answered_at + 2)
        assert line.likeness(told, "fr/un-appel-arrive") >= 0.6
        await call.hang_up()


async def test_the_caller_is_at_once_in_sound_and_stays_so_until_the_talk(line: Line) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa, line.caller(hz=CALLER_HZ) as telephone:
        call = await telephone.call(NUMBER)
        await call.answered(2)
        at_rosa = await rosa.ring()
        await asyncio.sleep(5)
        await at_rosa.answer()
        await call.hears(ROSA_HZ, 5)
        await asyncio.sleep(1)

        # Prompts breathe between sentences; a second of nothing is a caller left alone.
        assert call.silences(call.answered_at + 0.1, time.monotonic(), longer_than_s=1.0) == []
        assert call.gaps(call.answered_at + 0.1, time.monotonic(), longer_than_s=0.3) == []


async def test_a_closed_line_says_so_and_ends_by_itself(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    data = tmp_path_factory.mktemp("closed")
    async with a_line(data, flow="demo-ferme.yaml") as line:
        async with line.agent("rosa") as rosa, line.caller() as telephone:
            call = await telephone.call(NUMBER)
            await call.answered(2)
            await call.ended(40)
            heard = call.heard(call.answered_at, call.ended_at)
            assert line.likeness(heard, "fr/ferme") >= 0.8
            assert call.ended_by == "them"
            assert not any(frame["type"] == "call.offered" for _, frame in rosa.frames)
