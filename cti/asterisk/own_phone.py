"""The leg of an agent's own telephone: a voicemail may pick it up, so only the key 1 makes it ours.

Picking up is not accepting: until 1 is pressed nobody is told of an answer, and anything
else (another key, silence, a greeting with tones in it) is none. Keys are the engine's
RFC 4733 events alone: sounds that only resemble keys never are.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

from cti.asterisk import ari_models as events
from cti.asterisk.ari import Ari
from cti.asterisk.legs import ChannelLeg
from ivr.leg import HungUp

ACCEPTED = "1"
ASKED_TIMES_MAX = 2
KEY_SECONDS_MAX = 3.0  # of silence after each time
RUNG_SECONDS_MAX = 12.0  # a mobile is looked for in the whole country before it rings
RUNG_SHARE_MAX = 0.6  # of the time that a phone may ring

# What the operator's answer means (SIP). 4xx of other kinds, 5xx and silence: it serves nobody.
_BUSY = frozenset({486, 600})
_DECLINED = frozenset({603, 607})
_UNKNOWN = frozenset({404, 410, 484, 604})  # no such number, or no longer
_UNANSWERED = frozenset({408, 480, 487})

Refusal = Literal["missed", "phone_busy", "declined", "phone_unreachable", "trunk_dead"]


class OwnPhoneLeg(ChannelLeg):
    """A telephone outside that rings for an agent: ``in_app`` once they have pressed 1."""

    def __init__(self, ari: Ari, channel_id: str) -> None:
        super().__init__(ari, channel_id)
        self.rung = asyncio.Event()  # the operator has said that it rings, or more
        self.picked_up = asyncio.Event()  # by somebody, or by a machine
        self.accepted = False

    def comes_in(self) -> None:
        """Somebody picked up; it is the agent only once they have accepted."""
        self.rung.set()
        self.picked_up.set()
        if self.accepted:
            self.in_app.set()

    def _take_in(self, event: object) -> None:
        if isinstance(event, events.Dial) and event.dialstatus in ("RINGING", "PROGRESS"):
            self.rung.set()
        super()._take_in(event)

    async def asked(self, media: str, seconds: float, ring_seconds_max: float) -> bool:
        """Wait until it is picked up and ask for a 1; True once it was pressed, and nothing else.

        False when it does not even ring in time, or ended. Nothing plays to it any more then.
        """
        with contextlib.suppress(HungUp, TimeoutError):
            async with asyncio.timeout(min(RUNG_SECONDS_MAX, ring_seconds_max * RUNG_SHARE_MAX)):
                await self._comes(self.rung)
            await self._comes(self.picked_up)
            key = await self._key(media, seconds)
            self.accepted = key == ACCEPTED and not self.gone.is_set()
        if self.accepted:
            self.comes_in()
        return self.accepted

    async def _comes(self, event: asyncio.Event) -> None:
        """Wait for something, or raise HungUp when the leg ends before it."""
        waits = {asyncio.ensure_future(one.wait()) for one in (event, self.gone)}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not event.is_set():
            self._refuse_gone()

    async def _key(self, media: str, seconds: float) -> str | None:
        """The first key pressed while they are asked, if any."""
        key = asyncio.ensure_future(self.keys.get())
        saying = asyncio.ensure_future(self._say(media, seconds))
        try:
            await asyncio.wait({key, saying}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            saying.cancel()
            key.cancel()
        await asyncio.wait({key, saying})
        await self.stop_playing()  # it may be joined to the caller at once
        return None if key.cancelled() else key.result()

    async def _say(self, media: str, seconds: float) -> None:
        with contextlib.suppress(HungUp):
            for _ in range(ASKED_TIMES_MAX):
                await self.play_file(media, seconds)
                await asyncio.sleep(KEY_SECONDS_MAX)

    def refusal(self) -> Refusal:
        """Why a leg that ended was not accepted. A dead trunk is not told as a missed ring."""
        status = self.tech_cause
        if self.picked_up.is_set():
            return "missed"
        if status in _BUSY:
            return "phone_busy"
        if status in _DECLINED:
            return "declined"
        if status in _UNKNOWN:
            return "phone_unreachable"
        if status not in _UNANSWERED and status:
            return "trunk_dead"
        return "missed" if self.rung.is_set() else "trunk_dead"
