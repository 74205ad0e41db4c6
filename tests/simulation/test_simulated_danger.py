"""The danger key, and what callers tell with keys, in the life of real calls."""

from __future__ import annotations

import pytest

from cti.calls.state import DANGER_NOW
from cti.calls.waiting import DANGER_CREDIT_SECONDS
from cti.people.agents import End
from cti.simulation.actors import AgentPlan, CallerPlan
from cti.simulation.world import Plan, World
from tests.stories import LISTENS, Deed, Story, Tell, crash, decides

ROSA = AgentPlan("rosa", frozenset({"regulator"}), frozenset({"fr"}), True, "listen")


class Several(Story):
    """Several callers for one regulator, who talks with the first for half a minute."""

    def __init__(self, *script: tuple[float, Deed], keys: dict[int, tuple[tuple[float, str], ...]]):
        self.script = script
        callers = tuple(
            CallerPlan(
                at=1.0 + 6.0 * number,
                patience_seconds=150.0,
                talk_seconds=30.0 if number == 0 else 10.0,
                keys=keys.get(number, ()),
                number=f"01990000{number + 10}",
            )
            for number in range(4)
        )
        World.__init__(self, Plan(callers=callers, agents=(ROSA,)), "several")

    def served(self) -> list[str]:
        """Who was with somebody, in order."""
        met = {
            caller.end.name: next(
                at for at, sound in caller.end.heard if sound.startswith("people:")
            )
            for caller in self.callers
            if caller.end is not None
        }
        return sorted(met, key=met.__getitem__)


def test_who_presses_0_is_served_before_all_who_came_before(tell: Tell) -> None:
    story = Several(keys={3: ((8.0, "0"),)})
    tell(story)

    assert story.served() == ["caller-1", "caller-4", "caller-2", "caller-3"]
    end = story.callers[3].end
    assert end is not None
    assert "prompt:/sounds/fr/danger" in [sound for _, sound in end.heard]


def test_the_key_counts_as_two_hours_waited_and_as_nothing_more(tell: Tell) -> None:
    seen: list[float] = []

    def look(world: World) -> None:
        assert world.controller is not None
        for call in world.controller.house.calls.values():
            if call.danger and call.ask is not None:
                waited = call.ask.waiting_since_at - call.ask.counts_from()
                seen.append(waited.total_seconds())

    tell(Several((29.0, look), (31.0, crash), (35.0, look), keys={3: ((8.0, "0"),)}))
    assert set(seen) == {DANGER_CREDIT_SECONDS[DANGER_NOW]}


def test_danger_outlives_us(tell: Tell) -> None:
    story = Several((28.0, crash), keys={3: ((3.0, "0"),)})
    tell(story)

    assert story.served()[1] == "caller-4"


def test_the_screen_is_told_before_the_phone_is_answered(tell: Tell) -> None:
    shown: list[bool] = []

    def look(world: World) -> None:
        assert world.controller is not None
        agent = world.controller.house.team.agents["rosa"]
        assert agent.engagement is not None
        shown.append(bool(agent.engagement.view["danger"]))

    class Slowly(Several):
        def _begin(self) -> None:
            super()._begin()
            self.desks["rosa"].phone.on_ring = lambda ring: self.rings.append(
                (self.loop.time(), ring)
            )

    story = Slowly((3.5, look), (6.0, look), keys={0: ((3.0, "0"),)})
    tell(story)

    assert shown == [False, True]


@pytest.mark.parametrize("key", ["0", "4"])
def test_any_key_after_a_talk_asks_for_somebody_again_and_0_is_no_exception(
    tell: Tell, key: str
) -> None:
    def presses(world: World) -> None:
        assert world.callers[0].end is not None
        world.callers[0].end.press(key)

    story = tell(Story((12.0, decides(End())), (14.5, presses), talk=60.0))

    assert story.sound_at(11.0) == "people:rosa"
    assert story.heard(15.0).count("people:rosa") == 1


def test_what_is_told_with_keys_is_on_the_sheet_and_outlives_us(tell: Tell) -> None:
    shown: list[dict[str, str]] = []

    def look(world: World) -> None:
        assert world.controller is not None
        agent = world.controller.house.team.agents["rosa"]
        assert agent.engagement is not None
        shown.append(dict(agent.engagement.view["told"]))

    # The second caller waits for a minute, and says that they cannot speak.
    keys = ((38.0, "7"), (45.0, "5"))

    class Waiting(Several):
        def __init__(self) -> None:
            super().__init__((70.0, crash), (100.0, look), keys={1: keys})
            first, second = self.plan.callers[:2]
            first = CallerPlan(1.0, 150.0, 65.0, number=first.number)
            second = CallerPlan(7.0, 150.0, 40.0, keys=keys, number=second.number)
            World.__init__(self, Plan(callers=(first, second), agents=(LISTENS,)), "told")

    tell(Waiting())

    assert shown == [{"parole": "Ne peut pas parler"}]
