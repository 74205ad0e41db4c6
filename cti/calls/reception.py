"""Where calls come in: claimed from the dialplan when new, taken back after a restart.

``recover`` is the only way to start: at the first connection and after every later
one, what the engine holds is compared with what we had written and what we run.
"""

from __future__ import annotations

import asyncio
import logging
import re

from cti.asterisk import ari_models as models
from cti.asterisk.ari import EngineInfo, LegGone
from cti.asterisk.exchange import APP, talk_bridge
from cti.asterisk.legs import CallerLeg, ChannelLeg
from cti.calls.call import LINE_OF, Call, Stage, Talk, handle_call, new_call_id
from cti.calls.house import House
from cti.people.agents import Engagement, Presence
from cti.people.team import LINES
from cti.records.record import OpenCall

log = logging.getLogger("fil.reception")

ARRIVALS_MAX = 1000
CLAIMED_SECONDS_MAX = 3.0  # from our claim to the channel being ours
AGENT_LEG = re.compile(r"(?P<call>[0-9a-f]{32})-(?P<agent>[a-z0-9]+)-(?P<number>\d+)")


class Reception:
    """Takes calls in, and back."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._offered: asyncio.Queue[models.Channel] = asyncio.Queue(ARRIVALS_MAX)
        self._engine_started_at: object = None

    def hear(self, event: models.Event) -> None:
        """What the door has for nobody in particular: calls on offer. Never blocks."""
        match event:
            case models.CallBroadcast(channel=channel):
                try:
                    self._offered.put_nowait(channel)
                except asyncio.QueueFull:
                    log.error("arrivals.full")  # the dialplan offers again in five seconds
            case _:
                pass

    async def run(self) -> None:
        """Claim every call on offer, for ever; each one in its own task."""
        while True:
            channel = await self._offered.get()
            self._house.spawn(self._claim(channel))

    async def _claim(self, channel: models.Channel) -> None:
        house = self._house
        if channel.id in house.calls:
            # Pulled out of a talk by the engine because the agent's leg ended: ours again.
            await house.exchange.claim(channel.id)
            return
        # The mailbox first: the channel's first event may overtake the reply to our claim.
        caller = CallerLeg(house.exchange.ari, channel.id, channel.name, house.seconds)
        call = Call(new_call_id(), caller)
        house.calls[channel.id] = call
        listening = house.spawn(caller.listen())
        if not await house.exchange.claim(channel.id) or not await _ours(caller):
            listening.cancel()
            caller.close()
            del house.calls[channel.id]
            return
        listening.cancel()  # handle_call follows the caller from here
        caller.greeted = caller.offered_as != "first"
        await self._begin(call, channel)

    async def _begin(self, call: Call, channel: models.Channel) -> None:
        """Sound first, then the record, then the call's life."""
        house = self._house
        try:
            await house.exchange.hold(call.caller, "regulators")
        except LegGone:
            call.caller.mark_gone(None)
        variables = channel.channelvars or {}
        house.records.opened(
            call.id,
            channel_id=channel.id,
            engine_id=house.settings.engine_id,
            number_dialled=str(variables.get("FIL_DIALLED", "")),
            caller_number=channel.caller.number or None,
            language=call.caller.language,
            at=call.started_at,
        )
        log.info("call.opened", extra={"call": call.id})
        await self._live(call)

    async def _live(self, call: Call) -> None:
        house = self._house
        house.calls[call.caller.id] = call
        call.caller.language_changed = lambda language: self._language_changed(call, language)
        try:
            await handle_call(call, house)
        finally:
            # Memory only.
            house.calls.pop(call.caller.id, None)

    def _language_changed(self, call: Call, language: str) -> None:
        self._house.records.stage(call.id, call.stage.value, language=language)
        if call.ringing is not None and call.ringing.agent.engagement is not None:
            view = call.ringing.agent.engagement.view
            view["language"] = language
            call.ringing.agent.outbox.push("call.updated", {"call": view})

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
        self._notice_the_gone(set(channels), restarted)
        known = {call.id for call in house.calls.values()}
        written = set(house.calls)
        for record in await house.records.open_calls():
            if record.id in known or record.engine_id != house.settings.engine_id:
                continue
            if record.channel_id in channels:
                house.spawn(self._take_back(record, channels, record.channel_id in ours))
            else:
                house.records.closed(
                    record.id,
                    outcome="talked" if record.answered_at else "abandoned",
                    ended_by="unknown",
                    at=house.clock(),
                )
            known.add(record.id)
            written.add(record.channel_id)
        await self._tidy(channels, ours - written, known)
        log.info("house.recovered", extra={"calls": len(known), "channels": len(channels)})

    def _notice_the_gone(self, channels: set[str], restarted: bool) -> None:
        for call in list(self._house.calls.values()):
            if call.caller.id not in channels:
                if restarted:
                    call.ended_by = "engine"
                    call.outcome = "engine_restart"
                call.caller.mark_gone(None)
            for talk in (call.ringing, call.talk):
                if talk is not None and talk.leg.id not in channels:
                    talk.leg.mark_gone(None)

    async def _take_back(
        self, record: OpenCall, channels: dict[str, models.Channel], ours: bool
    ) -> None:
        """Resume one call at the stage that was written.

        A caller who is not ``ours`` is in the dialplan's care, which will offer them.
        """
        house = self._house
        channel = channels[record.channel_id]
        caller = CallerLeg(
            house.exchange.ari, channel.id, channel.name, house.seconds, record.language or "fr"
        )
        caller.greeted = True
        if ours:
            caller.in_app.set()
        call = Call(
            record.id,
            caller,
            stage=Stage(record.stage),
            started_at=record.started_at,
            waiting_since_at=record.waiting_since_at,
            danger=record.danger,
            answered=record.answered_at is not None,
            outcome="talked" if record.answered_at else "abandoned",
            first=True,
        )
        house.calls[channel.id] = call
        legs = [found for c in channels if (found := AGENT_LEG.fullmatch(c)) and
                found["call"] == record.id]
        call.legs_made = max((int(leg["number"]) for leg in legs), default=0) + 1
        call.handover = await house.records.handover_text(record.id)
        bridge = await _members(house, talk_bridge(record.id))
        talking = [leg for leg in legs if leg[0] in bridge and leg["agent"] in house.team.agents]
        if talking and channel.id in bridge:
            self._resume_talk(call, talking[0][0], talking[0]["agent"], channels)
        for leg in legs:
            if call.talk is None or leg[0] != call.talk.leg.id:
                await house.exchange.release(ChannelLeg(house.exchange.ari, leg[0]))
        log.info("call.taken_back", extra={"call": call.id, "stage": record.stage})
        await self._live(call)

    def _resume_talk(
        self, call: Call, leg_id: str, agent_id: str, channels: dict[str, models.Channel]
    ) -> None:
        house = self._house
        agent = house.team.agents[agent_id]
        leg = ChannelLeg(house.exchange.ari, leg_id, channels[leg_id].name)
        leg.in_app.set()
        house.spawn(leg.listen())
        line = LINE_OF.get(call.stage, "regulators")
        agent.engagement = Engagement(call.id, call.view(line, 0), state="connected")
        call.talk = Talk(agent, leg, 0.0)
        call.first = False
        house.team.move(agent, Presence.TALKING, None, call.id)
        agent.outbox.push("call.connected", {"call": agent.engagement.view})

    async def _tidy(
        self, channels: dict[str, models.Channel], unwritten: set[str], known: set[str]
    ) -> None:
        """Let go of what no call claims; greet the callers among ``unwritten`` that nobody wrote down."""
        house = self._house
        for channel_id in unwritten:
            agent_leg = AGENT_LEG.fullmatch(channel_id)
            if agent_leg and agent_leg["call"] not in known:
                await house.exchange.release(ChannelLeg(house.exchange.ari, channel_id))
            elif not agent_leg:
                house.spawn(self._adopt(channels[channel_id]))
        for bridge in await house.exchange.ari.bridges.list():
            if bridge.id.startswith("talk-") and bridge.id[5:] not in known:
                await house.exchange.forget_talk(bridge.id[5:])

    async def _adopt(self, channel: models.Channel) -> None:
        """A caller in our hands whom nobody wrote down: better greeted twice than left alone."""
        house = self._house
        caller = CallerLeg(house.exchange.ari, channel.id, channel.name, house.seconds)
        caller.in_app.set()
        call = Call(new_call_id(), caller)
        house.calls[channel.id] = call
        await self._begin(call, channel)


async def _ours(caller: CallerLeg) -> bool:
    try:
        async with asyncio.timeout(CLAIMED_SECONDS_MAX):
            await caller.in_app.wait()
    except TimeoutError:
        return False
    return True


async def _members(house: House, bridge_id: str) -> set[str]:
    for bridge in await house.exchange.ari.bridges.list():
        if bridge.id == bridge_id:
            return set(bridge.channels)
    return set()
