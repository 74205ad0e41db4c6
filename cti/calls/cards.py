"""The callers who wait, as cards on the screens of regulators and supervisors.

The whole list each time: whatever a screen has missed, the next one is true. No number, no name.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from cti import clock
from cti.calls.deciding import is_rung_for, may_take
from cti.calls.house import House
from cti.calls.state import GENDERS, Call
from cti.people.agents import Agent, Role
from ivr.steps import Line

log = logging.getLogger("fil.calls")

WAITING_SHOWN_MAX = 50
TOLD_EVERY_SECONDS = 1.0  # at most, but for a first caller and for danger
LOOKED_EVERY_SECONDS = 5.0  # for what nobody tells: the dialplan took a caller back, or gave one
WATCHING = frozenset({Role.REGULATOR, Role.SUPERVISOR})


@contextlib.contextmanager
def shown_as_waiting(call: Call, house: House, line: Line) -> Iterator[None]:
    """For as long as this lasts, regulators see this caller among those who wait.

    They are told so once somebody is looked for (``offer_around``): then the caller can be taken.
    """
    call.waits_in = line
    try:
        yield
    finally:
        call.waits_in = None
        house.waiting_moved.set()


def shown_to(agent: Agent, house: House) -> dict[str, Any]:
    """``waiting`` and ``waiting_count``, for who may see them; else nothing."""
    if not agent.roles & WATCHING:
        return {}
    calls = _waiting(house)
    shown = _shown(calls)
    return _for(agent, house, shown, [_card(call) for call in shown], len(calls))


def _for(
    agent: Agent, house: House, shown: list[Call], cards: list[dict[str, Any]], count: int
) -> dict[str, Any]:
    return {
        "waiting": [
            card | {"may_take": may_take(agent, call, house) is None}
            for call, card in zip(shown, cards, strict=True)
        ],
        "waiting_count": count,
    }


def _waiting(house: House) -> list[Call]:
    """Who waits now, on any line, the oldest first."""
    here = [call for call in house.calls.values() if call.waits_in and call.waiting_since_at]
    return sorted(here, key=attrgetter("waiting_since_at"))


def _shown(calls: list[Call]) -> list[Call]:
    """Those for whom there is room, the oldest first: of too many, nobody in danger is left out."""
    gravest = sorted(calls, key=lambda call: -call.danger)[:WAITING_SHOWN_MAX]
    return sorted(gravest, key=attrgetter("waiting_since_at"))


def _card(call: Call) -> dict[str, Any]:
    assert call.waits_in is not None
    assert call.waiting_since_at is not None
    gender = call.caller.told.get("gender")
    state = "waiting" if call.caller.in_app.is_set() else "elsewhere"
    return {
        "id": call.id,
        "line": call.waits_in,
        "tier": call.waits_in,
        "waiting_since": call.waiting_since_at.isoformat(),
        "language": call.caller.language,
        "gender": gender if gender in GENDERS else None,
        **call.danger_view(),
        "need": sorted(call.line_step(call.waits_in).skills),
        "path": list(call.path),
        "told": call.told(),
        "returned": call.returned or call.answered,
        "oriented": call.oriented_as.value if call.oriented_as is not None else None,
        "handover": call.handover is not None,
        "state": "ringing" if is_rung_for(call) else state,
    }


@dataclass
class _Told:
    """What those who watch were told last."""

    at: float = float("-inf")  # monotonic seconds
    cards: list[dict[str, Any]] = field(default_factory=list)
    danger: dict[str, int] = field(default_factory=dict)  # by call


async def keep_telling(house: House) -> None:
    """Tell who waits, for ever, whenever that changes, to the screens that show it."""
    told, news = _Told(), False
    while True:
        seconds: float | None = LOOKED_EVERY_SECONDS if told.danger else None
        if news:
            seconds = max(0.0, told.at + TOLD_EVERY_SECONDS - clock.monotonic())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await house.waiting_moved.wait()
                news = True
        house.waiting_moved.clear()
        try:
            soon = news and clock.monotonic() < told.at + TOLD_EVERY_SECONDS
            if not soon or _cannot_wait(house, told):
                told, news = await _tell(house, told, news), False
        except Exception:
            # An aid to people: whatever is wrong with it, calls go on.
            log.exception("waiting.not_told")
            news = False


def _cannot_wait(house: House, told: _Told) -> bool:
    """Whether somebody waits where nobody did, or is in more danger than was told."""
    calls = _waiting(house)
    more = any(call.danger > told.danger.get(call.id, 0) for call in calls)
    return more or (bool(calls) and not told.danger)


async def _tell(house: House, told: _Told, news: bool) -> _Told:
    """Tell each who watches; without news, only if something has changed all the same."""
    watching = [
        agent
        for agent in house.team.agents.values()
        if agent.roles & WATCHING and agent.outbox.screens
    ]
    if not watching:
        return _Told()
    calls = _waiting(house)
    shown = _shown(calls)
    cards = [_card(call) for call in shown]
    if news or cards != told.cards:
        for agent in watching:
            data = _for(agent, house, shown, cards, len(calls))
            agent.outbox.push("waiting.changed", data, says_all=True)
            await asyncio.sleep(0)  # many screens: events are read in between
    return _Told(clock.monotonic(), cards, {call.id: call.danger for call in calls})
