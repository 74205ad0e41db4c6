"""The browser that the tests of one file share, and a desk of a new house for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser

from tests.desk_page import Desk, chromium, desk_at


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as one:
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def simulated() -> list[str]:
    return []


@pytest_asyncio.fixture(loop_scope="module")
async def desk(browser: Browser, simulated: list[str]) -> AsyncIterator[Desk]:
    async def simulate() -> None:
        simulated.append("called")

    async with desk_at(browser, simulate) as here:
        yield here
