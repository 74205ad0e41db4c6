"""The regulators' desk: who waits is taken by hand, sent to another line, said to be in danger.

Nothing here waits for a call. What is decided is written, then told to the call, whose own life
goes on from it: a caller who is taken is offered as any other, and keeps their place meanwhile.
"""

from __future__ import annotations

from typing import Any

from cti.calls.cards import shown_to
from cti.calls.deciding import ask_for, is_free_to_take, may_send, may_take
from cti.calls.handover import choose_target, judge_danger, reserve_for
from cti.calls.house import House
from cti.calls.offering import tell_offered
from cti.calls.state import STAGE_OF, Call
from cti.people.agents import Agent, Orient, Presence, Role


class WaitingDesk:
    """What regulators do for callers who wait (``cti.people.desk.Desk``)."""

    def __init__(self, house: House) -> None:
        self._house = house

    def shown_to(self, agent: Agent) -> dict[str, Any]:
        """``waiting`` and ``waiting_count`` of their snapshot; nothing for who may not see them."""
        return shown_to(agent, self._house)

    async def take(self, agent: Agent, call_id: str) -> str | None:
        """Reserve them for this caller, whom they are offered at once; an error code, or None.

        In a break too: who chooses callers by hand is not to be given another first.
        Their screen is told ``call.not_taken`` when the caller is gone before they are offered.
        """
        house, call = self._house, self._call(call_id)
        if call is None:
            return "no_longer_waiting"
        if _is_theirs(agent, call):
            return None
        refused = may_take(agent, call, house) or is_free_to_take(agent)
        if refused is not None:
            return refused
        if not await reserve_for(call, house, agent, from_a_break=True):
            return None if _is_theirs(agent, call) else is_free_to_take(agent)
        # They may have left meanwhile, or been taken.
        refused, ask = may_take(agent, call, house), ask_for(call, house)
        if refused is not None or ask is None:
            house.team.withdraw(agent)
            return refused
        house.records.event("call.taken", call_id=call.id, agent_id=agent.id)
        ask.take_by_hand(agent)
        for talk in call.offers:  # only of somebody in danger
            talk.unwanted.set()
        house.waiting_moved.set()
        return None

    def orient(self, agent: Agent, call_id: str, decision: Orient) -> str | None:
        """Have a caller who waits wait in another line, or for a person. An error code, or None.

        They keep their place by time, and nobody is called back when no one answers there.
        """
        house, call = self._house, self._call(call_id)
        if Role.REGULATOR not in agent.roles:
            return "no_such_call"
        if call is None:
            return "no_longer_waiting"
        refused = _off_duty(agent) or may_send(agent, call, house, decision)
        if refused is not None:
            return refused
        target = choose_target(call, house, decision, agent, how="waiting")
        call.oriented_by, call.stage = None, STAGE_OF[target]
        house.records.stage(call.id, call.stage.value, oriented_by=None, oriented_to=call.wanted)
        call.sent.set()
        house.waiting_moved.set()
        return None

    def judge_danger(self, agent: Agent, call_id: str, level: int) -> str | None:
        """Note how much danger a caller who waits is in: it changes their place at once."""
        house, call = self._house, self._call(call_id)
        if Role.REGULATOR not in agent.roles:
            return "not_your_role"
        if call is None or call.waits_in is None:
            return "no_longer_waiting"
        if (refused := _off_duty(agent)) is not None:
            return refused
        house.records.event("call.danger", call_id=call.id, agent_id=agent.id, level=level)
        judge_danger(call, house, level)
        tell_offered(call, house)
        house.team.changed.set()
        return None

    def _call(self, call_id: str) -> Call | None:
        return next((call for call in self._house.calls.values() if call.id == call_id), None)


def _is_theirs(agent: Agent, call: Call) -> bool:
    """Whether they pressed twice, or are offered this very caller at this instant."""
    return agent.presence is Presence.RESERVED and agent.call_id == call.id


def _off_duty(agent: Agent) -> str | None:
    return "you_are_not_ready" if agent.presence is Presence.LOGGED_OUT else None
