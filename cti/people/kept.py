"""Presence in the store: reserved there by one statement, written there a moment later.

Memory is what is true while this is the only controller; the store is what two controllers
would meet in. A reservation compares and sets: it holds for who is READY there, or as we last
wrote them, so that a READY still on its way is not waited for.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from datetime import datetime
from typing import Protocol

from cti.people.agents import Agent

log = logging.getLogger("fil.people")

RESERVE_SECONDS_MAX = 0.3  # then memory decides, and the store follows
WRITTEN_AFTER_SECONDS = 0.05  # somebody who comes free is mostly reserved at once
WRITTEN_AGAIN_SECONDS = 1.0


class PresenceStore(Protocol):
    """Where presence outlives us."""

    async def reserve(
        self, agent_id: str, call_id: str, since_at: datetime, known_since_at: datetime | None
    ) -> bool:
        """Take the agent for the call if, and only if, they are READY, or as they were known.

        ``known_since_at``: since when they were what we last wrote. One atomic statement.
        """

    async def set_presence(
        self,
        agent_id: str,
        presence: str,
        reason: str | None,
        call_id: str | None,
        since_at: datetime,
    ) -> None:
        """Write a presence, and since when it is so."""


class KeptPresences:
    """What the store knows of presences, and what it is still to be told."""

    def __init__(self, store: PresenceStore) -> None:
        self.degraded = False  # memory had to decide
        self._store = store
        self._known: dict[str, datetime] = {}  # since when, as we last wrote it
        self._waiting: dict[str, Agent] = {}  # to be written, in the order of their changes
        self._some = asyncio.Event()
        # A write that came after the reservation it was given before would undo it.
        self._busy: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def write(self, agent: Agent) -> None:
        """Have this agent's presence written, as it will be in a moment; returns at once."""
        self._waiting.pop(agent.id, None)
        self._waiting[agent.id] = agent
        self._some.set()

    async def reserve(self, agent: Agent, call_id: str) -> bool:
        """Take an agent whom memory has just reserved; False when somebody else was faster.

        Answers within 300 ms: a slower store is overruled by memory.
        """
        reserved = _now(agent)
        since_at = agent.since_at
        try:
            async with asyncio.timeout(RESERVE_SECONDS_MAX), self._busy[agent.id]:
                known = self._known.get(agent.id)
                if known is None and agent.id in self._waiting:  # what it says is older than we
                    await self._store.set_presence(agent.id, "READY", None, None, since_at)
                won = await self._store.reserve(agent.id, call_id, since_at, known)
        except Exception as error:  # noqa: BLE001 -- whatever fails there must not cost a call
            if not self.degraded:
                log.warning("team.degraded", extra={"error": type(error).__name__})
            self.degraded = True
            self._known.pop(agent.id, None)
            self.write(agent)
            return True
        if _now(agent) == reserved:
            self._waiting.pop(agent.id, None)
        if won:
            self._known[agent.id] = since_at
        else:
            self._known.pop(agent.id, None)
        if not self._waiting:
            self.degraded = False
        return won

    async def run(self) -> None:
        """Write what is to be written, for ever."""
        failed = False
        while True:
            await self._some.wait()
            self._some.clear()
            await asyncio.sleep(WRITTEN_AFTER_SECONDS)
            while self._waiting:
                id_, agent = next(iter(self._waiting.items()))
                if await self._written(id_, agent, failed):
                    failed = False
                else:
                    failed = True
                    await asyncio.sleep(WRITTEN_AGAIN_SECONDS)
            self.degraded = False  # what memory decided is in the store

    async def _written(self, id_: str, agent: Agent, again: bool) -> bool:
        """Write one presence; False when the store did not take it."""
        async with self._busy[id_]:
            now = _now(agent)
            try:
                await self._store.set_presence(id_, *now)
            except Exception as error:  # noqa: BLE001 -- the store comes back, or does not
                if not again:
                    log.warning("team.presence_not_stored", extra={"error": type(error).__name__})
                return False
            self._known[id_] = now[-1]
            if _now(agent) == now:  # else it has changed meanwhile
                self._waiting.pop(id_, None)
            return True


def _now(agent: Agent) -> tuple[str, str | None, str | None, datetime]:
    return agent.presence.value, agent.reason, agent.call_id, agent.since_at
