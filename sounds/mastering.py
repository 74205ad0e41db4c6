"""Makes a sound ready for the telephone: trimmed, resampled, in band, at the right loudness."""

from __future__ import annotations

import io
import warnings
import wave

import numpy as np
import numpy.typing as npt
import soxr

with warnings.catch_warnings():
    # Its complaints about ffmpeg and audioop concern formats and functions we never ask it for.
    warnings.simplefilter("ignore")
    from pydub import AudioSegment
    from pydub.silence import detect_leading_silence

Signal = npt.NDArray[np.float64]  # mono, full scale is 1.0

PROMPT_LUFS = -19.0
PEAK_DBFS_MAX = -3.0
SILENCE_KEPT_MS = 120
BANDS_HZ = {8_000: (120.0, 3_400.0), 16_000: (50.0, 7_000.0)}

_SOURCE_PEAK_DBFS_MIN = -50.0  # below, a microphone was muted
_IN_BAND_LUFS_MIN = -50.0  # for a source whose peak is 0 dBFS: speech is 20 to 30 dB louder
_QUIET_BELOW_PEAK_DB = 40.0
_FADE_MS = 10
_LIMITER_MS = 5
_LOUDNESS_ROUNDS = 4
_LOUDNESS_NEAR_ENOUGH_LU = 0.1


class Inaudible(Exception):
    """Nothing in the sound would be heard on a telephone."""


def master(sound: Signal, source_hz: int, rate_hz: int) -> Signal:
    """The prompt at `rate_hz`, ready to be written. Raises Inaudible."""
    peak = float(np.max(np.abs(sound), initial=0.0))
    if peak < 10 ** (_SOURCE_PEAK_DBFS_MIN / 20):
        raise Inaudible
    trimmed = trim(sound / peak, source_hz)
    limited = band_limit(resample(trimmed, source_hz, rate_hz), rate_hz)
    # What is left of a hum or a whistle once its band is gone must not be blown up to speech.
    if loudness(limited, rate_hz) < _IN_BAND_LUFS_MIN:
        raise Inaudible
    return at_loudness(limited, rate_hz)


def trim(sound: Signal, rate_hz: int) -> Signal:
    """A sound whose peak is 1 with exactly SILENCE_KEPT_MS around its first and last words."""
    segment = AudioSegment(_pcm(sound), frame_rate=rate_hz, sample_width=2, channels=1)
    before_ms = detect_leading_silence(segment, -_QUIET_BELOW_PEAK_DB)
    after_ms = detect_leading_silence(segment.reverse(), -_QUIET_BELOW_PEAK_DB)
    first = before_ms * rate_hz // 1000
    last = sound.size - after_ms * rate_hz // 1000
    margin = SILENCE_KEPT_MS * rate_hz // 1000
    kept = sound[max(0, first - margin) : last + margin].copy()
    fade = np.linspace(0.0, 1.0, min(_FADE_MS * rate_hz // 1000, kept.size))
    kept[: fade.size] *= fade
    kept[kept.size - fade.size :] *= fade[::-1]
    return np.pad(kept, (max(0, margin - first), max(0, last + margin - sound.size)))


def resample(sound: Signal, source_hz: int, rate_hz: int) -> Signal:
    """The sound at another rate, with nothing folded back from above the new band."""
    # soxr and nothing else: without an anti-alias filter, sibilants turn to harsh noise.
    return np.asarray(soxr.resample(sound, source_hz, rate_hz, quality="VHQ"), dtype=np.float64)


def band_limit(sound: Signal, rate_hz: int) -> Signal:
    """The sound within the band that the telephone carries at this rate."""
    low_hz, high_hz = BANDS_HZ[rate_hz]
    size = _padded(sound.size, rate_hz)
    hz = np.fft.rfftfreq(size, 1 / rate_hz)
    # Soft edges: a brick wall rings around every consonant.
    rise = np.clip((hz - 0.8 * low_hz) / (0.4 * low_hz), 0.0, 1.0)
    fall = np.clip((high_hz - hz) / (0.04 * high_hz), 0.0, 1.0)
    gain = np.sin(0.5 * np.pi * rise) ** 2 * np.sin(0.5 * np.pi * fall) ** 2
    limited = np.fft.irfft(np.fft.rfft(sound, size) * gain, size)
    return np.asarray(limited[: sound.size], dtype=np.float64)


def at_loudness(sound: Signal, rate_hz: int, lufs: float = PROMPT_LUFS) -> Signal:
    """A sound that can be heard, at `lufs`, its peaks held under PEAK_DBFS_MAX."""
    # Holding a peak takes a little loudness away, so it is given back and held again.
    for _ in range(_LOUDNESS_ROUNDS):
        measured = loudness(sound, rate_hz)
        if abs(measured - lufs) < _LOUDNESS_NEAR_ENOUGH_LU:
            break
        sound = _hold_peaks(sound * 10 ** ((lufs - measured) / 20), rate_hz)
    return sound


def _padded(size: int, rate_hz: int) -> int:
    """Room for a filter's tail of a second or more, in whole seconds: other sizes are slow."""
    return (-(-size // rate_hz) + 1) * rate_hz


def loudness(sound: Signal, rate_hz: int) -> float:
    """Integrated loudness in LUFS after ITU-R BS.1770; minus infinity when all is silence."""
    weighted = _k_weighted(sound, rate_hz)
    block = min(rate_hz * 400 // 1000, weighted.size)
    if block == 0:
        return -np.inf
    windows = np.lib.stride_tricks.sliding_window_view(weighted, block)[:: max(1, block // 4)]
    power = np.mean(windows**2, axis=1)
    power = power[power > 10 ** ((-70 + 0.691) / 10)]
    if power.size == 0:
        return -np.inf
    power = power[power >= np.mean(power) / 10]
    return float(-0.691 + 10 * np.log10(np.mean(power)))


def _k_weighted(sound: Signal, rate_hz: int) -> Signal:
    """The sound as the ear weighs it: a high shelf, then a high pass (BS.1770 annex 1)."""
    size = _padded(sound.size, rate_hz)
    # The standard gives its filters at 48 kHz; seen by frequency, they serve any rate unchanged.
    z = np.exp(-2j * np.pi * np.fft.rfftfreq(size, 1 / rate_hz) / 48_000)
    shelf = (1.53512485958697 - 2.69169618940638 * z + 1.19839281085285 * z**2) / (
        1 - 1.69065929318241 * z + 0.73248077421585 * z**2
    )
    high_pass = (1 - z) ** 2 / (1 - 1.99004745483398 * z + 0.99007225036621 * z**2)
    weighted = np.fft.irfft(np.fft.rfft(sound, size) * shelf * high_pass, size)
    return np.asarray(weighted[: sound.size], dtype=np.float64)


def _hold_peaks(sound: Signal, rate_hz: int) -> Signal:
    """Turn the sound down around each peak, softly enough not to be heard doing it."""
    ceiling = 10 ** (PEAK_DBFS_MAX / 20) * 0.999  # PCM_16 rounds up at times
    needed = np.minimum(1.0, ceiling / np.maximum(np.abs(sound), ceiling))
    if needed.min() == 1.0:
        return sound
    reach = _LIMITER_MS * rate_hz // 1000
    lowest = np.lib.stride_tricks.sliding_window_view(
        np.pad(needed, 2 * reach, constant_values=1.0), 2 * reach + 1
    ).min(axis=1)
    smooth = np.hanning(2 * reach + 3)[1:-1]
    return sound * np.convolve(lowest, smooth / smooth.sum(), mode="valid")


def _pcm(sound: Signal) -> bytes:
    return np.clip(np.round(sound * 32_767), -32_768, 32_767).astype("<i2").tobytes()


def wav_bytes(sound: Signal, rate_hz: int) -> bytes:
    """The sound as a mono PCM_16 WAV file."""
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(_pcm(sound))
    return target.getvalue()
