"""A regulator picks somebody who waits, sends them elsewhere, or says that they are in danger.

Lived in virtual time by the real controller, with somebody else doing something at that instant;
the judge of the simulations must like each of these stories in every respect.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import Any

import pytest

from cti.calls.waiting import WaitingLines
from cti.people.agents import Decline, Orient, Presence
from cti.simulation import run
from cti.simulation.checker import Checker, timeline
from cti.simulation.stores import MemoryPresence
from cti.simulation.world import World
from tests.picking import Desks, caller, leaves, person, sends, takes, warns
from tests.stories import Deed, Tell, Wire, crash, decides, keep_dead, late

ROSA, REMY, LEA = person("rosa"), person("remy"), person("lea", "listener")
TAKEN_AT = 2.0  # before the phones of the line ring
MILLISECONDS = [-5, -2, -1, 0, 1, 2, 5]


def states(story: Desks, name: str) -> tuple[Presence, str | None]:
    agent = story.house().team.agents[name]
    return agent.presence, agent.call_id


# -- taken by hand ---------------------------------------------------------------------


def test_who_is_picked_is_on_the_screen_first_and_then_the_phone_rings(tell: Tell) -> None:
    story = Desks((ROSA,), (caller(1.0),), (TAKEN_AT, takes("rosa")))
    tell(story)
    assert story.answers == [None]
    (shown_at, data), (rang_at,) = story.told("rosa", "call.offered")[0], story.rang("rosa")
    assert data["call"]["id"] == story.call_id()
    assert TAKEN_AT <= shown_at < TAKEN_AT + 0.1 < rang_at < TAKEN_AT + 0.5
    ops = story.ops()
    assert ops.index("call.taken") < ops.index("leg.rung")
    assert story.talks_with() == ["rosa"]
    heard = [sound for at, sound in story.sounds() if 1.1 < at < rang_at + 0.9]
    assert "silence" not in heard


def test_a_regulator_may_pick_who_came_last_and_the_first_keeps_their_place(tell: Tell) -> None:
    story = Desks(
        (ROSA, REMY),
        (caller(1.0), caller(1.3, 2)),
        (TAKEN_AT, takes("rosa", 1)),
        come_at={"remy": 25.0},
    )
    tell(story)
    assert story.talks_with(1) == ["rosa"]
    assert story.talks_with(0) == ["remy"]


def test_in_a_break_callers_are_picked_by_hand(
    tell: Tell,
) -> None:
    def pauses(world: World) -> None:
        world.desks["remy"]._look = lambda _: None
        world.desks["remy"]._choose(Presence.NOT_READY, "pause")

    story = Desks(
        (REMY,), (caller(1.0), caller(1.3, 2)), (0.5, pauses), (TAKEN_AT, takes("remy", 1))
    )
    tell(story)
    assert story.answers == [None]
    assert story.talks_with(1) == ["remy"]
    assert story.talks_with(0) == []  # nobody else is given to them


def test_who_is_picked_in_vain_is_in_their_place_again_behind_who_came_before(tell: Tell) -> None:
    story = Desks(
        (ROSA,), (caller(1.0), caller(1.3, 2)), (TAKEN_AT, takes("rosa", 1)), lets_ring=("rosa",)
    )
    tell(story)
    assert story.told("rosa", "call.withdrawn")[0][1]["reason"] == "missed"
    offered = [data["call"]["id"] for _, data in story.told("rosa", "call.offered")]
    assert offered[:2] == [story.call_id(1), story.call_id(0)]
    assert waiting_since(story, 1) == {"2026-03-03T10:00:01.301"}
    heard = [sound for at, sound in story.sounds(1) if at < 30.0]
    assert heard.count(GREETING) == 1  # nothing began anew for them


GREETING = "prompt:/sounds/fr/choix-langue"


def waiting_since(story: Desks, number: int) -> set[str]:
    """Since when this caller has waited, as was written each time, to the millisecond."""
    return {
        e.data["set"]["waiting_since_at"][:23]
        for e in story.journal.entries
        if e.op == "call.stage"
        and e.data["call_id"] == story.call_id(number)
        and "waiting_since_at" in e.data["set"]
    }


def test_after_a_pick_in_vain_the_line_goes_on_looking_at_once(tell: Tell) -> None:
    story = Desks(
        (ROSA, REMY),
        (caller(1.0),),
        (TAKEN_AT, takes("rosa")),
        come_at={"remy": 10.0},
        lets_ring=("rosa",),
    )
    tell(story)
    assert story.talks_with() == ["remy"]
    assert story.rang("rosa")[0] + 20 < story.rang("remy")[0] < story.rang("rosa")[0] + 21.5


def test_who_declines_whom_they_picked_gives_them_back(tell: Tell) -> None:
    story = Desks((ROSA, REMY), (caller(1.0),), (TAKEN_AT, takes("rosa")), lets_ring=("rosa",))
    story.script = (*story.script, (4.0, lambda w: w.desks["rosa"].rings[-1].decline(486)))
    tell(story)
    assert story.talks_with() == ["remy"]
    assert len(story.rang("remy")) == 1


def test_a_caller_of_the_listeners_line_is_picked_as_a_regulator(tell: Tell) -> None:
    story = Desks(
        (ROSA, REMY, LEA),
        (caller(1.0),),
        (15.0, decides(Orient(line="listeners"))),
        (20.0, takes("remy")),
        come_at={"remy": 16.0},
        lets_ring=("lea",),
    )
    story.script = (*story.script[:1], (19.0, declines("lea")), *story.script[1:])
    tell(story)
    assert story.talks_with() == ["rosa", "remy"], timeline(story)
    roles = [e.data["role"] for e in story.journal.entries if e.op == "leg.answered"]
    assert roles == ["regulator", "regulator"]


def cannot_take(name: str) -> Deed:
    """They say so on their screen."""

    def deed(world: World) -> None:
        assert world.controller is not None
        agent = world.controller.house.team.agents[name]
        world.controller.tell(agent.decide, agent.call_id, Decline())

    return deed


def declines(name: str) -> Deed:
    return lambda world: world.desks[name].rings[-1].decline(486)


# -- at the same instant ---------------------------------------------------------------


@pytest.mark.parametrize("ms", MILLISECONDS)
def test_who_leaves_as_they_are_picked_leaves_nobody_reserved(tell: Tell, ms: int) -> None:
    story = Desks(
        (ROSA,),
        (caller(1.0),),
        (TAKEN_AT, takes("rosa")),
        (TAKEN_AT + ms / 1000, leaves()),
    )
    tell(story)
    assert story.went_through("rosa")[-1] == "READY"
    assert not story.rang("rosa")
    if story.answers == [None]:
        told = story.told("rosa", "call.withdrawn") + story.told("rosa", "call.not_taken")
        assert [data["reason"] for _, data in told] == ["caller_left"], timeline(story)


def test_who_leaves_while_the_regulator_is_being_reserved_is_offered_to_nobody(
    tell: Tell, slow_store: None
) -> None:
    story = Desks((ROSA,), (caller(1.0),), (TAKEN_AT, takes("rosa")), (TAKEN_AT + 0.1, leaves()))
    tell(story)
    assert story.answers == ["no_longer_waiting"]
    assert story.went_through("rosa")[-2:] == ["RESERVED", "READY"]
    assert not story.events("call.taken")


@pytest.fixture
def slow_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reservation takes a fifth of a second."""
    reserve = MemoryPresence.reserve

    async def slow(store: MemoryPresence, *asked: Any) -> bool:
        await asyncio.sleep(0.2)
        return await reserve(store, *asked)

    monkeypatch.setattr(MemoryPresence, "reserve", slow)


@pytest.mark.parametrize("ms", [0, 1, 5, 50, 150, 250])
@pytest.mark.parametrize("slow", [False, True])
def test_two_regulators_pick_the_same_caller_and_one_has_them(
    tell: Tell, request: pytest.FixtureRequest, ms: int, slow: bool
) -> None:
    if slow:
        request.getfixturevalue("slow_store")
    story = Desks(
        (ROSA, REMY),
        (caller(1.0),),
        (TAKEN_AT, takes("rosa")),
        (TAKEN_AT + ms / 1000, takes("remy")),
    )
    tell(story)
    assert sorted(map(str, story.answers)) in (
        ["None", "rings_already"],
        ["None", "taken_already"],
    ), timeline(story)
    assert len(story.rings) == 1
    assert len(story.talks_with()) == 1
    assert len(story.told("rosa", "call.offered") + story.told("remy", "call.offered")) == 1


@pytest.mark.parametrize("ms", [*MILLISECONDS, 50, 150])
@pytest.mark.parametrize("slow", [False, True])
def test_picked_as_the_line_finds_somebody_one_phone_rings(
    tell: Tell, request: pytest.FixtureRequest, ms: int, slow: bool
) -> None:
    if slow:
        request.getfixturevalue("slow_store")
    story = Desks(  # the line looks for somebody two seconds after they came: at 3.0065
        (ROSA, REMY), (caller(1.0),), (3.0065 + ms / 1000, takes("remy"))
    )
    tell(story)
    assert len(story.rings) == 1, timeline(story)
    assert story.talks_with() in (["rosa"], ["remy"])
    for name in ("rosa", "remy"):
        assert story.went_through(name)[-1] in ("READY", "WRAP_UP")


@pytest.mark.parametrize("ms", [*MILLISECONDS, 50, 150])
@pytest.mark.parametrize("slow", [False, True])
def test_who_picks_one_caller_as_the_line_gives_them_another_has_one_of_the_two(
    tell: Tell, request: pytest.FixtureRequest, ms: int, slow: bool
) -> None:
    if slow:
        request.getfixturevalue("slow_store")
    story = Desks((ROSA,), (caller(1.0), caller(1.5, 2)), (3.0065 + ms / 1000, takes("rosa", 1)))
    tell(story)
    first = min(at for at, _ in story.rings)
    assert [ring.name for at, ring in story.rings if at == first] == ["rosa"]
    assert story.answers in ([None], ["you_have_a_call"])
    with_whom = story.talks_with(1) if story.answers == [None] else story.talks_with(0)
    assert with_whom == ["rosa"], timeline(story)


def test_pressed_twice_it_is_one_pick(tell: Tell) -> None:
    story = Desks(
        (ROSA,),
        (caller(1.0),),
        (TAKEN_AT, takes("rosa")),
        (TAKEN_AT, takes("rosa")),
        (TAKEN_AT + 0.3, takes("rosa")),
    )
    tell(story)
    assert story.answers == [None, None, None]
    assert len(story.rings) == 1


# -- killed in between -----------------------------------------------------------------


def picked(crash_at_step: int | None = None, *more: tuple[float, Deed]) -> Desks:
    return Desks(
        (ROSA, REMY),
        (caller(1.0, talk_seconds=30.0),),
        (TAKEN_AT, takes("remy")),
        *more,
        crash_at_step=crash_at_step,
    )


def sent(crash_at_step: int | None = None, *more: tuple[float, Deed]) -> Desks:
    return Desks(
        (ROSA, LEA),
        (caller(1.0, talk_seconds=60.0), caller(2.0, 2, talk_seconds=30.0)),
        (TAKEN_AT + 10, sends("rosa", Orient(line="listeners", handover="mot"), 1)),
        *more,
        crash_at_step=crash_at_step,
    )


@pytest.mark.parametrize(("tale", "since"), [(picked, TAKEN_AT), (sent, TAKEN_AT + 10)])
def test_killed_at_any_step_in_between_the_caller_has_somebody(tale: Any, since: float) -> None:
    steps: list[int] = []

    def count(world: World) -> None:
        steps.append(world.lives[0].life.steps)

    def lived(story: Desks) -> Desks:
        with run.unhurried():
            story.run()
        assert Checker(story).check() == [], timeline(story)
        return story

    lived(tale(None, (since - 0.001, count), (since + 2.5, count))).close()
    assert steps[1] - steps[0] > 80
    for step in range(steps[0], steps[1], 2):
        story = lived(tale(step))
        assert len(story.lives) == 2, step
        number = len(story.callers) - 1
        assert story.talks_with(number), (step, timeline(story))
        assert len(waiting_since(story, number)) == 1, step
        story.close()


@pytest.mark.parametrize("dies", [crash, keep_dead])
def test_killed_just_after_they_were_sent_they_wait_for_whom_was_chosen(
    tell: Tell, dies: Deed
) -> None:
    story = Desks(
        (ROSA, LEA, person("nora", "listener")),
        (caller(1.0, patience_seconds=200.0), caller(2.0, 2, patience_seconds=200.0)),
        (12.0, sends("rosa", Orient(agent="nora"), 1)),
        (12.0015, dies),
    )
    tell(story)
    assert story.talks_with(1)[0] in ("nora", "rosa"), timeline(story)
    if dies is crash:
        assert story.talks_with(1) == ["nora"], timeline(story)


# -- danger ------------------------------------------------------------------------------


def rings_at_remys(*script: tuple[float, Deed]) -> Desks:
    """The caller's phone rings at remy's, who does not pick up; rosa comes."""
    return Desks((ROSA, REMY), (caller(1.0),), *script, come_at={"rosa": 5.0}, lets_ring=("remy",))


def test_who_rings_at_a_colleagues_is_picked_only_in_danger(tell: Tell) -> None:
    story = rings_at_remys(
        (8.0, takes("rosa")),
        (9.0, warns("rosa", 2)),
        (10.0, takes("rosa")),
        (11.0, warns("rosa", 3)),
        (12.0, takes("rosa")),
    )
    tell(story)
    assert story.answers == ["rings_already", None, "rings_already", None, None]
    assert story.told("remy", "call.withdrawn")[0][1]["reason"] == "answered_elsewhere"
    assert story.talks_with() == ["rosa"]
    (at_remys,) = [ring for _, ring in story.rings if ring.name == "remy"]
    assert at_remys.ended_at is not None
    assert 12.0 < at_remys.ended_at < 12.3
    assert "presence.asked" not in [frame.type for frame in story.frames if frame.agent == "remy"]


@pytest.mark.parametrize("ms", [-20, *MILLISECONDS, 20])
def test_who_answers_as_a_colleague_picks_the_caller_in_danger_is_one_of_two(
    tell: Tell, ms: int
) -> None:
    story = rings_at_remys(
        (8.0, warns("rosa", 3)),
        (12.0, takes("rosa")),
        (12.0 + ms / 1000, lambda w: w.desks["remy"].rings[-1].answer()),
    )
    tell(story)
    (whom,) = story.talks_with()
    other = {"rosa": "remy", "remy": "rosa"}[whom]
    assert story.went_through(other)[-1] == "READY"
    if whom == "remy" and story.answers[-1] is None:
        assert [d["reason"] for _, d in story.told("rosa", "call.not_taken")] == [
            "answered_elsewhere"
        ], timeline(story)


@pytest.mark.parametrize("seconds", [0.0, 0.002, 0.3, 0.9])
def test_who_leaves_before_the_other_phone_is_silent_leaves_nobody_reserved(
    tell: Tell, wire: Wire, seconds: float
) -> None:
    wire.meddles(lambda method, path, _: method == "DELETE" and "-remy-" in path, late(1.0))
    story = rings_at_remys((8.0, warns("rosa", 3)), (12.0, takes("rosa")))
    story.script = (*story.script, (12.005 + seconds, leaves()))
    tell(story)
    assert [data["reason"] for _, data in story.told("rosa", "call.not_taken")] == ["caller_left"]
    assert story.went_through("rosa")[-2:] == ["RESERVED", "READY"]
    assert not story.rang("rosa")


def test_two_pick_somebody_in_danger_who_rings_at_a_third(tell: Tell) -> None:
    story = Desks(
        (ROSA, REMY, person("nora")),
        (caller(1.0),),
        (8.0, warns("rosa", 3)),
        (12.0, takes("rosa")),
        (12.001, takes("nora")),
        come_at={"rosa": 5.0, "nora": 5.0},
        lets_ring=("remy",),
    )
    tell(story)
    assert story.answers[0] is None
    assert sorted(map(str, story.answers[1:])) == ["None", "taken_already"]
    (whom,) = story.talks_with()
    other = {"rosa": "nora", "nora": "rosa"}[whom]
    assert story.rang(whom)
    assert not story.rang(other)


def test_danger_told_at_the_desk_goes_before_who_came_earlier(tell: Tell) -> None:
    story = Desks(
        (ROSA, REMY),
        (caller(1.0), caller(3.0, 2), caller(4.0, 3)),
        (20.0, warns("rosa", 2, 2)),
        come_at={"remy": 30.0},
    )
    tell(story)
    assert story.talks_with(0) == ["rosa"]
    assert story.talks_with(2) == ["remy"]
    offered = story.told("remy", "call.offered")[0][1]["call"]
    assert (offered["danger_level"], offered["danger"]) == (2, False)


def test_what_a_caller_told_with_a_key_is_not_taken_back_at_the_desk(tell: Tell) -> None:
    seen: list[int] = []

    def look(world: World) -> None:
        assert world.controller is not None
        seen.extend(call.danger for call in world.controller.house.calls.values())

    story = Desks(
        (ROSA,),
        (caller(1.0), caller(2.0, 2, keys=((15.0, "0"),))),
        (40.0, warns("rosa", 0, 1)),
        (41.0, look),
    )
    tell(story)
    assert story.answers == [None]
    assert seen == [0, 3]


# -- sent elsewhere ------------------------------------------------------------------------


def sends_the_second(decision: Orient, *script: tuple[float, Deed], **more: Any) -> Desks:
    """rosa talks with the first caller, and sends the second, who waits."""
    people = more.pop("people", (ROSA, LEA))
    return Desks(
        people, (caller(1.0), caller(2.0, 2)), (20.0, sends("rosa", decision, 1)), *script, **more
    )


def test_who_is_sent_to_the_listeners_waits_under_sound_and_one_phone_rings(tell: Tell) -> None:
    story = sends_the_second(Orient(line="listeners", handover="Bas."))
    tell(story)
    assert story.answers == [None]
    assert story.talks_with(1) == ["lea"]
    assert len(story.rang("lea")) == 1
    assert story.rang("lea")[0] < 21.0
    offered = story.told("lea", "call.offered")[0][1]["call"]
    assert (offered["handover"], offered["path"]) == ("Bas.", [])
    answered_at = next(at for at, sound in story.sounds(1) if sound == "people:lea")
    heard = [sound for at, sound in story.sounds(1) if 20.0 <= at < answered_at - 0.1]
    assert "silence" not in heard
    assert "prompt:/sounds/fr/orientation" in heard


def test_who_is_sent_to_a_person_rings_at_nobody_elses(tell: Tell) -> None:
    nora = person("nora", "listener")
    story = sends_the_second(Orient(agent="nora", danger=2), people=(ROSA, LEA, nora))
    tell(story)
    assert story.talks_with(1) == ["nora"]
    assert not story.rang("lea")
    assert story.told("nora", "call.offered")[0][1]["call"]["danger_level"] == 2


def test_who_is_sent_by_a_regulator_is_not_sent_away_by_a_full_line(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Desks(
        (ROSA, REMY),
        (caller(1.0), caller(2.0, 2)),
        (22.0, cannot_take("remy")),
        (23.0, lambda _: monkeypatch.setattr(WaitingLines, "full", lambda *_: True)),
        (23.1, sends("rosa", Orient(agent="remy"), 1)),
        (25.0, lambda w: w.desks["remy"].rings[-1].answer()),
        come_at={"remy": 20.0},
        lets_ring=("remy",),
    )
    tell(story)
    assert story.answers == [None]
    assert story.talks_with(1) == ["remy"], timeline(story)


def test_who_is_sent_to_a_person_who_does_not_answer_is_anybodys_of_that_line(tell: Tell) -> None:
    nora = person("nora", "listener")
    story = sends_the_second(Orient(agent="nora"), people=(ROSA, LEA, nora), lets_ring=("nora",))
    tell(story)
    assert story.talks_with(1) == ["lea"]
    # Nobody is called back: rosa never had them.
    assert len(story.rang("rosa")) == 1


def test_a_greeting_that_must_be_heard_whole_is_though_they_are_sent(tell: Tell) -> None:
    story = Desks(
        (ROSA, LEA),
        (caller(1.0), caller(20.0, 2)),
        (21.0, sends("rosa", Orient(line="listeners"), 1)),
    )
    tell(story)
    sounds = story.sounds(1)
    begun = next(at for at, sound in sounds if sound.endswith("/accueil"))
    ended = next(at for at, sound in sounds if at > begun)
    assert ended - begun == pytest.approx(4.6, abs=0.05)
    assert story.talks_with(1) == ["lea"]


@pytest.mark.parametrize("ms", MILLISECONDS)
def test_who_leaves_as_they_are_sent_rings_nowhere(tell: Tell, ms: int) -> None:
    story = sends_the_second(Orient(line="listeners"), (20.0 + ms / 1000, leaves(1)))
    tell(story)
    assert not story.rang("lea")
    assert story.went_through("lea")[-1] == "READY"


@pytest.mark.parametrize("ms", [*MILLISECONDS, 40, 100])
@pytest.mark.parametrize("slow", [False, True])
def test_sent_as_the_line_finds_somebody_they_have_one_of_the_two(
    tell: Tell, request: pytest.FixtureRequest, ms: int, slow: bool
) -> None:
    if slow:
        request.getfixturevalue("slow_store")
    comes = (30.0, lambda w: w.desks["remy"]._choose(Presence.READY))
    story = Desks(
        (ROSA, REMY, LEA),
        (caller(1.0), caller(2.0, 2)),
        comes,
        (30.0 + ms / 1000, sends("rosa", Orient(line="listeners"), 1)),
        come_at={"remy": 40.0},
    )
    tell(story)
    assert story.talks_with(1) in (["lea"], ["remy"]), timeline(story)
    assert len({ring.channel_id for _, ring in story.rings if ring.answered_at}) >= 2


def test_who_is_sent_and_picked_meanwhile_has_whoever_picked_them(tell: Tell) -> None:
    story = Desks(
        (ROSA, REMY, LEA),
        (caller(1.0), caller(2.0, 2)),
        (20.0, sends("rosa", Orient(line="listeners"), 1)),
        (45.0, takes("remy", 1)),
        come_at={"remy": 42.0},
        lets_ring=("lea",),
    )
    tell(story)
    assert story.talks_with(1) == ["remy"], timeline(story)


# -- refused -------------------------------------------------------------------------------

WAITS = ((1.0, 1), (2.0, 2))
TAKE, LINE = "take", Orient(line="listeners")
REFUSALS: list[tuple[str, Any, str]] = [
    ("ada", TAKE, "you_are_not_ready"),  # no shift
    ("rosa", TAKE, "you_have_a_call"),
    ("lea", TAKE, "not_your_role"),
    ("lea", LINE, "no_such_call"),
    ("lea", 2, "not_your_role"),
    ("nora", TAKE, "does_not_suit_you"),
    ("remy", Orient(relay="119"), "take_first"),
    ("remy", Orient(agent="lea", together=True), "take_first"),
    ("remy", Orient(agent="lea", consult=True), "take_first"),
    ("remy", Orient(line="regulators"), "waits_there"),
    ("remy", Orient(line="nowhere"), "no_such_line"),
    ("remy", Orient(agent="nobody"), "no_such_agent"),
    ("remy", Orient(agent="rosa"), "not_ready"),
    ("ada", LINE, "you_are_not_ready"),  # no shift
    ("ada", 1, "you_are_not_ready"),
]


@pytest.mark.parametrize(("who", "what", "code"), REFUSALS)
def test_what_cannot_be_done_at_the_desk_is_refused_and_changes_nothing(
    tell: Tell, who: str, what: Any, code: str
) -> None:
    deed = takes(who, 1) if what == TAKE else None
    deed = warns(who, what, 1) if isinstance(what, int) else deed
    deed = deed or sends(who, what, 1)

    def looks_at_nothing(world: World) -> None:
        world.desks["remy"]._look = lambda _: None

    def pauses(world: World) -> None:
        world.desks["remy"]._choose(Presence.NOT_READY, "pause")

    english = frozenset({"en"})
    story = Desks(
        (ROSA, REMY, LEA, person("nora", languages=english), person("ada")),
        (caller(1.0), caller(2.0, 2, patience_seconds=40.0)),
        (0.001, looks_at_nothing),
        (15.0, pauses),
        (20.0, deed),
        come_at={"ada": 100.0},
    )
    tell(story)
    assert story.answers == [code]
    assert story.talks_with(1) == []
    assert "call.oriented" not in story.ops(1)
    assert "call.danger" not in story.ops(1)


def test_who_talks_or_has_left_is_not_to_be_picked_nor_sent(tell: Tell) -> None:
    deeds = [takes("remy"), sends("remy", LINE), warns("remy", 1)]
    story = Desks((ROSA, REMY, LEA), (caller(1.0),), *((20.0, deed) for deed in deeds))
    tell(story)
    assert story.answers == ["no_longer_waiting"] * 3


def test_while_the_wire_is_cut_nobody_is_reserved_in_vain(tell: Tell) -> None:
    def stalls(world: World) -> None:
        world.engine.cut_sockets()
        world.later(0.001, takes("rosa"), world)

    story = Desks((ROSA,), (caller(1.0),), (TAKEN_AT, stalls))
    tell(story)
    assert story.answers == ["not_reachable"]
    assert story.talks_with() == ["rosa"]


# -- what they see ---------------------------------------------------------------------------


def test_screens_are_told_at_once_of_a_first_caller_and_of_danger_else_once_a_second(
    tell: Tell,
) -> None:
    story = Desks(
        (ROSA, replace(LEA, id="sam", roles=frozenset({"supervisor"})), LEA),
        (caller(5.0), caller(12.0, 2), caller(12.2, 3), caller(12.4, 4)),
        (13.1, warns("rosa", 3, 1)),
        lets_ring=("rosa",),
    )
    tell(story)
    assert {board.agent for board in story.boards} == {"rosa", "sam"}
    boards = [board for board in story.boards if board.agent == "sam" and board.at < 30.0]
    came = story.journal.entries[0].at
    first = next(board for board in boards if board.cards)
    assert first.at - 5.0 < 0.05, came
    at_rosas = next(board for board in story.boards if board.agent == "rosa" and board.cards)
    assert at_rosas.cards[0]["may_take"]
    grave = next(b for b in boards if any(card["danger_level"] == 3 for card in b.cards))
    assert grave.at - 13.1 < 0.01
    others = [b.at for b in boards if b.at > first.at and b is not grave]
    assert all(after - before >= 0.999 for before, after in itertools.pairwise(others))
    assert max(board.count for board in boards) == 4


def test_a_card_tells_what_helps_to_choose_and_nothing_of_who_calls(tell: Tell) -> None:
    story = sends_the_second(Orient(line="listeners", handover="Bas."), lets_ring=("lea",))
    tell(story)
    cards = [
        card
        for board in story.boards
        if board.agent == "rosa"
        for card in board.cards
        if card["id"] == story.call_id(1)
    ]
    before, after = cards[0], next(card for card in cards if card["line"] == "listeners")
    assert before.keys() == {
        "id",
        "line",
        "tier",
        "waiting_since",
        "language",
        "gender",
        "danger",
        "danger_level",
        "need",
        "path",
        "told",
        "returned",
        "oriented",
        "handover",
        "state",
        "may_take",
    }
    assert (before["line"], before["oriented"], before["handover"]) == ("regulators", None, False)
    assert (after["oriented"], after["handover"]) == ("regulator", True)
    assert before["waiting_since"] == after["waiting_since"]
    ringing = next(card for card in cards if card["state"] == "ringing")
    assert not ringing["may_take"]
    assert "06399" not in str(cards)
    assert "Bas." not in str(cards)


def test_no_list_is_made_where_nobody_shows_it(tell: Tell, monkeypatch: Any) -> None:
    made: list[object] = []
    monkeypatch.setattr("cti.calls.cards._card", lambda call: made.append(call) or {})
    story = Desks((LEA,), (caller(5.0, patience_seconds=10.0),))
    tell(story)
    assert made == []
    assert story.boards == []
