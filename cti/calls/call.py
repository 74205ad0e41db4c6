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
import logging

from cti import clock
from cti.asterisk.ari import AriError, LegGone
from cti.calls.aside import forget_bridges
from cti.calls.asking import ask_of
from cti.calls.cards import shown_as_waiting
from cti.calls.closing import say_closing
from cti.calls.handover import again_in_place, come_back, converse
from cti.calls.house import House
from cti.calls.offering import Found, find_someone, hold, withdraw_ringing
from cti.calls.relaying import ring_relay
from cti.calls.repeats import TURNED_AWAY_WITH
from cti.calls.returning import note_broken_off
from cti.calls.state import INTERRUPTIONS_MAX, LINE_OF, STAGE_OF, Call, Stage
from cti.calls.talking import connect, hang_up_parted, keep_in_place, part
from cti.records.record import Outcome
from cti.tasks import Group
from ivr.leg import Ended, HungUp, ToLine, ToRelay
from ivr.leg import Outcome as FlowOutcome
from ivr.steps import Line, LineStep, RelayStep
from ivr.walk import Where, walk

log = logging.getLogger("fil.calls")

AGAIN_SECONDS = 0.2  # before a stage that the engine interrupted is entered again


async def handle_call(call: Call, house: House) -> None:
    """Carry one caller from the first ring to the closed record.

    A new call starts at WELCOME; one found in the engine after a restart starts at
    its last checkpoint. Nothing else here differs.
    """
    while await interrupted(call, house):
        log.warning("call.interrupted", extra={"call": call.id, "times": call.interruptions})
        house.records.event("call.interrupted", call_id=call.id, times=call.interruptions)
        await asyncio.sleep(AGAIN_SECONDS)
        await house.exchange.ari.in_step.wait()
        await call.caller.stop_playing()  # whoever began a prompt was cancelled
    # Reached when the call is over, never when we are stopping.
    await close(call, house)


async def interrupted(call: Call, house: House) -> bool:
    """Go on from the call's stage. True when the engine did not obey: enter it again then."""
    stages = {
        Stage.WELCOME: welcome,
        Stage.REGULATION: attend,
        Stage.LISTENING: attend,
        Stage.RELAY: relay,
    }
    again = False
    try:
        async with Group() as life:
            background = [
                life.create_task(call.caller.until_gone()),
                life.create_task(call.caller.listen()),
                life.create_task(call.caller.keep_lease()),
                life.create_task(keep_in_place(call, house)),
            ]
            while call.stage is not Stage.ENDED:
                stage = await stages[call.stage](call, house)
                call.stage, call.taken_back = stage, False
                house.records.stage(call.id, stage.value, step=call.step)
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


async def welcome(call: Call, house: House) -> Stage:
    """Walk the flow until it names a line, or ends the call itself."""
    if call.duplicate:
        call.outcome = "duplicate"
        await call.caller.play(TURNED_AWAY_WITH)
        return await goodbye(call, house, "duplicate")
    flow = call.flow.flow
    came_out = await walk(flow, flow.start, call.caller, house.surroundings)
    return await follow_flow(call, house, came_out, "closed_hours")


async def follow_flow(call: Call, house: House, came_out: FlowOutcome, if_over: Outcome) -> Stage:
    """Go where the flow has led the caller; ``if_over``: what the record says when it ended."""
    match came_out:
        case ToLine(name=name, step=step):
            call.step = name
            return STAGE_OF[step.line]
        case ToRelay(name=name):
            call.step = name
            return Stage.RELAY
        case Ended(reason="goodbye"):
            return await goodbye(call, house, if_over)
        case Ended():  # loading should have refused such a flow; nobody is hung up on for it
            call.step = None
            return Stage.REGULATION


async def attend(call: Call, house: House) -> Stage:
    """Wait in this stage's line under sound until somebody answers; then talk."""
    line = LINE_OF[call.stage]
    call.sent.clear()
    if call.talk is None:
        step = call.line_step(line)
        if call.waiting_since_at is None:
            # Who came first is served first, even when their first seconds went otherwise.
            call.waiting_since_at = clock.now() if call.answered else call.started_at
            call.in_line_since = None
        house.records.stage(
            call.id, call.stage.value, line=line, waiting_since_at=call.waiting_since_at
        )
        await hold(call, house, line)
        if call.parted:  # the engine did not obey as their talk ended
            await hang_up_parted(call, house)
        if call.closing is not None:  # nor as the caller was told that it ends
            return await say_closing(call, house, line)
        # Whom a regulator sent here is not sent away.
        spared = call.spared or call.oriented_as is not None
        if step.on_full and not spared and house.lines.full(line, step.on_full.callers_max):
            house.records.event("line.full", call_id=call.id, line=line)
            flow, full = call.flow.flow, step.on_full.then
            came_out = await walk(flow, full, call.caller, house.surroundings)
            return await follow_flow(call, house, came_out, "full")
        try:
            with house.lines.joined(line), shown_as_waiting(call, house, line):
                found = await find_someone(call, house, step)
            if found is Found.SOMEBODY:
                house.estimates.came_true(call.id)
        finally:
            house.estimates.left(call.id)
        if found is not Found.SOMEBODY and call.sent.is_set():  # from the desk, as was written
            call.in_line_since = None
            return call.stage
        if found is Found.NOBODY and call.oriented_by is not None:
            return await come_back(call, house)
        if found is Found.NOBODY:
            return await nobody(call, house, line, step)
        if not isinstance(found, Found):
            call.in_line_since = None
            house.records.event("line.left", call_id=call.id, line=line)
            return await follow_flow(call, house, found, "left_line")
        assert call.ringing is not None
        line = call.ringing.line  # not the one they waited in, when a regulator took them from it
        call.stage = STAGE_OF[line]
        await connect(call, house, line)
    elif call.interruptions:
        await again_in_place(call, house)
    return await converse(call, house, line)


async def nobody(call: Call, house: House, line: Line, step: LineStep) -> Stage:
    """Nobody of this line is here: back to a regulator if there is one, else a spoken way out.

    Somebody who comes while the caller is being told so is not too late.
    """
    wanted: tuple[Line, ...] = (line,) if line == "regulators" else (line, "regulators")
    caller, came_out = call.caller, None

    def here(one: Line) -> bool:
        asked = step if one == line else call.line_step(one)
        return house.team.anyone_on_duty(ask_of(call, asked).need(house.team.agents))

    if not any(map(here, wanted)):
        house.records.event("line.nobody", call_id=call.id, line=line)
        async with Group() as tasks:
            flow, out = call.flow.flow, step.on_no_staff
            told = tasks.create_task(walk(flow, out, caller, house.surroundings, Where.NOBODY))
            came = tasks.create_task(house.team.somebody_comes(lambda: any(map(here, wanted))))
            await asyncio.wait({told, came}, return_when=asyncio.FIRST_COMPLETED)
            came_out = told.result() if told.done() else None
            told.cancel()
            came.cancel()
        if came_out is not None:
            call.in_line_since = None
            return await follow_flow(call, house, came_out, "no_staff")
        await caller.stop_playing()
    call.first, call.wanted = True, None  # they were already being sent away
    back = next((one for one in wanted if here(one)), line)
    if back != line:
        call.step = None
    return STAGE_OF[back]


async def relay(call: Call, house: House) -> Stage:
    """Have a relay take the caller; they come back to the flow once that is over."""
    step = call.flow.flow.steps.get(call.step or "")
    if not isinstance(step, RelayStep):
        return Stage.REGULATION
    before = call.outcome
    if not call.answered:
        call.outcome = "relayed"  # a caller who hangs up there leaves us no other word of it
    answer = await ring_relay(call, house, step)
    if answer != "ANSWER":
        call.outcome = before
    onward = step.then if answer == "ANSWER" else step.otherwise
    came_out = await walk(call.flow.flow, onward, call.caller, house.surroundings)
    return await follow_flow(call, house, came_out, "no_staff")


async def goodbye(call: Call, house: House, outcome: Outcome) -> Stage:
    """End the call from our side, after the flow has said goodbye."""
    if not call.answered and call.outcome != "relayed":
        call.outcome = outcome
    call.ended_by = "line"
    await house.exchange.hang_up(call.caller)
    return Stage.ENDED


async def failed(call: Call, house: House) -> None:
    """Our bug must not cost a caller: the dialplan takes over. For use in an ``except``."""
    if call.outcome == "failed":
        return  # several things went wrong at once
    log.exception("call.failed", extra={"call": call.id})
    call.outcome, call.ended_by = "failed", "line"
    # Written first: a look at the engine must not find this call again.
    house.records.closed(call.id, outcome=call.outcome, ended_by=call.ended_by, at=clock.now())
    # Forgotten first: when the dialplan offers this caller again, they are a new call.
    house.calls.pop(call.caller.id, None)
    house.give_up(call.caller.id)
    if await house.exchange.give_back(call.caller):
        if call.answered:
            house.spawn(house.exchange.forget_last_talk(call.id))
    else:
        # Their talk goes on. They stay owned: such a leg's end makes the engine bring them back.
        for leg in (*call.parted, *(talk.leg for talk in call.talks)):
            leg.owns = False


async def close(call: Call, house: House) -> None:
    """Give back what the call still holds, and close its record."""
    if call.outcome == "failed":  # and written
        await release(call, house)
        return
    if call.caller.engine_stopped:
        call.outcome, call.ended_by = "engine_restart", "engine"
    if call.caller.ended_unseen and call.ended_by == "caller":
        call.ended_by = "unknown"
    note_broken_off(call, house)
    await release(call, house)
    # They left as somebody answered, or as they came: the engine told it by its own clock.
    at = max(call.caller.gone_at or clock.now(), call.answered_at or call.started_at)
    house.records.closed(call.id, outcome=call.outcome, ended_by=call.ended_by, at=at)
    log.info("call.closed", extra={"call": call.id, "outcome": call.outcome})


async def release(call: Call, house: House) -> None:
    """Give back everything the call still holds: legs, bridge, people."""
    reason = "engine_restart" if call.outcome == "engine_restart" else "caller_left"
    if call.inviting is not None:
        call.inviting.cancel()
    if call.told_aside is not None:
        call.told_aside.cancel()
    withdraw_ringing(call, house, reason)
    for talk in call.talks:
        part(call, house, talk, reason)
    await hang_up_parted(call, house)
    if call.aside_bridges_made:
        house.spawn(forget_bridges(call, house))
    if call.answered and call.outcome != "failed":  # that one's talk may go on: see failed()
        house.spawn(house.exchange.forget_last_talk(call.id))
