"""The people of a load: callers who talk or give up, agents with a phone and a screen.

Every caller and every agent speaks a tone of their own, so that who heard whom is known
from the sound alone. What each caller will do is drawn beforehand, from a seed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from bench.choir import VOICES, Choir, Crowd, Member, agent_hz, caller_hz
from cti.rehearsal.phone import CallEnded, PhoneCall
from cti.rehearsal.sound import PAYLOAD_TYPES, RATE, Packet, Samples, decode, rms_dbfs
from tests.line import Desk, Line

NUMBER_FIRST = 199000000  # 01 99 00 00 00 and on: kept for fiction, ten thousand of them
CALLERS_MAX = 10_000
ABANDONING_SHARE = 1 / 3
PATIENCE_SECONDS = (0.5, 4.4)  # less than the greeting, before which nobody is joined
PATIENCE_MEAN_SECONDS = 2.5
TALK_SECONDS = (1.2, 45.0)
TALK_MEAN_SECONDS = 7.0
HANGING_UP_SHARE = 1 / 6  # of those who talk: the caller ends the talk, not the agent
STAY_SECONDS_MAX = 180.0  # whom nobody has served by then is lost
ANSWER_SECONDS_MAX = 5.0
RECOGNISED_SECONDS_MAX = 3.0
WINDOW_SECONDS = 0.25  # in which one tone is recognised
TONE_SHARE_MIN = 0.7  # of a window's energy
WRAP_UP_SECONDS = 0.3
ALAW = PAYLOAD_TYPES["alaw"]


@dataclass(frozen=True)
class Plan:
    """What one caller will do."""

    index: int
    at: float  # seconds after the load began
    patience: float | None  # who abandons leaves after that long
    talk_seconds: float
    hangs_up: bool  # the caller ends the talk

    @property
    def number(self) -> str:
        """The caller's own number."""
        return f"0{NUMBER_FIRST + self.index}"


def plans(seed: int, rate: float, seconds: float, first: int = 0) -> list[Plan]:
    """Everybody who will call within so many seconds, ``rate`` a second on average."""
    chance = random.Random(f"{seed}/{rate}")
    at, found = 0.0, []
    while (at := at + chance.expovariate(rate)) < seconds:
        leaving = chance.random() < ABANDONING_SHARE
        patience = _drawn(chance, PATIENCE_MEAN_SECONDS, PATIENCE_SECONDS)
        found.append(
            Plan(
                first + len(found),
                at,
                patience if leaving else None,
                _drawn(chance, TALK_MEAN_SECONDS, TALK_SECONDS),
                chance.random() < HANGING_UP_SHARE,
            )
        )
    if first + len(found) > CALLERS_MAX:
        raise SystemExit(f"A load has at most {CALLERS_MAX} callers: their numbers are fictional.")
    return found


def _drawn(chance: random.Random, mean: float, bounds: tuple[float, float]) -> float:
    """A length of time, short ones likelier; drawn again until it lies within the bounds."""
    low, high = bounds
    while True:
        drawn = low + chance.expovariate(1 / (mean - low))
        if drawn <= high:
            return drawn


def as_sent(packets: Sequence[Packet]) -> Samples:
    """The sound of these packets, one after the other, whatever time each took to come.

    For recognising a voice: a machine that delivers late changes no tone. Silences are
    looked for in the sound as it came.
    """
    voice = [packet.payload for packet in packets if packet.payload_type == ALAW]
    return decode(b"".join(voice)) if voice else np.zeros(0, np.float32)


def tones(heard: Samples) -> list[float]:
    """For each quarter of a second, the one tone that is nearly all of it, or 0."""
    size = round(WINDOW_SECONDS * RATE)
    windows = heard[: len(heard) // size * size].reshape(-1, size)
    if len(windows) == 0:
        return []
    power = np.abs(np.fft.rfft(windows * np.hanning(size), axis=1)) ** 2
    peaks = power.argmax(axis=1)
    around = np.clip(peaks[:, None] + np.arange(-2, 3), 0, power.shape[1] - 1)
    share = np.take_along_axis(power, around, axis=1).sum(axis=1) / (power.sum(axis=1) + 1e-12)
    loud = np.array([rms_dbfs(window) > -30 for window in windows])
    return [
        float(peak) / WINDOW_SECONDS if clear and audible else 0.0
        for peak, clear, audible in zip(peaks, share > TONE_SHARE_MIN, loud, strict=True)
    ]


def who(hz: float, tone_of: Callable[[int], float], count: int) -> int | None:
    """The rank of whoever speaks this tone, give or take half a step."""
    found = min(range(count), key=lambda index: abs(tone_of(index) - hz))
    return found if abs(tone_of(found) - hz) < 8 else None


@dataclass(eq=False)
class Caller:
    """One caller, as they are now."""

    plan: Plan
    call: PhoneCall
    leave: asyncio.Event = field(default_factory=asyncio.Event)  # they want to hang up
    left: bool = False  # by their own will


class Callers:
    """Those who are calling now."""

    def __init__(self, choir: Choir, server: tuple[str, int], at_once_max: int) -> None:
        self.now: dict[int, Caller] = {}  # by their tone
        self.peak = 0
        self.held_back = 0  # came while there were as many as there may be, and waited outside
        self._crowd = Crowd(choir, server)
        self._room = asyncio.Semaphore(at_once_max)

    async def __aenter__(self) -> Callers:
        await self._crowd.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._crowd.close()

    async def one(self, plan: Plan, to: str) -> Caller:
        """Call, and stay until the plan, the agent or the line ends it."""
        self.held_back += self._room.locked()
        async with self._room:
            call = await self._crowd.call_as(plan.number, plan.index, to)
            caller = self.now[plan.index % VOICES] = Caller(plan, call)
            self.peak = max(self.peak, len(self.now))
            try:
                await self._stay(caller)
            finally:
                if self.now.get(plan.index % VOICES) is caller:
                    del self.now[plan.index % VOICES]
            return caller

    async def _stay(self, caller: Caller) -> None:
        call, plan = caller.call, caller.plan
        with contextlib.suppress(TimeoutError, CallEnded):
            await call.answered(ANSWER_SECONDS_MAX)
        if call.state != "up":
            await call.hang_up()
            return
        leaving = asyncio.ensure_future(caller.leave.wait())
        ended = asyncio.ensure_future(call.ended(STAY_SECONDS_MAX))
        patience = STAY_SECONDS_MAX if plan.patience is None else plan.patience
        await asyncio.wait({leaving, ended}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        caller.left = not ended.done() and (leaving.done() or plan.patience is not None)
        leaving.cancel()
        ended.cancel()
        await call.hang_up()


class Screen(Desk):
    """An agent's screen that keeps little, for long loads: each pop is acked and timed."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.pop_ms: list[float] = []  # from the pop's making to its ack being confirmed
        self._acking: dict[str, float] = {}

    async def _read(self) -> None:
        async for message in self._socket:
            frame = json.loads(message.data)
            if frame.get("op") == "result":
                made = self._acking.pop(frame["id"], None)
                if made is not None:
                    self.pop_ms.append((time.time() - made) * 1000)
                elif not frame["id"].startswith("a"):
                    self._results[frame["id"]] = frame
            else:
                ack = f"a{frame['seq']}"
                if frame["type"] == "call.offered":
                    self._acking[ack] = datetime.fromisoformat(frame["time"]).timestamp()
                await self._socket.send_json(
                    {"op": "ack", "id": ack, "data": {"seq": frame["seq"]}}
                )
                if frame["type"] in ("snapshot", "presence.changed"):
                    self.frames = [(time.monotonic(), frame)]
                self.told.put_nowait(frame)
            self._news.set()

    def presence_now(self) -> str:
        """The presence that the screen shows now, or CLOSED."""
        return "CLOSED" if self._socket.closed else self.presence()[0]


@dataclass(eq=False)
class Talk:
    """An agent's side of a conversation."""

    agent: int
    caller: int | None  # the rank, modulo the voices, of whom the agent heard


class Agent:
    """One agent at work: the phone answers by itself, the screen is obeyed."""

    def __init__(self, index: int, phone: Member, callers: Callers) -> None:
        self.index, self.phone, self.callers = index, phone, callers
        self.talks: list[Talk] = []
        self.troubles: Counter[str] = Counter()  # what should not happen to an agent
        self.withdrawn: Counter[str] = Counter()  # why an offer was taken back
        self._talking: asyncio.Task[None] | None = None

    async def _recognise(self, call: PhoneCall) -> Caller | None:
        """Who speaks on the phone; None when it is nobody for three seconds."""
        until = time.monotonic() + RECOGNISED_SECONDS_MAX
        while time.monotonic() < until and call.state == "up":
            await asyncio.sleep(0.15)
            now = time.monotonic()
            packets = call._sound.received.between(now - 4 * WINDOW_SECONDS, now + 1)
            for hz in reversed(tones(as_sent(packets))):
                index = who(hz, caller_hz, VOICES) if hz else None
                if index is not None:
                    self.talks.append(Talk(self.index, index))
                    return self.callers.now.get(index)
        if call.state == "up":
            self.troubles["heard nobody"] += 1
        return None

    async def talk(self, call: PhoneCall) -> None:
        """Listen for as long as the caller's plan says, and let those go who end it themselves."""
        caller = await self._recognise(call)
        if caller is None:
            return
        await asyncio.sleep(caller.plan.talk_seconds)
        if caller.plan.hangs_up:
            caller.leave.set()
            await asyncio.sleep(RECOGNISED_SECONDS_MAX)

    async def work_alone(self) -> None:
        """Beside the line: whoever rings is answered; hanging up ends the talk. For ever."""
        async with asyncio.TaskGroup() as talks:
            while True:
                talks.create_task(self._one_alone(await self.phone.incoming.get()))

    async def _one_alone(self, call: PhoneCall) -> None:
        with contextlib.suppress(TimeoutError, CallEnded):
            await call.answered(ANSWER_SECONDS_MAX)
            await self.talk(call)
        await call.hang_up()

    async def work(self, screen: Screen) -> None:
        """Obey the screen, for ever; a screen that does not answer is noted, and obeyed again."""
        while True:
            frame = await screen.told.get()
            try:
                await self._obey(screen, frame["type"], frame["data"])
            except (TimeoutError, AssertionError, ConnectionError):
                self.troubles["the screen did not answer"] += 1

    async def _obey(self, screen: Screen, what: str, data: dict[str, Any]) -> None:
        match what:
            case "call.connected":
                self._talking = asyncio.create_task(self._one(screen, data["call"]["id"]))
            case "call.withdrawn":
                self.withdrawn[data["reason"]] += 1
            case "call.ended":
                if self._talking is not None:
                    self._talking.cancel()
                if data["reason"] == "lost":
                    self.troubles["lost"] += 1
                    return
                await asyncio.sleep(WRAP_UP_SECONDS)
                await screen.does("wrapup.done", call=data["call"]["id"], disposition="ecoute")
            case "presence.changed" if data["presence"] == "NOT_READY":
                self.troubles[data["reason"]] += 1
                await screen.be("READY")
            case _:
                pass

    async def _one(self, screen: Screen, call_id: str) -> None:
        """One talk, to its end."""
        call: PhoneCall | None = None
        while not self.phone.incoming.empty():
            call = self.phone.incoming.get_nowait()
        if call is None:
            self.troubles["no phone rang"] += 1
        else:
            await self.talk(call)
        try:
            await screen.does("call.end", call=call_id)
        except (TimeoutError, ConnectionError):
            self.troubles["the screen did not answer"] += 1


def agent_name(index: int) -> str:
    """What an agent signs in with."""
    return f"agent{index:02}"


@asynccontextmanager
async def at_work(
    line: Line, choir: Choir, callers: Callers, count: int
) -> AsyncIterator[tuple[list[Agent], list[Screen]]]:
    """So many agents, READY, until left."""
    async with contextlib.AsyncExitStack() as here:
        agents, screens, jobs = [], [], []
        for index in range(count):
            name = agent_name(index)
            phone = Member(
                choir, name, agent_hz(index), secret=f"demo-{name}", server=line.server,
                answering="auto",
            )  # fmt: skip
            await here.enter_async_context(phone)
            await phone.register()
            screen = await here.enter_async_context(Screen.sign_in(line, name, phone))
            agents.append(Agent(index, phone, callers))
            screens.append(screen)
        for agent, screen in zip(agents, screens, strict=True):
            await screen.be("READY")
            jobs.append(asyncio.create_task(agent.work(screen)))
        try:
            yield agents, screens
        finally:
            for job in jobs:
                job.cancel()
