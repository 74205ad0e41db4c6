"""One phone line inside a call, as the rest of the house sees it: its sound, its keys, its end.

A leg's listener turns the engine's events into plain state and never waits for a
command, so that its mailbox cannot fill. Nothing here decides anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from cti import clock
from cti.asterisk import ari_models as events
from cti.asterisk.ari import Ari, AriError, AriTimeout, EngineAway, LegGone, MailboxClosed
from ivr.leg import HungUp

log = logging.getLogger("fil.legs")

KEYS_KEPT_MAX = 32  # a held key or a storm of them fills no memory
PLAYBACK_SPARE_SECONDS = 5.0  # a prompt that has not ended by then never will
IN_PLACE_SECONDS_MAX = 1.0  # a prompt waits so long for its caller
OBEYED_LATE_SECONDS_MAX = 60.0  # what was asked in vain comes by then, or never
LEASE_SECONDS = 30  # how long the engine leaves a caller with a silent controller
LEASE_RENEWED_EVERY_SECONDS = 10.0
BACK_IN_APP_SECONDS_MAX = 2.0  # from a redirect to being claimed again: perhaps in silence
CAUSE_SECONDS_MAX = 0.5  # from a leg's end to the engine saying why
ALONE_SECONDS_MIN = 15.0  # so long after losing us the dialplan may end a call by itself
ASKED_EVERY_SECONDS = 1.0  # out of our hands, a caller may leave unheard: the engine is asked
# Prompts of a leg bear these numbers in turn, so that a restart can stop the one that plays.
PROMPT_NUMBERS = 4
SHUTDOWN = 4  # in a "soft" hang-up request, the cause is the engine's own reason: it stops
PLAY_TRIES_MAX = 3  # two seconds apart
WAITING = "line-"  # how the names of the waiting lines' bridges begin
Seconds = Callable[[str, str], float | None]  # (language, prompt) -> how long it is


def waiting_bridge(line: str) -> str:
    """The holding bridge of a waiting line: music for each caller in it."""
    return f"{WAITING}{line}"


def is_waiting(bridge_id: str | None) -> bool:
    """Whether a bridge is a waiting line's."""
    return bridge_id is not None and bridge_id.startswith(WAITING)


class ChannelLeg:
    """A channel of the engine with a role in a call. Open it before the channel exists."""

    def __init__(self, ari: Ari, channel_id: str, name: str = "") -> None:
        self.id = channel_id
        self.name = name  # the engine's name, known once the channel exists
        self.gone = asyncio.Event()
        self.cause_known = asyncio.Event()  # an agent's leg: a moment after it is gone
        self.in_app = asyncio.Event()  # the channel is ours to command (for an agent: answered)
        self.gone_at: datetime | None = None
        self.ended_unseen = False  # nobody told how, and it was not ours
        self.cause: int | None = None
        self.tech_cause: int | None = None
        self.offered_as = ""  # the dialplan's word: first, again (it has greeted), peer-gone
        self.lost = False  # its phone vanished: what ends it is no hang-up
        self.engine_stopped = False  # nobody hung up: the engine ended every call
        self.unheard = False  # it ended while the wire was lost: nobody told us how
        self.entries = 0  # how often the channel has come into our hands
        self.entered = asyncio.Event()  # it did once more
        self._entered_at: datetime | None = None  # by the engine's clock
        self.ordered: asyncio.Future[Any] | None = None  # an agent's leg: the order to ring it
        self.owns = False  # an agent's leg: the engine rescues its caller when it ends
        self.keys: asyncio.Queue[str] = asyncio.Queue(KEYS_KEPT_MAX)
        self._ari = ari
        self._mailbox = ari.open_mailbox(channel_id)
        self._playing: tuple[str, asyncio.Event, asyncio.Future[Any]] | None = None
        self._prompts = itertools.cycle(range(PROMPT_NUMBERS))

    async def listen(self) -> None:
        """Follow the channel until all is known of its end. Raises MailboxOverflow."""
        with contextlib.suppress(MailboxClosed):
            while not self.cause_known.is_set():
                self._take_in(await self._mailbox.get())
        self._mailbox.close()

    def close(self) -> None:
        """Stop following a channel that is no longer, or never was, ours."""
        self._mailbox.close()

    def mark_gone(self, cause: int | None, at: datetime | None = None) -> None:
        """The channel is ending, or has ended."""
        if not self.gone.is_set():
            self.cause = cause
            self.gone_at = at or clock.now()
            # The dialplan had them, and tells nobody whether they left or it ended the call.
            alone = self._ari.absent_seconds() > ALONE_SECONDS_MIN
            self.ended_unseen = at is None and (alone or not self.in_app.is_set())
            self.gone.set()
            self._playback_ended(None)

    def _take_in(self, event: object) -> None:
        match event:
            case events.StasisStart(timestamp=at) if at == self._entered_at:
                pass  # told twice: what has been done since must not be undone
            case events.StasisStart(channel=channel, args=args, timestamp=at):
                self._entered_at = at
                self.name = channel.name
                self.offered_as = args[0] if args else ""
                self.entries += 1
                self.entered.set()
                self.in_app.set()
            case events.StasisEnd():
                self.in_app.clear()
            case events.ChannelHangupRequest(cause=cause, soft=soft, timestamp=at):
                self.engine_stopped |= bool(soft) and cause == SHUTDOWN
                self.mark_gone(cause, at)
            case events.ChannelDestroyed(cause=cause, tech_cause=tech_cause, timestamp=at):
                self.mark_gone(cause, at)
                # The request above says 1 where this says 44 (no more sound arrived).
                self.cause, self.tech_cause = cause, tech_cause
                self.cause_known.set()
            case events.ChannelDtmfReceived(digit=digit):
                with contextlib.suppress(asyncio.QueueFull):
                    self.keys.put_nowait(digit)
            case events.PlaybackFinished(playback=playback):
                self._playback_ended(playback.id)
            case _:
                pass

    def _playback_ended(self, playback_id: str | None) -> None:
        if self._playing and playback_id in (None, self._playing[0]):
            self._playing[1].set()
            self._playing = None

    # -- sound -----------------------------------------------------------------

    @property
    def playing(self) -> bool:
        """Whether a prompt is being played to this leg."""
        return self._playing is not None

    async def quiet(self) -> None:
        """Wait until no prompt is being played to this leg."""
        while self._playing is not None:
            await self._playing[1].wait()

    async def play_file(self, media: str, seconds: float, once: bool = False) -> bool:
        """Play a sound; returns at its end, or when it is overdue. A failure is logged.

        False when nothing was heard: the engine refused, or never got to it. ``once``: better
        not heard than heard twice. Raises HungUp.
        """
        taken = answered = True
        self._refuse_gone()
        playback_id = self._prompt_id(next(self._prompts))
        ended = asyncio.Event()
        asked = asyncio.ensure_future(
            self._ari.channels.playWithId(
                channelId=self.id, playbackId=playback_id, media=f"sound:{media}"
            )
        )
        asked.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._playback_ended(None)  # a prompt before, should nobody have told of its end
        # Still set when we are cancelled here: whoever cancels must stop it (stop_playing).
        self._playing = (playback_id, ended, asked)
        try:
            try:
                # Shielded: half asked for, a prompt would play without our knowing.
                await asyncio.shield(asked)
            except AriTimeout:
                answered = False  # and perhaps heard: let it end
            async with asyncio.timeout(seconds + PLAYBACK_SPARE_SECONDS):
                await ended.wait()
        except TimeoutError:
            log.warning("prompt.overdue", extra={"leg": self.id})
            # One that the engine neither promised nor knows was hardly heard.
            taken = await self._stop(playback_id) or answered or once
            self._playback_ended(playback_id)
        except LegGone:
            self.mark_gone(None)
        except AriError as error:
            log.warning("prompt.not_played", extra={"leg": self.id, "status": str(error)})
            self._playback_ended(playback_id)
            taken = False
        self._refuse_gone()
        return taken

    async def stop_playing(self, seconds_max: float = 1.0) -> None:
        """Stop the prompt, if any; returns when the engine says it has ended, or should have.

        Nothing else may be asked of a channel that plays: such commands would block.
        """
        if self._playing is None:
            return
        playback_id, ended, asked = self._playing
        await asyncio.wait({asked})  # a stop that overtook its prompt would stop nothing
        await self._stop(playback_id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds_max):
                await ended.wait()
        self._playback_ended(playback_id)  # should word of it be lost, nobody waits for it

    async def stop_what_plays(self) -> None:
        """Stop a prompt that a process before us began."""
        for number in range(PROMPT_NUMBERS):
            await self._stop(self._prompt_id(number))

    def _prompt_id(self, number: int) -> str:
        return f"prompt-{self.id}-{number}"

    async def _stop(self, playback_id: str) -> bool:
        """Stop a prompt; False when it had ended, or never began."""
        try:
            await self._ari.playbacks.stop(playbackId=playback_id)
        except (AriError, LegGone):
            self._playback_ended(playback_id)
            return False
        return True

    def _refuse_gone(self) -> None:
        if self.gone.is_set():
            raise HungUp(self.cause)

    async def still_there(self) -> bool:
        """Ask the engine whether the channel exists; one that does not is gone."""
        try:
            await self._ari.channels.get(channelId=self.id)
        except LegGone:
            self.mark_gone(None)
        except AriError as error:
            log.warning("leg.not_asked_for", extra={"leg": self.id, "status": str(error)})
        return not self.gone.is_set()

    async def end_explained(self) -> None:
        """Wait, not for long, until the engine has said why this leg ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CAUSE_SECONDS_MAX):
                await self.cause_known.wait()

    async def until_gone(self) -> None:
        """Wait for the end of the leg, then raise HungUp."""
        await self.gone.wait()
        raise HungUp(self.cause)


class CallerLeg(ChannelLeg):
    """The caller's leg: what a flow walks on (``ivr.leg.Leg``), and the lease that protects it."""

    def __init__(
        self, ari: Ari, channel_id: str, name: str, seconds: Seconds, language: str = "fr"
    ) -> None:
        super().__init__(ari, channel_id, name)
        self.language = language
        self.language_changed: Callable[[str], None] = lambda _: None
        self.greeted = False  # the line's name and legal notice are heard once in a call
        self.whole_until = asyncio.Event()  # clear while a prompt plays that no answer cuts
        self.whole_until.set()
        self._seconds = seconds
        self._lease_ends = clock.monotonic() + LEASE_SECONDS  # the dialplan gave it
        self._leased = True
        self.place: str | None = None  # the bridge they belong in
        self.bridge: str | None = None  # the one they are in
        self.bridge_known = False  # whether that is certain: not of a leg of an earlier life
        self.astray = asyncio.Event()  # not where they belong, or there without its music
        self.moving = asyncio.Lock()
        self.dialplan_music = True  # perhaps: it ends in a waiting bridge
        self.asked_music = True  # perhaps: music of their own, that we asked for
        self.unsettled_until = 0.0  # monotonic: see unsettle()
        self._comings: Counter[str] = Counter()  # into each bridge, as told
        self._last_bridge: str | None = None  # since they came into our hands
        self._bridge_told = asyncio.Event()

    def _take_in(self, event: object) -> None:
        entries = self.entries
        super()._take_in(event)
        match event:
            case events.StasisStart() if self.entries > entries:
                self._in_no_bridge()
                self._bridge_told.set()
                if self.place is not None:
                    self.astray.set()  # whatever brought them out of it
            case events.StasisEnd():
                self._in_no_bridge()
            case events.ChannelLeftBridge(bridge=left):
                self._last_bridge = left.id
                if left.id == self.bridge:
                    self.bridge, self.bridge_known = None, True
                if left.id == self.place:
                    self.astray.set()
            case events.ChannelEnteredBridge(bridge=entered):
                self._came_into(entered.id)
            case _:
                pass

    # -- where they are --------------------------------------------------------

    def _in_no_bridge(self) -> None:
        self.bridge, self.bridge_known, self._last_bridge = None, True, None
        self.dialplan_music, self.asked_music = True, False

    def _came_into(self, bridge_id: str) -> None:
        """A command may be obeyed late, and twice: they may come where nobody wants them.

        Who comes into a waiting bridge out of one, be it the same, hears nothing more.
        """
        unheard = is_waiting(bridge_id) and is_waiting(self._last_bridge)
        if bridge_id == self.place and not unheard:
            self.astray.clear()
        else:
            self.astray.set()
        if is_waiting(bridge_id):
            self.dialplan_music = False
        self.bridge = self._last_bridge = bridge_id
        self.bridge_known = True
        self._comings[bridge_id] += 1
        self._bridge_told.set()

    def found_in(self, bridge_id: str | None) -> None:
        """What the engine answers when asked; who knows how they came there."""
        if not self.bridge_known or not self.place == self.bridge == bridge_id:
            self.astray.set()
        self.bridge, self.bridge_known = bridge_id, True

    async def told_in(self, bridge_id: str, seconds_max: float) -> bool:
        """Wait, not for long, until the engine has told that they are in this bridge."""
        return await self._told(lambda: self.bridge_known and self.bridge == bridge_id, seconds_max)

    def comings(self, bridge_id: str) -> tuple[int, int]:
        """How often they came into this bridge, and out of the dialplan, as told so far."""
        return self._comings[bridge_id], self.entries

    async def told_of_coming(
        self, bridge_id: str, before: tuple[int, int], seconds_max: float
    ) -> bool:
        """Wait, not for long, for word of a coming since ``before``: what is told then is true.

        They may have left again, even the application, without having been told to come.
        """
        return await self._told(lambda: self.comings(bridge_id) != before, seconds_max)

    async def _told(self, is_told: Callable[[], bool], seconds_max: float) -> bool:
        until = clock.monotonic() + seconds_max
        while not is_told():
            self._bridge_told.clear()
            left = until - clock.monotonic()
            if left <= 0 or not await _either(self._bridge_told, self.gone, left):
                return False
            if self.gone.is_set():
                return False
        return True

    async def _in_place(self) -> None:
        """Wait, not for long, until they are where they belong, with its music.

        It must be there when a prompt ends: by then we may be hung, or no more.
        """
        until = clock.monotonic() + IN_PLACE_SECONDS_MAX
        while self.astray.is_set() and clock.monotonic() < until:  # noqa: ASYNC110 -- an event has no end to wait for
            await asyncio.sleep(0.02)

    # -- what they hear --------------------------------------------------------

    async def play(self, prompt: str, whole: bool = False) -> None:
        """Play a prompt of the catalogue (``ivr.leg.Leg.play``)."""
        if whole and self.greeted:
            return
        self.greeted = self.greeted or whole
        seconds = self._seconds(self.language, prompt)
        if seconds is None:
            log.error("prompt.missing", extra={"prompt": prompt, "language": self.language})
            return
        if whole:
            self.whole_until.clear()
        try:
            for _ in range(PLAY_TRIES_MAX):
                entries = self.entries
                await self.in_our_hands()
                # A prompt blocks every later lease command: the lease must outlast it.
                await self.cover(seconds + LEASE_SECONDS / 2)
                await self._in_place()
                async with self.moving:
                    pass  # it would block whoever is putting them somewhere
                if await self.play_file(f"/sounds/{self.language}/{prompt}", seconds, once=whole):
                    return
                # Mostly the dialplan has them, and speaks; a goodbye must not be lost on them.
                await self.moved(entries)
        finally:
            if whole:
                self.whole_until.set()

    async def ask(self, prompt: str, keys: str, seconds_max: float) -> str | None:
        """Play a prompt and wait for one of ``keys`` (``ivr.leg.Leg.ask``)."""
        while not self.keys.empty():
            self.keys.get_nowait()  # what was pressed before the question answers nothing
        asked = asyncio.ensure_future(self._key_among(keys))
        spoken = asyncio.ensure_future(self.play(prompt))
        try:
            await asyncio.wait({asked, spoken}, return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                await spoken
                await asyncio.wait({asked}, timeout=seconds_max)
            else:
                await self.stop_playing()
            self._refuse_gone()
            return asked.result() if asked.done() else None
        finally:
            asked.cancel()
            spoken.cancel()

    async def _key_among(self, keys: str) -> str:
        while True:
            key = await self.keys.get()
            if key in keys:
                return key

    async def set_language(self, language: str) -> None:
        """Have later prompts heard in another language (``ivr.leg.Leg.set_language``)."""
        self.language = language
        self.language_changed(language)

    # -- the lease -------------------------------------------------------------

    async def cover(self, seconds: float) -> None:
        """Make sure that the lease lasts at least ``seconds`` more. The leg must not be playing."""
        if not self._leased or self._lease_ends - clock.monotonic() < seconds:
            await self.lease(seconds + LEASE_SECONDS / 2)

    async def lease(self, seconds: float) -> None:
        """Have the engine take the caller back after ``seconds`` without news; 0: never.

        The leg must not be playing.
        """
        self._leased = seconds > 0
        self._lease_ends = clock.monotonic() + seconds
        try:
            await self._ari.channels.setChannelVar(
                channelId=self.id, variable="TIMEOUT(absolute)", value=str(round(seconds))
            )
        except asyncio.CancelledError:
            self.unsettle()  # on its way, it may overtake the lease that is given next
            raise
        except LegGone:
            self.mark_gone(None)
        except AriError as error:
            log.warning("lease.not_set", extra={"leg": self.id, "status": str(error)})
            self.lease_unknown()
            if isinstance(error, AriTimeout | EngineAway):
                self.unsettle()

    def lease_unknown(self) -> None:
        """The engine may take the caller back at any moment: the next occasion renews the lease."""
        self._leased, self._lease_ends = True, clock.monotonic()

    def unsettle(self) -> None:
        """A command about this caller was not answered: it may be obeyed as late as a minute.

        Until then, what should be true of their music, owner and lease is said again.
        """
        self.unsettled_until = clock.monotonic() + OBEYED_LATE_SECONDS_MAX
        self.astray.set()

    @contextlib.contextmanager
    def unsettled_by(self) -> Iterator[None]:
        """For commands about this caller that do harm when they are obeyed late."""
        try:
            yield
        except (AriTimeout, EngineAway):
            self.unsettle()
            raise

    async def keep_lease(self) -> None:
        """Renew the lease for ever, except while something plays or in a conversation."""
        while True:
            await asyncio.sleep(LEASE_RENEWED_EVERY_SECONDS)
            if not self.in_app.is_set():
                await self._ask_after()
            elif self._leased and not self.playing:
                await self.lease(LEASE_SECONDS)

    async def _ask_after(self) -> None:
        # Out of step, the coming look at the engine says more: that it had been restarted, perhaps.
        if self._ari.in_step.is_set():
            await self.still_there()

    async def in_our_hands(self) -> None:
        """Wait until the caller is ours to command; meanwhile the dialplan cares for them.

        Raises HungUp when they are gone instead.
        """
        while not self.in_app.is_set() and not self.gone.is_set():
            if not await _either(self.in_app, self.gone, ASKED_EVERY_SECONDS):
                await self._ask_after()
        self._refuse_gone()

    async def moved(self, entries_before: int) -> None:
        """Wait until the engine has handed the caller back to us after moving them.

        ``entries_before``: how often they had come before. An engine that did not move
        them after all costs two seconds. Raises HungUp.
        """
        until = clock.monotonic() + BACK_IN_APP_SECONDS_MAX
        while self.entries <= entries_before and clock.monotonic() < until:
            self.entered.clear()
            if not await _either(self.entered, self.gone, ASKED_EVERY_SECONDS):
                await self._ask_after()
            self._refuse_gone()
        await self.in_our_hands()


async def _either(one: asyncio.Event, other: asyncio.Event, seconds_max: float | None) -> bool:
    """Wait for one of two events; False when neither came in time."""
    waits = {asyncio.ensure_future(one.wait()), asyncio.ensure_future(other.wait())}
    try:
        done, _ = await asyncio.wait(
            waits, timeout=seconds_max, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for wait in waits:
            wait.cancel()
    return bool(done)
