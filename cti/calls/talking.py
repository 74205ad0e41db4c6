"""A caller and the agents who have them: talking, orienting, three together, leaving."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from cti import clock
from cti.asterisk.ari import AriConflict, AriError, LegGone
from cti.asterisk.caller import is_waiting
from cti.asterisk.exchange import TOLD_SECONDS_MAX, talk_bridge
from cti.asterisk.legs import ChannelLeg
from cti.calls.closing import Why, begin_closing, say_closing
from cti.calls.hearing import watch
from cti.calls.house import House
from cti.calls.offering import (
    RECALL_SECONDS_MAX,
    first_of,
    hold,
    offer,
    offer_around,
    withdraw_ringing,
)
from cti.calls.state import DANGER_HARD, STAGE_OF, Call, Stage, Talk
from cti.people.agents import Accept, Close, Decision, Decline, Orient
from cti.people.choosing import LINE_ROLES
from cti.records.record import LegEvent
from cti.tasks import Group
from ivr.leg import HungUp
from ivr.steps import Line

log = logging.getLogger("fil.calls")

RECALLS_MAX = 3  # of one agent for one call; only one after a talk as short as this
SHORT_TALK_SECONDS = 10.0  # a phone that hangs up so soon was lost, not hung up
INVITE_SECONDS_MAX = 60.0  # how long we look for a third person while two are talking
STAY_SECONDS = 5.0  # after the goodbye of an agent: time to ask for someone again
LOST_CAUSES = frozenset({3, 18, 27, 38, 41, 42, 44, 102})  # Q.850: the wire, not the person
LOST_STATUSES = frozenset({408, 480, 500, 502, 503, 504})  # SIP: likewise
ASTRAY_AGAIN_SECONDS = 0.2  # between two tries to bring a caller back
SAID_AGAIN_SECONDS = 2.0  # while a command of before may still be obeyed
News = tuple[Talk, Decision | None]  # what an agent decided; None: their leg has ended


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
    talk, agent = call.talk, call.talk.agent
    talk.since, talk.caller_entries = clock.monotonic(), call.caller.entries
    call.answered, call.outcome = True, "talked"
    call.first, call.wanted, call.back_to = False, None, None
    role, at = LINE_ROLES[line].value, house.clock()
    call.answered_at = call.answered_at or at
    house.records.leg(call.id, talk.leg.id, agent.id, role, "answered", at)
    stage = STAGE_OF[line].value
    house.records.stage(call.id, stage, agent_id=agent.id, leg_id=talk.leg.id)
    if agent.engagement:
        agent.engagement.state = "connected"
    house.team.talks(agent, call.id)
    agent.outbox.push("call.connected", {"call": {"id": call.id}})


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
        if talk is not call.talk or talk.leg.gone.is_set():
            return  # over meanwhile
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


async def converse(call: Call, house: House, line: Line) -> Stage:
    """Let them talk for as long as they need; then do what was decided."""
    assert call.talk is not None
    watch(call, house, call.talk)
    while True:
        news = await next_news(call)
        if call.inviting is not None and call.inviting.done():
            joined, call.inviting = call.inviting.result(), None
            if joined:
                for talk, decision in news:  # decided at that instant: heard once three talk
                    if decision is not None and talk.agent.engagement is not None:
                        talk.agent.engagement.decisions.put_nowait(decision)
                return await bring_in(call, house)
        for talk, decision in news:
            if talk is call.staying:
                await leave(call, house, talk)
            elif talk is not call.talk or isinstance(decision, Accept | Decline):
                pass  # came too late
            elif isinstance(decision, Orient) and call.inviting is not None:
                pass  # decided twice: the first is being carried out
            elif isinstance(decision, Orient) and decision.together:
                call.inviting = asyncio.create_task(invite(call, house, decision))
            elif isinstance(decision, Close):
                return await close_kindly(call, house, line, decision.why)
            elif call.inviting is not None:  # whoever leaves now has oriented the caller
                return await go_on_alone(call, house)
            elif call.staying is not None and not isinstance(decision, Orient):
                await go_back(call, house)
            elif decision is None and await lost(talk, clock.monotonic()):
                return await recall(call, house, line)
            elif isinstance(decision, Orient):
                return await orient(call, house, decision, line)
            else:
                await finish_talk(call, house, line)
                return await farewell(call, house, line)


async def next_news(call: Call) -> list[News]:
    """Wait until an agent of this talk decides something or leaves, or the invitation is over."""
    talks = [talk for talk in (call.talk, call.staying) if talk is not None]
    decided, gone = {}, {}
    for talk in talks:
        assert talk.agent.engagement is not None
        decided[talk] = asyncio.ensure_future(talk.agent.engagement.decisions.get())
        gone[talk] = asyncio.ensure_future(talk.leg.gone.wait())
    waits: set[asyncio.Future[Any]] = {*decided.values(), *gone.values()}
    if call.inviting is not None:
        waits.add(asyncio.ensure_future(asyncio.wait({call.inviting})))
    await first_of(waits, None)
    news: list[News] = []
    for talk in talks:
        if decided[talk].done() and not decided[talk].cancelled():
            news.append((talk, decided[talk].result()))
        elif talk.leg.gone.is_set():
            news.append((talk, None))
    return news


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
    """The agents are done with this caller; the caller is in the line's music again."""
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
    await let_go(call, house)


def part(call: Call, house: House, talk: Talk, reason: str) -> None:
    """An agent no longer has the caller: record, screen and wrap-up. ``let_go`` does the leg."""
    if talk is call.talk:
        call.talk = None
    elif talk is call.staying:
        call.staying = None
    call.parted.append(talk.leg)
    write_end(call, house, talk, "ended")
    talk.agent.engagement, talk.agent.phone_free = None, talk.leg.gone
    talk.agent.outbox.push("call.ended", {"call": {"id": call.id}, "reason": reason})
    hard = call.danger >= DANGER_HARD or call.closing == "abusive"
    house.team.start_wrap_up(talk.agent, call.id, hard=hard, form=call.closing is None)


def write_end(call: Call, house: House, talk: Talk, event: LegEvent) -> None:
    """Record once how the agent's leg ended."""
    if not talk.end_written:
        talk.end_written = True
        at = talk.leg.gone_at or house.clock()
        house.records.leg(call.id, talk.leg.id, talk.agent.id, "", event, at)


async def let_go(call: Call, house: House) -> None:
    """Hang up the legs of the agents who had the caller, and end their bridge."""
    await hang_up_parted(call, house)
    await house.exchange.forget_talk(call.id)


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


async def close_kindly(call: Call, house: House, line: Line, why: Why) -> Stage:
    """The agent closes an abusive or silent call: they are free at once, the caller is told."""
    if call.inviting is not None:
        await stop_inviting(call)
        withdraw_ringing(call, house, "withdrawn")
    begin_closing(call, house, why)
    await finish_talk(call, house, line)
    return await say_closing(call, house, line)


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
            await house.exchange.forget_talk(call.id)
    except TimeoutError:  # an on-call phone has them: this agent is free meanwhile
        part(call, house, talk, "lost")
        await let_go(call, house)
        return call.stage
    if hopeless:  # this phone takes calls and drops them: somebody else
        part(call, house, talk, "lost")
        house.team.rest_after_wrap_up(agent, "phone_unreachable")
        await let_go(call, house)
        return call.stage
    # Until here the talk was still theirs, so that a caller who left freed them.
    agent.engagement = None
    agent.outbox.push("call.ended", {"call": {"id": call.id}, "reason": "lost"})
    house.team.ring_again(agent, call.id)
    talk.leg.close()
    call.talk = None
    async with Group() as tasks:
        told = tasks.create_task(call.caller.play("ne-quittez-pas"))
        back = await offer(call, house, agent, line, 0)
        told.cancel()
        await asyncio.wait({told})
        await call.caller.stop_playing()
    if back:
        await connect(call, house, line)
    return call.stage


async def orient(call: Call, house: House, decision: Orient, line: Line) -> Stage:
    """Take the caller to the line or the person the agent chose."""
    target = choose_target(call, house, decision)
    call.stage = STAGE_OF[target]  # should the engine not obey, this is the one to enter again
    call.path.append(line)
    await finish_talk(call, house, target)
    call.waiting_since_at = clock.now()
    call.first = False
    return STAGE_OF[target]


def choose_target(call: Call, house: House, decision: Orient) -> Line:
    """Write down where the caller goes, and what the next person should know; the line it means."""
    assert call.talk is not None
    call.handover, call.wanted = decision.handover, decision.agent
    if decision.handover:
        house.records.handover(call.id, decision.handover)
    target: Line = "regulators" if decision.line == "regulators" else "listeners"
    if decision.agent and LINE_ROLES["listeners"] not in house.team.agents[decision.agent].roles:
        target = "regulators"
    house.records.event(
        "call.oriented",
        call_id=call.id,
        agent_id=call.talk.agent.id,
        line=target,
        together=decision.together,
    )
    return target


# -- three together -------------------------------------------------------------
#
#     two talk --- orient together ---> two talk, a third is rung
#        ^                                 |        |  first agent leaves: the caller
#        |  nobody came: the agent is told |        |  waits at the head of that line
#        +---------------------------------+        v
#     three talk <--- the third answers ---+   (orient)
#        |  |
#        |  +-- the newcomer leaves: two talk, as before
#        +----- the first agent leaves: two talk
#
# At no instant does nobody own the caller: the newcomer owns them before coming in, the
# first agent lets go after. Between the two, whoever leaves, the engine rescues a caller.


async def invite(call: Call, house: House, decision: Orient) -> bool:
    """Find and ring somebody while the talk goes on; True once they have answered."""
    assert call.talk is not None
    target = choose_target(call, house, decision)
    call.waiting_since_at, call.first = clock.now(), True
    try:
        async with asyncio.timeout(INVITE_SECONDS_MAX):
            if await offer_around(call, house, call.line_step(target)):
                return True
    except TimeoutError:
        withdraw_ringing(call, house, "withdrawn")
    except (AriError, HungUp) as error:
        log.warning("call.not_invited", extra={"call": call.id, "error": type(error).__name__})
        withdraw_ringing(call, house, "withdrawn")
    call.first, call.wanted = False, None
    call.interruptions = 0  # those were the invitation's: the talk goes on
    house.records.event("call.not_joined", call_id=call.id, agent_id=call.talk.agent.id)
    call.talk.agent.outbox.push(
        "call.not_joined", {"call": {"id": call.id}, "reason": "nobody_there"}
    )
    return False


async def stop_inviting(call: Call) -> None:
    """Look for nobody more; whoever is being rung is for the caller of this to withdraw."""
    assert call.inviting is not None
    inviting, call.inviting = call.inviting, None
    inviting.cancel()
    await asyncio.wait({inviting})


async def go_on_alone(call: Call, house: House) -> Stage:
    """The agent left before the next one answered: the caller waits for that line, first."""
    assert call.ask is not None
    await stop_inviting(call)
    withdraw_ringing(call, house, "withdrawn")
    target = call.ask.line
    call.stage = STAGE_OF[target]
    await finish_talk(call, house, target)
    call.first, call.waiting_since_at = True, clock.now()
    return STAGE_OF[target]


async def bring_in(call: Call, house: House) -> Stage:
    """The one who was invited comes in, and owns the caller; the first stays until they leave."""
    assert call.talk is not None
    assert call.ringing is not None
    assert call.ask is not None
    call.talk, call.staying = call.ringing, call.talk
    call.offers.clear()
    line = call.ask.line
    call.stage = STAGE_OF[line]  # should the engine not obey, this is the one to enter again
    call.path.append(line)
    begin_talk(call, house, line)
    call.talk.caller_entries = call.staying.caller_entries  # moved since: see leave()
    try:
        await house.exchange.bring_in(call.id, call.caller, call.talk.leg, call.staying.leg)
    except LegGone:
        pass  # whoever left says so to converse()
    except AriConflict:
        await join(call, house, call.talk)
    for talk, other in ((call.talk, call.staying), (call.staying, call.talk)):
        joined = {"id": other.agent.id, "name": other.agent.name}
        talk.agent.outbox.push("call.joined", {"call": {"id": call.id}, "agent": joined})
    return call.stage


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


async def go_back(call: Call, house: House) -> None:
    """The newcomer leaves: the caller goes on with the agent who had stayed."""
    assert call.talk is not None
    assert call.staying is not None
    part(call, house, call.talk, "ended")
    call.talk, call.staying = call.staying, None
    call.talk.caller_entries = call.caller.entries
    house.records.stage(
        call.id, call.stage.value, agent_id=call.talk.agent.id, leg_id=call.talk.leg.id
    )
    # The newcomer's leg owns them until then; gone, it made the engine pull them out, and
    # they are held meanwhile (see _hold_again() in reception.py).
    call.caller.place = talk_bridge(call.id)
    call.caller.astray.set()
