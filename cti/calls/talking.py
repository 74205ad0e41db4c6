"""A caller and the agents who have them: how a talk begins, is kept, and ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from cti import clock
from cti.asterisk.ari import AriConflict, AriError, LegGone
from cti.asterisk.caller import is_waiting
from cti.asterisk.exchange import TOLD_SECONDS_MAX
from cti.asterisk.legs import ChannelLeg
from cti.calls.browsers import returned
from cti.calls.company import tell_company
from cti.calls.house import House
from cti.calls.offering import (
    RECALL_SECONDS_MAX,
    hold,
    offer,
)
from cti.calls.state import STAGE_OF, Call, Stage, Talk
from cti.people.choosing import LINE_ROLES
from cti.records.models import DANGER_HARD
from cti.records.record import LegEvent
from cti.tasks import Group
from ivr.steps import Line

log = logging.getLogger("fil.calls")

RECALLS_MAX = 3  # of one agent for one call; only one after a talk as short as this
SHORT_TALK_SECONDS = 10.0  # a phone that hangs up so soon was lost, not hung up
STAY_SECONDS = 5.0  # after the goodbye of an agent: time to ask for someone again
LOST_CAUSES = frozenset({3, 18, 27, 38, 41, 42, 44, 102})  # Q.850: the wire, not the person
LOST_STATUSES = frozenset({408, 480, 500, 502, 503, 504})  # SIP: likewise
ASTRAY_AGAIN_SECONDS = 0.2  # between two tries to bring a caller back
SAID_AGAIN_SECONDS = 2.0  # while a command of before may still be obeyed


async def connect(call: Call, house: House, line: Line) -> None:
    """Join the caller and the agent who answered."""
    assert call.ringing is not None
    call.talk = call.ringing
    call.offers.clear()
    begin_talk(call, house, line)
    await join(call, house, call.talk)


def begin_talk(call: Call, house: House, line: Line) -> None:
    """The agent of ``call.talk`` has the caller from now on: record, presence and screen."""
    assert call.talk is not None
    call.talk.line = line
    meet(call, house, call.talk)
    take_charge(call, house)


def meet(call: Call, house: House, talk: Talk) -> None:
    """An agent has answered: record, presence and screen."""
    agent, at = talk.agent, house.clock()
    talk.since = clock.monotonic()
    house.records.leg(call.id, talk.leg.id, agent.id, LINE_ROLES[talk.line].value, "answered", at)
    if agent.engagement:
        agent.engagement.state = "connected"
    house.team.talks(agent, call.id)
    agent.outbox.push("call.connected", {"call": {"id": call.id}})


def take_charge(call: Call, house: House) -> None:
    """The agent of ``call.talk`` is the one who has the caller: nobody else is looked for."""
    assert call.talk is not None
    talk = call.talk
    talk.caller_entries = call.caller.entries
    call.answered, call.outcome = True, "talked"
    call.answered_at = call.answered_at or house.clock()
    call.first, call.wanted, call.oriented_by, call.back_to = False, None, None, None
    call.oriented_as = None
    house.records.stage(
        call.id,
        STAGE_OF[talk.line].value,
        agent_id=talk.agent.id,
        leg_id=talk.leg.id,
        oriented_by=None,
        oriented_to=None,
    )


async def join(call: Call, house: House, talk: Talk) -> None:
    """Have the caller and the agent hear each other. Doing it twice does no harm."""
    try:
        await house.exchange.talk(call.id, call.caller, talk.leg, who_stays(call))
        await hang_up_parted(call, house)
        call.interruptions = 0
    except LegGone:
        pass  # whoever left says so to converse()
    except AriConflict:
        call.caller.astray.set()


def who_stays(call: Call) -> ChannelLeg | None:
    """The leg of the agent who stays beside the one of ``call.talk``, when three talk."""
    return call.staying.leg if call.staying is not None else None


async def together(call: Call, house: House, talk: Talk) -> None:
    """Join the caller and this agent as soon as the caller is in our hands. Raises HungUp."""
    while True:
        await call.caller.in_our_hands()
        if talk is not call.talk or talk.leg.gone.is_set() or call.aside:
            return  # over meanwhile, or on hold
        talk.caller_entries = call.caller.entries
        try:
            await house.exchange.talk(call.id, call.caller, talk.leg, who_stays(call))
            if talk is call.talk:  # else a parted leg may be the last that owns them
                await hang_up_parted(call, house)
            return
        except AriConflict:
            await call.caller.moved(talk.caller_entries)
        except LegGone:
            # Whoever left says so to converse(). Until then, whoever parts still has the caller.
            return


async def keep_in_place(call: Call, house: House) -> None:
    """Bring back, for ever, a caller who is not where they belong, or there without its music."""
    caller = call.caller
    while True:
        unsettled = clock.monotonic() < caller.unsettled_until
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SAID_AGAIN_SECONDS if unsettled else None):
                await caller.astray.wait()
        caller.astray.set()  # nobody tells of music that ends, or of an owner who is none
        await caller.quiet()
        await caller.in_our_hands()
        talk, place = call.talk, caller.place
        with contextlib.suppress(AriError):  # tried again
            if is_waiting(place):
                await house.exchange.hold_afresh(caller)
            elif talk is not None and (
                call.parted or not await caller.told_in(place or "", TOLD_SECONDS_MAX)
            ):
                await together(call, house, talk)
            elif talk is not None and clock.monotonic() < caller.unsettled_until:
                caller.astray.clear()  # set again by what is not answered
                await house.exchange.say_again(call.id, caller, talk.leg, who_stays(call))
            elif caller.place == place:
                caller.astray.clear()
        await asyncio.sleep(ASTRAY_AGAIN_SECONDS)
        await house.exchange.ari.in_step.wait()


async def lost(talk: Talk, now: float) -> bool:
    """Whether the agent's leg, now gone, was lost rather than hung up."""
    await talk.leg.end_explained()
    return (
        talk.leg.lost
        or now - talk.since < SHORT_TALK_SECONDS
        or talk.leg.cause in LOST_CAUSES
        or talk.leg.tech_cause in LOST_STATUSES
    )


async def finish_talk(call: Call, house: House, line: Line) -> None:
    """The agents are done with this caller; the caller is in the line's music again.

    One who was on hold is brought back first (``end_aside()``).
    """
    assert call.talk is not None
    talk, entries = call.talk, call.talk.caller_entries
    # Before the engine is asked: a caller who leaves meanwhile must find the agents free,
    # and after a crash nobody looks for these legs.
    part(call, house, talk, "ended")
    if call.staying is not None:
        part(call, house, call.staying, "ended")
    if talk.leg.gone.is_set():
        # The engine pulls the caller out of the bridge by itself, and offers them again.
        await call.caller.moved(entries)
    # The leg owns the caller until they are in music: we may be stopped at any moment.
    await hold(call, house, line)
    await hang_up_parted(call, house)


def part(call: Call, house: House, talk: Talk, reason: str) -> None:
    """An agent no longer has the caller: record, screen, wrap-up; not the leg."""
    if talk is call.talk:
        call.talk = None
    elif talk is call.staying:
        call.staying = None
    elif talk is call.consulting:
        call.consulting = None
    call.parted.append(talk.leg)
    write_end(call, house, talk, "ended")
    talk.agent.engagement, talk.agent.phone_free = None, talk.leg.gone
    talk.agent.outbox.push("call.ended", {"call": {"id": call.id}, "reason": reason})
    house.team.start_wrap_up(talk.agent, call.id, hard=is_hard(call), form=call.closing is None)
    tell_company(call)


def is_hard(call: Call) -> bool:
    """Whether this talk weighs more on who had it: somebody was at risk, or hurt them."""
    return call.danger >= DANGER_HARD or call.closing == "abusive"


def write_end(call: Call, house: House, talk: Talk, event: LegEvent) -> None:
    """Record once how the agent's leg ended."""
    if not talk.end_written:
        talk.end_written = True
        at = talk.leg.gone_at or house.clock()
        house.records.leg(call.id, talk.leg.id, talk.agent.id, "", event, at)
        engagement = talk.agent.engagement
        if engagement is not None and engagement.call_id == call.id and engagement.heard.measures:
            figures = engagement.heard.figures()
            house.records.sound(call.id, talk.leg.id, talk.agent.id, figures, at)


async def hang_up_parted(call: Call, house: House) -> None:
    """Hang up the legs of the agents who no longer have the caller."""
    while call.parted:
        leg = call.parted[-1]  # until then: we may be cancelled here
        await house.exchange.release(leg)
        leg.close()
        if leg in call.parted:
            call.parted.remove(leg)


async def farewell(call: Call, house: House, line: Line) -> Stage:
    """The agent has ended the talk: tell the caller, who may still ask for someone."""
    caller = call.caller
    await caller.stop_playing()
    if await caller.ask("fin-de-conversation", "0123456789*#", STAY_SECONDS):
        call.first, call.waiting_since_at = True, None
        house.records.event("call.asked_again", call_id=call.id, line=line)
        return STAGE_OF[line]
    await caller.play("au-revoir")
    call.ended_by = "agent"
    await house.exchange.hang_up(caller)
    return Stage.ENDED


async def recall(call: Call, house: House, line: Line) -> Stage:
    """The agent's phone was lost: care for the caller, ring the same agent, else the line."""
    assert call.talk is not None
    talk, agent = call.talk, call.talk.agent
    log.warning("call.agent_lost", extra={"call": call.id, "agent": agent.id})
    call.recalls[agent.id] += 1
    short = clock.monotonic() - talk.since < SHORT_TALK_SECONDS
    hopeless = call.recalls[agent.id] > (1 if short else RECALLS_MAX)
    talk.leg.lost = True  # should the engine not obey, this is not judged anew
    write_end(call, house, talk, "lost")
    house.records.stage(call.id, call.stage.value, agent_id=None, leg_id=None)
    call.first, call.waiting_since_at = True, None
    try:
        async with asyncio.timeout(RECALL_SECONDS_MAX):
            await call.caller.moved(talk.caller_entries)
            await hold(call, house, line)
            await hang_up_parted(call, house)
            await house.exchange.release(talk.leg)
    except TimeoutError:  # an on-call phone has them: this agent is free meanwhile
        part(call, house, talk, "lost")
        await hang_up_parted(call, house)
        return call.stage
    if hopeless:  # this phone takes calls and drops them: somebody else
        part(call, house, talk, "lost")
        house.team.rest_after_wrap_up(agent, "phone_unreachable")
        await hang_up_parted(call, house)
        return call.stage
    # Until here the talk was still theirs, so that a caller who left freed them.
    agent.engagement = None
    agent.outbox.push("call.ended", {"call": {"id": call.id}, "reason": "lost"})
    house.team.ring_again(agent, call.id, hard=is_hard(call))
    talk.leg.close()
    call.talk = None
    async with Group() as tasks:
        told = tasks.create_task(call.caller.play("ne-quittez-pas"))
        await returned(agent, house)
        back = await offer(call, house, agent, line, 0)
        told.cancel()
        await asyncio.wait({told})
        await call.caller.stop_playing()
    if back:
        await connect(call, house, line)
    return call.stage
