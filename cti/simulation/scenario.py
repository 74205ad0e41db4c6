"""Plays the scenarios of a flow in virtual time: our real call code, a caller who follows one.

The caller goes from moment to moment: hears what must be heard before pressing what is to be
pressed. What they met instead is told, with its time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from cti.calls.estimate import TALKS_MIN, Past
from cti.calls.house import House
from cti.simulation.actors import AgentPlan, Caller, CallerPlan
from cti.simulation.fake_people import FakePhoneCall, FarEnd
from cti.simulation.world import WRAP_UP_SECONDS, Plan, Scenery, World
from ivr.relays import Relay
from ivr.scenarios import Moment, Scenario
from ivr.situation import Crisis, Message, Situation
from ivr.steps import LINES
from ivr.versions import FlowVersion
from sounds.catalogue import Catalogue

SCENARIO_SECONDS_MAX = 5400.0
PRESSED_AFTER_SECONDS = 1.2  # a person hears the question before they press
KEY_APART_SECONDS = 0.4
TALK_SECONDS = 2.0
COME_BY_SECONDS = 4.0  # the agents are there
TAKEN_BY_SECONDS = 20.0  # those who called before are talking


@dataclass
class Lived:
    """How a scenario went: what was met, with its time, and what was waited for in vain."""

    met: list[tuple[float, str]] = field(default_factory=list)  # seconds since the answer
    pressed: list[tuple[float, str]] = field(default_factory=list)
    reached: int = 0  # moments of the scenario that came true
    wrong: str | None = None

    @property
    def held(self) -> bool:
        """Whether all came true."""
        return self.wrong is None


def play(
    scenario: Scenario, version: FlowVersion, catalogue: Catalogue, relays: Mapping[str, Relay]
) -> Lived:
    """Play one scenario; takes milliseconds."""
    lived = Lived()
    plan = Plan(
        callers=tuple(_others(scenario)), agents=tuple(_agents(scenario)), quiet_seconds=1.0
    )
    world = _World(plan, scenario, _scenery(scenario, version, catalogue, relays), lived)
    try:
        world.run()
    finally:
        world.close()
    moments = scenario.call
    heard = [what for _, what in lived.met]
    unwanted = [one for one in scenario.never_hears if any(_is(one, what) for what in heard)]
    if lived.reached < len(moments):
        lived.wrong = f"on attendait : {moments[lived.reached]}"
    elif unwanted:
        lived.wrong = f"on a entendu : {', '.join(unwanted)}"
    return lived


def _scenery(
    scenario: Scenario,
    version: FlowVersion,
    catalogue: Catalogue,
    relays: Mapping[str, Relay],
) -> Scenery:
    at = scenario.at_time()
    ends = at + timedelta(days=1)
    crisis = Crisis(profile=scenario.crisis, until=ends) if scenario.crisis else None
    message = Message(prompt=scenario.message, until=ends) if scenario.message else None
    played = {
        id_: relay.model_copy(update={"live": does != "closed", "verified_at": at.date()})
        for id_, relay in relays.items()
        if (does := scenario.relays.get(id_, "closed"))
    }
    # The caller dials a few seconds after the world begins.
    began_at = at - timedelta(seconds=_dials_at(scenario))
    situation = Situation(crisis=crisis, message=message)
    return Scenery({"line": version}, catalogue, began_at, situation, played)


def _dials_at(scenario: Scenario) -> float:
    return COME_BY_SECONDS + (0.0 if scenario.busy_for_seconds is None else TAKEN_BY_SECONDS)


def _others(scenario: Scenario) -> Iterator[CallerPlan]:
    """Those whom everybody on duty is listening to as this call comes."""
    if scenario.busy_for_seconds is not None:
        until = _dials_at(scenario) + scenario.busy_for_seconds
        for number in range(scenario.staff.regulators):
            at = COME_BY_SECONDS + number * 0.1
            talks = until - at - scenario.answers_after_seconds - 2.0
            yield CallerPlan(at, SCENARIO_SECONDS_MAX, talks, number=f"01990002{number:02d}")


def _agents(scenario: Scenario) -> list[AgentPlan]:
    orients = any(moment.talks_to == "listeners" for moment in scenario.call)
    ends = "end" if scenario.busy_for_seconds is None else "listen"
    does = {"regulator": "orient" if orients else ends, "listener": "end"}
    counts = {"regulator": scenario.staff.regulators, "listener": scenario.staff.listeners}
    return [
        AgentPlan(
            f"{role}{number}",
            frozenset({role}),
            frozenset(scenario.languages),
            steady=True,
            always=does[role],
            skills=dict.fromkeys(scenario.skills, 1),
            answers_after_seconds=scenario.answers_after_seconds,
        )
        for role, count in counts.items()
        for number in range(count)
    ]


class _World(World):
    def __init__(self, plan: Plan, scenario: Scenario, scenery: Scenery, lived: Lived) -> None:
        super().__init__(plan, seed="scenario", scenery=scenery)
        self._scenario = scenario
        self._lived = lived

    def _house(self) -> House:
        house, usual = super()._house(), self._scenario.usual_talk_seconds
        if usual is not None:
            for line in LINES:
                house.estimates.recall(line, [Past(usual, WRAP_UP_SECONDS)] * TALKS_MIN)
        return house

    def _begin(self) -> None:
        super()._begin()
        for id_, relay in self.scenery.relays.items():
            if relay.live:
                line = self.engine.add_relay(relay.number)
                if self._scenario.relays.get(id_) == "answers":
                    line.on_ring = self._relay_answers
        _Follower(self, self._scenario, self._lived, self.scenery.relays)

    def _relay_answers(self, ring: FakePhoneCall) -> None:
        self.later(1.0, ring.answer)
        self.later(1.0 + TALK_SECONDS * 2, ring.hang_up)


class _Follower(Caller):
    """A caller who does what the scenario says, when it has come to that."""

    def __init__(
        self, world: World, scenario: Scenario, lived: Lived, relays: Mapping[str, Relay]
    ) -> None:
        patience = SCENARIO_SECONDS_MAX
        plan = CallerPlan(_dials_at(scenario), patience, talk_seconds=patience)
        super().__init__(world, plan)
        self._scenario = scenario
        self._lived = lived
        self._relays = {relay.number: id_ for id_, relay in relays.items()}
        self._busy = False  # pressing, or waiting
        self._begun = False

    def _changed(self, end: FarEnd) -> None:
        super()._changed(end)
        if not self._begun and end.state == "up":
            self._begun = True
            self._act()
        what = self._what(end)
        if what:
            self._lived.met.append((self._since(), what))
        self._go_on(what)

    def _since(self) -> float:
        assert self.end is not None
        answered_at = self.end.answered_at
        return 0.0 if answered_at is None else self._world.loop.time() - answered_at

    def _what(self, end: FarEnd) -> str:
        if end.state == "ended":
            ours = self.left_at is None and end.ended_how == "command"
            return "au revoir" if ours else "raccroché"
        kind, _, rest = end.hears.partition(":")
        if kind == "prompt":
            _, _, language, prompt = rest.split("/")
            return f"{language}/{prompt}"
        if kind == "people":
            with_relay = self._relays.get(rest)
            return f"relais {with_relay}" if with_relay else f"personne {rest}"
        return "musique" if kind == "music" else ""

    def _go_on(self, what: str) -> None:
        """See whether the next moment has come; then do what follows it."""
        if self._busy or self._lived.reached >= len(self._scenario.call):
            return
        moment = self._scenario.call[self._lived.reached]
        if not _comes_true(moment, what):
            return
        self._lived.reached += 1
        self._act()

    def _act(self) -> None:
        """Do what the caller does now, until something has to come from the line."""
        if self._lived.reached == len(self._scenario.call):
            self._world.later(1.0, self._leave)
            return
        moment = self._scenario.call[self._lived.reached]
        if moment.waits_seconds is not None:
            self._later(moment.waits_seconds)
        elif moment.presses is not None:
            for place, key in enumerate(moment.presses):
                self._world.later(
                    PRESSED_AFTER_SECONDS + place * KEY_APART_SECONDS, self._press, key
                )
            self._later(PRESSED_AFTER_SECONDS + len(moment.presses) * KEY_APART_SECONDS)

    def _later(self, seconds: float) -> None:
        self._busy = True
        self._world.later(seconds, self._done)

    def _done(self) -> None:
        self._busy = False
        self._lived.reached += 1
        self._act()
        # What is heard by now counts: it may have begun while a key was being pressed.
        if self.end is not None and self.end.state != "ended":
            self._go_on(self._what(self.end))

    def _press(self, key: str) -> None:
        assert self.end is not None
        self._lived.pressed.append((self._since(), key))
        self.end.press(key)


def _comes_true(moment: Moment, what: str) -> bool:
    if moment.hears is not None:
        return _is(moment.hears, what)
    if moment.talks_to is not None:
        role = {"regulators": "regulator", "listeners": "listener"}[moment.talks_to]
        return what.startswith(f"personne {role}")
    if moment.talks_to_relay is not None:
        return what == f"relais {moment.talks_to_relay}"
    return moment.ends == "goodbye" and what == "au revoir"


def _is(wanted: str, what: str) -> bool:
    return what == wanted or what.partition("/")[2] == wanted
