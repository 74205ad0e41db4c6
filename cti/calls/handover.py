"""Where a caller goes next, as the agents who have them decide: each step leaves nobody alone.

    two talk --- orient (cold) ----------------------> the next person is looked for
       |  ^                                               |            | nobody in time
       |  |                                               | answers    v
       |  +------ nobody came: the agent is told          |      the same agent is rung
       |  |                                               v            | not there either
       +--|-- together, consult --> a third is rung    two talk        v
          |                           |  (the agent leaves meanwhile: as cold)  head of the line
          |     together: three talk <+-> consult: caller in music, two agents talk
          |         |  the first agent leaves            |  the agent leaves: caller and third
          |         v                                    |  together: three talk
          +---- the newcomer leaves, or the caller is taken back

What was chosen is written before it is done, and a restart goes on from there. At no instant
does nobody own the caller: a newcomer owns them before the first lets go. Between the two,
whoever leaves, the engine rescues a caller.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from cti import clock
from cti.asterisk.ari import AriConflict, AriError, LegGone
from cti.asterisk.exchange import talk_bridge
from cti.calls.aside import (
    back_from_hold,
    consult,
    end_aside,
    keep_limits,
    mute,
    put_on_hold,
    say_words,
    seconds_left,
    set_aside,
    take_back,
)
from cti.calls.closing import Why, begin_closing, say_closing
from cti.calls.company import tell_company
from cti.calls.hearing import watch
from cti.calls.house import House
from cti.calls.offering import first_of, offer, offer_around, withdraw_ringing
from cti.calls.state import DANGER_NOW, STAGE_OF, Call, Stage, Talk
from cti.calls.talking import (
    begin_talk,
    connect,
    farewell,
    finish_talk,
    hang_up_parted,
    join,
    lost,
    part,
    recall,
    take_charge,
)
from cti.people.agents import (
    Agent,
    Close,
    Decision,
    Decline,
    Hold,
    Mute,
    Orient,
    TakeBack,
)
from cti.people.choosing import LINE_ROLES
from cti.tasks import Group
from ivr.leg import HungUp
from ivr.steps import Line

log = logging.getLogger("fil.calls")

INVITE_SECONDS_MAX = 60.0  # how long we look for a third person while two are talking
News = tuple[Talk, Decision | None]  # what an agent decided; None: their leg has ended


async def converse(call: Call, house: House, line: Line) -> Stage:
    """Let them talk for as long as they need; then do what was decided."""
    assert call.talk is not None
    watch(call, house, call.talk)
    if call.aside:
        say_words(call)
    while True:
        news = await next_news(call)
        if call.inviting is not None and call.inviting.done():
            invited, call.inviting = call.inviting.result(), None
            tell_company(call)
            if invited is not None:
                for talk, decision in news:  # decided at that instant: heard once they are there
                    if decision is not None and talk.agent.engagement is not None:
                        talk.agent.engagement.decisions.put_nowait(decision)
                if not invited.consult:
                    return await bring_in(call, house)
                await consult(call, house)
                continue
        await keep_limits(call, house)
        for talk, decision in news:
            stage = await do(call, house, line, talk, decision)
            if stage is not None:
                return stage


async def next_news(call: Call) -> list[News]:
    """Wait until an agent decides something or leaves, an invitation or a limit is over."""
    talks = call.talks
    decided, gone = {}, {}
    for talk in talks:
        assert talk.agent.engagement is not None
        decided[talk] = asyncio.ensure_future(talk.agent.engagement.decisions.get())
        gone[talk] = asyncio.ensure_future(talk.leg.gone.wait())
    waits: set[asyncio.Future[Any]] = {*decided.values(), *gone.values()}
    if call.inviting is not None:
        waits.add(asyncio.ensure_future(asyncio.wait({call.inviting})))
    await first_of(waits, seconds_left(call))
    news: list[News] = []
    for talk in talks:
        if decided[talk].done() and not decided[talk].cancelled():
            news.append((talk, decided[talk].result()))
        elif talk.leg.gone.is_set():
            news.append((talk, None))
    return news


async def do(
    call: Call, house: House, line: Line, talk: Talk, decision: Decision | None
) -> Stage | None:
    """Do what one of them decided, or what follows from their leaving; None: they talk on."""
    if talk not in call.talks:
        return None  # came too late
    match decision:
        case Mute(on=on):
            if not call.aside:
                await mute(call, house, talk, on)
            return None
        case Hold() | TakeBack():
            return await hold_or_take_back(call, house, talk, decision)
        case Orient() if talk is call.talk and call.inviting is None:
            return await follow(call, house, line, decision)
        case Orient():
            return None  # decided twice, or as another came: the first is being carried out
        case Close(why=why) if talk is call.talk:
            return await close_kindly(call, house, line, why)
        case Decline() | Close():
            return None  # came too late
        case _:
            return await gone(call, house, line, talk, decision)


async def hold_or_take_back(
    call: Call, house: House, talk: Talk, decision: Hold | TakeBack
) -> Stage | None:
    """The agent puts the caller on hold, takes them back, or has everybody together."""
    first = talk is call.talk and call.staying is None
    match decision:
        case Hold(on=True) if first and not call.aside:
            await put_on_hold(call, house)
        case Hold(on=False) if first and call.consulting is not None:
            return await bring_all_together(call, house)
        case TakeBack() if first and call.consulting is not None:
            await take_back(call, house)
        case TakeBack() if first and call.inviting is not None:
            await call_off(call, house)
        case Hold(on=False) | TakeBack() if first:
            await back_from_hold(call, house)
        case TakeBack() if talk is call.staying:
            return await go_back(call, house)
        case _:
            pass
    return None


async def follow(call: Call, house: House, line: Line, decision: Orient) -> Stage | None:
    """The agent of ``call.talk`` says where the caller goes."""
    if call.consulting is not None:
        if decision.together:
            return await bring_all_together(call, house)
        return await leave_to_consulted(call, house)
    if decision.together or decision.consult:
        call.inviting = asyncio.create_task(invite(call, house, decision))
        tell_company(call)
        return None
    return await orient(call, house, decision, line)


async def gone(
    call: Call, house: House, line: Line, talk: Talk, decision: Decision | None
) -> Stage | None:
    """One of them leaves: the caller goes on with whoever is there, or is cared for."""
    assert call.talk is not None
    if talk is call.staying:
        await leave(call, house, talk)
    elif talk is call.consulting:
        await take_back(call, house, "colleague_left")
    elif call.inviting is not None:  # whoever leaves now has oriented the caller
        return await go_on_alone(call, house)
    elif call.consulting is not None:
        return await leave_to_consulted(call, house)
    elif call.staying is not None:
        return await go_back(call, house)
    elif decision is None and await lost(talk, clock.monotonic()):
        await end_aside(call)
        return await recall(call, house, line)
    else:
        await end_aside(call)
        await finish_talk(call, house, line)
        return await farewell(call, house, line)
    return None


async def close_kindly(call: Call, house: House, line: Line, why: Why) -> Stage:
    """The agent closes an abusive or silent call: they are free at once, the caller is told."""
    if call.inviting is not None:
        await _stop_inviting(call, house)
    begin_closing(call, house, why)
    await end_aside(call)
    await finish_talk(call, house, line)
    return await say_closing(call, house, line)


async def again_in_place(call: Call, house: House) -> None:
    """The engine did not obey: whoever has the caller is with them again, or they are on hold."""
    assert call.talk is not None
    tell_company(call)
    if call.aside:
        await set_aside(call, house)
    else:
        await join(call, house, call.talk)


# -- one agent hands over, cold -----------------------------------------------------


async def orient(call: Call, house: House, decision: Orient, line: Line) -> Stage:
    """Take the caller to the line or the person the agent chose."""
    assert call.talk is not None
    by = call.talk.agent
    target = choose_target(call, house, decision, by)
    call.stage = STAGE_OF[target]  # should the engine not obey, this is the one to enter again
    call.path.append(line)
    hand_on(call, house, by)
    await end_aside(call)
    await finish_talk(call, house, target)
    call.first = False
    return call.stage


def hand_on(call: Call, house: House, by: Agent) -> None:
    """Write down to whom the caller comes back when nobody answers."""
    call.oriented_by, call.waiting_since_at = by.id, clock.now()
    house.records.stage(
        call.id,
        call.stage.value,
        oriented_by=by.id,
        oriented_to=call.wanted,
        waiting_since_at=call.waiting_since_at,
    )


def choose_target(
    call: Call, house: House, decision: Orient, by: Agent, how: str | None = None
) -> Line:
    """Write down where the caller goes, and what the next person should know; the line it means.

    ``how``: in which way, when nobody has the caller.
    """
    call.wanted = decision.agent
    call.oriented_as = next((role for role in LINE_ROLES.values() if role in by.roles), None)
    if decision.handover:
        call.handover = decision.handover
        house.records.handover(call.id, decision.handover)
    if decision.danger is not None:
        judge_danger(call, house, decision.danger)
    target: Line = "regulators" if decision.line == "regulators" else "listeners"
    other = house.team.agents.get(decision.agent or "")
    if other is not None and LINE_ROLES["listeners"] not in other.roles:
        target = "regulators"
    if how is None:
        how = "consult" if decision.consult else "together" if decision.together else "cold"
    house.records.event(
        "call.oriented",
        call_id=call.id,
        agent_id=by.id,
        line=target,
        how=how,
        danger_level=call.danger,
    )
    return target


def judge_danger(call: Call, house: House, level: int) -> None:
    """Note how much danger the agent sees; what the caller said with a key stays."""
    call.danger = DANGER_NOW if call.caller.in_danger else level
    house.records.stage(
        call.id, call.stage.value, danger_level=call.danger, danger=call.danger == DANGER_NOW
    )
    house.suggest_again.set()


async def come_back(call: Call, house: House) -> Stage:
    """Nobody answered in time: back to the agent who oriented them, else head of the line."""
    agent = house.team.agents.get(call.oriented_by or "")
    reason = "not_answered" if call.wanted else "nobody_there"
    call.oriented_by, call.oriented_as, call.wanted, call.first = None, None, None, True
    if agent is not None and await reserve_for(call, house, agent):
        await _ring_again(call, house, agent, reason)
    # Not before: a process after us tries them again.
    house.records.stage(call.id, call.stage.value, oriented_by=None, oriented_to=None)
    return call.stage


async def _ring_again(call: Call, house: House, agent: Agent, reason: str) -> None:
    """Offer the caller to the agent who had oriented them; they talk once that one answers."""
    house.records.event("call.came_back", call_id=call.id, agent_id=agent.id, reason=reason)
    agent.outbox.push("call.came_back", {"call": {"id": call.id}, "reason": reason})
    line: Line = "regulators" if LINE_ROLES["regulators"] in agent.roles else "listeners"
    async with Group() as tasks:
        told = tasks.create_task(call.caller.play("ne-quittez-pas"))
        answered = await offer(call, house, agent, line, 0)
        told.cancel()
        await asyncio.wait({told})
        await call.caller.stop_playing()
    if answered:
        call.stage = STAGE_OF[line]
        await connect(call, house, line)


async def reserve_for(
    call: Call, house: House, agent: Agent, *, from_a_break: bool = False
) -> bool:
    """Reserve an agent who is free, or who rests from this very call, for its caller."""
    if not agent.outbox.screens:
        return False
    reserve = house.team.reserve(agent, call.id, rest_of=call.id, from_a_break=from_a_break)
    reserving = asyncio.ensure_future(reserve)
    try:
        return await asyncio.shield(reserving)
    except asyncio.CancelledError:  # the caller has left meanwhile: it is undone once it is done
        house.spawn(_give_back(house, agent, reserving))
        raise


async def _give_back(house: House, agent: Agent, reserving: asyncio.Future[bool]) -> None:
    if await reserving:
        house.team.withdraw(agent)


# -- a third person is called while two talk ----------------------------------------


async def invite(call: Call, house: House, decision: Orient) -> Orient | None:
    """Find and ring somebody while the talk goes on; the decision, once they have answered."""
    assert call.talk is not None
    target = choose_target(call, house, decision, call.talk.agent)
    call.waiting_since_at, call.first = clock.now(), True
    try:
        async with asyncio.timeout(INVITE_SECONDS_MAX):
            if await offer_around(call, house, call.line_step(target)):
                return decision
    except TimeoutError:
        withdraw_ringing(call, house, "withdrawn")
    except (AriError, HungUp) as error:
        log.warning("call.not_invited", extra={"call": call.id, "error": type(error).__name__})
        withdraw_ringing(call, house, "withdrawn")
    _not_joined(call, house, "nobody_there")
    return None


def _not_joined(call: Call, house: House, reason: str) -> None:
    """Nobody comes: the talk goes on as it was."""
    call.first, call.wanted = False, None
    call.interruptions = 0  # those were the invitation's
    if call.talk is not None:
        agent = call.talk.agent.id
        house.records.event("call.not_joined", call_id=call.id, agent_id=agent, why=reason)
        call.talk.agent.outbox.push("call.not_joined", {"call": {"id": call.id}, "reason": reason})


async def call_off(call: Call, house: House) -> None:
    """The third person, whose phone rings, is not needed after all."""
    await _stop_inviting(call, house)
    _not_joined(call, house, "taken_back")


async def _stop_inviting(call: Call, house: House) -> None:
    assert call.inviting is not None
    inviting, call.inviting = call.inviting, None
    inviting.cancel()
    tell_company(call)
    await asyncio.wait({inviting})
    withdraw_ringing(call, house, "withdrawn")


async def go_on_alone(call: Call, house: House) -> Stage:
    """The agent left before the next one answered: the caller waits for that line, first."""
    assert call.ask is not None
    assert call.talk is not None
    by = call.talk.agent
    await _stop_inviting(call, house)
    target = call.ask.line
    call.stage = STAGE_OF[target]
    hand_on(call, house, by)
    await end_aside(call)
    await finish_talk(call, house, target)
    call.first = True
    return call.stage


# -- three together -----------------------------------------------------------------


async def bring_in(call: Call, house: House) -> Stage:
    """The one who was invited comes in, and owns the caller; the first stays until they leave."""
    assert call.talk is not None
    assert call.ringing is not None
    call.talk, call.staying = call.ringing, call.talk
    call.offers.clear()
    call.stage = STAGE_OF[call.talk.line]  # should the engine not obey: to be entered again
    call.path.append(call.talk.line)
    begin_talk(call, house, call.talk.line)
    call.talk.caller_entries = call.staying.caller_entries  # moved since: see leave()
    held = call.aside
    await end_aside(call)
    _tell_joined(call)  # should the engine not obey, they are three soon all the same
    try:
        if held:
            await join(call, house, call.talk)
        else:
            await house.exchange.bring_in(call.id, call.caller, call.talk.leg, call.staying.leg)
    except LegGone:
        pass  # whoever left says so to converse()
    except AriConflict:
        await join(call, house, call.talk)
    return call.stage


def _tell_joined(call: Call) -> None:
    assert call.talk is not None
    assert call.staying is not None
    for talk, other in ((call.talk, call.staying), (call.staying, call.talk)):
        joined = {"id": other.agent.id, "name": other.agent.name}
        talk.agent.outbox.push("call.joined", {"call": {"id": call.id}, "agent": joined})
    tell_company(call)


async def leave(call: Call, house: House, talk: Talk) -> None:
    """The agent who had stayed leaves; caller and newcomer go on."""
    part(call, house, talk, "ended")
    newcomer, caller = call.talk, call.caller
    if newcomer is not None and (
        caller.entries != newcomer.caller_entries or not caller.in_app.is_set()
    ):
        # Gone at the very instant the newcomer came in: the engine rescued the caller.
        caller.astray.set()
    else:
        await hang_up_parted(call, house)


async def go_back(call: Call, house: House) -> Stage:
    """The newcomer leaves: the caller goes on with the agent who had stayed, in their line."""
    assert call.talk is not None
    assert call.staying is not None
    part(call, house, call.talk, "ended")
    call.talk, call.staying = call.staying, None
    call.stage = STAGE_OF[call.talk.line]
    call.talk.caller_entries = call.caller.entries
    house.records.stage(
        call.id, call.stage.value, agent_id=call.talk.agent.id, leg_id=call.talk.leg.id
    )
    # The newcomer's leg owns them until then; gone, it made the engine pull them out, and
    # they are held meanwhile (see _hold_again() in reception.py).
    call.caller.place = talk_bridge(call.id)
    call.caller.astray.set()
    return call.stage


# -- after a consultation -----------------------------------------------------------


async def bring_all_together(call: Call, house: House) -> Stage:
    """The caller comes back to both: three talk, and the colleague owns the caller."""
    assert call.consulting is not None
    await end_aside(call)
    call.talk, call.staying, call.consulting = call.consulting, call.talk, None
    _to_the_newcomer(call, house)
    _tell_joined(call)
    await join(call, house, call.talk)
    return call.stage


async def leave_to_consulted(call: Call, house: House) -> Stage:
    """The agent leaves the consultation: the caller talks with whom the agent spoke to."""
    assert call.talk is not None
    assert call.consulting is not None
    await end_aside(call)
    leaving, newcomer = call.talk, call.consulting
    entries = leaving.caller_entries
    part(call, house, leaving, "ended")
    call.talk, call.consulting = newcomer, None
    _to_the_newcomer(call, house)
    if leaving.leg.gone.is_set():
        # Its end made the engine pull the caller out of their music, and offer them again.
        await call.caller.moved(entries)
    await join(call, house, newcomer)
    return call.stage


def _to_the_newcomer(call: Call, house: House) -> None:
    assert call.talk is not None
    call.stage = STAGE_OF[call.talk.line]  # should the engine not obey: to be entered again
    call.path.append(call.talk.line)
    take_charge(call, house)
