"""What is suggested to who has a caller: good ways onward, never one that cannot be, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti import clock
from cti.calls import suggestions as module
from cti.calls.state import Call
from cti.people.agents import Agent, Message, Presence, Role
from cti.people.choosing import LINE_ROLES, LINES, ON_DUTY
from cti.people.suggesting import (
    MUCH_TODAY_MINUTES,
    SUGGESTIONS_MAX,
    Known,
    Suggestion,
    line_of,
    suggest,
    words,
)
from cti.simulation.world import World
from cti.web.frames import CallSuggestions, Snapshot
from tests.stories import TO_LISTENERS, Deed, Oriented, Team, Tell, caller_leaves, crash, live

NOW = 100_000.0
AT_REGULATION = Known(agent="rosa", line="regulators", language="fr")


def agent(
    id_: str,
    role: Role = Role.LISTENER,
    *,
    presence: Presence = Presence.READY,
    screens: int = 1,
    languages: frozenset[str] = frozenset({"fr"}),
    skills: Mapping[str, int] | None = None,
    gender: str | None = None,
    free_minutes: float = 5.0,
    missed: int = 0,
) -> Agent:
    one = Agent(id_, id_.capitalize(), frozenset({role}), id_, languages, dict(skills or {}))
    one.gender, one.presence, one.missed = gender, presence, missed
    one.free_since = NOW - free_minutes * 60
    for _ in range(screens):
        one.outbox.open_screen(lambda _message: None)
    return one


def to(
    *team: Agent,
    known: Known = AT_REGULATION,
    waiting: Mapping[str, int] | None = None,
    loads: Mapping[str, float] | None = None,
) -> list[str]:
    """Where to, as the ids in their order."""
    return [target(one) for one in suggest(known, team, waiting or {}, loads or {}, NOW)]


def target(one: Suggestion) -> str:
    (id_,) = one.to.values()
    return id_


def reasons(
    *team: Agent, known: Known = AT_REGULATION, waiting: Mapping[str, int] | None = None
) -> dict[str, tuple[str, ...]]:
    return {target(s): s.reasons for s in suggest(known, team, waiting or {}, {}, NOW)}


# -- what never happens, whoever is there

PEOPLE = st.lists(
    st.builds(
        agent,
        st.sampled_from(["rosa", "lea", "louis", "sam", "ada", "zoe", "max", "noe"]),
        st.sampled_from(list(Role)),
        presence=st.sampled_from(list(Presence)),
        screens=st.integers(0, 2),
        languages=st.frozensets(st.sampled_from(["fr", "en", "ar"]), min_size=1),
        skills=st.dictionaries(st.sampled_from(["violences", "aidants"]), st.integers(1, 3)),
        gender=st.sampled_from([None, "femme", "homme"]),
        free_minutes=st.floats(0, 600),
        missed=st.integers(0, 2),
    ),
    max_size=8,
    unique_by=lambda one: one.id,
)
CALLS = st.builds(
    Known,
    agent=st.sampled_from(["rosa", "lea"]),
    line=st.sampled_from(["regulators", "listeners"]),
    language=st.sampled_from([None, "fr", "en"]),
    told=st.dictionaries(st.just("besoin"), st.sampled_from(["violences", "aidants", "rien"])),
    danger=st.booleans(),
    gender=st.sampled_from([None, "femme", "homme"]),
    skills=st.dictionaries(
        st.sampled_from(list(LINES)),
        st.dictionaries(st.sampled_from(["violences", "aidants"]), st.integers(1, 3)),
    ),
)
WAITING = st.dictionaries(st.sampled_from(list(LINES)), st.integers(0, 9))
LOADS = st.dictionaries(st.sampled_from(["lea", "louis", "sam"]), st.floats(0, 600))


@given(PEOPLE, CALLS, WAITING, LOADS)
def test_nobody_is_suggested_who_cannot_take_this_caller_now(
    team: list[Agent], known: Known, waiting: dict[str, int], loads: dict[str, float]
) -> None:
    people = {one.id: one for one in team}
    found = suggest(known, team, waiting, loads, NOW)
    assert len(found) <= SUGGESTIONS_MAX
    assert len({target(one) for one in found}) == len(found)
    for one in found:
        if "agent" not in one.to:
            continue
        person = people[one.to["agent"]]
        line = line_of(person)
        assert line is not None
        assert person.presence is Presence.READY
        assert person.outbox.screens > 0
        assert person.id != known.agent
        assert known.language is None or known.language in person.languages
        assert known.gender is None or known.gender == person.gender
        assert person.skills.keys() >= known.skills.get(line, {}).keys()


@given(PEOPLE, CALLS, WAITING, LOADS)
def test_no_line_is_suggested_where_nobody_serves_this_caller(
    team: list[Agent], known: Known, waiting: dict[str, int], loads: dict[str, float]
) -> None:
    for one in suggest(known, team, waiting, loads, NOW):
        if "line" not in one.to:
            continue
        line = one.to["line"]
        assert line != known.line
        assert any(
            other.id != known.agent
            and other.presence in ON_DUTY
            and LINE_ROLES[line] in other.roles
            and (known.language is None or known.language in other.languages)
            and (known.gender is None or known.gender == other.gender)
            and all(other.skills.get(s, 0) >= n for s, n in known.skills.get(line, {}).items())
            for other in team
        )


@given(PEOPLE, CALLS, WAITING, LOADS)
def test_the_order_of_the_team_changes_nothing(
    team: list[Agent],
    known: Known,
    waiting: dict[str, int],
    loads: dict[str, float],
) -> None:
    otherwise = sorted(team, key=lambda one: one.name[::-1])
    assert suggest(known, team, waiting, loads, NOW) == suggest(
        known, otherwise, waiting, loads, NOW
    )


@given(PEOPLE, CALLS, WAITING, LOADS)
def test_every_reason_has_its_words_and_none_speaks_of_a_load(
    team: list[Agent], known: Known, waiting: dict[str, int], loads: dict[str, float]
) -> None:
    told = {target(s): s.reasons for s in suggest(known, team, waiting, loads, NOW)}
    unloaded = {a.id: reasons(a, known=known).get(a.id) for a in team}
    for id_, why in told.items():
        assert why
        assert all(words(one, "fr") and words(one, "en") for one in why)
        if id_ in unloaded:  # the same reasons as if they had had nothing
            assert why == unloaded[id_]


# -- what comes first, and why


def test_who_knows_what_the_caller_told_comes_before_the_line_and_the_others_after() -> None:
    knows = agent("lea", skills={"violences": 2}, free_minutes=1)
    longest = agent("louis", free_minutes=90)
    known = replace(AT_REGULATION, told={"besoin": "violences"})
    assert to(longest, knows, known=known) == ["lea", "listeners", "louis"]
    assert reasons(longest, knows, known=known)["lea"] == ("skill:violences:2", "free_minutes:1")


def test_who_knows_it_better_comes_first() -> None:
    known = replace(AT_REGULATION, told={"besoin": "violences"})
    some, more = agent("ada", skills={"violences": 1}), agent("lea", skills={"violences": 3})
    assert to(some, more, known=known)[:2] == ["lea", "ada"]


def test_of_two_alike_who_is_free_for_longest_comes_first() -> None:
    team = agent("ada", free_minutes=2), agent("lea", free_minutes=12)
    assert to(*team) == ["listeners", "lea", "ada"]
    assert reasons(*team)["lea"] == ("free_minutes:12",)
    assert reasons(agent("ada", free_minutes=0.5))["ada"] == ("just_free",)


def test_in_danger_a_person_who_is_free_comes_before_a_line() -> None:
    known = replace(AT_REGULATION, danger=True)
    assert to(agent("lea"), known=known) == ["lea", "listeners"]
    assert reasons(agent("lea"), known=known)["lea"][0] == "danger"


def test_a_line_where_callers_wait_comes_after_who_is_free() -> None:
    assert to(agent("lea"), waiting={"listeners": 2}) == ["lea", "listeners"]
    assert reasons(agent("lea"), waiting={"listeners": 2})["listeners"] == (
        "waiting:2",
        "free_people:1",
    )
    busy = agent("lea", presence=Presence.TALKING)
    assert reasons(busy) == {"listeners": ("nobody_waits", "all_busy:1")}


def test_who_has_had_much_today_comes_last_and_nobody_is_told_why() -> None:
    known = replace(AT_REGULATION, told={"besoin": "violences"})
    tired, other = agent("lea", skills={"violences": 3}), agent("sam", free_minutes=1)
    loads = {"lea": MUCH_TODAY_MINUTES}
    assert to(tired, other, known=known, loads=loads) == ["listeners", "sam", "lea"]
    (last,) = suggest(known, [tired, other], {}, loads, NOW)[2:]
    assert last.reasons == ("skill:violences:3", "free_minutes:5")


def test_who_missed_the_last_ring_comes_after_the_others() -> None:
    assert to(agent("lea", missed=1, free_minutes=60), agent("sam")) == ["listeners", "sam", "lea"]


def test_a_language_a_gender_and_a_skill_of_the_flow_are_never_widened() -> None:
    english = agent("ada", languages=frozenset({"fr", "en"}), gender="femme")
    other = agent("lea", skills={"aidants": 1})
    speaks = replace(AT_REGULATION, language="en")
    assert to(english, other, known=speaks) == ["listeners", "ada"]
    assert reasons(english, known=speaks)["ada"][0] == "speaks:en"
    woman = replace(AT_REGULATION, gender="femme")
    assert to(english, other, known=woman) == ["listeners", "ada"]
    assert "gender:femme" in reasons(english, known=woman)["ada"]
    carers = replace(AT_REGULATION, skills={"listeners": {"aidants": 1}})
    assert to(english, other, known=carers) == ["lea", "listeners"]
    assert to(english, known=carers) == []
    well = replace(AT_REGULATION, skills={"listeners": {"aidants": 2}})
    assert to(other, known=well) == ["lea"]  # the line would ask for more at first


def test_who_has_no_screen_open_is_not_suggested_and_three_are_enough() -> None:
    assert to(agent("lea", screens=0), agent("sam")) == ["listeners", "sam"]
    assert len(to(*(agent(id_) for id_ in ("ada", "lea", "max", "sam")))) == SUGGESTIONS_MAX


@pytest.mark.parametrize(
    ("reason", "fr", "en"),
    [
        ("speaks:en", "parle anglais", "speaks English"),
        ("speaks:ar", "parle ar", "speaks ar"),
        (
            "skill:violences:2",
            "compétence : violences (niveau 2)",
            "skill: violences (level 2)",
        ),
        ("free_minutes:12", "libre depuis 12 min", "free for 12 min"),
        ("nobody_waits", "personne n'attend", "nobody waits"),
        ("gender:femme", "une femme, comme demandé", "a woman, as asked"),
    ],
)
def test_a_reason_is_told_in_words(reason: str, fr: str, en: str) -> None:
    assert (words(reason, "fr"), words(reason, "en")) == (fr, en)


# -- on the screen


ROLES = {"rosa": "regulator", "lea": "listener", "louis": "listener"}


def outbox(story: World, name: str = "rosa") -> list[Message]:
    """What this agent's screen was sent in the last life."""
    assert story.controller is not None
    return story.controller.house.team.agents[name].outbox.since(0) or []


def suggested(story: World, name: str = "rosa") -> list[Message]:
    return [message for message in outbox(story, name) if message.type == "call.suggestions"]


def ids(message: Message) -> list[str]:
    frame = CallSuggestions.model_validate(message.data)
    return [one.to.line or one.to.agent or "" for one in frame.suggestions]


def leaves_work(name: str) -> Deed:
    def deed(world: World) -> None:
        world.desks[name].working = False
        world.desks[name]._choose(Presence.LOGGED_OUT)

    return deed


def the_call(world: World) -> Call:
    assert world.controller is not None
    (call,) = world.controller.house.calls.values()
    return call


def test_who_has_the_caller_is_told_where_to_orient_them(tell: Tell) -> None:
    story = tell(Team((30.0, caller_leaves), roles=ROLES))
    types = [message.type for message in outbox(story)]
    assert types.index("call.suggestions") > types.index("call.connected")
    first = suggested(story)[0]
    assert set(ids(first)) == {"listeners", "lea", "louis"}
    connected = outbox(story)[types.index("call.connected")]
    assert (first.time - connected.time).total_seconds() <= module.LOOKED_EVERY_SECONDS + 0.1
    assert suggested(story, "lea") == []


def test_they_are_told_anew_when_somebody_is_no_longer_there(tell: Tell) -> None:
    story = tell(Team((20.0, leaves_work("lea")), (30.0, caller_leaves), roles=ROLES))
    before, after = ids(suggested(story)[0]), ids(suggested(story)[-1])
    assert "lea" in before
    assert "lea" not in after
    assert "louis" in after


def test_they_are_told_anew_when_the_caller_presses_the_danger_key(tell: Tell) -> None:
    def presses(world: World) -> None:
        assert world.controller is not None
        world.controller.tell(the_call(world).caller.changed, "danger")

    story = tell(Team((20.0, presses), (30.0, caller_leaves), roles=ROLES))
    last = CallSuggestions.model_validate(suggested(story)[-1].data)
    assert last.suggestions[0].to.agent in ("lea", "louis")
    assert last.suggestions[0].reasons[0].code == "danger"


def test_what_somebody_has_had_today_is_heeded(tell: Tell) -> None:
    def has_had_much(world: World) -> None:
        assert world.controller is not None
        louis = world.controller.house.team.agents["louis"]  # else the first: free for longest
        louis.exposure.add(clock.monotonic(), MUCH_TODAY_MINUTES, 1.0)

    story = tell(Team((4.0, has_had_much), (30.0, caller_leaves), roles=ROLES))
    assert ids(suggested(story)[-1]) == ["listeners", "lea", "louis"]


def test_however_often_presences_change_they_are_told_now_and_then(tell: Tell) -> None:
    def flips(world: World) -> None:
        assert world.controller is not None
        team = world.controller.house.team
        for at in range(40):
            presence = Presence.NOT_READY if at % 2 else Presence.READY
            move = world.controller.tell, team.move, team.agents["lea"], presence
            world.later(at * 0.13, *move)

    story = tell(Team((20.0, flips), (40.0, caller_leaves), roles=ROLES))
    told = [message.time for message in suggested(story)]
    assert len(told) > 1
    gaps = [(b - a).total_seconds() for a, b in pairwise(told)]
    assert min(gaps) >= module.LOOKED_EVERY_SECONDS - 0.01


def test_what_is_the_same_is_not_told_again(tell: Tell) -> None:
    def looks_again(world: World) -> None:
        assert world.controller is not None
        world.controller.tell(world.controller.house.suggest_again.set)

    looks = [(10.0 + 3 * at, looks_again) for at in range(4)]
    story = tell(Team(*looks, (24.0, caller_leaves), roles=ROLES))
    told = [message.data["suggestions"] for message in suggested(story)]
    assert all(one != other for one, other in pairwise(told))


def test_a_screen_that_comes_back_finds_them_in_its_snapshot(tell: Tell) -> None:
    found = []

    def looks(world: World) -> None:
        assert world.controller is not None
        team = world.controller.house.team
        found.append(Snapshot.model_validate(team.snapshot(team.agents["rosa"])))
        found.append(Snapshot.model_validate(team.snapshot(team.agents["lea"])))

    story = tell(Team((15.0, looks), (20.0, caller_leaves), roles=ROLES))
    shown = [one.model_dump(exclude_none=True) for one in found[0].suggestions]
    assert shown == suggested(story)[-1].data["suggestions"]
    assert found[1].suggestions == []


def test_after_a_restart_they_are_told_again(tell: Tell) -> None:
    story = tell(Team((20.0, crash), (40.0, caller_leaves), roles=ROLES))
    assert len(story.lives) == 2
    assert "listeners" in ids(suggested(story)[0])


def test_a_fault_in_suggesting_hurts_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(module, "suggest", fails)
    story = live(Oriented((20.0, TO_LISTENERS)))  # the judge would tell of our bug
    assert "people:lea" in story.heard()
    assert suggested(story) == []
