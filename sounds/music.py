"""Composes the music that waiting callers hear: slow soft chords, one minute, looping unheard.

Made from sine waves, so that nobody owns it.
"""

from __future__ import annotations

import numpy as np

from sounds.mastering import PROMPT_LUFS, Signal, at_loudness, band_limit

MUSIC_LUFS = PROMPT_LUFS - 6.0  # a voice that comes in must stand out at once

_CHORD_SECONDS = 6
# MIDI notes. All between 196 and 880 Hz, where a telephone is at its best.
_CHORDS = (
    (60, 64, 67, 74),
    (57, 64, 67, 72),
    (57, 60, 65, 72),
    (55, 62, 67, 71),
    (60, 64, 67, 76),
    (59, 62, 67, 74),
    (57, 60, 65, 76),
    (57, 62, 65, 72),
    (60, 65, 67, 72),
    (55, 59, 65, 74),
)
_PAD_SECONDS = 10.0  # each chord swells while the last one fades
_BELL_SECONDS = 4.0
_BELLS_AT = ((0.0, 2), (1.5, 1), (3.0, 3), (4.5, 2))  # seconds into the chord, which note
MUSIC_SECONDS = _CHORD_SECONDS * len(_CHORDS)


def waiting_music(rate_hz: int) -> Signal:
    """MUSIC_SECONDS of music at `rate_hz` and MUSIC_LUFS; its end flows into its beginning."""
    loop = np.zeros(MUSIC_SECONDS * rate_hz)
    for index, chord in enumerate(_CHORDS):
        start = index * _CHORD_SECONDS
        for note in chord:
            _lay(loop, rate_hz, start, _pad(_hz(note), rate_hz))
        for later, voice in _BELLS_AT:
            _lay(loop, rate_hz, start + later, 0.5 * _bell(_hz(chord[voice]), rate_hz))
    return at_loudness(band_limit(loop, rate_hz), rate_hz, MUSIC_LUFS)


def _hz(note: int) -> float:
    return float(440.0 * 2 ** ((note - 69) / 12))


def _lay(loop: Signal, rate_hz: int, at_seconds: float, sound: Signal) -> None:
    """Add a sound into the loop; what runs over the end goes on at the beginning."""
    places = (round(at_seconds * rate_hz) + np.arange(sound.size)) % loop.size
    loop[places] += sound


def _pad(hz: float, rate_hz: int) -> Signal:
    """A note that swells and fades, breathing a little; each note breathes at its own moment."""
    t = np.arange(int(_PAD_SECONDS * rate_hz)) / rate_hz
    swell = np.sin(np.pi * t / _PAD_SECONDS) ** 2
    breath = 1.0 + 0.25 * np.sin(2 * np.pi * 0.4 * t + hz)
    tone = np.zeros(t.size)
    for harmonic, level in ((1, 1.0), (2, 0.25), (3, 0.08)):
        tone += level * np.sin(2 * np.pi * hz * harmonic * t)
    return np.asarray(swell * breath * tone, dtype=np.float64)


def _bell(hz: float, rate_hz: int) -> Signal:
    """A soft stroke that dies away."""
    t = np.arange(int(_BELL_SECONDS * rate_hz)) / rate_hz
    stroke = np.minimum(t / 0.03, 1.0) * np.exp(-t / 0.9)
    stroke *= np.clip((_BELL_SECONDS - t) / 0.5, 0.0, 1.0)
    tone = np.sin(2 * np.pi * hz * t) + 0.2 * np.sin(4 * np.pi * hz * t)
    return np.asarray(stroke * tone, dtype=np.float64)
