"""A group of tasks leaves no mark on the task that holds it."""

from __future__ import annotations

import asyncio

import pytest

from cti.tasks import Group


async def fails() -> None:
    await asyncio.sleep(0)
    raise ValueError("as expected")


async def waits() -> None:
    async with asyncio.timeout(0.01):
        await asyncio.sleep(1)


@pytest.mark.parametrize("holder_waits_in_it", [True, False])
async def test_a_group_that_failed_leaves_no_cancellation_behind(holder_waits_in_it: bool) -> None:
    async def hold() -> None:
        async with Group() as group:
            group.create_task(fails())
            if holder_waits_in_it:
                await asyncio.sleep(1)

    holder = asyncio.current_task()
    assert holder is not None
    with pytest.raises(ExceptionGroup):
        await hold()
    assert holder.cancelling() == 0
    with pytest.raises(TimeoutError):  # on Python 3.11.2 it was CancelledError
        await waits()


async def test_a_group_whose_holder_is_cancelled_ends_with_it() -> None:
    async def hold() -> None:
        async with Group() as group:
            group.create_task(asyncio.sleep(1))

    held = asyncio.ensure_future(hold())
    await asyncio.sleep(0)
    held.cancel()
    await asyncio.wait({held})
    assert held.cancelled()
