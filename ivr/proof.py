"""Proves, before any caller hears it, that a flow leaves nobody in a loop, in silence or stuck.

Works on a flow whose steps and names are already known to be right one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ivr.reading import Loc, Source
from ivr.steps import AnyStep, HangUp, LineStep, Menu, Say, Step, Wait, targets

Steps = Mapping[str, AnyStep]


@dataclass(frozen=True)
class _Part:
    """A stretch of the flow with its own rules, from ``root``, which is named at ``named_at``."""

    root: str
    named_at: Loc
    when: str
    forbidden: dict[type[Step], str]  # step -> what to do instead
    must_end_well: bool  # it ends in a line or a goodbye, without any loop


_NO_WAIT = "gardez `wait` pour ce qui suit `while_waiting`"


def prove(source: Source, start: str, steps: Steps) -> None:
    """Note in ``source`` every way in which this flow could fail a caller."""
    parts = _parts(start, steps)
    reached = {name for name, step in steps.items() if isinstance(step, LineStep)}
    for part in parts:
        led_from = _reach(steps, part.root, part.named_at)
        reached |= led_from.keys()
        _prove_part(source, part, steps, led_from)
    for name, step in steps.items():
        if isinstance(step, LineStep) and step.while_crowded:
            _prove_crowd(source, name, step.while_waiting, step.while_crowded, steps)
    _prove_no_key_needed(source, steps, _reach(steps, start, ("start",)))
    for name in steps.keys() - reached:
        what = f"aucun chemin ne mène à l'étape `{name}`"
        source.wrong_key(("steps", name), what, "citez-la dans une autre étape, ou retirez-la")


def _parts(start: str, steps: Steps) -> list[_Part]:
    parts = [_Part(start, ("start",), "avant l'attente", {Wait: _NO_WAIT}, True)]
    for name, step in steps.items():
        if not isinstance(step, LineStep):
            continue
        stays = "l'appelant garde sa place : finissez par un `wait` qui revient en arrière"
        waiting: dict[type[Step], str] = {LineStep: stays, HangUp: stays}
        goodbye: dict[type[Step], str] = {
            Wait: _NO_WAIT,
            LineStep: "finissez par un au revoir et `hang_up: true`",
        }
        at: Loc = ("steps", name)
        parts += [
            _Part(step.while_waiting, (*at, "while_waiting"), "pendant l'attente", waiting, False),
            _Part(step.on_no_staff, (*at, "on_no_staff"), "quand personne n'est là", goodbye, True),
        ]
        if step.while_crowded:
            root, named_at = step.while_crowded, (*at, "while_crowded")
            parts.append(_Part(root, named_at, "pendant l'attente", waiting, False))
    return parts


def _reach(steps: Steps, root: str, named_at: Loc) -> dict[str, Loc]:
    """Every step met from ``root`` up to a line, with the place that first names it."""
    led_from = {root: named_at}
    to_follow = [root]
    while to_follow:
        name = to_follow.pop(0)
        if isinstance(steps[name], LineStep):
            continue
        for loc, target in targets(steps[name]):
            if target not in led_from:
                led_from[target] = ("steps", name, *loc)
                to_follow.append(target)
    return led_from


def _prove_part(source: Source, part: _Part, steps: Steps, led_from: dict[str, Loc]) -> None:
    for name, named_at in led_from.items():
        step = steps[name]
        if type(step) in part.forbidden:
            what = f"l'étape `{name}` n'a pas sa place {part.when}"
            source.wrong(named_at, what, part.forbidden[type(step)])
        if part.must_end_well and isinstance(step, Say) and step.then is None:
            what = f"après l'étape `{name}`, l'appelant n'entend plus rien"
            fix = "ajoutez `then: …` vers une étape `line` ou `hang_up`"
            source.wrong_key(("steps", name), what, fix)
    for named_at in _loops(steps, led_from, through_waits=part.must_end_well):
        what = "l'appelant tourne en rond"
        if part.must_end_well:
            source.wrong(named_at, what, f"{part.when}, allez toujours vers l'avant")
        else:
            source.wrong(named_at, f"{what} sans musique", "ajoutez un `wait` dans la boucle")
    if part.must_end_well:
        for named_at in _silent_ends(steps, part):
            what = "l'appel serait raccroché sans un mot"
            source.wrong(named_at, what, "passez d'abord par une étape `say` qui dit au revoir")


def _prove_crowd(source: Source, line_step: str, waiting: str, crowded: str, steps: Steps) -> None:
    """A crowd takes nothing away: what must be said is said, and the ordinary waiting comes back.

    So a caller is told of the crowd a few times at most, and not for ever.
    """
    named_at: Loc = ("steps", line_step, "while_crowded")
    ordinary = _reach(steps, waiting, ())
    in_the_crowd = _reach(steps, crowded, named_at)
    for prompt in _said_whole(steps, ordinary) - _said_whole(steps, in_the_crowd):
        what = f"en cas d'affluence, l'appelant n'entendrait pas `{prompt}` en entier"
        fix = f"à partir de `{crowded}`, ajoutez une étape `say: {prompt}` avec `whole: true`"
        source.wrong(named_at, what, fix)
    crowd_alone = [name for name in in_the_crowd if name not in ordinary]
    for back in _loops(steps, crowd_alone, through_waits=True):
        if back[1] in crowd_alone:
            what = "l'appelant entendrait sans fin que la ligne est encombrée"
            source.wrong(back, what, f"revenez à une étape qui suit `{waiting}`")


def _said_whole(steps: Steps, names: Iterable[str]) -> set[str]:
    return {step.prompt for n in names if isinstance(step := steps[n], Say) and step.whole}


def _loops(steps: Steps, names: Iterable[str], through_waits: bool) -> list[Loc]:
    """The places that send the caller back to a step they are still coming from."""
    found: list[Loc] = []
    open_names: set[str] = set()
    closed_names: set[str] = set()

    def follow(name: str) -> None:
        open_names.add(name)
        step = steps[name]
        if not isinstance(step, LineStep) and (through_waits or not isinstance(step, Wait)):
            for loc, target in targets(step):
                if target in open_names:
                    found.append(("steps", name, *loc))
                elif target not in closed_names:
                    follow(target)
        open_names.remove(name)
        closed_names.add(name)

    for name in names:
        if name not in closed_names:
            follow(name)
    return found


def _silent_ends(steps: Steps, part: _Part) -> list[Loc]:
    """The places that lead to a hang-up when nothing has been said in this part."""
    found = [part.named_at] if isinstance(steps[part.root], HangUp) else []
    seen = {part.root}
    to_follow = [part.root]
    while to_follow:
        name = to_follow.pop()
        if isinstance(steps[name], Say | LineStep):
            continue
        for loc, target in targets(steps[name]):
            if isinstance(steps[target], HangUp):
                found.append(("steps", name, *loc))
            elif target not in seen:
                seen.add(target)
                to_follow.append(target)
    return found


def _prove_no_key_needed(source: Source, steps: Steps, led_from: dict[str, Loc]) -> None:
    for name in led_from:
        step = steps[name]
        if not isinstance(step, Menu) or _meets_a_line(steps, step.otherwise):
            continue
        if any(_meets_a_line(steps, target) for target in step.keys.values()):
            what = "sans appuyer sur une touche, l'appelant n'atteint personne"
            fix = "menez `otherwise` vers une ligne, comme les touches"
            source.wrong(("steps", name, "otherwise"), what, fix)


def _meets_a_line(steps: Steps, root: str) -> bool:
    return any(isinstance(steps[name], LineStep) for name in _reach(steps, root, ()))
