"""Edits prompts.yaml for people: a new sentence, a recording. Their comments and order stay.

Written whole or not at all, and never over what somebody else saved meanwhile.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import FoldedScalarString

from sounds.catalogue import SoundsError
from sounds.mastering import Inaudible, master
from sounds.source import read_prompts, text_mark
from sounds.speech import RECORDING_ENDINGS, read_recording, refuse_clipped

TEXT_WIDTH = 90
FOLDED_FROM_CHARACTERS = 80

Edit = Callable[[CommentedMap], None]


def add_text(source: Path, prompt_id: str, texts: dict[str, str]) -> None:
    """Add a prompt, or change its texts (by language). Raises SoundsError; the file then stays."""

    def edit(prompts: CommentedMap) -> None:
        prompt = prompts.setdefault(prompt_id, CommentedMap())
        for language, text in texts.items():
            said = prompt.get(language)
            if isinstance(said, CommentedMap):
                said["text"] = _written(text)
            else:
                prompt[language] = _written(text)

    _edit(source, edit)


def add_recording(
    source: Path, recordings: Path, file: Path, prompt_id: str, language: str, by: str, on: date
) -> Path:
    """Put somebody's recording of a prompt in its place, and write who spoke and when.

    Refused when it is clipped, silent, too long, or of a prompt that nobody wrote. Returns the
    recording's place. Raises SoundsError.
    """
    wanted = next(
        (w for w in read_prompts(source) if (w.id, w.language) == (prompt_id, language)), None
    )
    if wanted is None:
        raise SoundsError(
            f"There is no prompt '{prompt_id}' in '{language}' in {source}. Add its text first: "
            f'fil sounds add {prompt_id} --fr "…" --en "…"'
        )
    if file.suffix.lower() not in RECORDING_ENDINGS:
        raise SoundsError(f"{file} is no recording: use {', '.join(RECORDING_ENDINGS)}.")
    sound, rate_hz = read_recording(file)
    refuse_clipped(file, sound)
    try:
        ready = master(sound, rate_hz, 16_000)
    except Inaudible:
        raise SoundsError(f"{file} holds nothing that a telephone can carry. Redo it.") from None
    seconds = ready.size / 16_000
    if wanted.seconds_max is not None and seconds > wanted.seconds_max:
        raise SoundsError(
            f"{file} lasts {seconds:.1f} s; '{prompt_id}' may last {wanted.seconds_max:g} s. "
            "Say less, or say it faster."
        )
    place = recordings / language / f"{prompt_id}{file.suffix.lower()}"

    def edit(prompts: CommentedMap) -> None:
        said = prompts[prompt_id][language]
        if not isinstance(said, CommentedMap):
            said = prompts[prompt_id][language] = CommentedMap({"text": said})
        said["recorded"] = CommentedMap(
            {"by": by, "on": on.isoformat(), "of": text_mark(wanted.text)}
        )
        said["recorded"].fa.set_flow_style()

    _put(file, place, source, edit)
    return place


def _put(file: Path, place: Path, source: Path, edit: Edit) -> None:
    """Put a recording in its place, with the edit that says whose it is: both or neither.

    First comes all that may be refused: the copy, the proof of the edit. Then the recording takes
    its place, the edited file follows at once, and only then do earlier recordings go. A power
    cut in between leaves the right voice with the note of the one before, which at worst is told
    as stale; the other way round, an old recording would pass for one of today's text.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    aside = _copied_beside(file, place)
    earlier = _copied_beside(place, place) if place.exists() else None
    try:
        _edit(source, edit, lambda: _take(aside, place))
    except BaseException:
        if not aside.exists():  # it had taken its place
            _take(earlier, place)
        raise
    finally:
        for copy in (aside, earlier):
            if copy is not None:
                copy.unlink(missing_ok=True)
    for other in place.parent.glob(f"{place.stem}.*"):
        if other.suffix.lower() in RECORDING_ENDINGS and not other.samefile(place):
            other.unlink()


def _copied_beside(file: Path, place: Path) -> Path:
    """A whole copy of a file, in the folder of a place; nobody takes it for a recording."""
    handle, name = tempfile.mkstemp(prefix=f".{place.stem}-", dir=place.parent)
    copy = Path(name)
    try:
        with os.fdopen(handle, "wb") as opened, file.open("rb") as original:
            shutil.copyfileobj(original, opened)
            opened.flush()
            os.fsync(opened.fileno())
        copy.chmod(0o644)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    return copy


def _take(copy: Path | None, place: Path) -> None:
    if copy is None:
        place.unlink()
    else:
        copy.replace(place)


def _written(text: str) -> str:
    """A text as people write it in the file: long ones on several lines."""
    return FoldedScalarString(text + "\n") if len(text) > FOLDED_FROM_CHARACTERS else text


def _edit(
    source: Path,
    edit: Edit,
    just_before: Callable[[], None] = lambda: None,
) -> None:
    """Change the prompts of a file, prove the result, and put it in the file's place.

    ``just_before`` is called when nothing is left to refuse. Raises SoundsError.
    """
    read_prompts(source)  # what is wrong already is told with its line, before any edit
    before = source.read_bytes()
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = TEXT_WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        tree = yaml.load(before.decode("utf-8-sig"))
    except (YAMLError, ValueError):  # stricter than what reads the file
        what = "ne peut pas être modifié par cette commande ; modifiez-le à la main."
        raise SoundsError(f"{source} {what}") from None
    edit(tree["prompts"])
    text = io.StringIO()
    yaml.dump(tree, text)
    handle, aside = tempfile.mkstemp(prefix=".prompts-", suffix=".yaml", dir=source.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text.getvalue())
            file.flush()
            os.fsync(file.fileno())
        read_prompts(Path(aside))
        if hashlib.sha256(source.read_bytes()).digest() != hashlib.sha256(before).digest():
            raise SoundsError(f"{source} was changed by somebody else meanwhile. Try again.")
        Path(aside).chmod(0o644)
        just_before()
        Path(aside).replace(source)
    except SoundsError as error:
        raise SoundsError(str(error).replace(aside, str(source))) from None
    finally:
        Path(aside).unlink(missing_ok=True)
