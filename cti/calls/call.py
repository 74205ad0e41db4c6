"""The life of one call, top to bottom: welcome, regulation, listening, end.

                 flow says closed
      WELCOME ------------------------------------------------> ENDED
         | flow says: a line                                      ^
         v                                                        |
    REGULATION --- orient to listeners or a person ---> LISTENING |
      ^  |  ^                                             |   |   |
      |  |  +------- nobody there, or taken back ---------+   |   |
      |  +--- end, hang-up -----------------------------------+---+
      +------ agent lost: head of the line

Each stage returns the next one; the checkpoint is written before acting, and a
stage may be entered twice. Two ways out, never confused: the caller left (HungUp:
everything is given back) or we are stopping (CancelledError: nothing is touched,
and the next process resumes). So no ``finally`` here touches the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from cti import clock
from cti.asterisk.ari import (
    AriConflict,
    AriError,
    EngineAway,
    LegGone,
    MailboxOverflow,
    PhoneUnreachable,
)
from cti.asterisk.legs import CallerLeg, ChannelLeg
from cti.calls.house import House
from cti.calls.waiting import Ask
from cti.people.agents import Accept, Agent, Decision, Decline, End, Engagement, Orient, Presence
from cti.people.team import LINE_ROLES
from cti.records.record import EndedBy, LegEvent, Outcome
from ivr.leg import Ended, HungUp, ToLine
from ivr.steps import Line, LineStep
from ivr.walk import walk, walk_waiting

log = logging.getLogger("fil.calls")

SHORT_TALK_SECONDS = 10.0  # a phone that hangs up so soon was lost, not hung up
RECALL_SECONDS_MAX = 20.0  # how long we look for the same agent after a loss
STAY_SECONDS = 5.0  # after the goodbye of an agent: time to ask for someone again
USER_BUSY = 17  # Q.850
PHONE_CHECKED_EVERY_SECONDS = 3.0  # during a talk
LOST_CAUSES = frozenset({3, 18, 27, 38, 41, 42, 44, 102})  # Q.850: the wire, not the person
LOST_STATUSES = frozenset({408, 480, 500, 502, 503, 504})  # SIP: likewise


class Stage(StrEnum):
    """Where a call is. Durable: a restart re-enters the stage that was written."""

    WELCOME = "welcome"  # the flow decides whether, and for which line, to ring
    REGULATION = "regulation"  # waiting for, or talking to, a regulator
    LISTENING = "listening"  # waiting for, or talking to, a listener
    RELAY = "relay"  # being handed to, or talking with, a partner line
    ENDED = "ended"


LINE_OF: dict[Stage, Line] = {Stage.REGULATION: "regulators", Stage.LISTENING: "listeners"}


@dataclass(eq=False)
class Talk:
    """The agent who has the caller, and their leg."""

    agent: Agent
    leg: ChannelLeg
    since: float  # monotonic seconds
    caller_entries: int = 0  # how often the caller had come into our hands when it began
    end_written: bool = False


@dataclass(eq=False)
class Call:
    """One caller's passage, ring to hang-up."""

    id: str
    caller: CallerLeg
    stage: Stage = Stage.WELCOME
    started_at: datetime = field(default_factory=clock.now)
    waiting_since_at: datetime | None = None
    path: list[str] = field(default_factory=list)  # lines and people so far, for the pop
    handover: str | None = None
    danger: bool = False
    first: bool = False  # head of the line
    wanted: str | None = None  # the person the caller was oriented to
    ask: Ask | None = None  # what the caller waits for
    talk: Talk | None = None
    ringing: Talk | None = None  # the agent being offered the call
    parted: ChannelLeg | None = None  # an agent's leg that is still to be hung up
    answered: bool = False  # a human has spoken with the caller
    outcome: Outcome = "abandoned"
    ended_by: EndedBy = "caller"
    legs_made: int = 0

    def view(self, line: str, waited_seconds: int) -> dict[str, Any]:
        """What an agent's screen shows of the call. No number, no name."""
        return {
            "id": self.id,
            "tier": line,
            "language": self.caller.language,
            "waited_seconds": waited_seconds,
            "path": list(self.path),
            "handover": self.handover,
            "danger": self.danger,
        }


async def handle_call(call: Call, house: House) -> None:
    """Carry one caller from the first ring to the closed record.

    A new call starts at WELCOME; one found in the engine after a restart starts at
    its last checkpoint. Nothing else here differs.
    """
    stages = {
        Stage.WELCOME: welcome,
        Stage.REGULATION: attend,
        Stage.LISTENING: attend,
    }
    try:
        async with asyncio.TaskGroup() as life:
            background = [
                life.create_task(call.caller.until_gone()),
                life.create_task(call.caller.listen()),
                life.create_task(call.caller.keep_lease()),
            ]
            while call.stage is not Stage.ENDED:
                stage = await stages[call.stage](call, house)
                call.stage = stage
                house.records.stage(call.id, stage.value)
            for task in background:
                task.cancel()
    except* (HungUp, LegGone):
        # An agent's leg that ends where nobody looks raises the same.
        if not call.caller.gone.is_set() and await call.caller.still_there():
            await failed(call, house)
    except* Exception:  # noqa: BLE001 -- whatever it is, the dialplan takes over
        if not call.caller.gone.is_set():
            await failed(call, house)
    # Reached when the call is over, never when we are stopping.
    await close(call, house)


async def close(call: Call, house: House) -> None:
    """Give back what the call still holds, and close its record."""
    await release(call, house)
    at = call.caller.gone_at or clock.now()
    house.records.closed(call.id, outcome=call.outcome, ended_by=call.ended_by, at=at)
    log.info("call.closed", extra={"call": call.id, "outcome": call.outcome})


async def failed(call: Call, house: House) -> None:
    """Our bug must not cost a caller: the dialplan takes over. For use in an ``except``."""
    log.exception("call.failed", extra={"call": call.id})
    call.outcome, call.ended_by = "failed", "line"
    # Forgotten first: when the dialplan offers this caller again, they are a new call.
    house.calls.pop(call.caller.id, None)
    await house.exchange.give_back(call.caller)


async def welcome(call: Call, house: House) -> Stage:
    """Walk the flow until it names a line, or ends the call itself."""
    match await walk(house.flow, house.flow.start, call.caller, house.clock):
        case ToLine(step=step):
            return Stage.LISTENING if step.line == "listeners" else Stage.REGULATION
        case Ended():
            return await goodbye(call, house, "closed_hours")


async def goodbye(call: Call, house: House, outcome: Outcome) -> Stage:
    """End the call from our side, after the flow has said goodbye."""
    if not call.answered:
        call.outcome = outcome
    call.ended_by = "line"
    await house.exchange.hang_up(call.caller)
    return Stage.ENDED


async def attend(call: Call, house: House) -> Stage:
    """Wait in this stage's line under sound until somebody answers; then talk."""
    line = LINE_OF[call.stage]
    if call.talk is None:
        if call.waiting_since_at is None:
            call.waiting_since_at = clock.now()
        house.records.stage(
            call.id, call.stage.value, line=line, waiting_since_at=call.waiting_since_at
        )
        await hold(call, house, line)
        found = await find_someone(call, house, house.flow.line(line))
        if not found:
            return await nobody(call, house, line)
        await connect(call, house, line)
    return await converse(call, house, line)


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


async def nobody(call: Call, house: House, line: Line) -> Stage:
    """Nobody of this line is here: back to a regulator if there is one, else a spoken way out."""
    if line == "listeners" and house.team.anyone_on_duty("regulators", call.caller.language):
        call.first, call.wanted = True, None
        return Stage.REGULATION
    await walk(house.flow, house.flow.line(line).on_no_staff, call.caller, house.clock)
    return await goodbye(call, house, "no_staff")


# -- finding someone ------------------------------------------------------------


async def find_someone(call: Call, house: House, step: LineStep) -> bool:
    """Ring one agent after the other while the caller hears the line's flow.

    Returns True once an agent has answered (``call.ringing``) and the caller's prompt
    is stopped; False when nobody is on duty.
    """
    async with asyncio.TaskGroup() as tasks:
        heard = tasks.create_task(
            walk_waiting(house.flow, step, call.caller, house.clock, asyncio.sleep)
        )
        answered = await offer_around(call, house, step)
        if answered and call.ringing and not call.caller.whole_until.is_set():
            coming = house.coming_prompt(call.caller.language)
            announce = tasks.create_task(announce_to(call.ringing.leg, *coming))
            await call.caller.whole_until.wait()
            announce.cancel()
        # Cancel before stopping, or the flow would start its next prompt.
        heard.cancel()
        await asyncio.wait({heard})
        await call.caller.stop_playing()
        if call.ringing:
            await call.ringing.leg.stop_playing()
    return answered


async def announce_to(leg: ChannelLeg, media: str, seconds: float) -> None:
    """Tell an agent that a caller is coming; one who hangs up meanwhile is noticed later."""
    with contextlib.suppress(HungUp):
        await leg.play_file(media, seconds)


async def offer_around(call: Call, house: House, step: LineStep) -> bool:
    """Offer the call to one free agent after the other until one answers."""
    assert call.waiting_since_at is not None
    call.ask = ask = Ask(
        call.id,
        step.line,
        call.caller.language,
        call.waiting_since_at,
        first=call.first,
        wanted=call.wanted,
    )
    if not call.first and not call.wanted:
        # Many callers hang up at once: a phantom ring burns a volunteer.
        await asyncio.sleep(step.ring_after_seconds)
    while True:
        ask.language = call.caller.language
        try:
            async with asyncio.timeout(RECALL_SECONDS_MAX if ask.wanted else None):
                agent = await house.lines.take(ask)
        except TimeoutError:
            ask.wanted = call.wanted = None  # that person cannot: anybody of the line
            continue
        if agent is None:
            if ask.wanted:
                ask.wanted = call.wanted = None
                continue
            return False
        if await offer(call, house, agent, step.line, ask.waited_seconds()):
            return True
        ask.pass_over(agent)
        ask.wanted = call.wanted = None


async def offer(call: Call, house: House, agent: Agent, line: Line, waited_seconds: int) -> bool:
    """Offer the call to one reserved agent: the pop, then the ring. True when they answer.

    On False the agent's presence already says why.
    """
    call.legs_made += 1
    leg_id = f"{call.id}-{agent.id}-{call.legs_made}"
    leg = ChannelLeg(house.exchange.ari, leg_id)
    call.ringing = Talk(agent, leg, clock.monotonic())
    agent.engagement = Engagement(call.id, call.view(line, waited_seconds))
    agent.engagement.check = lambda decision: check(decision, agent, house)
    seconds = house.settings.ring_seconds_max
    pop = agent.outbox.push(
        "call.offered",
        {
            "offer": leg_id,
            "call": agent.engagement.view,
            "line": line,
            "expires_at": house.in_seconds(seconds).isoformat(),
            "can_accept": agent.engagement.can_accept_on_screen,
        },
    )
    house.records.leg(call.id, leg_id, agent.id, LINE_ROLES[line].value, "rung", house.clock())
    if not await agent.outbox.displayed(pop, house.settings.ack_seconds_max):
        return withdraw(call, house, "screen_lost", Presence.NOT_READY, "screen_lost")
    house.spawn(follow(leg))
    try:
        await house.exchange.ring(leg, agent.phone, seconds)
    except PhoneUnreachable:
        return withdraw(call, house, "phone_unreachable", Presence.NOT_READY, "phone_unreachable")
    except EngineAway:
        raise
    except AriError as error:
        log.warning("leg.not_rung", extra={"leg": leg.id, "status": str(error)})
        house.spawn(house.exchange.release_unborn(leg))
        return withdraw(call, house, "phone_unreachable", Presence.READY, None)
    answer = asyncio.ensure_future(leg.in_app.wait())
    decision = asyncio.ensure_future(agent.engagement.decisions.get())
    gone = asyncio.ensure_future(leg.gone.wait())
    await first_of({answer, decision, gone}, seconds + 2)
    if answer.done() and not answer.cancelled():
        return True
    if decision.done() and not decision.cancelled():
        await house.exchange.release(leg)
        return withdraw(call, house, "declined", Presence.READY, None)
    if not leg.gone.is_set():
        await house.exchange.release(leg)
    await leg.end_explained()
    if leg.cause == USER_BUSY:
        return withdraw(call, house, "declined", Presence.NOT_READY, "phone_busy")
    return withdraw(call, house, "missed", Presence.NOT_READY, "no_answer")


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
    call: Call, house: House, reason: str, presence: Presence, presence_reason: str | None
) -> bool:
    """Take an offer back and say why; always False, what ``offer`` returns then."""
    assert call.ringing is not None
    agent, leg = call.ringing.agent, call.ringing.leg
    call.ringing = None
    leg.close()
    agent.engagement = None
    agent.outbox.push(
        "call.withdrawn", {"reason": reason, "offer": leg.id, "call": {"id": call.id}}
    )
    event: LegEvent = "withdrawn"
    if reason == "missed":
        event = "missed"
    elif reason == "declined":
        event = "declined"
    house.records.leg(call.id, leg.id, agent.id, "", event, house.clock())
    agent.missed += reason == "missed"
    house.team.withdraw(agent, presence, presence_reason)
    return False


# -- talking --------------------------------------------------------------------


async def connect(call: Call, house: House, line: Line) -> None:
    """Join the caller and the agent who answered."""
    assert call.ringing is not None
    talk, call.ringing = call.ringing, None
    talk.since, talk.caller_entries = clock.monotonic(), call.caller.entries
    call.talk, call.answered, call.outcome = talk, True, "talked"
    call.first, call.wanted = False, None
    agent, at = talk.agent, house.clock()
    house.records.leg(call.id, talk.leg.id, agent.id, LINE_ROLES[line].value, "answered", at)
    house.records.stage(call.id, call.stage.value, agent_id=agent.id, leg_id=talk.leg.id)
    with contextlib.suppress(LegGone, AriConflict):  # whoever left says so to converse()
        await house.exchange.talk(call.id, call.caller, talk.leg)
    if agent.engagement:
        agent.engagement.state = "connected"
    agent.missed = 0
    house.team.move(agent, Presence.TALKING, None, call.id)
    agent.outbox.push("call.connected", {"call": {"id": call.id}})


async def watch_phone(call: Call, house: House, talk: Talk) -> None:
    """Notice during a talk that the agent's phone is no longer there: gone, and mute.

    A phone that only changes its address, or is known under none for a moment, still
    sends sound; ``rtp_timeout`` in the engine is the slower second line.
    """
    heard = -1
    while call.talk is talk:
        await asyncio.sleep(PHONE_CHECKED_EVERY_SECONDS)
        if await house.exchange.is_registered(talk.agent.phone):
            heard = -1
            continue
        try:
            packets = await house.exchange.packets_heard(talk.leg)
        except AriError:
            continue
        if packets == heard and call.talk is talk:
            await house.exchange.drop(talk.leg)
            break
        heard = packets


async def converse(call: Call, house: House, line: Line) -> Stage:
    """Let them talk for as long as they need; then do what was decided."""
    assert call.talk is not None
    talk = call.talk
    assert talk.agent.engagement is not None
    house.spawn(watch_phone(call, house, talk))
    while True:
        decided = asyncio.ensure_future(talk.agent.engagement.decisions.get())
        gone = asyncio.ensure_future(talk.leg.gone.wait())
        await first_of({decided, gone}, None)
        decision: Decision = End()
        if decided.done() and not decided.cancelled():
            decision = decided.result()
        elif await lost(talk, clock.monotonic()):
            return await recall(call, house, line)
        match decision:
            case Orient():
                return await orient(call, house, decision, line)
            case End():
                await finish_talk(call, house, line)
                return await farewell(call, house, line)
            case Accept() | Decline():
                pass  # came too late: they are talking


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
    """The agent is done with this caller; the caller is in the line's music again."""
    assert call.talk is not None
    talk, entries = call.talk, call.talk.caller_entries
    # Before the engine is asked: a caller who leaves meanwhile must find the agent free,
    # and after a crash nobody looks for this leg.
    part(call, house, "ended")
    if talk.leg.gone.is_set():
        # The engine pulls the caller out of the bridge by itself, and offers them again.
        await call.caller.moved(entries)
    else:
        with contextlib.suppress(LegGone, AriConflict):
            await house.exchange.own(talk.leg, None)
    await hold(call, house, line)
    await let_go(call, house)


def part(call: Call, house: House, reason: str) -> None:
    """The agent no longer has the caller: record, screen and wrap-up. ``let_go`` does the leg."""
    assert call.talk is not None
    talk, call.talk = call.talk, None
    call.parted = talk.leg
    write_end(call, house, talk, "ended")
    talk.agent.engagement = None
    talk.agent.outbox.push("call.ended", {"call": {"id": call.id}, "reason": reason})
    house.team.start_wrap_up(talk.agent, call.id)


def write_end(call: Call, house: House, talk: Talk, event: LegEvent) -> None:
    """Record once how the agent's leg ended."""
    if not talk.end_written:
        talk.end_written = True
        at = talk.leg.gone_at or house.clock()
        house.records.leg(call.id, talk.leg.id, talk.agent.id, "", event, at)


async def let_go(call: Call, house: House) -> None:
    """Hang up the leg of the agent who had the caller, and end their bridge."""
    if call.parted is not None:
        leg, call.parted = call.parted, None
        await house.exchange.release(leg)
        leg.close()
    await house.exchange.forget_talk(call.id)


async def orient(call: Call, house: House, decision: Orient, line: Line) -> Stage:
    """Take the caller to the line or the person the agent chose."""
    assert call.talk is not None
    call.path.append(line)
    call.handover = decision.handover
    call.wanted = decision.agent
    if decision.handover:
        house.records.handover(call.id, decision.handover)
    target: Line = "regulators" if decision.line == "regulators" else "listeners"
    if decision.agent and LINE_ROLES["listeners"] not in house.team.agents[decision.agent].roles:
        target = "regulators"
    house.records.event("call.oriented", call_id=call.id, agent_id=call.talk.agent.id, line=target)
    await finish_talk(call, house, target)
    call.waiting_since_at = clock.now()
    call.first = False
    return Stage.LISTENING if target == "listeners" else Stage.REGULATION


async def farewell(call: Call, house: House, line: Line) -> Stage:
    """The agent has ended the talk: tell the caller, who may still ask for someone."""
    caller = call.caller
    await caller.stop_playing()
    if await caller.ask("fin-de-conversation", "0123456789*#", STAY_SECONDS):
        call.first, call.waiting_since_at = True, None
        return Stage.REGULATION if line == "regulators" else Stage.LISTENING
    await caller.play("au-revoir")
    call.ended_by = "agent"
    await house.exchange.hang_up(caller)
    return Stage.ENDED


async def recall(call: Call, house: House, line: Line) -> Stage:
    """The agent's phone was lost: care for the caller, ring the same agent, else the line."""
    assert call.talk is not None
    talk, agent = call.talk, call.talk.agent
    log.warning("call.agent_lost", extra={"call": call.id, "agent": agent.id})
    write_end(call, house, talk, "lost")
    house.records.stage(call.id, call.stage.value, agent_id=None, leg_id=None)
    call.first, call.waiting_since_at = True, None
    try:
        async with asyncio.timeout(RECALL_SECONDS_MAX):
            await call.caller.moved(talk.caller_entries)
            await hold(call, house, line)
            await house.exchange.release(talk.leg)
            await house.exchange.forget_talk(call.id)
    except TimeoutError:  # an on-call phone has them: this agent is free meanwhile
        part(call, house, "lost")
        await let_go(call, house)
        return call.stage
    # Until here the talk was still theirs, so that a caller who left freed them.
    agent.engagement = None
    agent.outbox.push("call.ended", {"call": {"id": call.id}, "reason": "lost"})
    house.team.move(agent, Presence.RESERVED, None, call.id)
    talk.leg.close()
    call.talk = None
    async with asyncio.TaskGroup() as tasks:
        told = tasks.create_task(call.caller.play("ne-quittez-pas"))
        back = await offer(call, house, agent, line, 0)
        told.cancel()
        await asyncio.wait({told})
        await call.caller.stop_playing()
    if back:
        await connect(call, house, line)
    return call.stage


# -- the end --------------------------------------------------------------------


def check(decision: Decision, agent: Agent, house: House) -> str | None:
    """Whether a decision can be carried out now; else the error code the screen is told."""
    match decision:
        case Orient(line=str() as line):
            if line not in LINE_ROLES:
                return "no_such_line"
            language = agent.engagement.view["language"] if agent.engagement else None
            if not house.team.anyone_on_duty(line, language, but=agent):
                return "nobody_there"
        case Orient(agent=str() as id_):
            other = house.team.agents.get(id_)
            if other is None or other is agent:
                return "no_such_agent"
            if other.presence is not Presence.READY:
                return "not_ready"
        case Orient():
            return "no_such_relay"  # no relay can be called from this line yet
        case _:
            pass
    return None


async def release(call: Call, house: House) -> None:
    """Give back everything the call still holds: legs, bridge, people."""
    if call.ringing is not None:
        leg = call.ringing.leg
        withdraw(call, house, "caller_left", Presence.READY, None)
        house.spawn(house.exchange.release_unborn(leg))
    if call.talk is not None:
        part(call, house, "caller_left")
    if call.answered:
        await let_go(call, house)


def new_call_id() -> str:
    """A call's name: 128 random bits."""
    return uuid.uuid4().hex
