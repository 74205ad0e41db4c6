"""The people of a simulated world: callers with their patience, agents at their desks.

They know what a person knows: what is heard, what the screen shows. None of them looks
inside the controller; they tell it things as a screen would, and it may be dead.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from cti.people.agents import Agent, Close, Decision, Decline, End, Message, Orient, Presence
from cti.people.desk import Desk as WaitingDesk
from cti.simulation.fake_people import FakeCaller, FakePhone, FakePhoneCall, FarEnd

if TYPE_CHECKING:
    from cti.simulation.virtual import Handle
    from cti.simulation.world import Controller, World

TALK_SECONDS_LEFT_MAX = 60.0  # an agent whom nothing tells that the talk is over hangs up


@dataclass(frozen=True)
class CallerPlan:
    """What somebody will do when they call."""

    at: float
    patience_seconds: float
    talk_seconds: float  # then they hang up, unless the agent ended the talk before
    keys: tuple[tuple[float, str], ...] = ()
    leaves_at_sound: int | None = None  # the change of sound at which they leave, by number
    leaves_after_seconds: float = 0.0
    vanishes: bool = False  # their line is cut, instead of a hang-up
    calls_again: bool = False
    number: str | None = "0199000001"  # None: withheld


@dataclass(frozen=True)
class AgentPlan:
    """Who somebody of the team is, and how they behave."""

    id: str
    roles: frozenset[str]
    languages: frozenset[str]
    steady: bool = False  # always acks, answers and ends: the one who keeps the line going
    always: str = ""  # "orient", "end" or "listen": what they do in every talk, after two seconds
    skills: Mapping[str, int] = field(default_factory=dict)  # with the level
    answers_after_seconds: float | None = None  # always; None: by chance
    own_number: str | None = None  # of a telephone of their own, in place of a desk phone
    gender: str | None = None
    stands_in: bool = False
    picks: float = 0.0  # of the lists of waiting callers, how many make a regulator do something


class Caller:
    """One person who calls."""

    def __init__(self, world: World, plan: CallerPlan) -> None:
        self.plan = plan
        self.end: FakeCaller | None = None
        self.left_at: float | None = None  # by their own will
        self._world = world
        self._timer: Handle | None = None
        self._sounds = 0
        world.callers_due += 1
        world.later(plan.at, self._dial)

    def _dial(self) -> None:
        world = self._world
        if not world.engine.running:
            world.later(1.0, self._dial)
            return
        self.end = world.engine.dial(self.plan.number)
        world.callers.append(self)
        self.end.on_change = self._changed
        for after, key in self.plan.keys:
            world.later(after, self.end.press, key)
        self._wait(self.plan.patience_seconds)

    def _changed(self, end: FarEnd) -> None:
        if end.state == "ended":
            if self._timer is not None:
                self._timer.cancel()
            if self.plan.calls_again and self.left_at is not None:
                again = CallerPlan(
                    1.5,
                    self.plan.patience_seconds,
                    self.plan.talk_seconds,
                    number=self.plan.number,
                )
                Caller(self._world, again)
            return
        self._sounds += 1
        if self._sounds == self.plan.leaves_at_sound:
            self._wait(self.plan.leaves_after_seconds)
        elif end.hears.startswith("people:"):
            self._wait(self.plan.talk_seconds)
        elif self._sounds > 1 and end.heard[-2][1].startswith("people:"):
            self._wait(max(20.0, self.plan.patience_seconds / 2))

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._world.later(seconds, self._leave)

    def _leave(self) -> None:
        assert self.end is not None
        if self.end.state == "ended":
            return
        self.left_at = self._world.loop.time()
        if self.plan.vanishes:
            self.end.vanish()
        else:
            self.end.hang_up()


@dataclass
class Pop:
    """A call that a screen showed."""

    agent: str
    call: str
    offer: str  # the name of the leg that will ring
    shown_at: float
    acked_at: float | None = None
    over_at: float | None = None


@dataclass(frozen=True)
class Frame:
    """What a screen was told, by its type; ``said.…``: what somebody told the line with it.

    ``screen.open`` and ``screen.closed``: the screen itself came or went.
    """

    at: float
    entries: int  # of the journal, before it
    agent: str
    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Board:
    """The callers who wait, as a screen was told."""

    at: float
    agent: str
    cards: list[dict[str, Any]]
    count: int


@dataclass
class Desk:
    """One agent: a screen, a phone, and somebody who uses them."""

    world: World
    plan: AgentPlan
    phone: FakePhone
    chance: Random
    working: bool = True
    controller: Controller | None = None
    agent: Agent | None = None  # as the living controller knows them
    call: str | None = None  # whom they are talking with, as the screen says
    pops: dict[str, Pop] = field(default_factory=dict)
    rings: list[FakePhoneCall] = field(default_factory=list)
    last_seen: tuple[str, int] = ("", 0)  # the epoch and the number of the last frame

    def __post_init__(self) -> None:
        self.phone.on_ring = self._rings
        # Another chance: the seeds of before keep their other people as they were.
        self.hand = Random(f"{self.world.seed}/{self.plan.id}/hand")

    # -- the screen ------------------------------------------------------------

    def controller_is_there(self, controller: Controller) -> None:
        """A new controller serves: the screen comes back a moment later."""
        self.world.later(self.chance.uniform(0.05, 1.5), self._connect, controller)

    def controller_is_gone(self) -> None:
        """The screen's connection broke."""
        for pop in self.pops.values():
            pop.over_at = pop.over_at or self.world.loop.time()
        if self.agent is not None:
            self._note("screen.closed", {})
        self.controller = self.agent = self.call = None

    def _connect(self, controller: Controller) -> None:
        if controller is self.world.controller:
            self.controller = controller
            controller.tell(self._open)

    def _note(self, type_: str, data: Mapping[str, Any]) -> None:
        now, entries = self.world.loop.time(), self.world.journal.last_number
        self.world.frames.append(Frame(now, entries, self.plan.id, type_, data))

    def _note_message(self, message: Message) -> None:
        """A frame of while the screen was away."""
        at = (message.time - self.world.scenery.began_at).total_seconds()
        kept = self.world.journal.entries
        before = bisect_right(kept, message.time, key=lambda entry: entry.at)
        self.world.frames.append(Frame(at, before, self.plan.id, message.type, message.data))

    def _say(self, what: str, value: Any = None) -> None:
        self._note(f"said.{what}", {"value": value})

    def _open(self) -> None:
        assert self.controller is not None
        self.agent = self.controller.house.team.agents[self.plan.id]
        outbox = self.agent.outbox
        outbox.open_screen(self._show)
        epoch, seq = self.last_seen
        for message in (outbox.since(seq) if epoch == outbox.epoch else None) or ():
            self._note_message(message)
        self.last_seen = outbox.epoch, outbox.last_seq
        shown = self.controller.house.team.snapshot(self.agent)
        self._note("screen.open", shown["presence"])
        self._see_who_waits(shown)
        if shown["call"] is not None and shown["call_state"] == "connected":
            self.world.later(0.05, self._connected, shown["call"]["id"])
        self.world.later(0.1, self._look, self.controller)

    def _look(self, controller: Controller) -> None:
        """Look at one's own presence now and then, and put it right."""
        if self.controller is not controller or self.agent is None:
            return
        presence = self.agent.presence
        if self.working and presence in (Presence.LOGGED_OUT, Presence.NOT_READY):
            self._choose(Presence.READY)
        elif not self.working and presence in (Presence.READY, Presence.NOT_READY):
            self._choose(Presence.LOGGED_OUT)
        elif not self.plan.steady and presence is Presence.READY and self.chance.random() < 0.04:
            self._choose(Presence.NOT_READY)
        self.world.later(self.chance.uniform(4, 16), self._look, controller)

    def _choose(self, presence: Presence, reason: str | None = None) -> None:
        if self.controller is not None and self.agent is not None:
            agent, team = self.agent, self.controller.house.team
            self._say(presence.value, reason)
            self.controller.start(lambda: team.set_presence(agent, presence, reason))

    def _show(self, message: Message) -> None:
        """A frame arrives. Runs inside the controller: everything happens a moment later."""
        self.last_seen = self.last_seen[0], message.seq
        if message.type == "waiting.changed":
            self._see_who_waits(message.data)
            return
        self._note(message.type, message.data)
        if message.type == "call.suggestions":
            return  # these people know by themselves where to orient
        self.world.later(self.chance.uniform(0.001, 0.05), self._seen, self.controller, message)

    def _seen(self, controller: Controller, message: Message) -> None:
        if self.controller is not controller:
            return
        data = message.data
        match message.type:
            case "call.offered":
                self._offered(message.seq, data)
            case "call.withdrawn":
                self._over(data["offer"])
            case "call.connected":
                self._connected(data["call"]["id"])
            case "call.joined" if self.call in self.world.together and self.plan.always != "listen":
                self._leave_the_two(data["call"]["id"])
            case "call.not_joined" if self.plan.always != "listen":
                self._decide_later(2.0, data["call"]["id"], End())
            case "call.ended":
                self.call = None
                self.world.later(self.chance.uniform(0.5, 15), self._wrap_up, controller)

    def _offered(self, seq: int, data: dict[str, Any]) -> None:
        now = self.world.loop.time()
        pop = Pop(self.plan.id, data["call"]["id"], data["offer"], now)
        self.pops[pop.offer] = pop
        self.world.pops.append(pop)
        late = not self.plan.steady and self.chance.random() < 0.06
        after = self.chance.uniform(0.6, 3) if late else self.chance.uniform(0.01, 0.3)
        self.world.later(after, self._ack, self.controller, seq, pop)
        if not self.plan.steady and self.chance.random() < 0.05:
            self._decide_later(self.chance.uniform(0.1, 6), pop.call, Decline())

    def _ack(self, controller: Controller, seq: int, pop: Pop) -> None:
        if self.controller is controller and self.agent is not None:
            pop.acked_at = self.world.loop.time()
            controller.tell(self.agent.outbox.ack, seq)

    def _over(self, offer: str) -> None:
        if offer in self.pops:
            self.pops[offer].over_at = self.world.loop.time()

    def _wrap_up(self, controller: Controller) -> None:
        if self.controller is controller and self.agent is not None:
            lasting = self.chance.random() < 0.2
            if self.agent.presence is Presence.WRAP_UP and not lasting:
                self._choose(Presence.READY)

    # -- who waits -------------------------------------------------------------

    def _see_who_waits(self, data: Mapping[str, Any]) -> None:
        """A regulator may pick somebody, send them elsewhere, or say that they are in danger."""
        if "waiting" not in data:
            return
        hand, now = self.hand, self.world.loop.time()
        board = Board(now, self.plan.id, data["waiting"], data["waiting_count"])
        self.world.boards.append(board)
        if not board.cards or hand.random() >= self.plan.picks:
            return
        call = hand.choice([board.cards[0], hand.choice(board.cards)])["id"]
        # Two who are shown the same may well press at the same instant.
        seconds = hand.choice((0.05, hand.uniform(0.05, 0.3), hand.uniform(0.3, 4.0)))
        deed, controller = hand.random(), self.controller
        if deed < 0.55:
            self.world.later(seconds, self._pick, controller, call)
        elif deed < 0.85:
            self.world.later(seconds, self._send, controller, call, self._elsewhere())
        else:
            self.world.later(seconds, self._warn, controller, call, hand.randint(0, 3))

    def _elsewhere(self) -> Orient:
        deed = self.hand.random()
        if deed < 0.6:
            return Orient(line="listeners", handover="mot" if deed < 0.2 else None)
        if deed < 0.9:
            others = sorted(desk for desk in self.world.desks if desk != self.plan.id)
            return Orient(agent=self.hand.choice(others or [self.plan.id]))
        return Orient(line="regulators", danger=self.hand.choice((None, 2)))

    def _pick(self, controller: Controller, call: str) -> None:
        if self.controller is not controller or self.agent is None:
            return
        agent, desk = self.agent, controller.house.team.desk
        self._say("picks", call)
        for _ in range(2 if self.hand.random() < 0.05 else 1):  # a few press twice
            controller.start(lambda: self._picked(agent, call, desk))

    async def _picked(self, agent: Agent, call: str, desk: WaitingDesk) -> None:
        if await desk.take(agent, call) is None:
            self._say("picked", call)

    def _send(self, controller: Controller, call: str, decision: Orient) -> None:
        if self.controller is controller and self.agent is not None:
            controller.tell(self._send_inside, self.agent, call, decision, controller)

    def _send_inside(
        self, agent: Agent, call: str, decision: Orient, controller: Controller
    ) -> None:
        if controller.house.team.desk.orient(agent, call, decision) is None:
            self._say("decided", (call, decision))

    def _warn(self, controller: Controller, call: str, level: int) -> None:
        if self.controller is controller and self.agent is not None:
            controller.tell(controller.house.team.desk.judge_danger, self.agent, call, level)

    # -- the talk --------------------------------------------------------------

    def _connected(self, call: str) -> None:
        if self.call == call:
            return
        self.call = call
        for pop in self.pops.values():
            if pop.call == call:
                pop.over_at = pop.over_at or self.world.loop.time()
        chance, plan = self.chance, self.plan
        seconds = chance.choice(
            (chance.uniform(0, 3), chance.uniform(3, 20), chance.uniform(10, 40))
        )
        others = sorted(desk for desk in self.world.desks if desk != plan.id)
        deed = chance.random()
        decision: Decision = End()
        if plan.always == "listen":
            return
        if plan.always:
            seconds = 2.0
            if plan.always == "orient":
                decision = Orient(line="listeners", handover="mot")
        elif deed < 0.30 and "regulator" in plan.roles:
            # Some stay until the listener is there: three talk for a while.
            decision = Orient(
                line="listeners", handover="mot" if deed < 0.1 else None, together=deed > 0.08
            )
        elif deed < 0.36 and others:
            decision = Orient(agent=chance.choice(others))
        elif deed < 0.38:
            decision = Close("abusive" if deed < 0.37 else "silent")
        elif deed < 0.40:
            decision = Orient(line="regulators")
        elif deed < 0.60:
            self.world.later(seconds, self._hang_up, call)
            return
        elif deed < 0.64 and not plan.steady:
            self.world.later(seconds, self._lose_network, call)
            return
        elif deed < 0.74:
            seconds += 40  # listens: the caller will end it
        self._decide_later(seconds, call, decision)

    def _leave_the_two(self, call: str) -> None:
        """Three are talking: whoever is told so leaves after a while, one way or the other."""
        seconds = self.chance.choice((self.chance.uniform(0, 2), self.chance.uniform(1, 15)))
        if self.chance.random() < 0.5:
            self.world.later(seconds, self._hang_up, call)
        else:
            self._decide_later(seconds, call, End())

    def _decide_later(self, seconds: float, call: str, decision: Decision) -> None:
        self.world.later(seconds, self._decide, self.controller, call, decision)

    def _decide(self, controller: Controller, call: str, decision: Decision) -> None:
        if self.controller is controller and self.agent is not None:
            # A few press twice, or have two screens.
            for _ in range(2 if self.chance.random() < 0.05 else 1):
                controller.tell(self._decide_inside, controller, self.agent, call, decision)

    def _decide_inside(
        self, controller: Controller, agent: Agent, call: str, decision: Decision
    ) -> None:
        refused = agent.decide(call, decision)
        if not refused:
            self._say("decided", (call, decision))
        if not refused and isinstance(decision, Orient) and (decision.together or decision.consult):
            self.world.together.add(call)
        if refused and isinstance(decision, Orient | Close) and self.call == call:
            self.world.later(2, self._decide, controller, call, End())

    def _hang_up(self, call: str) -> None:
        if self.call == call:
            for ring in self.rings:
                ring.hang_up()

    def _lose_network(self, call: str | None) -> None:
        if self.call == call:
            self.phone.lose_network()
            self.world.later(self.chance.uniform(15, 60), self.phone.register)

    # -- the phone -------------------------------------------------------------

    def _rings(self, ring: FakePhoneCall) -> None:
        self.rings = [one for one in self.rings if one.state != "ended"]
        self.rings.append(ring)
        self.world.rings.append((self.world.loop.time(), ring))
        chance, later, deed = self.chance, self.world.later, self.chance.random()
        busy = any(one.state == "up" for one in self.rings if one is not ring)
        if self.plan.answers_after_seconds is not None:
            later(self.plan.answers_after_seconds, self._answer, ring)
        elif busy or (deed < 0.05 and not self.plan.steady):
            later(chance.uniform(0.02, 3), ring.decline, 486)
        elif deed < 0.13 and not self.plan.steady:
            return  # nobody picks up
        elif deed < 0.15 and not self.plan.steady:
            later(chance.uniform(0.1, 5), self._lose_network, self.call)
        elif deed < 0.25:
            later(chance.uniform(0.0, 0.05), self._answer, ring)
        else:
            later(chance.uniform(0.5, 7), self._answer, ring)

    def _answer(self, ring: FakePhoneCall) -> None:
        ring.answer()
        own = self.plan.own_number is not None
        if own and not self.plan.steady and self.chance.random() < 0.15:  # a voicemail
            self.world.later(self.chance.uniform(0.5, 6), ring.press, self.chance.choice("0259#"))
            return
        # No pop: the engine rings by itself. There too, 1 accepts.
        if ring.channel_id not in self.pops or own:
            self.world.later(self.chance.uniform(1, 6), ring.press, "1")
        self.world.later(self.chance.uniform(5, TALK_SECONDS_LEFT_MAX), self._notice_alone, ring)

    def _notice_alone(self, ring: FakePhoneCall) -> None:
        """A talk of which the screen knows nothing ends at the phone."""
        if self.plan.always == "listen":
            return
        if ring.state == "up" and self.call is None:
            ring.hang_up()
        elif ring.state == "up":
            self.world.later(20, self._notice_alone, ring)
