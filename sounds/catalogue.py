"""The built sounds as the rest of the house sees them: which prompts exist and how long they last.

Standard library only: the telephone flow and the controller import this without
the audio tools that `sounds.build` needs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

MANIFEST = "manifest.json"
MANIFEST_FORMAT = 1
# Asterisk picks the file by its ending: .wav is 8 kHz, .wav16 is 16 kHz.
RATES_HZ = {".wav": 8_000, ".wav16": 16_000}
MUSIC = ("music", "attente")  # folder and name of the music that waiting callers hear

Voice = Literal["human", "synthetic"]


class SoundsError(Exception):
    """The sounds cannot be built or used; the message says what happened and what to do."""


class UnknownPrompt(KeyError):
    """Nobody built a prompt of this name in this language."""

    def __init__(self, prompt_id: str, language: str) -> None:
        super().__init__(prompt_id, language)
        self.prompt_id = prompt_id
        self.language = language

    def __str__(self) -> str:
        return (
            f"There is no prompt '{self.prompt_id}' in '{self.language}'. "
            "Add it to prompts.yaml and build the sounds again."
        )


@dataclass(frozen=True)
class Prompt:
    """One sentence in one language, as built. `sha256` is that of the 8 kHz file."""

    id: str
    language: str
    seconds: float
    voice: Voice
    sha256: str


class Catalogue:
    """Every prompt that was built, by name and language. Never changes once loaded."""

    def __init__(self, built_dir: Path, prompts: Iterable[Prompt]) -> None:
        self._dir = built_dir
        self._prompts = {(each.language, each.id): each for each in prompts}

    @classmethod
    def load(cls, built_dir: Path) -> Catalogue:
        """Read what `sounds.build` wrote in `built_dir`, checking every file against its sum.

        Raises SoundsError when nothing was built there, or when a file is missing or damaged:
        a caller must never be the one who finds out.
        """
        manifest = read_manifest(built_dir)
        if manifest is None:
            raise SoundsError(
                f"No sounds were found in {built_dir} (no readable {MANIFEST}). "
                f"Build them: python -m sounds.build {built_dir}"
            )
        for name, sha256 in manifest["files"].items():
            if file_sha256(built_dir / name) != sha256:
                raise SoundsError(
                    f"The sound file {built_dir / name} is missing, damaged or unreadable. "
                    f"Build the sounds again: python -m sounds.build {built_dir}"
                )
        return cls(built_dir, (Prompt(**fields) for fields in manifest["prompts"]))

    def get(self, prompt_id: str, language: str) -> Prompt:
        """The prompt. Raises UnknownPrompt."""
        try:
            return self._prompts[language, prompt_id]
        except KeyError:
            raise UnknownPrompt(prompt_id, language) from None

    def seconds(self, prompt_id: str, language: str) -> float:
        """How long the prompt lasts, in seconds. Raises UnknownPrompt."""
        return self.get(prompt_id, language).seconds

    def path(self, prompt_id: str, language: str) -> Path:
        """The 8 kHz file; its 16 kHz twin ends in .wav16. Raises UnknownPrompt.

        Asterisk is given this path without its ending and picks the better of the two itself.
        """
        prompt = self.get(prompt_id, language)
        return self._dir / prompt.language / f"{prompt.id}.wav"

    def lengths(self) -> dict[tuple[str, str], float]:
        """Every (language, id) that can be played, with how long it lasts, in seconds."""
        return {named: prompt.seconds for named, prompt in self._prompts.items()}


def read_manifest(built_dir: Path) -> dict[str, Any] | None:
    """The list that the last finished build left, or None when there is none to be trusted."""
    try:
        manifest = json.loads((built_dir / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(manifest, dict) or manifest.get("format") != MANIFEST_FORMAT:
        return None
    return cast(dict[str, Any], manifest)


def file_sha256(path: Path) -> str | None:
    """The sum of a file's content, or None when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
