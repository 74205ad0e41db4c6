"""The caller's leg: what a flow walks on, where it belongs, and the lease that protects it.

Where the caller is and what they hear is the engine's to know: this follows what it tells,
and says when that is not what we want (``astray``).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from asyncio import FIRST_COMPLETED
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Literal, TypeVar

from cti import clock
from cti.asterisk import ari_models as events
from cti.asterisk.ari import Ari, AriError, AriTimeout, EngineAway, LegGone
from cti.asterisk.legs import ChannelLeg
from ivr.leg import ALL_KEYS, DANGER_ALONE_SECONDS, DangerPressed

log = logging.getLogger("fil.legs")

IN_PLACE_SECONDS_MAX = 1.0  # a prompt waits so long for its caller
OBEYED_LATE_SECONDS_MAX = 60.0  # what was asked in vain comes by then, or never
LEASE_SECONDS = 30  # how long the engine leaves a caller with a silent controller
LEASE_RENEWED_EVERY_SECONDS = 10.0
BACK_IN_APP_SECONDS_MAX = 2.0  # from a redirect to being claimed again: perhaps in silence
ASKED_EVERY_SECONDS = 1.0  # out of our hands, a caller may leave unheard: the engine is asked
PLAY_TRIES_MAX = 3  # two seconds apart
Seconds = Callable[[str, str], float | None]  # (language, prompt) -> how long it is
Changed = Literal["language", "told", "danger"]
T = TypeVar("T")
WAITING = "line-"  # how the names of the waiting lines' bridges begin


def waiting_bridge(line: str) -> str:
    """The holding bridge of a waiting line: music for each caller in it."""
    return f"{WAITING}{line}"


def is_waiting(bridge_id: str | None) -> bool:
    """Whether a bridge is a waiting line's."""
    return bridge_id is not None and bridge_id.startswith(WAITING)


class CallerLeg(ChannelLeg):
    """The caller's leg: what a flow walks on (``ivr.leg.Leg``), and the lease that protects it."""

    def __init__(
        self, ari: Ari, channel_id: str, name: str, seconds: Seconds, language: str
    ) -> None:
        super().__init__(ari, channel_id, name)
        self.language = language
        self.told: dict[str, str] = {}
        self.in_danger = False
        self.danger_key: str | None = None  # listened to while a flow is walked
        self._danger_pressed = asyncio.Event()
        self.changed: Callable[[Changed], None] = lambda _: None  # the call hears of it
        self.key_heard: Callable[[str], None] = lambda _: None  # likewise, of each key
        self.greeted = False  # by the dialplan, or in a life before: nothing whole is said again
        self._said_whole: set[str] = set()  # the line's name and legal notice: once in a call
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
        await self._unless_danger(self._play(prompt, whole))

    async def _play(self, prompt: str, whole: bool) -> None:
        if whole and (self.greeted or prompt in self._said_whole):
            return
        seconds = self._seconds(self.language, prompt)
        if seconds is None:
            log.error("prompt.missing", extra={"prompt": prompt, "language": self.language})
            return
        if whole:
            self._said_whole.add(prompt)
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

    async def ask(
        self, prompt: str, keys: str, seconds_max: float, whole: bool = False
    ) -> str | None:
        """Play a prompt and wait for one of ``keys`` (``ivr.leg.Leg.ask``)."""
        return await self._unless_danger(self._ask(prompt, keys, seconds_max, whole))

    async def _ask(self, prompt: str, keys: str, seconds_max: float, whole: bool) -> str | None:
        while not self.keys.empty():
            self.keys.get_nowait()  # what was pressed before the question answers nothing
        asked = asyncio.ensure_future(self._key_among(keys))
        spoken = asyncio.ensure_future(self._play(prompt, whole))
        try:
            await asyncio.wait({spoken} if whole else {asked, spoken}, return_when=FIRST_COMPLETED)
            if spoken.done():
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

    async def gather(self, prompt: str, keys_max: int, seconds_max: float) -> str:
        """Play a prompt and return the keys pressed (``ivr.leg.Leg.gather``)."""
        danger, self.danger_key = self.danger_key, None  # here it may be the first of several
        pressed, key = "", await self.ask(prompt, ALL_KEYS, seconds_max)
        while key is not None and key != "#":
            pressed += key
            if len(pressed) == keys_max:
                break
            key = await self._next_key(DANGER_ALONE_SECONDS if pressed == danger else seconds_max)
        if danger is not None and pressed == danger:
            raise DangerPressed
        return pressed

    async def _next_key(self, seconds_max: float) -> str | None:
        try:
            async with asyncio.timeout(seconds_max):
                return await self.keys.get()
        except TimeoutError:
            self._refuse_gone()
            return None

    async def rest(self, seconds: float) -> None:
        """Leave the caller with the music of their line (``ivr.leg.Leg.rest``)."""
        await self._unless_danger(asyncio.sleep(seconds))

    async def _unless_danger(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something, or less of it: raises DangerPressed as soon as that key is pressed."""
        if self.danger_key is None:  # in no flow, or that key is being gathered
            return await work
        doing = asyncio.ensure_future(work)
        pressed = asyncio.ensure_future(self._danger_pressed.wait())
        try:
            await asyncio.wait({doing, pressed}, return_when=FIRST_COMPLETED)
            if doing.done():
                return await doing
            self._danger_pressed.clear()
            await self.stop_playing()
            raise DangerPressed
        finally:
            doing.cancel()
            pressed.cancel()

    def _key_pressed(self, key: str) -> None:
        self.key_heard(key)
        if key == self.danger_key:
            self._danger_pressed.set()
        else:
            super()._key_pressed(key)

    async def set_language(self, language: str) -> None:
        """Have later prompts heard in another language (``ivr.leg.Leg.set_language``)."""
        self.language = language
        self.changed("language")

    async def tell(self, name: str, value: str) -> None:
        """Note something the caller told (``ivr.leg.Leg.tell``)."""
        self.told[name] = value
        self.changed("told")

    async def tell_danger(self) -> None:
        """The caller is in danger now (``ivr.leg.Leg.tell_danger``)."""
        self.in_danger = True
        self.changed("danger")

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
