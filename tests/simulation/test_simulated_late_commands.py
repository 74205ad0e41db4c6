"""Commands that are obeyed late, by us or by a life before, and agents who decide twice at once.

Each is told as a story of one call, at the one moment at which it matters.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from cti.asterisk import caller
from cti.calls import handover
from cti.calls.house import House
from cti.calls.state import Call
from cti.people.agents import End, Orient, Presence
from cti.simulation import run
from cti.simulation.actors import Desk
from cti.simulation.checker import Checker, timeline
from cti.simulation.fake_wire import Connection, FakeWire
from cti.simulation.world import World
from tests.stories import (
    ARRIVE,
    LISTENS,
    TALKING_AT,
    TO_LISTENERS,
    TOGETHER,
    Answer,
    Deed,
    Oriented,
    Request,
    Slow,
    Story,
    Team,
    Tell,
    Waits,
    Wire,
    agent_hangs_up,
    answers,
    arms,
    caller_leaves,
    crash,
    decides,
    hangs_up,
    killed_and_late,
    killed_for_long,
    late,
    lease_ends,
    put_into_the_line,
    refused,
)

# -- music, and its end


def test_music_that_comes_late_though_it_was_asked_for_again_covers_no_talk(
    wire: Wire, tell: Tell
) -> None:
    wire.meddles(lambda method, path, _v: method == "POST" and path.endswith("/moh"), late(8.0))
    tell(Slow((9.0, put_into_the_line), (16.0, answers("rosa")), talk=60.0))


def test_music_that_a_life_before_asked_for_covers_no_talk(wire: Wire, tell: Tell) -> None:
    told: list[Story] = []
    wire.meddles(
        lambda method, path, _v: method == "POST" and path.endswith("/moh"),
        killed_and_late(7.0, told),
    )
    told.append(Slow((9.0, put_into_the_line), (14.5, answers("rosa")), talk=60.0))
    tell(told[0])


def test_an_end_of_music_that_a_life_before_asked_for_is_mended(wire: Wire, tell: Tell) -> None:
    told: list[Story] = []
    arm = arms(wire)
    wire.meddles(
        lambda method, path, _v: method == "DELETE" and path.endswith("/moh"),
        killed_and_late(7.0, told),
    )

    def arm_and_crash(world: World) -> None:
        arm(world)
        crash(world)

    told.append(Oriented((8.0, arm_and_crash), (13.5, TO_LISTENERS), rings=True))
    tell(told[0])


def test_music_that_the_next_life_cannot_end_at_once_is_ended_later(wire: Wire, tell: Tell) -> None:
    wire.times = 10
    first: list[Story] = []

    def how(fake: FakeWire, request: Request, answer: Answer, go_on: Callable[[], None]) -> None:
        if first:
            refused()(fake, request, answer, go_on)
        else:
            first.append(story)
            fake._engine.later(0.0, crash, story)

    wire.meddles(lambda method, path, _v: method == "DELETE" and path.endswith("/moh"), how)
    story = Story((TALKING_AT, lease_ends(wire)), talk=60.0)
    tell(story)


# -- who owns the caller, and for how long they are leased


def test_the_last_owner_is_not_let_go_before_the_music(wire: Wire, tell: Tell) -> None:
    """The agent ends the talk while the caller is being brought back into it; then we die."""
    seen = {"step": 0}

    def arrive(fake: FakeWire, connection: Connection, request: Request, answer: Answer) -> None:
        _, path, values = request
        if seen["step"] == 1 and path.startswith("/bridges/talk-") and path.endswith("addChannel"):
            seen["step"] = 2
            fake._engine.at(
                fake._engine.time() + 1.0, partial(ARRIVE, fake, connection, request, answer)
            )
            return
        ARRIVE(fake, connection, request, answer)
        disowned = (values.get("variable"), values.get("value")) == ("FIL_CALLER", "")
        if seen["step"] == 2 and disowned:
            seen["step"] = 3
            fake._engine.later(0.0, killed_for_long, story)

    def astray(world: World) -> None:
        seen["step"] = 1
        put_into_the_line(world)

    wire.patch.setattr(FakeWire, "_arrive", arrive)
    story = Story((8.0, astray), (9.4, decides(End())), (13.0, agent_hangs_up), talk=60.0)
    tell(story)


def test_an_owner_who_is_disowned_late_is_made_one_again(wire: Wire) -> None:
    wire.meddles(
        lambda _m, path, values: (
            "-rosa-" in path and (values.get("variable"), values.get("value")) == ("FIL_CALLER", "")
        ),
        late(8.0),
    )
    story = Oriented(
        (11.0, decides(TOGETHER)),
        (20.0, hangs_up("lea")),
        (25.0, killed_for_long),
        (30.0, agent_hangs_up),
    )
    with run.unhurried():
        story.run()
    try:
        silent = [v for v in Checker(story).check() if v.kind == "silence"]
        assert silent == [], timeline(story)
    finally:
        story.close()


def test_what_is_said_again_of_a_talk_is_not_said_of_a_caller_whom_the_engine_pulled_out(
    wire: Wire, tell: Tell
) -> None:
    """A newcomer leaves while it is being said whose the caller is: the music stays."""
    asked: list[tuple[float, str, str]] = []
    owning: list[float] = []

    def arrive(fake: FakeWire, connection: Connection, request: Request, answer: Answer) -> None:
        method, path, values = request
        now = fake._engine.time()
        asked.append((now, method, path.rpartition("/")[2]))
        if now > 20.0 and values.get("variable") == "FIL_CALLER" and not owning:
            owning.append(now)
            fake._engine.at(now + 0.5, partial(ARRIVE, fake, connection, request, answer))
            fake._engine.at(now + 0.3, hangs_up("lea"), story)
        else:
            ARRIVE(fake, connection, request, answer)

    wire.patch.setattr(FakeWire, "_arrive", arrive)
    story = Oriented((11.0, decides(TOGETHER)), (16.0, crash))
    tell(story)
    assert owning
    after = [what for at, *what in asked if at > owning[0]]
    ended, joined = after.index(["DELETE", "moh"]), after.index(["POST", "addChannel"])
    assert ended > joined, timeline(story)


def test_whom_a_life_before_claimed_and_wrote_nowhere_is_leased_anew(
    wire: Wire, tell: Tell
) -> None:
    def dies(fake: FakeWire, _request: Request, _answer: Answer, go_on: Callable[[], None]) -> None:
        go_on()
        fake._engine.later(0.0, ten_seconds_dead)

    def ten_seconds_dead() -> None:
        assert story.controller is not None
        story.controller.began_at, story._delay = story.loop.time(), 10.0
        crash(story)

    wire.meddles(lambda _m, path, _v: path == "/bridges/line-regulators/addChannel", dies)
    story = Waits(agents=(LISTENS,))
    tell(story)
    assert "prompt:/sounds/fr/secours-patience" not in story.heard(), timeline(story)


def test_a_lease_that_comes_late_takes_nobody_out_of_a_talk(wire: Wire, tell: Tell) -> None:
    wire.patch.setattr(caller, "LEASE_RENEWED_EVERY_SECONDS", 13.0)  # one is under way at 14 s
    arm = arms(wire)
    wire.meddles(
        lambda _m, _p, values: (
            values.get("variable") == "TIMEOUT(absolute)" and values.get("value") != "0"
        ),
        late(6.5),
    )
    story = tell(Slow((13.0, arm), (19.5, answers("rosa")), talk=80.0))
    assert set(story.heard(30.0)) <= {"", "people:rosa"}, timeline(story)


# -- agents


def test_a_lost_agent_is_no_goodbye_though_the_engine_disobeys(wire: Wire, tell: Tell) -> None:
    arm = arms(wire)
    wire.times = 9  # one command: thrice, each put three times
    wire.meddles(lambda _m, path, _v: path == "/bridges/line-regulators/addChannel", refused())
    story = tell(Story((8.0, arm), (14.1, agent_hangs_up), talk=60.0))  # they talk since 5.6
    assert len(story.legs()) == 2, timeline(story)


@pytest.mark.parametrize(
    "then",
    [[(14.0, caller_leaves)], [(14.0, answers("lea")), (15.0, answers("zoe"))]],
    ids=["the caller leaves", "both answer"],
)
def test_together_said_twice_at_once_invites_one(
    tell: Tell, then: list[tuple[float, Deed]]
) -> None:
    def twice(world: World) -> None:
        desk = world.desks["rosa"]
        assert desk.controller is not None
        for _ in range(2):
            desk.controller.tell(
                desk._decide_inside, desk.controller, desk.agent, desk.call, TOGETHER
            )

    roles = {"rosa": "regulator", "lea": "listener", "zoe": "listener"}
    tell(Team((11.0, twice), *then, roles=roles, by_hand=("lea", "zoe")))


def test_an_end_is_not_lost_though_coming_in_fails(wire: Wire, tell: Tell) -> None:
    invite = handover.invite

    async def and_the_first_ends(call: Call, house: House, decision: Orient) -> Orient | None:
        came = await invite(call, house, decision)
        assert call.talk is not None
        assert call.talk.agent.engagement is not None
        call.talk.agent.engagement.decisions.put_nowait(End())
        wire.armed = True
        return came

    wire.patch.setattr(handover, "invite", and_the_first_ends)
    wire.armed = False
    wire.meddles(
        lambda _m, path, values: (
            "-lea-" in str(values.get("channel", "")) and path.endswith("addChannel")
        ),
        late(5.5),
    )
    story = tell(Oriented((11.0, decides(TOGETHER))))
    assert story.sound_at(20.0) == "people:lea", timeline(story)


def test_one_who_stayed_is_free_though_an_on_call_phone_has_the_caller() -> None:
    stayed: list[Desk] = []
    presences: list[Presence] = []

    def somebody_invites(world: World) -> None:
        (desk,) = (desk for desk in world.desks.values() if desk.call)
        decides(TOGETHER, desk.plan.id)(world)
        stayed.append(desk)

    def cut(world: World) -> None:
        world.engine.cut_sockets()
        world.engine.stall(40.0)

    def hang_up(_world: World) -> None:
        for ring in stayed[0].rings:
            ring.hang_up()

    def look(_world: World) -> None:
        assert stayed[0].agent is not None
        presences.append(stayed[0].agent.presence)

    story = Team(
        (11.0, somebody_invites),
        (25.0, cut),
        (25.5, hangs_up("lea")),
        (75.0, hang_up),
        (120.0, look),
        roles={"rosa": "regulator", "zed": "regulator", "lea": "listener"},
    )
    with run.unhurried():
        story.run()
    story.close()
    assert presences != [Presence.TALKING]


def test_a_goodbye_that_never_reached_the_engine_is_said_again(wire: Wire, tell: Tell) -> None:
    wire.meddles(
        lambda _m, path, values: "/play/" in path and str(values["media"]).endswith("au-revoir"),
        lambda *_: None,
    )
    story = tell(Story((TALKING_AT + 12, decides(End()))))
    assert "prompt:/sounds/fr/au-revoir" in story.heard()
