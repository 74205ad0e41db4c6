"""The sound of a scripted call: made, coded for the telephone, and measured once received.

Samples are float32 arrays between -1 and 1, 8000 a second unless said otherwise.
Two references, in dB: a level of *tone* is relative to a full-scale sine, an *RMS*
to a full-scale square wave (so that a sine of 0 dB has an RMS of -3 dBFS).
"""

from __future__ import annotations

import math
import wave
from collections import deque
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Codec = Literal["alaw", "ulaw"]

RATE = 8000  # samples a second, everywhere on the telephone
FRAME_SECONDS = 0.02
FRAME_SAMPLES = 160
SILENCE_DBFS = -120.0  # what "nothing at all" measures, instead of minus infinity
PACKETS_KEPT_MAX = 30_000  # ten minutes of one call
RESYNC_SECONDS = 0.1  # a packet this far from where its timestamp puts it starts a new stretch
OVERLAP_SECONDS_MIN = 0.25  # two sounds that share less than this are not compared

PAYLOAD_TYPES: dict[Codec, int] = {"ulaw": 0, "alaw": 8}
_CODECS: dict[int, Codec] = {number: codec for codec, number in PAYLOAD_TYPES.items()}


# --- the telephone's two codings (G.711) ---------------------------------------------


def _alaw_tables() -> tuple[NDArray[np.uint8], Samples]:
    """All of A-law: from each 16-bit sample (as uint16) to a byte, and back to a float."""
    value = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    size = np.where(value < 0, ~value, value) >> 3
    segment = np.searchsorted(0x20 * 2 ** np.arange(8) - 1, size)
    step = np.where(segment < 2, size >> 1, size >> segment) & 0xF
    encoded = (segment << 4 | step) ^ np.where(value < 0, 0x55, 0xD5)

    code = np.arange(256) ^ 0x55
    segment = (code & 0x70) >> 4
    size = ((code & 0xF) << 4) + np.where(segment == 0, 8, 0x108)
    size = np.where(segment > 1, size << np.maximum(segment - 1, 0), size)
    decoded = np.where(code & 0x80, size, -size) / 32768
    return encoded.astype(np.uint8), decoded.astype(np.float32)


def _ulaw_tables() -> tuple[NDArray[np.uint8], Samples]:
    """All of mu-law: from each 16-bit sample (as uint16) to a byte, and back to a float."""
    value = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32) >> 2
    size = np.minimum(np.abs(value), 8158) + 0x21
    segment = np.searchsorted(0x40 * 2 ** np.arange(8) - 1, size)
    step = (size >> (segment + 1)) & 0xF
    encoded = (segment << 4 | step) ^ np.where(value < 0, 0x7F, 0xFF)

    code = ~np.arange(256) & 0xFF
    size = (((code & 0xF) << 3) + 0x84) << ((code & 0x70) >> 4)
    decoded = np.where(code & 0x80, 0x84 - size, size - 0x84) / 32768
    return encoded.astype(np.uint8), decoded.astype(np.float32)


_TABLES: dict[Codec, tuple[NDArray[np.uint8], Samples]] = {
    "alaw": _alaw_tables(),
    "ulaw": _ulaw_tables(),
}


def encode(samples: NDArray[Any], codec: Codec = "alaw") -> bytes:
    """Code samples for the telephone, one byte each. Louder than full scale is clipped."""
    whole = np.clip(np.round(np.asarray(samples) * 32767), -32768, 32767).astype(np.int16)
    return _TABLES[codec][0][whole.view(np.uint16)].tobytes()


def decode(payload: bytes, codec: Codec = "alaw") -> Samples:
    """The samples that these telephone bytes stand for."""
    return _TABLES[codec][1][np.frombuffer(payload, dtype=np.uint8)]


# --- making and reading sound --------------------------------------------------------


def tone(hz: float, seconds: float, rate: int = RATE, level_dbfs: float = -12) -> Samples:
    """A pure tone; ``level_dbfs`` is relative to a full-scale sine."""
    instants = np.arange(round(seconds * rate)) / rate
    wave_ = 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * hz * instants)
    return wave_.astype(np.float32)


def read_wav(path: str | Path) -> Samples:
    """Read a telephone-ready file: 8 kHz, one channel, 16 bits. Another one is a ValueError."""
    with wave.open(str(path), "rb") as file:
        found = (file.getframerate(), file.getnchannels(), file.getsampwidth() * 8)
        if found != (RATE, 1, 16):
            raise ValueError(
                f"This sound is {found[0]} Hz, {found[1]} channel(s), {found[2]} bits; "
                f"a scripted phone speaks {RATE} Hz, 1 channel, 16 bits. Convert it first."
            )
        data = file.readframes(file.getnframes())
    return (np.frombuffer(data, dtype="<i2") / 32768).astype(np.float32)


# --- measuring -----------------------------------------------------------------------


def _db(ratio: float) -> float:
    return max(20 * math.log10(ratio), SILENCE_DBFS) if ratio > 0 else SILENCE_DBFS


def rms_dbfs(samples: NDArray[Any]) -> float:
    """How loud the whole is, in dB relative to a full-scale square wave; -120 for nothing."""
    if len(samples) == 0:
        return SILENCE_DBFS
    return _db(float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))))


def tone_level(samples: NDArray[Any], hz: float, rate: int = RATE) -> float:
    """How loud the tone ``hz`` is in this sound, in dB relative to a full-scale sine.

    One point of the Fourier transform (what a Goertzel filter yields), under a Hann
    window: over 0.2 s, a tone 20 Hz away or more does not disturb it.
    """
    if len(samples) < 2:
        return SILENCE_DBFS
    window = np.hanning(len(samples))
    turn = np.exp(-2j * np.pi * hz / rate * np.arange(len(samples)))
    return _db(2 * abs(complex(np.sum(samples * window * turn))) / float(np.sum(window)))


def dominant_hz(samples: NDArray[Any], rate: int = RATE) -> float:
    """The frequency of the loudest tone, within 1 Hz over 0.2 s or more; 0.0 for silence."""
    if rms_dbfs(samples) <= SILENCE_DBFS:
        return 0.0
    size = max(rate, len(samples))  # padded to a second: bins of 1 Hz or less
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), size))
    return float(np.argmax(spectrum)) * rate / size


def correlation(
    heard: NDArray[Any], reference: NDArray[Any], rate: int = RATE
) -> tuple[float, float]:
    """How well the reference is found somewhere in what was heard: (best, lag_seconds).

    ``best`` is 1.0 for the same sound at any loudness, near 0 for another. The lag is
    where the reference starts in ``heard``; negative when its beginning was missed.
    Only places where the two share a quarter of a second (or half of the shorter one),
    and half the energy of one of them, are compared: fewer samples agree by chance.
    """
    shorter = min(len(heard), len(reference))
    if rms_dbfs(heard) <= SILENCE_DBFS or rms_dbfs(reference) <= SILENCE_DBFS:
        return 0.0, 0.0
    first, second = heard.astype(np.float64), reference.astype(np.float64)
    lags = np.arange(-(len(second) - 1), len(first))
    size = 1 << (len(lags) - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(first, size) * np.conj(np.fft.rfft(second, size)), size)
    products = product[lags]  # a negative lag counts from the end, where the FFT puts it

    first_start, first_end = np.maximum(lags, 0), np.minimum(lags + len(second), len(first))
    energy = np.concatenate(([0.0], np.cumsum(first**2)))
    energy_ref = np.concatenate(([0.0], np.cumsum(second**2)))
    shared = energy[first_end] - energy[first_start]
    shared_ref = energy_ref[first_end - lags] - energy_ref[first_start - lags]

    enough = (first_end - first_start) >= min(OVERLAP_SECONDS_MIN * rate, shorter / 2)
    enough &= (shared >= energy[-1] / 2) | (shared_ref >= energy_ref[-1] / 2)
    floor = 1e-9 * max(energy[-1], energy_ref[-1])
    enough &= (shared > floor) & (shared_ref > floor)
    if not enough.any():
        return 0.0, 0.0
    alike = np.where(enough, products / np.sqrt(np.maximum(shared * shared_ref, floor**2)), -1.0)
    best = int(np.argmax(alike))
    return float(alike[best]), float(lags[best]) / rate


# --- what a call received ------------------------------------------------------------


class Packet(NamedTuple):
    """One RTP packet as it came: undecoded until somebody asks."""

    arrival: float  # monotonic seconds
    seq: int
    timestamp: int  # the sender's clock, 8000 a second
    source: int  # SSRC: changes when the sender starts another stream
    payload_type: int
    payload: bytes


class Received:
    """Every packet of one call, and what an ear would say of them. All times are monotonic."""

    def __init__(self) -> None:
        self._packets: deque[Packet] = deque(maxlen=PACKETS_KEPT_MAX)
        self.first_at: float | None = None

    def add(self, packet: Packet) -> None:
        """Keep a packet; the oldest is dropped after ten minutes of sound."""
        if self.first_at is None:
            self.first_at = packet.arrival
        self._packets.append(packet)

    def between(self, since: float, until: float) -> list[Packet]:
        """The packets that arrived from ``since`` and before ``until``, in order of arrival."""
        found = []
        for packet in reversed(self._packets):  # what is asked for is nearly always recent
            if packet.arrival < since:
                break
            if packet.arrival < until:
                found.append(packet)
        return found[::-1]

    def heard(self, since: float, until: float) -> Samples:
        """The sound between two instants, laid out on the time it arrived; zeros where none did.

        Inside a stretch packets follow the sender's clock, so that a few milliseconds
        of network jitter do not break a tone; a real gap starts a new stretch.
        """
        sound = np.zeros(max(0, round((until - since) * RATE)), dtype=np.float32)
        source: int | None = None
        start = 0.0  # when timestamp 0 of this stretch would have been heard
        for packet in self.between(since - RESYNC_SECONDS, until):
            codec = _CODECS.get(packet.payload_type)
            if codec is None:
                continue
            due = start + packet.timestamp / RATE
            if packet.source != source or abs(packet.arrival - due) > RESYNC_SECONDS:
                source, due = packet.source, packet.arrival
                start = packet.arrival - packet.timestamp / RATE
            samples = decode(packet.payload, codec)
            at = round((due - since) * RATE)
            begin, end = max(at, 0), min(at + len(samples), len(sound))
            if begin < end:
                sound[begin:end] = samples[begin - at : end - at]
        return sound

    def gaps(self, since: float, until: float, longer_than_s: float) -> list[tuple[float, float]]:
        """The stretches without any packet, as (start, seconds); both ends count as packets."""
        arrivals = [since, *(p.arrival for p in self.between(since, until)), until]
        return [
            (before, after - before)
            for before, after in pairwise(arrivals)
            if after - before > longer_than_s
        ]

    def silences(
        self, since: float, until: float, floor_dbfs: float, longer_than_s: float
    ) -> list[tuple[float, float]]:
        """The stretches where an ear hears nothing (no packet, or no energy): (start, seconds)."""
        loud = self._loud(since, until, floor_dbfs)
        edges = [-1, *np.flatnonzero(loud).tolist(), len(loud)]
        return [
            (since + (before + 1) * FRAME_SECONDS, (after - before - 1) * FRAME_SECONDS)
            for before, after in pairwise(edges)
            if (after - before - 1) * FRAME_SECONDS > longer_than_s
        ]

    def first_sound(self, since: float, until: float, floor_dbfs: float) -> float | None:
        """When something louder than the floor is first heard between the two, or None."""
        loud = np.flatnonzero(self._loud(since, until, floor_dbfs))
        return since + float(loud[0]) * FRAME_SECONDS if len(loud) else None

    def _loud(self, since: float, until: float, floor_dbfs: float) -> NDArray[np.bool_]:
        """For each 20 ms between the two, whether it is louder than the floor."""
        sound = self.heard(since, until)
        frames = sound[: len(sound) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
        power = np.mean(np.square(frames, dtype=np.float64), axis=1)
        return np.asarray(power > 10 ** (floor_dbfs / 10))
