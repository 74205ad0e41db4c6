"""What an agent looks back on: their own hours, their own calls, and nobody else's."""

from __future__ import annotations

from aiohttp import web

from cti import clock
from cti.people.choosing import LINE_ROLES
from cti.records.database import DatabaseAway
from cti.web.answers import MyCalls, MyHours, Refusal, says
from cti.web.door import EVERYONE, WHO, allow
from cti.web.notes import refused, writing_of

DAYS_USUAL = 30
DAYS_MAX = 366
_LINE_OF = {role.value: line for line, role in LINE_ROLES.items()}


@allow(*EVERYONE)
@says({200: MyHours, 400: Refusal, 404: Refusal, 503: Refusal})
async def my_hours(request: web.Request) -> web.Response:
    """``GET /api/v1/my/hours?days=30``: each day in Paris, the oldest first."""
    writing, agent = writing_of(request), request[WHO]
    days = _days(request)
    if days is None:
        return refused(request, 400, "bad_days")
    going_on = writing.hours.since(agent.id)
    try:
        found = await writing.mine.hours(agent.id, days, clock.now(), going_on)
    except DatabaseAway:
        return refused(request, 503, "database_away")
    shown = [
        {
            "day": one.day.isoformat(),
            "on_duty_minutes": one.on_duty_minutes,
            "talking_minutes": one.talking_minutes,
            "talks": one.talks,
        }
        for one in found
    ]
    return web.json_response({"days": shown})


@allow(*EVERYONE)
@says({200: MyCalls, 400: Refusal, 404: Refusal, 503: Refusal})
async def my_calls(request: web.Request) -> web.Response:
    """``GET /api/v1/my/calls?days=30``: the talks they had, the latest first."""
    writing, agent = writing_of(request), request[WHO]
    days = _days(request)
    if days is None:
        return refused(request, 400, "bad_days")
    try:
        found = await writing.mine.talks(agent.id, days, clock.now())
    except DatabaseAway:
        return refused(request, 503, "database_away")
    shown = [
        {
            "call": one.call,
            "at": one.at.isoformat(),
            "role": one.role,
            "line": _LINE_OF.get(one.role),
            "talk_seconds": one.talk_seconds,
            "disposition": one.disposition,
            "note": one.note,
        }
        for one in found
    ]
    return web.json_response({"calls": shown})


def _days(request: web.Request) -> int | None:
    """How many days were asked for; None when that is no number of days."""
    written = request.query.get("days", str(DAYS_USUAL))
    if not (written.isascii() and written.isdigit() and len(written) <= 3):
        return None
    return int(written) if 1 <= int(written) <= DAYS_MAX else None
