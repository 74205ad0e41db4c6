"""Unfolds a flow: the steps of its own file, and those of the files in ``parts/`` it makes use of.

A step ``x: {flow: notice, then: y}`` brings in the steps of ``parts/notice.yaml``, named
``x/…``; where these say ``back: true``, the caller goes on at ``y``. So what is proved of a
flow is proved of all its files at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ivr.checking import checked, checked_step, names
from ivr.reading import FlowError, Loc, Source, read, write_instead
from ivr.steps import AnyStep, Back, SubFlow, led_elsewhere, ways
from ivr.values import StepName, title

NESTED_FILES_MAX = 3
STEPS_WRITTEN_MAX = 200  # in one file; more are not looked into, which would take minutes
STEPS_UNFOLDED_MAX = 1000  # files that bring in each other would grow without end


class _Part(BaseModel):
    """A file of ``parts/`` as a whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, title(80)] = Field(
        default="", description="Ce que fait ce fichier, pour vous."
    )
    start: StepName = Field(
        examples=["start: nom-de-la-première-étape"], description="La première étape."
    )
    steps: dict[str, Any] = Field(examples=["steps:"], description="Les étapes, par leur nom.")


def unfolded(
    source: Source, depth: int = 0, refused: set[Path] | None = None
) -> dict[str, AnyStep]:
    """Every step of a file and of those it brings in, by name. Notes what is refused.

    ``refused``: the files of ``parts/`` found wrong so far. Each is told once and never read
    again: files that bring in each other many times would be read without end.
    """
    refused = set() if refused is None else refused
    written = dict(names(source, "steps", quietly=True))
    if len(written) > STEPS_WRITTEN_MAX:
        what = f"plus de {STEPS_WRITTEN_MAX} étapes"
        source.wrong_key(("steps",), what, "gardez seulement les étapes utiles")
        return {}
    written = dict(names(source, "steps"))
    own = {name: checked_step(source, name, step) for name, step in written.items()}
    steps = {name: step for name, step in own.items() if step is not None}
    _check_targets(source, steps, written)
    for name, step in list(steps.items()):
        if isinstance(step, SubFlow) and len(steps) < STEPS_UNFOLDED_MAX:
            steps |= _brought_in(source, name, step, depth, refused)
    return steps


def _check_targets(source: Source, steps: dict[str, AnyStep], written: dict[str, object]) -> None:
    # Names as written, even of steps refused on their own: one mistake, one line.
    for name, step in steps.items():
        for way in ways(step):
            if way.target not in written:
                what = f"étape inconnue `{way.target}`"
                instead = write_instead(way.target, written)
                source.wrong(("steps", name, *way.loc), what, instead)


def _brought_in(
    source: Source, name: str, step: SubFlow, depth: int, refused: set[Path]
) -> dict[str, AnyStep]:
    """The steps of a file of ``parts/``, renamed; and the step itself, leading to the first."""
    at: Loc = ("steps", name, "flow")
    if depth >= NESTED_FILES_MAX:
        what = f"plus de {NESTED_FILES_MAX} fichiers sont emboîtés"
        source.wrong(at, what, "vérifiez qu'un fichier de `parts/` ne s'appelle pas lui-même")
        return {}
    folder = (
        source.file.parent if source.file.parent.name == "parts" else source.file.parent / "parts"
    )
    file = folder / f"{step.flow}.yaml"
    if file in refused:
        return {}
    if not file.exists():
        known = [path.stem for path in folder.glob("*.yaml")]
        fix = write_instead(step.flow, known) if known else f"écrivez ce fichier : {file}"
        source.wrong(at, f"aucun fichier `parts/{step.flow}.yaml`", fix)
        return {}
    try:
        part = read(file)
    except FlowError as error:
        refused.add(file)
        source.problems.extend(error.problems)
        return {}
    source.parts[name] = part
    top = checked(part, (), _Part, part.data)
    inner = unfolded(part, depth + 1, refused)
    if top is not None and top.start not in top.steps:
        what = f"étape inconnue `{top.start}`"
        part.wrong(("start",), what, write_instead(top.start, top.steps))
    source.problems.extend(part.problems)
    if top is None or part.problems:
        refused.add(file)
        return {}

    def renamed(target: str) -> str:
        return step.then if isinstance(inner.get(target), Back) else f"{name}/{target}"

    steps = {
        f"{name}/{inner_name}": led_elsewhere(inner_step, renamed)
        for inner_name, inner_step in inner.items()
        if not isinstance(inner_step, Back)
    }
    return {name: step.model_copy(update={"then": renamed(top.start)}), **steps}
