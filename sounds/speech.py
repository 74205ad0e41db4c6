"""Finds the voice of a prompt: a person's recording where there is one, else speech synthesis."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from sounds.catalogue import SoundsError
from sounds.mastering import Signal
from sounds.source import Wanted

RECORDING_ENDINGS = (".wav", ".flac", ".ogg", ".mp3")
RECORDING_SECONDS_MAX = 90.0
CLIPPED_FROM = 0.999  # of full scale
CLIPPED_SAMPLES_MIN = 4  # one after the other: a peak that only touches the top is none
SYNTHESIS_SECONDS_MAX = 30.0  # a sentence takes about 0.1 s

# British rather than American: it is the accent most callers in France learnt.
_PICO_VOICES = {"fr": "fr-FR", "en": "en-GB"}
_PICO_VOLUME = 0.5  # at 1 the English voice clips; mastering sets the level anyway
_ESPEAK_VOICES = {"fr": "fr", "en": "en-gb"}
_ESPEAK_WORDS_PER_MINUTE = 150


@dataclass(frozen=True)
class Synthesiser:
    """A machine voice: `speak(text, language)` gives mono sound and its rate in Hz."""

    name: str
    speak: Callable[[str, str], tuple[Signal, int]]


def find_recordings(recordings: Path | None, wanted: list[Wanted]) -> dict[tuple[str, str], Path]:
    """Who recorded what: (language, id) -> file.

    Raises SoundsError for a recording that would be ignored in silence: one whose name is no
    prompt, or a second one for the same prompt.
    """
    found: dict[tuple[str, str], Path] = {}
    if recordings is None:
        return found
    if not recordings.is_dir():
        raise SoundsError(f"There is no folder {recordings}. Create it, or build without it.")
    known = {(each.language, each.id) for each in wanted}
    for path in sorted(recordings.rglob("*")):
        if path.suffix.lower() not in RECORDING_ENDINGS or path.name.startswith("."):
            continue
        name = (path.parent.relative_to(recordings).as_posix(), path.stem)
        if name not in known:
            raise SoundsError(
                f"The recording {path} matches no prompt. Call it LANGUAGE/PROMPT.wav, such as "
                "fr/accueil.wav, with a name of prompts.yaml; or move it elsewhere."
            )
        if name in found:
            raise SoundsError(
                f"Two recordings exist for the same prompt: {found[name]} and {path}. "
                "Keep only the right one."
            )
        found[name] = path
    return found


def read_recording(path: Path) -> tuple[Signal, int]:
    """A person's recording as mono sound, and its rate in Hz. Raises SoundsError."""
    try:
        with soundfile.SoundFile(path) as recording:
            rate_hz = int(recording.samplerate)
            if recording.frames > RECORDING_SECONDS_MAX * rate_hz:
                raise SoundsError(
                    f"The recording {path} is longer than {RECORDING_SECONDS_MAX:.0f} seconds. "
                    "Callers will not wait that long: shorten it."
                )
            sound = recording.read(dtype="float64", always_2d=True)
    except soundfile.SoundFileError as error:
        raise SoundsError(
            f"The recording {path} cannot be read as sound. Export it again as WAV."
        ) from error
    return np.asarray(sound.mean(axis=1), dtype=np.float64), rate_hz


def refuse_clipped(path: Path, sound: Signal) -> None:
    """Raise SoundsError for a recording that was too loud for its microphone: nothing mends it."""
    flat = np.abs(sound) >= CLIPPED_FROM
    together = np.convolve(flat, np.ones(CLIPPED_SAMPLES_MIN)) if sound.size else flat
    if (together >= CLIPPED_SAMPLES_MIN).any():
        raise SoundsError(
            f"The recording {path} is clipped: its loudest sounds are cut flat, and would crackle. "
            "Move away from the microphone, or turn it down, and record it again."
        )


@functools.cache
def synthesiser() -> Synthesiser:
    """The machine voice of this computer, tried once. Raises SoundsError when there is none."""
    for candidate in (Synthesiser("pico", _pico), Synthesiser("espeak-ng", _espeak)):
        try:
            candidate.speak("a", "fr")
        except SoundsError:
            continue
        return candidate
    raise SoundsError(
        "No machine voice works on this computer. Install espeak-ng (apt install espeak-ng), "
        "or record every prompt."
    )


def _pico(text: str, language: str) -> tuple[Signal, int]:
    voice, volume = _PICO_VOICES[language], str(_PICO_VOLUME)
    command = [sys.executable, "-I", "-m", "py_nanotts", "--voice", voice, "--volume", volume]
    return _say(lambda wav: [*command, "--output", wav, "--", text])


def _espeak(text: str, language: str) -> tuple[Signal, int]:
    voice, speed = _ESPEAK_VOICES[language], str(_ESPEAK_WORDS_PER_MINUTE)
    return _say(lambda wav: ["espeak-ng", "-v", voice, "-s", speed, "-w", wav, "--", text])


def _say(command: Callable[[str], list[str]]) -> tuple[Signal, int]:
    """Run a speaking command in a process of its own, which may crash without taking us along.

    Pico reads memory that it never set: within one process, the same text would last half a
    second more or less after what was said before. A new process with blank memory always says
    it the same way (255 asks glibc to fill what it allocates with zeros).
    """
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "said.wav"
        try:
            subprocess.run(  # noqa: S603 -- two known programs, no shell
                command(str(wav)),
                check=True,
                capture_output=True,
                timeout=SYNTHESIS_SECONDS_MAX,
                env={**os.environ, "MALLOC_PERTURB_": "255"},
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise SoundsError(
                "The machine voice failed while speaking. Build again; if it fails again, "
                "record the prompt."
            ) from error
        return read_recording(wav)
