"""Finding someone for a caller: music, the line's flow, and one agent's phone after the other.

waiting --- an agent is free ---> offered --- answered ---> (a talk)
^                                 |
+--- missed, declined, busy, no screen, wire cut ---+
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from enum import Enum
from typing import Any

from cti import clock
from cti.asterisk.ari import (
    AriConflict,
    AriError,
    AriTimeout,
    EngineAway,
    MailboxOverflow,
    PhoneUnreachable,
)
from cti.asterisk.legs import ChannelLeg
from cti.asterisk.own_phone import OwnPhoneLeg
from cti.calls.asking import ask_of, renew
from cti.calls.deciding import check
from cti.calls.estimate import outlook
from cti.calls.house import House
from cti.calls.outside import NOT_READY, leg_of, ring, tell_of_dead_trunk
from cti.calls.state import DANGER_NOW, INTERRUPTIONS_MAX, Call, Talk
from cti.calls.waiting import Ask
from cti.people.agents import Agent, Engagement, Presence
from cti.people.choosing import LINE_ROLES, fits
from cti.records.record import LegEvent
from cti.tasks import Group
from ivr.leg import HungUp, Outcome, ToLine
from ivr.steps import Line, LineStep
from ivr.walk import Where, walk

log = logging.getLogger("fil.calls")

RECALL_SECONDS_MAX = 20.0  # how long we look for one person and no other
ORIENTED_SECONDS_MAX = 90.0  # how long a line is tried before a caller comes back from it
SCREENS_LATE_MAX = 2  # pops in a row that a screen did not show in time: it is dead
BACK_SECONDS_MAX = 3.0  # how long somebody who answered waits for a caller whom the engine moved
WHOLE_SECONDS_MAX = 30.0  # how long somebody who answered waits for the end of a greeting
PHONE_FREE_SECONDS_MAX = 1.0  # from the end of a talk to a phone with one line being free
USER_BUSY = 17  # Q.850


class Found(Enum):
    """What came of looking for somebody, unless the flow led the caller elsewhere."""

    SOMEBODY = "an agent has answered: ``call.ringing``"
    NOBODY = "nobody of this line is on duty"


async def hold(call: Call, house: House, line: Line) -> None:
    """Have the caller hear the line's music, as soon as they are in our hands. Raises HungUp."""
    while True:
        entries = call.caller.entries
        await call.caller.in_our_hands()
        try:
            return await house.exchange.hold(call.caller, line)
        except AriConflict:
            # The engine was just pulling them out of a talk: the dialplan offers them again.
            await call.caller.moved(entries)


async def find_someone(call: Call, house: House, step: LineStep) -> Found | Outcome:
    """Ring one agent after the other while the caller hears the line's flow.

    Once an agent has answered, the caller's prompt is stopped. An outcome of the flow: the
    caller pressed a key that leads elsewhere, or has waited for too long. ``call.sent`` ends it,
    with nobody found.
    """
    # Whoever goes first does not wait with the crowd.
    crowded = not call.spared and house.lines.crowded(step.line, step.crowd_per_agent_max)
    if crowded and step.while_crowded:
        waiting = house.lines.waiting(step.line)
        house.records.event("line.crowded", call_id=call.id, line=step.line, waiting=waiting)
    async with Group() as tasks:
        heard = tasks.create_task(hear(call, house, step, crowded))
        offers = tasks.create_task(_offers(call, house, step))
        sent = tasks.create_task(call.sent.wait())
        await asyncio.wait({heard, offers, sent}, return_when=asyncio.FIRST_COMPLETED)
        sent.cancel()
        if call.sent.is_set() and not _somebody_answers(call):
            offers.cancel()
            withdraw_ringing(call, house, "withdrawn")
        if _found_nobody(offers) or call.sent.is_set():  # what must be heard whole still is
            ends = call.caller.whole_until.wait(), call.caller.gone.wait()
            await first_of({asyncio.ensure_future(end) for end in ends}, WHOLE_SECONDS_MAX)
        # Cancel before stopping, or the flow would start its next prompt.
        heard.cancel()
        while _somebody_answers(call) and not offers.done():
            await asyncio.wait({offers}, timeout=0.1)
        if not offers.done():
            offers.cancel()
            withdraw_ringing(call, house, "withdrawn")
        await asyncio.wait({heard, offers})
        await call.caller.stop_playing()
        if call.ringing:
            await call.ringing.leg.stop_playing()
    if not offers.cancelled():
        return Found.SOMEBODY if offers.result() else Found.NOBODY
    return Found.NOBODY if call.sent.is_set() else heard.result()


def _found_nobody(offers: asyncio.Task[bool]) -> bool:
    if not offers.done() or offers.cancelled():
        return False
    return offers.exception() is None and not offers.result()


def _somebody_answers(call: Call) -> bool:
    return any(talk.leg.in_app.is_set() for talk in call.offers)


async def _offers(call: Call, house: House, step: LineStep) -> bool:
    while answered := await offer_around(call, house, step):
        if await still_here(call, house):
            break
    return answered


async def hear(call: Call, house: House, step: LineStep, crowded: bool) -> Outcome:
    """What a waiting caller hears; returns where they go when they leave the line.

    After a long wait they are offered something else, and keep their place while they hear it.
    """
    caller, flow = call.caller, call.flow.flow
    around = replace(house.surroundings, outlook=lambda: outlook(call, house))
    root = (crowded and step.while_crowded) or step.while_waiting
    if call.in_line_since is None:
        waited = 0.0
        if call.taken_back and call.waiting_since_at is not None:  # they wait since a life before
            waited = (clock.now() - call.waiting_since_at).total_seconds()
        call.in_line_since = clock.monotonic() - waited
    while True:
        left = call.in_line_since + step.on_wait_longer_than.after_seconds - clock.monotonic()
        try:
            async with asyncio.timeout(max(left, 0.0)):
                return await walk(flow, root, caller, around, Where.WAITING)
        except TimeoutError:
            await caller.stop_playing()
        house.records.event("line.long_wait", call_id=call.id, line=step.line)
        longer = await walk(flow, step.on_wait_longer_than.then, caller, around)
        if not isinstance(longer, ToLine) or longer.step != step:
            return longer
        call.in_line_since = clock.monotonic()  # they chose to stay


async def still_here(call: Call, house: House) -> bool:
    """Whether both are there to be joined once the caller has heard what must be heard whole."""
    assert call.ringing is not None
    agent, leg, caller = call.ringing.agent, call.ringing.leg, call.caller
    if not caller.whole_until.is_set():
        coming = house.coming_prompt(caller.language)
        async with Group() as tasks:
            announce = tasks.create_task(announce_to(leg, *coming))
            waits = {caller.whole_until.wait(), leg.gone.wait(), caller.gone.wait()}
            await first_of({asyncio.ensure_future(wait) for wait in waits}, WHOLE_SECONDS_MAX)
            announce.cancel()
    with contextlib.suppress(TimeoutError):  # an on-call phone has them, perhaps
        async with asyncio.timeout(BACK_SECONDS_MAX):
            await caller.in_our_hands()
    if leg.gone.is_set():  # picked up, and hung up before anybody was there
        call.recalls[agent.id] += 1
        reason = "missed" if call.recalls[agent.id] > 1 else "hung_up"
        return withdraw(call, house, call.ringing, reason)
    if not caller.in_app.is_set():
        withdraw_ringing(call, house, "withdrawn")
        return False
    return True


async def announce_to(leg: ChannelLeg, media: str, seconds: float) -> None:
    """Tell an agent that a caller is coming; one who hangs up meanwhile is noticed later."""
    with contextlib.suppress(HungUp):
        await leg.play_file(media, seconds)


async def offer_around(call: Call, house: House, step: LineStep) -> bool:
    """Offer the call to one free agent after the other until one answers."""
    assert call.waiting_since_at is not None
    call.ask = ask = ask_of(call, step)
    house.waiting_moved.set()
    try:
        return await _offer_around(call, house, step, ask)
    finally:
        ask.over = True
        release_by_hand(call, house, ask)  # memory only


async def _offer_around(call: Call, house: House, step: LineStep, ask: Ask) -> bool:
    if call.remembering is not None:
        await asyncio.wait({call.remembering})
    if not call.spared and not call.wanted:
        # Many callers hang up at once: a phantom ring burns a volunteer.
        await first_of({asyncio.ensure_future(ask.taken.wait())}, step.ring_after_seconds)
    while True:
        if not call.caller.in_app.is_set():  # an on-call phone may have them, for as long as it may
            release_by_hand(call, house, ask)
        await call.caller.in_our_hands()
        renew(ask, call)
        agents = await _look_for(call, house, ask)
        if agents is None:
            return False
        if not call.caller.in_app.is_set():
            for agent in agents:
                house.team.withdraw(agent)
            continue
        by_hand, line = ask.by_hand, step.line
        if by_hand is not None:
            agents = [by_hand]
            line = line if LINE_ROLES[line] in by_hand.roles else "regulators"
        try:
            if agents and await offer_to(call, house, agents, line, ask.waited_seconds()):
                return True
        except (EngineAway, AriTimeout):
            # The wire's fault: this agent passed nobody over. The lines rest until it is mended.
            call.interruptions += 1
            if call.interruptions > INTERRUPTIONS_MAX:
                raise
            ask.by_hand = ask.by_hand if by_hand is None else None
            continue
        for agent in agents:
            ask.pass_over(agent)
        if by_hand is not None:  # in vain: whom the caller waits for has not changed
            ask.by_hand = None
            continue
        if not agents:
            continue
        if ask.wanted and _comes_back(call) and ask.by_hand is None:
            return False
        ask.wanted = call.wanted = call.back_to = None


async def _look_for(call: Call, house: House, ask: Ask) -> list[Agent] | None:
    """Wait for who may be offered this caller now: reserved; none of ours, when ``by_hand`` is.

    Nobody: to be looked for again. None: this line is given up.
    """
    agents: list[Agent] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_looked_for_seconds(call, ask)):
            agents = await house.lines.take(ask)
    if ask.by_hand is not None:
        for agent in agents:
            house.team.withdraw(agent)
        return []
    if not agents and (not ask.wanted or _comes_back(call)):
        return None
    if not agents:
        ask.wanted = call.wanted = None  # that person cannot: anybody of the line
    return agents


def release_by_hand(call: Call, house: House, ask: Ask) -> None:
    """Give back who took this caller by hand and was not offered them, and say why."""
    agent, ask.by_hand = ask.by_hand, None
    if agent is None or agent.engagement is not None or agent.call_id != call.id:
        return  # offered them, or given back since
    not_taken = "left_line"
    if call.caller.gone.is_set():
        not_taken = "caller_left"
    elif call.offers:
        not_taken = "answered_elsewhere"
    house.team.withdraw(agent)
    agent.outbox.push("call.not_taken", {"call": {"id": call.id}, "reason": not_taken})


async def offer_to(
    call: Call, house: House, agents: list[Agent], line: Line, waited_seconds: int
) -> bool:
    """Offer the call to these reserved agents at once; the first who answers has it."""
    if len(agents) == 1:
        return await offer(call, house, agents[0], line, waited_seconds)
    offers = {
        asyncio.ensure_future(offer(call, house, agent, line, waited_seconds)): agent
        for agent in agents
    }
    winner, waits = None, set(offers)
    try:
        while waits and winner is None:
            done, waits = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            answered = [offers[one] for one in done if not one.exception() and one.result()]
            winner = min(answered, key=agents.index, default=None)
    finally:
        for one in waits:
            one.cancel()
    if winner is None:
        for one in offers:
            one.result()  # the wire's fault, if it was
        return False
    for talk in [talk for talk in call.offers if talk.agent is not winner]:
        take_back(call, house, talk, "answered_elsewhere")  # two may have answered at once
    return True


def _looked_for_seconds(call: Call, ask: Ask) -> float | None:
    """How long the one who is wanted is waited for, or anybody of the line; None: for ever."""
    if ask.wanted:
        return RECALL_SECONDS_MAX
    if call.oriented_by is not None:
        return max(0.0, ORIENTED_SECONDS_MAX - ask.waited_seconds())
    return None


def _comes_back(call: Call) -> bool:
    """Whether the agent who chose the next person hears of it when nobody answers."""
    return call.oriented_by is not None or call.inviting is not None


async def offer(call: Call, house: House, agent: Agent, line: Line, waited_seconds: int) -> bool:
    """Offer the call to one reserved agent: the pop, then the ring. True when they answer.

    On False the agent's presence already says why.
    """
    call.legs_made += 1
    leg_id = f"{call.id}-{agent.id}-{call.legs_made}"
    leg = leg_of(agent, house, leg_id)
    talk = Talk(agent, leg, clock.monotonic(), line)
    call.offers.append(talk)
    house.waiting_moved.set()
    agent.engagement = Engagement(call.id, call.view(line, waited_seconds))
    agent.engagement.check = lambda decision: check(decision, agent, call, house)
    seconds = house.settings.ring_seconds_max
    pop = agent.outbox.push(
        "call.offered",
        {
            "offer": leg_id,
            "call": agent.engagement.view,
            "line": line,
            "expires_at": house.in_seconds(seconds).isoformat(),
        },
    )
    house.records.leg(call.id, leg_id, agent.id, LINE_ROLES[line].value, "rung", house.clock())
    if not await agent.outbox.displayed(pop, house.settings.ack_seconds_max):
        # Once may be a slow moment, and of everybody's screen at once.
        agent.screens_late += 1
        if agent.screens_late < SCREENS_LATE_MAX:
            return withdraw(call, house, talk, "screen_lost")
        return withdraw(call, house, talk, "screen_lost", "screen_lost")
    agent.screens_late = 0
    await first_of({asyncio.ensure_future(agent.phone_free.wait())}, PHONE_FREE_SECONDS_MAX)
    house.spawn(follow(leg))
    try:
        answer_seconds = await ring(leg, agent, house, seconds)
    except PhoneUnreachable as error:
        return withdraw_unreachable(call, house, talk, error)
    except AriError as error:
        log.warning("leg.not_rung", extra={"leg": leg.id, "status": str(error)})
        house.spawn(house.exchange.release_unborn(leg))
        withdraw(call, house, talk, "phone_unreachable")
        if isinstance(error, EngineAway | AriTimeout):
            raise  # no other phone can be rung either
        return False
    answer = asyncio.ensure_future(leg.in_app.wait())
    decision = asyncio.ensure_future(agent.engagement.decisions.get())
    gone = asyncio.ensure_future(leg.gone.wait())
    unwanted = asyncio.ensure_future(talk.unwanted.wait())
    await first_of({answer, decision, gone, unwanted}, answer_seconds + 2)
    if answer.done() and not answer.cancelled():
        return True
    if decision.done() and not decision.cancelled():
        await house.exchange.release(leg)
        return withdraw(call, house, talk, "declined")
    if not leg.gone.is_set():
        await house.exchange.release(leg)
    if talk.unwanted.is_set():
        return withdraw_unwanted(call, house, talk)
    if leg.unheard:
        house.spawn(house.exchange.release_unborn(leg))  # perhaps only not yet there
        withdraw(call, house, talk, "phone_unreachable")
        raise EngineAway("offer")
    await leg.end_explained()
    return withdraw_unanswered(call, house, talk)


def tell_offered(call: Call, house: House) -> None:
    """What is known of a caller has changed: whoever is offered them sees it, or fits no more."""
    house.waiting_moved.set()
    if call.ask is None:
        return
    renew(call.ask, call)
    need = replace(call.ask.need(house.team.agents), wanted=None, back_to=None)
    for talk in call.offers:
        agent = talk.agent
        by_hand = agent is call.ask.by_hand
        asked = replace(need, wanted=agent.id) if by_hand else need
        if fits(agent, asked) is None and not (by_hand and call.danger >= DANGER_NOW):
            talk.unwanted.set()
        elif agent.engagement is not None:
            told = {"told": call.told(), **call.danger_view()}
            agent.engagement.view.update(told, language=call.caller.language)
            agent.outbox.push("call.updated", {"call": agent.engagement.view})


def withdraw_unreachable(call: Call, house: House, talk: Talk, error: PhoneUnreachable) -> bool:
    """Take back an offer of which no telephone has rung, and say why; always False."""
    reason = "phone_unreachable"
    if isinstance(talk.leg, OwnPhoneLeg) and error.status:
        reason = "trunk_dead"
        tell_of_dead_trunk(call.id, talk.agent, house)
    return withdraw(call, house, talk, reason, reason)


def withdraw_unwanted(call: Call, house: House, talk: Talk) -> bool:
    """Take back an offer to whom the caller does not fit any more, and say why; always False.

    Or whom a colleague has taken by hand, danger being told.
    """
    if call.ask is not None and call.ask.by_hand not in (None, talk.agent):
        return withdraw(call, house, talk, "answered_elsewhere")
    if call.caller.language in talk.agent.languages:
        return withdraw(call, house, talk, "wish")
    return withdraw(call, house, talk, "language")


def withdraw_unanswered(call: Call, house: House, talk: Talk) -> bool:
    """Take back an offer whose telephone has rung in vain, and say why; always False."""
    if isinstance(talk.leg, OwnPhoneLeg):
        reason = talk.leg.refusal()
        if reason == "trunk_dead":
            tell_of_dead_trunk(call.id, talk.agent, house)
        return withdraw(call, house, talk, reason, NOT_READY.get(reason))
    if talk.leg.cause == USER_BUSY:
        return withdraw(call, house, talk, "declined", "phone_busy")
    if talk.agent.phone_away or talk.leg.lost:  # lost while it rang: nobody has let it ring
        return withdraw(call, house, talk, "phone_unreachable", "phone_away")
    return withdraw(call, house, talk, "missed")


async def follow(leg: ChannelLeg) -> None:
    """Follow an agent's leg to its end; one whose events we lost counts as gone."""
    try:
        await leg.listen()
    except MailboxOverflow:
        leg.mark_gone(None)
        raise


async def first_of(waits: set[asyncio.Future[Any]], seconds_max: float | None) -> None:
    """Wait until one of ``waits`` is done or the time is over; cancel the others."""
    try:
        await asyncio.wait(waits, timeout=seconds_max, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            if not wait.done():
                wait.cancel()


def withdraw(
    call: Call, house: House, talk: Talk, reason: str, not_ready: str | None = None
) -> bool:
    """Take an offer back and say why; always False, what ``offer`` returns then.

    ``not_ready``: why this agent can take no other call for now.
    """
    agent, leg = talk.agent, talk.leg
    call.offers.remove(talk)
    house.waiting_moved.set()
    leg.close()
    agent.engagement = None
    agent.outbox.push(
        "call.withdrawn", {"reason": reason, "offer": leg.id, "call": {"id": call.id}}
    )
    event: LegEvent = "withdrawn"
    if reason == "missed":
        event = "missed"
    elif reason in ("declined", "hung_up", "phone_busy"):
        event = "declined"
    why = "phone_busy" if not_ready == "phone_busy" else reason
    house.records.leg(call.id, leg.id, agent.id, "", event, house.clock(), why)
    if reason == "missed":
        house.team.missed(agent)
    elif not_ready is not None:
        house.team.withdraw(agent, Presence.NOT_READY, not_ready)
    else:
        house.team.withdraw(agent)
    return False


def withdraw_ringing(call: Call, house: House, reason: str) -> None:
    """Take back what agents are offered and have not answered yet."""
    for talk in list(call.offers):
        take_back(call, house, talk, reason)


def take_back(call: Call, house: House, talk: Talk, reason: str) -> None:
    """Take back one offer whose phone may be ringing, or be about to."""
    withdraw(call, house, talk, reason)
    house.spawn(house.exchange.release_unborn(talk.leg))
