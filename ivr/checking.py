"""Checks what was read against what it should be, and says each mistake for who wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ivr.reading import Loc, Source, write_instead
from ivr.steps import VERBS, AnyStep

_NAME = re.compile(r"\w[\w-]{0,39}")

Model = TypeVar("Model", bound=BaseModel)


def names(source: Source, section: str, quietly: bool = False) -> Iterator[tuple[str, object]]:
    """What stands in a section of the file, by name. Notes the names that cannot be used."""
    written = source.data.get(section) if isinstance(source.data, dict) else None
    for name, value in (written if isinstance(written, dict) else {}).items():
        if not quietly and not _NAME.fullmatch(name):
            what = f"`{name[:40]}` ne peut pas servir de nom"
            fix = "écrivez un nom sans espace, 40 lettres au plus : `message-du-soir`"
            source.wrong_key((section, name), what, fix)
        yield name, value


def checked_step(source: Source, name: str, written: object) -> AnyStep | None:
    """A step as written; None when it is refused, and ``source`` says why."""
    loc: Loc = ("steps", name)
    if not isinstance(written, dict):
        what = f"l'étape `{name}` n'est pas un bloc"
        source.wrong_key(loc, what, "écrivez en dessous, en retrait : `say: accueil`")
        return None
    verbs = [word for word in written if word in VERBS]
    verb = _action(verbs)
    if verb is not None:
        return checked(source, loc, VERBS[verb], written)
    if verbs:
        # Among three, `say` may well belong to another: the two that cannot stand together.
        one, two = (verbs if len(verbs) == 2 else [word for word in verbs if word != "say"])[:2]
        what = f"deux actions dans une étape : `{one}` et `{two}`"
        source.wrong_key((*loc, two), what, "faites-en deux étapes, liées par `then`")
        return None
    for word in written:
        instead = write_instead(word, VERBS)
        if instead.startswith("écrivez"):
            source.wrong_key((*loc, word), f"action inconnue `{word}`", instead)
            return None
    source.wrong_key(loc, f"l'étape `{name}` ne fait rien", write_instead("", VERBS))
    return None


def _action(verbs: list[str]) -> str | None:
    """Which of the verbs of a step is what it does; None when two would, or none is written.

    `say` is also what a `relay` says: the other verb is then the action, in whichever order, as
    the order of lines means nothing in YAML.
    """
    if len(verbs) == 2 and "say" in verbs:
        other = verbs[1 - verbs.index("say")]
        return other if "say" in _fields(VERBS[other]) else None
    return verbs[0] if len(verbs) == 1 else None


def check_prompts(
    source: Source,
    named: Iterable[tuple[Loc, str]],
    languages: Iterable[str],
    prompts: Mapping[tuple[str, str], float],
) -> None:
    """Every prompt that is ``named``, at its place, exists in each of the languages."""
    ids = {prompt for _, prompt in prompts}
    for at, prompt in named:
        if prompt not in ids:
            instead = write_instead(prompt, ids)
            if not instead.startswith("écrivez"):
                instead = f'ajoutez-le : `fil sounds add {prompt} --fr "…"`'
            source.wrong(at, f"message inconnu `{prompt}`", instead)
            continue
        for language in languages:
            if (language, prompt) not in prompts:
                what = f"le message `{prompt}` n'existe pas en `{language}`"
                fix = f"enregistrez-le, ou retirez `{language}` de `languages`"
                source.wrong(at, what, fix)


def checked(source: Source, loc: Loc, model: type[Model], written: object) -> Model | None:
    """What stands at ``loc``, as a ``model``; None when it is refused, and ``source`` says why."""
    try:
        return model.model_validate(written)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            _explain(source, loc, model, detail)
        return None


def _explain(source: Source, loc: Loc, model: type[BaseModel], detail: ErrorDetails) -> None:
    """Turn one refusal of pydantic's into a place, what is wrong and what to write instead."""
    path = detail["loc"]
    at_key = path[-1:] == ("[key]",)
    at = (*loc, *(path[:-1] if at_key else path))
    match detail["type"]:
        case "value_error":
            wrong = detail["ctx"]["error"]
            (source.wrong_key if at_key else source.wrong)(at, wrong.what, wrong.fix)
        case "extra_forbidden":
            word = str(path[-1])
            known = _words(model, path[:-1])
            source.wrong_key(at, f"clé inconnue `{word}`", write_instead(word, known))
        case "missing":
            known = _words(model, path[:-1])
            example = known.get(str(path[-1]), "")
            fix = f"ajoutez `{example}`" if example else "ajoutez cette ligne"
            at = (*loc, *path[:-1])
            in_a_list = isinstance(at[-1], int) if at else False  # which has no keys
            say = source.wrong if in_a_list else source.wrong_key
            say(at, f"il manque `{path[-1]}`", fix)
        case "tuple_type":
            source.wrong(at, "une liste est attendue ici", "écrivez-la entre crochets : `[a, b]`")
        case _:
            fix = "écrivez en dessous, en retrait, des lignes `clé: valeur`"
            source.wrong(at, "un bloc est attendu ici", fix)


def _words(model: type[BaseModel], path: Loc) -> dict[str, str]:
    """The keys that may be written in a block of the model, each with an example of it."""
    for word in path:
        if isinstance(word, int):
            continue  # the place in a list: what the list holds is the model already
        field = _fields(model).get(word)
        inner = next(_models_in(field.annotation), None) if field else None
        if inner is None:
            return {}
        model = inner
    return {word: (field.examples or [""])[0] for word, field in _fields(model).items()}


def _models_in(kind: object) -> Iterator[type[BaseModel]]:
    """The models that a value of this type is made of, alone, in a list or among others."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for inner in get_args(kind):
        yield from _models_in(inner)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}
