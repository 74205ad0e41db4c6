"""Who is asked to take a caller: a pure choice, the same for one agent as for a thousand.

A language, a gender and a skill are never silently widened: somebody who has them, or nobody.
Only the level of a skill gives way, in steps, as its flow says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Literal

from cti import clock
from cti.people.agents import Agent, Presence, Role
from ivr.steps import Line, Strategy

LINES = {"regulators": "Régulateurs", "listeners": "Écoutants"}
LINE_ROLES = {"regulators": Role.REGULATOR, "listeners": Role.LISTENER}
ON_DUTY = frozenset({Presence.READY, Presence.RESERVED, Presence.TALKING, Presence.WRAP_UP})
LEVEL_MIN = 1  # of a skill: below it, somebody does not have it

Fit = Literal["own", "stands_in"]


@dataclass(slots=True)
class Need:
    """What one caller needs of whoever answers, at this moment."""

    line: Line
    language: str | None = None
    skills: Mapping[str, int] = field(default_factory=dict)  # with the level needed now
    gender: str | None = None
    wanted: str | None = None  # one person and no other
    back_to: str | None = None  # the person they were with: first, if they can
    rest_of: str | None = None  # the call after which that person may be resting
    passed_over: frozenset[str] = frozenset()  # ids of those already tried in this round
    starved: bool = False  # waits so long that stand-ins are asked too
    strategy: Strategy = "longest_idle"

    @property
    def kind(self) -> tuple[object, ...]:
        """Equal for those whom the same people could take, but for whom they ask by name."""
        skills = tuple(sorted(self.skills.items()))
        return (self.line, self.language, skills, self.gender, self.starved, self.strategy)

    @property
    def personal(self) -> bool:
        """Whether it is about certain people, and the answer is nobody else's."""
        return bool(self.wanted or self.back_to or self.passed_over)


def level_after(level: int, waited_seconds: float, relax_every_seconds: float | None) -> int:
    """The level of a skill still needed after so long: one less each time, never below 1."""
    if relax_every_seconds is None:
        return level
    return max(LEVEL_MIN, level - int(waited_seconds // relax_every_seconds))


def fits(agent: Agent, need: Need) -> Fit | None:
    """Whether this person could ever take this caller, and as what; free or not."""
    if need.language is not None and need.language not in agent.languages:
        return None
    if need.gender is not None and need.gender != agent.gender:
        return None
    if need.wanted is not None:
        return "own" if agent.id == need.wanted else None
    if agent.id == need.back_to and agent.roles & set(LINE_ROLES.values()):
        return "own"  # whoever was with them, whatever the line now asks for
    if any(agent.skills.get(skill, 0) < level for skill, level in need.skills.items()):
        return None
    if LINE_ROLES[need.line] in agent.roles:
        return "own"
    stands_in = need.line == "regulators" and agent.stands_in and Role.LISTENER in agent.roles
    return "stands_in" if stands_in else None


def serves(agent: Agent, need: Need) -> bool:
    """Whether somebody is working for this caller, free or not, and goes on: worth waiting for."""
    return agent.presence in ON_DUTY and agent.goes_on() and fits(agent, need) is not None


def is_free(agent: Agent, need: Need) -> bool:
    """Whether this person may be offered this caller now."""
    if not agent.outbox.screens or agent.id in need.passed_over:
        return False
    if agent.cannot_take() is not None:  # said a moment ago, or they rest
        return False
    if agent.presence is Presence.READY:
        return True
    # Their rest after this very caller gives way to them, and to nobody else.
    resting = agent.presence is Presence.WRAP_UP and agent.call_id is not None
    theirs = agent.id == need.back_to and agent.call_id == need.rest_of
    return resting and theirs and agent.goes_on()


Rank = tuple[float, ...]
STRATEGIES: Mapping[Strategy, Callable[[Agent, float], Rank]] = {
    "longest_idle": lambda agent, _: (agent.free_since,),
    "fewest_calls": lambda agent, now: (agent.exposure.talks(now), agent.free_since),
    "linear": lambda _, __: (),  # in the order of their ids
    "ring_all": lambda agent, _: (agent.free_since,),
    "least_load": lambda agent, now: (agent.exposure.load_minutes(now), agent.free_since),
}


class Free:
    """Those who may be offered a caller at this moment, in the order of each strategy.

    Sorted once for all callers; who is given to one is given to no other.
    """

    def __init__(self, agents: Iterable[Agent]) -> None:
        self._agents = [a for a in agents if a.presence in _MAY_BE_FREE and a.outbox.screens]
        # Who has said a moment ago that their shift ends may still be READY.
        self._ready = [
            a for a in self._agents if a.presence is Presence.READY and a.cannot_take() is None
        ]
        self._taken: set[str] = set()
        self._sorted: dict[tuple[str, str, str | None], list[Agent]] = {}
        self._left: dict[object, Iterator[Agent]] = {}  # by kind of need: who is left for it

    @property
    def nobody(self) -> bool:
        """Whether all have been given."""
        return len(self._taken) == len(self._agents)

    def take(self, need: Need) -> list[Agent]:
        """Give this caller who is asked first; several when their line rings all at once."""
        if need.personal:
            chosen = self._personal(need)
        else:
            kind = need.kind
            if kind not in self._left:
                self._left[kind] = self._in_order(need)
            left = self._left[kind]
            if need.strategy == "ring_all":
                chosen = list(left)
            else:
                first = next(left, None)
                chosen = [] if first is None else [first]
        self._taken.update(agent.id for agent in chosen)
        return chosen

    def _personal(self, need: Need) -> list[Agent]:
        for agent in self._agents:
            asked_for = agent.id == need.back_to and agent.id not in self._taken
            if asked_for and is_free(agent, need) and fits(agent, need):
                return [agent]
        left = (a for a in self._in_order(need) if a.id not in need.passed_over)
        if need.strategy == "ring_all" and need.wanted is None:
            return list(left)
        first = next(left, None)
        return [] if first is None else [first]

    def _in_order(self, need: Need) -> Iterator[Agent]:
        """Those of the line first, then those who stand in, if they may be asked."""
        for agent in self._group(need, need.line if need.wanted is None else "anybody"):
            if agent.id not in self._taken and fits(agent, need):
                yield agent
        if need.starved and need.line == "regulators" and need.wanted is None:
            for agent in self._group(need, "stand_ins"):
                if agent.id not in self._taken and fits(agent, need):
                    yield agent

    def _group(self, need: Need, who: str) -> list[Agent]:
        """The free ones of a line, or who stand in for it, who speak a language; best first."""
        name = (who, need.strategy, need.language)
        if name not in self._sorted:
            now, key = clock.monotonic(), STRATEGIES[need.strategy]
            found = [
                ((agent.missed > 0, *key(agent, now), agent.id), agent)
                for agent in self._ready
                if (need.language is None or need.language in agent.languages)
                and _GROUPS[who](agent)
            ]
            found.sort(key=itemgetter(0))
            self._sorted[name] = [agent for _, agent in found]
        return self._sorted[name]


_MAY_BE_FREE = frozenset({Presence.READY, Presence.WRAP_UP})
_GROUPS: Mapping[str, Callable[[Agent], bool]] = {
    "regulators": lambda agent: Role.REGULATOR in agent.roles,
    "listeners": lambda agent: Role.LISTENER in agent.roles,
    "stand_ins": lambda agent: (
        agent.stands_in and Role.LISTENER in agent.roles and Role.REGULATOR not in agent.roles
    ),
    "anybody": lambda _: True,
}
