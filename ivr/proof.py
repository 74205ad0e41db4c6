"""Proves, before any caller hears it, that a flow leaves nobody in a loop, in silence or stuck.

Works on a flow whose steps and names are already known to be right one by one. Each failure
is told as the call of somebody who meets it (``story.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING

from ivr.reading import Loc, Source
from ivr.steps import (
    AnyStep,
    ChooseLanguage,
    Consent,
    DayMessage,
    Gather,
    Ground,
    HangUp,
    LineStep,
    Menu,
    Notice,
    Probe,
    RelayStep,
    Say,
    Step,
    Wait,
    WaitEstimate,
    Way,
    prompts_of,
    ways,
)
from ivr.story import Stories, Trail
from ivr.values import written_seconds

if TYPE_CHECKING:
    from ivr.flow import Flow

NOBODY_SECONDS = 4.0  # how long nobody must be on duty before a caller is told so
MUSIC_SECONDS_MAX = 60.0  # who waits hears a voice as often at least, or feels forgotten
DAY_MESSAGE_SECONDS_MAX = 10.0  # longer ones are refused when they are switched on

Steps = Mapping[str, AnyStep]
_QUESTIONS = Menu | ChooseLanguage | Gather | Probe | Notice | Consent
_RESTS = Wait | Ground
_ENDS = LineStep | RelayStep  # of a part: what follows has parts of its own


@dataclass(frozen=True)
class _Part:
    """A stretch of the flow with its own rules, from ``root``, which is named at ``named_at``."""

    root: str
    named_at: Loc
    when: str
    forbidden: dict[type[Step], str]  # step -> what to do instead
    # Whoever presses nothing stays, so may not come to these; by a key one may leave.
    kept_from: dict[type[Step], str] = field(default_factory=dict)
    waits: bool = False  # the caller keeps their place in a line: it may go round and round

    def follows(self, way: Way) -> bool:
        """Whether a caller who presses nothing takes this way."""
        return way.how != "key"


def prove(source: Source, flow: Flow, prompts: Mapping[tuple[str, str], float] | None) -> None:
    """Note in ``source`` every way in which this flow could fail a caller.

    ``prompts``: how long each (language, id) lasts, in seconds; None: nothing of time is proved.
    """
    proof = _Proof(source, flow)
    for part in _parts(flow):
        proof.part(part)
    proof.crowds()
    proof.a_word_a_minute()
    proof.no_key_needed()
    proof.lines_lead_on()
    proof.notices()
    proof.all_reached()
    if prompts is not None and not source.problems:
        proof.rings_in_time(prompts)


_NO_WAIT = "gardez-la pour ce qui suit `while_waiting`"


_WHEN = {
    "no_staff": "quand personne n'est là",
    "full": "quand la ligne est pleine",
    "long": "après une longue attente",
    "relay": "après un relais, que l'appelant ait attendu dans une ligne ou non",
}


def _parts(flow: Flow) -> Iterator[_Part]:
    rests: dict[type[Step], str] = {Wait: _NO_WAIT, Ground: _NO_WAIT, WaitEstimate: _NO_WAIT}
    yield _Part(flow.start, ("start",), "avant l'attente", rests)
    for name, step in flow.steps.items():
        if not isinstance(step, LineStep | RelayStep):
            continue
        stays = "l'appelant garde sa place : finissez par un `wait` qui revient en arrière"
        kept: dict[type[Step], str] = {LineStep: stays, RelayStep: stays, HangUp: stays}
        for way in ways(step):
            at: Loc = ("steps", name, *way.loc)
            if way.how in ("waiting", "crowded"):
                yield _Part(way.target, at, "pendant l'attente", {}, kept, waits=True)
            else:
                yield _Part(way.target, at, _WHEN[way.how], rests)


class _Proof:
    def __init__(self, source: Source, flow: Flow) -> None:
        self._source = source
        self._flow = flow
        self._steps = flow.steps
        self._ways = {name: list(ways(step)) for name, step in flow.steps.items()}
        self._stories = Stories(flow)
        first_voice = flow.line("regulators")
        self._first_voice = next(name for name, step in flow.steps.items() if step is first_voice)

    # -- one part --------------------------------------------------------------

    def part(self, part: _Part) -> None:
        """Prove one stretch of the flow."""
        met = self._reach(part.root, part.named_at, until=_ENDS)
        silently = self._reach(part.root, part.named_at, part.follows, until=_ENDS)
        for name, named_at in met.items():
            step = self._steps[name]
            kept_from = part.kept_from.get(type(step)) if name in silently else None
            instead = part.forbidden.get(type(step), kept_from)
            if instead is not None:
                what, at = (
                    f"l'étape `{name}` n'a pas sa place {part.when}",
                    silently.get(name, named_at),
                )
                self._source.wrong(at, what, instead, self._stories.to(at))
            if isinstance(step, Say) and step.then is None:
                self._nothing_follows(part, name)
        self._no_loop(part, met)
        for named_at in self._silent_ends(part):
            what = "l'appel serait raccroché sans un au revoir"
            fix = "passez d'abord par une étape `say` qui dit au revoir"
            story = self._stories.to(named_at, "raccroché, sans un mot")
            self._source.wrong(named_at, what, fix, story)

    def _nothing_follows(self, part: _Part, name: str) -> None:
        if part.waits:
            what = f"après l'étape `{name}`, l'appelant n'entend plus que la musique"
            fix, end = "ajoutez `then: …` vers un `wait` qui revient en arrière", "puis la musique"
        else:
            what = f"après l'étape `{name}`, l'appelant n'entend plus rien"
            fix, end = "ajoutez `then: …` vers une étape `line` ou `hang_up`", "puis plus rien"
        self._source.wrong_key(("steps", name), what, fix, self._stories.at(name, f"… {end}"))

    def _no_loop(self, part: _Part, met: Mapping[str, Loc]) -> None:
        def turns(name: str, way: Way) -> bool:
            rests = part.waits and isinstance(self._steps[name], _RESTS)
            return part.follows(way) and not rests

        for named_at in self._loops(met, turns):
            what, story = (
                "l'appelant tourne en rond",
                self._stories.to(named_at, "… et ainsi de suite"),
            )
            if part.waits:
                fix = "ajoutez un `wait` dans la boucle"
                self._source.wrong(named_at, f"{what} sans musique", fix, story)
            else:
                fix = f"{part.when}, allez toujours vers l'avant"
                self._source.wrong(named_at, what, fix, story)

    def _silent_ends(self, part: _Part) -> Iterator[Loc]:
        """The places that lead to a hang-up when the last that was heard is no goodbye."""
        seen: set[tuple[str, bool]] = set()
        to_follow = [(part.root, False, part.named_at)]
        while to_follow:
            name, told, named_at = to_follow.pop()
            step = self._steps[name]
            if isinstance(step, HangUp) and not told:
                yield named_at
            if (name, told) in seen or isinstance(step, _ENDS):
                continue
            seen.add((name, told))
            if isinstance(step, Say | Notice):
                told = True
            elif isinstance(step, _QUESTIONS | _RESTS):  # a question is no goodbye
                told = False
            for way in self._ways[name]:
                to_follow.append((way.target, told, ("steps", name, *way.loc)))

    # -- the whole flow --------------------------------------------------------

    def crowds(self) -> None:
        """A crowd takes nothing away: what must be said is said, the ordinary waiting comes back.

        So a caller is told of the crowd a few times at most, and not for ever.
        """
        for name, step in self._steps.items():
            if isinstance(step, LineStep) and step.while_crowded:
                self._crowd(name, step.while_waiting, step.while_crowded)

    def _crowd(self, line_step: str, waiting: str, crowded: str) -> None:
        named_at: Loc = ("steps", line_step, "while_crowded")
        ordinary = self._reach(waiting, ())
        in_the_crowd = self._reach(crowded, named_at)
        for prompt in self._said_whole(ordinary) - self._said_whole(in_the_crowd):
            what = f"en cas d'affluence, l'appelant n'entendrait pas `{prompt}` en entier"
            fix = f"à partir de `{crowded}`, ajoutez une étape `say: {prompt}` avec `whole: true`"
            self._source.wrong(named_at, what, fix)
        crowd_alone = [name for name in in_the_crowd if name not in ordinary]
        for back in self._loops(crowd_alone, lambda _, way: way.how != "key"):
            if back[1] in crowd_alone:
                what = "l'appelant entendrait sans fin que la ligne est encombrée"
                fix = f"revenez à une étape qui suit `{waiting}`"
                self._source.wrong(back, what, fix, self._stories.to(back))

    def _said_whole(self, names: Iterable[str]) -> set[str]:
        return {
            step.prompt
            for name in names
            if isinstance(step := self._steps[name], Notice)
            or (isinstance(step, Say) and step.whole)
        }

    def a_word_a_minute(self) -> None:
        """Whoever waits hears a voice at least once a minute, whatever they press.

        What may be silent is no word: a message of the day, an estimated wait. Whoever was led
        on out of a line may have heard a minute of music there already.
        """
        most: dict[str, float] = {}  # the longest music before each step
        unheard: dict[str, tuple[float, Trail]] = {}
        # A step, the music since the last word, and the way from there.
        to_follow: list[tuple[str, float, Trail]] = [(self._flow.start, 0.0, ())]
        for name, step in self._steps.items():
            if isinstance(step, LineStep):
                to_follow.append((name, 0.0, ()))
                to_follow += [
                    (way.target, MUSIC_SECONDS_MAX, ((name, way),))
                    for way in self._ways[name]
                    if way.how in ("no_staff", "long")
                ]
        while to_follow:
            name, music, trail = to_follow.pop(0)
            step = self._steps[name]
            if music <= most.get(name, -1.0):
                continue
            most[name] = music
            speaks, rests = _sound_of(step)
            music, trail = (0.0, ()) if speaks else (music, trail)
            if music + rests > MUSIC_SECONDS_MAX:
                unheard[name] = music + rests, trail
                continue
            for way in self._ways[name]:
                if not isinstance(step, LineStep) or way.how in ("waiting", "crowded", "full"):
                    to_follow.append((way.target, music + rests, (*trail, (name, way))))
        for name, (music, trail) in unheard.items():
            self._a_minute_without(name, trail, music)

    def _a_minute_without(self, name: str, trail: Trail, music: float) -> None:
        spoken = next(iter(self._ways[name]))
        told = written_seconds(music)
        what = f"en attendant, l'appelant resterait {told} sans entendre une voix"
        fix = f"dites un message, et pas plus de {written_seconds(MUSIC_SECONDS_MAX)} de musique"
        story = self._stories.along((*trail, (name, spoken)), f"… {told} de musique, sans un mot")
        step = self._steps[name]
        key = "wait" if isinstance(step, Wait) else "every" if isinstance(step, Ground) else ""
        at: Loc = ("steps", name, key) if key else ("steps", name)
        (self._source.wrong if key else self._source.wrong_key)(at, what, fix, story)

    def no_key_needed(self) -> None:
        """Whoever presses nothing comes to a person, and wherever a key would lead to one."""
        told = len(self._source.problems)
        for name in self._reach(self._flow.start, ("start",)):
            step = self._steps[name]
            if not isinstance(step, Menu | Gather | Probe):
                continue
            silent = next(way for way in self._ways[name] if way.how == "none")
            by_key = (way.target for way in self._ways[name] if way.how == "key")
            if not self._meets_a_line(silent.target, lambda way: way.how != "key") and any(
                self._meets_a_line(target, lambda _: True) for target in by_key
            ):
                what = "sans appuyer sur une touche, l'appelant n'atteint personne"
                fix = "menez `otherwise` vers une ligne, comme les touches"
                named_at: Loc = ("steps", name, *silent.loc)
                self._source.wrong(named_at, what, fix, self._stories.to(named_at))
        alone = not self._meets_a_line(self._flow.start, lambda way: way.how != "key")
        if alone and len(self._source.problems) == told:
            what = "sans appuyer sur une touche, l'appelant n'atteint jamais personne"
            self._source.wrong(("start",), what, "menez à une étape `line`")

    def _meets_a_line(self, root: str, follows: Callable[[Way], bool]) -> bool:
        return any(isinstance(self._steps[n], LineStep) for n in self._reach(root, (), follows))

    def lines_lead_on(self) -> None:
        """From line to line a silent caller only goes forward: every wait has an end."""
        for name, step in self._steps.items():
            if not isinstance(step, LineStep):
                continue
            for way in self._ways[name]:
                if way.how in ("no_staff", "long", "full"):
                    self._leads_on(name, way)

    def _leads_on(self, line: str, way: Way) -> None:
        seen: set[str] = set()
        to_follow = [(way.target, ("steps", line, *way.loc))]
        while to_follow:
            name, named_at = to_follow.pop()
            if name == line:
                what = "sans appuyer sur une touche, l'appelant attendrait sans fin"
                fix = "menez à une autre ligne, à un relais, ou à un au revoir et `hang_up`"
                self._source.wrong(named_at, what, fix, self._stories.to(named_at))
                return
            if name in seen:
                continue
            seen.add(name)
            step = self._steps[name]
            for onward in self._ways[name]:
                leads = (
                    onward.how in ("no_staff", "long", "full")
                    if isinstance(step, LineStep)
                    else onward.how != "key"
                )
                if leads:
                    to_follow.append((onward.target, ("steps", name, *onward.loc)))
            if isinstance(step, LineStep) and step.line == "listeners":
                # Without a listener, a regulator who is there takes the caller back.
                to_follow.append((self._first_voice, named_at))

    def notices(self) -> None:
        """Where calls are recorded or listened to, everybody is told before they reach a person."""
        if not self._flow.supervision:
            return
        fix = "ajoutez une étape `notice` avant cette ligne, ou au début de son `while_waiting`"
        for name, named_at in self._reached_without_notice().items():
            step = self._steps[name]
            if not isinstance(step, LineStep):
                continue
            for way in self._ways[name]:
                told = isinstance(self._steps[way.target], Notice)
                if way.how in ("waiting", "crowded") and not told:
                    what = "l'appelant parlerait à quelqu'un sans avoir été averti"
                    self._source.wrong(named_at, what, fix, self._stories.to(named_at))
                    break

    def _reached_without_notice(self) -> dict[str, Loc]:
        met: dict[str, Loc] = {self._flow.start: ("start",)}
        to_follow = [self._flow.start]
        if self._flow.danger is not None and self._flow.danger.then not in met:
            met[self._flow.danger.then] = ("danger", "then")
            to_follow.append(self._flow.danger.then)
        while to_follow:
            name = to_follow.pop(0)
            step = self._steps[name]
            if isinstance(step, Notice):
                continue
            for way in self._ways[name]:
                # Of a line, only what is heard where it is full comes before what is heard in it.
                before = way.how == "full" or not isinstance(step, LineStep)
                if before and way.target not in met:
                    met[way.target] = ("steps", name, *way.loc)
                    to_follow.append(way.target)
        return met

    def all_reached(self) -> None:
        """No step is there for nothing."""
        reached: set[str] = {n for n, step in self._steps.items() if isinstance(step, LineStep)}
        for part in _parts(self._flow):
            reached |= self._reach(part.root, part.named_at).keys()
        for name in self._steps.keys() - reached:
            what = f"aucun chemin ne mène à l'étape `{name}`"
            fix = "citez-la dans une autre étape, ou retirez-la"
            self._source.wrong_key(("steps", name), what, fix)

    def rings_in_time(self, prompts: Mapping[tuple[str, str], float]) -> None:
        """A phone rings soon enough for who presses nothing, whichever way the time leads them."""

        def longest(prompt: str) -> float:
            return max(prompts[language, prompt] for language in self._flow.languages)

        @cache  # many ways lead to the same step
        def slowest(name: str) -> tuple[float, Loc] | None:
            """Seconds to the first ring from this step, and the last place before that line."""
            step = self._steps[name]
            found = [
                (rest[0] + seconds_of(step), rest[1] or ("steps", name, *way.loc))
                for way in self._ways[name]
                if leads(step, way) and (rest := slowest(way.target))
            ]
            if isinstance(step, LineStep):
                found.append((step.ring_after_seconds, ()))
            return max(found, default=None)

        def leads(step: AnyStep, way: Way) -> bool:
            if isinstance(step, LineStep):  # nobody may have these skills
                return bool(step.skills) and way.how == "no_staff"
            # A relay may be closed: what follows one that was called is another wait.
            return way.how in ("then", "none", "case") or way.loc == ("otherwise",)

        def seconds_of(step: AnyStep) -> float:
            if isinstance(step, LineStep):
                return step.ring_after_seconds + NOBODY_SECONDS
            if isinstance(step, RelayStep):
                return 0.0
            said = sum(longest(prompt) for loc, prompt in prompts_of(step) if loc != ("more",))
            if isinstance(step, DayMessage):
                return DAY_MESSAGE_SECONDS_MAX
            if isinstance(step, _QUESTIONS):
                waits = not isinstance(step, Notice) or step.more is not None
                tries = step.tries if isinstance(step, Menu | Gather) else 1
                return tries * (said + (step.seconds_max if waits else 0.0))
            return said

        rung = slowest(self._flow.start)
        promised = self._flow.rings_within_seconds
        if rung is not None and rung[0] > promised:
            seconds = written_seconds(round(rung[0], 1))
            what = f"un téléphone ne sonnerait qu'après {seconds}, au lieu de"
            fix = "menez plus tôt à la ligne : ses messages se disent pendant qu'on sonne"
            named_at = rung[1] or ("start",)
            story = self._stories.to(named_at, f"… le premier téléphone sonne après {seconds}")
            self._source.wrong(named_at, f"{what} {written_seconds(promised)}", fix, story)

    # -- walking ---------------------------------------------------------------

    def _reach(
        self,
        root: str,
        named_at: Loc,
        follows: Callable[[Way], bool] = lambda _: True,
        until: type[Step] | UnionType = LineStep,
    ) -> dict[str, Loc]:
        """Every step met from ``root`` up to a line, with the place that first names it."""
        led_from = {root: named_at}
        to_follow = [root]
        while to_follow:
            name = to_follow.pop(0)
            if isinstance(self._steps[name], until):
                continue
            for way in self._ways[name]:
                if way.target not in led_from and follows(way):
                    led_from[way.target] = ("steps", name, *way.loc)
                    to_follow.append(way.target)
        return led_from

    def _loops(self, names: Iterable[str], turns: Callable[[str, Way], bool]) -> list[Loc]:
        """The places that send the caller back to a step they are still coming from."""
        found: list[Loc] = []
        open_names: set[str] = set()
        closed_names: set[str] = set()

        def follow(name: str) -> None:
            open_names.add(name)
            for way in () if isinstance(self._steps[name], LineStep) else self._ways[name]:
                if not turns(name, way):
                    continue
                if way.target in open_names:
                    found.append(("steps", name, *way.loc))
                elif way.target not in closed_names:
                    follow(way.target)
            open_names.remove(name)
            closed_names.add(name)

        for name in names:
            if name not in closed_names:
                follow(name)
        return found


def _sound_of(step: AnyStep) -> tuple[bool, float]:
    """Whether a caller hears a voice at this step, and the longest music after it, in seconds."""
    match step:
        case Wait():
            return False, step.seconds
        case Ground():
            return True, step.every_seconds
        case Notice(more=None):
            return True, 0.0
        case Menu() | ChooseLanguage() | Gather() | Probe() | Notice() | Consent():
            return True, step.seconds_max
        case Say() | RelayStep():
            return True, 0.0
        case _:
            return False, 0.0
