"""The life of one call, top to bottom: welcome, regulation, listening, end.

                 flow says closed
      WELCOME ------------------------------------------------> ENDED
         | flow says: a line                                      ^
         v                                                        |
    REGULATION --- orient to listeners or a person ---> LISTENING |
      ^  |  ^        (or together first: three talk       |   |   |
      |  |  |         until the first agent leaves)       |   |   |
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
    AriTimeout,
    EngineAway,
    LegGone,
    MailboxOverflow,
    PhoneUnreachable,
)
from cti.asterisk.legs import CallerLeg, ChannelLeg
from cti.calls.house import House
from cti.calls.repeats import TURNED_AWAY_WITH, behind_seconds
from cti.calls.waiting import Ask
from cti.people.agents import Accept, Agent, Decision, Decline, Engagement, Orient, Presence
from cti.people.team import LINE_ROLES
from cti.records.record import EndedBy, LegEvent, Outcome
from ivr.leg import Ended, HungUp, ToLine
from ivr.steps import Line, LineStep
from ivr.walk import walk, walk_waiting

log = logging.getLogger("fil.calls")

AGAIN_SECONDS = 0.2  # before a stage that the engine interrupted is entered again
INTERRUPTIONS_MAX = 5  # without anybody reached; then the dialplan takes over
SHORT_TALK_SECONDS = 10.0  # a phone that hangs up so soon was lost, not hung up
RECALL_SECONDS_MAX = 20.0  # how long we look for the same agent after a loss
INVITE_SECONDS_MAX = 60.0  # how long we look for a third person while two are talking
STAY_SECONDS = 5.0  # after the goodbye of an agent: time to ask for someone again
SCREENS_LATE_MAX = 2  # pops in a row that a screen did not show in time: it is dead
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
STAGE_OF: dict[Line, Stage] = {line: stage for stage, line in LINE_OF.items()}


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
    caller_ref: str | None = None  # pseudonym of the caller's number
    duplicate: bool = False  # of a number that has enough calls with us now
    frequent: bool = False  # of a number that has called too often in an hour
    started_at: datetime = field(default_factory=clock.now)
    waiting_since_at: datetime | None = None
    path: list[str] = field(default_factory=list)  # lines and people so far, for the pop
    handover: str | None = None
    danger: bool = False
    first: bool = False  # head of the line
    wanted: str | None = None  # the person the caller was oriented to
    ask: Ask | None = None  # what the caller waits for
    talk: Talk | None = None  # the agent whose leg owns the caller
    staying: Talk | None = None  # the agent who oriented the caller and has not left yet
    ringing: Talk | None = None  # the agent being offered the call
    inviting: asyncio.Task[bool] | None = None  # looking for a third while two are talking
    parted: list[ChannelLeg] = field(default_factory=list)  # agents' legs still to be hung up
    answered: bool = False  # a human has spoken with the caller
    answered_at: datetime | None = None  # the first time
    outcome: Outcome = "abandoned"
    ended_by: EndedBy = "caller"
    legs_made: int = 0
    interruptions: int = 0  # since a human was reached

    def has(self, leg_id: str) -> bool:
        """Whether an agent's leg is this call's, and not one that it has let go of."""
        talks = (self.ringing, self.talk, self.staying)
        legs = [talk.leg for talk in talks if talk is not None] + self.parted
        return any(leg.id == leg_id for leg in legs)

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
    while await interrupted(call, house):
        log.warning("call.interrupted", extra={"call": call.id, "times": call.interruptions})
        await asyncio.sleep(AGAIN_SECONDS)
        await house.exchange.ari.in_step.wait()
    # Reached when the call is over, never when we are stopping.
    await close(call, house)


async def interrupted(call: Call, house: House) -> bool:
    """Go on from the call's stage. True when the engine did not obey: enter it again then."""
    stages = {
        Stage.WELCOME: welcome,
        Stage.REGULATION: attend,
        Stage.LISTENING: attend,
    }
    again = False
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
    except* AriError:
        call.interruptions += 1
        again = not call.caller.gone.is_set()
        if again and call.interruptions > INTERRUPTIONS_MAX:
            await failed(call, house)
            again = False
    except* Exception:  # noqa: BLE001 -- whatever it is, the dialplan takes over
        again = False
        if not call.caller.gone.is_set():
            await failed(call, house)
    return again


async def close(call: Call, house: House) -> None:
    """Give back what the call still holds, and close its record."""
    if call.caller.engine_stopped:
        call.outcome, call.ended_by = "engine_restart", "engine"
    await release(call, house)
    at = call.caller.gone_at or clock.now()
    if call.answered_at is not None:
        at = max(at, call.answered_at)  # they left as somebody answered: the engine told it later
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
    if call.duplicate:
        call.outcome = "duplicate"
        await call.caller.play(TURNED_AWAY_WITH)
        return await goodbye(call, house, "duplicate")
    match await walk(house.flow, house.flow.start, call.caller, house.clock):
        case ToLine(step=step):
            return STAGE_OF[step.line]
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
        with house.lines.joined(line):
            found = await find_someone(call, house, house.flow.line(line))
        if not found:
            return await nobody(call, house, line)
        await connect(call, house, line)
    elif call.interruptions:
        await join(call, house, call.talk)
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
    # Whoever goes first does not wait with the crowd.
    crowded = not call.first and house.lines.crowded(step.line, step.crowd_per_agent_max)
    if crowded and step.while_crowded:
        waiting = house.lines.waiting(step.line)
        house.records.event("line.crowded", call_id=call.id, line=step.line, waiting=waiting)
    async with asyncio.TaskGroup() as tasks:
        heard = tasks.create_task(
            walk_waiting(house.flow, step, call.caller, house.clock, asyncio.sleep, crowded)
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
        behind_seconds=behind_seconds(call),
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
        try:
            if await offer(call, house, agent, step.line, ask.waited_seconds()):
                return True
        except (EngineAway, AriTimeout):
            # The wire's fault: this agent passed nobody over. The lines rest until it is mended.
            call.interruptions += 1
            if call.interruptions > INTERRUPTIONS_MAX:
                raise
            continue
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
    agent.engagement.check = lambda decision: check(decision, agent, call, house)
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
        # Once may be a slow moment, and of everybody's screen at once.
        agent.screens_late += 1
        if agent.screens_late < SCREENS_LATE_MAX:
            return withdraw(call, house, "screen_lost", Presence.READY, None)
        return withdraw(call, house, "screen_lost", Presence.NOT_READY, "screen_lost")
    agent.screens_late = 0
    house.spawn(follow(leg))
    try:
        await house.exchange.ring(leg, agent.phone, seconds)
    except PhoneUnreachable:
        return withdraw(call, house, "phone_unreachable", Presence.NOT_READY, "phone_unreachable")
    except AriError as error:
        log.warning("leg.not_rung", extra={"leg": leg.id, "status": str(error)})
        house.spawn(house.exchange.release_unborn(leg))
        withdraw(call, house, "phone_unreachable", Presence.READY, None)
        if isinstance(error, EngineAway | AriTimeout):
            raise  # no other phone can be rung either
        return False
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
    if leg.unheard:
        withdraw(call, house, "phone_unreachable", Presence.READY, None)
        raise EngineAway("offer")
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
    call.talk, call.ringing = call.ringing, None
    begin_talk(call, house, line)
    await join(call, house, call.talk)


def begin_talk(call: Call, house: House, line: Line) -> None:
    """The agent of ``call.talk`` has the caller from now on: record, presence and screen."""
    assert call.talk is not None
    talk, agent = call.talk, call.talk.agent
    talk.since, talk.caller_entries = clock.monotonic(), call.caller.entries
    call.answered, call.outcome = True, "talked"
    call.first, call.wanted = False, None
    role, at = LINE_ROLES[line].value, house.clock()
    call.answered_at = call.answered_at or at
    house.records.leg(call.id, talk.leg.id, agent.id, role, "answered", at)
    stage = STAGE_OF[line].value
    house.records.stage(call.id, stage, agent_id=agent.id, leg_id=talk.leg.id)
    if agent.engagement:
        agent.engagement.state = "connected"
    agent.missed = 0
    house.team.move(agent, Presence.TALKING, None, call.id)
    agent.outbox.push("call.connected", {"call": {"id": call.id}})


async def join(call: Call, house: House, talk: Talk) -> None:
    """Have the caller and the agent hear each other. Doing it twice does no harm."""
    with contextlib.suppress(LegGone, AriConflict):  # whoever left says so to converse()
        await house.exchange.talk(call.id, call.caller, talk.leg)
    call.interruptions = 0


async def watch_phone(call: Call, house: House, talk: Talk) -> None:
    """Notice during a talk that the agent's phone is no longer there: gone, and mute.

    A phone that only changes its address, or is known under none for a moment, still
    sends sound; ``rtp_timeout`` in the engine is the slower second line.
    """
    heard = -1
    while talk in (call.talk, call.staying):
        await asyncio.sleep(PHONE_CHECKED_EVERY_SECONDS)
        if await house.exchange.is_registered(talk.agent.phone):
            heard = -1
            continue
        try:
            packets = await house.exchange.packets_heard(talk.leg)
        except AriError:
            continue
        if packets == heard and talk in (call.talk, call.staying):
            await house.exchange.drop(talk.leg)
            break
        heard = packets


async def converse(call: Call, house: House, line: Line) -> Stage:
    """Let them talk for as long as they need; then do what was decided."""
    assert call.talk is not None
    house.spawn(watch_phone(call, house, call.talk))
    while True:
        news = await next_news(call)
        if call.inviting is not None and call.inviting.done():
            joined, call.inviting = call.inviting.result(), None
            if joined:
                return await bring_in(call, house)
        for talk, decision in news:
            if talk is call.staying:
                await leave(call, house, talk)
            elif talk is not call.talk or isinstance(decision, Accept | Decline):
                pass  # came too late
            elif isinstance(decision, Orient) and decision.together:
                call.inviting = asyncio.create_task(invite(call, house, decision))
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


News = tuple[Talk, Decision | None]  # what an agent decided; None: their leg has ended


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
    """Hang up the legs of the agents who had the caller, and end their bridge."""
    await hang_up_parted(call, house)
    await house.exchange.forget_talk(call.id)


async def hang_up_parted(call: Call, house: House) -> None:
    """Hang up the legs of the agents who no longer have the caller."""
    while call.parted:
        leg = call.parted.pop()
        await house.exchange.release(leg)
        leg.close()


async def orient(call: Call, house: House, decision: Orient, line: Line) -> Stage:
    """Take the caller to the line or the person the agent chose."""
    target = choose_target(call, house, decision)
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
    house.records.event("call.oriented", call_id=call.id, agent_id=call.talk.agent.id, line=target)
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
            if await offer_around(call, house, house.flow.line(target)):
                return True
    except TimeoutError:
        withdraw_ringing(call, house, "withdrawn")
    except (AriError, HungUp) as error:
        log.warning("call.not_invited", extra={"call": call.id, "error": type(error).__name__})
        withdraw_ringing(call, house, "withdrawn")
    call.first, call.wanted = False, None
    call.talk.agent.outbox.push(
        "call.not_joined", {"call": {"id": call.id}, "reason": "nobody_there"}
    )
    return False


async def go_on_alone(call: Call, house: House) -> Stage:
    """The agent left before the next one answered: the caller waits for that line, first."""
    assert call.inviting is not None
    assert call.ask is not None
    inviting, call.inviting = call.inviting, None
    inviting.cancel()
    await asyncio.wait({inviting})
    withdraw_ringing(call, house, "withdrawn")
    target = call.ask.line
    await finish_talk(call, house, target)
    call.first, call.waiting_since_at = True, clock.now()
    return STAGE_OF[target]


async def bring_in(call: Call, house: House) -> Stage:
    """The one who was invited comes in, and owns the caller; the first stays until they leave."""
    assert call.talk is not None
    assert call.ringing is not None
    assert call.ask is not None
    call.talk, call.staying, call.ringing = call.ringing, call.talk, None
    line = call.ask.line
    call.path.append(line)
    begin_talk(call, house, line)
    call.talk.caller_entries = call.staying.caller_entries  # moved since: see leave()
    with contextlib.suppress(LegGone, AriConflict):  # whoever left says so to converse()
        await house.exchange.bring_in(call.id, call.caller, call.talk.leg, call.staying.leg)
    for talk, other in ((call.talk, call.staying), (call.staying, call.talk)):
        joined = {"id": other.agent.id, "name": other.agent.name}
        talk.agent.outbox.push("call.joined", {"call": {"id": call.id}, "agent": joined})
    return STAGE_OF[line]


async def leave(call: Call, house: House, talk: Talk) -> None:
    """The agent who had stayed leaves; caller and newcomer go on."""
    part(call, house, talk, "ended")
    newcomer, caller = call.talk, call.caller
    if newcomer is not None and (
        caller.entries != newcomer.caller_entries or not caller.in_app.is_set()
    ):
        # Gone at the very instant the newcomer came in: the engine rescued the caller.
        await together(call, house, newcomer)
    await hang_up_parted(call, house)


async def go_back(call: Call, house: House) -> None:
    """The newcomer leaves: the caller goes on with the agent who had stayed."""
    assert call.talk is not None
    assert call.staying is not None
    newcomer, entries = call.talk, call.talk.caller_entries
    part(call, house, newcomer, "ended")
    call.talk, call.staying = call.staying, None
    call.talk.caller_entries = call.caller.entries
    house.records.stage(
        call.id, call.stage.value, agent_id=call.talk.agent.id, leg_id=call.talk.leg.id
    )
    if newcomer.leg.gone.is_set():
        await call.caller.moved(entries)  # the engine pulled them out, and offers them again
    await together(call, house, call.talk)
    await hang_up_parted(call, house)


async def together(call: Call, house: House, talk: Talk) -> None:
    """Join the caller and this agent as soon as the caller is in our hands. Raises HungUp."""
    while True:
        await call.caller.in_our_hands()
        talk.caller_entries = call.caller.entries
        try:
            return await house.exchange.talk(call.id, call.caller, talk.leg)
        except AriConflict:
            await call.caller.moved(talk.caller_entries)
        except LegGone:
            return None  # whoever left says so to converse()


async def farewell(call: Call, house: House, line: Line) -> Stage:
    """The agent has ended the talk: tell the caller, who may still ask for someone."""
    caller = call.caller
    await caller.stop_playing()
    if await caller.ask("fin-de-conversation", "0123456789*#", STAY_SECONDS):
        call.first, call.waiting_since_at = True, None
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
        part(call, house, talk, "lost")
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


def check(decision: Decision, agent: Agent, call: Call, house: House) -> str | None:
    """Whether a decision can be carried out now; else the error code the screen is told."""
    match decision:
        case Orient() if call.staying is not None and call.staying.agent is agent:
            return "already_oriented"
        case Orient(together=True) if call.staying is not None or call.inviting is not None:
            return "already_oriented"
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
    reason = "engine_restart" if call.outcome == "engine_restart" else "caller_left"
    if call.inviting is not None:
        call.inviting.cancel()
    withdraw_ringing(call, house, reason)
    for talk in (call.talk, call.staying):
        if talk is not None:
            part(call, house, talk, reason)
    if call.answered:
        await let_go(call, house)


def withdraw_ringing(call: Call, house: House, reason: str) -> None:
    """Take back the offer that an agent has not answered yet, if there is one."""
    if call.ringing is not None:
        leg = call.ringing.leg
        withdraw(call, house, reason, Presence.READY, None)
        house.spawn(house.exchange.release_unborn(leg))


def new_call_id() -> str:
    """A call's name: 128 random bits."""
    return uuid.uuid4().hex
