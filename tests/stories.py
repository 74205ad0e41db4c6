"""Stories of one call in a simulated world: who is there, what is done to it and when.

``Wire`` meddles with one command; a ``Deed`` is done to the world at a time of the script.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cti.asterisk.wire import WireLost
from cti.people.agents import Decision, Orient
from cti.simulation import run
from cti.simulation.actors import AgentPlan, CallerPlan
from cti.simulation.fake_people import FakePhoneCall
from cti.simulation.fake_wire import Connection, FakeWire
from cti.simulation.world import Fault, Plan, World

TALKING_AT = 8.0  # rosa has answered by then
Deed = Callable[[World], object]


class Story(World):
    """A world with one caller, who talks with rosa, and what is done to it at given times."""

    def __init__(
        self, *script: tuple[float, Deed], faults: tuple[Fault, ...] = (), talk: float = 200.0
    ) -> None:
        self.script = script
        plan = Plan(
            callers=(CallerPlan(at=1.0, patience_seconds=200.0, talk_seconds=talk),),
            agents=(
                AgentPlan("rosa", frozenset({"regulator"}), frozenset({"fr"}), True, "listen"),
            ),
            faults=faults,
        )
        super().__init__(plan, "story")

    def _begin(self) -> None:
        super()._begin()
        for at, deed in self.script:
            self.later(at, deed, self)

    def heard(self, since: float = 0.0) -> list[str]:
        """What the caller heard since then."""
        end = self.callers[0].end
        assert end is not None
        return [sound for at, sound in end.heard if at >= since]

    def legs(self) -> list[str]:
        """The names of the legs that rang, each time they rang."""
        return [e.data["leg_id"] for e in self.journal.entries if e.op == "leg.rung"]

    def sound_at(self, at: float) -> str:
        end = self.callers[0].end
        assert end is not None
        return [sound for moment, sound in end.heard if moment <= at][-1]


Tell = Callable[[Story], Story]
ARRIVE = FakeWire._arrive
Request = tuple[str, str, Mapping[str, Any]]  # method, path, values
Answer = asyncio.Future[tuple[int, Any]]
Meddle = Callable[[FakeWire, Request, Answer, Callable[[], None]], None]
LISTENS = AgentPlan("rosa", frozenset({"regulator"}), frozenset({"fr"}), True, "listen")


class Wire:
    """Meddles once with the first command that is asked about; the others arrive as ever."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.armed = True
        self.times = 1

    def meddles(self, with_: Callable[[str, str, Mapping[str, Any]], bool], how: Meddle) -> None:
        def arrive(
            wire: FakeWire, connection: Connection, request: Request, answer: Answer
        ) -> None:
            def go_on() -> None:
                ARRIVE(wire, connection, request, answer)

            if self.armed and self.times > 0 and with_(*request):
                self.times -= 1
                how(wire, request, answer, go_on)
            else:
                go_on()

        self.patch.setattr(FakeWire, "_arrive", arrive)


def late(seconds: float) -> Meddle:
    """Obeyed so much later; who asked may have given up."""
    return lambda wire, _request, _answer, go_on: wire._engine.at(
        wire._engine.time() + seconds, go_on
    )


def refused(status: int = 500) -> Meddle:
    def how(wire: FakeWire, _request: Request, answer: Answer, _go_on: Callable[[], None]) -> None:
        wire._engine.later(
            0.01, lambda: answer.done() or answer.set_result((status, {"message": "no"}))
        )

    return how


def obeyed_and_reset(
    _wire: FakeWire, _request: Request, answer: Answer, go_on: Callable[[], None]
) -> None:
    """Obeyed; in place of the answer the connection is reset."""
    go_on()
    if not answer.done():
        answer.set_exception(WireLost("reset"))


class Waits(Story):
    """A caller who waits: those on duty do not pick up their phones."""

    def __init__(self, *script: tuple[float, Deed], agents: tuple[AgentPlan, ...]) -> None:
        self.script = script
        caller = CallerPlan(at=1.0, patience_seconds=110.0, talk_seconds=200.0)
        World.__init__(self, Plan(callers=(caller,), agents=agents), "story")

    def _begin(self) -> None:
        super()._begin()
        for desk in self.desks.values():
            if desk.plan.id != "rosa" or len(self.plan.agents) != 2:
                desk.phone.on_ring = lambda ring: self.rings.append((self.loop.time(), ring))


class Oriented(Story):
    """A caller whom rosa orients to a listener, who may let it ring."""

    def __init__(self, *script: tuple[float, Deed], rings: bool = False) -> None:
        self.script, self.lets_it_ring = script, rings
        lea = AgentPlan("lea", frozenset({"listener"}), frozenset({"fr"}), True, "listen")
        caller = CallerPlan(at=1.0, patience_seconds=200.0, talk_seconds=60.0)
        World.__init__(self, Plan(callers=(caller,), agents=(LISTENS, lea)), "story")

    def _begin(self) -> None:
        super()._begin()
        if self.lets_it_ring:
            self.desks["lea"].phone.on_ring = lambda ring: self.rings.append(
                (self.loop.time(), ring)
            )


class Slow(Story):
    """rosa's phone rings until the script answers it."""

    def _begin(self) -> None:
        super()._begin()
        rosa = self.desks["rosa"]

        def rings(ring: FakePhoneCall) -> None:
            self.rings.append((self.loop.time(), ring))
            rosa.rings.append(ring)

        rosa.phone.on_ring = rings


class Team(Oriented):
    """Several agents, some of whom answer their phones when the script says so."""

    def __init__(
        self, *script: tuple[float, Deed], roles: dict[str, str], by_hand: tuple[str, ...] = ()
    ) -> None:
        self.script, self.lets_it_ring, self.by_hand = script, False, by_hand
        agents = tuple(
            AgentPlan(name, frozenset({role}), frozenset({"fr"}), True, "listen")
            for name, role in roles.items()
        )
        caller = CallerPlan(at=1.0, patience_seconds=200.0, talk_seconds=100.0)
        World.__init__(self, Plan(callers=(caller,), agents=agents), "story")

    def _begin(self) -> None:
        super()._begin()
        for name in self.by_hand:
            self.desks[name].phone.on_ring = lambda ring: self.rings.append(
                (self.loop.time(), ring)
            )


def answers(name: str) -> Deed:
    return lambda world: [ring.answer() for _, ring in world.rings if ring.name == name]


def hangs_up(name: str) -> Deed:
    return lambda world: [ring.hang_up() for _, ring in world.rings if ring.name == name]


def arms(wire: Wire) -> Deed:
    wire.armed = False
    return lambda _world: setattr(wire, "armed", True)


def killed_and_late(seconds: float, told: list[Story]) -> Meddle:
    """We are killed as we ask; the engine does so much later what we asked for."""

    def how(fake: FakeWire, _request: Request, _a: Answer, go_on: Callable[[], None]) -> None:
        fake._engine.at(fake._engine.time() + seconds, go_on)
        fake._engine.later(0.0, crash, told[0])

    return how


def live(story: Story) -> Story:
    """Live through a story which the judge need not like in every respect."""
    with run.unhurried():
        story.run()
    story.close()
    return story


# -- deeds


def crash(world: World) -> None:
    assert world.controller is not None
    world.loop.kill(world.controller.life)


def keep_dead(world: World) -> None:
    """Dead, and not restarted for a minute."""
    assert world.controller is not None
    world.controller.began_at, world._delay = world.loop.time(), 60.0
    crash(world)


def caller_leaves(world: World) -> None:
    world.callers[0]._leave()


def caller_channel(world: World) -> object:
    end = world.callers[0].end
    assert end is not None
    return end.channel


def agent_hangs_up(world: World) -> None:
    for ring in world.desks["rosa"].rings:
        ring.hang_up()


def decides(decision: Decision, name: str = "rosa") -> Deed:
    def deed(world: World) -> None:
        desk = world.desks[name]
        if desk.controller is None or desk.call is None:  # the screen shows nothing to decide on
            world.note(f"{name} cannot decide")
            return
        desk._decide(desk.controller, desk.call, decision)

    return deed


def put_into_the_line(world: World) -> None:
    engine = world.engine
    engine.enter_bridge(
        caller_channel(world), engine.bridges["line-regulators"], "holding_participant"
    )


def lease_ends(wire: Wire) -> Deed:
    def deed(world: World) -> None:
        wire.armed = True
        world.engine.set_deadline(caller_channel(world), 0.01)

    wire.armed = False
    return deed


def overflows(world: World) -> None:
    """Something nobody expected, in the middle of a talk."""
    assert world.controller is not None
    (call,) = world.controller.house.calls.values()

    def overflow() -> None:
        call.caller._mailbox.overflowed = True
        call.caller._mailbox.close()

    world.controller.tell(overflow)


def killed_for_long(world: World) -> None:
    assert world.controller is not None
    world.controller.began_at, world._delay = world.loop.time(), 600.0
    crash(world)


TO_LISTENERS = decides(Orient(line="listeners"))
TOGETHER = Orient(line="listeners", together=True)
