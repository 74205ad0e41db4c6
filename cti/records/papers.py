"""What agents have at hand: the form of their notes and the script cards, as files say now.

Followed as the association edits them. One that cannot be read changes nothing, and is told to
admins. Every form that was ever in use is kept: a note remembers the one it was written with.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from cti import clock
from cti.records.cards import Card, load_cards
from cti.records.form import VERSION, Form, load_form
from cti.records.mine import PARIS
from ivr.reading import FlowError
from ivr.saving import write_whole

log = logging.getLogger(__name__)

FORM = "forms/note.yaml"
CARDS = "cards.yaml"
LOOKED_EVERY_SECONDS = 1.0
FORM_TEMPLATE = Path(__file__).with_name("note.yaml")
CARDS_TEMPLATE = Path(__file__).with_name("cards.yaml")

T = TypeVar("T")


class Told(Protocol):
    """Where admins are told what could not be read, by the file's name."""

    wrong: dict[str, str]

    def note(self, name: str, why: str) -> None:
        """Tell it."""


class Papers:
    """The papers of one data directory. No form and no cards where it has none."""

    def __init__(self, data: Path, told: Told) -> None:
        self.form: Form | None = None
        self.cards: dict[str, Card] = {}
        self._data = data
        self._told = told
        self._seen: dict[str, int] = {}
        self._forms: dict[str, Form] = {}
        self.refresh()

    def form_of(self, version: str) -> Form | None:
        """The form of that version; None when nobody kept it. May read a file."""
        if version not in self._forms and VERSION.fullmatch(version):
            try:
                kept = load_form(self._kept(version))
            except FlowError:
                return None
            if kept.version == version:
                self._forms[version] = kept
        return self._forms.get(version)

    async def follow(self) -> None:
        """Keep true to the files, for ever."""
        while True:
            await asyncio.sleep(LOOKED_EVERY_SECONDS)
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Read again what has changed since the last time. Blocks, for a few milliseconds."""
        if self._changed(FORM):
            self.form = self._read(FORM, self._load_form) or self.form or self._last_form()
        if self._changed(CARDS):
            found = self._read(CARDS, _load_cards)
            self.cards = self.cards if found is None else found

    def _load_form(self, path: Path) -> Form:
        form = load_form(path)
        self._forms[form.version] = form
        kept = self._kept(form.version)
        try:
            if kept.exists():
                kept.touch()  # the latest in use
            else:
                kept.parent.mkdir(exist_ok=True)
                write_whole(kept, path.read_text("utf-8"))
        except OSError as error:  # a full disk: notes are written with it all the same
            log.error("form.not_kept", extra={"error": type(error).__name__})
        return form

    def _last_form(self) -> Form | None:
        """The last form that was ever good: where we start and the present one is not."""
        kept = sorted(self._kept("*").parent.glob("*.yaml"), key=lambda path: path.stat().st_mtime)
        found = (self.form_of(path.stem) for path in reversed(kept))
        return next((form for form in found if form is not None), None)

    def _kept(self, version: str) -> Path:
        return self._data / "forms/kept" / f"{version}.yaml"

    def _read(self, name: str, load: Callable[[Path], T]) -> T | None:
        """What a file says; None when it cannot be read, and admins are told why."""
        try:
            found = load(self._data / name)
        except Exception as error:  # noqa: BLE001 -- whatever is in a file, the one before stays
            foreseen = isinstance(error, FlowError | OSError)
            self._told.note(name, str(error) if foreseen else type(error).__name__)
            return None
        self._told.wrong.pop(name, None)
        return found

    def _changed(self, name: str) -> bool:
        """Whether the file is another than before; one that is not there never is."""
        try:
            stamp = (self._data / name).stat().st_mtime_ns
        except OSError:
            return False
        changed = self._seen.get(name) != stamp
        self._seen[name] = stamp
        return changed


def _load_cards(path: Path) -> dict[str, Card]:
    return load_cards(path, clock.now().astimezone(PARIS).date())
