"""The team on duty: who is present, who is reserved for which call, and telling it truly.

Every change of presence goes through here: memory first (the screens), then the
store. Reserving is the store's one atomic statement; when the store is slow, this
single controller reserves in memory and says that it is degraded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, Protocol

from cti import clock
from cti.people.agents import CHOSEN_BY_AGENTS, Agent, Presence, Role, next_free
from cti.tasks import Group

log = logging.getLogger("fil.people")

LOOKED_EVERY_SECONDS = 0.5
RESERVE_SECONDS_MAX = 0.3  # then memory decides, and the store follows
SCREEN_GRACE_SECONDS = 15.0  # a screen that drops may come back before we act on it
LINES = {"regulators": "Régulateurs", "listeners": "Écoutants"}
LINE_ROLES = {"regulators": Role.REGULATOR, "listeners": Role.LISTENER}
DISPOSITIONS = {
    "ecoute": "Écoute",
    "orientation": "Orientation",
    "hors-sujet": "Hors sujet",
    "silencieux": "Appel silencieux",
    "autre": "Autre",
}
ON_DUTY = frozenset({Presence.READY, Presence.RESERVED, Presence.TALKING, Presence.WRAP_UP})


class PresenceStore(Protocol):
    """Where presence outlives us."""

    async def reserve(self, agent_id: str, call_id: str) -> bool:
        """Take the agent for the call if, and only if, they are READY. One atomic statement."""

    async def set_presence(
        self,
        agent_id: str,
        presence: str,
        reason: str | None,
        call_id: str | None,
        since_at: datetime,
    ) -> None:
        """Write a presence, and since when it is so."""


class Team:
    """The agents of this line, by id."""

    def __init__(
        self,
        agents: Iterable[Agent],
        store: PresenceStore,
        on_wrapup: Callable[[str, str, str], None],
        wrap_up_seconds: float,
    ) -> None:
        self.agents = {agent.id: agent for agent in agents}
        self.degraded = False
        self.changed = asyncio.Event()  # somebody's presence changed: lines look again
        self.presence_moved: Callable[[], None] = lambda: None
        self._store = store
        self._on_wrapup = on_wrapup
        self._wrap_up_seconds = wrap_up_seconds
        self._pending: dict[str, tuple[Presence, str | None]] = {}
        self._rung_again: dict[str, str] = {}  # agent, the call whose talk they lost
        self._wrap_up_calls: dict[str, tuple[str, float]] = {}  # agent -> call, monotonic end
        self._writes: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._stored = True  # every presence is in the store
        self._screen_lost_at: dict[str, float] = {}
        self._system: tuple[list[str], str | None] = ([], None)

    # -- what an agent chooses ------------------------------------------------

    async def set_presence(
        self, agent: Agent, presence: Presence, reason: str | None
    ) -> str | None:
        """Apply what an agent chose. Returns an error code, or None.

        Chosen during a call, it waits for the end of the call; chosen during
        wrap-up, it ends the wrap-up.
        """
        if presence not in CHOSEN_BY_AGENTS:
            return "not_yours_to_set"
        agent.times_ready += presence is Presence.READY
        if agent.presence in (Presence.RESERVED, Presence.TALKING):
            self._pending[agent.id] = (presence, reason)
            return None
        self._pending.pop(agent.id, None)
        self.move(agent, presence, reason)
        return None

    async def wrapup_done(self, agent: Agent, call_id: str, disposition: str) -> str | None:
        """Close the wrap-up of a call with what it came to. Returns an error code, or None."""
        if disposition not in DISPOSITIONS:
            return "no_such_disposition"
        call, _ = self._wrap_up_calls.get(agent.id, (None, 0.0))
        if call != call_id:
            return "no_such_wrapup"
        self._on_wrapup(call_id, agent.id, disposition)
        self._end_wrap_up(agent)
        return None

    # -- what a call does to an agent -----------------------------------------

    def choose(
        self,
        line: str,
        language: str | None,
        passed_over: frozenset[str],
        wanted: str | None,
        skills: frozenset[str] = frozenset(),
    ) -> Agent | None:
        """Who would be offered the next call of this line; reserves nobody."""
        agents, role = self.agents.values(), LINE_ROLES[line]
        return next_free(agents, role, language, passed_over, wanted, skills)

    def on_duty(self, line: str) -> int:
        """How many who take this line are working now, free or not."""
        return sum(
            agent.presence in ON_DUTY and LINE_ROLES[line] in agent.roles
            for agent in self.agents.values()
        )

    def anyone_on_duty(
        self,
        line: str,
        language: str | None,
        but: Agent | None = None,
        skills: Iterable[str] = (),
    ) -> bool:
        """Whether somebody who takes this line is working now, free or not; ``but`` not counted."""
        role = LINE_ROLES[line]
        return any(
            agent.presence in ON_DUTY
            and agent is not but
            and role in agent.roles
            and (language is None or language in agent.languages)
            and agent.skills.keys() >= set(skills)
            for agent in self.agents.values()
        )

    async def somebody_comes(self, here: Callable[[], bool]) -> None:
        """Wait until somebody is ``here``."""
        while not here():  # noqa: ASYNC110 -- many wait, each for its own
            await asyncio.sleep(LOOKED_EVERY_SECONDS)

    async def reserve(self, agent: Agent, call_id: str) -> bool:
        """Take a READY agent for one call; False when somebody else was faster.

        Answers within 300 ms: a slower store is overruled by memory, which is the
        whole truth while this is the only controller.
        """
        if agent.presence is not Presence.READY:
            return False
        self._set(agent, Presence.RESERVED, None, call_id)
        try:
            async with asyncio.timeout(RESERVE_SECONDS_MAX):
                await self._writes.join()  # their READY itself may still be on its way there
                won = await self._store.reserve(agent.id, call_id)
            self.degraded = False
        except Exception as error:  # noqa: BLE001 -- whatever fails there must not cost a call
            if not self.degraded:
                log.warning("team.degraded", extra={"error": type(error).__name__})
            self.degraded = True
            won = True
            self._write(agent)
        if not won:
            self._set(agent, Presence.NOT_READY, "taken_elsewhere", None)
        return won

    def move(
        self, agent: Agent, presence: Presence, reason: str | None = None, call: str | None = None
    ) -> None:
        """Change a presence: screens at once, store in order, lines look again."""
        if presence is Presence.READY and agent.presence is not Presence.RESERVED:
            agent.missed = 0
        self._set(agent, presence, reason, call)
        self._write(agent)

    def withdraw(
        self, agent: Agent, presence: Presence = Presence.READY, reason: str | None = None
    ) -> None:
        """Give back a reserved agent, to ``presence`` unless they chose to stop since."""
        chosen, chosen_reason = self._pending.pop(agent.id, (Presence.READY, None))
        if chosen is not Presence.READY:
            presence, reason = chosen, chosen_reason
        if agent.id in self._rung_again:
            call_id = self._rung_again[agent.id]
            self.start_wrap_up(agent, call_id)
            self._pending[agent.id] = (presence, reason)
        else:
            self.move(agent, presence, reason)

    def ring_again(self, agent: Agent, call_id: str) -> None:
        """Their phone was lost in a talk: it rings again; in vain, the talk's wrap-up follows."""
        self._rung_again[agent.id] = call_id
        self.move(agent, Presence.RESERVED, None, call_id)

    def rest_after_wrap_up(self, agent: Agent, reason: str) -> None:
        """No more calls after this wrap-up, until the agent wants them."""
        self._pending[agent.id] = (Presence.NOT_READY, reason)

    def start_wrap_up(self, agent: Agent, call_id: str) -> None:
        """The talk is over: give the agent time to breathe and write."""
        self._rung_again.pop(agent.id, None)
        self._wrap_up_calls[agent.id] = (call_id, clock.monotonic() + self._wrap_up_seconds)
        self.move(agent, Presence.WRAP_UP, None, call_id)

    def free_the_unclaimed(self) -> None:
        """Once every call is taken back: nobody stays held by a call that is no more."""
        for agent in self.agents.values():
            in_call = agent.presence in (Presence.RESERVED, Presence.TALKING)
            resting = agent.presence is Presence.WRAP_UP and agent.id in self._wrap_up_calls
            if (in_call and agent.engagement is None) or (
                agent.presence is Presence.WRAP_UP and not resting
            ):
                self.withdraw(agent)

    # -- the database, and what is said of it ---------------------------------

    def adopt(self, people: Iterable[Agent]) -> None:
        """Take over what the store says of people; who is new joins, presences stay as they are.

        Nobody is put out here: a door that is closed in the store closes their screen.
        """
        for stored in people:
            if stored.id not in self.agents:
                self.agents[stored.id] = stored
                if stored.presence not in CHOSEN_BY_AGENTS:  # no call of ours holds them
                    self.move(stored, Presence.READY)
            known = self.agents[stored.id]
            known.name, known.phone = stored.name, stored.phone
            known.roles, known.languages = stored.roles, stored.languages
            known.skills, known.gender = stored.skills, stored.gender
            known.stands_in = stored.stands_in

    def store_all(self) -> None:
        """Write every presence again: the store may have missed some; memory is what is true."""
        for agent in self.agents.values():
            self._write(agent)

    def system_is(self, reasons: list[str], advice: str | None) -> None:
        """Tell every screen what is missing behind the line, when that has changed."""
        if (reasons, advice) == self._system:
            return
        self._system = reasons, advice
        for agent in self.agents.values():
            agent.outbox.push("system.changed", self._system_view(agent))

    def _system_view(self, agent: Agent) -> dict[str, Any]:
        reasons, advice = self._system
        may_act = agent.roles & {Role.SUPERVISOR, Role.ADMIN}
        if not may_act:  # it changes nothing for who only answers calls
            reasons = [reason for reason in reasons if reason != "flow_refused"]
        return {
            "degraded": bool(reasons),
            "reasons": reasons,
            "advice": advice if may_act else None,
        }

    def snapshot(self, agent: Agent) -> dict[str, Any]:
        """The data of the ``snapshot`` frame: all that one agent's screen shows."""
        engagement = agent.engagement
        return {
            "agent": {"id": agent.id, "name": agent.name, "roles": sorted(agent.roles)},
            "presence": agent.presence_view(),
            "call": engagement.view if engagement else None,
            "call_state": engagement.state if engagement else None,
            "can_accept": bool(engagement and engagement.can_accept_on_screen),
            "wrapup_call": self._wrap_up_calls.get(agent.id, (None, 0.0))[0],
            "lines": [{"id": id_, "label": label} for id_, label in LINES.items()],
            "colleagues": [
                {
                    "id": other.id,
                    "name": other.name,
                    "presence": other.presence.value,
                    "roles": sorted(other.roles),
                }
                for other in self.agents.values()
                if other.id != agent.id and other.presence is not Presence.LOGGED_OUT
            ],
            "dispositions": [{"id": i, "label": label} for i, label in DISPOSITIONS.items()],
            "system": self._system_view(agent),
        }

    # -- what goes on by itself -----------------------------------------------

    async def run(self) -> None:
        """Write presences to the store in order, end wrap-ups, notice lost screens. For ever."""
        async with Group() as tasks:
            tasks.create_task(self._write_all())
            tasks.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            now = clock.monotonic()
            if self._stored:
                self.degraded = False  # what memory decided is in the store
            for agent in list(self.agents.values()):
                _, wrap_up_ends = self._wrap_up_calls.get(agent.id, ("", now + 1))
                if agent.presence is Presence.WRAP_UP and wrap_up_ends <= now:
                    self._end_wrap_up(agent)
                self._notice_screen(agent, now)

    def _notice_screen(self, agent: Agent, now: float) -> None:
        if agent.presence is not Presence.READY or agent.outbox.screens:
            self._screen_lost_at.pop(agent.id, None)
            return
        lost_at = self._screen_lost_at.setdefault(agent.id, now)
        if now - lost_at >= SCREEN_GRACE_SECONDS:
            self.move(agent, Presence.NOT_READY, "screen_lost")

    def _end_wrap_up(self, agent: Agent) -> None:
        presence, reason = self._pending.pop(agent.id, (Presence.READY, None))
        self.move(agent, presence, reason)

    def _set(
        self, agent: Agent, presence: Presence, reason: str | None, call_id: str | None
    ) -> None:
        if presence is Presence.READY and agent.presence is not Presence.RESERVED:
            agent.free_since = clock.monotonic()
        if presence is not Presence.WRAP_UP:
            self._wrap_up_calls.pop(agent.id, None)
        agent.presence, agent.reason, agent.call_id = presence, reason, call_id
        agent.since_at = clock.now()
        agent.outbox.push("presence.changed", agent.presence_view())
        self.changed.set()
        self.presence_moved()

    def _write(self, agent: Agent) -> None:
        now = (agent.id, agent.presence.value, agent.reason, agent.call_id, agent.since_at)
        self._writes.put_nowait(lambda: self._store.set_presence(*now))
        self._stored = False

    async def _write_all(self) -> None:
        while True:
            write = await self._writes.get()
            try:
                failed = False
                while not await self._written(write, failed):
                    failed = True
                    await asyncio.sleep(1)
            finally:
                self._writes.task_done()
            self._stored = self._writes.empty()

    async def _written(self, write: Callable[[], Awaitable[None]], again: bool) -> bool:
        try:
            await write()
        except Exception as error:  # noqa: BLE001 -- the store comes back, or does not
            if not again:
                log.warning("team.presence_not_stored", extra={"error": type(error).__name__})
            return False
        return True
