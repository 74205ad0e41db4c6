"""How late we are: the delays of the last ten seconds, of the engine's events or of our own loop.

A controller that is late is still right, but its callers wait: this is how one sees it coming.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque

from cti import clock

WINDOW_SECONDS = 10.0
SAMPLES_KEPT_MAX = 5_000  # of the window; a storm of events fills no memory
LOOP_ASKED_EVERY_SECONDS = 0.1


class Lag:
    """The delays noted in the last ten seconds. A clock that was set back counts as no delay."""

    def __init__(self) -> None:
        self._noted: deque[tuple[float, float]] = deque(maxlen=SAMPLES_KEPT_MAX)

    def note(self, seconds: float) -> None:
        """Something came so late."""
        self._noted.append((clock.monotonic(), max(0.0, seconds)))

    def figures(self) -> dict[str, int]:
        """Milliseconds of the window: ``p50``, ``p99``, ``worst``; and how many, ``count``."""
        oldest = clock.monotonic() - WINDOW_SECONDS
        while self._noted and self._noted[0][0] < oldest:
            self._noted.popleft()
        late = sorted(seconds for _, seconds in self._noted)
        return {
            "p50": _milliseconds(late, 0.5),
            "p99": _milliseconds(late, 0.99),
            "worst": _milliseconds(late, 1.0),
            "count": len(late),
        }


def _milliseconds(ascending: list[float], share: float) -> int:
    """The smallest delay that this share of them does not exceed; 0 when there is none."""
    if not ascending:
        return 0
    return round(ascending[max(0, math.ceil(share * len(ascending)) - 1)] * 1000)


async def watch_loop(lag: Lag) -> None:
    """Note how late the event loop wakes a task that asked for a tenth of a second. For ever."""
    while True:
        due = clock.monotonic() + LOOP_ASKED_EVERY_SECONDS
        await asyncio.sleep(LOOP_ASKED_EVERY_SECONDS)
        lag.note(clock.monotonic() - due)
