"""Every row of the table of orientations as real calls: what each telephone hears, to the end.

Several lines of their own live side by side, so that rows share no agent: each takes one row
after the other. An item is a kind of orientation; it names each row that went wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from cti import clock
from cti.rehearsal.phone import CallEnded
from ivr.versions import Versions
from tests.handed import (
    AGENTS,
    HZ,
    RING_SECONDS_MAX,
    SOUND_LOST_SECONDS,
    heard_all_along,
    heard_lately,
    hears_now,
    overlap,
    people,
    until,
)
from tests.hurried import SHORT_TALK_SECONDS
from tests.line import Line, a_line, free_ports
from tests.orientations import KINDS, ROWS, Row
from tests.scenes import a_caller, add_quick_flow, another_life, nothing_left, talk

LINES = 6
ROUNDS = 12
JITTER_SECONDS_MAX = 0.005
pytestmark = pytest.mark.timeout(240)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lines(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Line]]:
    """Lines of their own, whose engines notice soon that a telephone sends nothing."""
    ports = free_ports(4 * LINES)
    async with AsyncExitStack() as stack:

        async def one(number: int) -> Line:
            sip, ari, ami, web = (str(port) for port in ports[4 * number : 4 * number + 4])
            data: Path = tmp_path_factory.mktemp(f"line{number}")
            return await stack.enter_async_context(
                a_line(
                    data,
                    flow="quick",
                    prepare=made_quick,
                    FIL_SIP_PORT=sip,
                    FIL_ARI_PORT=ari,
                    FIL_AMI_PORT=ami,
                    FIL_WEB_PORT=web,
                    FIL_RING_SECONDS_MAX=str(RING_SECONDS_MAX),
                )
            )

        yield [await one(number) for number in range(LINES)]


async def made_quick(line: Line) -> None:
    line.program = ("-m", "tests.hurried")
    add_quick_flow(line)
    phones = line.settings.data / "engine/etc/pjsip.conf"
    text = phones.read_text()
    found = re.findall(r"^rtp_timeout(?:_hold)?=\d+$", text, re.MULTILINE)
    assert len(found) == 4, found
    for setting in found:
        text = text.replace(setting, f"{setting.partition('=')[0]}={SOUND_LOST_SECONDS}")
    phones.write_text(text)


async def side_by_side(lines: list[Line], rows: list[Row]) -> list[str]:
    """Live through rows, one on each line at a time; returns what went wrong."""
    waiting, wrong = list(reversed(rows)), []

    async def take(line: Line) -> None:
        while waiting:
            row = waiting.pop()
            began = time.monotonic()
            try:
                async with people(line, row) as handed:
                    await handed.live()
            except (AssertionError, TimeoutError, CallEnded) as failure:
                wrong.append(f"{row} ({time.monotonic() - began:.0f} s): {failure}")

    await asyncio.gather(*(take(line) for line in lines))
    return wrong


@pytest.mark.parametrize("kind", KINDS)
async def test_whoever_leaves_the_caller_goes_on_and_hears_whom_they_should(
    lines: list[Line], kind: str
) -> None:
    rows = [row for row in ROWS if row.kind == kind]
    rows.sort(key=lambda row: row.what == "hangs up")  # those that last longest first
    wrong = await side_by_side(lines, rows)
    assert not wrong, f"{len(wrong)} of {len(rows)} rows:\n" + "\n\n".join(wrong)


# -- two at the same instant -----------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def all_rung(lines: list[Line]) -> AsyncIterator[list[Line]]:
    """The same lines, once they ring everybody who is free."""
    name = "everybody"
    async with AsyncExitStack() as stack:
        for line in lines:
            flows = line.settings.data / "flows"
            text = (flows / "quick.yaml").read_text()
            rings = "    line: regulators\n"
            assert text.count(rings) == 1
            every = text.replace(rings, f"{rings}    strategy: ring_all\n")
            (flows / f"{name}.yaml").write_text(every)
            Versions(flows).publish(name, None, None, by="the tests", why=name, at=clock.now())
            await stack.enter_async_context(another_life(line, FIL_FLOW=name))
        yield lines


async def in_turn(lines: list[Line], round_: Callable[[Line], Awaitable[None]]) -> None:
    """Rounds of the same, side by side."""

    async def some(line: Line) -> None:
        for _ in range(ROUNDS // LINES + 1):
            await round_(line)

    async with asyncio.TaskGroup() as tasks:
        for line in lines:
            tasks.create_task(some(line))


async def soon(deed: Callable[[], Awaitable[object]]) -> None:
    """Within a few milliseconds; too late does no harm."""
    await asyncio.sleep(random.uniform(0, JITTER_SECONDS_MAX))
    with contextlib.suppress(CallEnded):
        await deed()


async def test_two_who_answer_within_five_milliseconds_and_exactly_one_has_the_caller(
    all_rung: list[Line],
) -> None:
    async def round_(line: Line) -> None:
        async with (
            line.agent("rosa", hz=HZ["rosa"]) as rosa,
            line.agent("remy", hz=HZ["remy"]) as remy,
            a_caller(line, hz=HZ["caller"]) as caller,
        ):
            call = await caller.dials()
            legs = {"rosa": await rosa.ring(), "remy": await remy.ring()}
            await asyncio.gather(*(soon(leg.answer) for leg in legs.values()))
            await until(lambda: hears_now(call) & set(AGENTS) != set(), 4, "somebody is heard")
            await asyncio.sleep(1)
            await until(lambda: len(heard_lately(call) & set(AGENTS)) == 1, 3, "one is heard")
            (has,) = heard_lately(call) & set(AGENTS)
            (other,) = legs.keys() - {has}
            assert heard_lately(legs[has]) == {"caller"}
            assert legs[other].state == "ended"
            ended = legs[other]
            if ended.answered_at is not None and ended.ended_at is not None:
                heard = heard_all_along(ended, ended.answered_at, ended.ended_at)["caller"]
                assert overlap(heard, heard) == [], "both had the caller"
            desk = {"rosa": rosa, "remy": remy}[other]
            # Whoever was second is not blamed, and is told so.
            withdrawn = [f["data"] for _, f in desk.frames if f["type"] == "call.withdrawn"]
            assert [data["reason"] for data in withdrawn] == ["answered_elsewhere"]
            assert desk.presence()[0] == "READY"
            assert caller.silences(longer_than_s=1.0) == []
            await call.hang_up()
            record = await caller.record()
            told = {leg["agent_id"]: leg["outcome"] for leg in record["legs"]}
            assert told == {has: "talked", other: "withdrawn"}
            await nothing_left(line, 5)

    await in_turn(all_rung, round_)


@pytest.mark.parametrize("how", ["together", "consult"])
async def test_a_third_who_answers_as_the_first_hangs_up_has_the_caller(
    lines: list[Line], how: str
) -> None:
    async def round_(line: Line) -> None:
        async with (
            line.agent("rosa", hz=HZ["rosa"]) as rosa,
            line.agent("lea", hz=HZ["lea"]) as lea,
            a_caller(line, hz=HZ["caller"]) as caller,
        ):
            at_rosa, call_id = await talk(caller, rosa, HZ["rosa"])
            await asyncio.sleep(SHORT_TALK_SECONDS + 0.2)
            order = {"to": {"agent": "lea"}, how: True}
            assert (await rosa.does("call.orient", call=call_id, **order))["ok"]
            at_lea = await lea.ring()
            both_at = time.monotonic()
            await asyncio.gather(soon(at_lea.answer), soon(at_rosa.hang_up))
            # Her answer may have come to a talk that was over: then her phone rings again.
            ring = asyncio.create_task(lea.phone.incoming.get())
            company = lambda: hears_now(caller.call) & set(AGENTS)  # noqa: E731
            await until(lambda: ring.done() or company() == {"lea"}, 5, "lea has the caller")
            if ring.done():
                at_lea = ring.result()
                await at_lea.answer()
            else:
                ring.cancel()
            await until(lambda: company() == {"lea"}, 4, "lea has the caller")
            await until(lambda: hears_now(at_lea) == {"caller"}, 2, "and hears them")
            now = time.monotonic()
            assert caller.call.silences(both_at, now, longer_than_s=1.0) == []
            await caller.call.hang_up()
            await nothing_left(line, 5)

    await in_turn(lines, round_)
