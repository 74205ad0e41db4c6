"""What a call is while it lives: its stage, its people, what it still holds."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from cti import clock
from cti.asterisk.caller import CallerLeg
from cti.asterisk.legs import ChannelLeg
from cti.calls.waiting import Ask
from cti.people.agents import Agent, Orient, Role
from cti.records.record import EndedBy, Outcome
from ivr.steps import Line, LineStep
from ivr.versions import FlowVersion


class Stage(StrEnum):
    """Where a call is. Durable: a restart re-enters the stage that was written."""

    WELCOME = "welcome"  # the flow decides whether, and for which line, to ring
    REGULATION = "regulation"  # waiting for, or talking to, a regulator
    LISTENING = "listening"  # waiting for, or talking to, a listener
    RELAY = "relay"  # being handed to, or talking with, a partner line
    ENDED = "ended"


LINE_OF: dict[Stage, Line] = {Stage.REGULATION: "regulators", Stage.LISTENING: "listeners"}
STAGE_OF: dict[Line, Stage] = {line: stage for stage, line in LINE_OF.items()}

DANGER_NOW = 3  # the level of danger that a caller can tell with a key
GENDERS = frozenset({"femme", "homme"})  # of ``told["gender"]``: who they would rather speak with
YOUNG = "mineur"  # of ``told["age"]``
KEYS_SHOWN_MAX = 8
INTERRUPTIONS_MAX = 5  # without anybody reached; then the dialplan takes over


@dataclass(eq=False)
class Talk:
    """The agent who has the caller, and their leg."""

    agent: Agent
    leg: ChannelLeg
    since: float  # monotonic seconds
    line: Line = "regulators"  # in which they were found
    caller_entries: int = 0  # how often the caller had come into our hands when it began
    end_written: bool = False
    muted_until: float | None = None  # monotonic: the caller does not hear them
    unwanted: asyncio.Event = field(default_factory=asyncio.Event)  # another language, or wish
    taken_back: bool = False  # from a process before us
    watch: asyncio.Task[None] | None = None  # looks at its sound


@dataclass(eq=False)
class Call:
    """One caller's passage, ring to hang-up."""

    id: str
    caller: CallerLeg
    stage: Stage = Stage.WELCOME
    caller_ref: str | None = None  # pseudonym of the caller's number
    duplicate: bool = False  # of a number that has enough calls with us now
    frequent: bool = False  # of a number that has called too often in an hour
    started_at: datetime = field(default_factory=clock.now)
    waiting_since_at: datetime | None = None
    path: list[str] = field(default_factory=list)  # lines and people so far, for the pop
    handover: str | None = None
    danger: int = 0  # 1 to 3: told by a regulator, 3 also by the caller
    first: bool = False  # head of the line
    wanted: str | None = None  # the person the caller was oriented to
    oriented_by: str | None = None  # the agent to whom they come back when nobody answers
    oriented_as: Role | None = None  # what the agent is who oriented them last, and is not there
    back_to: str | None = None  # the person they were with: first, if they can
    rest_of: str | None = None  # the call after which that person may be resting
    returned: bool = False  # their talk broke off a moment ago
    flow: FlowVersion = field(kw_only=True)  # the one they came in by, to the end
    step: str | None = None  # of the flow: the line or the relay it led them to
    taken_back: bool = False  # from a process before us, and not yet come to a new stage
    # Reads what they told to a process before us: nobody is asked for them before.
    remembering: asyncio.Task[None] | None = None
    in_line_since: float | None = None  # monotonic seconds
    waits_in: Line | None = None  # the line in which somebody is looked for now
    sent: asyncio.Event = field(default_factory=asyncio.Event)  # from the desk, to another line
    ask: Ask | None = None  # what the caller waits for
    talk: Talk | None = None  # the agent whose leg owns the caller
    staying: Talk | None = None  # the agent who oriented the caller and has not left yet
    consulting: Talk | None = None  # whom the agent of ``talk`` speaks with, out of hearing
    aside: bool = False  # the caller has music, those who have them are in a bridge of their own
    aside_until: float | None = None  # monotonic: then the caller is back
    told_aside: asyncio.Task[None] | None = None  # says a word now and then meanwhile
    aside_bridges_made: bool = False  # perhaps: those of a hold, or of a consultation
    offers: list[Talk] = field(default_factory=list)  # agents being offered the call
    inviting: asyncio.Task[Orient | None] | None = None  # looking for a third while two are talking
    parted: list[ChannelLeg] = field(default_factory=list)  # agents' legs still to be hung up
    answered: bool = False  # a human has spoken with the caller
    answered_at: datetime | None = None  # the first time
    outcome: Outcome = "abandoned"
    ended_by: EndedBy = "caller"
    legs_made: int = 0
    keys: deque[str] = field(default_factory=lambda: deque(maxlen=KEYS_SHOWN_MAX))  # in talks
    recalls: Counter[str] = field(default_factory=Counter)  # how often an agent's phone was lost
    interruptions: int = 0  # since a human was reached
    closing: Literal["abusive", "silent"] | None = None  # by an agent, with a kind sentence

    @property
    def ringing(self) -> Talk | None:
        """The agent being offered the call: the one who has answered, if several were."""
        return self.offers[0] if self.offers else None

    @property
    def spared(self) -> bool:
        """Whether they neither wait before phones ring, nor hear of a crowd or a full line."""
        return self.first or self.taken_back or self.danger >= DANGER_NOW

    @property
    def talks(self) -> list[Talk]:
        """Those who have the caller: the one whose leg owns them first."""
        talks = (self.talk, self.staying, self.consulting)
        return [talk for talk in talks if talk is not None]

    def has(self, leg_id: str) -> bool:
        """Whether an agent's leg is this call's, and not one that it has let go of."""
        legs = [talk.leg for talk in (*self.offers, *self.talks)] + self.parted
        return any(leg.id == leg_id for leg in legs)

    def view(self, line: str, waited_seconds: int) -> dict[str, Any]:
        """What an agent's screen shows of the call. No number, no name."""
        return {
            "id": self.id,
            "tier": line,
            "language": self.caller.language,
            "waited_seconds": waited_seconds,
            "path": list(self.path),
            "handover": self.handover,
            "returned": self.returned,
            **self.danger_view(),
            "held": self.aside,
            "held_until": None,
            "muted": False,
            "muted_until": None,
            "inviting": False,
            "colleague": None,
            "told": self.told(),
            "keys": list(self.keys),
            "sound": None,
        }

    def danger_view(self) -> dict[str, Any]:
        """What a screen shows of the danger that was told."""
        return {"danger": self.danger >= DANGER_NOW, "danger_level": self.danger}

    def told(self) -> dict[str, str]:
        """What the caller told with keys, in the words that their flow has for it."""
        shown = self.flow.flow.shown
        return {name: shown(name, value) for name, value in self.caller.told.items()}

    def line_step(self, line: Line) -> LineStep:
        """Where the caller waits for this line: the step that led them there, or the usual one."""
        step = self.flow.flow.steps.get(self.step or "")
        if isinstance(step, LineStep) and step.line == line:
            return step
        return self.flow.flow.line(line)


def new_call_id() -> str:
    """A call's name: 128 random bits."""
    return uuid.uuid4().hex
