"""The scripted phones' ears can be trusted: levels, frequencies, likeness, gaps."""

from __future__ import annotations

import warnings
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cti.rehearsal.sound import (
    PACKETS_KEPT_MAX,
    RATE,
    Codec,
    Packet,
    Received,
    Samples,
    correlation,
    decode,
    dominant_hz,
    encode,
    read_wav,
    rms_dbfs,
    tone,
    tone_level,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # a second opinion, while it lasts
    import audioop

EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)


def noise(seconds: float, seed: int) -> Samples:
    samples: NDArray[np.float64] = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE))
    return samples.astype(np.float32)


def speech(seconds: float, seed: int) -> Samples:
    """Something like a voice: a moving pitch with harmonics, in syllables."""
    random = np.random.default_rng(seed)
    count = round(seconds * RATE)
    knots = np.arange(0, count, 1600)
    pitch = np.interp(np.arange(count), knots, random.uniform(90, 220, len(knots)))
    syllables = np.interp(np.arange(count), knots, random.uniform(0, 0.3, len(knots)))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voice = sum(np.sin(n * phase) / n for n in range(1, 8))
    return np.asarray(syllables * voice / 2, dtype=np.float32)


def packets(samples: Samples, start: float, first: int = 0, source: int = 1) -> list[Packet]:
    """These samples as they arrive when nothing goes wrong, one packet every 20 ms."""
    coded = encode(samples)
    return [
        Packet(start + n * 0.02, first + n, (first + n) * 160, source, 8, coded[at : at + 160])
        for n, at in enumerate(range(0, len(coded), 160))
    ]


def received(*groups: list[Packet]) -> Received:
    record = Received()
    for group in groups:
        for packet in group:
            record.add(packet)
    return record


@pytest.mark.parametrize("codec", ["alaw", "ulaw"])
def test_every_sample_is_coded_as_the_telephone_standard_says(codec: Codec) -> None:
    to_code = {"alaw": audioop.lin2alaw, "ulaw": audioop.lin2ulaw}[codec]
    to_sample = {"alaw": audioop.alaw2lin, "ulaw": audioop.ulaw2lin}[codec]

    assert encode(EVERY_SAMPLE / 32767, codec) == to_code(EVERY_SAMPLE.tobytes(), 2)
    expected = np.frombuffer(to_sample(bytes(range(256)), 2), dtype=np.int16) / 32768
    assert np.array_equal(decode(bytes(range(256)), codec), expected.astype(np.float32))


def test_too_loud_a_sound_is_clipped_and_never_turns_over() -> None:
    assert decode(encode(np.array([3.0, -3.0]))).tolist() == pytest.approx([0.98, -0.98], abs=0.01)


@pytest.mark.parametrize("hz", [300, 440, 1000, 1900.5, 3100])
def test_a_tone_is_found_at_its_level_and_its_frequency_after_the_telephone(hz: float) -> None:
    heard = decode(encode(tone(hz, 0.5, level_dbfs=-12)))

    assert tone_level(heard, hz) == pytest.approx(-12, abs=0.3)
    assert dominant_hz(heard) == pytest.approx(hz, abs=1)
    assert rms_dbfs(heard) == pytest.approx(-15, abs=0.3)


def test_a_tone_that_is_not_there_is_not_found() -> None:
    heard = decode(encode(tone(440, 0.2)))

    assert tone_level(heard, 1000) < -50
    assert tone_level(heard, 465) < -50


def test_two_tones_at_once_are_both_found() -> None:
    heard = decode(encode(tone(440, 0.2) + tone(1500, 0.2)))

    assert tone_level(heard, 440) == pytest.approx(-12, abs=0.5)
    assert tone_level(heard, 1500) == pytest.approx(-12, abs=0.5)


def test_nothing_measures_as_nothing() -> None:
    nothing = np.zeros(1600, dtype=np.float32)

    assert rms_dbfs(nothing) == rms_dbfs(nothing[:0]) == -120
    assert tone_level(nothing, 440) == tone_level(nothing[:0], 440) == -120
    assert dominant_hz(nothing) == 0.0
    assert correlation(nothing, tone(440, 0.2)) == (0.0, 0.0)


@pytest.mark.parametrize("seed", range(5))
def test_a_prompt_is_recognised_wherever_it_starts_and_however_quiet_it_is(seed: int) -> None:
    prompt = speech(2, seed)
    line = np.concatenate([noise(0.7, seed) * 0.01, prompt * 0.2, noise(0.5, seed + 9) * 0.01])

    alike, lag = correlation(decode(encode(line)), prompt)

    assert alike >= 0.95
    assert lag == pytest.approx(0.7, abs=0.001)


def test_a_prompt_is_recognised_when_its_beginning_was_missed() -> None:
    prompt = speech(2, 1)

    alike, lag = correlation(decode(encode(prompt[6000:])), prompt)

    assert alike >= 0.95
    assert lag == pytest.approx(-0.75, abs=0.001)


@pytest.mark.parametrize("seed", range(5))
def test_noise_or_another_voice_is_not_taken_for_the_prompt(seed: int) -> None:
    prompt = speech(2, seed)

    assert correlation(noise(5, seed), prompt)[0] < 0.3
    assert correlation(speech(5, seed + 100), prompt)[0] < 0.6


@pytest.mark.parametrize("at", [4000, 7999])
def test_a_click_is_not_taken_for_the_prompt(at: int) -> None:
    click = np.zeros(RATE, dtype=np.float32)
    click[at] = 0.9

    assert correlation(click, speech(2, 1))[0] < 0.3


def test_sound_is_laid_out_on_the_time_it_arrived() -> None:
    record = received(packets(tone(440, 0.2), 100.0), packets(tone(440, 0.2), 100.5, first=25))

    heard = record.heard(99.9, 100.8)

    assert len(heard) == 0.9 * RATE
    loud = [rms_dbfs(heard[at : at + 800]) > -20 for at in range(0, 7200, 800)]
    assert loud == [False, True, True, False, False, False, True, True, False]


def test_a_sender_that_stood_still_is_heard_late_even_if_its_clock_does_not_say_so() -> None:
    record = received(packets(tone(440, 0.2), 100.0), packets(tone(440, 0.2), 100.5, first=10))

    heard = record.heard(100.0, 100.7)

    assert rms_dbfs(heard[1600:4000]) == -120
    assert tone_level(heard[4000:5600], 440) == pytest.approx(-12, abs=0.3)


def test_jitter_does_not_break_a_tone() -> None:
    late = np.random.default_rng(1).uniform(0, 0.015, 50)
    steady = packets(tone(1000, 1), 100.0)
    record = received(
        [p._replace(arrival=p.arrival + d) for p, d in zip(steady, late, strict=True)]
    )

    assert tone_level(record.heard(100.1, 100.9), 1000) == pytest.approx(-12, abs=0.3)


def test_another_source_starts_its_own_stretch() -> None:
    record = received(
        packets(tone(440, 0.2), 100.0), packets(tone(900, 0.2), 100.2, first=9000, source=2)
    )

    assert dominant_hz(record.heard(100.0, 100.2)) == pytest.approx(440, abs=2)
    assert dominant_hz(record.heard(100.2, 100.4)) == pytest.approx(900, abs=2)


def test_a_stretch_without_packets_is_a_gap_and_a_silence() -> None:
    record = received(packets(tone(440, 1), 100.0), packets(tone(440, 1), 101.3, first=65))

    [gap] = record.gaps(100.0, 102.3, 0.06)
    assert gap == pytest.approx((100.98, 0.32))
    [silence] = record.silences(100.0, 102.3, -50, 0.1)
    assert silence == pytest.approx((101.0, 0.3), abs=0.03)


def test_packets_without_energy_are_a_silence_but_no_gap() -> None:
    quiet = np.concatenate([tone(440, 1), np.zeros(4000, dtype=np.float32), tone(440, 0.5)])
    record = received(packets(quiet, 100.0))

    assert record.gaps(100.0, 102.0, 0.06) == []
    [silence] = record.silences(100.0, 102.0, -50, 0.1)
    assert silence == pytest.approx((101.0, 0.5), abs=0.03)


def test_sound_that_never_begins_or_stops_early_is_a_gap_too() -> None:
    record = received(packets(tone(440, 0.5), 100.5))

    assert [round(seconds, 2) for _, seconds in record.gaps(100.0, 102.0, 0.06)] == [0.5, 1.02]
    assert received().gaps(100.0, 102.0, 0.06) == [(100.0, 2.0)]
    assert received().silences(100.0, 102.0, -50, 0.5) == [(100.0, 2.0)]


def test_the_first_sound_is_when_it_is_loud_enough_not_when_packets_start() -> None:
    quiet = np.concatenate([np.zeros(4000, dtype=np.float32), tone(440, 0.5)])
    record = received(packets(quiet, 100.0))

    assert record.first_at == 100.0
    assert record.first_sound(100.0, 101.0, -50) == pytest.approx(100.5, abs=0.021)
    assert record.first_sound(100.0, 100.4, -50) is None


def test_memory_is_bounded_to_ten_minutes_of_sound() -> None:
    record = Received()
    for n in range(PACKETS_KEPT_MAX + 100):
        record.add(Packet(n * 0.02, n, n * 160, 1, 8, b""))

    assert len(record.between(0, 1e9)) == PACKETS_KEPT_MAX
    assert record.first_at == 0


def write_wav(path: Path, rate: int, samples: Samples) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def test_a_telephone_ready_file_is_read(tmp_path: Path) -> None:
    sound = tone(440, 0.1)

    read = read_wav(write_wav(tmp_path / "a.wav", RATE, sound))

    assert read.dtype == np.float32
    assert np.allclose(read, sound, atol=1e-4)


def test_a_file_at_another_rate_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"16000 Hz.*Convert it first"):
        read_wav(write_wav(tmp_path / "a.wav", 16000, tone(440, 0.1)))
