"""A surge of callers, or of one number: they are told, kept in order, and never dropped."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import select

from cti.records.database import create_database
from cti.records.models import Event
from cti.rehearsal.phone import Phone, PhoneCall
from cti.rehearsal.sound import RATE, read_wav
from tests.engine.test_load import closed_since, crowd, percentile, serve
from tests.line import NUMBER, Desk, Line, a_line, likeness

pytestmark = pytest.mark.alone

SURGE, A_SECOND = 50, 4  # callers; usually one comes every four seconds, for two agents
RECOGNISED, NOT_HEARD = 0.8, 0.7
RECOGNISED_BY_SECONDS = 5.0  # the beginning of a prompt
LOOKED_EVERY_SECONDS = 2.0  # recognising costs this machine more than the line does
ANSWERED_MS_MAX = 1000
PING_MS_MAX = 250  # 99 of 100, and no machine of our own
FLOODER, FLOODER_HZ, OTHER_HZ = "0199000042", 440, 520
ROSA_HZ, REMY_HZ = 800, 1600


def recognised(line: Line, call: PhoneCall, prompt: str) -> float:
    """How well the beginning of a prompt was heard in a call so far."""
    reference = read_wav(line.sounds / f"fr/{prompt}.wav")
    beginning = reference[: round(RECOGNISED_BY_SECONDS * RATE)]
    assert call.answered_at is not None
    return likeness(call.heard(call.answered_at), beginning)


async def until_recognised(
    line: Line, call: PhoneCall, prompt: str, seconds_max: float = 40
) -> None:
    """Wait until the beginning of a prompt has been heard in a call."""
    until = time.monotonic() + seconds_max
    while (best := await asyncio.to_thread(recognised, line, call, prompt)) < RECOGNISED:
        assert time.monotonic() < until, f"{prompt}: {best:.2f}\n{line.tail()}"
        await asyncio.sleep(LOOKED_EVERY_SECONDS)


async def dials(phone: Phone) -> PhoneCall:
    """A call of this phone to the line, answered."""
    call = await phone.call(NUMBER)
    await call.answered(ANSWERED_MS_MAX / 1000)
    return call


async def take(desk: Desk) -> str:
    """The next call that reaches this agent, connected: its id."""
    call_id: str = (await desk.sees("call.offered", 30))["data"]["call"]["id"]
    await desk.sees("call.connected", 15)
    return call_id


async def finish(desk: Desk, call_id: str) -> None:
    """End a call and its wrap-up."""
    assert (await desk.does("call.end", call=call_id))["ok"]
    await desk.sees("call.ended")
    assert (await desk.does("wrapup.done", call=call_id, disposition="ecoute"))["ok"]


@asynccontextmanager
async def pinged(line: Line) -> AsyncIterator[list[float]]:
    """The milliseconds that the controller took to answer, ten times a second meanwhile."""
    took: list[float] = []

    async def ping() -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                began = time.monotonic()
                async with session.get(f"{line.web}/health") as reply:
                    assert reply.status == 200
                took.append((time.monotonic() - began) * 1000)
                await asyncio.sleep(0.1)

    pinging = asyncio.create_task(ping())
    yield took
    pinging.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await pinging


async def events(line: Line, *types: str) -> list[str]:
    """The events of these types, in their order."""
    database = create_database(line.settings.database)
    try:
        async with database.sessions() as session:
            wanted = select(Event.type).where(Event.type.in_(types)).order_by(Event.id)
            return list(await session.scalars(wanted))
    finally:
        await database.close()


@pytest.mark.timeout(150)
async def test_fault_25_in_a_surge_all_are_answered_the_crowd_is_told_and_nobody_loses_their_place(
    tmp_path: Path,
) -> None:
    began_at = datetime.now(UTC)
    async with (
        a_line(tmp_path / "line") as line,
        line.agent("rosa", hz=ROSA_HZ, answering="auto") as rosa,
        line.agent("remy", hz=REMY_HZ, answering="auto") as remy,
        AsyncExitStack() as homes,
    ):
        phones = [
            await homes.enter_async_context(line.caller(f"01990000{number}"))
            for number in range(60, 66)
        ]
        # Two are listened to, a third waits: no crowd yet.
        talking = [await dials(phone) for phone in phones[:2]]
        taken = await asyncio.gather(take(rosa), take(remy))
        first = await dials(phones[2])
        async with pinged(line) as pings, asyncio.TaskGroup() as tasks:
            sipp = tasks.create_task(crowd(line, tmp_path, SURGE, 100, a_second=A_SECOND))
            in_the_crowd = []
            for phone, present in zip(phones[3:5], (12, 24), strict=True):
                await line.until(
                    lambda count=present: len(line.channels()) >= 4 + count, 15, "a crowd"
                )
                in_the_crowd.append(await dials(phone))
            for call in in_the_crowd:
                await until_recognised(line, call, "forte-affluence")
            to_the_first = await asyncio.to_thread(recognised, line, first, "forte-affluence")
            assert to_the_first < NOT_HEARD
            await until_recognised(line, first, "patience", 1)
            for call in (first, *in_the_crowd):
                await until_recognised(line, call, "accueil", 1)
                assert call.silences(call.answered_at + 0.1, longer_than_s=1.5) == []
            served: list[str] = []
            for desk, call_id in zip((rosa, remy), taken, strict=True):
                await finish(desk, call_id)
            agents = [tasks.create_task(serve(desk, served)) for desk in (rosa, remy)]
            await line.until(lambda: len(served) == SURGE + 3, 45, "all are served")
            for agent in agents:
                agent.cancel()
            # The crowd is over: who calls now hears the ordinary waiting.
            rosa.phone.answering = remy.phone.answering = "ring"
            late = await dials(phones[5])
            await until_recognised(line, late, "patience")
            assert recognised(line, late, "forte-affluence") < NOT_HEARD
            await late.hang_up()
            answered_ms = await sipp
        for call in (*talking, first, *in_the_crowd):
            await call.ended(20)

        records = await closed_since(line, began_at, SURGE + 6)
        assert len(records) == SURGE + 6
        *others, last = records
        assert {(record["outcome"], record["ended_by"]) for record in others} == {
            ("talked", "agent")
        }
        assert (last["outcome"], last["ended_by"]) == ("abandoned", "caller")
        assert sorted([*taken, *served]) == sorted(record["id"] for record in others)
        # The first two had an agent each, and waited for nobody.
        rung_at = [record["legs"][0]["rung_at"] for record in others[2:]]
        assert rung_at == sorted(rung_at)
        assert len(answered_ms) == SURGE
        assert max(answered_ms) < ANSWERED_MS_MAX
        assert percentile(pings, 99) < PING_MS_MAX, (percentile(pings, 50), max(pings))
        assert len(await events(line, "line.crowded")) > SURGE / 2


@pytest.mark.timeout(150)
async def test_fault_26_a_number_that_floods_the_line_keeps_five_calls_and_harms_no_other(
    tmp_path: Path,
) -> None:
    began_at = datetime.now(UTC)
    async with (
        a_line(tmp_path / "line", FIL_SAME_NUMBER_PER_HOUR_MAX="8") as line,
        line.agent("rosa", hz=ROSA_HZ, answering="auto") as rosa,
        line.caller(FLOODER, hz=FLOODER_HZ) as flooder,
        line.caller("0353010011", hz=OTHER_HZ) as other,
    ):
        await dials(other)
        with_rosa = await take(rosa)
        flood = [await flooder.call(NUMBER) for _ in range(8)]
        for call in flood:
            await call.answered(1)
        meanwhile = await dials(other)

        # Three hear why and end by it; five wait, and so does the other number.
        over = [asyncio.create_task(call.ended(40)) for call in flood]
        await line.until(lambda: sum(done.done() for done in over) == 3, 40, "three turned away")
        turned_away = [call for call in flood if call.state == "ended"]
        for call in turned_away:
            await until_recognised(line, call, "appels-en-cours", 1)
            assert (call.ended_by, call.end_status) == ("them", "BYE")
        waiting = [call for call in flood if call.state == "up"]
        for call in (*waiting, meanwhile):
            await until_recognised(line, call, "accueil", 1)
            assert recognised(line, call, "appels-en-cours") < NOT_HEARD
            assert call.silences(call.answered_at + 0.1, longer_than_s=1.5) == []

        # One more of this number, too many in an hour, and then somebody else: both are kept.
        await waiting[0].hang_up()
        await line.until(lambda: len(line.channels()) == 7, 3, "room for one more")
        ninth = await dials(flooder)
        after_it = await dials(other)
        await until_recognised(line, ninth, "accueil")
        await until_recognised(line, after_it, "accueil")
        heard_in_order = []
        for _ in range(7):
            await finish(rosa, with_rosa)
            with_rosa = await take(rosa)
            heard_in_order.append(await who_is_heard(rosa))
        assert heard_in_order == [FLOODER_HZ] * 4 + [OTHER_HZ] * 2 + [FLOODER_HZ]
        await ninth.hears(ROSA_HZ, 2)
        await finish(rosa, with_rosa)
        for task in over:
            task.cancel()

        for phone in (flooder, other):
            for call in phone.calls:
                await call.hang_up()
        records = await closed_since(line, began_at, 12)
        outcomes = sorted((record["outcome"], record["ended_by"]) for record in records)
        assert outcomes.count(("duplicate", "line")) == 3
        assert sum(outcome == "talked" for outcome, _ in outcomes) == 8
        assert outcomes.count(("abandoned", "caller")) == 1
        assert len(records) == 12
        found = await events(line, "call.duplicate", "call.frequent")
        assert found == ["call.duplicate"] * 3 + ["call.frequent"]


async def who_is_heard(desk: Desk) -> int:
    """Whose tone this agent hears in the call just connected."""
    call = desk.phone.calls[-1]
    until = time.monotonic() + 5
    while time.monotonic() < until:
        for hz in (FLOODER_HZ, OTHER_HZ):
            with contextlib.suppress(TimeoutError):
                await call.hears(hz, 0.1)
                return hz
    raise AssertionError(f"{desk.name} hears nobody\n{desk.line.tail()}")


async def test_fault_26_calls_taken_back_after_a_kill_still_count_for_their_number(
    tmp_path: Path,
) -> None:
    began_at = datetime.now(UTC)
    one_at_once = {"FIL_SAME_NUMBER_AT_ONCE_MAX": "1", "FIL_RING_SECONDS_MAX": "60"}
    async with (
        a_line(tmp_path / "line", **one_at_once) as line,
        line.caller(FLOODER, hz=FLOODER_HZ) as flooder,
        line.caller("0353010011", hz=OTHER_HZ, privacy=True) as withheld,
    ):
        async with line.agent("rosa", hz=ROSA_HZ):
            kept = [await dials(flooder)]
            kept += [await dials(withheld) for _ in range(4)]
            await line.until(
                lambda: line.log_path.read_text().count("call.opened") == 5, 2, "all are written"
            )
            line.kill()
        await line.start()
        async with line.agent("rosa", hz=ROSA_HZ):
            too_many = await dials(flooder)
            # Taken back they come first, so that no crowd stands before them.
            for call in kept:
                await until_recognised(line, call, "patience", 20)
            kept.append(await dials(withheld))
            await until_recognised(line, too_many, "appels-en-cours", 15)
            await too_many.hang_up()
            assert {call.state for call in kept} == {"up"}
            for call in kept:
                await call.hang_up()
        records = await closed_since(line, began_at, 7)
        assert sorted((record["outcome"], record["ended_by"]) for record in records) == [
            *[("abandoned", "caller")] * 6,
            ("duplicate", "caller"),
        ]
