"""Reads a YAML file and remembers where each word stands, so that a mistake can be shown.

Every value stays the text that was written: in this language ``0170`` is not a
number, ``22:30`` is not 1350 and ``no`` is not false. It does not know what the
words mean: that is ``flow.py``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FILE_BYTES_MAX = 262_144
DEPTH_LEVELS_MAX = 12

Loc = tuple[str | int, ...]  # the way to a value: ("steps", "accueil", "then")

_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, order=True)
class Place:
    """Line and column in a file, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake: where it is, what is wrong, what to write instead.

    ``story``: how a caller would meet it, one line for each thing that happens to them.
    """

    file: Path
    place: Place
    what: str
    fix: str
    story: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f"{self.file}:{self.place.line}:{self.place.column}"
        told = [f"    {line}" for line in self.story]
        return "\n".join([f"{where}: {self.what} ; {self.fix}", *told])


class FlowError(Exception):
    """A flow that callers must not hear. ``str()`` lists every problem, each with its story."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


class Wrong(ValueError):
    """A value that cannot be used: what is wrong with it, and what to write instead."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


def text(value: object) -> str:
    """The word or sentence written there. Raises Wrong for a block, a list or nothing."""
    if not isinstance(value, str):
        raise Wrong("un mot est attendu ici, pas un bloc ni une liste", "écrivez une seule valeur")
    if not value:
        raise Wrong("il manque la valeur après les deux-points", "écrivez-la sur la même ligne")
    return value


def write_instead(word: str, choices: Iterable[str]) -> str:
    """What to write instead of ``word``: the nearest of ``choices``, or all of them."""
    by_lower = {choice.lower(): choice for choice in sorted(choices)}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    if near:
        return f"écrivez `{by_lower[near[0]]}`"
    if not by_lower:
        return "retirez-le : il n'y a rien à citer ici"
    return "choix possibles : " + ", ".join(f"`{choice}`" for choice in by_lower.values())


@dataclass
class Source:
    """A flow file once read: its words, where they stand, and the mistakes found so far."""

    file: Path
    data: Any = None
    problems: list[Problem] = field(default_factory=list)
    values: dict[Loc, Place] = field(default_factory=dict)
    keys: dict[Loc, Place] = field(default_factory=dict)
    # A file that this one makes use of, by what stands before the names of its steps.
    parts: dict[str, Source] = field(default_factory=dict)

    def wrong(self, loc: Loc, what: str, fix: str, story: Iterable[str] = ()) -> None:
        """Note a mistake in the value at ``loc``."""
        source, loc = self._owner(loc)
        self._note(source, source.values, loc, Wrong(what, fix), story)

    def wrong_key(self, loc: Loc, what: str, fix: str, story: Iterable[str] = ()) -> None:
        """Note a mistake in the key at ``loc``, or in what stands under it as a whole."""
        source, loc = self._owner(loc)
        self._note(source, source.keys, loc, Wrong(what, fix), story)

    def _owner(self, loc: Loc) -> tuple[Source, Loc]:
        """The file in which ``loc`` is written, and its way there."""
        if len(loc) > 1 and loc[0] == "steps" and isinstance(loc[1], str):
            prefix, slash, name = loc[1].partition("/")
            if slash and prefix in self.parts:
                return self.parts[prefix]._owner(("steps", name, *loc[2:]))
        return self, loc

    def _note(
        self,
        source: Source,
        places: dict[Loc, Place],
        loc: Loc,
        wrong: Wrong,
        story: Iterable[str],
    ) -> None:
        while loc and loc not in places:
            loc = loc[:-1]
        place = places.get(loc, Place(1, 1))
        self.problems.append(Problem(source.file, place, wrong.what, wrong.fix, tuple(story)))

    def error(self) -> FlowError:
        """All the mistakes found, as one error."""
        return FlowError(self.problems)


def read(file: Path) -> Source:
    """Read a file as text with places.

    Two keys with the same name are noted in ``problems``. Raises FlowError when
    the file is absent, too large, not UTF-8 or not YAML, and for the parts of
    YAML that have no use in a flow (anchors, aliases, tags).
    """
    written = _text_of(file)
    try:
        _refuse_what_has_no_use(file, written)
        root = yaml.compose(written, Loader=yaml.CBaseLoader)
    except yaml.MarkedYAMLError as error:
        raise FlowError([_syntax_problem(file, written, error)]) from None
    if root is None:
        raise _refused(file, Place(1, 1), "le fichier est vide", "partez d'un modèle fourni")
    source = Source(file)
    source.data = _unfold(source, (), root)
    return source


def _text_of(file: Path) -> str:
    start = Place(1, 1)
    try:
        with file.open("rb") as opened:
            raw = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        what = f"le fichier ne peut pas être lu ({error.strerror})"
        raise _refused(file, start, what, "vérifiez son nom et ses droits") from None
    if len(raw) > FILE_BYTES_MAX:
        what = f"le fichier dépasse {FILE_BYTES_MAX // 1024} ko"
        raise _refused(file, start, what, "gardez-y seulement les étapes utiles")
    try:
        written = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _place_of(raw[: error.start].decode("utf-8-sig", "replace"))
        what = "le fichier n'est pas en UTF-8"
        raise _refused(file, place, what, "enregistrez-le avec l'encodage UTF-8") from None
    unreadable = _UNREADABLE.search(written)
    if unreadable:
        place = _place_of(written[: unreadable.start()])
        raise _refused(file, place, "un caractère invisible est interdit ici", "effacez-le")
    return written


def _place_of(before: str) -> Place:
    return Place(before.count("\n") + 1, len(before) - before.rfind("\n"))


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _refused(file: Path, place: Place, what: str, fix: str) -> FlowError:
    return FlowError([Problem(file, place, what, fix)])


def _refuse_what_has_no_use(file: Path, written: str) -> None:
    depth = 0
    for event in yaml.parse(written, Loader=yaml.CBaseLoader):
        place, end = _place(event.start_mark), _place(event.end_mark)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            what = "les repères `&` et les rappels `*` ne sont pas admis"
            raise _refused(file, place, what, 'recopiez la valeur, ou écrivez la touche `"*"`')
        if getattr(event, "tag", None):
            raise _refused(file, place, "les marques `!` ne sont pas admises", "retirez-la")
        quoted = isinstance(event, yaml.ScalarEvent) and event.style in ("'", '"')
        if quoted and end.line != place.line:
            # Nearly always a forgotten quote, closed by the one that opens the next text.
            what = "un guillemet n'est pas refermé sur sa ligne"
            raise _refused(file, place, what, "refermez-le")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH_LEVELS_MAX:
            what = f"plus de {DEPTH_LEVELS_MAX} blocs sont emboîtés"
            raise _refused(file, place, what, "écrivez des étapes séparées, liées par leur nom")


# What the YAML reader says, in part -> what a coordinator needs to know.
_SYNTAX = (
    ("unexpected end of stream", "un guillemet n'est jamais refermé", "refermez-le"),
    ("tab character", "une tabulation sert de marge", "mettez des espaces à la place"),
    (
        "mapping values are not allowed",
        "ces deux-points ne sont pas à leur place",
        "alignez la ligne sur ses voisines, avec `clé: valeur`, "
        "et mettez entre guillemets un texte qui contient deux-points",
    ),
    (
        "alphabetic or numeric character",
        "l'étoile seule ne peut pas être lue",
        'écrivez-la entre guillemets : `"*"`',
    ),
    ("could not find expected ':'", "il manque les deux-points", "écrivez `clé: valeur`"),
    ("expected ',' or", "une accolade ou un crochet n'est pas refermé", "refermez-le"),
    (
        "did not find expected",
        "cette ligne n'est pas alignée avec les précédentes, ou un guillemet est de trop",
        "alignez-la avec des espaces, et mettez entre guillemets doubles "
        "un texte qui contient une apostrophe",
    ),
    ("another document", "le fichier contient une ligne `---` de trop", "retirez-la"),
)

_SHOWN_WHERE_IT_OPENS = ("unexpected end", "expected ',' or", "alphabetic or numeric")


def _syntax_problem(file: Path, written: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    place = _place(mark) if mark else Place(1, 1)
    said = error.problem or ""
    if "cannot start any token" in said:
        lines = written.splitlines()
        rest = lines[place.line - 1][place.column - 1 :] if place.line <= len(lines) else ""
        if rest.startswith("\t"):
            return Problem(file, place, *_SYNTAX[1][1:])
        what = f"le signe `{rest[:1]}` ne peut pas commencer une valeur"
        return Problem(file, place, what, "mettez la valeur entre guillemets")
    if error.context_mark and any(part in said for part in _SHOWN_WHERE_IT_OPENS):
        place = _place(error.context_mark)
    for part, what, fix in _SYNTAX:
        if part in said:
            return Problem(file, place, what, fix)
    return Problem(
        file, place, "cette ligne ne peut pas être lue", "comparez-la avec un modèle fourni"
    )


def _unfold(source: Source, loc: Loc, node: yaml.Node) -> Any:
    source.values[loc] = _place(node.start_mark)
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return [_unfold(source, (*loc, i), child) for i, child in enumerate(node.value)]
    block: dict[str, Any] = {}
    for key_node, child in node.value:
        place = _place(key_node.start_mark)
        if not isinstance(key_node, yaml.ScalarNode):
            what = "une clé doit être un simple mot"
            source.problems.append(Problem(source.file, place, what, "écrivez `clé: valeur`"))
            continue
        key = key_node.value
        if key in block:
            what = f"`{key}` est déjà écrit ligne {source.keys[(*loc, key)].line}"
            source.problems.append(Problem(source.file, place, what, "gardez un seul des deux"))
            continue
        source.keys[(*loc, key)] = place
        block[key] = _unfold(source, (*loc, key), child)
    return block
