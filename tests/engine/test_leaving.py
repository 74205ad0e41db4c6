"""Whoever leaves, whenever: nothing is left behind, and the caller is never left alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from cti.records.database import create_database
from cti.records.privacy import Keys
from cti.records.reports import latest_call_of
from cti.rehearsal.phone import PhoneCall
from tests.line import NUMBER, Desk, Line

CALLER_HZ, ROSA_HZ, LEA_HZ, REMY_HZ = 440, 800, 1200, 1600


@asynccontextmanager
async def a_talk(line: Line, rosa: Desk) -> AsyncIterator[tuple[PhoneCall, PhoneCall, str]]:
    """A caller and Rosa, talking: (caller's call, Rosa's call, id)."""
    async with line.caller(hz=CALLER_HZ) as telephone:
        call = await telephone.call(NUMBER)
        await call.answered(2)
        pop = (await rosa.sees("call.offered"))["data"]
        at_rosa = await rosa.ring()
        await at_rosa.answer()
        await rosa.sees("call.connected", 10)
        await call.hears(ROSA_HZ, 3)
        await at_rosa.hears(CALLER_HZ, 3)
        yield call, at_rosa, pop["call"]["id"]


async def nothing_left(line: Line, seconds_max: float = 1.5) -> None:
    await line.until(line.is_quiet, seconds_max, "all freed")


async def outcome(line: Line, call_id: str) -> tuple[str, str]:
    record = await line.closed_record(call_id)
    return record["outcome"], record["ended_by"]


async def test_a_caller_who_leaves_in_the_greeting_rings_nobody(line: Line) -> None:
    async with line.agent("rosa") as rosa, line.caller("0199000043") as telephone:
        call = await telephone.call(NUMBER)
        await call.answered(2)
        await asyncio.sleep(0.8)
        await call.hang_up()
        left_at = datetime.now(UTC)

        await nothing_left(line)
        keys = Keys.load_or_create(line.settings.data / "secrets")
        database = create_database(line.settings.database)
        await asyncio.sleep(2.5)
        record = await latest_call_of(database, keys, telephone.user)
        await database.close()
        assert record is not None
        assert (record["outcome"], record["ended_by"]) == ("abandoned", "caller")
        assert record["answered_at"] is None
        assert abs((record["ended_at"] - left_at).total_seconds()) < 1
        assert record["legs"] == []
        assert rosa.phone.calls == []
        assert not any(frame["type"] == "call.offered" for _, frame in rosa.frames)


async def test_an_agent_who_hangs_up_ends_the_talk_kindly(line: Line) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa:
        async with a_talk(line, rosa) as (call, at_rosa, call_id):
            await asyncio.sleep(10.5)  # sooner, it would pass for a lost phone
            await at_rosa.hang_up()
            said_from = time.monotonic()
            await call.ended(25)

            heard = call.heard(said_from, call.ended_at)
            for prompt in ("fin-de-conversation", "au-revoir"):
                assert line.likeness(heard, f"fr/{prompt}") >= 0.8, prompt
            assert call.silences(said_from, call.ended_at, longer_than_s=1.5) == []
            assert rosa.presence()[0] in ("WRAP_UP", "READY")
            assert await outcome(line, call_id) == ("talked", "agent")


async def test_after_the_agent_has_left_a_key_brings_somebody_again(line: Line) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa, a_talk(line, rosa) as (call, _, call_id):
        result = await rosa.does("call.end", call=call_id)
        assert result["ok"]
        await rosa.sees("call.ended")
        await asyncio.sleep(1)
        await call.press("1")
        assert (await rosa.does("wrapup.done", call=call_id, disposition="autre"))["ok"]

        again = (await rosa.sees("call.offered", 8))["data"]
        assert again["call"]["id"] == call_id
        at_rosa = await rosa.ring()
        await at_rosa.answer()
        await rosa.sees("call.connected")
        await call.hears(ROSA_HZ, 3)
        await call.hang_up()
        await nothing_left(line)


@pytest.mark.parametrize("loss", ["bye at once", "dead line"])
async def test_a_lost_agent_is_rung_again_while_the_caller_is_cared_for(
    line: Line, loss: str
) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa:
        async with a_talk(line, rosa) as (call, at_rosa, call_id):
            lost_at = time.monotonic()
            if loss == "bye at once":
                await at_rosa.hang_up()
            else:
                at_rosa.vanish()  # no more sound, no more signalling: seen by rtp_timeout
            assert (await rosa.sees("call.ended", 22))["data"]["reason"] == "lost"
            again = (await rosa.sees("call.offered", 3))["data"]
            assert again["call"]["id"] == call_id
            at_rosa = await rosa.ring(20)
            await asyncio.sleep(2.5)
            told_from = time.monotonic() - 4 if loss == "dead line" else lost_at
            cared = call.heard(told_from, time.monotonic())
            assert line.likeness(cared, "fr/ne-quittez-pas") >= 0.5
            await at_rosa.answer()
            await rosa.sees("call.connected", 5)
            await call.hears(ROSA_HZ, 3)
            await call.hang_up()
            await nothing_left(line)
            record = await line.closed_record(call_id)
            assert [leg["outcome"] for leg in record["legs"]] == ["lost", "talked"]


async def test_a_phone_that_is_gone_and_mute_is_noticed_before_the_engine_notices(
    line: Line,
) -> None:
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        line.agent("remy", hz=REMY_HZ, answering="auto") as remy,
        a_talk(line, rosa) as (call, at_rosa, call_id),
    ):
        await rosa.phone.unregister()
        await asyncio.sleep(7)
        await call.hears(ROSA_HZ, 1)  # known nowhere, but still speaking: they go on talking
        mute_from = time.monotonic()
        at_rosa.stop_rtp()
        assert (await rosa.sees("call.ended", 14))["data"]["reason"] == "lost"
        assert time.monotonic() - mute_from < 12  # the engine itself takes 15 s

        await remy.sees("call.connected", 15)  # rosa cannot be rung: the next one is
        await call.hears(REMY_HZ, 3)
        await call.hang_up()
        record = await line.closed_record(call_id)
        assert [leg["outcome"] for leg in record["legs"]] == ["lost", "withdrawn", "talked"]


async def test_a_listener_who_ends_the_call_on_screen_says_goodbye_and_frees_everything(
    line: Line,
) -> None:
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        line.agent("lea", hz=LEA_HZ, answering="auto") as lea,
        a_talk(line, rosa) as (call, _, call_id),
    ):
        result = await rosa.does("call.orient", call=call_id, to={"agent": "lea"}, handover=None)
        assert result["ok"]
        await lea.sees("call.connected", 8)
        await call.hears(LEA_HZ, 3)
        said_from = time.monotonic()
        assert (await lea.does("call.end", call=call_id))["ok"]
        await call.ended(25)
        assert line.likeness(call.heard(said_from, call.ended_at), "fr/au-revoir") >= 0.8
        await nothing_left(line)
        record = await line.closed_record(call_id)
        assert (record["outcome"], record["ended_by"]) == ("talked", "agent")
        assert [leg["agent_id"] for leg in record["legs"]] == ["rosa", "lea"]


async def test_a_listener_whose_phone_hangs_up_leaves_one_record_with_the_right_end(
    line: Line,
) -> None:
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        line.agent("lea", hz=LEA_HZ) as lea,
        a_talk(line, rosa) as (call, _, call_id),
    ):
        assert (await rosa.does("call.orient", call=call_id, to={"line": "listeners"}))["ok"]
        at_lea = await lea.ring()
        await at_lea.answer()
        await call.hears(LEA_HZ, 3)
        await asyncio.sleep(10.5)  # sooner, it would pass for a lost phone
        await at_lea.hang_up()
        await call.ended(25)
        ended_at = datetime.now(UTC)

        await nothing_left(line)
        record = await line.closed_record(call_id)
        assert (record["outcome"], record["ended_by"]) == ("talked", "agent")
        written = datetime.fromisoformat(record["ended_at"] + "+00:00")
        assert abs((written - ended_at).total_seconds()) < 1
        assert [leg["outcome"] for leg in record["legs"]] == ["talked", "talked"]


async def test_somebody_who_comes_while_nobody_is_said_to_be_here_has_the_caller(
    line: Line,
) -> None:
    async with line.caller(hz=CALLER_HZ) as telephone:
        call = await telephone.call(NUMBER)
        await call.answered(2)
        await line.until(
            lambda: line.likeness(call.heard(call.answered_at), "fr/accueil") > 0.8, 8, "greeted"
        )
        await asyncio.sleep(7)  # they are being told that nobody is here
        async with line.agent("rosa", hz=ROSA_HZ, answering="auto"):
            await call.hears(ROSA_HZ, 10)
            assert call.silences(call.answered_at + 0.1, longer_than_s=1.5) == []
            await call.hang_up()


async def test_nobody_on_duty_is_said_and_ends_with_a_spoken_goodbye(line: Line) -> None:
    async with line.caller() as telephone:
        call = await telephone.call(NUMBER)
        await call.answered(2)
        await call.ended(40)
        heard = call.heard(call.answered_at, call.ended_at)
        assert line.likeness(heard, "fr/personne-disponible") >= 0.8
        assert call.silences(call.answered_at + 0.1, call.ended_at, longer_than_s=1.5) == []


async def test_a_regulator_cannot_orient_to_a_line_where_nobody_is(line: Line) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa, a_talk(line, rosa) as (call, _, call_id):
        result: dict[str, Any] = await rosa.does(
            "call.orient", call=call_id, to={"line": "listeners"}, handover=None
        )
        assert result["ok"] is False
        assert result["error"]["code"] == "nobody_there"
        await call.hears(ROSA_HZ, 2)  # they are still talking
        await call.hang_up()
