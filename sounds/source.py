"""Reads prompts.yaml and refuses a bad one, saying where it is wrong and what to write."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NoReturn

import yaml

from sounds.catalogue import SoundsError

LANGUAGES = {"fr": "French", "en": "English"}
TEXT_CHARACTERS_MAX = 800  # about a minute of speech: nobody in distress listens longer
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")  # it becomes a file name


@dataclass(frozen=True)
class Recorded:
    """A person's recording: who spoke, when somebody last listened to it, and of which text."""

    by: str
    on: date
    of: str  # text_mark() of what was to be said


def text_mark(text: str) -> str:
    """A short mark of a text, which tells whether a recording still says it."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Wanted:
    """One sentence to build. `spoken` is its text with the lexicon applied."""

    id: str
    language: str
    voice_language: str
    text: str
    spoken: str
    seconds_max: float | None
    recorded: Recorded | None = None  # what prompts.yaml says of its recording


@dataclass(frozen=True)
class _Item:
    """A key of the file, where it stands, and what it holds."""

    key: yaml.ScalarNode
    value: yaml.Node


class _Source:
    def __init__(self, path: Path) -> None:
        self.path = path

    def refuse(self, node: yaml.Node | None, message: str) -> NoReturn:
        mark = node.start_mark if node is not None else None
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise SoundsError(f"{self.path}{where}: {message}")

    def mapping(self, node: yaml.Node | None, what: str) -> dict[str, _Item]:
        if not isinstance(node, yaml.MappingNode):
            self.refuse(node, f"{what} must be a list of 'name: value' lines.")
        items: dict[str, _Item] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.refuse(key, f"a name was expected in {what}.")
            if key.value in items:
                self.refuse(key, f"'{key.value}' is written twice in {what}. Keep one of them.")
            items[key.value] = _Item(key, value)
        return items

    def only(self, items: dict[str, _Item], allowed: set[str], what: str) -> None:
        for name, item in items.items():
            if name not in allowed:
                known = ", ".join(sorted(allowed))
                self.refuse(item.key, f"'{name}' is unknown in {what}. Known here: {known}.")

    def text(self, node: yaml.Node, what: str) -> str:
        if not isinstance(node, yaml.ScalarNode):
            self.refuse(node, f"{what} must be a text.")
        text: str = node.value.strip()
        if not text:
            self.refuse(node, f"{what} is empty. Write what the caller must hear.")
        if len(text) > TEXT_CHARACTERS_MAX:
            self.refuse(
                node, f"{what} is longer than {TEXT_CHARACTERS_MAX} characters. Shorten it."
            )
        # Speech synthesis obeys <tags> instead of saying them.
        if "<" in text or ">" in text:
            self.refuse(node, f"{what} holds '<' or '>', which no voice can say. Remove them.")
        return text


def read_prompts(path: Path) -> list[Wanted]:
    """Every prompt of the file in every language, sorted by language then id.

    Raises SoundsError with the file, the line and the remedy when anything is wrong.
    """
    source = _Source(path)
    top = source.mapping(_compose(path), "the file")
    source.only(top, {"lexicon", "prompts"}, "the file")
    if "prompts" not in top:
        source.refuse(None, "there is no 'prompts:' section. Add it.")
    lexicons = _read_lexicons(source, top.get("lexicon"))
    wanted: list[Wanted] = []
    for prompt_id, item in source.mapping(top["prompts"].value, "'prompts'").items():
        wanted.extend(_read_prompt(source, prompt_id, item, lexicons))
    return sorted(wanted, key=lambda each: (each.language, each.id))


def _compose(path: Path) -> yaml.Node | None:
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows marks its files
    except OSError as error:
        raise SoundsError(
            f"{path} cannot be read ({error.strerror}). Check its name and its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise SoundsError(f"{path} is not written in UTF-8. Save it again as UTF-8.") from error
    try:
        # Nodes, not values: they know their line, and 15 or 31 14 stay text.
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise SoundsError(
            f"{path}{where}: this is not valid YAML. Check the spaces at the beginning of the "
            "line, and put quotes around a text that holds ': '."
        ) from error


def _read_lexicons(source: _Source, item: _Item | None) -> dict[str, dict[str, str]]:
    lexicons: dict[str, dict[str, str]] = {language: {} for language in LANGUAGES}
    if item is None:
        return lexicons
    languages = source.mapping(item.value, "'lexicon'")
    source.only(languages, set(LANGUAGES), "'lexicon'")
    for language, words in languages.items():
        for written, said in source.mapping(words.value, f"the lexicon '{language}'").items():
            lexicons[language][written] = source.text(said.value, f"the lexicon of '{written}'")
    return lexicons


def _read_prompt(
    source: _Source, prompt_id: str, item: _Item, lexicons: dict[str, dict[str, str]]
) -> list[Wanted]:
    what = f"the prompt '{prompt_id}'"
    if not _ID.fullmatch(prompt_id):
        source.refuse(
            item.key, f"'{prompt_id}' cannot name a prompt: use a-z, 0-9 and '-', 64 at most."
        )
    fields = source.mapping(item.value, what)
    source.only(fields, {"seconds_max", *LANGUAGES}, what)
    seconds_max = _read_seconds_max(source, fields.get("seconds_max"))
    wanted = []
    for language, name in LANGUAGES.items():
        if language not in fields:
            source.refuse(
                item.key, f"{what} has no {name} text. Add a line '{language}: …' under it."
            )
        text, voice_language, recorded = _read_sentence(source, fields[language], language, what)
        spoken = pronounce(text, lexicons[voice_language])
        wanted.append(
            Wanted(prompt_id, language, voice_language, text, spoken, seconds_max, recorded)
        )
    return wanted


def _read_seconds_max(source: _Source, item: _Item | None) -> float | None:
    if item is None:
        return None
    text = source.text(item.value, "'seconds_max'")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        source.refuse(item.value, "'seconds_max' must be a number of seconds, such as 5.")
    return seconds


def _read_sentence(
    source: _Source, item: _Item, language: str, what: str
) -> tuple[str, str, Recorded | None]:
    """The text, the language of the voice that says it, and what is said of its recording."""
    if isinstance(item.value, yaml.ScalarNode):
        return source.text(item.value, f"'{language}' of {what}"), language, None
    fields = source.mapping(item.value, f"'{language}' of {what}")
    source.only(fields, {"text", "voice_language", "recorded"}, f"'{language}' of {what}")
    if "text" not in fields:
        source.refuse(item.key, f"'{language}' of {what} has no 'text:' line. Add it.")
    voice_language = language
    if "voice_language" in fields:
        value = fields["voice_language"].value
        voice_language = source.text(value, "'voice_language'")
        if voice_language not in LANGUAGES:
            known = " or ".join(LANGUAGES)
            source.refuse(value, f"there is no voice for '{voice_language}'. Write {known}.")
    recorded = _read_recorded(source, fields.get("recorded"), what)
    return source.text(fields["text"].value, f"'text' of {what}"), voice_language, recorded


def _read_recorded(source: _Source, item: _Item | None, what: str) -> Recorded | None:
    if item is None:
        return None
    fields = source.mapping(item.value, f"'recorded' of {what}")
    source.only(fields, {"by", "on", "of"}, f"'recorded' of {what}")
    for name in ("by", "on", "of"):
        if name not in fields:
            source.refuse(item.key, f"'recorded' of {what} has no '{name}:'. Add it.")
    said = {name: source.text(field.value, f"'{name}'") for name, field in fields.items()}
    try:
        on = date.fromisoformat(said["on"])
    except ValueError:
        source.refuse(fields["on"].value, "write the day as 2026-12-31.")
    return Recorded(said["by"], on, said["of"])


def pronounce(text: str, lexicon: dict[str, str]) -> str:
    """The text with each whole word of the lexicon written as it must be said."""
    if not lexicon:
        return text
    # The longest first, so that "31 14" is not taken apart by an entry for "31".
    words = "|".join(re.escape(word) for word in sorted(lexicon, key=len, reverse=True))
    return re.sub(rf"(?<!\w)(?:{words})(?!\w)", lambda found: lexicon[found.group()], text)
