"""The team on duty: who is present, who is reserved for which call, and telling it truly.

Every change of presence goes through here: memory first (the screens), then the store
(``kept.py``). What nobody chose is said with its reason, and never counts against a person:
only a phone that rang to its end was missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from cti import clock
from cti.people import choosing
from cti.people.agents import CHOSEN_BY_AGENTS, Agent, Presence, Role, WrapUp
from cti.people.choosing import LINES, ON_DUTY, Need
from cti.people.desk import Desk, NoDesk
from cti.people.help import Helping
from cti.people.kept import KeptPresences, PresenceStore
from cti.tasks import Group

LOOKED_EVERY_SECONDS = 0.5
SCREEN_GRACE_SECONDS = 15.0  # a screen that drops may come back before we act on it
SHIFT_SECONDS_MAX = 24 * 3600.0
TRUNK_TRIED_AGAIN_AFTER = timedelta(seconds=60)
MISSED_MAX = 2  # rings in a row; the first is asked about, this one is a pause
HARD_TIMES = 2.0  # a hard talk weighs so much more, and its wrap-up is so much longer
REASONS_CHOSEN = frozenset({"pause", "debriefing", "support", "technical"})
DISPOSITIONS = {
    "ecoute": "Écoute",
    "orientation": "Orientation",
    "hors-sujet": "Hors sujet",
    "silencieux": "Appel silencieux",
    "autre": "Autre",
}


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
        self.changed = asyncio.Event()  # somebody's presence changed: lines look again
        self.presence_moved: Callable[[], None] = lambda: None
        self.helping = Helping(self.agents)
        self.desk: Desk = NoDesk()  # of the callers who wait
        self._kept = KeptPresences(store)
        self.moved: Callable[[Agent], None] = lambda _: None  # each change, as it happens
        self._on_wrapup = on_wrapup
        self._wrap_up_seconds = wrap_up_seconds
        # agent -> the call whose talk they lost, and whether it was hard
        self._rung_again: dict[str, tuple[str, bool]] = {}
        self._alerts: dict[str, dict[str, dict[str, Any]]] = {}  # agent, kind -> as it was told
        self._screen_lost_at: dict[str, float] = {}
        self._system: tuple[list[str], str | None] = ([], None)

    @property
    def degraded(self) -> bool:
        """Whether memory decides, because the store does not answer."""
        return self._kept.degraded

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
        if reason is not None and reason not in REASONS_CHOSEN:
            return "no_such_reason"
        if presence is Presence.READY:
            agent.times_ready += 1
            agent.missed = 0
            if agent.shift_ends_soon():  # they have been told, and go on
                self._note_duty(agent, agent.shift_ends_at, one_more=True)
        if agent.presence in (Presence.RESERVED, Presence.TALKING):
            agent.following = presence, reason
            self._tell_presence(agent)
            return None
        agent.following = None
        self.move(agent, presence, reason)
        return None

    def here(self, agent: Agent) -> None:
        """They are still there, and missed a ring: they are asked in their turn again."""
        agent.missed = 0
        self.changed.set()

    def set_duty(self, agent: Agent, ends_at: datetime | None, one_more: bool | None) -> str | None:
        """Say when the shift ends, and whether one more talk may begin near its end.

        None leaves either as it is. Returns an error code, or None.
        """
        if ends_at is not None:
            if ends_at.tzinfo is None:
                return "no_such_time"
            if not timedelta() < ends_at - clock.now() <= timedelta(seconds=SHIFT_SECONDS_MAX):
                return "no_such_time"
            agent.shift_ends_at = ends_at
        if one_more is not None:
            agent.one_more = one_more
            if one_more and (agent.presence, agent.reason) == (Presence.NOT_READY, "shift_over"):
                self.move(agent, Presence.READY)
        agent.outbox.push("duty.changed", agent.duty_view())
        self.changed.set()
        return None

    def _note_duty(self, agent: Agent, ends_at: datetime | None, *, one_more: bool) -> None:
        """Know until when somebody works, and tell their screens when that is news."""
        before = agent.duty_view()
        agent.shift_ends_at, agent.one_more = ends_at, one_more
        if agent.duty_view() != before:
            agent.outbox.push("duty.changed", agent.duty_view())

    def extend_wrap_up(self, agent: Agent, call_id: str) -> str | None:
        """Give the agent as much time again, once. Returns an error code, or None."""
        rest = agent.rest
        if agent.presence is not Presence.WRAP_UP or rest is None or rest.call_id != call_id:
            return "no_such_wrapup"
        if rest.extended:
            return "already_extended"
        rest.extended = True
        rest.ends_at += self._wrap_up_seconds
        self._tell_presence(agent)
        return None

    async def wrapup_done(self, agent: Agent, call_id: str, disposition: str) -> str | None:
        """Close the wrap-up of a call with what it came to. Returns an error code, or None."""
        if disposition not in DISPOSITIONS:
            return "no_such_disposition"
        if agent.rest is None or agent.rest.call_id != call_id:
            return "no_such_wrapup"
        self._on_wrapup(call_id, agent.id, disposition)
        agent.rest.form = False
        if agent.presence is Presence.WRAP_UP:  # else a caller has interrupted it
            self._end_wrap_up(agent)
        return None

    # -- what a call does to an agent -----------------------------------------

    def on_duty(self, line: str) -> int:
        """How many who take this line are working now, free or not, and go on."""
        return sum(1 for _ in self._working(line))

    def is_staffed(self, line: str) -> bool:
        """Whether anybody is working who takes this line, free or not, and goes on."""
        return next(self._working(line), None) is not None

    def _working(self, line: str) -> Iterator[Agent]:
        role = choosing.LINE_ROLES[line]
        for agent in self.agents.values():
            if agent.presence in ON_DUTY and role in agent.roles and agent.goes_on():
                yield agent

    def anyone_on_duty(self, need: Need, but: Agent | None = None) -> bool:
        """Whether somebody is working who could take this caller, free or not, ``but`` apart."""
        return any(
            agent is not but and choosing.serves(agent, need) for agent in self.agents.values()
        )

    async def somebody_comes(self, here: Callable[[], bool]) -> None:
        """Wait until somebody is ``here``."""
        while not here():  # noqa: ASYNC110 -- many wait, each for its own
            await asyncio.sleep(LOOKED_EVERY_SECONDS)

    async def reserve(
        self, agent: Agent, call_id: str, rest_of: str | None = None, *, from_a_break: bool = False
    ) -> bool:
        """Take a READY agent for one call; False when somebody else was faster.

        ``rest_of``: the call after which they may be resting; their rest goes on if this
        comes to nothing. ``from_a_break``: they chose this caller themselves, and may have been
        in a break, which goes on afterwards. Answers within 300 ms.
        """
        resting = agent.presence is Presence.WRAP_UP and agent.call_id == rest_of is not None
        pausing = from_a_break and agent.presence is Presence.NOT_READY
        if agent.presence is not Presence.READY and not resting and not pausing:
            return False
        if pausing:
            why = agent.reason if agent.reason in REASONS_CHOSEN else None
            agent.following = Presence.NOT_READY, why
        if not resting:
            agent.rest = None
        self._set(agent, Presence.RESERVED, None, call_id)
        if resting or pausing:  # nobody else may take them: there is nothing to compare
            self._kept.write(agent)
            return True
        won = await self._kept.reserve(agent, call_id)
        if not won:
            chosen, agent.following = agent.following, None
            if chosen is None or chosen[0] is Presence.READY:
                self._set(agent, Presence.NOT_READY, "taken_elsewhere", None)
            else:
                self._set(agent, *chosen, None)
        return won

    def move(
        self, agent: Agent, presence: Presence, reason: str | None = None, call: str | None = None
    ) -> None:
        """Change a presence: screens at once, store in order, lines look again."""
        if presence is Presence.READY:
            presence, reason = self._if_ready(agent)
        self._set(agent, presence, reason, call)
        self._kept.write(agent)

    def _if_ready(self, agent: Agent) -> tuple[Presence, str | None]:
        """What somebody who could take a call can truly take."""
        reason = agent.cannot_take()
        return (Presence.READY if reason is None else Presence.NOT_READY), reason

    def withdraw(
        self, agent: Agent, presence: Presence = Presence.READY, reason: str | None = None
    ) -> None:
        """Give back a reserved agent, to ``presence`` unless they chose to stop since."""
        chosen, agent.following = agent.following, None
        if chosen is not None and chosen[0] is Presence.READY:
            agent.rest = None  # they want calls again
        elif chosen is not None:
            presence, reason = chosen
        if agent.id in self._rung_again:
            call_id, hard = self._rung_again[agent.id]
            agent.following = presence, reason
            self.start_wrap_up(agent, call_id, hard=hard)
        elif agent.rest is not None:  # the caller for whom it was interrupted did not come
            if presence is not Presence.READY:
                agent.following = presence, reason
            self.move(agent, Presence.WRAP_UP, None, agent.rest.call_id)
        else:
            self.move(agent, presence, reason)

    def missed(self, agent: Agent) -> None:
        """Give back a reserved agent whose phone rang in vain: once they are asked, twice rested.

        Not one who was resting, and was not asked to be there.
        """
        if agent.rest is not None or agent.id in self._rung_again:
            self.withdraw(agent)
            return
        agent.missed += 1
        if agent.missed < MISSED_MAX:
            self.withdraw(agent)
            agent.outbox.push("presence.asked", {})
            return
        self.withdraw(agent, Presence.NOT_READY, "missed")
        self.alert("missed", agent)

    def alert(self, kind: str, agent: Agent) -> None:
        """Tell every supervisor who is here of something about a colleague."""
        named = {"id": agent.id, "name": agent.name}
        told = {"kind": kind, "agent": named, "at": clock.now().isoformat()}
        self._alerts.setdefault(agent.id, {})[kind] = told
        for other in self.agents.values():
            if Role.SUPERVISOR in other.roles and other is not agent:
                other.outbox.push("team.alert", told)

    def _alerts_for(self, agent: Agent) -> list[dict[str, Any]]:
        """What a supervisor was told, of colleagues who have not come back since."""
        if Role.SUPERVISOR not in agent.roles:
            return []
        others = (kinds for id_, kinds in self._alerts.items() if id_ != agent.id)
        return sorted(
            (one for kinds in others for one in kinds.values()), key=lambda one: one["at"]
        )

    def ring_again(self, agent: Agent, call_id: str, *, hard: bool) -> None:
        """Their phone was lost in a talk: it rings again; in vain, the talk's wrap-up follows."""
        self.talk_is_over(agent, hard=hard)
        self._rung_again[agent.id] = call_id, hard
        self.move(agent, Presence.RESERVED, None, call_id)

    def talks(self, agent: Agent, call_id: str) -> None:
        """They have a caller."""
        agent.missed, agent.rest = 0, None
        self._note_duty(agent, agent.shift_ends_at, one_more=False)
        self.move(agent, Presence.TALKING, None, call_id)

    def rest_after_wrap_up(self, agent: Agent, reason: str) -> None:
        """No more calls after this wrap-up, until the agent wants them."""
        chosen = agent.following
        if agent.presence is Presence.READY:  # no wrap-up is given here
            self.move(agent, Presence.NOT_READY, reason)
        elif agent.presence is Presence.WRAP_UP and (chosen is None or chosen[0] is Presence.READY):
            agent.following = Presence.NOT_READY, reason
            self._tell_presence(agent)

    def start_wrap_up(
        self, agent: Agent, call_id: str, *, hard: bool = False, form: bool = True
    ) -> None:
        """The talk is over: give the agent time to breathe and write.

        ``hard``: somebody was at risk, or hurt them: it counts for more, and lasts longer.
        """
        self._rung_again.pop(agent.id, None)
        self.talk_is_over(agent, hard=hard)
        seconds = self._wrap_up_seconds * (HARD_TIMES if hard else 1.0)
        agent.rest = WrapUp(call_id, clock.monotonic() + seconds, form=form)
        self.move(agent, Presence.WRAP_UP, None, call_id)
        if self._wrap_up_seconds == 0:
            self._end_wrap_up(agent)

    def talk_is_over(self, agent: Agent, *, hard: bool) -> None:
        """Count what somebody had who is in a talk; their presence is changed next."""
        if agent.presence is Presence.TALKING:
            minutes = (clock.now() - agent.since_at).total_seconds() / 60
            weight = HARD_TIMES if hard else 1.0
            agent.exposure.add(clock.monotonic(), max(0.0, minutes), weight)

    def had(self, agent_id: str, ended_at: datetime, minutes: float, hard: bool) -> None:
        """What somebody has had today already, as the records of a life before tell."""
        if agent_id in self.agents:
            ago_seconds = (clock.now() - ended_at).total_seconds()
            exposure = self.agents[agent_id].exposure
            exposure.remember(clock.monotonic() - ago_seconds, minutes, HARD_TIMES if hard else 1.0)

    def free_the_unclaimed(self) -> None:
        """Once every call is taken back: nobody stays held by a call that is no more."""
        for agent in self.agents.values():
            in_call = agent.presence in (Presence.RESERVED, Presence.TALKING)
            resting = agent.presence is Presence.WRAP_UP and agent.rest is not None
            if (in_call and agent.engagement is None) or (
                agent.presence is Presence.WRAP_UP and not resting
            ):
                self.withdraw(agent)

    def phone_is(self, agent: Agent, away: bool) -> None:
        """The engine knows, or does not know, where their phone is. Not for during a call.

        A telephone of their own registers nowhere: it is never away, and one that a dead trunk
        could not ring is tried again later. They have done nothing, and need not do a thing.
        """
        if (agent.presence, agent.reason) == (Presence.NOT_READY, "trunk_dead"):
            if clock.now() - agent.since_at >= TRUNK_TRIED_AGAIN_AFTER:
                self.move(agent, Presence.READY)
            return
        agent.phone_away = away = away and not agent.rung_outside
        if away and agent.presence is Presence.READY:
            self.move(agent, Presence.NOT_READY, "phone_away")
        elif not away and (agent.presence, agent.reason) == (Presence.NOT_READY, "phone_away"):
            self.move(agent, Presence.READY)

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
            known.stands_in, known.own_number = stored.stands_in, stored.own_number

    def dismiss_all_but(self, staying: Iterable[str]) -> None:
        """Put out whoever has no account any more; who is with a call, once they are free."""
        for id_ in self.agents.keys() - set(staying):
            agent = self.agents[id_]
            if agent.presence not in CHOSEN_BY_AGENTS:
                agent.following = Presence.LOGGED_OUT, None
                continue
            if agent.presence is not Presence.LOGGED_OUT:
                self._set(agent, Presence.LOGGED_OUT, None, None)
            self.helping.over(agent)
            del self.agents[id_]
            self.presence_moved()

    def store_all(self) -> None:
        """Write every presence again: the store may have missed some; memory is what is true."""
        for agent in self.agents.values():
            self._kept.write(agent)

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

    def _presence_view(self, agent: Agent) -> dict[str, Any]:
        """What the agent can take now, and what follows their call."""
        presence, reason = agent.following or (None, None)
        following = {"presence": presence.value, "reason": reason} if presence else None
        return agent.presence_view() | {"next": following}

    def _tell_presence(self, agent: Agent) -> None:
        agent.outbox.push("presence.changed", self._presence_view(agent))

    def snapshot(self, agent: Agent) -> dict[str, Any]:
        """The data of the ``snapshot`` frame: all that one agent's screen shows."""
        engagement = agent.engagement
        return {
            "agent": {"id": agent.id, "name": agent.name, "roles": sorted(agent.roles)},
            "presence": self._presence_view(agent),
            "duty": agent.duty_view(),
            "asked": agent.missed > 0 and agent.presence is Presence.READY,
            "call": engagement.view if engagement else None,
            "call_state": engagement.state if engagement else None,
            "suggestions": list(engagement.suggestions) if engagement else [],
            "wrapup_call": agent.rest.call_id
            if agent.rest and agent.presence is Presence.WRAP_UP
            else None,
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
            "alerts": self._alerts_for(agent),
            **self.helping.shown_to(agent),
            **self.desk.shown_to(agent),
        }

    # -- what goes on by itself -----------------------------------------------

    async def run(self) -> None:
        """Write presences to the store, end wrap-ups, notice lost screens. For ever."""
        async with Group() as tasks:
            tasks.create_task(self._kept.run())
            tasks.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOKED_EVERY_SECONDS)
            self.helping.look()
            now = clock.monotonic()
            for agent in list(self.agents.values()):
                rest_is_over = agent.rest is not None and agent.rest.ends_at <= now
                if agent.presence is Presence.WRAP_UP and rest_is_over:
                    self._end_wrap_up(agent)
                self._notice_screen(agent, now)
                if agent.presence is Presence.READY and self._if_ready(agent)[1] == "shift_over":
                    self.move(agent, Presence.READY)

    def _notice_screen(self, agent: Agent, now: float) -> None:
        if agent.presence is not Presence.READY or agent.outbox.screens:
            self._screen_lost_at.pop(agent.id, None)
            return
        lost_at = self._screen_lost_at.setdefault(agent.id, now)
        if now - lost_at >= SCREEN_GRACE_SECONDS:
            self.move(agent, Presence.NOT_READY, "screen_lost")

    def _end_wrap_up(self, agent: Agent) -> None:
        presence, reason = agent.following or (Presence.READY, None)
        agent.rest = agent.following = None
        self.move(agent, presence, reason)

    def _set(
        self, agent: Agent, presence: Presence, reason: str | None, call_id: str | None
    ) -> None:
        if presence is Presence.READY and agent.presence is not Presence.RESERVED:
            agent.free_since = clock.monotonic()
        if presence not in (Presence.WRAP_UP, Presence.RESERVED):
            agent.rest = None
        if presence is not Presence.NOT_READY:
            self._alerts.pop(agent.id, None)
        if presence is Presence.LOGGED_OUT:
            self._note_duty(agent, None, one_more=False)
        same = (agent.presence, agent.call_id) == (presence, call_id) and call_id is not None
        agent.presence, agent.reason, agent.call_id = presence, reason, call_id
        if not same:  # a talk taken back after a restart goes on since it began
            agent.since_at = clock.now()
        self._tell_presence(agent)
        self.moved(agent)
        self.changed.set()
        self.presence_moved()
