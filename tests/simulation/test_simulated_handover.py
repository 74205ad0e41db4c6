"""Every way of handing a caller on, and whoever leaves, is lost or does not come meanwhile.

Each row of the table is one call, lived in virtual time by the real controller: rosa talks with
the caller and hands them on to lea; remy is a second regulator. The judge of the simulations sees
that nobody is left in silence, held or counted twice; a row says who has the caller in the end.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from cti.calls.aside import HELD_SECONDS_MAX, MUTED_SECONDS_MAX
from cti.calls.offering import ORIENTED_SECONDS_MAX
from cti.people.agents import Decision, End, Hold, Mute, Orient, Presence, TakeBack
from cti.simulation.checker import timeline
from cti.simulation.world import World
from cti.web.words import command_error
from tests.handing import (
    ALL_TOGETHER,
    CALLER_LOST,
    LOOKED_AT,
    ORDER_AT,
    RINGS_SECONDS,
    Handing,
    both,
    hangs_up,
    hears_two,
    loses_the_line,
    never_answers,
    picks_up_and,
)
from tests.orientations import (
    LEFT_OUT,
    ROWS,
    Row,
    killed_rows,
    product_of_all,
    same_screens,
    why_left_out,
)
from tests.stories import (
    Deed,
    Meddle,
    Oriented,
    Story,
    Tell,
    Wire,
    crash,
    decides,
    keep_dead,
    late,
    live,
    refused,
)

DEEDS: dict[tuple[str, str], Deed] = {
    ("caller", "hangs up"): hangs_up("caller"),
    ("rosa", "hangs up"): hangs_up("rosa"),
    ("lea", "hangs up"): hangs_up("lea"),
    ("caller", "lost"): CALLER_LOST,
    ("rosa", "lost"): loses_the_line("rosa"),
    ("lea", "lost"): loses_the_line("lea"),
    ("lea", "no answer"): never_answers,
}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_whoever_leaves_the_caller_goes_on(tell: Tell, row: Row) -> None:
    unanswered = row.what == "no answer"
    moment = "before" if unanswered else row.moment
    deed = DEEDS[row.party, row.what]
    at_her_answer = row.party == "lea" and moment == "answers"
    story = Handing(row.kind, moment, picks_up_and(deed) if at_her_answer else deed)
    story.lets_them_be, looked_at = True, LOOKED_AT
    if unanswered:  # her phone is rung twice
        story.lea_answers, looked_at = False, ORDER_AT + ORIENTED_SECONDS_MAX + 10
        patient = replace(story.plan.callers[0], patience_seconds=400.0)
        story.plan = replace(story.plan, callers=(patient,))
    story.script = (*story.script, (looked_at, story.look_at_the_agents))
    tell(story)
    found = (story.whom_the_caller_has(looked_at), *story.ends["rosa"], *story.ends["lea"])
    assert same_screens(found, (row.with_, *row.rosa_ends, *row.lea_ends)), timeline(story)
    if row.kind != "together":
        assert not hears_two(story), timeline(story)


def test_every_kind_party_and_moment_has_one_row_or_a_reason_to_have_none() -> None:
    keys = [row.key for row in ROWS]
    assert len(set(keys)) == len(keys)
    for key in product_of_all():
        assert (key in keys) != bool(why_left_out(key)), (key, why_left_out(key))
    for why, rule in LEFT_OUT.items():  # no rule is only there because another is
        assert any(rule(*key) and why_left_out(key) == [why] for key in product_of_all()), why


KILLINGS: dict[str, Deed | None] = {
    "nobody": None,
    "crash": crash,
    "crash, caller": both(crash, hangs_up("caller")),
    "crash, rosa": both(crash, hangs_up("rosa")),
    "crash, lea": both(crash, hangs_up("lea")),
    "dead a minute": keep_dead,
}


@pytest.mark.parametrize(("kind", "moment", "what", "with_"), killed_rows(), ids=lambda part: part)
def test_killed_meanwhile_the_caller_goes_on(
    tell: Tell, kind: str, moment: str, what: str, with_: str
) -> None:
    story = Handing(kind, moment, KILLINGS[what])
    tell(story)
    assert story.whom_the_caller_has(LOOKED_AT) == with_, timeline(story)
    if kind != "together":
        assert not hears_two(story), timeline(story)


@pytest.mark.parametrize("kind", ["cold line", "cold person", "together", "consult"])
def test_a_bridge_of_a_call_is_never_made_anew(tell: Tell, kind: str) -> None:
    """The engine may keep the name of one that was destroyed; the stand-in always does."""
    back = Orient(line="regulators")
    story = Handing(kind, "", None, (30.0, decides(End())), (45.0, decides(back, "lea")))
    tell(story)
    talks = [sound for sound in story.heard() if sound.startswith("people:")]
    assert "people:rosa" in talks
    assert "people:lea" in talks
    assert not any("call.interrupted" in text for _, text in story.troubles), timeline(story)


@pytest.mark.parametrize("how", [refused(), late(12.0)])
@pytest.mark.parametrize("times", [1, 3, 40])
def test_who_has_handed_on_overhears_nobody_though_the_engine_does_not_hang_up(
    wire: Wire, how: Meddle, times: int
) -> None:
    wire.times = times
    wire.meddles(lambda method, path, _: method == "DELETE" and "-rosa-" in path, how)
    story = live(Handing("cold line", "", None))
    assert "people:lea" in story.heard(), timeline(story)
    assert not hears_two(story), timeline(story)


# -- two at the same instant -----------------------------------------------------------

MILLISECONDS = [-5, -2, -1, 0, 1, 2, 5]


@pytest.mark.parametrize("ms", MILLISECONDS)
@pytest.mark.parametrize("kind", ["together", "consult"])
def test_who_answers_as_they_are_called_off_is_let_go_and_nobody_is_alone(
    tell: Tell, kind: str, ms: int
) -> None:
    story = Handing(kind, "", None)
    story.as_lea_rings = lambda _: story.later(
        RINGS_SECONDS + ms / 1000, decides(TakeBack()), story
    )
    tell(story)
    # Who came a moment before is with the two, or consulted, and was taken back from there.
    assert story.sound_at(LOOKED_AT) == "people:rosa", timeline(story)


@pytest.mark.parametrize("ms", MILLISECONDS)
def test_who_answers_as_their_ring_ends_has_the_caller_or_never_had_them(
    tell: Tell, ms: int
) -> None:
    story = Handing("cold person", "", None)
    story.lea_answers = False
    story.as_lea_rings = lambda ring: story.later(20.0 + ms / 1000, ring.answer)
    tell(story)
    assert story.sound_at(LOOKED_AT) in ("people:rosa", "people:lea"), timeline(story)
    assert not hears_two(story)


class TwoCallers(Handing):
    """rosa and remy each have a caller, and hand both to lea within milliseconds."""

    def __init__(self, ms: float) -> None:
        orders = ((30.0, decides(TO_LEA)), (30.0 + ms / 1000, decides(TO_LEA, "remy")))
        super().__init__("hold", "", None, *orders)
        self.script = orders
        first = self.plan.callers[0]
        second = replace(first, at=3.0, number="0199000002")
        self.plan = replace(self.plan, callers=(first, second), faults=())


TO_LEA = Orient(agent="lea", handover="Bas.")


@pytest.mark.parametrize("ms", [0, 0.5, 1, 2])
def test_two_callers_for_one_person_and_the_second_comes_back_to_whom_they_had(
    tell: Tell, ms: int
) -> None:
    story = tell(TwoCallers(ms))
    sounds = []
    for caller in story.callers:
        assert caller.end is not None
        sounds.append([sound for at, sound in caller.end.heard if at <= LOOKED_AT][-1])
    assert "people:lea" in sounds, timeline(story)
    # The other is still, or again, with who had them: nobody has two, nobody waits.
    assert set(sounds) in ({"people:lea", "people:rosa"}, {"people:lea", "people:remy"})


# -- who is told what ------------------------------------------------------------------


def told(story: Story, name: str, type_: str) -> list[dict[str, object]]:
    """What the screens of this agent were told of that kind, but for the call's name."""
    kept = story.lives[-1].house.team.agents[name].outbox._kept
    return [
        {k: v for k, v in message.data.items() if k not in ("call", "offer", "expires_at")}
        for message in kept
        if message.type == type_
    ]


def views(story: Story, name: str) -> list[dict[str, object]]:
    """The sheets that this agent was shown, each as it was in the end."""
    kept = story.lives[-1].house.team.agents[name].outbox._kept
    return [message.data["call"] for message in kept if message.type == "call.offered"]


def asks(name: str, decision: Decision, answers: list[str | None]) -> Deed:
    """Decide something, and note the error code."""

    def deed(world: World) -> None:
        desk = world.desks[name]
        assert desk.controller is not None
        assert desk.agent is not None
        agent, call = desk.agent, desk.call or ""
        desk.controller.tell(lambda: answers.append(agent.decide(call, decision)))

    return deed


def test_a_consultation_is_told_to_both_and_the_hold_to_the_first(tell: Tell) -> None:
    story = tell(Handing("consult", "", None, (24.0, decides(TakeBack()))))
    assert told(story, "rosa", "call.consulting") == [{"agent": {"id": "lea", "name": "lea"}}]
    assert told(story, "lea", "call.consulting") == [{"agent": {"id": "rosa", "name": "rosa"}}]
    held = [
        (one["on"], one["reason"], one["seconds_max"]) for one in told(story, "rosa", "call.held")
    ]
    assert held == [(True, None, 300.0), (False, None, None)]
    assert told(story, "lea", "call.held") == []
    assert told(story, "lea", "call.ended") == [{"reason": "ended"}]


def company(story: Story, name: str) -> list[str | None]:
    """Who else has the caller, as this agent's screen was told: how, or that they are called."""
    kept = story.lives[-1].house.team.agents[name].outbox._kept
    news = [
        m.data["call"] for m in kept if m.type == "call.updated" and "inviting" in m.data["call"]
    ]
    return [
        "called" if one["inviting"] else one["colleague"] and one["colleague"]["how"]
        for one in news
    ]


@pytest.mark.parametrize(
    ("kind", "script", "rosa", "lea"),
    [
        ("together", (), ["called", None, "came"], ["stays"]),
        ("together", ((24.0, hangs_up("rosa")),), ["called", None, "came"], ["stays", None]),
        ("together", ((24.0, hangs_up("lea")),), ["called", None, "came", None], ["stays"]),
        (
            "consult",
            ((24.0, decides(TakeBack())),),
            ["called", None, "consulting", None],
            ["consulted_by"],
        ),
        (
            "consult",
            ((24.0, decides(ALL_TOGETHER)),),
            ["called", None, "consulting", "came"],
            ["consulted_by", "stays"],
        ),
        (
            "consult",
            ((24.0, hangs_up("rosa")),),
            ["called", None, "consulting"],
            ["consulted_by", None],
        ),
        ("consult", ((18.5, decides(TakeBack())),), ["called", None], []),
    ],
)
def test_each_screen_is_told_who_else_has_the_caller(
    tell: Tell,
    kind: str,
    script: tuple[tuple[float, Deed], ...],
    rosa: list[str | None],
    lea: list[str | None],
) -> None:
    story = Handing(kind, "", None, *script)
    seen: list[list[list[str | None]]] = []
    story.script = (
        *story.script,
        (60.0, lambda _: seen.append([company(story, "rosa"), company(story, "lea")])),
    )
    tell(story)
    assert seen[0] == [rosa, lea], timeline(story)


def test_who_else_has_the_caller_is_told_again_after_a_restart(tell: Tell) -> None:
    story = tell(Handing("consult", "", None, (24.0, crash)))
    assert company(story, "rosa")[0] == "consulting", timeline(story)


def test_a_caller_consulted_about_hears_neither_and_the_two_hear_each_other(tell: Tell) -> None:
    story = tell(Handing("consult", "", None, (24.0, decides(ALL_TOGETHER))))
    assert story.sound_at(23.0) == "music"
    assert "people:rosa" in story.heard_by("lea")
    assert story.sound_at(25.0) in ("people:lea,rosa", "people:rosa,lea")
    assert told(story, "rosa", "call.joined") == [{"agent": {"id": "lea", "name": "lea"}}]


def test_the_end_of_a_hold_brings_all_three_together_when_somebody_is_consulted(
    tell: Tell,
) -> None:
    story = tell(Handing("consult", "", None, (24.0, decides(Hold(False)))))
    assert hears_two(story)


def test_a_caller_on_hold_may_be_handed_on_and_is_cared_for(tell: Tell) -> None:
    for decision, sound in (
        (Orient(agent="lea"), "people:lea"),
        (ALL_TOGETHER, "people:lea,rosa"),
        (Orient(agent="lea", consult=True), "music"),
    ):
        story = tell(Handing("hold", "", None, (24.0, decides(decision))))
        assert story.sound_at(40.0) == sound, timeline(story)


class Patient(Handing):
    """A caller who waits for as long as it takes."""

    def __init__(self, kind: str, *script: tuple[float, Deed]) -> None:
        super().__init__(kind, "", None, *script)
        caller = replace(self.plan.callers[0], patience_seconds=1000.0)
        self.plan = replace(self.plan, callers=(caller,))


@pytest.mark.parametrize("kind", ["hold", "consult"])
def test_no_hold_lasts_for_ever(tell: Tell, kind: str) -> None:
    story = tell(Patient(kind))
    assert story.sound_at(ORDER_AT + HELD_SECONDS_MAX - 1) in ("music", WORD)
    assert story.sound_at(ORDER_AT + HELD_SECONDS_MAX + 5) == "people:rosa", timeline(story)
    assert told(story, "rosa", "call.held")[-1]["reason"] == "too_long"
    events = [e.data["type"] for e in story.journal.entries if e.op == "event"]
    assert events[-1] == "call.off_hold"  # so that the journey tells it


def test_a_caller_on_hold_is_told_now_and_then_that_they_are_not_forgotten(tell: Tell) -> None:
    assert tell(Patient("hold")).heard().count(WORD) >= HELD_SECONDS_MAX / 60


WORD = "prompt:/sounds/fr/ne-quittez-pas"


def test_a_muted_agent_hears_and_is_not_heard(tell: Tell) -> None:
    on, off = (ORDER_AT, decides(Mute(True))), (ORDER_AT + 2.5, decides(Mute(False)))
    story = Handing("hold", "", None)
    story.script = (on, off)
    tell(story)
    assert story.sound_at(ORDER_AT + 1) == "silence"
    assert story.sound_at(ORDER_AT + 4) == "people:rosa"
    heard = next(ring.heard for _, ring in story.rings if ring.name == "rosa")
    assert [sound for at, sound in heard if at <= ORDER_AT + 1][-1] == "people:caller-1"
    assert [one["on"] for one in told(story, "rosa", "call.muted")] == [True, False]


def test_nobody_is_muted_for_ever_nor_by_a_hold_nor_after_a_restart() -> None:
    story = Handing("hold", "", None)
    story.script = ((ORDER_AT, decides(Mute(True))),)
    live(story)
    assert story.sound_at(ORDER_AT + MUTED_SECONDS_MAX - 2) == "silence"
    assert story.sound_at(ORDER_AT + MUTED_SECONDS_MAX + 2) == "people:rosa"
    assert told(story, "rosa", "call.muted")[-1]["reason"] == "too_long"
    for deeds in (((21.0, crash),), ((21.0, decides(Hold(True))), (24.0, decides(Hold(False))))):
        story.script = (story.script[0], *deeds)
        again = Handing("hold", "", None)
        again.script = story.script
        assert live(again).sound_at(28.0) == "people:rosa", timeline(again)


# -- coming back -----------------------------------------------------------------------


def test_who_oriented_a_caller_in_vain_has_them_again_with_what_was_written(tell: Tell) -> None:
    story = Handing("cold person", "", None)
    story.lea_answers = False
    tell(story)
    assert told(story, "rosa", "call.came_back") == [{"reason": "not_answered"}]
    assert [view["handover"] for view in views(story, "lea")] == ["Bas."]
    assert [view["handover"] for view in views(story, "rosa")] == [None, "Bas."]


class Elsewhere(Handing):
    """lea has somebody else all along, and rosa goes when she has handed on, or stays."""

    def __init__(self, rosa_goes: bool) -> None:
        def busy(world: World) -> None:
            assert world.controller is not None
            team = world.controller.house.team
            world.controller.tell(team.move, team.agents["lea"], Presence.TALKING)

        def goes(world: World) -> None:
            if rosa_goes:
                world.desks["rosa"].working = False
                world.desks["rosa"]._choose(Presence.LOGGED_OUT)

        script = ((ORDER_AT - 1, busy), (ORDER_AT + 2, goes))
        super().__init__("cold line", "", None, *script)


def test_a_line_where_nobody_is_free_in_time_gives_the_caller_back() -> None:
    story = live(Elsewhere(rosa_goes=False))
    assert told(story, "rosa", "call.came_back") == [{"reason": "nobody_there"}], timeline(story)
    assert story.sound_at(ORDER_AT + ORIENTED_SECONDS_MAX + 5) == "people:rosa"


def test_without_who_oriented_them_a_caller_goes_on_waiting_head_of_the_line() -> None:
    def look(world: World) -> None:
        assert world.controller is not None
        (call,) = world.controller.house.calls.values()
        seen.append((call.first, call.oriented_by, call.stage.value))

    seen: list[tuple[bool, str | None, str]] = []
    story = Elsewhere(rosa_goes=True)
    story.script = (*story.script, (ORDER_AT + ORIENTED_SECONDS_MAX + 5, look))
    live(story)
    assert seen == [(True, None, "listening")], timeline(story)


def test_a_caller_whom_nobody_answered_comes_back_though_we_were_killed_meanwhile(
    tell: Tell,
) -> None:
    story = Handing("cold person", "ringing", crash)
    story.lea_answers = False
    tell(story)
    assert told(story, "rosa", "call.came_back") == [{"reason": "not_answered"}], timeline(story)


# -- danger, and what cannot be done ---------------------------------------------------


@pytest.mark.parametrize(("level", "danger"), [(0, False), (2, False), (3, True)])
def test_the_danger_that_an_agent_sees_is_shown_to_the_next(
    tell: Tell, level: int, danger: bool
) -> None:
    story = Handing("hold", "", None)
    decision = Orient(agent="lea", danger=level)
    story.script = ((ORDER_AT, decides(decision)), (ORDER_AT + 0.5, crash))
    tell(story)
    view = views(story, "lea")[-1]
    assert (view["danger_level"], view["danger"]) == (level, danger), timeline(story)


CONSULT = Orient(agent="remy", consult=True)
REFUSALS: list[tuple[str, str, Decision, str | None]] = [
    ("together", "rosa", CONSULT, "three_talk"),
    ("together", "rosa", Hold(True), "three_talk"),
    ("together", "lea", TakeBack(), "not_consulting"),
    ("together", "rosa", TakeBack(), None),
    ("consult", "rosa", Hold(True), "consulting"),
    ("consult", "rosa", CONSULT, "consulting"),
    ("consult", "rosa", Orient(line="listeners"), "consulting"),
    ("consult", "rosa", Mute(True), "caller_held"),
    ("consult", "rosa", Orient(agent="lea"), None),
    ("consult", "lea", Orient(agent="remy"), "not_yours_yet"),
    ("consult", "lea", Hold(False), "not_yours_yet"),
    ("consult", "lea", End(), None),
    ("hold", "rosa", Mute(True), "caller_held"),
    ("hold", "rosa", Hold(True), None),
    ("hold", "rosa", TakeBack(), None),
    ("cold line", "lea", TakeBack(), "not_consulting"),
]


@pytest.mark.parametrize(("kind", "who", "decision", "code"), REFUSALS)
def test_what_cannot_be_done_now_is_refused_with_its_reason(
    tell: Tell, kind: str, who: str, decision: Decision, code: str | None
) -> None:
    answers: list[str | None] = []
    tell(Handing(kind, "", None, (25.0, asks(who, decision, answers))))
    assert answers == [code]
    assert code is None or command_error(code) != command_error("")


@pytest.mark.parametrize(("gender", "code"), [("femme", "does_not_fit"), (None, None)])
def test_a_caller_is_given_by_name_to_nobody_whom_they_did_not_ask_for(
    tell: Tell, gender: str | None, code: str | None
) -> None:
    answers: list[str | None] = []

    def tells(world: World) -> None:
        assert world.controller is not None
        (call,) = world.controller.house.calls.values()
        call.caller.told = {"gender": gender} if gender else {}

    tell(Oriented((20.0, tells), (21.0, asks("rosa", Orient(agent="lea"), answers))))
    assert answers == [code]


def test_a_colleague_whose_account_is_closed_at_that_instant_costs_no_call(tell: Tell) -> None:
    def chosen_and_gone(world: World) -> None:
        assert world.controller is not None
        team = world.controller.house.team
        assert team.agents["rosa"].decide(team.agents["rosa"].call_id or "", TO_LEA) is None
        del team.agents["lea"]

    def decides_inside(world: World) -> None:
        assert world.controller is not None
        world.controller.tell(chosen_and_gone, world)

    story = Oriented((20.0, decides_inside))
    live(story)
    outcomes = [e.data["outcome"] for e in story.journal.entries if e.op == "call.closed"]
    assert outcomes == ["talked"]
