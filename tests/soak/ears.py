"""What each phone of the soak hears, five times a second, written down as evidence.

A phone's voice is one tone, so a voice says whose it is. Anything else that sounds is a
prompt or music: prompts are louder, and have the high sounds that the music lacks.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque

import numpy as np

from cti.rehearsal.phone import PhoneCall
from cti.rehearsal.sound import RATE, Samples
from tests.soak.evidence import SAMPLE_SECONDS, Evidence

WINDOW = round(SAMPLE_SECONDS * RATE)
HANN = np.hanning(WINDOW)
HZ_PER_BIN = RATE / WINDOW  # 5 Hz; every tone of the soak stands on a bin
LOUD_POWER = 10 ** (-50 / 10)
TONE_DBFS_MIN, TONE_DBFS_MAX = -14.5, -9.5  # phones speak at -12; no prompt holds a note so loud
VOICE_DBFS_MIN = -20.5  # no 0.2 s of the music is so loud
VOICE_HIGH_MIN = 0.006  # of the power above 1500 Hz; the music has half of that at most
VOICE_WINDOWS = 6  # a voice pauses for a second between two sentences
READ_LATE_SECONDS = 0.1  # packets that came but were not yet read
SILENCE_SECONDS_MIN = 0.5
SAMPLES_A_LINE = 5


class Ear:
    """One call's ear. ``now`` is what was heard last: (kind, whose tones)."""

    def __init__(self, call: PhoneCall, tones: dict[int, str], evidence: Evidence) -> None:
        self.call = call
        self.kind, self.tones = "silence", ()
        self._bins, self._tones, self._evidence = list(tones), tones, evidence
        self._next = 0.0
        self._line_at = 0.0
        self._line: list[tuple[float, tuple[str, ...], str, int]] = []
        self._recent: deque[bool] = deque(maxlen=VOICE_WINDOWS)
        self._silent_since: float | None = None
        self._last_packet = 0.0

    @property
    def silent_seconds(self) -> float:
        return 0.0 if self._silent_since is None else self._next - self._silent_since

    def listen(self, now: float) -> None:
        """Note what was heard up to a moment ago."""
        if self.call.answered_at is None:
            return
        if not self._next:
            self._next = self._line_at = self._silent_since = self.call.answered_at
            self._last_packet = self.call.answered_at
        ended = self.call.ended_at
        until = min(now - READ_LATE_SECONDS, ended if ended is not None else math.inf)
        while self._next + SAMPLE_SECONDS <= until:
            self._sample(self.call.heard(self._next, self._next + SAMPLE_SECONDS))
            self._next += SAMPLE_SECONDS

    def _sample(self, sound: Samples) -> None:
        self._follow_silence(sound)
        spectrum = np.abs(np.fft.rfft(sound * HANN))
        power = spectrum**2
        rms = 10 * math.log10(float(np.mean(sound**2)) + 1e-12)
        levels = 20 * np.log10(2 * spectrum[self._bins] / HANN.sum() + 1e-12)
        self.tones = tuple(
            self._tones[b]
            for b, level in zip(self._bins, levels, strict=True)
            if TONE_DBFS_MIN <= level <= TONE_DBFS_MAX
        )
        high = float(power[int(1500 / HZ_PER_BIN) :].sum() / (power.sum() + 1e-12))
        sounds = rms > -50
        self._recent.append(sounds and (rms > VOICE_DBFS_MIN or high > VOICE_HIGH_MIN))
        if self.tones:
            self.kind = "tone"
            self._recent.clear()
        elif not sounds:
            self.kind = "silence"
        else:
            self.kind = "voice" if any(self._recent) else "music"
        self._line.append((round(rms), self.tones, self.kind, self._gap_ms()))
        if len(self._line) == SAMPLES_A_LINE:
            self.flush()

    def _follow_silence(self, sound: Samples) -> None:
        """Silence to within 20 ms, whatever the samples' own edges."""
        frames = np.mean(sound.reshape(-1, WINDOW // 10) ** 2, axis=1) > LOUD_POWER
        for place, loud in enumerate(frames):
            at = self._next + place * SAMPLE_SECONDS / 10
            if loud and self._silent_since is not None:
                self._end_silence(at)
            elif not loud and self._silent_since is None:
                self._silent_since = at

    def _end_silence(self, at: float) -> None:
        assert self._silent_since is not None
        if at - self._silent_since >= SILENCE_SECONDS_MIN:
            self._evidence.write("silence", self._silent_since, call=self.call.call_id, to=at)
        self._silent_since = None

    def _gap_ms(self) -> int:
        """The longest wait between two packets that have come since the last sample."""
        longest = 0.0
        last = self._last_packet
        for packet in self.call._sound.received.between(last + 1e-6, math.inf):
            longest = max(longest, packet.arrival - last)
            last = packet.arrival
        if last == self._last_packet:  # none: the wait so far
            longest = self._next + SAMPLE_SECONDS - last
        self._last_packet = last
        return round(longest * 1000)

    def flush(self) -> None:
        if self._line:
            line = [(rms, list(tones), kind, gap) for rms, tones, kind, gap in self._line]
            self._evidence.write("heard", self._line_at, call=self.call.call_id, s=line)
        self._line_at = self._next + SAMPLE_SECONDS
        self._line = []

    def close(self) -> None:
        """The call is over: write what is left."""
        self.listen(math.inf)
        if self._line:
            self._line_at = self._next - len(self._line) * SAMPLE_SECONDS
        self.flush()
        if self._silent_since is not None and self.call.ended_at is not None:
            self._end_silence(max(self.call.ended_at, self._silent_since))


class Ears:
    """Every ear of the soak, listening in one task."""

    def __init__(self, tones: dict[int, str], evidence: Evidence) -> None:
        self._tones = {round(hz / HZ_PER_BIN): who for hz, who in tones.items()}
        self._evidence = evidence
        self._open: set[Ear] = set()

    def open(self, call: PhoneCall) -> Ear:
        ear = Ear(call, self._tones, self._evidence)
        self._open.add(ear)
        return ear

    def close(self, ear: Ear) -> None:
        self._open.discard(ear)
        ear.close()

    async def run(self) -> None:
        """Listen until cancelled; note when this process itself was late."""
        cpu, cpu_at = time.process_time(), time.monotonic()
        due = time.monotonic()
        while True:
            for ear in list(self._open):
                ear.listen(time.monotonic())
                await asyncio.sleep(0)  # the phones' own packets come first
            due += SAMPLE_SECONDS
            now = time.monotonic()
            if now - due > SAMPLE_SECONDS:
                self._evidence.write("late", seconds=round(now - due, 3))
                due = now
            if now - cpu_at >= 5:
                used = (time.process_time() - cpu) / (now - cpu_at)
                self._evidence.write("load", cpu=round(used, 3), ears=len(self._open))
                self._evidence.clock()
                cpu, cpu_at = time.process_time(), now
            await asyncio.sleep(max(0.0, due - now))
