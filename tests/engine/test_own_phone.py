"""Agents on telephones of their own, through the trunk: only 1 accepts, and machines never do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
import pytest_asyncio

from cti.records.database import create_database
from cti.records.people import PeopleStore
from cti.records.privacy import Keys
from cti.rehearsal.phone import Answering, CallEnded, Phone, PhoneCall
from cti.rehearsal.sound import Samples, read_wav, rms_dbfs, tone, tone_level
from tests.contract.facts import Fact
from tests.contract.trunk_facts import TRUNK_FACTS
from tests.contract.worlds import EngineWorld
from tests.engine.test_privacy_canary import CANARY, found_in, shown, written
from tests.line import Desk, Line, a_line
from tests.scenes import (
    CALLER_HZ,
    REMY_HZ,
    ROSA_HZ,
    a_caller,
    add_quick_flow,
    nothing_left,
    taken,
    told,
)

SHOWN = "0199003300"  # the line's number for those it calls, and no caller's
RING_SECONDS_MAX = 6
OTHER_KEYS = ("2", "5", "9", "#")
ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477)
PAIRS = {"1": (697, 1209), "2": (697, 1336), "5": (770, 1336), "9": (852, 1477), "#": (941, 1477)}
pytestmark = pytest.mark.timeout(240)
LineAndMobile = tuple[Line, Phone]


async def rosa_has_her_own(line: Line) -> None:
    """Rosa is rung on her mobile; callers are offered at once."""
    add_quick_flow(line)
    database = create_database(line.settings.database)
    try:
        await PeopleStore(database, Keys.load_or_create(line.settings.data / "secrets")).add(
            "rosa",
            name="Rosa",
            roles=["regulator"],
            phone="rosa",
            password="demo-rosa",
            own_number=CANARY,
        )
    finally:
        await database.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def out(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LineAndMobile]:
    """A line whose trunk leads to one mobile."""
    async with (
        Phone("mobile", tone_hz=ROSA_HZ) as mobile,
        a_line(
            tmp_path_factory.mktemp("outside"),
            flow="quick",
            prepare=rosa_has_her_own,
            FIL_TRUNK_CONTACT=f"sip:127.0.0.1:{mobile.port}",
            FIL_OUTBOUND_NUMBER=SHOWN,
            FIL_RING_SECONDS_MAX=str(RING_SECONDS_MAX),
        ) as line,
    ):
        yield line, mobile


@asynccontextmanager
async def rosa_at_work(out: LineAndMobile, answering: Answering = "ring") -> AsyncIterator[Desk]:
    line, mobile = out
    mobile.answering = answering
    while not mobile.incoming.empty():
        mobile.incoming.get_nowait()
    async with Desk.sign_in(line, "rosa", mobile) as desk:
        await desk.be("READY")
        try:
            yield desk
        finally:
            await desk.be("LOGGED_OUT")
            await nothing_left(line, 20)


async def accepts(at_mobile: PhoneCall, after_seconds: float = 1.0) -> None:
    await at_mobile.answer()
    await asyncio.sleep(after_seconds)
    await at_mobile.press("1")


def voicemail(line: Line) -> Samples:
    """Speech, a beep, every tone of a keypad alone, then those of keys in pairs, the 1 too."""
    speech = read_wav(line.sounds / "fr/personne-disponible.wav")[: 8000 * 2]
    singles = [tone(hz, 0.12) for hz in (*ROWS, *COLUMNS)]
    pairs = [
        tone(PAIRS[key][0], 0.12, level_dbfs=-9) + tone(PAIRS[key][1], 0.12, level_dbfs=-9)
        for key in (*OTHER_KEYS, "1")
    ]
    pause = np.zeros(800, dtype=np.float32)
    parts = [speech, tone(1000, 0.4)]
    for one in (*singles, *pairs):
        parts += [pause, one]
    return np.concatenate(parts).astype(np.float32)


async def test_one_accepts_and_they_hear_each_other(out: LineAndMobile) -> None:
    line, _ = out
    async with rosa_at_work(out) as rosa, a_caller(line) as caller:
        await caller.dials()
        pop = (await rosa.sees("call.offered", 8))["data"]
        at_mobile = await rosa.ring()
        assert rosa.acked[pop["offer"]] <= at_mobile.invited_at  # the pop came before the ring
        invite = "\n".join(f"{name}: {value}" for name, value in at_mobile.headers._pairs)
        assert f"<sip:{SHOWN}@" in at_mobile.headers["from"]
        assert caller.phone.user not in invite
        assert caller.phone.user[1:] not in invite
        await at_mobile.answer()
        answered_at = time.monotonic()
        await asyncio.sleep(5.5)
        # Picked up, and nobody yet: she hears what it is, the caller their music.
        heard = at_mobile.heard(answered_at)
        assert line.likeness(heard, "fr/accepter-appel") > 0.75
        assert tone_level(heard, CALLER_HZ) < -50
        second = caller.call.heard(time.monotonic() - 1)
        assert rms_dbfs(second) > -50
        assert tone_level(second, ROSA_HZ) < -50
        assert rosa.presence()[0] == "RESERVED"
        await at_mobile.press("1")
        await rosa.sees("call.connected", 3)
        await caller.call.hears(ROSA_HZ, 3)
        await at_mobile.hears(CALLER_HZ, 3)
        assert caller.silences(longer_than_s=1.0) == []
        await caller.call.hang_up()
        await at_mobile.ended(3)
        record = await caller.record()
        assert [leg["outcome"] for leg in record["legs"]] == ["talked"]
        await nothing_left(line)


async def test_a_voicemail_is_never_joined_and_the_next_agent_is(out: LineAndMobile) -> None:
    line, _ = out

    async def machine(call: PhoneCall) -> None:
        await asyncio.sleep(0.5)
        await call.answer()
        try:
            await call.say(voicemail(line))
            for key in OTHER_KEYS:  # a gateway that takes the greeting's tones for keys
                await call.press(key)
        except CallEnded:
            return

    async with (
        rosa_at_work(out) as rosa,
        line.agent("remy", hz=REMY_HZ) as remy,
        a_caller(line) as caller,
    ):
        rosa.phone.answering = machine
        await caller.dials()
        await rosa.sees("call.offered", 8)
        at_mobile = await rosa.ring()
        withdrawn = await rosa.sees("call.withdrawn", 30)
        assert withdrawn["data"]["reason"] == "missed"
        assert at_mobile.answered_at is not None
        assert time.monotonic() - at_mobile.answered_at > 4  # its greeting was heard out
        await at_mobile.ended(2)
        await rosa.sees("presence.asked", 2)
        await taken(caller, remy, REMY_HZ)
        assert caller.silences(longer_than_s=1.0) == []
        heard = caller.call.heard(at_mobile.answered_at, at_mobile.ended_at)
        assert tone_level(heard, ROSA_HZ) < -45
        assert tone_level(heard, 1000) < -45
        await caller.call.hang_up()
        record = await caller.record()
        assert [leg["outcome"] for leg in record["legs"]] == ["missed", "talked"]


async def test_silence_is_missed(out: LineAndMobile) -> None:
    line, _ = out
    async with rosa_at_work(out, "auto") as rosa, a_caller(line) as caller:
        await caller.dials()
        await rosa.sees("call.offered", 8)
        withdrawn = await rosa.sees("call.withdrawn", 30)
        assert withdrawn["data"]["reason"] == "missed"
        await caller.call.hang_up()


def with_status(status: int) -> Callable[[PhoneCall], Awaitable[None]]:
    async def declines(call: PhoneCall) -> None:
        await asyncio.sleep(0.3)
        await call.decline(status)

    return declines


@pytest.mark.parametrize(
    ("answering", "reason", "presence"),
    [
        ("busy", "phone_busy", ("NOT_READY", "phone_busy")),
        ("ring", "missed", ("READY", None)),
        (with_status(603), "declined", ("READY", None)),
        (with_status(404), "phone_unreachable", ("NOT_READY", "phone_unreachable")),
        (with_status(503), "trunk_dead", ("NOT_READY", "trunk_dead")),
        ("ignore", "trunk_dead", ("NOT_READY", "trunk_dead")),
    ],
    ids=["busy", "rings", "declined", "unknown", "503", "silent"],
)
async def test_each_refusal_is_told_for_what_it_is(
    out: LineAndMobile, answering: Answering, reason: str, presence: tuple[str, str | None]
) -> None:
    line, mobile = out
    async with rosa_at_work(out) as rosa, a_caller(line) as caller:
        mobile.answering = answering
        await caller.dials()
        await rosa.sees("call.offered", 8)
        withdrawn = await rosa.sees("call.withdrawn", RING_SECONDS_MAX + 4)
        assert withdrawn["data"]["reason"] == reason
        if presence[0] == "NOT_READY":  # else she may already be offered the caller again
            await rosa.becomes(*presence)
        assert caller.silences(longer_than_s=1.0) == []
        await caller.call.hang_up()
        mobile.answering = "ring"


@pytest.mark.parametrize("how", ["vanishes", "hangs up"])
async def test_a_mobile_lost_in_a_talk_leaves_nobody_alone(out: LineAndMobile, how: str) -> None:
    line, _ = out
    async with rosa_at_work(out) as rosa, a_caller(line) as caller:
        await caller.dials()
        await rosa.sees("call.offered", 8)
        at_mobile = await rosa.ring()
        await accepts(at_mobile)
        await rosa.sees("call.connected", 3)
        await caller.call.hears(ROSA_HZ, 3)
        if how == "hangs up":
            await asyncio.sleep(11)
            await at_mobile.hang_up()
            await told(line, caller.call, "fin-de-conversation", 10)
        else:
            at_mobile.vanish()
            await told(line, caller.call, "ne-quittez-pas", 30)
            again = await rosa.ring()
            await accepts(again, 0.2)
            await caller.call.hears(ROSA_HZ, 3)
            await again.hears(CALLER_HZ, 3)
        await caller.call.hang_up()


async def test_the_number_is_nowhere_but_sealed(out: LineAndMobile) -> None:
    line, _ = out
    async with rosa_at_work(out) as rosa, a_caller(line) as caller:
        await caller.dials()
        await rosa.sees("call.offered", 8)
        await accepts(await rosa.ring())
        await rosa.sees("call.connected", 3)
        assert found_in({"channels": "\n".join(line.channels()).encode()}) == []
        await caller.call.hang_up()
        await caller.record()
        await asyncio.sleep(1.5)  # what is last good is kept every second
        assert found_in(await asyncio.to_thread(written, line)) == []
        assert found_in(shown([rosa])) == []


@pytest.mark.parametrize("fact", TRUNK_FACTS, ids=lambda fact: fact.__name__)
async def test_of_the_trunk(fact: Fact, out: LineAndMobile) -> None:
    line, mobile = out
    if line.process is not None:
        line.kill()  # nobody of ours controls this engine from here on
    await fact(EngineWorld(line, mobile))
