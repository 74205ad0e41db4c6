"""Whether what an agent decides about a caller can be done now; else the code their screen is told.

Pure: it looks at the call and at the team, and changes neither.
"""

from __future__ import annotations

from dataclasses import replace

from cti.calls.asking import ask_of
from cti.calls.closing import refusal
from cti.calls.house import House
from cti.calls.state import Call
from cti.people.agents import Agent, Close, Decision, Hold, Mute, Orient, Presence, TakeBack
from cti.people.choosing import LINE_ROLES, fits


def check(decision: Decision, agent: Agent, call: Call, house: House) -> str | None:
    """Whether a decision can be carried out now; else the error code the screen is told."""
    consulted = call.consulting is not None and call.consulting.agent is agent
    match decision:
        case Orient() | Hold() | Mute() | TakeBack() | Close() if consulted:
            return "not_yours_yet"
        case Close() if call.staying is not None and call.staying.agent is agent:
            return "already_oriented"  # it is for the other to close it
        case Close():
            return "consulting" if call.consulting is not None else refusal(call)
        case Orient():
            return _check_orient(decision, agent, call, house)
        case Hold(on=True) if call.staying is not None:
            return "three_talk"
        case Hold(on=True) if call.consulting is not None:
            return "consulting"
        case Mute() if call.aside:
            return "caller_held"
        case TakeBack():
            return _check_take_back(agent, call)
        case _:
            return None


def _check_take_back(agent: Agent, call: Call) -> str | None:
    """Somebody must be there to leave, or on the way; the first agent takes back, no newcomer."""
    if call.aside or call.inviting is not None:
        return None
    stays = call.staying is not None and call.staying.agent is agent
    return None if stays else "not_consulting"


def _check_orient(decision: Orient, agent: Agent, call: Call, house: House) -> str | None:
    if call.consulting is not None:
        # To bring all three together, or to leave the caller to whom they speak with.
        with_them = decision.agent == call.consulting.agent.id
        return None if with_them and not decision.consult else "consulting"
    if call.staying is not None and decision.consult:
        return "three_talk"
    already = call.staying is not None and (decision.together or call.staying.agent is agent)
    if already or call.inviting is not None:
        return "already_oriented"
    return _check_target(decision, agent, call, house)


def _check_target(decision: Orient, agent: Agent, call: Call, house: House) -> str | None:
    match decision:
        case Orient(line=str() as line):
            if line not in LINE_ROLES:
                return "no_such_line"
            step = call.line_step("regulators" if line == "regulators" else "listeners")
            need = ask_of(call, step).need(house.team.agents)
            if not house.team.anyone_on_duty(need, but=agent):
                return "nobody_there"
        case Orient(agent=str() as id_):
            other = house.team.agents.get(id_)
            if other is None or other is agent:
                return "no_such_agent"
            if other.presence is not Presence.READY:
                return "not_ready"
            need = ask_of(call, call.line_step("listeners")).need(house.team.agents)
            if fits(other, replace(need, wanted=id_)) is None:
                return "does_not_fit"  # they would be rung for nobody
        case _:
            return "no_such_relay"  # no relay can be called from this line yet
    return None
