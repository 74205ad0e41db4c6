"""Many callers at once: nobody is lost, served in order, and one call never hurts another."""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from sqlalchemy import select

from cti.asterisk.ari import Ari
from cti.asterisk.wire import HttpWire
from cti.records.database import create_database
from cti.records.models import Call
from cti.rehearsal.phone import Phone, PhoneCall
from cti.rehearsal.sound import RATE, read_wav, tone
from cti.setup import FLOWS
from tests.line import NUMBER, Desk, Line, a_line, likeness

pytestmark = pytest.mark.alone

CROWD = 20
ROSA_HZ, CALLER_HZ = 800, 440
SECONDS_IN_THE_PROMPT = 34.0  # the dialplan's lease is 30 s, the prompt 40 s
CALLER_XML = Path(__file__).with_name("caller.xml")


async def crowd(
    line: Line, folder: Path, callers: int, stay_seconds: float, a_second: int = 100
) -> list[float]:
    """So many callers, so many of them a second; returns when the last one has left.

    Each stays until the line hangs up, at most ``stay_seconds``. Fails unless every one of
    them was answered and ended as a call should. Returns after how many milliseconds each
    was answered.
    """
    host, port = line.server
    process = await asyncio.create_subprocess_exec(
        "sipp", f"{host}:{port}", "-sf", str(CALLER_XML), "-s", NUMBER, "-i", host,
        "-m", str(callers), "-l", str(callers), "-r", str(a_second), "-nostdin", "-trace_err",
        "-trace_rtt", "-rtt_freq", "1",
        "-error_file", "errors.log", "-recv_timeout", str(round(stay_seconds * 1000)),
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        said = await process.stdout.read()
        status = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    errors = folder / "errors.log"
    why = errors.read_text() if errors.exists() else said.decode(errors="replace")
    assert status == 0, f"sipp: {status}\n{why[-3000:]}\n{line.tail()}"
    (times,) = folder.glob("*_rtt.csv")
    return [float(row.split(";")[1]) for row in times.read_text().splitlines()[1:]]


async def records_since(line: Line, at: datetime) -> list[dict[str, Any]]:
    """Every call that came since then, who has waited longest first, with its legs."""
    database = create_database(line.settings.database)
    try:
        async with database.sessions() as session:
            since = select(Call.id).where(Call.started_at >= at).order_by(Call.waiting_since_at)
            ids = (await session.scalars(since)).all()
    finally:
        await database.close()
    return [await line.record(id_) for id_ in ids]


async def closed_since(line: Line, at: datetime, callers: int) -> list[dict[str, Any]]:
    """The same, once so many are closed."""
    until = time.monotonic() + 5
    while True:
        records = await records_since(line, at)
        if sum(record["ended_at"] is not None for record in records) >= callers:
            return records
        assert time.monotonic() < until, f"{len(records)} records, not all closed\n{line.tail()}"
        await asyncio.sleep(0.1)


async def serve(desk: Desk, served: list[str]) -> None:
    """Take one call after the other, shortly, for ever."""
    while True:
        call_id = (await desk.sees("call.offered", 30))["data"]["call"]["id"]
        await desk.sees("call.connected", 10)
        await asyncio.sleep(0.3)  # nobody is faster, and a screen that is gets closed
        assert (await desk.does("call.end", call=call_id))["ok"]
        await desk.sees("call.ended")
        assert (await desk.does("wrapup.done", call=call_id, disposition="ecoute"))["ok"]
        served.append(call_id)


async def test_twenty_callers_at_once_are_all_answered_and_two_agents_serve_them_in_order(
    line: Line, tmp_path: Path
) -> None:
    began_at = datetime.now(UTC)
    served: list[str] = []
    async with (
        line.agent("rosa", answering="auto") as rosa,
        line.agent("remy", answering="auto") as remy,
    ):
        async with asyncio.TaskGroup() as tasks:
            agents = [tasks.create_task(serve(desk, served)) for desk in (rosa, remy)]
            await crowd(line, tmp_path, CROWD, stay_seconds=60)
            for agent in agents:
                agent.cancel()

    records = await closed_since(line, began_at, CROWD)
    await line.until(line.is_quiet, 2, "all freed")
    assert len(records) == CROWD
    assert {(record["outcome"], record["ended_by"]) for record in records} == {("talked", "agent")}
    assert [[leg["outcome"] for leg in record["legs"]] for record in records] == [
        ["talked"]
    ] * CROWD
    assert sorted(served) == sorted(record["id"] for record in records)
    assert {leg["agent_id"] for record in records for leg in record["legs"]} == {"rosa", "remy"}
    # Who had waited longest rang first, to the last of them.
    rung_at = [record["legs"][0]["rung_at"] for record in records]
    assert rung_at == sorted(rung_at)


def long_prompt(seconds: float, rate: int = 16000) -> np.ndarray:
    """A prompt nobody can mistake for another one, the same at each run."""
    chance = random.Random(40)
    return np.concatenate(
        [tone(chance.randrange(350, 3000, 50), 0.25, rate, -18) for _ in range(round(seconds * 4))]
    )


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose line plays a prompt of 40 s to whoever waits."""
    data = tmp_path_factory.mktemp("patient")
    (data / "flows").mkdir()
    (data / "recordings" / "fr").mkdir(parents=True)
    flow, changed = re.subn(
        r"notice: accueil\b", "say: patience-encore", (FLOWS / "demo.yaml").read_text()
    )
    assert changed == 2  # the same for those who join a crowd
    (data / "flows/patient.yaml").write_text(flow)
    soundfile.write(data / "recordings/fr/patience-encore.wav", long_prompt(40), 16000)
    return data


async def published(line: Line) -> None:
    """Have callers hear it."""
    code, said = await line.fil("flow", "publish", "patient", "--why", "un long message")
    assert code == 0, said


@asynccontextmanager
async def beside(line: Line) -> AsyncIterator[Ari]:
    """Another client of the same engine."""
    wire = HttpWire(line.settings.ari_url, "fil", line.settings.secret("ari"))
    async with Ari(wire, app="beside") as ari:
        yield ari


async def ping_for(ari: Ari, seconds: float) -> list[float]:
    """The milliseconds of each of ten pings a second."""
    took = []
    due = time.monotonic()
    for _ in range(round(seconds * 10)):
        began = time.monotonic()
        await ari.asterisk.ping()
        took.append((time.monotonic() - began) * 1000)
        due += 0.1
        await asyncio.sleep(due - time.monotonic())
    return took


async def command_for(line: Line, ari: Ari, remy: Desk, seconds: float) -> list[float]:
    """The milliseconds from an agent's click to the controller's own command being done."""
    took, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        for presence, on_call in (("NOT_READY", True), ("LOGGED_OUT", False)):
            began = time.monotonic()
            await remy.be(presence)
            while on_call != ("remy" in await on_call_in_the_engine(ari)):
                assert time.monotonic() - began < 5, line.tail()
            took.append((time.monotonic() - began) * 1000)
            await asyncio.sleep(1)
    return took


async def on_call_in_the_engine(ari: Ari) -> str:
    return (await ari.asterisk.getGlobalVar(variable="FIL_ON_CALL")).value


@asynccontextmanager
async def somebody_in_a_talk(line: Line, rosa: Desk) -> AsyncIterator[tuple[PhoneCall, PhoneCall]]:
    """The one caller whom the one regulator listens to: (caller's call, Rosa's call)."""
    async with line.caller(hz=CALLER_HZ) as telephone:
        call = await telephone.call(NUMBER)
        at_rosa = await rosa.ring()
        await at_rosa.answer()
        await call.hears(ROSA_HZ, 5)
        yield call, at_rosa
        await call.hang_up()


@pytest.mark.timeout(150)
async def test_a_long_prompt_for_twenty_callers_slows_nothing_and_throws_nobody_out(
    patient: Path, tmp_path: Path
) -> None:
    async with (
        a_line(patient, flow="patient.yaml", prepare=published) as line,
        beside(line) as ari,
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        Phone("remy", server=line.server) as unused,
        Desk.sign_in(line, "remy", unused) as remy,
        somebody_in_a_talk(line, rosa) as (talk, at_rosa),
        line.caller("0199000077") as telephone,
        asyncio.TaskGroup() as tasks,
    ):
        began_at = datetime.now(UTC)
        others = tasks.create_task(crowd(line, tmp_path, CROWD - 1, stay_seconds=37))
        listener = await telephone.call(NUMBER)
        answered_at = await listener.answered(2)
        await line.until(lambda: len(line.channels()) == CROWD + 2, 5, "all callers are here")
        full_at = time.monotonic()
        pings, commands = await asyncio.gather(
            ping_for(ari, SECONDS_IN_THE_PROMPT), command_for(line, ari, remy, 30)
        )
        # Longer than the lease that the dialplan gives: only a longer one keeps them here.
        apps = {channel["dialplan"]["app_name"] for channel in line.ari("channels")}
        callers = len(line.channels())
        heard = listener.heard(answered_at, time.monotonic())
        gaps = [
            gap
            for call in (listener, talk, at_rosa)
            for gap in call.gaps(full_at, time.monotonic(), longer_than_s=0.3)
        ]
        await listener.hang_up()
        await others

        assert callers == CROWD + 2
        assert apps == {"StasisBroadcast", "Stasis"}
        prompt = read_wav(line.sounds / "fr/patience-encore.wav")[: len(heard) - RATE]
        assert len(prompt) / RATE > 33
        assert likeness(heard, prompt) >= 0.8
        assert gaps == []
        records = await closed_since(line, began_at, CROWD)
        assert {(r["outcome"], r["ended_by"]) for r in records} == {("abandoned", "caller")}
        assert len(records) == CROWD
        assert len(pings) >= 300
        assert percentile(pings, 99) < 100
        assert statistics.median(commands) < 500
        assert max(commands) < 3000  # far less than the prompt: none waited for it


def percentile(values: list[float], percent: int) -> float:
    """The value below which ``percent`` of them lie."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
