"""Killed at any step of handing a caller on, the controller goes on from there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cti.people.agents import End, Hold, TakeBack
from cti.simulation import run
from cti.simulation.checker import Checker, timeline
from cti.simulation.world import World
from tests.handing import ALL_TOGETHER, ORDER_AT, Handing, hangs_up, hears_two
from tests.stories import Deed, decides

SAGAS: dict[str, tuple[str, tuple[tuple[float, Deed], ...]]] = {
    "consulted, all together": (
        "consult",
        ((24.0, decides(ALL_TOGETHER)), (28.0, decides(End()))),
    ),
    "consulted, left": ("consult", ((24.0, hangs_up("rosa")),)),
    "consulted, taken back": ("consult", ((24.0, decides(TakeBack())),)),
    "consulted, who hangs up": ("consult", ((24.0, hangs_up("lea")),)),
    "held, and back": ("hold", ((24.0, decides(Hold(False))),)),
    "called off": ("consult", ((18.5, decides(TakeBack())),)),
    "not answered": ("cold person", ()),
    "answered by nobody": ("cold line", ()),
}
STEPS_APART = 31


def saga(name: str, crash_at_step: int | None = None) -> Handing:
    kind, script = SAGAS[name]
    story = Handing(kind, "", None, *script)
    story.lea_answers = bool(script)
    caller = replace(story.plan.callers[0], talk_seconds=50.0)
    story.plan = replace(story.plan, crash_at_step=crash_at_step, callers=(caller,))
    return story


def lived(story: Handing) -> Handing:
    """Live through a story that must break no promise."""
    with run.unhurried():
        story.run()
    assert Checker(story).check() == [], timeline(story)
    return story


@pytest.mark.parametrize("name", SAGAS)
def test_killed_at_any_step_the_controller_goes_on_from_there(name: str) -> None:
    steps: list[int] = []

    def count(world: World) -> None:
        steps.append(world.lives[0].life.steps)

    story = saga(name)
    until = 30.0 if SAGAS[name][1] else 60.0
    story.script = (*story.script, (ORDER_AT - 0.01, count), (until, count))
    lived(story).close()
    assert steps[1] - steps[0] > 5 * STEPS_APART
    for step in range(steps[0], steps[1], STEPS_APART):
        story = lived(saga(name, step))
        assert len(story.lives) == 2
        assert not hears_two(story) or "together" in name, timeline(story)
        story.close()
