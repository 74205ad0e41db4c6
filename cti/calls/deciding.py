"""Whether what an agent decides about a caller can be done now; else the code their screen is told.

Pure: it looks at the call and at the team, and changes neither.
"""

from __future__ import annotations

from dataclasses import replace

from cti.calls.asking import ask_of
from cti.calls.closing import refusal
from cti.calls.house import House
from cti.calls.state import DANGER_NOW, Call
from cti.calls.waiting import Ask
from cti.people.agents import (
    Agent,
    Close,
    Decision,
    Hold,
    Mute,
    Orient,
    Presence,
    Role,
    TakeBack,
)
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
    return check_target(decision, agent, call, house)


def check_target(decision: Orient, agent: Agent, call: Call, house: House) -> str | None:
    """Whether the caller can go there now; else the error code the screen is told."""
    match decision:
        case Orient(line=str() as line):
            if line not in LINE_ROLES:
                return "no_such_line"
            step = call.line_step("regulators" if line == "regulators" else "listeners")
            need = replace(ask_of(call, step).need(house.team.agents), wanted=None)
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


# -- of a caller who waits ------------------------------------------------------------


def is_rung_for(call: Call) -> bool:
    """Whether a phone rings for a caller who waits, or is about to."""
    ask = call.ask
    return bool(call.offers) or (ask is not None and (ask.by_hand is not None or ask.chosen))


def ask_for(call: Call, house: House) -> Ask | None:
    """What a caller waits for, who is in our hands and looked for by us; else None."""
    here = call.caller.in_app.is_set() and house.exchange.ari.in_step.is_set()
    return call.ask if here and call.ask is not None and not call.ask.over else None


def may_take(agent: Agent, call: Call, house: House) -> str | None:
    """Whether this agent, were they free, may take this caller by hand; else the error code.

    Somebody in danger may be taken though another phone rings, whatever they had asked for.
    """
    in_danger = call.danger >= DANGER_NOW
    if Role.REGULATOR not in agent.roles:
        return "not_your_role"
    if call.waits_in is None or call.caller.gone.is_set():
        return "no_longer_waiting"
    ask = ask_for(call, house)
    if ask is None:
        return "not_reachable"
    if ask.by_hand is not None:
        return "taken_already"
    if is_rung_for(call) and not in_danger:
        return "rings_already"
    if any(talk.leg.in_app.is_set() for talk in call.offers):
        return "no_longer_waiting"
    suits = ask.language in agent.languages and ask.gender in (None, agent.gender)
    return None if suits or in_danger else "does_not_suit_you"


def may_send(agent: Agent, call: Call, house: House, decision: Orient) -> str | None:
    """Whether this agent may have a caller who waits wait elsewhere; else the error code."""
    if call.waits_in is None or call.caller.gone.is_set():
        return "no_longer_waiting"
    if decision.relay is not None or decision.together or decision.consult:
        return "take_first"  # these need a person
    if ask_for(call, house) is None:
        return "not_reachable"
    if is_rung_for(call):
        return "rings_already"
    if decision.line == call.waits_in and call.wanted is None:
        return "waits_there"
    return check_target(decision, agent, call, house)


def is_free_to_take(agent: Agent) -> str | None:
    """Whether this agent can be offered a caller whom they choose; else the error code."""
    if agent.presence in (Presence.RESERVED, Presence.TALKING):
        return "you_have_a_call"
    here = agent.presence in (Presence.READY, Presence.NOT_READY) and agent.cannot_take() is None
    return None if here else "you_are_not_ready"
