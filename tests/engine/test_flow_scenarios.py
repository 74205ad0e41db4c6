"""Every shipped scenario as a real call: the clock is set, people are there, keys are pressed.

The scenario is first played in virtual time, with the prompts as they were built; the real
caller then presses when the other did, and must have heard and met the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import time
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

import ivr
from cti.records.database import create_database
from cti.records.people import PeopleStore
from cti.records.privacy import Keys
from cti.rehearsal.phone import Phone, PhoneCall
from cti.rehearsal.sound import RATE, Samples, read_wav
from cti.simulation.scenario import Lived, play
from ivr.relays import load_relays
from ivr.scenarios import Scenario, load_scenarios, scenarios_file
from ivr.situation import Crisis, Message, Situation, save_situation
from ivr.versions import Versions
from sounds.catalogue import Catalogue
from tests.line import NUMBER, Desk, Line, a_line, likeness
from tests.scenes import nothing_left

FLOWS = Path(ivr.__file__).parent / "flows"
# Nobody listens to twenty minutes of music in a test: the same flow, waiting less.
SHORTER = {
    "after: 20 min": "after: 75 s",
    "after: 10 min": "after: 75 s",
    "wait: 20 s": "wait: 5 s",
    "wait: 40 s": "wait: 10 s",
}
SHORTER_IN_SCENARIOS = {
    "waits: 15 min": "waits: 50 s",
    "busy_for: 30 min": "busy_for: 130 s",
    "busy_for: 90 s": "busy_for: 60 s",
}
CALLER_HZ, REGULATOR_HZ, LISTENER_HZ, RELAY_HZ, OTHER_HZ = 440, 800, 1200, 1900, 600
HEARD_FROM = 0.75  # what is heard is like itself by 0.99, words not heard by 0.65 at most
BEGIN_SECONDS = 1.5  # by which a message is recognised: several end with the same numbers
LINES = 3  # side by side: most of a call is waiting
EARLY_SECONDS, LATE_SECONDS = 4.0, 15.0  # the real line against the simulated one
RELAY = "0199005501"
SHIPPED = [
    (path.name.partition(".")[0], title)
    for path in sorted(FLOWS.glob("*.scenarios.yaml"))
    for title, scenario in load_scenarios(path).by_name.items()
    if scenario.usual_talk_seconds is None  # a real line knows its own talks alone
]


def shortened(text: str, shorter: dict[str, str]) -> str:
    for long, short in shorter.items():
        text = text.replace(long, short)
    return text


async def prepared(line: Line) -> None:
    """Its own clock, shorter waits, and a regulator trained for carers."""
    line.program = ("-m", "tests.shifted", str(line.settings.data / "offset"))
    (line.settings.data / "offset").write_text("0")
    for name in ("accueil", "aidants"):
        for path, shorter in (
            (line.settings.data / f"flows/{name}.yaml", SHORTER),
            (line.settings.data / f"flows/{name}.scenarios.yaml", SHORTER_IN_SCENARIOS),
        ):
            path.write_text(shortened(path.read_text(), shorter))
        code, said = await line.fil("flow", "publish", name, "--why", "attentes courtes")
        assert code == 0, said
    database = create_database(line.settings.database)
    try:
        await PeopleStore(database, Keys.load_or_create(line.settings.data / "secrets")).add(
            "ines",
            name="Inès",
            roles=["regulator"],
            phone="ines",
            password="demo-ines",
            languages=["fr", "en"],
            skills={"aidants": 1},
            sip_secret="demo-ines",
        )
    finally:
        await database.close()


def simulated(data: Path, name: str, title: str) -> Lived:
    """The scenario in virtual time, with the line's own flow and sounds."""
    scenario = load_scenarios(scenarios_file(data / f"flows/{name}.yaml")).by_name[title]
    version = Versions(data / "flows").load(name)
    relays = load_relays(FLOWS.parent / "relays.yaml")
    return play(scenario, version, Catalogue.load(data / "sounds"), relays)


class Replay:
    """One scenario on the real line."""

    def __init__(self, line: Line, relay: Phone, name: str, title: str) -> None:
        self.line, self.relay, self.name, self.title = line, relay, name, title
        data = line.settings.data
        scenarios = load_scenarios(scenarios_file(data / f"flows/{name}.yaml"))
        self.scenario: Scenario = scenarios.by_name[title]
        self.desks: dict[str, Desk] = {}

    async def simulated(self) -> Lived:
        """In a process of its own: virtual time is the whole process's."""
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as process:
            ask = (self.line.settings.data, self.name, self.title)
            loop = asyncio.get_running_loop()
            lived = await loop.run_in_executor(process, simulated, *ask)
        assert lived.held, (lived.wrong, lived.met)
        return lived

    def set_clock(self, seconds_before: float) -> None:
        at = self.scenario.at_time() - timedelta(seconds=seconds_before)
        offset = (at - datetime.now(UTC)).total_seconds()
        (self.line.settings.data / "offset").write_text(str(offset))

    def set_situation(self) -> None:
        scenario, data = self.scenario, self.line.settings.data
        until = scenario.at_time() + timedelta(days=1)
        crisis = Crisis(profile=scenario.crisis, until=until) if scenario.crisis else None
        message = Message(prompt=scenario.message, until=until) if scenario.message else None
        save_situation(data / "situation.yaml", Situation(crisis=crisis, message=message))
        text = (FLOWS.parent / "relays.yaml").read_text()
        does = scenario.relays.get("exemple", "closed")
        if does != "closed":
            verified = f"    verified_at: {scenario.at:%Y-%m-%d}\n    live: true\n"
            text = text.rstrip("\n") + "\n" + verified
        self.relay.answering = self.at_relay if does == "answers" else "ring"
        (data / "relays.yaml").write_text(text)

    async def at_relay(self, call: PhoneCall) -> None:
        await asyncio.sleep(1)
        await call.answer()
        await asyncio.sleep(4)
        await call.hang_up()

    @contextlib.asynccontextmanager
    async def people(self) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            after = self.scenario.answers_after_seconds
            first = "ines" if self.scenario.skills else "rosa"
            wanted = [(first, REGULATOR_HZ)] * self.scenario.staff.regulators
            wanted += [("lea", LISTENER_HZ)] * self.scenario.staff.listeners
            for name, hz in wanted:
                agent = self.line.agent(name, hz=hz, answering="auto", auto_answer_after=after)
                self.desks[name] = await stack.enter_async_context(agent)
            yield

    @contextlib.asynccontextmanager
    async def others(self) -> AsyncIterator[PhoneCall | None]:
        """Who is already talking with the one regulator, when everybody is busy."""
        if self.scenario.busy_for_seconds is None:
            yield None
            return
        async with self.line.caller("0199000288", hz=OTHER_HZ) as phone:
            call = await phone.call("0199005510" if self.name == "aidants" else NUMBER)
            await call.hears(REGULATOR_HZ, 30)
            yield call

    async def regulator_works(self, other: PhoneCall | None) -> None:
        """What whoever is on duty does, once the call has come."""
        if not self.desks:
            return
        desk = next(iter(self.desks.values()))
        if other is not None:
            assert self.scenario.busy_for_seconds is not None
            await desk.sees("call.connected")
            await asyncio.sleep(self.scenario.busy_for_seconds)
            await other.hang_up()
            await desk.sees("call.ended", 10)
            await desk.be("READY")
            return
        call = (await desk.sees("call.connected", 60))["data"]["call"]["id"]
        await asyncio.sleep(2)
        moments = self.scenario.call
        if any(moment.talks_to == "listeners" for moment in moments):
            await desk.does("call.orient", call=call, to={"line": "listeners"})
        elif moments[-1].ends:
            await desk.does("call.end", call=call)

    async def live(self) -> None:
        lived = await self.simulated()
        self.set_situation()
        self.set_clock(60)
        await asyncio.sleep(2.5)  # the line follows its files every second
        async with self.people(), self.others() as other:
            async with self.line.caller(hz=CALLER_HZ) as phone:
                self.set_clock(0)
                number = "0199005510" if self.name == "aidants" else NUMBER
                call = await phone.call(number)
                answered_at = await call.answered(3)
                working = asyncio.create_task(self.regulator_works(other))
                pressing = asyncio.create_task(self.press(call, answered_at, lived))
                try:
                    await self.until_over(call, answered_at, lived)
                    await pressing
                    if working.done():
                        working.result()
                finally:
                    working.cancel()
                    pressing.cancel()
            await asyncio.to_thread(self.judge, call, answered_at, lived)
        await nothing_left(self.line, 15)

    async def press(self, call: PhoneCall, answered_at: float, lived: Lived) -> None:
        for at, key in lived.pressed:
            await asyncio.sleep(max(0.0, answered_at + at + 0.2 - time.monotonic()))
            await call.press(key)

    async def until_over(self, call: PhoneCall, answered_at: float, lived: Lived) -> None:
        lasts = lived.met[-1][0]
        if self.scenario.call[-1].ends:
            await call.ended(lasts + 30)
            return
        last = self.scenario.call[-1]
        hz = LISTENER_HZ if last.talks_to == "listeners" else REGULATOR_HZ
        await asyncio.sleep(max(0.0, answered_at + lasts - 6 - time.monotonic()))
        await call.hears(hz, 40)
        await asyncio.sleep(1)
        await call.hang_up()

    def like(self, heard: Samples, prompt: str) -> float:
        """How well the beginning of a prompt was heard."""
        begin = read_wav(self.line.sounds / f"{prompt}.wav")[: round(BEGIN_SECONDS * RATE)]
        return likeness(heard, begin)

    def judge(self, call: PhoneCall, answered_at: float, lived: Lived) -> None:
        """The real caller heard what the other heard, about when they did."""
        met = iter(lived.met)
        for moment in self.scenario.call:
            if moment.hears is None:
                continue
            at, prompt = next(
                (at, what) for at, what in met if what.endswith(f"/{moment.hears.split('/')[-1]}")
            )
            until = answered_at + at + LATE_SECONDS
            heard = call.heard(max(answered_at, answered_at + at - EARLY_SECONDS), until)
            assert self.like(heard, prompt) > HEARD_FROM, (prompt, at, lived.met)
        heard = call.heard(answered_at)
        for prompt in self.scenario.never_hears:
            for language in ("fr", "en"):
                assert self.like(heard, f"{language}/{prompt}") < HEARD_FROM, prompt
        silences = call.silences(answered_at + 0.1, longer_than_s=3.0)
        assert silences == [], silences


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lived(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[tuple[str, str], asyncio.Future[None]]]:
    """Every scenario that was asked for, while it is lived on one of the lines."""
    loop = asyncio.get_running_loop()
    asked: list[tuple[str, str]] = [
        (str(item.callspec.params["name"]), str(item.callspec.params["title"]))
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path
    ]
    results = {one: loop.create_future() for one in asked}
    left = list(asked)

    async def live(line: Line, relay: Phone) -> None:
        while left:
            one = left.pop(0)
            try:
                await Replay(line, relay, *one).live()
            except Exception as error:  # noqa: BLE001 -- its own test raises it
                results[one].set_exception(error)
            else:
                results[one].set_result(None)

    async with contextlib.AsyncExitStack() as stack:
        # All first, one after the other: to make a line ready holds up this event loop, phones too.
        lines = []
        for _ in range(min(LINES, len(asked))):
            relay = await stack.enter_async_context(Phone(RELAY, tone_hz=RELAY_HZ))
            data = tmp_path_factory.mktemp("scenarios")
            way_out = f"sip:127.0.0.1:{relay.port}"
            settings = {"FIL_TRUNK_CONTACT": way_out, "FIL_ACK_SECONDS_MAX": "3"}  # a busy machine
            line = a_line(data, flow="accueil", prepare=prepared, **settings)
            lines.append((await stack.enter_async_context(line), relay))
        living = [asyncio.create_task(live(*line)) for line in lines]
        try:
            yield results
        finally:
            for each in living:
                each.cancel()
            await asyncio.wait(living)


@pytest.mark.timeout(600)  # its turn comes after others
@pytest.mark.parametrize(("name", "title"), SHIPPED, ids=[title for _, title in SHIPPED])
async def test_every_shipped_scenario_holds_as_a_real_call(
    lived: dict[tuple[str, str], asyncio.Future[None]], name: str, title: str
) -> None:
    await lived[name, title]
