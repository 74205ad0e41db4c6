"""What stories of simulated calls need: a wire to meddle with, and a judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from cti.simulation import run
from cti.simulation.checker import Checker, timeline
from tests.stories import Story, Wire


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(monkeypatch)


@pytest.fixture
def tell() -> Iterator[Callable[[Story], Story]]:
    """Live through a story that must break no promise."""
    stories: list[Story] = []

    def tell(story: Story) -> Story:
        stories.append(story)
        with run.unhurried():
            story.run()
        assert Checker(story).check() == [], timeline(story)
        return story

    yield tell
    for story in stories:
        story.close()
