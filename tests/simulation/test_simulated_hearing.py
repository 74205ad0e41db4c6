"""Whether both sides of a talk are heard, and what the agent is told: in simulated worlds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cti import clock
from cti.calls.state import Call
from cti.people.agents import Decision, Hold, Message, Mute, Outbox
from cti.simulation.fake_people import FakePhoneCall, FarEnd
from cti.simulation.world import World
from tests.stories import (
    TALKING_AT,
    TO_LISTENERS,
    Deed,
    Oriented,
    Story,
    Wire,
    crash,
    live,
    refused,
)

TOLD_SECONDS_MAX = 10.0
HEARD_AGAIN_SECONDS_MAX = 4.5
Frame = tuple[float, str, str, dict[str, Any]]  # when, to whom, which, its data


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Frame]:
    """What screens are shown: (when, which screen, which frame, its data)."""
    frames: list[Frame] = []
    push = Outbox.push

    def pushes(
        outbox: Outbox, type_: str, data: dict[str, Any], *, says_all: bool = False
    ) -> Message:
        frames.append((clock.monotonic(), outbox.epoch, type_, dict(data)))
        return push(outbox, type_, data, says_all=says_all)

    monkeypatch.setattr(Outbox, "push", pushes)
    return frames


def sounds(shown: list[Frame], since: float = 0.0) -> list[str | None]:
    """What was told of the sound since then."""
    return [d["problem"] for at, _, type_, d in shown if type_ == "call.sound" and at >= since]


def told_at(shown: list[Frame], problem: str | None, since: float = 0.0) -> float:
    return next(
        at
        for at, _, type_, d in shown
        if type_ == "call.sound" and d["problem"] == problem and at >= since
    )


def connected_at(shown: list[Frame], since: float = 0.0) -> float:
    return next(at for at, _, type_, _ in shown if type_ == "call.connected" and at >= since)


class From(Story):
    """A story in which the phone of rosa is so from its first ring."""

    def __init__(self, how: Callable[[FarEnd], None], *script: tuple[float, Deed]) -> None:
        self.how = how
        super().__init__(*script)

    def _begin(self) -> None:
        super()._begin()
        rings = self.desks["rosa"].phone.on_ring
        assert rings is not None

        def ring(call: FakePhoneCall) -> None:
            self.how(call)
            rings(call)

        self.desks["rosa"].phone.on_ring = ring


def rosa(how: Callable[[FarEnd], None]) -> Deed:
    return lambda world: [how(ring) for ring in world.desks["rosa"].rings]


def caller(how: Callable[[FarEnd], None]) -> Deed:
    def deed(world: World) -> None:
        end = world.callers[0].end
        assert end is not None
        how(end)

    return deed


def of_the_call(what: Callable[[Call], None]) -> Deed:
    def deed(world: World) -> None:
        assert world.controller is not None
        (call,) = world.controller.house.calls.values()
        world.controller.tell(what, call)

    return deed


def silent(end: FarEnd) -> None:
    end.speak(False)


def speaks(end: FarEnd) -> None:
    end.speak()


def sends_nothing(end: FarEnd) -> None:
    end.send(False)


def sends(end: FarEnd) -> None:
    end.send()


def taps(end: FarEnd) -> None:
    end.press("5")


# -- the agent


def test_of_two_who_hear_each_other_nothing_is_told(shown: list[Frame]) -> None:
    live(Story())
    assert connected_at(shown)
    assert sounds(shown) == []


@pytest.mark.parametrize(
    ("how", "mended"), [(silent, speaks), (sends_nothing, sends)], ids=["silence", "no packets"]
)
def test_a_phone_that_is_mute_from_the_first_is_told_of_and_so_is_its_mending(
    how: Callable[[FarEnd], None], mended: Callable[[FarEnd], None], shown: list[Frame]
) -> None:
    live(From(how, (15.5, rosa(mended))))
    assert sounds(shown) == ["no_voice", None]
    assert told_at(shown, "no_voice") - connected_at(shown) < TOLD_SECONDS_MAX
    assert told_at(shown, None) - 15.5 < HEARD_AGAIN_SECONDS_MAX
    advice = [d["advice"] for _, _, type_, d in shown if type_ == "call.sound"]
    assert "On ne vous entend pas" in advice[0]
    english = [d["advice_en"] for _, _, type_, d in shown if type_ == "call.sound"]
    assert "You are not heard" in english[0]
    assert advice[1] is None


def decides(decision: Decision) -> Deed:
    """rosa's screen says so."""

    def does(world: World) -> None:
        assert world.controller is not None
        agent = world.desks["rosa"].agent
        assert agent is not None
        assert agent.engagement is not None
        world.controller.tell(agent.decide, agent.engagement.call_id, decision)

    return does


def test_packets_that_cease_are_told_of_and_so_is_their_coming_back(shown: list[Frame]) -> None:
    live(Story((30.0, rosa(sends_nothing)), (42.0, rosa(sends))))
    assert sounds(shown) == ["no_voice", None]
    assert told_at(shown, "no_voice") - 30.0 < TOLD_SECONDS_MAX
    assert told_at(shown, None) - 42.0 < HEARD_AGAIN_SECONDS_MAX


def test_who_has_been_heard_may_listen_for_a_minute(shown: list[Frame]) -> None:
    live(Story((20.0, rosa(silent)), (100.0, rosa(speaks))))
    assert sounds(shown) == ["no_voice", None]
    assert 80.0 < told_at(shown, "no_voice") < 85.0
    assert told_at(shown, None) - 100.0 < HEARD_AGAIN_SECONDS_MAX


def test_of_a_caller_who_hears_music_nothing_is_expected(shown: list[Frame]) -> None:
    live(
        Story(
            (15.0, decides(Hold(True))),
            (15.5, caller(sends_nothing)),
            (40.0, caller(sends)),
            (41.0, decides(Hold(False))),
        )
    )
    assert sounds(shown) == []


@pytest.mark.parametrize("choice", [Mute, Hold])
def test_who_chose_not_to_be_heard_is_told_nothing(
    choice: type[Mute] | type[Hold], shown: list[Frame]
) -> None:
    live(
        Story(
            *((15.0, decides(choice(True))), (15.5, rosa(silent)), (15.5, caller(silent))),
            *((72.0, rosa(speaks)), (73.0, decides(choice(False)))),
        )
    )
    assert sounds(shown) == []


def test_a_screen_that_comes_back_is_shown_what_is_wrong(shown: list[Frame]) -> None:
    seen: list[Any] = []

    def look(world: World) -> None:
        agent = world.desks["rosa"].agent
        assert agent is not None
        assert agent.engagement is not None
        seen.append(agent.engagement.view["sound"])

    live(From(silent, (20.0, look), (20.5, rosa(speaks)), (25.0, look)))
    assert seen[0]["problem"] == "no_voice"
    assert seen[1] is None


# -- the caller


def test_a_caller_who_says_nothing_is_told_of_with_a_guide_and_their_keys(
    shown: list[Frame],
) -> None:
    live(
        Story(
            *((2.0, caller(silent)), (30.0, caller(taps)), (31.0, caller(taps))),
            (40.0, caller(speaks)),
        )
    )
    assert sounds(shown) == ["caller_silent", None]
    assert told_at(shown, "caller_silent") - connected_at(shown) < TOLD_SECONDS_MAX
    (guide,) = [d["say"] for _, _, t, d in shown if t == "call.sound" and d["problem"]]
    assert any("une fois" in sentence for sentence in guide)
    updated = [d["call"]["keys"] for at, _, t, d in shown if t == "call.updated" and at > 29]
    assert updated[-1] == ["5", "5"]
    assert told_at(shown, None) - 40.0 < HEARD_AGAIN_SECONDS_MAX


def test_a_caller_whose_packets_do_not_come_is_told_of(shown: list[Frame]) -> None:
    live(Story((30.0, caller(sends_nothing)), (42.0, caller(sends))))
    assert sounds(shown) == ["caller_silent", None]
    assert told_at(shown, "caller_silent") - 30.0 < TOLD_SECONDS_MAX
    assert told_at(shown, None) - 42.0 < HEARD_AGAIN_SECONDS_MAX


def test_a_caller_who_has_spoken_may_weep_or_listen_to_whomever(shown: list[Frame]) -> None:
    live(Oriented((15.0, caller(silent)), (25.0, TO_LISTENERS)))
    assert len([1 for _, _, type_, _ in shown if type_ == "call.connected"]) == 2
    assert sounds(shown) == []


def test_keys_of_the_flow_are_no_taps(shown: list[Frame]) -> None:
    live(Story((3.0, caller(taps)), (TALKING_AT + 5, caller(taps))))
    keys = [d["call"]["keys"] for _, _, type_, d in shown if type_ == "call.updated"]
    assert keys == [["5"]]


# -- what goes wrong meanwhile


@pytest.mark.parametrize("sends", [True, False])
def test_a_phone_that_is_gone_and_mute_is_dropped_and_one_that_still_speaks_is_not(
    sends: bool,
) -> None:
    def unregisters(world: World) -> None:
        world.desks["rosa"].phone.unregister()

    story = live(Story((20.0, unregisters), (20.0, rosa(lambda end: end.send(sends))), talk=60.0))
    first = story.rings[0][1]
    assert first.ended_at is not None
    if sends:
        assert first.ended_at > 60.0
    else:
        assert first.ended_how == "command"
        assert first.ended_at - 20.0 < 8.5


@pytest.mark.parametrize("at", [15.0 + 0.5 * n for n in range(6)])
@pytest.mark.parametrize("known_again", [True, False])
def test_a_phone_that_is_unknown_and_mute_for_a_moment_is_not_dropped(
    at: float, known_again: bool
) -> None:
    def unregisters(world: World) -> None:
        world.desks["rosa"].phone.unregister()

    def registers(world: World) -> None:
        world.desks["rosa"].phone.register()

    moment = (
        *((at, unregisters), (at, rosa(sends_nothing))),
        *((at + 3.6, rosa(sends)), (at + (3.6 if known_again else 90.0), registers)),
    )
    story = live(Story(*moment, talk=60.0))
    (ended_at,) = [ring.ended_at for _, ring in story.rings]
    assert ended_at is not None
    assert ended_at > 60.0


@pytest.mark.parametrize("mute", [True, False])
def test_after_a_restart_it_goes_on(mute: bool, shown: list[Frame]) -> None:
    how = silent if mute else speaks
    live(From(how, (30.0, crash)))
    again = connected_at(shown, since=30.0)
    if mute:
        assert told_at(shown, "no_voice", since=30.0) - again < TOLD_SECONDS_MAX
    else:  # though they speak without a pause
        assert sounds(shown) == []


def asks_to_listen(method: str, _path: str, values: Mapping[str, Any]) -> bool:
    return method == "POST" and str(values.get("variable")).startswith("TALK_DETECT")


def test_an_engine_that_refuses_once_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, shown: list[Frame]
) -> None:
    wire = Wire(monkeypatch)
    wire.times = 2
    wire.meddles(asks_to_listen, refused(400))
    live(From(silent))
    assert wire.times == 0
    assert told_at(shown, "no_voice") - connected_at(shown) < TOLD_SECONDS_MAX


def test_of_an_engine_that_cannot_tell_voices_only_packets_count(shown: list[Frame]) -> None:
    def cannot(world: World) -> None:
        world.engine.modules.clear()

    live(From(silent, (0.5, cannot), (30.0, rosa(sends_nothing)), (40.0, rosa(sends))))
    assert sounds(shown) == ["no_voice", None]
    assert told_at(shown, "no_voice") > 30.0


def test_it_costs_one_question_a_leg_each_three_seconds(
    monkeypatch: pytest.MonkeyPatch, shown: list[Frame]
) -> None:
    asked: Counter[str] = Counter()

    def counts(method: str, path: str, _values: Mapping[str, Any]) -> bool:
        if clock.monotonic() > TALKING_AT:
            asked[path.split("/")[-1] if path.startswith("/channels") else path] += 1
        return False

    Wire(monkeypatch).meddles(counts, refused())
    live(Story(talk=60.0))
    assert connected_at(shown) < TALKING_AT
    assert 2 * 15 < asked["rtp_statistics"] <= 2 * (60 / 3 + 1)
    assert asked["/endpoints/PJSIP/rosa"] == 0
