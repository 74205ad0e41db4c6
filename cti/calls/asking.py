"""What a caller wishes for, as the waiting lines understand it."""

from __future__ import annotations

from cti import clock
from cti.calls.repeats import is_behind
from cti.calls.state import GENDERS, YOUNG, Call
from cti.calls.waiting import Ask
from ivr.steps import LineStep


def ask_of(call: Call, step: LineStep) -> Ask:
    """What this caller wishes for, or would wish for, in the line of that step."""
    ask = Ask(
        call.id,
        step.line,
        call.caller.language,
        call.waiting_since_at or clock.now(),
        first=call.first,
        wanted=call.wanted,
        back_to=call.back_to,
        rest_of=call.rest_of,
        frequent=is_behind(call),
        skills=step.skills,
        relax_every_seconds=step.relax_every_seconds,
        strategy=step.strategy,
        stand_in_after_seconds=step.stand_in_after_seconds,
    )
    renew(ask, call)
    return ask


def renew(ask: Ask, call: Call) -> None:
    """Have the wish say what the caller has told since."""
    told = call.caller.told
    ask.language, ask.danger = call.caller.language, call.danger
    ask.first |= call.first
    ask.gender = told.get("gender") if told.get("gender") in GENDERS else None
    ask.young = told.get("age") == YOUNG
