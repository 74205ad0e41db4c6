"""Simulated agents whose screens are real screens, on wires that are cut all the time.

Each desk keeps to docs/cti.md and to nothing else: it resumes where it was, acks what it has
shown, and says what it decides as commands. The wire delivers late, loses what is on its way
when it is cut, and the line may learn of a cut long after the client has come back.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace
from typing import Any, cast

from aiohttp import WSMessage, WSMsgType, web

from cti.people.agents import Agent, Decision, Decline, End, Message, Outbox, Presence
from cti.simulation.actors import AgentPlan, CallerPlan, Desk, Pop
from cti.simulation.fake_people import FakePhoneCall
from cti.simulation.world import Controller, Fault, Plan, World
from cti.web.frames import Resume
from cti.web.screen import Screen, Screens

LATE_SECONDS = (0.001, 0.06)  # one way
CUT_EVERY_SECONDS = 14.0
CUT_AT_A_POP = 0.4
POP_SECONDS = (0.0, 0.4)  # after a pop is pushed: before it came, before its ack, before its ring
NOTICED_SECONDS = (0.0, 0.5)
UNNOTICED_SHARE, UNNOTICED_SECONDS = 0.15, 22.5  # until the heartbeat tells
AWAY_SECONDS = (0.0, 1.2)
LONG_AWAY_SHARE, LONG_AWAY_SECONDS = 0.03, (5.0, 25.0)
STUCK_SHARE, STUCK_SECONDS = 0.1, (0.1, 3.0)
DECLINED_SHARE = 0.95
SESSION = SimpleNamespace(expires_at=datetime(2100, 1, 1, tzinfo=UTC))
CLOSED = WSMessage(WSMsgType.CLOSED, None, None)
TAKES_CALLS_AGAIN = ("LOGGED_OUT", "NOT_READY")


class Wire:
    """One websocket; ``receive``, ``send_str`` and ``pong`` are the line's end of it."""

    def __init__(self, desk: FlappingDesk, controller: Controller) -> None:
        self.desk, self.controller = desk, controller
        self.alive = True
        self.reads_again: asyncio.Future[None] | None = None
        self._asked: asyncio.Queue[WSMessage] = asyncio.Queue()
        self._due = 0.0  # nothing overtakes on a wire

    async def receive(self) -> WSMessage:
        return await self._asked.get()

    async def send_str(self, text: str) -> None:
        if self.reads_again is not None:
            await self.reads_again
        self.desk.world.later(self._seconds(), self.desk.receive, self, text)

    async def pong(self, _: bytes) -> None:
        """Nobody pings here."""

    def send(self, text: str) -> None:
        """The client's end: it arrives later, unless the wire is cut before."""
        self.desk.world.later(self._seconds(), self._arrive, text)

    def cut(self, noticed_after: float) -> None:
        """Lose what is on its way; the line learns of it later."""
        self.alive = False
        self.desk.world.later(noticed_after, self.controller.tell, self._notice)

    def _arrive(self, text: str) -> None:
        if self.alive:
            message = WSMessage(WSMsgType.TEXT, text, None)
            self.controller.tell(self._asked.put_nowait, message)

    def _notice(self) -> None:
        if self.reads_again is not None and not self.reads_again.done():
            self.reads_again.set_exception(ConnectionResetError())
        self._asked.put_nowait(CLOSED)

    def _seconds(self) -> float:
        now = self.desk.world.loop.time()
        self._due = max(self._due, now + self.desk.chance.uniform(*LATE_SECONDS))
        return self._due - now


@dataclass(frozen=True)
class Got:
    """A numbered frame that a desk was told."""

    epoch: str
    seq: int
    id: str
    resumed: bool  # it was missed, and came after the cut


class FlappingDesk(Desk):
    """An agent whose screen comes and goes."""

    world: FlappingWorld

    def __post_init__(self) -> None:
        super().__post_init__()
        self.wire: Wire | None = None
        self.epoch, self.seq, self.next_epoch = "", 0, ""
        self.presence = "LOGGED_OUT"  # as the screen shows
        self.missed_until = 0
        self.got: list[Got] = []
        self.snapshots: list[tuple[str, int, str | None]] = []  # epoch, seq, the call shown
        self.shown: Counter[str] = Counter()  # offers
        self.declined: set[str] = set()

    # -- the wire

    def _connect(self, controller: Controller) -> None:
        if controller is not self.world.controller or self.wire is not None:
            return
        self.controller = controller
        self.agent = controller.house.team.agents[self.plan.id]
        self.wire = Wire(self, controller)
        known = Resume(epoch=self.epoch, since=self.seq) if self.epoch else None
        controller.start(lambda wire=self.wire: self._serve(controller, wire, known))  # type: ignore[misc]
        self.world.later(self.chance.expovariate(1 / CUT_EVERY_SECONDS), self.flap, self.wire)

    async def _serve(self, controller: Controller, wire: Wire, known: Resume | None) -> None:
        """What the address of the websocket does, without its HTTP."""
        agent, screens = controller.house.team.agents[self.plan.id], self.world.screens(controller)
        socket = cast(web.WebSocketResponse, wire)
        screen = Screen(agent, controller.house.team, cast(Any, SESSION), "secret", socket)
        screens.add(screen)
        code = await screen.run(known)
        screens.remove(screen)
        self.world.closes[int(code)] += 1
        self.world.later(0.01, self._closed, wire)

    def _closed(self, wire: Wire) -> None:
        """The line has closed this wire; the client may know better."""
        self.cut(wire)

    def flap(self, wire: Wire | None) -> None:
        """A wire is cut, at once or after a while in which its client reads nothing."""
        if wire is None or wire is not self.wire or self.world.healed:
            return
        seconds = 0.0
        if self.chance.random() < STUCK_SHARE and wire.reads_again is None:
            wire.reads_again = asyncio.Future(loop=self.world.loop)
            seconds = self.chance.uniform(*STUCK_SECONDS)
        self.world.later(seconds, self.cut, wire)

    def cut(self, wire: Wire) -> None:
        """The wire is cut; the client opens another after a while."""
        if wire is not self.wire:
            return
        self.world.cuts += 1
        chance, self.wire = self.chance, None
        unnoticed = chance.random() < UNNOTICED_SHARE
        wire.cut(UNNOTICED_SECONDS if unnoticed else chance.uniform(*NOTICED_SECONDS))
        long = chance.random() < LONG_AWAY_SHARE
        away = chance.uniform(*(LONG_AWAY_SECONDS if long else AWAY_SECONDS))
        self.world.later(away, self._connect, wire.controller)

    def controller_is_gone(self) -> None:
        super().controller_is_gone()
        if self.wire is not None:
            self.wire.alive, self.wire = False, None

    # -- what is told

    def receive(self, wire: Wire, text: str) -> None:
        """A frame arrives, if its wire has not been cut meanwhile."""
        if wire is not self.wire or not wire.alive:
            return
        frame = json.loads(text)
        if frame.get("op") == "result":
            if not frame["ok"]:
                self.world.refused[frame["error"]["code"]] += 1
            return
        match frame["type"]:
            case "hello":
                self._greeted(frame)
            case "snapshot":
                self._shows_all(frame)
            case _:
                self._numbered(frame)

    def _greeted(self, frame: dict[str, Any]) -> None:
        data = frame["data"]
        self.next_epoch, self.missed_until = data["epoch"], data["last_seq"]
        self.world.resumed += data["resumed"]
        if not data["resumed"]:
            self.epoch = ""
        elif (data["epoch"], frame["seq"]) != (self.epoch, self.seq):
            self.world.wrong.append(f"{self.plan.id} is resumed elsewhere: {frame}")

    def _shows_all(self, frame: dict[str, Any]) -> None:
        data = frame["data"]
        self.epoch, self.seq = self.next_epoch, frame["seq"]
        self.presence = data["presence"]["presence"]
        call = data["call"] and data["call"]["id"]
        self.snapshots.append((self.epoch, self.seq, call))
        if data["agent"]["id"] != self.plan.id:
            self.world.wrong.append(f"{self.plan.id} is shown {data['agent']['id']}")
        self.call = None
        if call and data["call_state"] == "connected":
            self._connected(call)

    def _numbered(self, frame: dict[str, Any]) -> None:
        if not self.epoch or frame["seq"] != self.seq + 1:
            self.world.wrong.append(f"{self.plan.id}: {frame['seq']} after {self.seq}")
        self.seq = frame["seq"]
        late = self.seq <= self.missed_until
        self.got.append(Got(self.epoch, self.seq, frame["id"], late))
        if frame["type"] == "presence.changed":
            self.presence = frame["data"]["presence"]
        at = datetime.fromisoformat(frame["time"])
        message = Message(self.seq, frame["id"], frame["type"], at, frame["data"])
        self.world.later(self.chance.uniform(0.001, 0.05), self._seen, self.controller, message)

    def _offered(self, seq: int, data: dict[str, Any]) -> None:
        offer = data["offer"]
        self.shown[offer] += 1
        pop = Pop(self.plan.id, data["call"]["id"], offer, self.world.loop.time())
        self.pops[offer] = pop
        self.world.later(self.chance.uniform(0.01, 0.2), self._ack, self.controller, seq, pop)
        if self.chance.random() < DECLINED_SHARE:
            self.declined.add(offer)
            self._decide_later(self.chance.uniform(0.1, 0.6), pop.call, Decline())

    def _rings(self, ring: FakePhoneCall) -> None:
        self.rings = [one for one in self.rings if one.state != "ended"]
        self.rings.append(ring)
        self.world.rings.append((self.world.loop.time(), ring))
        if ring.channel_id not in self.declined:
            self.world.later(self.chance.uniform(0.2, 3), ring.answer)

    # -- what is said

    def _say_to_the_line(self, op: str, **data: Any) -> None:
        if self.wire is not None and self.wire.alive:
            self.wire.send(json.dumps({"op": op, "id": op, "data": data}))

    def _ack(self, controller: Controller, seq: int, pop: Pop) -> None:
        if self.controller is controller and self.wire is not None:
            pop.acked_at = pop.acked_at or self.world.loop.time()
            self._say_to_the_line("ack", seq=seq)

    def _choose(self, presence: Presence, reason: str | None = None) -> None:
        self._say_to_the_line("presence.set", presence=presence.value, reason=reason)

    def _decide(self, controller: Controller, call: str, decision: Decision) -> None:
        if self.controller is controller:
            op = "call.decline" if isinstance(decision, Decline) else "call.end"
            self._say_to_the_line(op, call=call)

    def _connected(self, call: str) -> None:
        if self.call != call:
            self.call = call
            self._decide_later(self.chance.uniform(0.5, 4), call, End())

    def begin(self) -> None:
        """Look at one's presence now and then, and put it right. For ever."""
        if self.presence in TAKES_CALLS_AGAIN:
            self._choose(Presence.READY)
        self.world.later(self.chance.uniform(1, 4), self.begin)


class FlappingWorld(World):
    """A world of such desks; what went wrong, and how often what was met, is kept."""

    desk_class = FlappingDesk
    desks: dict[str, FlappingDesk]

    def __init__(self, plan: Plan, seed: str) -> None:
        super().__init__(plan, seed)
        self.wrong: list[str] = []
        self.cuts = self.resumed = 0
        self.closes: Counter[int] = Counter()
        self.refused: Counter[str] = Counter()
        self.owners: dict[str, tuple[str, int]] = {}  # epoch -> agent, number of the life
        self.pushed: dict[str, list[Message]] = defaultdict(list)  # by epoch
        self._screens: dict[int, Screens] = {}

    def screens(self, controller: Controller) -> Screens:
        """The screens that are open at one life of the controller."""
        return self._screens.setdefault(id(controller), Screens())

    def _begin(self) -> None:
        super()._begin()
        for desk in self.desks.values():
            self.later(desk.chance.uniform(0, 2), desk.begin)

    def _agent(self, plan: AgentPlan) -> Agent:
        agent = super()._agent(plan)
        self.owners[agent.outbox.epoch] = agent.id, len(self.lives)
        return agent

    def was_pushed(self, epoch: str, message: Message) -> None:
        """A frame was told to somebody's screens; some are cut just then."""
        self.pushed[epoch].append(message)
        agent, _ = self.owners[epoch]
        desk = self.desks[agent]
        if message.type == "call.offered" and desk.chance.random() < CUT_AT_A_POP:
            self.later(desk.chance.uniform(*POP_SECONDS), desk.flap, desk.wire)


@contextmanager
def recorded(world: FlappingWorld) -> Iterator[None]:
    """Have every frame that the line pushes written down, whether anybody gets it or not."""
    push = Outbox.push

    def noted(outbox: Outbox, type_: str, data: dict[str, Any]) -> Message:
        message = push(outbox, type_, data)
        world.was_pushed(outbox.epoch, message)
        return message

    Outbox.push = noted  # type: ignore[method-assign]
    try:
        yield
    finally:
        Outbox.push = push  # type: ignore[method-assign]


def a_plan(seed: str, callers: int, agents: int) -> Plan:
    """So many callers, whom most agents decline; the controller dies twice."""
    chance = Random(f"{seed}/flapping")
    at, coming = 3.0, []
    for number in range(callers):
        at += chance.expovariate(1 / 1.5)
        patience = chance.uniform(30, 100)
        coming.append(CallerPlan(at, patience, 60.0, number=f"0199{number:06}"))
    roles, languages = frozenset({"regulator"}), frozenset({"fr"})
    team = [AgentPlan(f"agent{n:02}", roles, languages, steady=True) for n in range(agents)]
    ends = sorted(chance.uniform(10, at) for _ in range(2))
    crashes = tuple(Fault(end, "crash", steps=chance.randint(0, 300)) for end in ends)
    return Plan(tuple(coming), tuple(team), crashes, database="away")


@dataclass
class Tally:
    """What was lived through, so that nothing was proved by nothing happening."""

    pops: int = 0
    told: int = 0  # of those, to the agent's client as a frame
    late: int = 0  # … after a cut, by resuming
    in_snapshot: int = 0  # … by a snapshot that shows the call
    over_before: int = 0  # … over by the time of the snapshot that replaced them
    died: int = 0  # … with the life of the controller that made them
    rings: int = 0
    cuts: int = 0
    resumed: int = 0
    lives: int = 0


def judge(world: FlappingWorld, tally: Tally) -> list[str]:
    """What was lost, doubled, told to somebody else, or rung unseen; counts the rest."""
    wrong = list(world.wrong) + [text for _, text in world.troubles]
    tally.cuts, tally.resumed = tally.cuts + world.cuts, tally.resumed + world.resumed
    tally.lives += len(world.lives)
    offers: dict[str, str] = {}
    for epoch, messages in world.pushed.items():
        agent, life = world.owners[epoch]
        desk = world.desks[agent]
        got = [one for one in desk.got if one.epoch == epoch]
        told = {one.seq: one for one in got}
        if len(told) < len(got):
            wrong.append(f"{agent} was told twice: {Counter(o.seq for o in got).most_common(3)}")
        for message in messages:
            if message.type == "call.offered":
                offers[message.data["offer"]] = agent
                wrong += _fate(tally, desk, epoch, message, told.get(message.seq), messages, life)
    for agent, desk in world.desks.items():
        wrong += [f"{agent} was told of {o}" for o in desk.shown if offers.get(o) != agent]
        wrong += [f"{agent} saw {o} {n} times" for o, n in desk.shown.items() if n > 1]
        strangers = {one.epoch for one in desk.got if world.owners[one.epoch][0] != agent}
        wrong += [f"{agent} was told frames of {world.owners[epoch]}" for epoch in strangers]
    for at, ring in world.rings:
        if ring.channel_id in offers:
            tally.rings += 1
            pop = world.desks[ring.name].pops.get(ring.channel_id)
            if pop is None or pop.acked_at is None or pop.acked_at > at:
                wrong.append(f"{ring.channel_id} rang before it was seen")
    return wrong


def _fate(
    tally: Tally,
    desk: FlappingDesk,
    epoch: str,
    pop: Message,
    told: Got | None,
    messages: list[Message],
    life: int,
) -> Iterator[str]:
    """What became of one pop: told, shown in a snapshot, over by then, or dead with its line."""
    tally.pops += 1
    snapshots = [(seq, call) for e, seq, call in desk.snapshots if e == epoch and seq >= pop.seq]
    if told is not None:
        tally.told += 1
        tally.late += told.resumed
        if told.id != pop.id:
            yield f"{pop.data['offer']} came as another frame"
    elif snapshots:
        seq, call = snapshots[0]
        over = [m for m in messages if m.type == "call.withdrawn" and pop.seq < m.seq <= seq]
        if call == pop.data["call"]["id"]:
            tally.in_snapshot += 1
        elif over:
            tally.over_before += 1
        else:
            yield f"{pop.data['offer']} is in no snapshot"
    elif desk.world.lives[life].ended_at is not None:
        tally.died += 1
    else:
        yield f"{pop.data['offer']} was lost"


def live(seed: str, callers: int, agents: int, tally: Tally) -> list[str]:
    """Live through one world; returns what was wrong."""
    world = FlappingWorld(a_plan(seed, callers, agents), seed)
    try:
        with recorded(world):
            world.run()
        return [f"{seed}: {one}" for one in judge(world, tally)]
    finally:
        world.close()
