"""Tasks that live and end together."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Group(asyncio.TaskGroup):
    """A ``TaskGroup`` that leaves no mark on the task that holds it.

    When one of its tasks fails while the holder waits for the others, a ``TaskGroup`` counts a
    cancellation of the holder that nobody takes back. On Python 3.11.2, Debian 12's own, each
    later ``asyncio.timeout`` of the holder then raises CancelledError, in place of TimeoutError.
    """

    async def __aenter__(self) -> Group:
        """Enter it, as one does a ``TaskGroup``."""
        self._cancelled_before = _holder().cancelling()
        await super().__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for all. Raises a group of what failed, as a ``TaskGroup`` does."""
        try:
            await super().__aexit__(kind, error, traceback)
        except BaseExceptionGroup:
            while _holder().cancelling() > self._cancelled_before:
                _holder().uncancel()
            raise


def _holder() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task
