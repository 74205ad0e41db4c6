"""Out of hearing: a caller on hold, agents in a bridge of their own, an agent who is muted.

    two talk --- hold -------> caller in music | agent alone
       ^  ^                        |        |
       |  +--- back, or too long --+        | (a colleague who is consulted answers)
       |                                    v
       +--- colleague leaves --- caller in music | two agents talk

Where the call goes next is decided in ``handover.py``. The agent's leg owns the caller all
along: when it ends, the engine rescues them. Nobody stays on hold, or unheard, without a limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import timedelta
from typing import Any

from cti import clock
from cti.asterisk.ari import AriConflict, AriError, LegGone
from cti.asterisk.exchange import consult_bridge, held_bridge
from cti.asterisk.legs import ChannelLeg
from cti.calls.company import tell_company
from cti.calls.hearing import watch
from cti.calls.house import House
from cti.calls.state import LINE_OF, Call, Talk
from cti.calls.talking import join, meet, part, take_charge
from ivr.leg import HungUp

log = logging.getLogger("fil.calls")

HELD_SECONDS_MAX = 300.0  # then the caller and the agent are joined again
WORD_EVERY_SECONDS = 45.0  # somebody on hold hears at least that often that they are not forgotten
MUTED_SECONDS_MAX = 60.0  # a caller who hears nobody is alone
MUTED_AGAIN_SECONDS = 2.0  # until the engine is asked again to end what it did not end


async def set_aside(call: Call, house: House) -> None:
    """Have the caller hear music, and whoever has them be out of hearing. Twice does no harm."""
    await _hush(call)
    if not call.aside:
        call.aside, call.aside_until = True, clock.monotonic() + HELD_SECONDS_MAX
        call.aside_bridges_made = True
    try:
        await house.exchange.hold(call.caller, LINE_OF.get(call.stage, "regulators"))
    except LegGone:
        return  # the caller's own leg says so
    except AriConflict:
        call.caller.astray.set()
    bridge = held_bridge(call.id) if call.consulting is None else consult_bridge(call.id)
    for talk in call.talks:
        with contextlib.suppress(LegGone, AriConflict):  # whoever left says so to converse()
            await house.exchange.set_aside(bridge, talk.leg)
    say_words(call)
    engagement = call.talk.agent.engagement if call.talk is not None else None
    if call.talk is not None and engagement is not None and not engagement.view["held"]:
        _tell_held(call, call.talk)


def say_words(call: Call) -> None:
    """Have a caller on hold hear now and then that they are not forgotten."""
    if call.aside_until is None:  # on hold since a life before
        call.aside_until = clock.monotonic() + HELD_SECONDS_MAX
        if call.talk is not None:
            _tell_held(call, call.talk)
    if call.told_aside is None:
        call.told_aside = asyncio.create_task(_say_words(call))


async def _say_words(call: Call) -> None:
    with contextlib.suppress(HungUp, AriError):
        while True:
            await asyncio.sleep(WORD_EVERY_SECONDS)
            await call.caller.play("ne-quittez-pas")


async def _hush(call: Call) -> None:
    """Stop those words, before the caller is moved."""
    told, call.told_aside = call.told_aside, None
    if told is not None:
        told.cancel()
        await asyncio.wait({told})
        await call.caller.stop_playing()


async def end_aside(call: Call, reason: str | None = None) -> None:
    """The hold is over; whoever calls this says where the caller goes."""
    if not call.aside:
        return
    await _hush(call)
    call.aside, call.aside_until = False, None
    if call.talk is not None:
        _tell_held(call, call.talk, reason)


async def forget_bridges(call: Call, house: House) -> None:
    """Destroy the bridges of those who were aside, once the call is over."""
    if call.aside_bridges_made:
        await house.exchange.forget_aside(call.id)
        call.aside_bridges_made = False


def _tell_held(call: Call, talk: Talk, reason: str | None = None) -> None:
    seconds_max = HELD_SECONDS_MAX if call.aside else None
    _tell(call, talk, "held", call.aside, reason, seconds_max)


def _tell(
    call: Call, talk: Talk, what: str, on: bool, reason: str | None, seconds_max: float | None
) -> None:
    if talk.agent.engagement is not None:  # a page that is loaded anew shows it too
        ends_at = clock.now() + timedelta(seconds=seconds_max) if seconds_max is not None else None
        view = talk.agent.engagement.view
        view[what], view[f"{what}_until"] = on, ends_at.isoformat() if ends_at else None
    told: dict[str, Any] = {"call": {"id": call.id}, "on": on, "reason": reason}
    talk.agent.outbox.push(f"call.{what}", told | {"seconds_max": seconds_max})


# -- hold ---------------------------------------------------------------------------


async def put_on_hold(call: Call, house: House) -> None:
    """The agent wants the caller to wait under music."""
    assert call.talk is not None
    await unmute_all(call, house)
    house.records.event("call.held", call_id=call.id, agent_id=call.talk.agent.id)
    await set_aside(call, house)


async def back_from_hold(call: Call, house: House, reason: str | None = None) -> None:
    """The caller and the agent talk again; a colleague who was consulted has left."""
    assert call.talk is not None
    if not call.aside:
        return
    await end_aside(call, reason)
    await join(call, house, call.talk)
    house.records.event("call.off_hold", call_id=call.id, agent_id=call.talk.agent.id)


# -- consultation -------------------------------------------------------------------


async def consult(call: Call, house: House) -> None:
    """The colleague has answered: the two talk while the caller is on hold."""
    assert call.talk is not None
    assert call.ringing is not None
    call.consulting = call.ringing
    call.offers.clear()
    meet(call, house, call.consulting)
    take_charge(call, house)  # the record goes on naming the agent whose leg owns the caller
    watch(call, house, call.consulting)
    await unmute_all(call, house)
    await set_aside(call, house)
    for talk, other in ((call.talk, call.consulting), (call.consulting, call.talk)):
        named = {"id": other.agent.id, "name": other.agent.name}
        talk.agent.outbox.push("call.consulting", {"call": {"id": call.id}, "agent": named})
    tell_company(call)


async def take_back(call: Call, house: House, reason: str | None = None) -> None:
    """The colleague is not needed after all, or has left: caller and agent talk again."""
    assert call.consulting is not None
    part(call, house, call.consulting, "ended")
    await back_from_hold(call, house, reason)


# -- mute ---------------------------------------------------------------------------


async def mute(call: Call, house: House, talk: Talk, on: bool, reason: str | None = None) -> None:
    """Have nobody hear this agent, for a while at most, or everybody again.

    Said twice it lasts no longer: a caller who hears nobody is alone.
    """
    if on and talk.muted_until is not None:
        return
    seconds = MUTED_SECONDS_MAX if on else None
    try:
        await house.exchange.mute(talk.leg, on)
    except LegGone:
        talk.muted_until = None  # whoever left says so to converse()
        return
    except AriError as error:  # it costs nobody the talk: heard again is what is asked next
        log.warning("leg.not_muted", extra={"leg": talk.leg.id, "error": type(error).__name__})
        on, seconds = True, MUTED_AGAIN_SECONDS
    talk.muted_until = clock.monotonic() + seconds if seconds is not None else None
    _tell(call, talk, "muted", on, reason, seconds)


async def unmute_all(call: Call, house: House) -> None:
    """A colleague must hear them, and the caller when they come back."""
    for talk in call.talks:
        if talk.muted_until is not None:
            await mute(call, house, talk, False)


async def heard_again(house: House, leg: ChannelLeg) -> None:
    """Have an agent be heard whom a life before may have muted: nobody would know of it."""
    with contextlib.suppress(AriError):
        await house.exchange.mute(leg, False)


# -- limits -------------------------------------------------------------------------


def seconds_left(call: Call) -> float | None:
    """Until the first of the limits here; None: there is none."""
    ends = [talk.muted_until for talk in call.talks] + [call.aside_until]
    soonest = min((end for end in ends if end is not None), default=None)
    return None if soonest is None else max(0.0, soonest - clock.monotonic())


async def keep_limits(call: Call, house: House) -> None:
    """End what has lasted for too long."""
    now = clock.monotonic()
    for talk in call.talks:
        if talk.muted_until is not None and talk.muted_until <= now:
            await mute(call, house, talk, False, "too_long")
    if call.aside_until is not None and call.aside_until <= now:
        if call.consulting is not None:
            await take_back(call, house, "too_long")
        else:
            await back_from_hold(call, house, "too_long")
