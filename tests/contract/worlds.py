"""Two engines behind one face: the stand-in in virtual time, and the real one by telephone.

A fact about the engine is written once, against ``World``, and put to both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Literal, Protocol

from cti import clock
from cti.asterisk.ari import Ari, EngineInfo
from cti.asterisk.wire import HttpWire, Wire
from cti.rehearsal.phone import Phone, PhoneCall
from cti.rehearsal.sound import rms_dbfs, tone_level
from cti.simulation.fake import FakeAsterisk, FakePhone, FakePhoneCall
from cti.simulation.fake_people import FarEnd
from cti.simulation.virtual import VirtualLoop
from tests.line import NUMBER, Line

Answering = Literal["ring", "auto", "busy", "ignore"]
HZ = {"caller": 440.0, "rosa": 800.0, "remy": 1600.0}
STEP_SECONDS = 0.01
STORY_SECONDS_MAX = 300
LIKENESS_MIN = 0.8
ALONE_DB_MIN = -1.0  # of a tone below all that is heard, when it is heard alone
BEGAN_AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
# How long the prompts are in the stand-in's world: about what they are.
SECONDS = {
    "/sounds/fr/un-appel-arrive": 1.0,
    "/sounds/fr/personne-disponible": 16.0,
    "/sounds/fr/secours-accueil": 8.3,
    "/sounds/fr/secours-patience": 7.4,
    "/sounds/fr/secours-accepter": 4.5,
    "/sounds/fr/secours-numeros": 14.9,
    "/sounds/fr/au-revoir": 4.4,
}


class Party(Protocol):
    """One telephone in one call."""

    @property
    def up(self) -> bool:
        """Whether the call was answered and is not over."""

    @property
    def over(self) -> bool: ...

    async def hang_up(self) -> None: ...
    async def answer(self) -> None: ...
    async def press(self, key: str) -> None: ...

    def vanish(self) -> None:
        """Send nothing any more, as a line that is cut."""

    def speak(self, voice: bool = True) -> None:
        """Speak from now on, or say nothing; the packets go on."""

    def send(self, sends: bool = True) -> None:
        """Send packets from now on, or none."""

    async def hears(self, who: str, seconds_max: float = 3) -> None:
        """Wait until somebody is heard: ``caller``, or the name of a phone."""

    def hears_only(self, who: str) -> bool:
        """Whether the last second was this one's voice and nothing over it."""

    async def hears_sound(self, seconds_max: float = 3) -> None:
        """Wait until anything is heard."""

    def silences(self, since: float, longer_than_s: float) -> list[tuple[float, float]]: ...

    def was_told(self, prompt: str, since: float) -> bool:
        """Whether a whole prompt (``fr/accueil``) was heard since then, and nothing over it."""


class Handset(Protocol):
    """A desk phone."""

    name: str
    answering: Answering

    @property
    def rung(self) -> list[Party]:
        """The calls that came, oldest first."""


class World(Protocol):
    """An engine with our dialplan, its phones, and nobody who controls it."""

    def now(self) -> float: ...

    def wire(self) -> Wire:
        """A wire of its own."""

    def listening(self, app: str = "fil") -> AbstractAsyncContextManager[Ari]:
        """Be the controller, for a while."""

    async def put(self, method: str, path: str, **values: Any) -> tuple[int, Any]:
        """One command on a connection of its own: (HTTP status, JSON)."""

    def phone(self, name: str, answering: Answering) -> AbstractAsyncContextManager[Handset]: ...

    def outside(
        self, number: str, answering: Answering | int
    ) -> AbstractAsyncContextManager[Handset]:
        """A telephone at the other end of the trunk; a number: the SIP status it refuses with."""

    def caller(self) -> AbstractAsyncContextManager[Party]:
        """Somebody who has dialled our number."""

    async def restart(self) -> None:
        """Kill the engine and start it again; returns while it is starting."""


async def until(true: Callable[[], object], seconds_max: float, what: str) -> None:
    """Wait until something is true."""
    loop = asyncio.get_running_loop()
    limit = loop.time() + seconds_max
    while not true():
        assert loop.time() < limit, f"after {seconds_max} s, still not: {what}"
        await asyncio.sleep(STEP_SECONDS)


@asynccontextmanager
async def connected(wire: Wire, app: str) -> AsyncIterator[Ari]:
    """A client of the engine, connected."""
    here = asyncio.Event()

    async def on_connected(_: EngineInfo) -> None:
        here.set()

    async with Ari(wire, app=app) as ari:
        running = asyncio.ensure_future(ari.run(on_connected))
        try:
            async with asyncio.timeout(10):
                await here.wait()
            yield ari
        finally:
            running.cancel()
            await asyncio.wait({running})


# -- the stand-in ---------------------------------------------------------------------


class FakeParty:
    def __init__(self, end: FarEnd) -> None:
        self.end = end

    @property
    def up(self) -> bool:
        return self.end.state == "up"

    @property
    def over(self) -> bool:
        return self.end.state == "ended"

    async def hang_up(self) -> None:
        self.end.hang_up()

    async def answer(self) -> None:
        assert isinstance(self.end, FakePhoneCall)
        self.end.answer()

    def vanish(self) -> None:
        self.end.vanish()

    def speak(self, voice: bool = True) -> None:
        self.end.speak(voice)

    def send(self, sends: bool = True) -> None:
        self.end.send(sends)

    async def press(self, key: str) -> None:
        self.end.press(key)

    async def hears(self, who: str, seconds_max: float = 3) -> None:
        await until(lambda: who in self._people(), seconds_max, f"hears {who}: {self.end.heard}")

    def hears_only(self, who: str) -> bool:
        return self._people() == [who] and self.end.heard[-1][0] < self.end.engine.time() - 1

    def _people(self) -> list[str]:
        kind, _, names = self.end.hears.partition(":")
        return [n.partition("-")[0] for n in names.split(",")] if kind == "people" else []

    async def hears_sound(self, seconds_max: float = 3) -> None:
        await until(lambda: self.end.hears not in ("", "silence"), seconds_max, "hears a sound")

    def silences(self, since: float, longer_than_s: float) -> list[tuple[float, float]]:
        ends = [at for at, _ in self.end.heard[1:]] + [self.end.engine.time()]
        return [
            (max(at, since), end - max(at, since))
            for (at, sound), end in zip(self.end.heard, ends, strict=True)
            if sound in ("", "silence") and end - max(at, since) > longer_than_s
        ]

    def was_told(self, prompt: str, since: float) -> bool:
        seconds = SECONDS[f"/sounds/{prompt}"]
        ends = [at for at, _ in self.end.heard[1:]] + [self.end.engine.time()]
        return any(
            sound == f"prompt:/sounds/{prompt}" and at >= since - 0.1 and end - at > seconds - 0.1
            for (at, sound), end in zip(self.end.heard, ends, strict=True)
        )


class FakeHandset:
    def __init__(self, phone: FakePhone, answering: Answering, refuses: int = 486) -> None:
        self.name, self.answering, self.refuses = phone.name, answering, refuses
        self.rung: list[Party] = []
        phone.on_ring = self._rings

    def _rings(self, call: FakePhoneCall) -> None:
        self.rung.append(FakeParty(call))
        if self.answering == "auto":
            call.answer()
        elif self.answering == "busy":
            call.decline(self.refuses)


class FakeWorld:
    """The stand-in. It must be made inside its loop."""

    def __init__(self) -> None:
        self.engine = FakeAsterisk(Random(1), prompt_seconds=SECONDS.get)
        for name in ("rosa", "remy", "louis"):
            self.engine.add_phone(name, registered=False)

    def now(self) -> float:
        return self.engine.time()

    def wire(self) -> Wire:
        return self.engine.wire()

    def listening(self, app: str = "fil") -> AbstractAsyncContextManager[Ari]:
        return connected(self.wire(), app)

    async def put(self, method: str, path: str, **values: Any) -> tuple[int, Any]:
        return await self.engine.wire().put(method, path, values)

    @asynccontextmanager
    async def phone(self, name: str, answering: Answering) -> AsyncIterator[Handset]:
        phone = self.engine.phones[name]
        phone.register()
        try:
            yield FakeHandset(phone, answering)
        finally:
            for call in list(phone.calls):
                call.hang_up()
            phone.unregister()
            await asyncio.sleep(0.1)

    @asynccontextmanager
    async def outside(self, number: str, answering: Answering | int) -> AsyncIterator[Handset]:
        phone = self.engine.add_own_phone(number, "rosa")
        phone.reachable = answering != "ignore"
        if isinstance(answering, int):
            yield FakeHandset(phone, "busy", answering)
        else:
            yield FakeHandset(phone, answering)

    @asynccontextmanager
    async def caller(self) -> AsyncIterator[Party]:
        party = FakeParty(self.engine.dial("0199000042", NUMBER))
        await until(lambda: party.up, 2, "answered")
        yield party
        await party.hang_up()
        await asyncio.sleep(0.1)

    async def restart(self) -> None:
        self.engine.stop(kill=True)
        self.engine.boot(3)


def in_virtual_time(story: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    """Live through a story with the stand-in; a minute takes no time."""
    loop = VirtualLoop(Random(1))

    async def live() -> None:
        await story(FakeWorld())

    def now() -> datetime:
        return BEGAN_AT + timedelta(seconds=loop.time())

    try:
        with clock.replaced(now, loop.time):
            told = loop.create_task(live())
            while not told.done():
                assert loop.time() < STORY_SECONDS_MAX, "the story does not end"
                loop.run_until(loop.time() + 1)
            told.result()
    finally:
        loop.close()


# -- the engine -------------------------------------------------------------------------


class EngineParty:
    def __init__(self, call: PhoneCall, line: Line) -> None:
        self.call, self.line = call, line

    @property
    def up(self) -> bool:
        return self.call.state == "up"

    @property
    def over(self) -> bool:
        return self.call.state == "ended"

    async def hang_up(self) -> None:
        await self.call.hang_up()

    async def answer(self) -> None:
        await self.call.answer()

    async def press(self, key: str) -> None:
        await self.call.press(key)

    def vanish(self) -> None:
        self.call.vanish()

    def speak(self, voice: bool = True) -> None:
        self.call.unmute() if voice else self.call.mute()

    def send(self, sends: bool = True) -> None:
        self.call.start_rtp() if sends else self.call.stop_rtp()

    async def hears(self, who: str, seconds_max: float = 3) -> None:
        await self.call.hears(HZ[who], seconds_max)

    def hears_only(self, who: str) -> bool:
        now = time.monotonic()
        second = self.call.heard(now - 1, now)
        return tone_level(second, HZ[who]) - rms_dbfs(second) > ALONE_DB_MIN

    async def hears_sound(self, seconds_max: float = 3) -> None:
        await self.call.hears_sound(seconds_max)

    def silences(self, since: float, longer_than_s: float) -> list[tuple[float, float]]:
        return self.call.silences(since, longer_than_s=longer_than_s)

    def was_told(self, prompt: str, since: float) -> bool:
        return self.line.likeness(self.call.heard(since), prompt) >= LIKENESS_MIN


class EngineHandset:
    def __init__(self, phone: Phone, line: Line) -> None:
        self._phone, self._line = phone, line
        self._rung: list[Party] = []
        self.name = phone.user

    @property
    def answering(self) -> Answering:
        return self._phone.answering

    @answering.setter
    def answering(self, how: Answering) -> None:
        self._phone.answering = how

    @property
    def rung(self) -> list[Party]:
        while not self._phone.incoming.empty():
            self._rung.append(EngineParty(self._phone.incoming.get_nowait(), self._line))
        return self._rung


class EngineWorld:
    """The engine of a line whose controller is stopped."""

    def __init__(self, line: Line, trunk: Phone | None = None) -> None:
        self._line, self._trunk = line, trunk

    def now(self) -> float:
        return time.monotonic()

    def wire(self) -> Wire:
        return HttpWire(self._line.settings.ari_url, "fil", self._line.settings.secret("ari"))

    def listening(self, app: str = "fil") -> AbstractAsyncContextManager[Ari]:
        return connected(self.wire(), app)

    async def put(self, method: str, path: str, **values: Any) -> tuple[int, Any]:
        wire = self.wire()
        try:
            return await wire.put(method, path, values)
        finally:
            await wire.close()

    @asynccontextmanager
    async def phone(self, name: str, answering: Answering) -> AsyncIterator[Handset]:
        async with Phone(
            name,
            secret=f"demo-{name}",
            server=self._line.server,
            tone_hz=HZ[name],
            answering=answering,
        ) as phone:
            await phone.register()
            yield EngineHandset(phone, self._line)

    @asynccontextmanager
    async def outside(self, number: str, answering: Answering | int) -> AsyncIterator[Handset]:
        assert self._trunk is not None

        async def refuses(call: PhoneCall) -> None:
            assert isinstance(answering, int)
            await call.decline(answering)

        self._trunk.answering = refuses if isinstance(answering, int) else answering
        while not self._trunk.incoming.empty():
            self._trunk.incoming.get_nowait()
        yield EngineHandset(self._trunk, self._line)

    @asynccontextmanager
    async def caller(self) -> AsyncIterator[Party]:
        async with Phone("0199000042", server=self._line.server, tone_hz=HZ["caller"]) as phone:
            call = await phone.call(NUMBER)
            await call.answered(2)
            yield EngineParty(call, self._line)

    async def restart(self) -> None:
        await asyncio.to_thread(self._line.engine, "kill")
        await asyncio.to_thread(self._line.engine, "start")

    async def close(self) -> None:
        """Nothing may be left in the engine."""
        await self._line.until(self._line.is_quiet, 10, "nothing left in the engine")
