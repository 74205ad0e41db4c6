"""When people were on duty: written as they stop, and now and then while they go on.

Only that: a pause is written nowhere, nor what kind it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime

from cti import clock
from cti.people.agents import Agent
from cti.people.choosing import ON_DUTY

WRITTEN_EVERY_SECONDS = 300.0  # what a crash may lose of a shift

Write = Callable[[str, datetime, datetime], None]  # agent, from, to


class Hours:
    """The stretches of duty of everybody; one that was begun in a life before begins anew."""

    def __init__(self, agents: Iterable[Agent], write: Write) -> None:
        self._write = write
        self._since: dict[str, datetime] = {}
        for agent in agents:
            self.moved(agent)

    def moved(self, agent: Agent) -> None:
        """Somebody's presence has changed; returns at once."""
        if agent.presence in ON_DUTY:
            self._since.setdefault(agent.id, clock.now())
        elif (since := self._since.pop(agent.id, None)) is not None:
            self._write(agent.id, since, clock.now())

    def since(self, agent_id: str) -> datetime | None:
        """Since when somebody has been on duty without a break; None: they are not."""
        return self._since.get(agent_id)

    async def run(self) -> None:
        """Write the stretches still going on, for ever."""
        while True:
            await asyncio.sleep(WRITTEN_EVERY_SECONDS)
            for agent_id, since in self._since.items():
                self._write(agent_id, since, clock.now())
