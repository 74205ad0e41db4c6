"""What every call needs around it, and the tasks that nobody else owns."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cti import clock
from cti.asterisk.exchange import Exchange
from cti.calls.estimate import Estimates
from cti.calls.repeats import Repeats
from cti.calls.returning import Returning
from cti.calls.waiting import WaitingLines
from cti.config import Settings
from cti.flows import Flows
from cti.people.team import Team
from cti.records.record import Records
from ivr.walk import Surroundings
from sounds.catalogue import Catalogue, UnknownPrompt

if TYPE_CHECKING:
    from cti.calls.state import Call

log = logging.getLogger("fil.house")

FAILURES_MAX = 2  # of one caller, within LEFT_ALONE_SECONDS
LEFT_ALONE_SECONDS = 90.0  # the dialplan needs sixty until it says numbers


@dataclass(eq=False)
class House:
    """The running line. Built once, in ``__main__``."""

    settings: Settings
    exchange: Exchange
    records: Records
    team: Team
    lines: WaitingLines
    flows: Flows
    catalogue: Catalogue
    clock: Callable[[], datetime] = clock.now
    repeats: Repeats = field(default_factory=Repeats)
    returning: Returning = field(default_factory=Returning)
    estimates: Estimates = field(default_factory=Estimates)
    # Who is there, or what a caller told, has changed: see suggestions.py.
    suggest_again: asyncio.Event = field(default_factory=asyncio.Event)
    # Who waits, or what is known of them, has changed: see cards.py.
    waiting_moved: asyncio.Event = field(default_factory=asyncio.Event)
    calls: dict[str, Call] = field(default_factory=dict)  # by the caller's channel
    _given_up: list[tuple[str, float]] = field(default_factory=list)  # (channel, monotonic)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.team.moved = self.estimates.moved

    def give_up(self, channel_id: str) -> None:
        """A call failed for good: its caller is given back to the dialplan."""
        now = clock.monotonic()
        self._given_up = [one for one in self._given_up if now - one[1] < LEFT_ALONE_SECONDS]
        self._given_up.append((channel_id, now))

    def leaves_alone(self, channel_id: str) -> bool:
        """Whether this caller failed twice with us of late.

        Claimed each time, they would never come to the dialplan's on-call phones and numbers.
        """
        now = clock.monotonic()
        of_late = [id_ for id_, at in self._given_up if now - at < LEFT_ALONE_SECONDS]
        return of_late.count(channel_id) >= FAILURES_MAX

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside the calls; its failure is logged and stays its own."""
        task = asyncio.create_task(_guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @property
    def surroundings(self) -> Surroundings:
        """What a flow asks about the world."""
        return self.flows.surroundings(self.clock)

    def seconds(self, language: str, prompt: str) -> float | None:
        """How long a prompt is, or None when it does not exist."""
        try:
            return self.catalogue.seconds(prompt, language)
        except UnknownPrompt:
            return None

    def coming_prompt(self, language: str) -> tuple[str, float]:
        """What an agent hears while the caller listens to a prompt that must not be cut."""
        return f"/sounds/{language}/un-appel-arrive", self.seconds(language, "un-appel-arrive") or 2

    def accept_prompt(self, language: str) -> tuple[str, float]:
        """What an agent is asked on a phone of their own. A line of before has another prompt."""
        known = self.seconds(language, "accepter-appel") is not None
        prompt = "accepter-appel" if known else "secours-accepter"
        return f"/sounds/{language}/{prompt}", self.seconds(language, prompt) or 5

    def in_seconds(self, seconds: float) -> datetime:
        """The time in so many seconds."""
        return self.clock() + timedelta(seconds=seconds)


async def _guarded(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:
        # One call never hurts another: nothing that is spawned may take the rest along.
        log.exception("task.failed")
