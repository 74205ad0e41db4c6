"""The people of a soak, in a process of their own: callers, agents, and a pair who test the wire.

They know nothing of the line but what any phone and any screen knows: SIP, sound, and
the agents' protocol. ``plan.json`` says who they are; commands come on standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from cti.rehearsal.phone import CallEnded, Phone, PhoneCall, RegistrationRefused
from cti.rehearsal.sound import encode
from tests.soak.ears import Ear, Ears
from tests.soak.evidence import Evidence
from tests.soak.screen import Screen

LOOK_SECONDS = 0.1
TALK_SECONDS_MAX = 40.0
STAYS_SECONDS_MAX = 90.0
GIVES_UP_IN_SILENCE_SECONDS = 20.0
TAIL_SECONDS = 30.0  # the last words, kept when the line ended the call
THIRD_SECONDS_MAX = 75.0  # an agent waits for who was asked to come; the line for 60
CONTROL_CALL_SECONDS = 60.0
CALLER_PLANS = {"patient": 50, "impatient": 15, "keys": 15, "unlucky": 12, "asks again": 8}
AGENT_PLANS = {"answers": 76, "late": 4, "misses": 5, "declines": 6, "drops": 4, "vanishes": 3}


def _choose(rng: random.Random, plans: dict[str, int]) -> str:
    return rng.choices(list(plans), list(plans.values()))[0]


class People:
    """What all of them share: the evidence, the ears, and whether the run goes on."""

    def __init__(self, plan: dict[str, Any], folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.server = ("127.0.0.1", int(plan["sip_port"]))
        self.evidence = Evidence(folder)
        everybody = [*plan["callers"], *plan["agents"], *plan["control"]]
        self.ears = Ears({person["hz"]: person["id"] for person in everybody}, self.evidence)
        self.stopping = asyncio.Event()
        self.agents: dict[str, Agent] = {}

    def rng(self, who: str) -> random.Random:
        return random.Random(f"{self.plan['seed']}-{who}")

    def begin(self, call: PhoneCall, who: str, side: str, plan: str) -> Ear:
        self.evidence.write(
            "call", call.invited_at, call=call.call_id, who=who, side=side, plan=plan
        )
        return self.ears.open(call)

    def end(self, call: PhoneCall, ear: Ear) -> None:
        """Write how a call ended, once it has."""
        self.ears.close(ear)
        if call.ended_by == "them" and call.answered_at is not None:
            since = max(call.answered_at, (call.ended_at or 0) - TAIL_SECONDS)
            tail = self.folder / "tails" / f"{call.call_id.partition('@')[0]}.alaw"
            tail.write_bytes(encode(call.heard(since, call.ended_at)))
        self.evidence.write(
            "ended", call.ended_at, call=call.call_id, by=call.ended_by, status=call.end_status
        )

    def press_noted(self, call: PhoneCall, key: str) -> None:
        self.evidence.write("key", call=call.call_id, key=key)


async def until(true: Callable[[], bool], call: PhoneCall, seconds_max: float) -> bool:
    """Wait until something is true, the call is over or the time is; whether it was true."""
    for _ in range(round(seconds_max / LOOK_SECONDS)):
        if true():
            return True
        if call.state == "ended":
            return False
        await asyncio.sleep(LOOK_SECONDS)
    return False


class Caller:
    """Somebody who calls, again and again."""

    def __init__(self, people: People, me: dict[str, Any]) -> None:
        self._people, self._me = people, me
        self._rng = people.rng(me["id"])
        self._agents = frozenset(agent["id"] for agent in people.plan["agents"])

    async def run(self) -> None:
        rng, stopping = self._rng, self._people.stopping
        await asyncio.sleep(rng.uniform(0, 6))
        async with Phone(
            self._me["number"], server=self._people.server, tone_hz=self._me["hz"]
        ) as phone:
            while not stopping.is_set():
                await self._one_call(phone)
                again = rng.uniform(0.2, 0.8) if rng.random() < 0.15 else rng.uniform(1, 8)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(again):
                        await stopping.wait()

    async def _one_call(self, phone: Phone) -> None:
        plan = _choose(self._rng, CALLER_PLANS)
        call = await phone.call(self._people.plan["dial"])
        ear = self._people.begin(call, self._me["id"], "caller", plan)
        life = asyncio.create_task(self._live(call, ear, plan))
        over = asyncio.create_task(self._enough(call, ear))
        try:
            with contextlib.suppress(TimeoutError):
                await call.answered(10)
                self._people.evidence.write("answered", call.answered_at, call=call.call_id)
                await asyncio.wait({life, over}, return_when=asyncio.FIRST_COMPLETED)
        except CallEnded:
            pass
        finally:
            for task in (life, over):
                task.cancel()
            await asyncio.gather(life, over, return_exceptions=True)
            await call.hang_up()
            self._people.end(call, ear)

    async def _enough(self, call: PhoneCall, ear: Ear) -> None:
        """Whoever one is: nobody stays in silence, and every run ends."""
        stopping = self._people.stopping

        def enough() -> bool:
            return stopping.is_set() or ear.silent_seconds > GIVES_UP_IN_SILENCE_SECONDS

        await until(enough, call, STAYS_SECONDS_MAX)

    async def _live(self, call: PhoneCall, ear: Ear, plan: str) -> None:
        rng = self._rng
        await call.answered(10)
        if plan == "impatient":
            await until(self._people.stopping.is_set, call, rng.uniform(0.1, 12))
            return
        unlucky = rng.choice(("at once", "as they talk", "after them")) if plan == "unlucky" else ""
        if unlucky == "at once":
            await asyncio.sleep(rng.uniform(0, 0.2))
            return
        if plan == "keys":
            await until(self._people.stopping.is_set, call, rng.uniform(3, 9))
            await self._press(call, rng.choice("22220*#5"))
        if not await until(lambda: self._talks(ear), call, rng.uniform(35, 60)):
            return
        if unlucky == "as they talk":
            await asyncio.sleep(rng.uniform(0, 0.3))
            return
        await self._talk(call, ear, plan, unlucky)

    async def _talk(self, call: PhoneCall, ear: Ear, plan: str, unlucky: str) -> None:
        rng = self._rng
        stays = rng.random() < 0.55 or plan == "asks again" or unlucky
        seconds = TALK_SECONDS_MAX if stays else rng.uniform(3, 15)
        while await until(lambda: self._talks(ear), call, 30):
            if not await until(lambda: not self._talks(ear), call, seconds):
                return  # long enough
            if unlucky:
                await asyncio.sleep(rng.uniform(0, 2))
                return
            if plan == "asks again":
                plan = "patient"
                await asyncio.sleep(rng.uniform(1, 6))
                await self._press(call, rng.choice("0123456789*#"))

    async def _press(self, call: PhoneCall, key: str) -> None:
        self._people.press_noted(call, key)
        with contextlib.suppress(RuntimeError, CallEnded):
            await call.press(key)

    def _talks(self, ear: Ear) -> bool:
        return any(who in self._agents for who in ear.tones)


class Agent:
    """Somebody who answers: a phone, and (with our controller) a screen."""

    def __init__(self, people: People, me: dict[str, Any]) -> None:
        self._people, self._me = people, me
        self._rng = people.rng(me["id"])
        self._callers = frozenset(caller["id"] for caller in people.plan["callers"])
        self._no_network_until = 0.0
        self.screen = Screen(
            me["id"], people.plan["web"], people.evidence, people.rng(f"{me['id']}-screen")
        )

    async def run(self) -> None:
        me = self._me
        async with Phone(
            me["id"],
            secret=f"demo-{me['id']}",
            server=self._people.server,
            tone_hz=me["hz"],
            answering=self._ring,
        ) as self._phone:
            await self._phone.register(60)
            if self._people.plan["screens"]:
                await self.screen.run()
            await asyncio.Event().wait()

    def _on_the_phone(self, but: PhoneCall) -> bool:
        return any(call.state == "up" and call is not but for call in self._phone.calls)

    async def _ring(self, call: PhoneCall) -> None:
        rng = self._rng
        busy = self._on_the_phone(call)
        plan = "busy" if busy else _choose(rng, AGENT_PLANS)
        if self._no_network_until > asyncio.get_running_loop().time():
            plan = "no network"
        ear = self._people.begin(call, self._me["id"], "agent", plan)
        try:
            await self._take(call, ear, plan)
        except CallEnded:
            pass
        finally:
            await call.hang_up()
            self._people.end(call, ear)

    async def _take(self, call: PhoneCall, ear: Ear, plan: str) -> None:
        rng, evidence = self._rng, self._people.evidence
        if plan == "no network":
            call.vanish()
            return
        if plan in ("busy", "declines"):
            await asyncio.sleep(0 if plan == "busy" else rng.uniform(0.3, 4))
            return
        ring_seconds = self._people.plan["ring_seconds"]
        if plan == "misses":
            with contextlib.suppress(TimeoutError):
                await call.ended(ring_seconds + 15)
            return
        late = rng.uniform(ring_seconds - 0.4, ring_seconds + 0.2)
        await asyncio.sleep(late if plan == "late" else rng.uniform(0.3, 3.5))
        await call.answer()
        evidence.write("answered", call.answered_at, call=call.call_id)
        if plan == "drops":
            await asyncio.sleep(rng.uniform(0, 0.5))
            return
        if not await self._meet(call, ear):
            return
        seconds = rng.uniform(3, 12)
        if plan == "vanishes":
            if await until(lambda: False, call, seconds) or call.state == "ended":
                return
            self._no_network_until = asyncio.get_running_loop().time() + rng.uniform(5, 10)
            evidence.write("vanished", call=call.call_id)
            call.vanish()
            return
        await until(self._people.stopping.is_set, call, seconds)
        await self._finish(call, ear)

    async def _meet(self, call: PhoneCall, ear: Ear) -> bool:
        """Wait for the caller's voice; a spoken voice may ask for the key 1 first."""
        for seconds in (2.0, 5.0, 5.0):
            if await until(lambda: self._hears_a_caller(ear), call, seconds):
                return True
            if call.state == "ended":
                return False
            self._people.press_noted(call, "1")
            with contextlib.suppress(RuntimeError):
                await call.press("1")
        return False

    async def _finish(self, call: PhoneCall, ear: Ear) -> None:
        ways = ("hang up", "end", "orient", "together")
        way = self._rng.choices(ways, (28, 32, 24, 16))[0]
        known = self.screen.connected_call
        if call.state == "ended" or way == "hang up" or known is None:
            return
        if way in ("orient", "together") and self._me["role"] == "regulator":
            stays = way == "together"
            to = {"line": "listeners"}
            done = await self.screen.does(
                "call.orient", call=known, to=to, handover="Parle bas.", together=stays
            )
            if done and stays:
                await self._stay(call, known)
                return
        else:
            done = await self.screen.does("call.end", call=known)
        if done:
            await until(lambda: not self._hears_a_caller(ear), call, 10)

    async def _stay(self, call: PhoneCall, known: str) -> None:
        """Stay until the next one is there, and a little longer; then one way or the other."""
        screen = self.screen
        await until(
            lambda: known in (screen.joined_call, screen.alone_call), call, THIRD_SECONDS_MAX
        )
        await until(self._people.stopping.is_set, call, self._rng.uniform(0.5, 6))
        if self._rng.random() < 0.5 and call.state != "ended":
            await screen.does("call.end", call=known)
            await until(lambda: False, call, 10)

    def _hears_a_caller(self, ear: Ear) -> bool:
        return any(who in self._callers for who in ear.tones)


async def control_pair(people: People) -> None:
    """Two phones that talk to each other directly: what this machine itself does to sound."""
    one, two = people.plan["control"]
    async with Phone(two["id"], tone_hz=two["hz"], answering="auto") as far:
        async with Phone(one["id"], server=far.address, tone_hz=one["hz"]) as near:
            while not people.stopping.is_set():
                call = await near.call(two["id"])
                ear = people.begin(call, one["id"], "control", "")
                await call.answered(5)
                people.evidence.write("answered", call.answered_at, call=call.call_id)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CONTROL_CALL_SECONDS):
                        await people.stopping.wait()
                await call.hang_up()
                people.end(call, ear)


async def obey(people: People) -> None:
    """Carry out what the run asks: one line of JSON each. Returns at ``close`` or at the end."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    flaps: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        command = json.loads(line)
        match command["do"]:
            case "flap":
                screen = people.agents[command["agent"]].screen
                flaps.add(asyncio.create_task(screen.flap()))
            case "stop":
                people.stopping.set()
                for agent in people.agents.values():
                    agent.screen.stop_working()
            case "close":
                return


async def persist(work: Callable[[], Awaitable[None]]) -> None:
    """Somebody's life; a line that does not let them start is tried again."""
    while True:
        try:
            await work()
        except (TimeoutError, OSError, RegistrationRefused) as error:
            print(f"phones: {type(error).__name__}: {error}", file=sys.stderr)
            await asyncio.sleep(1)
        else:
            return


async def live(folder: Path) -> None:
    """All of them, until told to close."""
    people = People(json.loads((folder / "plan.json").read_text()), folder)
    people.evidence.clock()
    people.agents = {agent["id"]: Agent(people, agent) for agent in people.plan["agents"]}
    work = [agent.run for agent in people.agents.values()]
    work += [Caller(people, caller).run for caller in people.plan["callers"]]
    tasks = [asyncio.create_task(persist(one)) for one in work]
    tasks += [asyncio.create_task(control_pair(people)), asyncio.create_task(people.ears.run())]
    everybody = asyncio.gather(*tasks)  # ends only with somebody's failure
    obeying = asyncio.create_task(obey(people))
    await asyncio.wait({obeying, everybody}, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    for failure in await asyncio.gather(everybody, *tasks, return_exceptions=True):
        if isinstance(failure, Exception):
            raise failure


if __name__ == "__main__":
    asyncio.run(live(Path(sys.argv[1])))
