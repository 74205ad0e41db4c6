"""Builds every sound the line plays: python -m sounds.build OUT [--recordings DIR].

Texts come from prompts.yaml, voices from recordings or speech synthesis. Only what changed
is made again, everything is made before anything is written, and the manifest comes last:
a build that fails leaves the sounds of yesterday whole.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import logging
import os
import sys
import wave
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sounds.catalogue import (
    MANIFEST,
    MANIFEST_FORMAT,
    MUSIC,
    RATES_HZ,
    Catalogue,
    Prompt,
    SoundsError,
    Voice,
    file_sha256,
    read_manifest,
)
from sounds.mastering import Inaudible, Signal, master, wav_bytes
from sounds.music import waiting_music
from sounds.source import Wanted, read_prompts
from sounds.speech import find_recordings, read_recording, refuse_clipped, synthesiser

log = logging.getLogger(__name__)

PROMPTS = Path(__file__).with_name("prompts.yaml")


@dataclass(frozen=True)
class _Job:
    """One sound to have: `key` changes when it must be made again, `make` gives it at a rate."""

    folder: str
    name: str
    key: str
    make: Callable[[int], Signal]

    @property
    def files(self) -> dict[str, int]:
        """Path under the output directory -> rate in Hz."""
        return {f"{self.folder}/{self.name}{end}": hz for end, hz in RATES_HZ.items()}


def build(out: Path, recordings: Path | None = None, *, source: Path = PROMPTS) -> Catalogue:
    """Bring the sounds in `out` up to date with the texts and recordings; return them, checked.

    Returns when all is on disk. Raises SoundsError, with `out` as it was, when a text, a
    recording or a voice is unusable; also when `out` cannot be written.
    """
    _refuse_overlap(out, recordings)
    wanted = read_prompts(source)
    recorded = find_recordings(recordings, wanted)
    last = read_manifest(out) or {"files": {}, "keys": {}, "prompts": []}
    jobs = [_prompt_job(each, recorded.get((each.language, each.id))) for each in wanted]
    jobs.append(_Job(*MUSIC, _key("music"), waiting_music))
    made = _make_changed(out, jobs, last)
    for name, content in made.items():
        _write(out / name, content)
    files = {name: file_sha256(out / name) for job in jobs for name in job.files}
    manifest = {
        "format": MANIFEST_FORMAT,
        "files": files,
        "keys": {f"{job.folder}/{job.name}": job.key for job in jobs},
        "prompts": [
            asdict(_describe(out, each, human=(each.language, each.id) in recorded))
            for each in wanted
        ],
    }
    _write(out / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode())
    for stale in last["files"].keys() - files.keys():
        (out / stale).unlink(missing_ok=True)
    log.info("sounds.built", extra={"made": len(made), "files": len(files)})
    return Catalogue.load(out)


def _refuse_overlap(out: Path, recordings: Path | None) -> None:
    """A build writes and removes files: never among the only copies of people's voices."""
    if recordings is None:
        return
    here, there = out.resolve(), recordings.resolve()
    if here.is_relative_to(there) or there.is_relative_to(here):
        raise SoundsError(
            f"The sounds would be built among the recordings ({recordings}) and overwrite them. "
            "Choose two separate folders."
        )


@functools.cache
def _builder_sum() -> str:
    """Changes with the code that makes the sounds, so that nobody has to remember a version."""
    total = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        total.update(path.read_bytes())
    return total.hexdigest()


def _key(*parts: str) -> str:
    return hashlib.sha256(json.dumps([_builder_sum(), *parts]).encode()).hexdigest()


def _prompt_job(wanted: Wanted, recording: Path | None) -> _Job:
    if recording is not None:
        origin = f"The recording {recording}"
        key = _key("human", file_sha256(recording) or "", str(wanted.seconds_max))
        read = functools.partial(_read_unclipped, recording)
    else:
        origin = f"The machine voice of '{wanted.id}' ({wanted.language})"
        key = _key(
            synthesiser().name, wanted.voice_language, wanted.spoken, str(wanted.seconds_max)
        )
        read = functools.partial(synthesiser().speak, wanted.spoken, wanted.voice_language)
    read_once = functools.cache(read)

    def make(rate_hz: int) -> Signal:
        try:
            ready = master(*read_once(), rate_hz)
        except Inaudible:
            raise SoundsError(
                f"{origin} holds nothing that a telephone can carry. Redo it."
            ) from None
        seconds = ready.size / rate_hz
        if wanted.seconds_max is not None and seconds > wanted.seconds_max:
            raise SoundsError(
                f"{origin} lasts {seconds:.1f} s; '{wanted.id}' may last {wanted.seconds_max:g} s. "
                "Say less, or say it faster."
            )
        return ready

    return _Job(wanted.language, wanted.id, key, make)


def _read_unclipped(recording: Path) -> tuple[Signal, int]:
    sound, rate_hz = read_recording(recording)
    refuse_clipped(recording, sound)
    return sound, rate_hz


def _make_changed(out: Path, jobs: list[_Job], last: dict[str, Any]) -> dict[str, bytes]:
    """The content of every file whose origin changed, or that is missing or damaged."""
    made: dict[str, bytes] = {}
    for job in jobs:
        same = last["keys"].get(f"{job.folder}/{job.name}") == job.key
        if same and all(
            file_sha256(out / name) == last["files"].get(name, "") for name in job.files
        ):
            continue
        for name, rate_hz in job.files.items():
            made[name] = wav_bytes(job.make(rate_hz), rate_hz)
    return made


def _describe(out: Path, wanted: Wanted, *, human: bool) -> Prompt:
    path = out / wanted.language / f"{wanted.id}.wav"
    with wave.open(str(path)) as file:
        seconds = round(file.getnframes() / file.getframerate(), 3)
    voice: Voice = "human" if human else "synthetic"
    return Prompt(wanted.id, wanted.language, seconds, voice, file_sha256(path) or "")


def _write(target: Path, content: bytes) -> None:
    """Write the whole file or nothing; a caller hearing the old one hears it to its end."""
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        raise SoundsError(
            f"{target} cannot be written ({error.strerror}). "
            "Check the permissions of its folder and the free space, then build again."
        ) from error


def main(arguments: list[str] | None = None) -> int:
    """Build from the command line and list what callers will hear; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sounds.build", description=__doc__)
    parser.add_argument("out", type=Path, help="folder to build the sounds in")
    parser.add_argument("--recordings", type=Path, help="folder of people's recordings")
    parser.add_argument("--source", type=Path, default=PROMPTS, help="another prompts.yaml")
    options = parser.parse_args(arguments)
    try:
        catalogue = build(options.out, options.recordings, source=options.source)
    except SoundsError as error:
        print(error, file=sys.stderr)
        return 1
    for language, prompt_id in sorted(catalogue.lengths()):
        prompt = catalogue.get(prompt_id, language)
        print(f"{language}  {prompt_id:<22} {prompt.seconds:6.2f} s  {prompt.voice}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
