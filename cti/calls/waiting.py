"""Who waits, in what order, and who is found for them.

Order comes from our own records (``waiting_since``), never from the bridge the callers hear
music in. Who came first is served first; danger, a lost conversation and a young age count as
so many seconds waited already (``CREDIT_SECONDS``), a number that calls too often as so many
less. So nobody is overtaken by who came more than ``OVERTAKEN_SECONDS_MAX`` later, and nobody
starves. One distributor matches; who is asked is ``people/choosing.py``, reserving the team's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cti import clock
from cti.people.agents import Agent, Presence
from cti.people.choosing import (
    LEVEL_MIN,
    LINES,
    Free,
    Need,
    fits,
    is_free,
    level_after,
    serves,
)
from cti.people.team import Team
from ivr.proof import NOBODY_SECONDS
from ivr.steps import Line, Strategy

ASKED_AGAIN_SECONDS = 15.0  # those who passed are asked again when there is nobody else
LOOKED_EVERY_SECONDS = 0.5
NOBODY: Final[frozenset[str]] = frozenset()
DANGER_CREDIT_SECONDS: Final = (0.0, 600.0, 1800.0, 7200.0)  # by level: 3 is danger now
FIRST_CREDIT_SECONDS: Final = 3600.0  # head of the line: they had someone, and lost them
YOUNG_CREDIT_SECONDS: Final = 600.0
BEHIND_SECONDS: Final = 600.0  # who calls too often is served as if they had come so much later
OVERTAKEN_SECONDS_MAX: Final = (
    DANGER_CREDIT_SECONDS[-1] + FIRST_CREDIT_SECONDS + YOUNG_CREDIT_SECONDS + BEHIND_SECONDS
)


@dataclass(eq=False)
class Ask:
    """One caller's wish for a person."""

    call_id: str
    line: Line
    language: str
    waiting_since_at: datetime
    first: bool = False  # head of the line: this caller had someone and lost them
    wanted: str | None = None  # one person and no other
    back_to: str | None = None  # the person they were with: first, if they can
    rest_of: str | None = None  # the call after which that person may be resting
    frequent: bool = False  # of a number that calls too often
    skills: Mapping[str, int] = field(default_factory=dict)  # only who has all, at that level
    relax_every_seconds: float | None = None  # the level gives way
    gender: str | None = None  # only who is of it
    danger: int = 0  # 1 to 3: told by a regulator, 3 also by the caller
    young: bool = False
    strategy: Strategy = "longest_idle"
    stand_in_after_seconds: float = 60.0
    # agent -> how often they had said READY when they passed: saying it again counts anew
    passed_over: dict[str, int] = field(default_factory=dict)
    passed_at: float = 0.0  # monotonic seconds
    nobody_since: float | None = None
    by_hand: Agent | None = None  # reserved by their own wish: this caller is offered to them next
    taken: asyncio.Event = field(default_factory=asyncio.Event)  # by hand, at least once
    over: bool = False  # nobody is looked for any more
    found: asyncio.Future[list[Agent]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def counts_from(self) -> datetime:
        """Since when this caller counts as waiting: smaller is served sooner."""
        credit = DANGER_CREDIT_SECONDS[self.danger]
        credit += FIRST_CREDIT_SECONDS if self.first else 0.0
        credit += YOUNG_CREDIT_SECONDS if self.young else 0.0
        credit -= BEHIND_SECONDS if self.frequent else 0.0
        return self.waiting_since_at - timedelta(seconds=credit)

    def pass_over(self, agent: Agent) -> None:
        """Ask the others first: this agent did not take the call."""
        self.passed_over[agent.id] = agent.times_ready
        self.passed_at = clock.monotonic()
        if agent.id == self.back_to:
            self.back_to = None

    @property
    def chosen(self) -> bool:
        """Whether somebody has just been reserved for them."""
        found = self.found
        return found.done() and not found.cancelled() and bool(found.result())

    def take_by_hand(self, agent: Agent) -> None:
        """Somebody reserved has chosen this caller: whoever looks for a person need look no more.

        Who was found at that instant, and is not reserved yet, is given back.
        """
        self.by_hand = agent
        self.taken.set()
        if not self.found.done():
            self.found.set_result([])

    def waited_seconds(self) -> int:
        """How long this caller has waited in this line."""
        return max(0, round((clock.now() - self.waiting_since_at).total_seconds()))

    def need(self, agents: Mapping[str, Agent], line_is_staffed: bool = True) -> Need:
        """What this caller needs of a person now."""
        waited = (clock.now() - self.waiting_since_at).total_seconds()
        every = self.relax_every_seconds
        passed = self.passed_over and frozenset(
            id_ for id_, ready in self.passed_over.items() if _as_ready(agents, id_, ready)
        )
        return Need(
            line=self.line,
            language=self.language,
            skills={one: level_after(level, waited, every) for one, level in self.skills.items()},
            gender=self.gender,
            wanted=self.wanted,
            back_to=self.back_to,
            rest_of=self.rest_of,
            passed_over=passed or NOBODY,
            starved=waited >= self.stand_in_after_seconds or not line_is_staffed,
            strategy=self.strategy,
        )


def _as_ready(agents: Mapping[str, Agent], id_: str, times_ready: int) -> bool:
    return id_ in agents and agents[id_].times_ready == times_ready


def _may_take(agent: Agent, need: Need) -> bool:
    """Whether this person may be the one who answers: free for this caller, or free again."""
    if not serves(agent, need) or (fits(agent, need) == "stands_in" and not need.starved):
        return False
    return is_free(agent, need) if agent.presence is Presence.READY else agent.goes_on()


class WaitingLines:
    """Every waiting line of the house, and the one distributor that serves them.

    It rests while the engine is not ``in_step``: nobody could be rung.
    """

    def __init__(self, team: Team, in_step: asyncio.Event) -> None:
        self._team = team
        self._in_step = in_step
        self._asks: list[Ask] = []
        self._waiting: Counter[str] = Counter()
        self._looked_after = 0.0  # monotonic seconds

    @contextlib.contextmanager
    def joined(self, line: str) -> Iterator[None]:
        """For as long as this lasts, one more caller waits in this line: until a person answers."""
        self._waiting[line] += 1
        try:
            yield
        finally:
            self._waiting[line] -= 1

    def waiting(self, line: str) -> int:
        """How many callers wait in this line."""
        return self._waiting[line]

    def full(self, line: str, callers_max: int) -> bool:
        """Whether as many callers as that wait in this line already."""
        return self.waiting(line) >= callers_max

    def crowded(self, line: str, per_agent_max: int) -> bool:
        """Whether more callers wait in this line than its agents on duty can take soon.

        A caller who has joined the line does not count among those before them.
        """
        return self.waiting(line) - 1 > per_agent_max * max(1, self._team.on_duty(line))

    def prospects(self, ask: Ask) -> tuple[int, list[Agent]]:
        """Their place among those who wait for the same people, and who these are, free or not.

        Whoever is asked before them, of whichever line, counts if one of these could take them.
        """
        agents = self._team.agents
        staffed = self._staffed()
        need, mine = ask.need(agents, staffed[ask.line]), ask.counts_from()
        here = [agent for agent in agents.values() if _may_take(agent, need)]
        before = 0
        for other in self._asks:
            if other is not ask and not other.found.done() and other.counts_from() < mine:
                theirs = other.need(agents, staffed[other.line])
                before += any(_may_take(agent, theirs) for agent in here)
        return before + 1, here

    async def take(self, ask: Ask) -> list[Agent]:
        """Wait until somebody is reserved for this caller; nobody when nobody is on duty.

        Several when the line rings all at once. Those found at the very moment we are
        cancelled are given back. At once, and nobody of ours, when somebody took them by hand.
        """
        if ask.by_hand is not None:
            return []
        ask.found = asyncio.get_running_loop().create_future()
        self._asks.append(ask)
        self._team.changed.set()
        try:
            return await asyncio.shield(ask.found)
        except asyncio.CancelledError:
            if ask.found.done():
                for agent in ask.found.result():
                    self._team.withdraw(agent)
            raise
        finally:
            self._asks.remove(ask)
            ask.found.cancel()

    async def run(self) -> None:
        """Match callers and agents whenever somebody's presence changes, and every half second."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOKED_EVERY_SECONDS):
                    await self._team.changed.wait()
            await self._in_step.wait()
            self._team.changed.clear()
            matched = list(self._match())
            if clock.monotonic() - self._looked_after >= LOOKED_EVERY_SECONDS:
                self._look_after({ask for ask, _ in matched})
            if matched:
                # Reserved in memory at once, all of them, before anybody else is looked at.
                await asyncio.gather(*(self._give(ask, chosen) for ask, chosen in matched))
                # Meanwhile somebody may have come free, whom the first in line waits for.
                self._team.changed.set()

    async def _give(self, ask: Ask, agents: list[Agent]) -> None:
        """Reserve these for this caller, and tell who waits for them."""
        ask.nobody_since = None
        rest_of = ask.rest_of
        won = await asyncio.gather(
            *(self._team.reserve(agent, ask.call_id, rest_of) for agent in agents)
        )
        reserved = [agent for agent, is_ours in zip(agents, won, strict=True) if is_ours]
        if not reserved:
            return
        if ask.found.done():  # the caller left while we reserved
            for agent in reserved:
                self._team.withdraw(agent)
        else:
            ask.found.set_result(reserved)

    def _match(self) -> Iterator[tuple[Ask, list[Agent]]]:
        """Give each caller, in order, who may be offered them now; nobody twice.

        A caller whom nobody can serve holds nobody up.
        """
        free = Free(self._team.agents.values())
        if free.nobody:
            return
        staffed = self._staffed()
        asks = [ask for ask in self._asks if not ask.found.done()]
        for ask in sorted(asks, key=Ask.counts_from):
            chosen = free.take(ask.need(self._team.agents, staffed[ask.line]))
            if chosen:
                yield ask, chosen
                if free.nobody:
                    return

    def _staffed(self) -> dict[str, bool]:
        """Which lines have somebody of their own on duty."""
        return {line: self._team.is_staffed(line) for line in LINES}

    def _look_after(self, served: set[Ask]) -> None:
        """Ask those who passed again; after a while, say that nobody is there at all."""
        now = self._looked_after = clock.monotonic()
        somebody: dict[object, bool] = {}
        staffed = self._staffed()
        for ask in [ask for ask in self._asks if ask not in served and not ask.found.done()]:
            if ask.passed_over and now - ask.passed_at > ASKED_AGAIN_SECONDS:
                ask.passed_over.clear()
            need = ask.need(self._team.agents, staffed[ask.line])
            if ask.relax_every_seconds is not None:  # worth waiting for who will do in a while
                need.skills = dict.fromkeys(need.skills, LEVEL_MIN)
            kind = (need.kind, need.wanted, need.back_to)
            if kind not in somebody:
                somebody[kind] = self._team.anyone_on_duty(need)
            if somebody[kind]:
                ask.nobody_since = None
            elif ask.nobody_since is None:
                ask.nobody_since = now
            elif now - ask.nobody_since >= NOBODY_SECONDS:
                ask.found.set_result([])
