"""One phone line inside a call, as the rest of the house sees it: its sound, its keys, its end.

A leg's listener turns the engine's events into plain state and never waits for a
command, so that its mailbox cannot fill. Nothing here decides anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from datetime import datetime
from typing import Any

from cti import clock
from cti.asterisk import ari_models as events
from cti.asterisk.ari import Ari, AriError, AriTimeout, LegGone, MailboxClosed
from ivr.leg import HungUp

log = logging.getLogger("fil.legs")

KEYS_KEPT_MAX = 32  # a held key or a storm of them fills no memory
PLAYBACK_SPARE_SECONDS = 5.0  # a prompt that has not ended by then never will
CAUSE_SECONDS_MAX = 0.5  # from a leg's end to the engine saying why
ALONE_SECONDS_MIN = 15.0  # so long after losing us the dialplan may end a call by itself
# Prompts of a leg bear these numbers in turn, so that a restart can stop the one that plays.
PROMPT_NUMBERS = 4
SHUTDOWN = 4  # in a "soft" hang-up request, the cause is the engine's own reason: it stops


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
        self.speaking = False  # as told, once the engine was asked to listen for a voice
        self.voice_at: float | None = None  # monotonic seconds; when a voice was last told of
        self._ari = ari
        self._mailbox = ari.open_mailbox(channel_id)
        self._playing: tuple[str, asyncio.Event, asyncio.Future[Any]] | None = None
        self._prompts = itertools.cycle(range(PROMPT_NUMBERS))

    @property
    def over_trunk(self) -> bool:
        """Whether it is a telephone outside, of which no registration tells that it is there."""
        return self.name.startswith("PJSIP/trunk-")

    def comes_in(self) -> None:
        """The channel is up and in our hands, as the engine told or as we found it."""
        self.in_app.set()

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
                self.comes_in()
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
                self._key_pressed(digit)
            case events.PlaybackFinished(playback=playback):
                self._playback_ended(playback.id)
            case events.ChannelTalkingStarted():
                self.speaking, self.voice_at = True, clock.monotonic()
            case events.ChannelTalkingFinished():  # of a voice that began before us, too
                self.speaking, self.voice_at = False, clock.monotonic()
            case _:
                pass

    def _key_pressed(self, key: str) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self.keys.put_nowait(key)

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
