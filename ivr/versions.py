"""The versions of a flow: a draft that people edit, and what was published of it, never changed.

    flows/accueil.yaml                    the draft, with its own parts/
    flows/published/accueil/7/            version 7: flow.yaml, parts/, about.json
    flows/published/accueil/current       the number callers hear now
    flows/published/accueil/history.jsonl who made which one current, when and why

A version appears whole or not at all: it is written aside, proved there, then renamed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ivr.differences import differences
from ivr.flow import Flow, Prompts, load_flow
from ivr.reading import FlowError, Place, Problem
from ivr.relays import Relay
from ivr.saving import write_whole

PUBLISHED = "published"
FLOW_FILE = "flow.yaml"


class VersionsError(Exception):
    """A version cannot be made or used; the text says why and what to do."""


@dataclass(frozen=True)
class FlowVersion:
    """A flow that callers hear. ``ref`` names it for ever: ``accueil@7``."""

    ref: str
    flow: Flow


@dataclass(frozen=True)
class About:
    """What is known of one version: who published it, when, why, and what it changed."""

    number: int
    published_at: str  # aware, ISO 8601
    by: str
    why: str
    changes: tuple[str, ...]
    sha256: str  # of all its files


@dataclass(frozen=True)
class Act:
    """Somebody had new callers hear a version: by publishing it, or by going back to it."""

    at: str  # aware, ISO 8601
    act: str  # publish, roll-back
    number: int
    by: str
    why: str


def gone_prompts(flow: Flow, prompts: Prompts) -> list[str]:
    """What a published flow says that exists no more, each as ``message (langue)``."""
    return [
        f"{prompt} ({language})"
        for prompt in sorted(flow.prompts())
        for language in flow.languages
        if (language, prompt) not in prompts
    ]


class Versions:
    """The flows of one folder: their drafts and what was published."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """The flows that have a draft or a published version."""
        drafts = {path.stem for path in self._drafts()}
        homes = (self.folder / PUBLISHED).glob("[!.]*")
        return sorted(drafts | {home.name for home in homes if self._numbers(home.name)})

    def draft(self, name: str) -> Path:
        """The file that people edit. Raises VersionsError when there is none."""
        path = self.folder / f"{name}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(path.stem for path in self._drafts()))
            raise VersionsError(f"Aucun fichier {path}. Flux connus : {known or 'aucun'}.")
        return path

    def current(self, name: str) -> int | None:
        """The number that callers hear now; None when nothing was ever published."""
        try:
            return int((self._home(name) / "current").read_text())
        except (OSError, ValueError):
            return None

    def published(self, name: str) -> bool:
        """Whether any version of this flow was ever published."""
        return bool(self._numbers(name))

    def history(self, name: str) -> list[Act]:
        """What callers were made to hear, the oldest first. Raises VersionsError for no flow."""
        if not self.published(name):
            self.draft(name)
        try:
            lines = (self._home(name) / "history.jsonl").read_text().splitlines()
        except FileNotFoundError:
            lines = []
        acts = []
        for line in lines:
            with contextlib.suppress(ValueError, TypeError):  # half a line, after a power cut
                acts.append(Act(**json.loads(line)))
        return acts

    def changes(self, name: str, number: int) -> tuple[str, ...]:
        """What a version changed of the one before it."""
        about = self._about(name, number)
        return about.changes if about else ()

    def publish(
        self,
        name: str,
        prompts: Prompts | None,
        relays: Mapping[str, Relay] | None,
        *,
        by: str,
        why: str,
        at: datetime,
    ) -> About:
        """Prove the draft as it stands, and have new callers hear it.

        Calls in progress keep their version. Raises FlowError for a draft that is not right,
        VersionsError when it changes nothing.
        """
        if not why.strip():
            raise VersionsError('Dites pourquoi, pour qui relira : --why "nouveaux horaires".')
        with self._alone():
            about = self._publish(self.draft(name), prompts, relays, by=by, why=why, at=at)
            self._make_current(name, about.number, "publish", by, why, at)
        return about

    def _publish(
        self,
        draft: Path,
        prompts: Prompts | None,
        relays: Mapping[str, Relay] | None,
        *,
        by: str,
        why: str,
        at: datetime,
    ) -> About:
        name = draft.stem
        aside = Path(tempfile.mkdtemp(prefix=".draft-", dir=self.folder / PUBLISHED))
        try:
            _copy(draft, aside)
            # The copy is what is proved: the draft may be edited meanwhile.
            flow = _loaded_as(draft, aside, prompts, relays)
            self._refuse_taken_numbers(name, flow)
            before = self._current_flow(name)
            if before is not None and _sum(aside) == self._sum_of_current(name):
                raise VersionsError(f"{draft} est déjà ce que les appelants entendent.")
            changes = differences(before, flow) if before else ["première version"]
            about = About(
                max(self._numbers(name), default=0) + 1,
                at.astimezone(UTC).isoformat(timespec="seconds"),
                by,
                why.strip(),
                tuple(changes),
                _sum(aside),
            )
            (aside / "about.json").write_text(_json(asdict(about)))
            _seal(aside)
            self._home(name).mkdir(exist_ok=True)
            aside.rename(self._home(name) / str(about.number))
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return about

    def _refuse_taken_numbers(self, name: str, flow: Flow) -> None:
        for other in self.names():
            theirs = self._current_flow(other) if other != name else None
            for number in set(flow.numbers) & set(theirs.numbers if theirs else ()):
                raise VersionsError(
                    f"Le numéro {number} mène déjà au flux « {other} » : un numéro, un flux."
                )

    def roll_back(
        self,
        name: str,
        number: int | None,
        prompts: Prompts,
        *,
        by: str,
        why: str,
        at: datetime,
    ) -> int:
        """Have new callers hear an earlier version again; by default what they heard before.

        Returns its number. Raises VersionsError when there is none, or when it cannot be heard
        any more.
        """
        with self._alone():
            if number is None:
                number = self._heard_before(name)
            flow = self.load(name, number).flow
            self._refuse_taken_numbers(name, flow)
            if gone := gone_prompts(flow, prompts):
                what = f"La version {number} de « {name} » dit des messages qui n'existent plus :"
                fix = "Ajoutez-les (fil sounds add), ou choisissez une autre version (--to)."
                raise VersionsError(f"{what} {', '.join(gone)}. {fix}")
            self._make_current(name, number, "roll-back", by, why, at)
        return number

    def _heard_before(self, name: str) -> int:
        """What callers heard before the current version; what was taken back does not count."""
        heard: list[int] = []
        for act in self.history(name):
            if act.act == "roll-back" and act.number in heard:
                del heard[heard.index(act.number) :]
            heard.append(act.number)
        if len(heard) < 2:
            raise VersionsError(f"Il n'y a pas de version avant celle-ci de « {name} ».")
        return heard[-2]

    def load(self, name: str, number: int | None = None) -> FlowVersion:
        """A published version, by default the current one.

        It was proved when it was published: a prompt that has gone since costs nobody the line.
        Raises VersionsError when there is none, or when it was altered by hand.
        """
        number = self.current(name) if number is None else number
        about = None if number is None else self._about(name, number)
        if number is None or about is None:
            numbered = "" if number is None else f" numéro {number}"
            raise VersionsError(
                f"Le flux « {name} » n'a pas de version publiée{numbered}. "
                f"Publiez-le : fil flow publish {name}"
            )
        home = self._home(name) / str(number)
        if _sum(home) != about.sha256:
            raise VersionsError(
                f"La version {number} de « {name} » a été modifiée à la main dans {home}. "
                f"Modifiez plutôt {self.folder / name}.yaml, puis publiez."
            )
        try:
            return FlowVersion(f"{name}@{number}", load_flow(home / FLOW_FILE, None))
        except FlowError as error:
            raise VersionsError(str(error)) from None

    def load_best(self, name: str) -> tuple[FlowVersion, str | None]:
        """The current version, else the newest that can be loaded, and what is wrong if so.

        Raises VersionsError when none can.
        """
        try:
            return self.load(name), None
        except VersionsError as error:
            for number in sorted(self._numbers(name), reverse=True):
                try:
                    return self.load(name, number), str(error)
                except VersionsError:
                    continue
            raise

    def draft_differs(self, name: str) -> bool:
        """Whether people have changed the draft, or one of its parts, since it was published."""
        about = self._about(name, self.current(name) or 0)
        draft = self.folder / f"{name}.yaml"
        if about is None or not draft.is_file():
            return False
        with tempfile.TemporaryDirectory() as folder:
            _copy(draft, Path(folder))
            return _sum(Path(folder)) != about.sha256

    def of_ref(self, ref: str) -> FlowVersion:
        """The version of this name, ``accueil@7``. Raises VersionsError."""
        name, _, number = ref.partition("@")
        if not number.isdecimal() or name not in self.names():
            raise VersionsError(f"« {ref} » n'est pas le nom d'une version.")
        return self.load(name, int(number))

    # -- the folder ------------------------------------------------------------

    def _drafts(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*.yaml") if "." not in path.stem)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One person publishes at a time: each is told of what they themselves have done."""
        published = self.folder / PUBLISHED
        published.mkdir(exist_ok=True)
        with (published / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _home(self, name: str) -> Path:
        return self.folder / PUBLISHED / name

    def _numbers(self, name: str) -> list[int]:
        return [int(path.name) for path in self._home(name).glob("[0-9]*") if path.name.isdigit()]

    def _about(self, name: str, number: int) -> About | None:
        try:
            told = json.loads((self._home(name) / str(number) / "about.json").read_text())
            return About(**told | {"changes": tuple(told["changes"])})
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def _current_flow(self, name: str) -> Flow | None:
        try:
            return self.load(name).flow
        except VersionsError:
            return None

    def _sum_of_current(self, name: str) -> str | None:
        number = self.current(name)
        about = self._about(name, number) if number else None
        return about.sha256 if about else None

    def _make_current(
        self, name: str, number: int, act: str, by: str, why: str, at: datetime
    ) -> None:
        home = self._home(name)
        told = Act(at.astimezone(UTC).isoformat(timespec="seconds"), act, number, by, why.strip())
        with (home / "history.jsonl").open("a") as history:
            history.write(_json(asdict(told)) + "\n")
        write_whole(home / "current", f"{number}\n")


def _copy(draft: Path, folder: Path) -> None:
    shutil.copyfile(draft, folder / FLOW_FILE)
    parts = draft.parent / "parts"
    if parts.is_dir():
        (folder / "parts").mkdir()
        for part in parts.glob("[!.]*.yaml"):  # an editor's own files begin with a dot
            shutil.copyfile(part, folder / "parts" / part.name)


def _loaded_as(
    draft: Path, copy: Path, prompts: Prompts | None, relays: Mapping[str, Relay] | None
) -> Flow:
    """Load the copy; its mistakes are told with the names of the files that people edit."""
    try:
        return load_flow(copy / FLOW_FILE, prompts, relays)
    except FileNotFoundError:
        place = Place(1, 1)
        what, fix = "le fichier a disparu", "recommencez"
        raise FlowError([Problem(draft, place, what, fix)]) from None
    except FlowError as error:

        def named(file: Path) -> Path:
            return draft if file == copy / FLOW_FILE else draft.parent / file.relative_to(copy)

        raise FlowError(
            Problem(named(p.file), p.place, p.what, p.fix, p.story) for p in error.problems
        ) from None


def _files(folder: Path) -> Iterator[Path]:
    yield folder / FLOW_FILE
    yield from sorted((folder / "parts").glob("*.yaml"))


def _sum(folder: Path) -> str:
    found = hashlib.sha256()
    for path in _files(folder):
        try:
            found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        except OSError:
            return ""
    return found.hexdigest()


def _seal(folder: Path) -> None:
    """Nobody edits a version by mistake, and it outlives a power cut."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o444)
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
