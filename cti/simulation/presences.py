"""What each agent could take, and had had, at each moment: read from what their screen was told.

Kept beside it: what they said themselves, which counts from that instant.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cti.people.agents import Close
from cti.simulation.actors import Frame

if TYPE_CHECKING:
    from cti.simulation.checker import Checker

AROUND_SECONDS = 0.05  # how long somebody must have been free, before and after, to be sure
LAST_TALK_SECONDS = 1200.0  # before the end of a shift, no talk begins without a yes
HARD_TIMES = 2.0
ROUNDED = 1e-5  # seconds: the journal tells whole microseconds
WORKING = frozenset({"READY", "RESERVED", "TALKING", "WRAP_UP"})


@dataclass(frozen=True)
class State:
    """One agent from a moment on, as their screen tells and they know."""

    at: float = 0.0
    presence: str = "LOGGED_OUT"
    reason: str | None = None
    screen: bool = False
    free_since: float | None = None  # None: of before we looked
    missed: int = 0
    talks: int = 0
    minutes: float = 0.0  # of those talks, the hard ones twice
    talking_since: float = 0.0
    ends_at: float | None = None
    one_more: bool = False
    last_call: str | None = None  # whom they talked with last
    hurt_in: str | None = None  # the call in which they said that it was abusive
    stops: bool = False  # they have chosen something else for after this
    came_from: str = ""  # what they were before they were reserved
    reserved_at: float = 0.0

    @property
    def free(self) -> bool:
        """Whether they can be offered a call."""
        return self.presence == "READY" and self.screen

    def shift_over(self, at: float) -> bool:
        """Whether no talk may begin any more: so near the end of their shift, and no yes."""
        return self.ends_at is not None and self.ends_at - at < LAST_TALK_SECONDS

    def works_on(self, at: float) -> bool:
        """Whether they work and, busy now, take another call afterwards."""
        leaves = self.shift_over(at) and not self.one_more
        return self.presence in WORKING and not (leaves or self.stops)


@dataclass(frozen=True)
class Decision:
    """Somebody was chosen for a caller."""

    call: str
    agent: str
    leg: str
    line: str
    at: float
    before: State  # the agent, just before
    frame: Frame
    by_hand: bool = False  # they picked this caller themselves


class Presences:
    """Everybody's day."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self.states: dict[str, list[State]] = {}
        self._ats: dict[str, list[float]] = {}
        self.decisions: list[Decision] = []
        self.wrong: list[tuple[float, str]] = []  # what was told of missed rings
        frames: dict[str, list[Frame]] = defaultdict(list)
        for frame in sorted(checker.world.frames, key=lambda frame: (frame.at, frame.entries)):
            frames[frame.agent].append(frame)
        for plan in checker.world.plan.agents:
            self.states[plan.id] = list(self._follow(plan.id, frames[plan.id]))
            self._ats[plan.id] = [state.at for state in self.states[plan.id]]
        self.decisions.sort(key=lambda decision: (decision.at, decision.frame.entries))

    def at(self, agent: str, moment: float) -> State:
        """What this agent was just after a moment."""
        return self.states[agent][max(0, bisect_right(self._ats[agent], moment) - 1)]

    def around(self, agent: str, since: float, until: float) -> list[State]:
        """Everything this agent was in that time."""
        first = max(0, bisect_left(self._ats[agent], since) - 1)
        return self.states[agent][first : bisect_right(self._ats[agent], until)]

    def free_around(self, agent: str, moment: float) -> bool:
        """Whether they were free before and after, and so could have been chosen."""
        near = self.around(agent, moment - AROUND_SECONDS, moment + AROUND_SECONDS)
        leaving = any(s.shift_over(moment + AROUND_SECONDS) and not s.one_more for s in near)
        return all(state.free for state in near) and not leaving

    # -- one agent -------------------------------------------------------------

    def _follow(self, agent: str, frames: list[Frame]) -> Iterator[State]:
        state = State()
        yield state
        misses = [
            (number, at)
            for number, at, op, data in self._checker.legs
            if op == "leg.missed" and data["agent_id"] == agent
        ]
        lives = [life.began_at for life in self._checker.world.lives[1:]]
        for frame in frames:
            while lives and lives[0] <= frame.at:
                lives.pop(0)
                state = replace(state, free_since=None, missed=0, ends_at=None, one_more=False)
            while misses and misses[0][0] <= frame.entries:
                misses.pop(0)
                if state.came_from == "READY":
                    state = replace(state, missed=state.missed + 1)
            if frame.type == "call.offered" and state.presence == "RESERVED":
                self._decided(frame, state)
            elif frame.type == "call.connected":
                state = replace(state, last_call=frame.data["call"]["id"])
            changed = self._next(state, frame)
            if changed is not state:
                state = replace(changed, at=frame.at)
                yield state

    def _decided(self, frame: Frame, state: State) -> None:
        if state.came_from in ("READY", "WRAP_UP"):
            before = replace(state, presence=state.came_from)
            call, data, at = frame.data["call"]["id"], frame.data, state.reserved_at
            by_hand = any(
                agent == frame.agent and at - ROUNDED <= taken_at <= frame.at + ROUNDED
                for taken_at, agent in self._checker.taken(call)
            )
            self.decisions.append(
                Decision(call, frame.agent, data["offer"], data["line"], at, before, frame, by_hand)
            )

    def _next(self, state: State, frame: Frame) -> State:
        type_, data = frame.type, frame.data
        if type_.startswith("said."):
            return self._said(state, frame)
        if type_ == "screen.closed":
            return replace(state, screen=False)
        if type_ == "screen.open":
            state = replace(state, screen=True)
            return state if data["presence"] == state.presence else self._is_now(state, frame)
        if type_ == "presence.changed":
            return self._is_now(state, frame)
        return state

    def _is_now(self, state: State, frame: Frame) -> State:
        before, now, at = state.presence, frame.data["presence"], frame.at
        next_ = frame.data["next"]
        stops = next_ is not None and next_["presence"] != "READY"
        state = replace(state, presence=now, reason=frame.data["reason"], stops=stops)
        if frame.type == "screen.open":  # nobody saw since when
            return replace(state, free_since=None, came_from="", reserved_at=at, talking_since=at)
        if now == "LOGGED_OUT":
            state = replace(state, ends_at=None, one_more=False)
        if now == "READY" and before != "RESERVED":
            state = replace(state, free_since=at)
        if now == "RESERVED":
            state = replace(state, came_from=before, reserved_at=at)
        if now == "TALKING" and before != "TALKING":
            state = replace(state, missed=0, one_more=False, talking_since=at)
        if before == "TALKING" and now != "TALKING":  # a phone that was lost may ring again first
            minutes = (at - state.talking_since) / 60
            hurt = state.last_call is not None and state.last_call == state.hurt_in
            hard = hurt or self._checker.in_danger(state.last_call, at)
            times = HARD_TIMES if hard else 1.0
            total = state.minutes + minutes * times
            state = replace(state, talks=state.talks + 1, minutes=total)
        return state

    def _said(self, state: State, frame: Frame) -> State:
        what, value = frame.type.removeprefix("said."), frame.data["value"]
        match what:
            case "decided" if isinstance(value[1], Close) and value[1].why == "abusive":
                return replace(state, hurt_in=value[0])
            case "here":
                return replace(state, missed=0)
            case "ends_at":
                return replace(state, ends_at=value)
            case "one_more":
                return replace(state, one_more=value)
            case "READY":
                yes = state.one_more or state.shift_over(frame.at)
                return replace(state, missed=0, one_more=yes)
        return state
