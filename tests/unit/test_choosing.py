"""Who is asked next: never widened, fair by each strategy, the same for one as for many."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti import clock
from cti.calls.waiting import OVERTAKEN_SECONDS_MAX, Ask
from cti.people.agents import Agent, Presence, Role
from cti.people.choosing import Free, Need, is_free, level_after, serves
from ivr.steps import STRATEGIES, Strategy
from tests.crew import agent

NOW = datetime.now(UTC)


def order(*agents: Agent, line: Any = "regulators", **asked: Any) -> list[str]:
    """Whom such callers are given, one after the other."""
    need = Need(line, asked.pop("language", "fr"), **asked)
    free = Free(agents)
    return [one.id for _ in agents for one in free.take(need)]


def match(
    asks: Iterable[tuple[Ask, Need]], agents: Iterable[Agent]
) -> list[tuple[Ask, list[Agent]]]:
    free = Free(agents)
    return [(one, chosen) for one, need in asks if (chosen := free.take(need))]


def chosen(*agents: Agent, **asked: Any) -> str | None:
    return next(iter(order(*agents, **asked)), None)


# -- who is next


def test_the_one_free_for_longest_is_next() -> None:
    assert chosen(agent("rosa", free_since=20), agent("remy", free_since=10)) == "remy"


def test_two_free_for_as_long_are_chosen_in_a_stable_order() -> None:
    rosa, remy = agent("rosa"), agent("remy")
    assert chosen(rosa, remy) == chosen(remy, rosa) == "remy"


def test_those_who_passed_are_passed_over() -> None:
    rosa, remy = agent("rosa", free_since=20), agent("remy", free_since=10)
    assert chosen(rosa, remy, passed_over=frozenset({"remy"})) == "rosa"
    assert chosen(rosa, remy, passed_over=frozenset({"remy", "rosa"})) is None


@pytest.mark.parametrize("presence", [p for p in Presence if p is not Presence.READY])
def test_nobody_is_chosen_who_is_not_ready(presence: Presence) -> None:
    assert chosen(agent("rosa", presence=presence)) is None


def test_nobody_is_chosen_who_has_no_screen_open() -> None:
    assert chosen(agent("rosa", screen=False)) is None


def test_only_the_role_of_the_line_is_chosen() -> None:
    assert chosen(agent("lea", Role.LISTENER)) is None
    assert chosen(agent("lea", Role.LISTENER), line="listeners") == "lea"


def test_a_language_is_never_widened() -> None:
    rosa = agent("rosa", languages="fr en", free_since=50)
    remy = agent("remy", languages="fr", free_since=10)
    assert chosen(rosa, remy, language="en") == "rosa"
    assert chosen(remy, language="en") is None
    assert chosen(remy, language="en", wanted="remy") is None
    assert chosen(remy, language=None) == "remy"


def test_a_wanted_person_and_no_other_is_chosen_whatever_their_role() -> None:
    remy, sam = agent("remy", free_since=1), agent("sam", Role.SUPERVISOR, free_since=2)
    assert chosen(remy, sam, wanted="sam") == "sam"
    assert chosen(remy, wanted="sam") is None
    assert chosen(remy, sam, wanted="sam", passed_over=frozenset({"sam"})) is None


# -- never widened


def test_a_gender_is_never_widened() -> None:
    rosa, remy, ada = agent("rosa", gender="femme"), agent("remy", gender="homme"), agent("ada")
    assert order(rosa, remy, ada) == ["ada", "remy", "rosa"]
    assert order(rosa, remy, ada, gender="femme") == ["rosa"]
    assert order(remy, ada, gender="femme", starved=True) == []
    assert order(remy, gender="femme", wanted="remy") == []


def test_a_skill_needs_its_level_and_only_the_level_gives_way() -> None:
    one, two = agent("one", skills={"violences": 1}), agent("two", skills={"violences": 3})
    none = agent("none")
    assert order(one, two, none, skills={"violences": 2}) == ["two"]
    assert order(one, two, none, skills={"violences": 1}) == ["one", "two"]
    assert [level_after(3, waited, 120) for waited in (0, 119, 120, 240, 9999)] == [3, 3, 2, 1, 1]
    assert level_after(3, 9999, None) == 3


def test_who_is_worth_waiting_for_is_who_could_take_them() -> None:
    busy = agent("rosa", presence=Presence.TALKING, skills={"violences": 1})
    assert serves(busy, Need("regulators", "fr"))
    assert not serves(busy, Need("regulators", "fr", skills={"violences": 2}))
    assert not serves(busy, Need("regulators", "fr", gender="femme"))
    assert serves(agent("lea", Role.LISTENER, stands_in=True), Need("regulators", "fr"))
    assert not serves(agent("lea", Role.LISTENER), Need("regulators", "fr"))


# -- who is asked first


def test_a_stand_in_is_asked_last_and_only_for_who_waits_so_long() -> None:
    lea = agent("lea", Role.LISTENER, stands_in=True)
    mia = agent("mia", Role.LISTENER)
    rosa = agent("rosa", free_since=99)
    assert order(lea, mia, rosa) == ["rosa"]
    assert order(lea, mia) == []
    assert order(lea, mia, rosa, starved=True) == ["rosa", "lea"]
    assert order(lea, mia, starved=True, line="listeners") == ["lea", "mia"]


def test_who_missed_the_last_ring_is_asked_after_the_others() -> None:
    rosa, remy = agent("rosa", missed=1), agent("remy", free_since=99)
    assert order(rosa, remy) == ["remy", "rosa"]


def test_the_person_a_caller_was_with_is_first_even_in_their_rest_after_this_caller() -> None:
    rosa, remy = agent("rosa", free_since=99), agent("remy")
    assert order(rosa, remy, back_to="rosa") == ["rosa", "remy"]
    rosa.presence, rosa.call_id = Presence.WRAP_UP, "their-call"
    assert order(rosa, remy, back_to="rosa") == ["remy"]
    assert order(rosa, remy, back_to="rosa", rest_of="another") == ["remy"]
    assert order(rosa, remy, back_to="rosa", rest_of="their-call") == ["rosa", "remy"]
    assert order(rosa, remy, rest_of="their-call") == ["remy"]
    assert not is_free(rosa, Need("regulators", "fr", rest_of="their-call"))


def test_near_the_end_of_a_shift_nobody_is_asked_not_even_from_their_rest() -> None:
    rosa = agent("rosa", shift_ends_at=clock.now() + timedelta(minutes=19))
    assert order(rosa) == []  # said a moment ago: they are still READY
    rosa.presence, rosa.call_id = Presence.WRAP_UP, "their-call"
    assert order(rosa, back_to="rosa", rest_of="their-call") == []
    rosa.one_more = True
    assert order(rosa, back_to="rosa", rest_of="their-call") == ["rosa"]


def test_whose_phone_is_away_rests_on() -> None:
    rosa = agent("rosa", presence=Presence.WRAP_UP, call_id="their-call", phone_away=True)
    assert order(rosa, back_to="rosa", rest_of="their-call") == []


def test_who_stops_after_their_talk_or_rest_is_waited_for_by_nobody() -> None:
    rosa = agent("rosa", presence=Presence.TALKING, call_id="theirs")
    need = Need("regulators", "fr")
    assert serves(rosa, need)
    rosa.following = (Presence.NOT_READY, "debriefing")
    assert not serves(rosa, need)
    resting = agent("remy", presence=Presence.WRAP_UP, call_id="theirs")
    returns = Need("regulators", "fr", back_to="remy", rest_of="theirs")
    assert is_free(resting, returns)
    resting.following = (Presence.LOGGED_OUT, None)
    assert not is_free(resting, returns)


def test_each_strategy_has_its_own_first() -> None:
    now = clock.monotonic()
    ada, bea, cleo = agent("ada", free_since=3), agent("bea", free_since=1), agent("cleo")
    cleo.free_since = 2
    for _ in range(2):
        cleo.exposure.add(now, 1, 1.0)
    ada.exposure.add(now, 30, 2.0)
    bea.exposure.add(now, 5, 1.0)
    bea.exposure.add(now, 5, 1.0)
    bea.exposure.add(now, 5, 1.0)
    assert chosen(ada, bea, cleo, strategy="longest_idle") == "bea"
    assert chosen(ada, bea, cleo, strategy="fewest_calls") == "ada"
    assert chosen(bea, cleo, ada, strategy="linear") == "ada"
    assert chosen(ada, bea, cleo, strategy="least_load") == "cleo"


# -- the order of callers


def ask(minutes: float, **more: Any) -> Ask:
    found = more.pop("found", None)
    more.setdefault("language", "fr")
    more.setdefault("line", "regulators")
    since = NOW - timedelta(minutes=minutes)
    return Ask(f"{id(since):x}", waiting_since_at=since, found=found, **more)


def first(*asks: Ask) -> Ask:
    return min(asks, key=Ask.counts_from)


def test_danger_and_age_go_before_by_so_much_and_no_more() -> None:
    assert first(ask(9), usual := ask(10)) is usual
    for credit, minutes in (
        ({"danger": 1}, 10),
        ({"danger": 2}, 30),
        ({"danger": 3}, 120),
        ({"first": True}, 60),
        ({"young": True}, 10),
    ):
        assert first(ask(minutes - 1), mine := ask(0, **credit)) is mine
        assert first(older := ask(minutes + 1), ask(0, **credit)) is older
    assert first(ask(10.5, frequent=True), usual := ask(1)) is usual
    assert first(often := ask(11.5, frequent=True), ask(1)) is often


def test_the_bound_is_as_written() -> None:
    """The worst pair: who is put back most, and who goes before by everything there is."""
    for apart_seconds, overtaken in ((-5.0, True), (5.0, False)):
        minutes = (OVERTAKEN_SECONDS_MAX + apart_seconds) / 60
        earlier = ask(minutes, frequent=True)
        later = ask(0, danger=3, first=True, young=True)
        assert (first(earlier, later) is later) is overtaken


asks = st.builds(
    ask,
    minutes=st.floats(0, 600),
    danger=st.integers(0, 3),
    first=st.booleans(),
    young=st.booleans(),
    frequent=st.booleans(),
)


@given(asks, asks)
def test_nobody_is_overtaken_by_who_came_so_much_later(one: Ask, other: Ask) -> None:
    earlier, later = sorted((one, other), key=lambda a: a.waiting_since_at)
    apart = (later.waiting_since_at - earlier.waiting_since_at).total_seconds()
    if apart > OVERTAKEN_SECONDS_MAX:
        assert earlier.counts_from() < later.counts_from()


@given(st.lists(asks, max_size=12), st.integers(0, 12))
def test_a_match_gives_nobody_twice_and_serves_in_order(waiting: list[Ask], free: int) -> None:
    agents = {f"a{n}": agent(f"a{n}", free_since=n) for n in range(free)}
    ordered = sorted(waiting, key=Ask.counts_from)
    found = list(match([(one, one.need(agents)) for one in ordered], agents.values()))
    assert [one for one, _ in found] == ordered[:free]
    assert [a.id for _, chosen in found for a in chosen] == list(agents)[: len(found)]


people = st.lists(
    st.builds(
        agent,
        st.sampled_from([f"p{n}" for n in range(9)]),
        st.sampled_from(list(Role)),
        free_since=st.floats(0, 100),
        languages=st.sampled_from(["fr", "en", "fr en"]),
        presence=st.sampled_from(list(Presence)),
        screen=st.booleans(),
        skills=st.dictionaries(st.sampled_from("xy"), st.integers(1, 3)),
        gender=st.sampled_from([None, "femme", "homme"]),
        stands_in=st.booleans(),
    ),
    max_size=9,
    unique_by=lambda one: one.id,
)


@given(
    people,
    st.lists(
        st.builds(
            ask,
            minutes=st.floats(0, 5),
            language=st.sampled_from(["fr", "en"]),
            line=st.sampled_from(["regulators", "listeners"]),
            skills=st.dictionaries(st.sampled_from("xy"), st.integers(1, 3)),
            gender=st.sampled_from([None, "femme"]),
            strategy=st.sampled_from(STRATEGIES),
        ),
        max_size=9,
    ),
)
def test_whoever_is_matched_has_all_that_is_needed(team: list[Agent], waiting: list[Ask]) -> None:
    agents = {one.id: one for one in team}
    given_away: list[str] = []
    for one, chosen in match([(a, a.need(agents)) for a in waiting], team):
        for who in chosen:
            given_away.append(who.id)
            assert who.presence is Presence.READY
            assert one.language in who.languages
            assert one.gender in (None, who.gender)
            assert all(who.skills.get(s, 0) >= level for s, level in one.skills.items())
            assert who.roles & {Role.REGULATOR, Role.LISTENER}
    assert len(given_away) == len(set(given_away))


def test_a_line_that_rings_all_offers_a_caller_to_everybody_free() -> None:
    agents = {id_: agent(id_, free_since=n) for n, id_ in enumerate(("rosa", "remy", "ada"))}
    agents["ada"].presence = Presence.TALKING
    mine, next_ = ask(2, strategy="ring_all"), ask(1, strategy="ring_all")
    found = list(match([(a, a.need(agents)) for a in (mine, next_)], agents.values()))
    assert [(one, [a.id for a in who]) for one, who in found] == [(mine, ["rosa", "remy"])]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_serves(strategy: Strategy) -> None:
    assert chosen(agent("rosa"), strategy=strategy) == "rosa"
