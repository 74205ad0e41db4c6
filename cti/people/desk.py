"""The regulators' desk, as the team and its screens know it: who waits, and what can be done.

The calls are not known here: the line puts its own desk in the team's (``cti/calls/taking.py``).
"""

from __future__ import annotations

from typing import Any, Protocol

from cti.people.agents import Agent, Orient


class Desk(Protocol):
    """What a regulator sees of the callers who wait, and may do for them."""

    def shown_to(self, agent: Agent) -> dict[str, Any]:
        """``waiting`` and ``waiting_count`` of their snapshot; nothing for who may not see them."""

    async def take(self, agent: Agent, call_id: str) -> str | None:
        """Reserve them for this caller, whom they are offered at once; an error code, or None."""

    def orient(self, agent: Agent, call_id: str, decision: Orient) -> str | None:
        """Have a caller who waits wait elsewhere. Returns an error code, or None."""

    def judge_danger(self, agent: Agent, call_id: str, level: int) -> str | None:
        """Note how much danger a caller who waits is in. Returns an error code, or None."""


class NoDesk:
    """Before any call is served, nobody waits."""

    def shown_to(self, _agent: Agent) -> dict[str, Any]:
        """Nothing."""
        return {}

    async def take(self, _agent: Agent, _call_id: str) -> str | None:
        """No call is known."""
        return "no_such_call"

    def orient(self, _agent: Agent, _call_id: str, _decision: Orient) -> str | None:
        """No call is known."""
        return "no_such_call"

    def judge_danger(self, _agent: Agent, _call_id: str, _level: int) -> str | None:
        """No call is known."""
        return "no_such_call"
