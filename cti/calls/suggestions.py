"""Telling whoever has a caller where they might orient them, and again when that changes."""

from __future__ import annotations

import asyncio
import logging

from cti import clock
from cti.calls.house import House
from cti.calls.state import GENDERS, LINE_OF, Call
from cti.people.choosing import LINES
from cti.people.suggesting import Known, suggest, words
from ivr.steps import LINES as LINE_IDS

log = logging.getLogger("fil.calls")

LOOKED_EVERY_SECONDS = 2.0  # at most: presences change all the time


async def keep_suggesting(house: House) -> None:
    """Look again, for ever, whenever somebody's presence or what a caller told has changed."""
    while True:
        await house.suggest_again.wait()
        house.suggest_again.clear()
        for call in list(house.calls.values()):
            try:
                tell_suggestions(call, house)
            except Exception:
                # An aid to people: whatever is wrong with it, calls go on.
                log.exception("call.nothing_suggested", extra={"call": call.id})
            await asyncio.sleep(0)  # many calls: events are read in between
        await asyncio.sleep(LOOKED_EVERY_SECONDS)


def tell_suggestions(call: Call, house: House) -> None:
    """Push what is suggested now to the agent who has this caller, if it is something new."""
    talk, line = call.talk, LINE_OF.get(call.stage)
    if talk is None or line is None or talk.agent.engagement is None:
        return
    engagement = talk.agent.engagement
    gender = call.caller.told.get("gender")
    known = Known(
        agent=talk.agent.id,
        line=line,
        language=call.caller.language,
        told=call.caller.told,
        danger=bool(call.danger),
        gender=gender if gender in GENDERS else None,
        skills={one: call.line_step(one).skills for one in LINE_IDS},
    )
    waiting = {one: house.lines.waiting(one) for one in LINES}
    team, now = house.team.agents.values(), clock.monotonic()
    loads = {agent.id: agent.exposure.load_minutes(now) for agent in team}
    found = suggest(known, team, waiting, loads, now)
    told = [
        {
            "to": dict(one.to),
            "label": one.label,
            "reasons": [
                {"code": code, "fr": words(code, "fr"), "en": words(code, "en")}
                for code in one.reasons
            ],
        }
        for one in found
    ]
    if told != engagement.suggestions:
        engagement.suggestions = told
        talk.agent.outbox.push("call.suggestions", {"call": {"id": call.id}, "suggestions": told})
