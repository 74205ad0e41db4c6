"""What people may write as a value: a duration, a key, the name of a prompt, yes or no.

Each kind checks the word that stands in the file, says what is wrong with it and what to
write instead, and carries the pattern an editor needs to complete and check it.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from ivr.reading import Wrong, text, write_instead

_HOURS = r"(?:(\d{1,2}) ?(?:h|heures?))?"
_MINUTES = r"(?:(\d{1,4})(?:[.,](\d{1,2}))? ?(?:min|minutes?))?"
_SECONDS = r"(?:(\d{1,4})(?:[.,](\d{1,3}))? ?(?:s|secondes?)?)?"
_DURATION = re.compile(rf"(?=\d){_HOURS} ?{_MINUTES} ?{_SECONDS}")
_HOURS_AND_MINUTES = re.compile(r"(\d{1,2}) ?h ?(\d{2})")  # 1h30
_DAYS = r"(\d{1,4}) ?(?:j|jours?|d|days?)"
_DURATION_WRITTEN = r"^\d.* ?(s|secondes?|min|minutes?|h|heures?)( ?\d+)?$"
_PROMPT = r"[a-z0-9][a-z0-9_-]{0,63}"
_WORD = r"\w[\w-]{0,39}"


def _written(**schema: Any) -> Any:
    """What an editor is told of a value as written."""
    return Annotated[str, WithJsonSchema({"type": "string", **schema})]


def one_of(choices: tuple[str, ...], what: str) -> BeforeValidator:
    """One of these words. ``what`` begins the sentence that refuses another: “ligne inconnue”."""

    def check(value: object) -> str:
        word = text(value)
        if word not in choices:
            raise Wrong(f"{what} `{word}`", write_instead(word, choices))
        return word

    return BeforeValidator(check, json_schema_input_type=_written(enum=list(choices)))


def duration(seconds_min: float, seconds_max: float) -> BeforeValidator:
    """A duration as people write it (``12 s``, ``3 min``, ``1 min 30``, ``2 h``), in seconds."""

    def check(value: object) -> float:
        word = text(value)
        seconds = seconds_in(word)
        if seconds is None:
            raise Wrong(f"durée illisible `{word}`", "écrivez par exemple `12 s` ou `3 min`")
        if not seconds_min <= seconds <= seconds_max:
            limits = f"entre `{written_seconds(seconds_min)}` et `{written_seconds(seconds_max)}`"
            raise Wrong(f"`{word}` est hors limites ici", f"écrivez une durée {limits}")
        return seconds

    written = _written(pattern=_DURATION_WRITTEN, examples=["12 s", "3 min"])
    return BeforeValidator(check, json_schema_input_type=written)


def seconds_in(word: str) -> float | None:
    """The seconds of a written duration; None when it cannot be read or has no unit."""
    hours = _HOURS_AND_MINUTES.fullmatch(word)
    if hours is not None:
        return int(hours[1]) * 3600.0 + int(hours[2]) * 60.0
    found = _DURATION.fullmatch(word)
    if found is None or word.isdigit() or re.fullmatch(r"[\d.,]+", word):
        return None
    whole_hours, minutes, minute_part, seconds, second_part = (g or "0" for g in found.groups())
    in_minutes = float(f"{minutes}.{minute_part}")
    return int(whole_hours) * 3600 + in_minutes * 60 + float(f"{seconds}.{second_part}")


def days(days_max: int) -> BeforeValidator:
    """A number of days as people write it: ``30 jours``, ``1 j``."""

    def check(value: object) -> int:
        word = text(value)
        found = re.fullmatch(_DAYS, word)
        if found is None:
            raise Wrong(
                f"nombre de jours illisible `{word[:20]}`", "écrivez par exemple `30 jours`"
            )
        if not 1 <= int(found[1]) <= days_max:
            limits = f"entre `1 jour` et `{days_max} jours`"
            raise Wrong(f"`{word}` est hors limites ici", f"écrivez une durée {limits}")
        return int(found[1])

    return BeforeValidator(check, json_schema_input_type=_written(pattern=f"^{_DAYS}$"))


def written_seconds(seconds: float) -> str:
    """A duration as people write it: ``90 s``, ``5 min``."""
    if seconds >= 60 and seconds % 60 == 0:
        return f"{seconds / 60:g} min"
    return f"{seconds:g} s"


def _yes_no(value: object) -> bool:
    word = text(value)
    if word not in ("true", "false"):
        raise Wrong(f"`{word}` n'est ni oui ni non", "écrivez `true` (oui) ou `false` (non)")
    return word == "true"


def only_true(verb: str, does: str) -> BeforeValidator:
    """A verb that takes no other value than ``true``."""

    def check(value: object) -> bool:
        if text(value) != "true":
            raise Wrong(f"`{verb}` ne sait que {does}", f"écrivez `{verb}: true`")
        return True

    return BeforeValidator(check, json_schema_input_type=Literal[True])


def number(most: int, of_what: str, least: int = 1) -> BeforeValidator:
    """A whole number from ``least`` to ``most``."""

    def check(value: object) -> int:
        word = text(value)
        if word not in [str(number) for number in range(least, most + 1)]:
            what = f"`{word}` n'est pas un nombre {of_what}"
            raise Wrong(what, f"écrivez un nombre de {least} à {most}")
        return int(word)

    written = Annotated[int, Field(ge=least, le=most)]
    return BeforeValidator(check, json_schema_input_type=written)


def _key(value: object) -> str:
    word = text(value)
    if not re.fullmatch(r"[0-9*#]", word):
        what = f"`{word}` n'est pas une touche du téléphone"
        raise Wrong(what, 'écrivez un chiffre, `"*"` ou `"#"`, entre guillemets')
    return word


def some(value: object) -> object:
    """A block or a list that is not empty."""
    if isinstance(value, dict | list) and not value:
        raise Wrong("ce bloc est vide", "écrivez au moins une ligne `clé: valeur`")
    return value


def _prompt(value: object) -> str:
    word = text(value)
    if not re.fullmatch(_PROMPT, word):
        what = f"`{word}` ne peut pas nommer un message"
        raise Wrong(what, "écrivez en minuscules sans accent, avec des tirets : `ne-quittez-pas`")
    return word


def _word(value: object) -> str:
    word = text(value)
    if not re.fullmatch(_WORD, word):
        what = f"`{word[:40]}` ne peut pas servir de nom"
        raise Wrong(what, "écrivez un nom sans espace, 40 lettres au plus : `message-du-soir`")
    return word


def title(letters_max: int, what: str = "le nom") -> BeforeValidator:
    """A few words for people to read. ``what`` begins the sentence that refuses too many."""

    def check(value: object) -> str:
        words = text(value)
        if len(words) > letters_max:
            raise Wrong(f"{what} dépasse {letters_max} caractères", "raccourcissez-le")
        return words

    written = _written(maxLength=letters_max)
    return BeforeValidator(check, json_schema_input_type=written)


YesNo = Annotated[bool, BeforeValidator(_yes_no, json_schema_input_type=bool)]
Key = Annotated[str, BeforeValidator(_key, json_schema_input_type=_written(pattern="^[0-9*#]$"))]
Prompt = Annotated[
    str, BeforeValidator(_prompt, json_schema_input_type=_written(pattern=f"^{_PROMPT}$"))
]
Word = Annotated[str, BeforeValidator(_word, json_schema_input_type=_written(pattern=f"^{_WORD}$"))]
StepName = Annotated[str, BeforeValidator(text)]
