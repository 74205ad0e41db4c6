"""The people of a simulated day: callers who tell what they need, agents who come and go.

They know what a person knows, as those of ``actors.py`` do; here they have a whole day's habits:
shifts, pauses with their reasons, "still there?", phones and screens that are lost for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from cti.config import Settings
from cti.people.agents import Agent, Presence
from cti.people.team import Team
from cti.simulation.actors import AgentPlan, Caller, CallerPlan, Desk
from cti.simulation.fake_people import FakePhoneCall, FarEnd
from cti.simulation.world import Controller, Scenery, World

QUESTION = "besoin-aidants"  # of the day's flow: what the caller needs
LONG_WAIT = "attente-longue"
LANGUAGES = "choix-langue"
STAY = "fin-de-conversation"
RELAY_TALK_SECONDS = 12.0
REASONS = ("pause", "debriefing", "support", "technical")


@dataclass(frozen=True)
class DayCallerPlan(CallerPlan):
    """What somebody needs, and how they behave."""

    language_key: str = ""
    choice: str = ""  # the key pressed at the question
    danger_after_seconds: float | None = None
    returns_after_seconds: float | None = None  # having left in a talk
    stays: bool = False  # asks for somebody again after a talk


@dataclass(frozen=True)
class DayAgentPlan(AgentPlan):
    """When somebody works, and how reliable they are."""

    shifts: tuple[tuple[float, float], ...] = ((0.0, 1e9),)
    tells_end_at: float | None = None  # of the first shift, as they say it: seconds of the world
    trouble: float = 0.0  # how often a ring, a screen or a phone goes wrong


class DayCaller(Caller):
    """Somebody who answers the questions of the day's flow."""

    def __init__(self, world: World, plan: CallerPlan) -> None:
        assert isinstance(plan, DayCallerPlan)
        self.day = plan
        self.told: dict[str, str] = {}  # by the key they pressed at the question
        super().__init__(world, plan)

    def _dial(self) -> None:
        super()._dial()
        if self.end is not None and self.day.danger_after_seconds is not None:
            self._world.later(self.day.danger_after_seconds, self._press, "0")

    def _changed(self, end: FarEnd) -> None:
        super()._changed(end)
        if end.state == "ended":
            self._perhaps_return(end)
            return
        prompt = end.hears.rpartition("/")[2] if end.hears.startswith("prompt:") else ""
        key = {
            LANGUAGES: self.day.language_key,
            QUESTION: self.day.choice,
            LONG_WAIT: "1",
            STAY: "1" if self.day.stays and self._sounds < 40 else "",
        }.get(prompt)
        if key:
            self._world.later(1.0, self._press, key, prompt)

    def _press(self, key: str, prompt: str = "") -> None:
        if self.end is None or (prompt and not self.end.hears.endswith(f"/{prompt}")):
            return
        self.end.press(key)
        if prompt == QUESTION:
            self.told = dict(TOLD.get(key, {}))

    def _perhaps_return(self, end: FarEnd) -> None:
        after = self.day.returns_after_seconds
        in_talk = len(end.heard) > 1 and end.heard[-2][1].startswith("people:")
        if after is not None and self.left_at is not None and in_talk:
            again = replace(
                self.day, at=after, returns_after_seconds=None, danger_after_seconds=None
            )
            type(self)(self._world, again)


# What each key of the question tells of a caller.
TOLD: dict[str, dict[str, str]] = {
    "1": {"gender": "femme"},
    "3": {"gender": "homme"},
    "4": {"age": "mineur"},
    "6": {"gender": "femme"},
    "7": {"age": "mineur"},
}


class DayDesk(Desk):
    """One agent, through their shifts."""

    def __post_init__(self) -> None:
        super().__post_init__()
        assert isinstance(self.plan, DayAgentPlan)
        self.day = self.plan

    def _on_shift(self) -> bool:
        now = self.world.loop.time()
        return any(since <= now < until for since, until in self.day.shifts)

    # -- the screen ------------------------------------------------------------

    def _look(self, controller: Controller) -> None:
        """Look at one's own presence now and then, and do what the day asks for."""
        if self.controller is not controller or self.agent is None:
            return
        presence, reason = self.agent.presence, self.agent.reason
        if not (self.working and self._on_shift()):
            if presence is not Presence.LOGGED_OUT:
                self._choose(Presence.LOGGED_OUT)
        elif presence is Presence.LOGGED_OUT:
            self._choose(Presence.READY)
            self.world.later(self.chance.uniform(0.5, 5), self._tell_end)
        elif presence is Presence.NOT_READY:
            self._come_back(reason)
        elif not self.plan.steady:
            self._stray(presence)
        if self.agent is not None:
            self.world.later(self.chance.uniform(4, 16), self._look, controller)

    def _tell_end(self) -> None:
        ends_at, now = self.day.tells_end_at, self.world.loop.time()
        if ends_at is not None and ends_at > now + 1:
            self._set_duty(ends_at=ends_at)

    def _set_duty(self, ends_at: float | None = None, one_more: bool | None = None) -> None:
        moment = None
        if ends_at is not None:
            moment = self.world.scenery.began_at + timedelta(seconds=ends_at)
            self._say("ends_at", ends_at)
        if one_more is not None:
            self._say("one_more", one_more)
        self._ask(lambda team, agent: team.set_duty(agent, moment, one_more))

    def _ask(self, do: Callable[[Team, Agent], object]) -> None:
        """Have a command of this screen carried out inside the living controller."""
        if self.controller is not None and self.agent is not None:
            team, agent = self.controller.house.team, self.agent
            self.controller.tell(do, team, agent)

    def _start(self, do: Callable[[Team, Agent], Coroutine[Any, Any, Any]]) -> None:
        if self.controller is not None and self.agent is not None:
            team, agent = self.controller.house.team, self.agent
            self.controller.start(lambda: do(team, agent))

    def _come_back(self, reason: str | None) -> None:
        deed = self.chance.random()
        if reason == "shift_over":
            if deed < 0.15:
                self._set_duty(one_more=True)
            elif deed < 0.2:
                self._choose(Presence.READY)
        elif self.plan.steady or deed < 0.5:
            self._choose(Presence.READY)

    def _stray(self, presence: Presence) -> None:
        deed = self.chance.random()
        if presence in (Presence.READY, Presence.TALKING) and deed < 0.03:
            self._choose(Presence.NOT_READY, self.chance.choice(REASONS))
        elif presence is Presence.READY and deed < 0.03 + self.day.trouble * 0.1:
            self._lose_screen()
        elif deed < 0.07 and self.day.tells_end_at is not None:
            self._set_duty(one_more=self.chance.random() < 0.7)

    def _lose_screen(self) -> None:
        """The screen's connection breaks for a while, and the controller goes on."""
        controller = self.controller
        if controller is None or self.agent is None:
            return
        controller.tell(self._close_screen, self.agent)
        self.controller_is_gone()
        self.world.later(self.chance.uniform(2, 40), self._connect, controller)

    def _close_screen(self, agent: Agent) -> None:
        agent.outbox._screens.clear()

    def _seen(self, controller: Controller, message: Any) -> None:
        super()._seen(controller, message)
        if self.controller is not controller:
            return
        if message.type == "presence.asked" and (self.plan.steady or self.chance.random() < 0.5):
            self.world.later(self.chance.uniform(1, 12), self._still_here, controller)
        elif message.type == "presence.changed" and self.chance.random() < 0.2:
            rest = message.data["wrap_up"]
            if rest is not None and rest["may_extend"] and self.agent is not None:
                call = self.agent.call_id
                self._ask(lambda team, agent: team.extend_wrap_up(agent, call or ""))

    def _still_here(self, controller: Controller) -> None:
        if self.controller is controller:
            self._say("here")
            self._ask(lambda team, agent: team.here(agent))

    def _wrap_up(self, controller: Controller) -> None:
        """Write down what the call came to, ask for calls again, or let the rest run out."""
        if self.controller is not controller or self.agent is None:
            return
        call, deed = self.agent.call_id, self.chance.random()
        if self.agent.presence is Presence.WRAP_UP and call is not None and deed < 0.5:
            self._start(lambda team, agent: team.wrapup_done(agent, call, "ecoute"))
        elif self.agent.presence is Presence.WRAP_UP and deed < 0.7:
            self._choose(Presence.READY)

    # -- the phone -------------------------------------------------------------

    def _rings(self, ring: FakePhoneCall) -> None:
        deed = self.chance.random()
        if self.plan.steady or deed >= self.day.trouble:
            super()._rings(ring)
            return
        self.rings = [one for one in self.rings if one.state != "ended"]
        self.rings.append(ring)
        self.world.rings.append((self.world.loop.time(), ring))
        if deed > self.day.trouble * 0.6:
            self.world.later(self.chance.uniform(0.02, 3), ring.decline, 486)
        # else: nobody picks up


class DayWorld(World):
    """A world whose people have a day's habits."""

    caller_class = DayCaller
    desk_class = DayDesk
    seconds_max = 8 * 3600.0

    def __init__(self, plan: Any, seed: str, keep_logs: bool = False) -> None:
        scenery: Scenery = plan.scenery
        super().__init__(plan, seed, keep_logs, scenery)

    def _begin(self) -> None:
        super()._begin()
        for relay in self.scenery.relays.values():
            line = self.engine.add_relay(relay.number)
            line.on_ring = self._relay_rings

    def _relay_rings(self, ring: FakePhoneCall) -> None:
        if self._chance.random() < 0.7:
            self.later(1.0, ring.answer)
            self.later(1.0 + RELAY_TALK_SECONDS, ring.hang_up)

    def _settings(self) -> Settings:
        return replace(super()._settings(), same_number_per_hour_max=3, same_number_at_once_max=4)
