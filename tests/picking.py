"""Regulators at their desks, in virtual time: who waits, and what is done to them from there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cti.people.agents import Agent, Orient, Presence
from cti.simulation.actors import AgentPlan, CallerPlan
from cti.simulation.fake_people import FakePhoneCall
from cti.simulation.world import Fault, Plan, World
from tests.stories import Deed, Story

Later = dict[str, float]  # agent -> when they come


def person(name: str, role: str = "regulator", **more: Any) -> AgentPlan:
    """Somebody who always picks up, a second after the ring, and then listens."""
    known: dict[str, Any] = {"languages": frozenset({"fr"}), "answers_after_seconds": 1.0}
    return AgentPlan(name, frozenset({role}), steady=True, always="listen", **{**known, **more})


def caller(at: float, number: int = 1, **more: Any) -> CallerPlan:
    known: dict[str, Any] = {"patience_seconds": 150.0, "talk_seconds": 200.0}
    return CallerPlan(at=at, number=f"063998000{number}", **{**known, **more})


class Desks(Story):
    """Some callers, some people; ``lets_ring``: who does not pick up."""

    def __init__(
        self,
        agents: tuple[AgentPlan, ...],
        callers: tuple[CallerPlan, ...],
        *script: tuple[float, Deed],
        come_at: Later | None = None,
        lets_ring: tuple[str, ...] = (),
        crash_at_step: int | None = None,
    ) -> None:
        self.script, self.lets_ring = script, lets_ring
        self.answers: list[str | None] = []  # to each command, in their order
        self.come_at = come_at or {}
        away = tuple(Fault(0.0, "signs_out", at, who=name) for name, at in self.come_at.items())
        plan = Plan(callers, agents, away, crash_at_step=crash_at_step)
        World.__init__(self, plan, "story")

    def _begin(self) -> None:
        super()._begin()
        for name, at in self.come_at.items():
            self.later(at + 0.01, self.desks[name]._choose, Presence.READY)
        for name in self.lets_ring:
            self.desks[name].phone.on_ring = lambda ring, name=name: self._noted(name, ring)

    def _noted(self, name: str, ring: FakePhoneCall) -> None:
        self.rings.append((self.loop.time(), ring))
        self.desks[name].rings.append(ring)

    # -- what was lived

    def sounds(self, number: int = 0) -> list[tuple[float, str]]:
        end = self.callers[number].end
        assert end is not None
        return end.heard

    def talks_with(self, number: int = 0) -> list[str]:
        """Whom this caller talked with, in order."""
        return [
            sound.removeprefix("people:")
            for _, sound in self.sounds(number)
            if sound.startswith("people:")
        ]

    def call_id(self, number: int = 0) -> str:
        end = self.callers[number].end
        assert end is not None
        opened = [e.data for e in self.journal.entries if e.op == "call.opened"]
        return next(d["call_id"] for d in opened if d["channel_id"] == end.channel_id)

    def rang(self, name: str) -> list[float]:
        return [at for at, ring in self.rings if ring.name == name]

    def told(self, name: str, type_: str) -> list[tuple[float, dict[str, Any]]]:
        return [
            (frame.at, dict(frame.data))
            for frame in self.frames
            if (frame.agent, frame.type) == (name, type_)
        ]

    def went_through(self, name: str) -> list[str]:
        return [data["presence"] for _, data in self.told(name, "presence.changed")]

    def events(self, type_: str) -> list[dict[str, Any]]:
        return [e.data for e in self.journal.entries if e.data.get("type", e.op) == type_]

    def ops(self, number: int = 0) -> list[str]:
        """What the journal tells of this call, in order."""
        call = self.call_id(number)
        entries = [e for e in self.journal.entries if e.data.get("call_id") == call]
        return [e.data["type"] if e.op == "event" else e.op for e in entries]

    def house(self) -> Any:
        assert self.controller is not None
        return self.controller.house


def _does(name: str, number: int, what: Callable[[Any, Agent, str], Any]) -> Deed:
    def deed(world: World) -> None:
        assert isinstance(world, Desks)
        controller, end = world.controller, world.callers[number].end
        assert end is not None
        if controller is None or end.channel_id not in controller.house.calls:
            world.answers.append("not there")
            return
        team, call = controller.house.team, controller.house.calls[end.channel_id].id

        async def ask() -> None:
            answer = what(team.desk, team.agents[name], call)
            world.answers.append(await answer if hasattr(answer, "__await__") else answer)

        world.desks[name]._say("picks", call)
        controller.start(ask)

    return deed


def takes(name: str, number: int = 0) -> Deed:
    return _does(name, number, lambda desk, agent, call: desk.take(agent, call))


def warns(name: str, level: int, number: int = 0) -> Deed:
    return _does(name, number, lambda desk, agent, call: desk.judge_danger(agent, call, level))


def sends(name: str, decision: Orient, number: int = 0) -> Deed:
    def send(desk: Any, agent: Agent, call: str) -> str | None:
        refused: str | None = desk.orient(agent, call, decision)
        return refused

    def deed(world: World) -> None:
        assert isinstance(world, Desks)
        _does(name, number, send)(world)
        world.desks[name]._say("decided", (world.call_id(number), decision))

    return deed


def leaves(number: int = 0) -> Deed:
    return lambda world: world.callers[number]._leave()
