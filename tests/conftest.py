"""Which tests need the engine, and the one line that they share."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.line import Line, a_line

ENGINE = Path(__file__).parent / "engine"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The engine's tests share one line, and so one event loop.
    for item in items:
        if (
            isinstance(item, pytest.Function)
            and ENGINE in item.path.parents
            and inspect.iscoroutinefunction(item.function)
        ):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


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
