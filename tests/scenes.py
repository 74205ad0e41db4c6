"""Scenes that tests of faults begin with: callers who know their records, talks, a quick line."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text

from cti import clock
from cti.records.database import create_database
from cti.records.privacy import Keys
from cti.records.privacy import Phone as Number
from cti.rehearsal.phone import Phone, PhoneCall
from ivr.versions import Versions
from tests.line import NUMBER, Desk, Line

CALLER_HZ, ROSA_HZ, LEA_HZ, REMY_HZ = 440, 800, 1200, 1600
_numbers = itertools.count(1000)


class Caller:
    """Somebody who calls the line under a number of their own, so that their records are known."""

    def __init__(self, line: Line, phone: Phone) -> None:
        self.line, self.phone = line, phone
        self.call: PhoneCall

    async def dials(self) -> PhoneCall:
        """Call the line, and be answered."""
        self.call = await self.phone.call(NUMBER)
        await self.call.answered(3)
        return self.call

    def silences(self, longer_than_s: float) -> list[tuple[float, float]]:
        """When they heard nothing, since they were answered: (seconds after the answer, length)."""
        answered_at = self.call.answered_at
        assert answered_at is not None
        until = self.call.ended_at or time.monotonic()
        found = self.call.silences(answered_at + 0.1, until, longer_than_s=longer_than_s)
        return [(round(at - answered_at, 2), round(seconds, 2)) for at, seconds in found]

    async def records(self) -> list[dict[str, Any]]:
        """Every record that bears their number, oldest first."""
        settings = self.line.settings
        ref = Keys.load_or_create(settings.data / "secrets").caller_ref(
            Number.parse(self.phone.user)
        )
        database = create_database(settings.database)
        try:
            async with database.sessions() as session:
                rows = await session.execute(
                    text("select id from calls where caller_ref = :ref order by started_at"),
                    {"ref": ref},
                )
                ids = [row[0] for row in rows]
        finally:
            await database.close()
        return [await self.line.record(id_) for id_ in ids]

    async def record(self, seconds_max: float = 5) -> dict[str, Any]:
        """Their one record, closed. Fails when there are two of it."""
        until = time.monotonic() + seconds_max
        while True:
            records = await self.records()
            assert len(records) <= 1, records
            if records and records[0]["ended_at"]:
                return records[0]
            assert time.monotonic() < until, f"no closed record: {records}\n{self.line.tail()}"
            await asyncio.sleep(0.1)

    async def outcome(self) -> tuple[str, str]:
        """How their one record says that it ended, and by whom."""
        record = await self.record()
        return record["outcome"], record["ended_by"]


@asynccontextmanager
async def a_caller(line: Line, hz: float = CALLER_HZ, **phone: Any) -> AsyncIterator[Caller]:
    """Somebody about to call."""
    number = f"019900{next(_numbers)}"
    async with Phone(number, server=line.server, tone_hz=hz, **phone) as telephone:
        yield Caller(line, telephone)


async def talk(caller: Caller, desk: Desk, hz: float) -> tuple[PhoneCall, str]:
    """Have the caller call, and this agent answer: (the agent's call, the call's id)."""
    await caller.dials()
    return await taken(caller, desk, hz)


async def taken(
    caller: Caller, desk: Desk, hz: float, seconds_max: float = 8
) -> tuple[PhoneCall, str]:
    """The agent is offered the caller, answers, and they hear each other."""
    pop = (await desk.sees("call.offered", seconds_max))["data"]
    at_desk = await desk.ring()
    await at_desk.answer()
    await desk.sees("call.connected", 10)
    await caller.call.hears(hz, 3)
    await at_desk.hears(CALLER_HZ, 3)
    return at_desk, pop["call"]["id"]


async def nothing_left(line: Line, seconds_max: float = 1.5) -> None:
    """Every channel and talk bridge of the engine is freed."""
    await line.until(line.is_quiet, seconds_max, "all freed")


class LogMark:
    """What the controller's log says from now on."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._from = line.log_path.stat().st_size

    def count(self, event: str) -> int:
        """How often an event stands there since."""
        return len(self.events(event))

    def events(self, event: str) -> list[dict[str, Any]]:
        """The rows of an event since."""
        rows = self._line.log_path.read_bytes()[self._from :].decode().splitlines()
        told = [json.loads(row) for row in rows if row.startswith("{")]
        return [row for row in told if row["event"] == event]

    async def sees(self, event: str, seconds_max: float, times: int = 1) -> float:
        """Wait until the event stands there so many times; returns the seconds it took."""
        return await self._line.until(lambda: self.count(event) >= times, seconds_max, event)


HEARD_FROM = 0.75  # 0.9999 when it is heard in full, up to 0.6 when it is not


def likeness(line: Line, call: PhoneCall, prompt: str) -> float:
    """How well the caller has heard a French prompt since the answer: 1.0 at best."""
    assert call.answered_at is not None
    return line.likeness(call.heard(call.answered_at), f"fr/{prompt}")


async def told(line: Line, call: PhoneCall, prompt: str, seconds_max: float) -> None:
    """Wait until the caller has heard a French prompt."""
    until = time.monotonic() + seconds_max
    while likeness(line, call, prompt) < HEARD_FROM:
        assert time.monotonic() < until, f"never heard {prompt}"
        await asyncio.sleep(0.5)


def add_quick_flow(line: Line, whole: bool = False) -> str:
    """Add a flow that rings at once and has short goodbyes; returns its name.

    An answer cuts its greeting, unless that is to be heard ``whole``.
    """
    flows = line.settings.data / "flows"
    quick = (flows / "demo.yaml").read_text()
    changes = {
        "ring_after: 2 s": "ring_after: 0 s",
        "notice: accueil": "notice: accueil" if whole else "say: accueil",
        "say: personne-disponible": "say: au-revoir",
    }
    for slow, fast in changes.items():
        assert slow in quick
        quick = quick.replace(slow, fast)
    name = "quick-whole" if whole else "quick"
    (flows / f"{name}.yaml").write_text(quick)
    versions = Versions(flows)
    if versions.current(name) is None:
        versions.publish(name, None, None, by="the tests", why="quick", at=clock.now())
    return name


@asynccontextmanager
async def another_life(line: Line, **settings: str) -> AsyncIterator[None]:
    """The controller with other settings, and the usual one again at the end."""
    line.stop()
    await line.start(**settings)
    try:
        yield
    finally:
        if line.process is not None:
            line.stop()
        await line.start()
