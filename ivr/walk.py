"""Walks one caller through a flow, one step after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from ivr.flow import FLOW_STEPS_MAX, Flow
from ivr.hours import is_open
from ivr.leg import Ended, Leg, Outcome, ToLine
from ivr.steps import HangUp, Hours, LineStep, Menu, Say, SetAttributes, Wait

Clock = Callable[[], datetime]
Rest = Callable[[float], Awaitable[None]]


async def walk(flow: Flow, start: str, leg: Leg, clock: Clock) -> Outcome:
    """Walk from a step until the caller joins a line or the flow ends.

    For the welcome, for a closed line and for ``on_no_staff``. HungUp and
    CancelledError pass through. Never hangs up by itself.
    """
    here = start
    for _ in range(FLOW_STEPS_MAX):
        step_after = await _take(flow, here, leg, clock, rest=None)
        if not isinstance(step_after, str):
            return step_after
        here = step_after
    return Ended("too_many_steps")


async def walk_waiting(
    flow: Flow, step: LineStep, leg: Leg, clock: Clock, rest: Rest, crowded: bool = False
) -> None:
    """Walk what is heard while waiting in a line, until it ends or the task is cancelled.

    ``crowded``: many callers were waiting when this one joined.
    ``rest(seconds)`` returns after that long; the music goes on by itself.
    Most flows loop, and so never return.
    """
    here: str | Outcome = (crowded and step.while_crowded) or step.while_waiting
    while isinstance(here, str):
        here = await _take(flow, here, leg, clock, rest)


async def _take(flow: Flow, name: str, leg: Leg, clock: Clock, rest: Rest | None) -> str | Outcome:
    step = flow.steps[name]
    match step:
        case Say():
            await leg.play(step.prompt, whole=step.whole)
            return step.then or Ended("nothing_follows")
        case Menu():
            for _ in range(step.tries):
                pressed = await leg.ask(step.prompt, "".join(step.keys), step.seconds_max)
                if pressed in step.keys:
                    return step.keys[pressed]
            return step.otherwise
        case SetAttributes():
            if "language" in step.attributes:
                await leg.set_language(step.attributes["language"])
            return step.then
        case Hours():
            return step.open if is_open(flow.calendars[step.calendar], clock()) else step.closed
        case LineStep():
            return ToLine(step)
        case Wait():
            if rest is not None:
                await rest(step.seconds)
            return step.then
        case HangUp():
            return Ended("goodbye")
