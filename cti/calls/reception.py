"""Where calls come in: claimed from the dialplan when new, taken back after a restart.

``recover`` is the only way to start: at the first connection and after every later
one, what the engine holds is compared with what we had written and what we run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from dataclasses import dataclass

from cti import clock
from cti.asterisk import ari_models as models
from cti.asterisk.ari import AriError, EngineInfo, LegGone
from cti.asterisk.caller import CallerLeg, Changed, waiting_bridge
from cti.asterisk.exchange import APP, consult_bridge, held_bridge, talk_bridge
from cti.asterisk.legs import ChannelLeg
from cti.calls.aside import heard_again
from cti.calls.call import close, failed, handle_call
from cti.calls.company import tell_company
from cti.calls.deciding import check
from cti.calls.hearing import show_key, watch
from cti.calls.house import House
from cti.calls.offering import follow, tell_offered
from cti.calls.repeats import compare
from cti.calls.returning import find_again
from cti.calls.state import DANGER_NOW, LINE_OF, Call, Stage, Talk, new_call_id
from cti.calls.talking import hang_up_parted, is_hard, together
from cti.people.agents import Agent, Engagement, Presence
from cti.people.choosing import LINE_ROLES, LINES
from cti.records.models import DANGER_HARD
from cti.records.record import EndedBy, OpenCall, Outcome
from ivr.leg import HungUp

log = logging.getLogger("fil.reception")

ARRIVALS_MAX = 1000
LEGS_A_SECOND_MAX = 10  # no call rings phones faster than that
CLAIMED_SECONDS_MAX = 3.0  # from our claim to the channel being ours
AGENT_LEG = re.compile(r"(?P<call>[0-9a-f]{32})-(?P<agent>[a-z0-9._-]+)-(?P<number>\d+)")


@dataclass
class _Found:
    """A call that we find in the engine, with its agents' legs: (leg, agent's id)."""

    call: Call
    talked_to: str | None  # the leg that the record names: it owned the caller
    legs: list[tuple[ChannelLeg, str]]


class Reception:
    """Takes calls in, and back."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._offered: asyncio.Queue[models.Channel] = asyncio.Queue(ARRIVALS_MAX)
        self._claiming: set[str] = set()  # channels whose claim is on its way
        self._engine_started_at: object = None
        self._recovered = False  # once since we started

    def hear(self, event: models.Event) -> None:
        """What the door has for nobody in particular: calls on offer. Never blocks."""
        match event:
            case models.CallBroadcast(channel=channel):
                try:
                    self._offered.put_nowait(channel)
                except asyncio.QueueFull:
                    log.error("arrivals.full")  # the dialplan offers again in five seconds
            case models.StasisStart(channel=channel) if AGENT_LEG.fullmatch(channel.id):
                # Answered as the offer was taken back: nobody is there for this agent.
                self._house.spawn(self._let_go(channel.id))
            case models.StasisStart(channel=channel):
                # Claimed, and given up as lost, before the engine had done it.
                self._house.spawn(self._adopt(channel))
            case _:
                pass

    async def run(self) -> None:
        """Claim every call on offer, for ever; each one in its own task."""
        while True:
            channel = await self._offered.get()
            if self._house.leaves_alone(channel.id):
                log.warning("call.left_to_the_dialplan")
            elif channel.id not in self._claiming:  # an offer may be told twice
                self._claiming.add(channel.id)
                self._house.spawn(self._claim(channel))

    async def _claim(self, channel: models.Channel) -> None:
        house = self._house
        known = house.calls.get(channel.id)
        if known is not None:
            # Pulled out of a talk because the agent's leg ended, or a lease ran out: ours again.
            entries = known.caller.entries
            try:
                claimed = await house.exchange.claim(channel.id)
            finally:
                self._claiming.discard(channel.id)
            if claimed:
                await self._hold_again(known, entries)
            return
        # The mailbox first: the channel's first event may overtake the reply to our claim.
        call = self._new_call(channel)
        caller = call.caller
        house.calls[channel.id] = call
        listening = house.spawn(caller.listen())
        try:
            claimed = await _claimed(house, caller)
        finally:
            self._claiming.discard(channel.id)
        if not claimed:
            listening.cancel()
            caller.close()
            del house.calls[channel.id]
            return
        caller.greeted = caller.offered_as != "first"
        if caller.greeted:
            caller.unsettle()  # whoever had them before may have asked for more
        await self._begin(call, channel, listening)

    def _new_call(self, channel: models.Channel) -> Call:
        """Somebody who comes by the flow of the number they dialled, greeted in its language."""
        house = self._house
        version = house.flows.for_number(_dialled(channel))
        language = version.flow.languages[0]
        caller = CallerLeg(house.exchange.ari, channel.id, channel.name, house.seconds, language)
        return Call(new_call_id(), caller, flow=version)

    async def _hold_again(self, call: Call, entries_before: int) -> None:
        """Sound at once: the call itself may be waiting for something else."""
        try:
            await call.caller.moved(entries_before)
            if call.talk is None or call.talk.leg.gone.is_set() or call.aside:
                line = LINE_OF.get(call.stage, "regulators")
                await self._house.exchange.hold(call.caller, line)
            else:  # somebody else's leaving pulled them out
                await together(call, self._house, call.talk)
        except (AriError, HungUp):
            log.info("call.not_held_again", extra={"call": call.id})

    async def _begin(
        self, call: Call, channel: models.Channel, listening: asyncio.Task[None]
    ) -> None:
        """Sound first, then the record, then the call's life, which listens by itself."""
        house = self._house
        try:
            await house.exchange.hold(call.caller, "regulators")
        except LegGone:
            call.caller.mark_gone(None)
        except AriError as error:  # the call's own life tries again, or gives them back
            call.caller.astray.set()
            log.warning("call.not_held", extra={"call": call.id, "status": str(error)})
        finally:
            listening.cancel()
        call.caller_ref = house.records.opened(
            call.id,
            channel_id=channel.id,
            engine_id=house.settings.engine_id,
            number_dialled=_dialled(channel),
            caller_number=channel.caller.number or None,
            language=call.caller.language,
            flow=call.flow.ref,
            at=call.started_at,
        )
        for why in house.records.degraded_by:
            house.records.event("call.degraded", call_id=call.id, why=why)
        compare(call, house)
        find_again(call, house)
        log.info("call.opened", extra={"call": call.id})
        await self._live(call)

    async def _live(self, call: Call) -> None:
        house = self._house
        house.calls[call.caller.id] = call
        call.caller.changed = lambda what: self._caller_changed(call, what)
        call.caller.key_heard = lambda key: show_key(call, key)
        try:
            await handle_call(call, house)
        finally:
            # Memory only.
            call.caller.close()
            if house.calls.get(call.caller.id) is call:
                del house.calls[call.caller.id]

    def _caller_changed(self, call: Call, what: Changed) -> None:
        """The caller pressed a key that says something of them: write it, and show it."""
        caller, records = call.caller, self._house.records
        match what:
            case "language":
                records.stage(call.id, call.stage.value, language=caller.language)
            case "danger":
                call.danger = DANGER_NOW
                records.stage(call.id, call.stage.value, danger=True)
                log.warning("call.danger", extra={"call": call.id})
            case "told":
                records.told(call.id, caller.told)
        self._house.suggest_again.set()
        tell_offered(call, self._house)

    # -- taking back -----------------------------------------------------------

    async def recover(self, engine: EngineInfo) -> None:
        """Compare what the engine holds with what we know, and go on from there."""
        house = self._house
        await house.exchange.prepare(LINES)
        channels = {c.id: c for c in await house.exchange.ari.channels.list()}
        ours = set()
        for application in await house.exchange.ari.applications.list():
            if application.name == APP:
                ours = set(application.channel_ids) & set(channels)
        restarted = self._engine_started_at not in (None, engine.started_at)
        self._engine_started_at = engine.started_at
        running = {call.id: call for call in house.calls.values()}
        known = set(running)
        found: list[_Found] = []
        for record in await house.records.open_calls():
            if record.id in known or record.engine_id != house.settings.engine_id:
                continue
            if record.channel_id not in channels:
                self._close_late(record, engine)
                continue
            found.append(self._recognise(record, channels, record.channel_id in ours))
            known.add(record.id)
        try:
            # Asked once mailboxes are open: an agent may hang up while we look.
            where = await house.exchange.where_they_are()
        except BaseException:  # cancelled, too, when the wire is lost meanwhile
            for one in found:  # the next look at the engine finds them again
                self._overlook(one)
            raise
        self._notice_the_gone(list(running.values()), channels, ours, where, restarted)
        written = set(house.calls)
        taking_back = [house.spawn(self._take_back(one, where)) for one in found]
        await self._tidy(channels, ours - written, known, running)
        if taking_back:
            await asyncio.wait(taking_back)
        if not self._recovered:
            house.team.free_the_unclaimed()
        self._recovered = True
        log.info("house.recovered", extra={"calls": len(known), "channels": len(channels)})

    def _notice_the_gone(
        self,
        calls: list[Call],
        channels: dict[str, models.Channel],
        ours: set[str],
        where: dict[str, str],
        restarted: bool,
    ) -> None:
        """Make true of the calls we run what happened while nobody told us."""
        lost_at = self._house.exchange.ari.lost_at if restarted else None
        for call in calls:
            if call.caller.id not in channels:
                call.caller.engine_stopped |= restarted
                call.caller.mark_gone(None, lost_at)
            elif call.caller.id in ours:
                call.caller.found_in(where.get(call.caller.id))
                call.caller.in_app.set()
            else:
                call.caller.in_app.clear()
            for talk in (*call.offers, *call.talks):
                if talk is not None and talk.leg.id not in channels:
                    talk.leg.unheard = True
                    talk.leg.mark_gone(None)
                elif talk is not None and channels[talk.leg.id].state == "Up":
                    talk.leg.comes_in()  # answered, perhaps, while nobody told us

    def _close_late(self, record: OpenCall, engine: EngineInfo) -> None:
        """Close a call that ended while we were away, and let its agents breathe."""
        house = self._house
        outcome: Outcome = "relayed" if record.stage == Stage.RELAY else "abandoned"
        outcome = "talked" if record.answered_at else outcome
        ended_by: EndedBy = "unknown"
        at = house.clock()
        if record.started_at < engine.started_at:
            # The last agent may have been joined to them before we knew that it had stopped.
            at = max(engine.started_at, record.answered_at or record.started_at)
            outcome, ended_by = "engine_restart", "engine"
        house.records.closed(record.id, outcome=outcome, ended_by=ended_by, at=at)
        log.info("call.closed_late", extra={"call": record.id, "outcome": outcome})
        reason = outcome if outcome == "engine_restart" else "caller_left"
        hard = record.danger or record.danger_level >= DANGER_HARD
        for agent in house.team.agents.values():  # two, when three were talking
            had_them = agent.call_id == record.id and agent.presence is Presence.TALKING
            if had_them and agent.engagement is None:
                agent.outbox.push("call.ended", {"call": {"id": record.id}, "reason": reason})
                house.team.start_wrap_up(agent, record.id, hard=hard)

    def _recognise(
        self, record: OpenCall, channels: dict[str, models.Channel], ours: bool
    ) -> _Found:
        """A call that we find again, its legs followed from here on.

        A caller who is not ``ours`` is in the dialplan's care, which will offer them.
        """
        house = self._house
        channel = channels[record.channel_id]
        version = house.flows.of(record.flow, record.number_dialled)
        language = record.language or version.flow.languages[0]
        caller = CallerLeg(house.exchange.ari, channel.id, channel.name, house.seconds, language)
        caller.greeted = True
        caller.in_danger = record.danger
        caller.lease_unknown()  # another process gave it, some time ago
        caller.unsettle()  # … and may have asked for more
        if ours:
            caller.in_app.set()
        call = Call(
            record.id,
            caller,
            stage=Stage(record.stage),
            caller_ref=record.caller_ref,
            started_at=record.started_at,
            waiting_since_at=record.waiting_since_at,
            danger=max(record.danger_level, DANGER_NOW if record.danger else 0),
            wanted=record.oriented_to,
            oriented_by=record.oriented_by,
            flow=version,
            step=record.step,
            taken_back=True,
            answered=record.answered_at is not None,
            answered_at=record.answered_at,
            outcome="talked" if record.answered_at else "abandoned",
            first=record.answered_at is not None and record.oriented_by is None,
        )
        # A name that an earlier life gave to a leg is not given again: they are one in the record.
        age_seconds = (clock.now() - call.started_at).total_seconds()
        call.legs_made = round(max(age_seconds, 0) * LEGS_A_SECOND_MAX)
        legs = [
            (ChannelLeg(house.exchange.ari, id_, channels[id_].name), found["agent"])
            for id_ in channels
            if (found := AGENT_LEG.fullmatch(id_)) and found["call"] == call.id
        ]
        # When three were talking, the one whom the record names owned the caller.
        legs.sort(key=lambda one: one[0].id != record.leg_id)
        house.calls[channel.id] = call
        return _Found(call, record.leg_id, legs)

    def _overlook(self, found: _Found) -> None:
        for leg in (found.call.caller, *(leg for leg, _ in found.legs)):
            leg.close()
        del self._house.calls[found.call.caller.id]

    async def _take_back(self, found: _Found, where: dict[str, str]) -> None:
        """Resume one call at the stage that was written."""
        call = found.call
        try:
            await self._take_up(found, where)
        except Exception:  # noqa: BLE001 -- whatever it is, this caller must not be left alone
            for leg, _ in found.legs:
                if not call.has(leg.id):
                    leg.owns = True  # perhaps
                    call.parted.append(leg)
            await failed(call, self._house)
            await close(call, self._house)
            call.caller.close()
            return
        log.info("call.taken_back", extra={"call": call.id, "stage": call.stage.value})
        self._house.records.event("call.taken_back", call_id=call.id)
        call.remembering = self._house.spawn(self._remember(call))
        self._house.spawn(self._live(call))

    async def _take_up(self, found: _Found, where: dict[str, str]) -> None:
        """Find out who is with the caller: the talk goes on, other legs are hung up."""
        house, call = self._house, found.call
        bridge, its_bridge = talk_bridge(call.id), where.get(call.caller.id)
        if call.caller.in_app.is_set():
            call.caller.found_in(its_bridge)
        call.aside_bridges_made = True  # perhaps
        aside = (consult_bridge(call.id), held_bridge(call.id))
        consulted = [leg.id for leg, _ in found.legs if where.get(leg.id) == aside[0]]
        # On hold still, unless one of two who were speaking about the caller has left.
        call.aside = where.get(found.talked_to or "") == held_bridge(call.id) or (
            found.talked_to in consulted and len(consulted) > 1
        )
        for leg, agent_id in found.legs:
            leg.owns = True  # perhaps; asked to let go of the caller, it does no harm
            agent, its = house.team.agents.get(agent_id), where.get(leg.id)
            if agent is None or its not in (bridge, *aside):
                call.parted.append(leg)
            elif call.talk is None:
                call.talk = self._resume_talk(call, agent, leg)
                house.spawn(heard_again(house, leg))
            elif call.aside and its == aside[0] and call.consulting is None:
                call.consulting = self._resume_talk(call, agent, leg)
                watch(call, house, call.consulting)
            elif not call.aside and its == bridge and call.staying is None:
                call.staying = self._resume_talk(call, agent, leg)
                house.spawn(heard_again(house, leg))
                watch(call, house, call.staying)
            else:
                call.parted.append(leg)
        self._note_who_left(call, found.talked_to)
        # Not before each leg is known as the call's: who looks at the engine meanwhile lets go
        # of those that are nobody's.
        await hang_up_parted(call, house)
        if call.talk is not None:
            # The process before us may have stopped as it was ending or beginning this talk.
            with contextlib.suppress(AriError):  # whoever left says so to converse()
                await house.exchange.own(call.talk.leg, call.caller)
                if call.staying is not None:
                    await house.exchange.disown(call.staying.leg, call.caller)
        agents_bridge = where.get(call.talk.leg.id) if call.talk is not None else None
        joined = its_bridge == agents_bridge == bridge
        if call.caller.in_app.is_set() and joined:
            call.caller.place = bridge
            with contextlib.suppress(AriError):  # the process before us may not have come to it
                await house.exchange.stop_music(call.caller)
            await call.caller.lease(0)
        elif call.caller.in_app.is_set():
            await call.caller.stop_what_plays()
            if call.talk is not None and call.aside:
                call.caller.place = waiting_bridge(call.talk.line)
                call.caller.astray.set()
            elif call.talk is not None:  # one of three left, and took the caller out with them
                # Not from here: nobody is told anything before every call is taken back.
                call.caller.place = bridge
                call.caller.astray.set()
                call.caller.bridge_known &= agents_bridge == bridge  # else they are joined anew
        tell_company(call)
        for talk in call.talks:
            if talk.agent.engagement is not None:
                talk.agent.outbox.push("call.connected", {"call": talk.agent.engagement.view})

    def _note_who_left(self, call: Call, talked_to: str | None) -> None:
        """Somebody was with this caller, and is no more: that talk is over, and counts."""
        house, leg = self._house, AGENT_LEG.fullmatch(talked_to or "")
        for agent in house.team.agents.values():
            was_there = agent.presence is Presence.TALKING and agent.call_id == call.id
            if not was_there or agent.engagement is not None:
                continue
            house.team.talk_is_over(agent, hard=is_hard(call))
            if talked_to is not None and leg is not None and leg["agent"] == agent.id:
                house.records.leg(call.id, talked_to, agent.id, "", "lost", house.clock())

    async def _remember(self, call: Call) -> None:
        """What the caller told, and the last agent wrote: nobody is asked for them before.

        They hear music meanwhile; a slow database is not waited for (``READ_SECONDS_MAX``).
        """
        records = self._house.records
        told, text = await asyncio.gather(records.told_by(call.id), records.handover_text(call.id))
        call.handover = call.handover or text
        call.caller.told = told | call.caller.told
        for talk in (*call.offers, *call.talks):
            if (text or told) and talk is not None and talk.agent.engagement is not None:
                view = talk.agent.engagement.view
                view.update(handover=call.handover, told=call.told())
                talk.agent.outbox.push("call.updated", {"call": view})

    def _resume_talk(self, call: Call, agent: Agent, leg: ChannelLeg) -> Talk:
        house = self._house
        leg.in_app.set()
        house.spawn(follow(leg))
        line = LINE_OF.get(call.stage, "regulators")
        agent.engagement = Engagement(call.id, call.view(line, 0), state="connected")
        agent.engagement.check = lambda decision: check(decision, agent, call, house)
        call.first, call.wanted, call.oriented_by = False, None, None
        house.team.move(agent, Presence.TALKING, None, call.id)
        if LINE_ROLES[line] not in agent.roles:
            line = "listeners" if line == "regulators" else "regulators"
        return Talk(agent, leg, 0.0, line, taken_back=True)

    async def _tidy(
        self,
        channels: dict[str, models.Channel],
        unwritten: set[str],
        known: set[str],
        running: dict[str, Call],
    ) -> None:
        """Let go of what no call claims; greet the ``unwritten``: callers nobody wrote down."""
        house = self._house
        for channel_id in channels:
            if agent_leg := AGENT_LEG.fullmatch(channel_id):
                call = running.get(agent_leg["call"])
                if agent_leg["call"] not in known or (call and not call.has(channel_id)):
                    await self._let_go(channel_id)
            elif channel_id in unwritten:
                house.spawn(self._adopt(channels[channel_id]))
        for bridge in await house.exchange.ari.bridges.list():
            kind, _, call_id = bridge.id.partition("-")
            if call_id in known:
                continue
            if kind == "talk":
                await house.exchange.forget_talk(call_id)
            elif kind in ("consult", "held"):
                await house.exchange.forget_aside(call_id)

    async def _let_go(self, leg_id: str) -> None:
        """Hang up an agent's leg that no call has."""
        leg = ChannelLeg(self._house.exchange.ari, leg_id)
        leg.owns = True  # perhaps
        try:
            await self._house.exchange.release(leg)
        finally:
            leg.close()  # memory only: the wire may be lost meanwhile

    async def _adopt(self, channel: models.Channel) -> None:
        """A caller in our hands whom nobody wrote down: better greeted twice than left alone."""
        house = self._house
        if channel.id in house.calls:  # told twice
            return
        call = self._new_call(channel)
        caller = call.caller
        caller.in_app.set()
        caller.lease_unknown()  # whoever claimed them, perhaps in another life, let it run
        caller.unsettle()
        house.calls[channel.id] = call
        if not await caller.still_there():  # late word of one who has left
            caller.close()
            del house.calls[channel.id]
            return
        await caller.stop_what_plays()
        await self._begin(call, channel, house.spawn(caller.listen()))


def _dialled(channel: models.Channel) -> str:
    """The number that the caller dialled, as the dialplan left it."""
    return str((channel.channelvars or {}).get("FIL_DIALLED", ""))


async def _claimed(house: House, caller: CallerLeg) -> bool:
    """Claim a call; True once it is ours.

    Its coming says so, and sooner than a reply that was lost: nobody waits in silence for one.
    """
    claim = asyncio.ensure_future(house.exchange.claim(caller.id))
    came = asyncio.ensure_future(caller.in_app.wait())
    try:
        await asyncio.wait({claim, came}, return_when=asyncio.FIRST_COMPLETED)
        if not came.done() and await claim:
            await asyncio.wait({came}, timeout=CLAIMED_SECONDS_MAX)
    finally:
        came.cancel()
        claim.cancel()
    return caller.in_app.is_set()
