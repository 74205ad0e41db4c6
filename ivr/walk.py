"""Walks one caller through a flow, one step after the other."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import cast

from ivr.flow import FLOW_STEPS_MAX, Flow
from ivr.hours import is_open
from ivr.leg import DangerPressed, Ended, Leg, Outcome, ToLine, ToRelay
from ivr.relays import Relay
from ivr.situation import Situation
from ivr.steps import (
    POSITION_PROMPTS,
    Back,
    Branch,
    ChooseLanguage,
    Consent,
    DayMessage,
    Gather,
    Ground,
    HangUp,
    Hours,
    Language,
    LineStep,
    Menu,
    Notice,
    Probe,
    RelayStep,
    Say,
    SetAttributes,
    SubFlow,
    Wait,
    WaitEstimate,
    estimate_prompt,
)

QUESTION_ASKED_MAX = 5  # of one question; who presses on and on is then led further
TAPS_MAX = 2  # one for yes, two for no


@dataclass(frozen=True)
class Outlook:
    """What may be told in all honesty to one waiting caller; None: nobody knows."""

    seconds: float | None = None  # until a person answers them
    position: int | None = None  # in their line; 1: they are the next


@dataclass(frozen=True)
class Surroundings:
    """What a flow asks about the world: the time, what is switched on, which relays there are.

    ``outlook`` is asked about the caller who walks, each time the flow would tell them.
    """

    clock: Callable[[], datetime]  # aware
    situation: Callable[[], Situation] = Situation
    relays: Callable[[], Mapping[str, Relay]] = dict
    outlook: Callable[[], Outlook] = Outlook


class Where(Enum):
    """Where in a call a flow is walked: what a danger key leads to depends on it."""

    APART = "in no line: the danger key leads to one"
    WAITING = "in a line: who is in danger goes first in it"
    NOBODY = "nobody is there to take this caller: relays and words are left"


async def walk(
    flow: Flow, start: str, leg: Leg, around: Surroundings, where: Where = Where.APART
) -> Outcome:
    """Walk from a step until the caller joins a line, is led to a relay, or the flow ends.

    A flow walked in a line mostly loops, and so never returns. HungUp and CancelledError
    pass through. Never hangs up by itself.
    """
    walker = _Walker(flow, leg, around)
    here, steps = start, 0
    try:
        while steps < FLOW_STEPS_MAX or where is Where.WAITING:
            leg.danger_key = flow.danger.key if flow.danger and not leg.in_danger else None
            try:
                came_to: str | Outcome = await walker.take(here)
            except DangerPressed:
                came_to = await walker.danger(here, where)
            if not isinstance(came_to, str):
                return came_to
            here, steps = came_to, steps + 1
    finally:
        leg.danger_key = None  # in a talk, no key means danger
    return Ended("too_many_steps")


class _Walker:
    def __init__(self, flow: Flow, leg: Leg, around: Surroundings) -> None:
        self._flow = flow
        self._leg = leg
        self._around = around
        self._asked: Counter[str] = Counter()  # since the caller last rested

    async def danger(self, here: str, where: Where) -> str:
        """The danger key was pressed at this step: mark the caller, speak, and go on from there."""
        danger = self._flow.danger
        assert danger is not None
        self._leg.danger_key = None
        await self._leg.tell_danger()
        await self._leg.play(danger.prompt)
        return danger.then if where is Where.APART else here

    async def take(self, name: str) -> str | Outcome:
        """Live through one step; returns the next one's name, or how the flow came out."""
        leg, step = self._leg, self._flow.steps[name]
        match step:
            case Say():
                await leg.play(step.prompt, whole=step.whole)
                return step.then or Ended("nothing_follows")
            case DayMessage():
                message = self._around.situation().message_at(self._around.clock())
                if message:
                    await leg.play(message)
                return step.then
            case Menu() | ChooseLanguage() | Gather() | Probe() | Notice() | Consent():
                return await self._ask(name, step)
            case SetAttributes():
                for word, value in step.attributes.items():
                    await self._note(word, value)
                return step.then
            case Branch():
                return step.cases.get(self._known(step.attribute), step.otherwise)
            case Hours():
                calendar = self._flow.calendars[step.calendar]
                return step.open if is_open(calendar, self._around.clock()) else step.closed
            case LineStep():
                return ToLine(name, step)
            case RelayStep():
                relay = self._around.relays().get(step.relay)
                open_now = relay is not None and relay.is_open(self._around.clock())
                return ToRelay(name, step) if open_now else step.otherwise
            case Wait():
                self._asked.clear()
                await leg.rest(step.seconds)
                return step.then
            case WaitEstimate():
                await self._foretell(step)
                return step.then
            case Ground():
                self._asked.clear()
                return await self._ground(step)
            case SubFlow():
                return step.then
            case HangUp() | Back():
                return Ended("goodbye")

    async def _ask(
        self, name: str, step: Menu | ChooseLanguage | Gather | Probe | Notice | Consent
    ) -> str:
        """Ask a question, and go where the answer leads."""
        leg = self._leg
        tries = step.tries if isinstance(step, Menu | Gather) else 1
        for _ in range(tries):
            self._asked[name] += 1
            if self._asked[name] > QUESTION_ASKED_MAX:
                break
            match step:
                case Menu():
                    pressed = await leg.ask(step.prompt, "".join(step.keys), step.seconds_max)
                    if pressed in step.keys:
                        return step.keys[pressed]
                case ChooseLanguage():
                    pressed = await leg.ask(step.prompt, "".join(step.keys), step.seconds_max)
                    if pressed in step.keys:
                        await leg.set_language(step.keys[pressed])
                case Gather():
                    digits = await leg.gather(step.prompt, step.digits_max, step.seconds_max)
                    digits = "".join(key for key in digits if key.isdigit())
                    if digits:
                        await leg.tell(step.into, digits)
                        return step.then
                case Probe():
                    taps = len(await leg.gather(step.prompt, TAPS_MAX, step.seconds_max))
                    if taps:
                        return step.yes if taps == 1 else step.no
                case Notice(more=None):
                    await leg.play(step.prompt, whole=True)
                case Notice(more=str(more)):
                    if await leg.ask(step.prompt, step.key, step.seconds_max, whole=True):
                        await leg.play(more)
                case Consent():
                    agreed = await leg.ask(step.prompt, step.key, step.seconds_max)
                    await leg.tell(step.to, "oui" if agreed else "non")
        match step:
            case Menu() | Gather() | Probe():
                return step.otherwise
            case _:
                return step.then

    async def _ground(self, step: Ground) -> str:
        clock = asyncio.get_running_loop().time
        until = clock() + step.seconds
        while True:
            for prompt in step.prompts:
                await self._leg.play(prompt)
                if clock() >= until:
                    return step.then
                await self._leg.rest(min(step.every_seconds, max(until - clock(), 0.1)))

    async def _foretell(self, step: WaitEstimate) -> None:
        """Tell the caller what is known of their wait; nothing where nothing is known."""
        outlook = self._around.outlook()
        position = outlook.position
        if step.position and position is not None and position <= len(POSITION_PROMPTS):
            await self._leg.play(POSITION_PROMPTS[position - 1])
        if outlook.seconds is not None:
            await self._leg.play(estimate_prompt(outlook.seconds))

    async def _note(self, word: str, value: str) -> None:
        if word == "language":
            await self._leg.set_language(cast("Language", value))
        else:
            await self._leg.tell(word, value)

    def _known(self, attribute: str) -> str:
        match attribute:
            case "language":
                return self._leg.language
            case "profile":
                return self._around.situation().profile_at(self._around.clock()) or ""
            case _:
                return self._leg.told.get(attribute, "")
