"""What a call asks of the engine, in the words of the trade: hold, ring, talk, release.

Every name is ours (bridge ``line-<line>``, ``talk-<call>``, leg ``<call>-<agent>-<n>``),
so that asking twice does no harm and a restart finds everything again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from cti.asterisk.ari import Ari, AriConflict, AriError, AriTimeout, EngineAway, Gone, LegGone
from cti.asterisk.ari_base import SECONDS_MAX
from cti.asterisk.browser import phone_of
from cti.asterisk.caller import CallerLeg, is_waiting, waiting_bridge
from cti.asterisk.engine import write_on_call
from cti.asterisk.legs import ChannelLeg
from cti.config import Settings
from cti.relays.guard import own_number

log = logging.getLogger("fil.exchange")

APP = "fil"
PHONE_CODECS = "alaw,g722,ulaw"
BROWSER_CODECS = "opus,alaw"
ECHO_RINGS_SECONDS_MAX = 5
MUSIC = "fil"  # the engine's class of music for callers
OBEYED_SECONDS_MAX = 2.0  # a command that a caller's sound or an agent's freedom waits for
TOLD_SECONDS_MAX = 1.0  # from the engine's obeying to its telling: perhaps the wire stands still
INSISTED_AFTER_SECONDS = (0.2, 1.0)  # when it failed: it is given again, and once more
LOOKED_AT_SECONDS_MAX = 1.0  # what only a screen waits for
VOICE_MODULE = "func_talkdetect.so"
VOICE = "1000,256"  # over after so many ms; above this mean loudness, of 32767
GOODBYE_TRIES_MAX = 4  # each insists
GOODBYE_AGAIN_SECONDS = 1.0
GIVEN_BACK_SECONDS_MAX = 5.0  # then the engine takes the caller back by itself
UNBORN_SECONDS = 1.0  # what we stopped waiting for may appear so much later
UNBORN_TRIES_MAX = 10  # six seconds each, at most


def talk_bridge(call_id: str) -> str:
    """The bridge of a call's conversation."""
    return f"talk-{call_id}"


def consult_bridge(call_id: str) -> str:
    """The bridge of two agents who speak about a call while its caller is on hold."""
    return f"consult-{call_id}"


def held_bridge(call_id: str) -> str:
    """The bridge of an agent whose caller is on hold."""
    return f"held-{call_id}"


class Exchange:
    """The verbs of the telephone, over the one door."""

    def __init__(self, ari: Ari, settings: Settings) -> None:
        self.ari = ari
        self._settings = settings
        self._on_call: str | None = None  # what the engine was told
        self._on_call_written: str | None = None
        self._on_call_lock = asyncio.Lock()
        self._tells_voices: bool | None = None  # whether this engine can; None: not asked yet

    async def prepare(self, lines: Iterable[str]) -> None:
        """Make the waiting lines' bridges, unless the engine still has them."""
        self._tells_voices = None  # perhaps another engine than before
        for line in lines:
            await self._make_bridge(waiting_bridge(line), "holding")

    async def _make_bridge(self, bridge_id: str, type_: str) -> None:
        with contextlib.suppress(AriConflict):
            await self.ari.bridges.createWithId(bridgeId=bridge_id, type=type_, name=bridge_id)

    async def claim(self, channel_id: str) -> bool:
        """Take a call that the dialplan offers; False when it is no longer to be had."""
        try:
            await self.ari.events.claimChannel(channelId=channel_id, application=APP)
        except (AriTimeout, EngineAway):
            return True  # perhaps: it is ours if it comes
        except AriError:
            return False
        return True

    async def hold(self, caller: CallerLeg, line: str) -> None:
        """Put the caller in a line's bridge: music whenever nothing else is heard.

        The caller must not be playing. Raises LegGone.
        """
        caller.place = waiting_bridge(line)
        async with caller.moving:
            await self._insist(lambda: self._put_in(caller))
        await caller.cover(15)

    async def hold_afresh(self, caller: CallerLeg) -> None:
        """Bring a caller who is astray into the waiting bridge they belong in. Raises LegGone."""
        async with caller.moving:
            if not caller.playing:
                await self._put_in(caller)

    async def _put_in(self, caller: CallerLeg) -> None:
        if not caller.bridge_known:
            await self._find(caller)
        if caller.place is None or not is_waiting(caller.place):
            return  # they belong in a talk by now
        if caller.bridge is not None and is_waiting(caller.bridge):
            # Of whichever line: the music is the same, and to move would be a moment of silence.
            caller.place = caller.bridge
        else:
            await self._add(caller, caller.place)
        if caller.astray.is_set():
            # Music of their own: never do they have to leave the bridge, into silence, for it.
            caller.asked_music = True
            with caller.unsettled_by():
                await self.ari.channels.startMoh(
                    channelId=caller.id, mohClass=MUSIC, seconds_max=OBEYED_SECONDS_MAX
                )
            # Neither pulled out meanwhile, nor wanted elsewhere.
            if caller.bridge_known and is_waiting(caller.bridge) and is_waiting(caller.place):
                caller.astray.clear()

    async def _add(self, caller: CallerLeg, place: str) -> None:
        caller.bridge_known, before = False, caller.comings(place)
        await self.ari.bridges.addChannel(
            bridgeId=place,
            channel=caller.id,
            role="holding_participant",
            seconds_max=OBEYED_SECONDS_MAX,
        )
        # The reply alone is not enough: word of what came before may still be on its way.
        if not await caller.told_of_coming(place, before, TOLD_SECONDS_MAX):
            caller.bridge, caller.bridge_known = place, True

    async def _find(self, caller: CallerLeg) -> None:
        """Ask the engine which bridge the caller is in."""
        where = await self.where_they_are(OBEYED_SECONDS_MAX)
        if not caller.bridge_known:  # else the engine has told meanwhile, and later
            caller.found_in(where.get(caller.id))

    async def where_they_are(self, seconds_max: float = SECONDS_MAX) -> dict[str, str]:
        """The bridge of each channel that is in one. Raises AriError."""
        bridges = await self.ari.bridges.list(seconds_max=seconds_max)
        return {channel: bridge.id for bridge in bridges for channel in bridge.channels}

    async def ring(self, leg: ChannelLeg, account: str, seconds_max: int) -> None:
        """Have a phone ring. Returns once the engine has taken the order.

        Answering puts the leg ``in_app``; a refusal marks it gone. Raises PhoneUnreachable.
        """
        number = self._settings.number
        if phone_of(account) is None:
            await self._ring(leg, f"PJSIP/{account}", number, seconds_max, PHONE_CODECS)
            return
        # By this the page knows which of the pops it shows is ringing.
        of_offer = {"PJSIP_HEADER(add,X-Fil-Offer)": leg.id}
        await self._ring(leg, f"PJSIP/{account}", number, seconds_max, BROWSER_CODECS, of_offer)

    async def echo(self, account: str) -> None:
        """Have a browser hear itself come back, for a few seconds. Raises PhoneUnreachable."""
        await self.ari.channels.originate(
            endpoint=f"PJSIP/{account}",
            context="phone-check",
            extension="s",
            priority=1,
            timeout=ECHO_RINGS_SECONDS_MAX,
            formats=BROWSER_CODECS,
            variables={"PJSIP_HEADER(add,X-Fil-Check)": "1"},
        )

    async def ring_outside(self, leg: ChannelLeg, number: str, seconds_max: int) -> None:
        """Have an agent's own telephone ring, over the trunk; it shows our number, no caller's.

        Raises PhoneUnreachable when the trunk is dead, NotAnOwnNumber.
        """
        shown = self._settings.outbound_number or self._settings.number
        endpoint = f"PJSIP/{own_number(number)}@trunk"
        await self._ring(leg, endpoint, shown, seconds_max, PHONE_CODECS)

    async def _ring(
        self,
        leg: ChannelLeg,
        endpoint: str,
        number: str,
        seconds_max: int,
        formats: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        leg.ordered = asyncio.ensure_future(
            self.ari.channels.originateWithId(
                channelId=leg.id,
                endpoint=endpoint,
                app=APP,
                appArgs="agent",
                callerId=f'"SOS Crise" <{number}>',
                timeout=seconds_max,
                formats=formats,
                # Runs in the engine when this leg ends, whether we are alive or not.
                variables={"CHANNEL(hangup_handler_push)": "agent-gone,s,1", **(headers or {})},
            )
        )
        leg.ordered.add_done_callback(lambda done: done.cancelled() or done.exception())
        with contextlib.suppress(AriConflict):  # the same leg asked for twice: it rings
            # Shielded: whoever takes it back must know whether it was ordered.
            await asyncio.shield(leg.ordered)

    async def talk(
        self, call_id: str, caller: CallerLeg, agent: ChannelLeg, staying: ChannelLeg | None
    ) -> None:
        """Join caller and agent; the agent's leg now owns the caller. Raises LegGone.

        ``staying``: the other agent, when three talk. Nothing may be playing to anyone.
        """
        caller.place = bridge = talk_bridge(call_id)
        async with caller.moving:
            await self._make_bridge(bridge, "mixing,dtmf_events")
            # In this order: without a lease, only whoever owns them brings them back.
            await self.own(agent, caller)
            await caller.lease(0)
            caller.bridge_known = False  # until the engine has told
            await self.ari.bridges.addChannel(bridgeId=bridge, channel=[caller.id, agent.id])
            if staying is not None:
                with contextlib.suppress(LegGone, AriConflict):  # two can talk without them
                    await self.ari.bridges.addChannel(bridgeId=bridge, channel=[staying.id])
                    await self.disown(staying, caller)
            if caller.dialplan_music or caller.asked_music:
                await self.stop_music(caller)

    async def say_again(
        self, call_id: str, caller: CallerLeg, agent: ChannelLeg, staying: ChannelLeg | None
    ) -> None:
        """State anew whose the caller is in this call's talk, that no lease ends it, and no music.

        For as long as a command of before that was not answered may still be obeyed.
        """
        what: list[Callable[[], Awaitable[None]]] = [
            lambda: self.own(agent, caller),
            lambda: caller.lease(0),
            lambda: self._stop_music(caller),
        ]
        if staying is not None:
            what.append(lambda: self.disown(staying, caller))
        async with caller.moving:
            for say in what:
                # Neither handed on meanwhile, nor pulled out: they need their music there.
                if caller.bridge == caller.place == talk_bridge(call_id) and agent.owns:
                    with contextlib.suppress(AriError):
                        await say()

    async def stop_music(self, caller: CallerLeg) -> None:
        """End music of the caller's own, which covers a talk. Raises LegGone.

        Only once they are in it: whatever becomes of us, better music than silence.
        """
        await self._insist(lambda: self._stop_music(caller))
        caller.dialplan_music = caller.asked_music = False

    async def _stop_music(self, caller: CallerLeg) -> None:
        with caller.unsettled_by():
            await self.ari.channels.stopMoh(channelId=caller.id, seconds_max=OBEYED_SECONDS_MAX)

    async def bring_in(
        self, call_id: str, caller: CallerLeg, newcomer: ChannelLeg, staying: ChannelLeg
    ) -> None:
        """Have a third person come into a talk and own its caller. Raises LegGone.

        The newcomer owns the caller before coming in and the other lets go after: at no
        instant could somebody leave and strand a caller, whether we are alive or not.
        """
        async with caller.moving:
            await self.own(newcomer, caller)
            await self.ari.bridges.addChannel(bridgeId=talk_bridge(call_id), channel=[newcomer.id])
            await self.disown(staying, caller)

    async def set_aside(self, bridge: str, agent: ChannelLeg) -> None:
        """Put an agent where their caller, who is in music by now, cannot hear them.

        A bridge of its own: a late command that moves the caller leads them to nobody there.
        Raises LegGone.
        """
        await self._make_bridge(bridge, "mixing,dtmf_events")
        await self._insist(
            lambda: self.ari.bridges.addChannel(
                bridgeId=bridge, channel=[agent.id], seconds_max=OBEYED_SECONDS_MAX
            )
        )

    async def mute(self, leg: ChannelLeg, on: bool) -> None:
        """Have nobody hear this agent, or everybody again. Raises LegGone."""
        what = self.ari.channels.mute if on else self.ari.channels.unmute
        # "in": what comes from the phone into the engine.
        await self._insist(
            lambda: what(channelId=leg.id, direction="in", seconds_max=OBEYED_SECONDS_MAX)
        )

    async def own(self, agent: ChannelLeg, caller: CallerLeg) -> None:
        """Say whose caller it is: the engine rescues that caller when the agent's leg ends."""
        agent.owns = True
        with caller.unsettled_by():
            await self._say_whose(agent, caller.name)

    async def disown(self, agent: ChannelLeg, caller: CallerLeg) -> None:
        """Say that this leg may end without its caller's being rescued."""
        agent.owns = False
        with caller.unsettled_by():
            await self._say_whose(agent, "")

    async def _say_whose(self, agent: ChannelLeg, caller_name: str) -> None:
        await self.ari.channels.setChannelVar(
            channelId=agent.id, variable="FIL_CALLER", value=caller_name
        )

    async def release(self, leg: ChannelLeg) -> None:
        """Hang up a leg, whatever its state, without pulling its caller along."""
        if leg.owns:
            leg.owns = False
            with contextlib.suppress(AriError):
                await self._say_whose(leg, "")
        try:
            await self._end(leg.id, lambda: self._put_out(leg))
        except LegGone:
            leg.mark_gone(None)
        except AriError as error:
            log.warning("leg.not_released", extra={"leg": leg.id, "status": str(error)})

    async def _put_out(self, leg: ChannelLeg) -> None:
        """Take a leg that the engine does not end out of the bridge of its call's talks.

        The bridge outlasts this talk: who comes next must not be overheard.
        """
        call_id, _, _ = leg.id.partition("-")
        with contextlib.suppress(AriError):
            await self.ari.bridges.removeChannel(bridgeId=talk_bridge(call_id), channel=leg.id)

    async def release_unborn(self, leg: ChannelLeg) -> None:
        """Hang up a leg that we may just have ordered, and that may appear a moment later."""
        if leg.ordered is None:
            return
        await asyncio.wait({leg.ordered})  # a hang-up that overtook the order would end nothing
        await self.release(leg)
        if not isinstance(leg.ordered.exception(), AriTimeout | EngineAway):
            return
        for _ in range(UNBORN_TRIES_MAX):
            await asyncio.sleep(UNBORN_SECONDS)
            try:
                await self.ari.channels.hangup(channelId=leg.id)
            except (AriTimeout, EngineAway):
                continue  # while the wire stands still, the order to ring may still be on its way
            except AriError:
                pass
            return

    async def is_registered(self, phone: str) -> bool:
        """Whether the engine knows where this phone is. True when it cannot be asked."""
        try:
            endpoint = await self.ari.endpoints.get(tech="PJSIP", resource=phone)
        except AriError:
            return True
        return endpoint.state != "offline"

    async def phones_known(self) -> frozenset[str]:
        """The phones of which the engine knows where they are. Raises AriError."""
        endpoints = await self.ari.endpoints.listByTech(tech="PJSIP")
        return frozenset(one.resource for one in endpoints if one.state != "offline")

    async def packets_heard(self, leg: ChannelLeg) -> int:
        """How many packets of sound the phone of this leg has sent so far. Raises AriError."""
        found = await self.ari.channels.rtpstatistics(
            channelId=leg.id, seconds_max=LOOKED_AT_SECONDS_MAX
        )
        return found.rxcount

    async def listen_for_voice(self, leg: ChannelLeg, anew: bool) -> bool:
        """Have the engine tell when this leg's voice begins and ends (``speaking``).

        ``anew``: of a voice that a process before us was told of, too. Twice does no harm.
        False when this engine cannot. Raises AriError.
        """
        if self._tells_voices is None:
            try:
                await self.ari.asterisk.getModule(
                    moduleName=VOICE_MODULE, seconds_max=LOOKED_AT_SECONDS_MAX
                )
                self._tells_voices = True
            except Gone:
                self._tells_voices = False
                log.error("voices.not_told")  # its configuration is older than we are
        for what in ("remove", "set") if anew else ("set",):
            if self._tells_voices:
                await self.ari.channels.setChannelVar(
                    channelId=leg.id,
                    variable=f"TALK_DETECT({what})",
                    value=VOICE,
                    seconds_max=LOOKED_AT_SECONDS_MAX,
                )
        return self._tells_voices

    async def drop(self, leg: ChannelLeg) -> bool:
        """End a leg whose phone has vanished; the engine brings its caller back to us.

        False when the engine did not obey.
        """
        leg.lost = True
        try:
            await self.ari.channels.hangup(channelId=leg.id, seconds_max=OBEYED_SECONDS_MAX)
        except LegGone:
            return True
        except AriError:
            leg.lost = False
            return False
        return True

    async def hang_up(self, caller: CallerLeg) -> None:
        """End the caller's leg; for after a goodbye. Their lease ends an engine's long refusal."""
        for _ in range(GOODBYE_TRIES_MAX):
            try:
                await self._end(caller.id)
            except (Gone, AriConflict):
                pass  # with nobody, or with the dialplan
            except AriError:
                await asyncio.sleep(GOODBYE_AGAIN_SECONDS)
                continue
            return

    async def _end(
        self, channel_id: str, refused: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        await self._insist(
            lambda: self.ari.channels.hangup(
                channelId=channel_id, reason_code="16", seconds_max=OBEYED_SECONDS_MAX
            ),
            refused,
        )

    async def _insist(
        self,
        command: Callable[[], Awaitable[None]],
        refused: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Give a command that may be obeyed twice until it is. Raises what the last one raised.

        ``refused``: done each time that it was not obeyed.
        """
        for seconds in INSISTED_AFTER_SECONDS:
            try:
                await command()
            except (Gone, AriConflict):
                raise
            except AriError:
                if refused is not None:
                    await refused()
                await asyncio.sleep(seconds)
            else:
                return
        await command()

    async def give_back(self, caller: CallerLeg) -> bool:
        """Hand the caller to the dialplan's fallback: for when we cannot serve them.

        False when the engine does not obey: then only the end of the leg that owns them does it.
        """
        await caller.lease(GIVEN_BACK_SECONDS_MAX)  # should all that follows fail
        with contextlib.suppress(AriError):
            await caller.stop_playing()
            await caller.stop_what_plays()
            await self.ari.channels.setChannelVar(
                channelId=caller.id, variable="FIL_GREETED", value="1"
            )
        try:
            await self._to_dialplan(caller, "alone")
        except (LegGone, AriConflict):
            return True  # they are there, or nowhere
        except AriError:
            return False
        return True

    async def to_relay(self, caller: CallerLeg, number: str) -> None:
        """Have the engine ring a relay for the caller, under music, and join them.

        It does so without us, and offers the caller again once it is over. The caller must not
        be playing. Raises LegGone.
        """
        async with caller.moving:
            await self._insist(
                lambda: self.ari.channels.setChannelVar(
                    channelId=caller.id, variable="FIL_RELAY", value=number
                )
            )
            caller.place = None
            await self._to_dialplan(caller, "relay")

    async def _to_dialplan(self, caller: CallerLeg, context: str) -> None:
        await self._insist(
            lambda: self.ari.channels.continueInDialplan(
                channelId=caller.id,
                context=context,
                extension="s",
                priority=1,
                seconds_max=OBEYED_SECONDS_MAX,
            )
        )

    async def relay_answer(self, caller: CallerLeg) -> str | None:
        """What came of the relay last rung for this caller, as ``ANSWER`` or ``BUSY``.

        None when none was, or when it is being rung. Raises LegGone.
        """
        with contextlib.suppress(AriError):
            found = await self.ari.channels.getChannelVar(
                channelId=caller.id, variable="FIL_RELAYED"
            )
            return found.value or None
        return None

    async def forget_talk(self, call_id: str) -> bool:
        """Destroy a call's talk bridge; False when there is none."""
        return await self._forget(talk_bridge(call_id))

    async def forget_aside(self, call_id: str) -> None:
        """Destroy the bridges of those who were set aside."""
        await self._forget(consult_bridge(call_id))
        await self._forget(held_bridge(call_id))

    async def _forget(self, bridge_id: str) -> bool:
        with contextlib.suppress(AriError):
            await self._insist(
                lambda: self.ari.bridges.destroy(bridgeId=bridge_id, seconds_max=OBEYED_SECONDS_MAX)
            )
            return True
        return False

    async def forget_last_talk(self, call_id: str) -> None:
        """Destroy the talk bridge of a call that is over; never before.

        Of a bridge that is destroyed as somebody leaves it the engine may keep the name for ever:
        it refuses a second one of that name, and knows of none. So each talk of a call is in the
        same.

        The caller may have left as it was being made: it may appear a moment later.
        """
        if not await self.forget_talk(call_id):
            await asyncio.sleep(UNBORN_SECONDS)
            await self.forget_talk(call_id)

    async def tell_on_call(self, phones: Iterable[str]) -> None:
        """Tell the engine whom to ring when we cannot: in its memory, and on disk for later."""
        wanted = list(phones) or [p for p in self._settings.on_call.split("&") if p]
        value = "&".join(wanted)
        async with self._on_call_lock:
            # Every presence passes here, and few of them change who is on call.
            if value != self._on_call_written:
                try:
                    write_on_call(self._settings, wanted)
                    self._on_call_written = value
                except OSError as error:  # a full disk costs the list, not the line
                    log.error("on_call.not_written", extra={"error": type(error).__name__})
            if value == self._on_call or not self.ari.connected:
                return
            try:
                await self.ari.asterisk.setGlobalVar(variable="FIL_ON_CALL", value=value)
                self._on_call = value
            except AriError as error:
                log.warning("on_call.not_told", extra={"status": str(error)})
