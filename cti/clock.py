"""What time it is, from one place: so that a rehearsal can live through an hour in a second.

Durations are taken from ``monotonic``, which no correction of the clock moves; what is
written down is ``now``, aware and in UTC.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

_now: Callable[[], datetime] = lambda: datetime.now(UTC)  # noqa: E731 -- replaced below
_monotonic: Callable[[], float] = time.monotonic


def now() -> datetime:
    """The time, aware and UTC."""
    return _now()


def monotonic() -> float:
    """Seconds that only ever go forward; their zero means nothing."""
    return _monotonic()


@contextmanager
def replaced(now: Callable[[], datetime], monotonic: Callable[[], float]) -> Iterator[None]:
    """Have the whole process live by another clock."""
    global _now, _monotonic
    before = _now, _monotonic
    _now, _monotonic = now, monotonic
    try:
        yield
    finally:
        _now, _monotonic = before
