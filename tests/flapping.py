"""Simulated agents whose screens are real screens, on wires that are cut all the time.

Each client keeps to docs/cti.md and to nothing else: it resumes where it was, acks what it has
shown, and says what it decides as commands. The wire delivers late, loses what is on its way
when it is cut, and the line may learn of a cut long after the client has come back.
What may be told again is worked out here from what was pushed, apart from what the line keeps.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace
from typing import Any, cast

from aiohttp import WSMessage, WSMsgType, web

from cti.people.agents import Agent, Decision, Decline, End, Message, Outbox, Presence
from cti.simulation.actors import AgentPlan, Desk, Pop
from cti.simulation.fake_people import FakePhoneCall
from cti.simulation.world import Controller, Plan, World
from cti.web import screen as line_end
from cti.web.frames import Resume

KEPT_MAX, QUEUED_MAX = 14, 8  # so small that both are met all the time
LATE_SECONDS, SLOW_SECONDS = (0.001, 0.06), (0.1, 0.9)  # one way
SLOW_SHARE = 0.08
SECOND_SHARE, THIRD_SHARE = 0.4, 0.15  # of people, who have so many screens
BY_COMMAND_SHARE = 0.4  # of clients: those that resume on an open socket, as the page does
CUT_EVERY_SECONDS = 9.0
CUT_AT_A_POP = 0.5
POP_SECONDS = (0.0, 0.4)  # after a pop is pushed: before it came, before its ack, before its ring
NOTICED_SECONDS = (0.0, 0.5)
UNNOTICED_SHARE, UNNOTICED_SECONDS = 0.15, 22.5  # until the heartbeat tells
AWAY_SECONDS = (0.0, 1.2)
LONG_AWAY_SHARE, LONG_AWAY_SECONDS = 0.12, (5.0, 25.0)
STUCK_SHARE, STUCK_SECONDS = 0.15, (0.3, 5.0)
DECLINED_SHARE, IN_DANGER_SHARE = 0.975, 0.25
SESSION = SimpleNamespace(expires_at=datetime(2100, 1, 1, tzinfo=UTC))
CLOSED = WSMessage(WSMsgType.CLOSED, None, None)
TAKES_CALLS_AGAIN = ("LOGGED_OUT", "NOT_READY")


@dataclass(frozen=True)
class Pushed:
    """A frame as the line told it to an outbox."""

    seq: int
    id: str
    type: str
    data: dict[str, Any]
    replaces: bool  # all of its kind before it


class NotedOutbox(Outbox):
    """An outbox of which every frame is written down, whether anybody gets it or not."""

    def __init__(self, world: FlappingWorld, agent: str) -> None:
        super().__init__()
        self._world = world
        world.owners[self.epoch] = agent, len(world.lives)

    def push(self, type_: str, data: dict[str, Any], *, says_all: bool = False) -> Message:
        message = super().push(type_, data, says_all=says_all)
        # As it is now: who tells it again must not tell what has become of it.
        as_told = message.data if says_all else json.loads(json.dumps(data))
        noted = Pushed(message.seq, message.id, type_, as_told, says_all)
        self._world.was_pushed(self.epoch, noted)
        return message


class Wire:
    """One websocket; ``receive``, ``send_str`` and ``pong`` are the line's end of it."""

    def __init__(self, client: Client, controller: Controller) -> None:
        self.client, self.controller = client, controller
        self.alive = True
        self.reads_again: asyncio.Future[None] | None = None
        self._asked: asyncio.Queue[WSMessage] = asyncio.Queue()
        self._seconds = SLOW_SECONDS if client.chance.random() < SLOW_SHARE else LATE_SECONDS
        self._due = 0.0  # nothing overtakes on a wire
        self._noticed = False

    async def receive(self) -> WSMessage:
        return await self._asked.get()

    async def send_str(self, text: str) -> None:
        if self.reads_again is not None:
            await self.reads_again
        if self._noticed:
            raise ConnectionResetError
        self.client.world.later(self._late(), self.client.receive, self, text)

    async def pong(self, _: bytes) -> None:
        """Nobody pings here."""

    def send(self, text: str) -> None:
        """The client's end: it arrives later, unless the wire is cut before."""
        self.client.world.later(self._late(), self._arrive, text)

    def cut(self, noticed_after: float) -> None:
        """Lose what is on its way; the line learns of it later."""
        self.alive = False
        self.client.world.later(noticed_after, self.controller.tell, self._notice)

    def _arrive(self, text: str) -> None:
        if self.alive:
            message = WSMessage(WSMsgType.TEXT, text, None)
            self.controller.tell(self._asked.put_nowait, message)

    def stop_reading(self, seconds: float) -> None:
        """Read nothing for a while."""
        if self.reads_again is None:
            self.reads_again = asyncio.Future(loop=self.client.world.loop)
            self.client.world.later(seconds, self.controller.tell, self._read_again)

    def _read_again(self) -> None:
        again, self.reads_again = self.reads_again, None
        if again is not None and not again.done():
            again.set_result(None)

    def _notice(self) -> None:
        self._noticed = True
        self._read_again()
        self._asked.put_nowait(CLOSED)

    def _late(self) -> float:
        now = self.client.world.loop.time()
        self._due = max(self._due + 1e-6, now + self.client.chance.uniform(*self._seconds))
        return self._due - now


@dataclass(frozen=True)
class Got:
    """A numbered frame that a client was told, and dealt with."""

    epoch: str
    seq: int
    id: str
    missed: bool  # it came after the cut


class Client:
    """One screen of a person, opened again and again."""

    def __init__(self, desk: FlappingDesk, number: int) -> None:
        self.desk, self.world = desk, desk.world
        self.chance = Random(f"{desk.world.seed}/{desk.plan.id}/{number}")
        self.by_command = self.chance.random() < BY_COMMAND_SHARE
        self.wire: Wire | None = None
        self.epoch, self.seq, self.next_epoch = "", 0, ""
        self.got: dict[tuple[str, int], Got] = {}
        self.snapshots: list[tuple[str, int, str | None]] = []  # epoch, seq, the call shown
        self._due: deque[int] = deque()  # what must come, before what is new
        self._asked_since: tuple[int, int] | None = None  # by command: from, and up to

    # -- the wire

    def connect(self, controller: Controller) -> None:
        """Open a screen, where it was."""
        if controller is not self.world.controller or self.wire is not None:
            return
        self.wire = Wire(self, controller)
        if self.chance.random() < STUCK_SHARE:
            self.wire.stop_reading(self.chance.uniform(*STUCK_SECONDS))
        known = None
        if self.epoch and not self.by_command:
            known = Resume(epoch=self.epoch, since=self.seq)
        controller.start(lambda wire=self.wire: self._serve(controller, wire, known))
        self.world.later(self.chance.expovariate(1 / CUT_EVERY_SECONDS), self.flap, self.wire)

    async def _serve(self, controller: Controller, wire: Wire, known: Resume | None) -> None:
        """What the address of the websocket does, without its HTTP."""
        agent, screens = controller.house.team.agents[self.desk.plan.id], self.world.screens()
        socket = cast(web.WebSocketResponse, wire)
        screen = line_end.Screen(
            agent, controller.house.team, cast(Any, SESSION), "secret", socket, "fr"
        )
        screens.add(screen)
        code = await screen.run(known)
        screens.remove(screen)
        self.world.closes[int(code)] += 1
        self.world.later(0.01, self.cut, wire)

    def flap(self, wire: Wire | None) -> None:
        """A wire is cut, at once or after a while in which its client reads nothing."""
        if wire is None or wire is not self.wire or self.world.healed:
            return
        seconds = 0.0
        if self.chance.random() < STUCK_SHARE:
            seconds = self.chance.uniform(*STUCK_SECONDS)
            wire.stop_reading(self.chance.uniform(*STUCK_SECONDS))
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
        self.world.later(away, self.connect, wire.controller)

    def lose(self) -> None:
        """The line is dead."""
        if self.wire is not None:
            self.wire.alive, self.wire = False, None

    def say(self, op: str, **data: Any) -> None:
        """Send a command, if the wire is there."""
        if self.wire is not None and self.wire.alive:
            self.wire.send(json.dumps({"op": op, "id": op, "data": data}))

    # -- what is told

    def receive(self, wire: Wire, text: str) -> None:
        """A frame arrives, if its wire has not been cut meanwhile."""
        if wire is not self.wire or not wire.alive:
            return
        frame = json.loads(text)
        if frame.get("op") == "result":
            self._answered(frame)
            return
        match frame["type"]:
            case "hello":
                self._greeted(frame)
            case "snapshot":
                self._shows_all(frame)
            case _:
                self._numbered(frame)

    def _wrong(self, text: str) -> None:
        self.world.wrong.append(f"{self.desk.plan.id}: {text}")

    def _greeted(self, frame: dict[str, Any]) -> None:
        data = frame["data"]
        last, resumed = data["last_seq"], data["resumed"]
        owner = self.world.owners[data["epoch"]][0]
        if owner != self.desk.plan.id:
            self._wrong(f"the epoch of {owner}")
        missed = self.world.missed(data["epoch"], self.seq, last) if self.epoch else None
        due = missed if data["epoch"] == self.epoch and not self.by_command else None
        if resumed != (due is not None):
            self._wrong(f"resumed {resumed} after {self.seq}, due {due}")
        if resumed and frame["seq"] != self.seq:
            self._wrong(f"resumed at {frame['seq']}, not at {self.seq}")
        self.world.met["resumed" if resumed else "all anew"] += 1
        if self.epoch == data["epoch"] and missed is None:
            self.world.met["too much missed"] += 1
        self._due, self.next_epoch, self._asked_since = deque(due or ()), data["epoch"], None
        if self.by_command and self.epoch == data["epoch"] and self.seq < last:
            self._asked_since = self.seq, last
            self.say("resume", epoch=self.epoch, since=self.seq)
        if not resumed:
            self.epoch = ""

    def _answered(self, frame: dict[str, Any]) -> None:
        if not frame["ok"]:
            self.world.refused[frame["error"]["code"]] += 1
        if frame["id"] != "resume" or self._asked_since is None:
            return
        (since, until), self._asked_since = self._asked_since, None
        told = {seq for epoch, seq in self.got if epoch == self.epoch}
        missed = self.world.missed(self.epoch, since, self.seq)
        anew = sum(epoch == self.epoch and seq >= until for epoch, seq, _ in self.snapshots[-2:])
        lacking = set(missed or ()) - told
        if anew < 2 and (missed is None or lacking):
            self._wrong(f"asked for what came after {since}, not told {lacking or 'anything'}")
        self.world.met["told by command" if anew < 2 else "all anew by command"] += 1

    def _shows_all(self, frame: dict[str, Any]) -> None:
        data = frame["data"]
        self.epoch, self.seq = self.next_epoch, frame["seq"]
        call = data["call"] and data["call"]["id"]
        self.snapshots.append((self.epoch, self.seq, call))
        if data["agent"]["id"] != self.desk.plan.id:
            self._wrong(f"shown {data['agent']['id']}")
        self.desk.shows_all(data)

    def _numbered(self, frame: dict[str, Any]) -> None:
        seq, known = frame["seq"], self.world.known(self.epoch, frame["seq"])
        if known is None or (known.id, known.type, known.data) != (
            frame["id"],
            frame["type"],
            frame["data"],
        ):
            self._wrong(f"frame {seq} is not what was pushed")
        missed = bool(self._due)
        if self._asked_since is not None and seq <= self.seq:
            missed = True  # asked for, or it has come already: the number tells
            if (self.epoch, seq) in self.got:
                self.world.met["came a second time"] += 1
                return
        elif seq != (self._due.popleft() if self._due else self.seq + 1):
            self._wrong(f"{seq} after {self.seq}")
        self.seq = max(self.seq, seq)
        if (self.epoch, seq) in self.got:
            self._wrong(f"told {seq} twice")
        self.got[self.epoch, seq] = Got(self.epoch, seq, frame["id"], missed)
        self.desk.is_told(self, frame)


class FlappingDesk(Desk):
    """An agent whose screens come and go."""

    world: FlappingWorld

    def __post_init__(self) -> None:
        super().__post_init__()
        draw = self.chance.random()
        count = 1 + (draw < SECOND_SHARE) + (draw < THIRD_SHARE)
        self.clients = [Client(self, number) for number in range(count)]
        self.presence = "LOGGED_OUT"  # as the screens show
        self.shown: Counter[tuple[int, str]] = Counter()  # offers, by client
        self.declined: set[str] = set()

    def controller_is_there(self, controller: Controller) -> None:
        for client in self.clients:
            self.world.later(self.chance.uniform(0.05, 1.5), self._opens, client, controller)

    def _opens(self, client: Client, controller: Controller) -> None:
        if controller is self.world.controller:
            self.controller = controller
            self.agent = controller.house.team.agents[self.plan.id]
            client.connect(controller)

    def controller_is_gone(self) -> None:
        super().controller_is_gone()
        for client in self.clients:
            client.lose()

    def shows_all(self, data: dict[str, Any]) -> None:
        """A screen was told all that is true."""
        self.presence = data["presence"]["presence"]
        self.call = None
        if data["call"] and data["call_state"] == "connected":
            self._connected(data["call"]["id"])

    def is_told(self, client: Client, frame: dict[str, Any]) -> None:
        """A screen was told a frame; it shows it a moment later."""
        data = frame["data"]
        match frame["type"]:
            case "call.offered":
                late = self.chance.uniform(0.01, 0.25)
                self.world.later(late, self._shows, client, frame["seq"], data)
            case "presence.changed":
                self.presence = data["presence"]
            case "call.withdrawn":
                self._over(data["offer"])
            case "call.connected":
                self._connected(data["call"]["id"])
            case "call.ended":
                self.call = None

    def _shows(self, client: Client, seq: int, data: dict[str, Any]) -> None:
        now, offer = self.world.loop.time(), data["offer"]
        self.shown[self.clients.index(client), offer] += 1
        pop = self.pops.setdefault(offer, Pop(self.plan.id, data["call"]["id"], offer, now))
        if client.wire is not None:
            pop.acked_at = pop.acked_at or now
            client.say("ack", seq=seq)
        if offer not in self.declined and self.chance.random() < DECLINED_SHARE:
            self.declined.add(offer)
            self._decide_later(self.chance.uniform(0.1, 0.6), pop.call, Decline())

    def _rings(self, ring: FakePhoneCall) -> None:
        self.rings = [one for one in self.rings if one.state != "ended"]
        self.rings.append(ring)
        self.world.rings.append((self.world.loop.time(), ring))
        if ring.channel_id not in self.declined:
            self.world.later(self.chance.uniform(0.2, 3), ring.answer)

    # -- what is said

    def _choose(self, presence: Presence, reason: str | None = None) -> None:
        self.chance.choice(self.clients).say("presence.set", presence=presence.value, reason=reason)

    def _decide(self, controller: Controller, call: str, decision: Decision) -> None:
        if self.controller is controller:
            op = "call.decline" if isinstance(decision, Decline) else "call.end"
            self.chance.choice(self.clients).say(op, call=call)

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
        self.cuts = 0
        self.met: Counter[str] = Counter()
        self.closes: Counter[int] = Counter()
        self.refused: Counter[str] = Counter()
        self.owners: dict[str, tuple[str, int]] = {}  # epoch -> agent, number of the life
        self.pushed: dict[str, list[Pushed]] = defaultdict(list)  # by epoch
        self._screens: dict[int, line_end.Screens] = {}

    def screens(self) -> line_end.Screens:
        """The screens that are open at this life of the controller."""
        return self._screens.setdefault(len(self.lives), line_end.Screens())

    def _begin(self) -> None:
        super()._begin()
        for desk in self.desks.values():
            self.later(desk.chance.uniform(0, 2), desk.begin)

    def _agent(self, plan: AgentPlan) -> Agent:
        agent = super()._agent(plan)
        agent.outbox = NotedOutbox(self, agent.id)
        return agent

    def was_pushed(self, epoch: str, frame: Pushed) -> None:
        """A frame was told to somebody's screens; some are cut just then."""
        self.pushed[epoch].append(frame)
        desk = self.desks[self.owners[epoch][0]]
        if frame.type == "call.offered":
            for client in desk.clients:
                if desk.chance.random() < CUT_AT_A_POP:
                    self.later(desk.chance.uniform(*POP_SECONDS), client.flap, client.wire)

    def known(self, epoch: str, seq: int) -> Pushed | None:
        """What was pushed with that number."""
        frames = self.pushed.get(epoch, [])
        return frames[seq - 1] if 0 < seq <= len(frames) else None

    def missed(self, epoch: str, since: int, until: int) -> list[int] | None:
        """What to tell who has seen ``since``, once ``until`` were pushed. None: too many."""
        frames = self.pushed.get(epoch, [])[:until]
        kept = [frame.seq for frame in frames if not frame.replaces]
        if len(kept) > KEPT_MAX and since < kept[-KEPT_MAX - 1]:
            return None
        last = {frame.type: frame.seq for frame in frames if frame.replaces}
        return [seq for seq in sorted([*kept, *last.values()]) if seq > since]
