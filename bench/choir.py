"""Scripted phones in great number: they share a few sockets and one clock, so that a hundred fit.

The phones are those of ``cti.rehearsal.phone``, with their signalling as it is. A phone
of its own wakes for each packet and costs half a hundredth of a core while it talks; here
one clock reads for all and speaks for all, every 20 ms. Nothing is lost by reading late:
the kernel says when each packet came, and all are kept and judged afterwards.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import sys
import time
from typing import Any, Self

from cti.rehearsal.phone import (
    LATE_SECONDS_MAX,
    SO_TIMESTAMPNS,
    Phone,
    PhoneCall,
    _frames,
    _read,
    _Sound,
)
from cti.rehearsal.sound import FRAME_SECONDS, Codec, tone

SOCKETS = 16  # each call's packets must fit in a socket's buffer for as long as we do not read
VOICES = 100  # callers' tones, one after the other
VOICE_HZ_FIRST, VOICE_HZ_STEP = 400, 20  # apart enough to be told in 0.2 s


class _Ear:
    """One socket, and whose packets come from which of the engine's ports."""

    def __init__(self, host: str) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((host, 0))
        if sys.platform == "linux":
            self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.sounds: dict[int, _SharedSound] = {}
        self.strangers: set[_SharedSound] = set()  # who do not know yet where they listen

    def hear(self) -> None:
        """Read all that came, for whoever it is."""
        while True:
            heard = list(_read(self.socket))
            for data, source, arrival in heard:
                sound = self.sounds.get(source[1])
                if sound is not None:
                    sound.hear(data, source[1], arrival)
                else:
                    for stranger in self.strangers:
                        stranger.hear(data, source[1], arrival)
            if not heard:
                return


class _SharedSound(_Sound):
    """The sound of one call, over a socket that others use too."""

    def __init__(self, ear: _Ear, voice: Any) -> None:
        self._ear = ear
        super().__init__("", voice, loops=True)
        ear.strangers.add(self)

    def _open(self, host: str) -> socket.socket:  # noqa: ARG002 -- the ear's is open
        return self._ear.socket

    def meet(self, offer: Any, codec: Codec) -> None:
        """The engine said where it listens: what comes from there is ours."""
        self._ear.strangers.discard(self)
        self._ear.sounds[offer.address[1]] = self
        super().meet(offer, codec)

    def close(self) -> None:
        """Hear no more."""
        self._ear.strangers.discard(self)
        if self.remote is not None and self._ear.sounds.get(self.remote[1]) is self:
            del self._ear.sounds[self.remote[1]]


class Choir:
    """What many phones share; use it with ``async with``, around them."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._ears = [_Ear(host) for _ in range(SOCKETS)]
        self._next_ear = itertools.cycle(self._ears)
        self.sounding: set[_Sound] = set()
        self.late: float = 0.0  # seconds: the most that the clock was late, hence our own doing
        self._voices: dict[float, list[bytes]] = {}
        self._playing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._playing = asyncio.create_task(self._play())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.wait({self._playing})
        for ear in self._ears:
            ear.socket.close()

    async def _play(self) -> None:
        """Every 20 ms, read what came and send what is due. For ever."""
        due = time.monotonic()
        while True:
            for ear in self._ears:
                ear.hear()
            for sound in tuple(self.sounding):
                sound.tick()
            due += FRAME_SECONDS
            now = time.monotonic()
            self.late = max(self.late, now - due)
            if now - due > LATE_SECONDS_MAX:
                due = now
            await asyncio.sleep(max(0.0, due - now))

    def voice(self, hz: float) -> list[bytes]:
        """Ten seconds of a tone as packets, made once."""
        if hz not in self._voices:
            self._voices[hz] = _frames(tone(hz, 10), "alaw")
        return self._voices[hz]

    def sound(self, hz: float) -> _Sound:
        """The sound of one more call."""
        return _SharedSound(next(self._next_ear), lambda _: self.voice(hz))


class Member(Phone):
    """A phone of the choir: an agent's."""

    def __init__(self, choir: Choir, user: str, hz: float, **phone: Any) -> None:
        super().__init__(user, **phone)
        self.choir, self.hz = choir, hz
        self._sounding = choir.sounding

    def _make_sound(self) -> _Sound:
        return self.choir.sound(self.hz)

    def _start_sounding(self, sound: _Sound) -> None:
        self.choir.sounding.add(sound)


class Crowd(Member):
    """Everybody who calls: one SIP port, but each call with a number and a tone of its own."""

    def __init__(self, choir: Choir, server: tuple[str, int]) -> None:
        super().__init__(choir, "crowd", 0, server=server)

    async def call_as(self, number: str, index: int, to: str) -> PhoneCall:
        """Dial ``to`` as the caller of that number."""
        self._from_user, self.hz = number, caller_hz(index)
        return await self.call(to)


def caller_hz(index: int) -> float:
    """The tone of the caller of that rank; it comes again after a hundred."""
    return VOICE_HZ_FIRST + VOICE_HZ_STEP * (index % VOICES)


def agent_hz(index: int) -> float:
    """The tone of an agent's phone: none of the callers' is near."""
    return VOICE_HZ_FIRST + VOICE_HZ_STEP * (VOICES + 5 + index)
