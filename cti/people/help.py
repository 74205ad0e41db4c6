"""“I need help now”: who asked, who sees it, who answered.

A request stays until somebody answers it or the agent takes it back; whether anybody can see it
is told to the agent at once, and whenever that changes. It says nothing of the caller.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from cti import clock
from cti.people.agents import Agent, Help, Presence, Role

HELPERS = frozenset({Role.SUPERVISOR, Role.FACILITATOR, Role.REGULATOR})
KEPT_MAX = timedelta(hours=1)  # then it is over: who needs help still asks again
ASKED_PER_MINUTE_MAX = 3

# What to do when nobody sees it: told with the request, in both tongues.
NOBODY_SEES_IT = {
    "code": "nobody_sees_it",
    "fr": "Personne ne peut voir votre demande pour le moment. Elle sera montrée à la première "
    "personne qui arrive. En attendant, appelez l'astreinte de la coordination ; si quelqu'un est "
    "en danger immédiat, les secours répondent au 15, au 17 et au 112.",
    "en": "Nobody can see your request for now. It will be shown to the first person who comes. "
    "Meanwhile, call the coordination's on-call number; if somebody is in immediate danger, the "
    "emergency services answer at 15, 17 and 112.",
}


class Helping:
    """The requests for help of a team. Every method returns at once."""

    def __init__(self, agents: Mapping[str, Agent]) -> None:
        self._agents = agents
        self._asked_at: defaultdict[str, deque[float]] = defaultdict(deque)
        self._seen: dict[str, bool] = {}  # as their agents were told
        # For the records: a type of event and codes, never who it was.
        self.happened: Callable[..., None] = lambda *_, **__: None

    def ask(self, agent: Agent, call_id: str | None) -> str | None:
        """An agent needs help. Asking again changes nothing. Returns an error code, or None."""
        if agent.help is not None and agent.help.by is None:
            return None
        now, asked = clock.monotonic(), self._asked_at[agent.id]
        while asked and now - asked[0] > 60.0:
            asked.popleft()
        if len(asked) >= ASKED_PER_MINUTE_MAX:
            return "help_too_often"
        asked.append(now)
        theirs = call_id is not None and call_id == _call_of(agent)
        agent.help = Help(clock.now(), call_id if theirs else None)
        for helper in self._helpers(agent):
            helper.outbox.push("help.asked", _asked(agent, agent.help))
        self._tell_asker(agent, agent.help)
        self.happened("help.asked", seen=self._is_seen(agent))
        return None

    def answer(self, helper: Agent, agent_id: str) -> str | None:
        """Somebody sees to it. Returns an error code, or None."""
        agent = self._agents.get(agent_id)
        help_ = agent.help if agent is not None and agent is not helper else None
        if agent is None or help_ is None or help_.by is not None:
            return "no_such_help"
        agent.help = replace(help_, by=helper.id)
        self._seen.pop(agent.id, None)
        agent.outbox.push("help.answered", {"by": helper.id, "name": helper.name})
        self._tell_over(agent, "answered", helper)
        seconds = (clock.now() - help_.since_at).total_seconds()
        self.happened("help.answered", after_seconds=round(seconds))
        return None

    def over(self, agent: Agent, reason: str = "over") -> None:
        """The agent needs no help any more; harmless when they had asked for none."""
        if agent.help is None:
            return
        answered = agent.help.by is not None
        agent.help = None
        self._seen.pop(agent.id, None)
        agent.outbox.push("help.over", _over(agent, reason))
        self._tell_over(agent, reason)
        self.happened("help.over", reason=reason, answered=answered)

    def look(self) -> None:
        """Tell who asked when somebody sees it by now, or nobody any more; end what is old."""
        for agent in self._agents.values():
            if agent.help is None:
                continue
            if clock.now() - agent.help.since_at >= KEPT_MAX:
                self.over(agent, "too_long")
            elif agent.help.by is None and self._seen.get(agent.id) != self._is_seen(agent):
                self._tell_asker(agent, agent.help)

    def shown_to(self, agent: Agent) -> dict[str, Any]:
        """The parts of a snapshot: what the agent asked for, and what they may answer."""
        asked = [] if not agent.roles & HELPERS else self._agents.values()
        return {
            "help": self._mine(agent, agent.help) if agent.help is not None else None,
            "helps": [
                _asked(other, other.help)
                for other in asked
                if other is not agent and other.help is not None and other.help.by is None
            ],
        }

    def _helpers(self, asker: Agent) -> list[Agent]:
        return [a for a in self._agents.values() if a.roles & HELPERS and a is not asker]

    def _is_seen(self, asker: Agent) -> bool:
        return any(helper.outbox.screens for helper in self._helpers(asker))

    def _tell_asker(self, agent: Agent, help_: Help) -> None:
        self._seen[agent.id] = self._is_seen(agent)
        agent.outbox.push("help.waiting", self._mine(agent, help_))

    def _tell_over(self, agent: Agent, reason: str, by: Agent | None = None) -> None:
        for helper in self._helpers(agent):
            helper.outbox.push("help.over", _over(agent, reason, by))

    def _mine(self, agent: Agent, help_: Help) -> dict[str, Any]:
        by = self._agents.get(help_.by or "")
        seen = self._is_seen(agent)
        return {
            "call": _call(help_),
            "since": help_.since_at.isoformat(),
            "seen": seen,
            "advice": None if seen or help_.by is not None else NOBODY_SEES_IT,
            "by": {"id": by.id, "name": by.name} if by is not None else None,
        }


def _call_of(agent: Agent) -> str | None:
    """The call an agent has, or rests from."""
    if agent.presence in (Presence.TALKING, Presence.WRAP_UP, Presence.RESERVED):
        return agent.call_id
    return None


def _asked(agent: Agent, help_: Help) -> dict[str, Any]:
    return {
        "agent": agent.id,
        "name": agent.name,
        "call": _call(help_),
        "since": help_.since_at.isoformat(),
    }


def _call(help_: Help) -> dict[str, Any] | None:
    return {"id": help_.call_id} if help_.call_id is not None else None


def _over(agent: Agent, reason: str, by: Agent | None = None) -> dict[str, Any]:
    named = {"id": by.id, "name": by.name} if by is not None else None
    return {"agent": agent.id, "reason": reason, "by": named}
