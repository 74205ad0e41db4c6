"""The engine does as our design believes: every fact, by telephone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.contract.facts import FACTS, Fact
from tests.contract.worlds import EngineWorld
from tests.line import Line


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def engine(shared_line: Line) -> AsyncIterator[EngineWorld]:
    """The shared line's engine, while no controller of ours runs."""
    shared_line.kill()
    world = EngineWorld(shared_line)
    yield world
    await world.close()
    await shared_line.start()


@pytest.mark.timeout(150)
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
async def test_of_the_engine(fact: Fact, engine: EngineWorld) -> None:
    await fact(engine)
