"""Who waits, in what order, and who is found for them.

Order comes from our own records (``waiting_since``), never from the bridge the
callers hear music in. One distributor matches: the longest waiting caller first,
the agent free for longest. Reserving is the team's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cti import clock
from cti.people.agents import Agent
from cti.people.team import Team
from ivr.proof import NOBODY_SECONDS
from ivr.steps import Line

ASKED_AGAIN_SECONDS = 15.0  # those who passed are asked again when there is nobody else


@dataclass(eq=False)
class Ask:
    """One caller's wish for a person."""

    call_id: str
    line: Line
    language: str
    waiting_since_at: datetime
    first: bool = False  # head of the line: this caller had someone and lost them
    wanted: str | None = None  # one person and no other
    behind_seconds: float = 0.0  # served as if they had come so much later
    skills: frozenset[str] = frozenset()  # only who has all of them
    danger: bool = False  # before everybody else
    # agent -> how often they had said READY when they passed: saying it again counts anew
    passed_over: dict[str, int] = field(default_factory=dict)
    passed_at: float = 0.0  # monotonic seconds
    nobody_since: float | None = None
    found: asyncio.Future[Agent | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def rank(self) -> tuple[bool, bool, datetime]:
        """Smaller is served sooner."""
        counts_from = self.waiting_since_at + timedelta(seconds=self.behind_seconds)
        return (not self.danger, not self.first, counts_from)

    def pass_over(self, agent: Agent) -> None:
        """Ask the others first: this agent did not take the call."""
        self.passed_over[agent.id] = agent.times_ready
        self.passed_at = clock.monotonic()

    def waited_seconds(self) -> int:
        """How long this caller has waited in this line."""
        return max(0, round((clock.now() - self.waiting_since_at).total_seconds()))


class WaitingLines:
    """Every waiting line of the house, and the one distributor that serves them.

    It rests while the engine is not ``in_step``: nobody could be rung.
    """

    def __init__(self, team: Team, in_step: asyncio.Event) -> None:
        self._team = team
        self._in_step = in_step
        self._asks: list[Ask] = []
        self._waiting: Counter[str] = Counter()

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

    async def take(self, ask: Ask) -> Agent | None:
        """Wait until an agent is reserved for this caller; None when nobody is on duty.

        An agent found at the very moment we are cancelled is given back.
        """
        ask.found = asyncio.get_running_loop().create_future()
        self._asks.append(ask)
        self._team.changed.set()
        try:
            return await asyncio.shield(ask.found)
        except asyncio.CancelledError:
            if ask.found.done() and (agent := ask.found.result()) is not None:
                self._team.withdraw(agent)
            raise
        finally:
            self._asks.remove(ask)
            ask.found.cancel()

    async def run(self) -> None:
        """Match callers and agents whenever somebody's presence changes, and every half second."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await self._team.changed.wait()
            await self._in_step.wait()
            self._team.changed.clear()
            for ask in sorted(self._asks, key=Ask.rank):
                if not ask.found.done() and await self._serve(ask):
                    # Meanwhile somebody may have come free, whom the first in line waits for.
                    self._team.changed.set()
                    break

    async def _serve(self, ask: Ask) -> bool:
        """Give this caller an agent who is free for them; False when there is none."""
        passed_over = frozenset(
            id_
            for id_, times_ready in ask.passed_over.items()
            if self._team.agents[id_].times_ready == times_ready
        )
        agent = self._team.choose(ask.line, ask.language, passed_over, ask.wanted, ask.skills)
        if agent is not None:
            ask.nobody_since = None
            if await self._team.reserve(agent, ask.call_id):
                if ask.found.done():  # the caller left while we reserved
                    self._team.withdraw(agent)
                else:
                    ask.found.set_result(agent)
            return True
        now = clock.monotonic()
        if ask.passed_over and now - ask.passed_at > ASKED_AGAIN_SECONDS:
            ask.passed_over.clear()
        if self._team.anyone_on_duty(ask.line, ask.language, skills=ask.skills):
            ask.nobody_since = None
        elif ask.nobody_since is None:
            ask.nobody_since = now
        elif now - ask.nobody_since >= NOBODY_SECONDS:
            ask.found.set_result(None)
        return False
