"""Which tests need the engine, the one line that they share, and the machine all share."""

from __future__ import annotations

import asyncio
import fcntl
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from cti.simulation import run
from cti.simulation.checker import Checker, timeline
from tests.line import Line, a_line
from tests.stories import Story, Wire

ENGINE = Path(__file__).parent / "engine"
expect.set_options(timeout=20_000)  # of a page on a busy machine; how fast one is, is for bench/


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The engine's tests share one line, and so one event loop.
    for item in items:
        if (
            isinstance(item, pytest.Function)
            and ENGINE in item.path.parents
            and inspect.iscoroutinefunction(item.function)
        ):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    # Around everything, so that the wait is in no test's time limit.
    with the_machine(item.config.rootpath, item.get_closest_marker("alone") is not None):
        return (yield)


@contextmanager
def the_machine(root: Path, alone: bool) -> Iterator[None]:
    """Hold the machine, with the other workers' tests or alone, until this test is over."""
    cache = root / ".pytest_cache"
    cache.mkdir(exist_ok=True)
    with (cache / "door.lock").open("w") as door, (cache / "machine.lock").open("w") as machine:
        # Who waits to be alone keeps the door, so that no other test begins before.
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(machine, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_line(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Line]:
    """One line for every test that leaves it as it found it."""
    data = tmp_path_factory.mktemp("line")
    async with a_line(data, FIL_RING_SECONDS_MAX="6") as line:
        yield line


@pytest_asyncio.fixture(loop_scope="session")
async def line(shared_line: Line) -> AsyncIterator[Line]:
    """The shared line, running; after the test it must hold no channel and no talk bridge."""
    if shared_line.process is None:
        await shared_line.start()
    yield shared_line
    if shared_line.process is None:
        await shared_line.start()
    await shared_line.until(shared_line.is_quiet, 10, "nothing left in the engine")
    await asyncio.sleep(0)


# -- what stories of simulated calls need: a wire to meddle with, and a judge


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
