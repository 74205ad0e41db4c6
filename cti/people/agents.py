"""The people who answer: who is here, what they can take, who is next.

Knows nothing of Asterisk or of screens. A screen and a call meet here: the
call puts messages in the agent's outbox and awaits a decision; the web drains
the one and makes the other. Presence changes come from both.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from cti import clock

MESSAGES_KEPT_MAX = 512  # a screen that missed more than this gets a snapshot instead


class Role(StrEnum):
    """What somebody does at the line."""

    REGULATOR = "regulator"  # first voice: finds the need, orients
    LISTENER = "listener"  # the qualified ear
    SUPERVISOR = "supervisor"  # watches over lines and quality
    ADMIN = "admin"  # edits flows, people and settings


class Presence(StrEnum):
    """What an agent can take now.

    LOGGED_OUT -> NOT_READY <-> READY -> RESERVED -> TALKING -> WRAP_UP -> READY
                                  ^         |                      |
                                  |         v                      v
                                  +---- (withdrawn)            NOT_READY
    """

    LOGGED_OUT = "LOGGED_OUT"  # no shift
    NOT_READY = "NOT_READY"  # here, with a reason not to take calls
    READY = "READY"  # may be offered a call
    RESERVED = "RESERVED"  # one call is being offered to them, and no other may be
    TALKING = "TALKING"  # with a caller
    WRAP_UP = "WRAP_UP"  # the minutes after a call


CHOSEN_BY_AGENTS = frozenset({Presence.READY, Presence.NOT_READY, Presence.LOGGED_OUT})


@dataclass(frozen=True)
class Message:
    """One numbered frame for an agent's screen (``fil.cti.v1``)."""

    seq: int
    id: str
    type: str
    time: datetime
    data: dict[str, Any]


class Outbox:
    """What one agent's screens must be told, in order, and what they said they had seen."""

    def __init__(self) -> None:
        # A new epoch at every start: a screen that resumes with an old one gets a snapshot.
        self.epoch = uuid.uuid4().hex
        self.last_seq = 0
        self._kept: deque[Message] = deque(maxlen=MESSAGES_KEPT_MAX)
        self._screens: set[Callable[[Message], None]] = set()
        self._acks: dict[int, asyncio.Future[None]] = {}
        self._acked = 0

    @property
    def screens(self) -> int:
        """How many screens are open for this agent now."""
        return len(self._screens)

    def push(self, type_: str, data: dict[str, Any]) -> Message:
        """Number a message, keep it for screens that come back, hand it to every open screen."""
        self.last_seq += 1
        message = Message(self.last_seq, uuid.uuid4().hex, type_, clock.now(), data)
        self._kept.append(message)
        for show in list(self._screens):
            show(message)
        return message

    def open_screen(self, show: Callable[[Message], None]) -> Callable[[], None]:
        """Have ``show`` called for every later message. Returns the function that stops it.

        ``show`` must not block: a slow screen keeps its own bounded queue.
        """
        self._screens.add(show)
        return lambda: self._screens.discard(show)

    def since(self, seq: int) -> list[Message] | None:
        """The messages after ``seq``, or None when some of them are no longer kept."""
        if seq > self.last_seq or (self._kept and seq < self._kept[0].seq - 1):
            return None
        return [message for message in self._kept if message.seq > seq]

    def ack(self, seq: int) -> None:
        """A screen has displayed every message up to ``seq``."""
        self._acked = max(self._acked, min(seq, self.last_seq))
        for waiting in [s for s in self._acks if s <= seq]:
            ack = self._acks.pop(waiting)
            if not ack.done():
                ack.set_result(None)

    async def displayed(self, message: Message, seconds_max: float) -> bool:
        """Wait until a screen has displayed ``message``; False after ``seconds_max``."""
        if message.seq <= self._acked:
            return True
        ack = self._acks.setdefault(message.seq, asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(seconds_max):
                await asyncio.shield(ack)
        except TimeoutError:
            self._acks.pop(message.seq, None)
            return False
        return True


@dataclass(frozen=True)
class Accept:
    """The agent wants the offered call now (``call.accept``)."""


@dataclass(frozen=True)
class Decline:
    """The agent cannot take the offered call (``call.decline``)."""


@dataclass(frozen=True)
class Orient:
    """Where the caller goes next (``call.orient``): exactly one of the three is set."""

    line: str | None = None
    agent: str | None = None
    relay: str | None = None
    handover: str | None = None
    together: bool = False  # stay until the next person is there: three talk, then two


@dataclass(frozen=True)
class End:
    """The agent ends the call (``call.end``)."""


Decision = Accept | Decline | Orient | End


@dataclass
class Engagement:
    """The one call an agent is offered or has, and what the agent decides about it."""

    call_id: str
    view: dict[str, Any]  # what the screen shows: the ``call`` object of ``call.offered``
    state: str = "offered"  # offered | connected
    can_accept_on_screen: bool = False  # the phone can be told to answer
    decisions: asyncio.Queue[Decision] = field(default_factory=asyncio.Queue)
    # The call's own word on a decision: an error code when it cannot be carried out.
    check: Callable[[Decision], str | None] = lambda _: None


@dataclass
class Agent:
    """One person of the team, as the running line knows them."""

    id: str
    name: str
    roles: frozenset[Role]
    phone: str  # the SIP account that rings for them; it is named as they are
    languages: frozenset[str] = frozenset({"fr"})
    skills: Mapping[str, int] = field(default_factory=dict)  # with the level: 1, 2 or 3
    gender: str | None = None  # for callers who would rather speak with a woman, or a man
    stands_in: bool = False  # a listener who agreed to be a regulator when there is none
    presence: Presence = Presence.LOGGED_OUT
    reason: str | None = None
    since_at: datetime = field(default_factory=clock.now)
    call_id: str | None = None  # the call they are reserved for, in, or resting from
    free_since: float = field(default_factory=clock.monotonic)  # monotonic seconds
    missed: int = 0  # rings missed in a row
    screens_late: int = 0  # pops in a row that their screen did not show in time
    times_ready: int = 0  # how often they have said READY themselves
    engagement: Engagement | None = None
    outbox: Outbox = field(default_factory=Outbox)

    def decide(self, call_id: str, decision: Decision) -> str | None:
        """Hand a decision to the call. Returns an error code when it cannot apply, else None."""
        engagement = self.engagement
        if engagement is None or engagement.call_id != call_id:
            return "no_such_call"
        offered = isinstance(decision, Accept | Decline)
        if offered and engagement.state != "offered":
            return "already_connected"
        if not offered and engagement.state != "connected":
            return "not_connected"
        if isinstance(decision, Accept) and not engagement.can_accept_on_screen:
            return "answer_your_phone"
        if (refusal := engagement.check(decision)) is not None:
            return refusal
        engagement.decisions.put_nowait(decision)
        return None

    def presence_view(self) -> dict[str, Any]:
        """The ``presence.changed`` data."""
        return {
            "presence": self.presence.value,
            "reason": self.reason,
            "since": self.since_at.isoformat(),
        }


def next_free(
    agents: Iterable[Agent],
    role: Role,
    language: str | None,
    passed_over: frozenset[str] = frozenset(),
    wanted: str | None = None,
    skills: frozenset[str] = frozenset(),
) -> Agent | None:
    """Choose who is offered the next call: the one free for longest.

    A pure choice: reserving them is the team's. ``passed_over`` holds the ids of
    those already tried in this round, ``wanted`` names one person and no other.
    A language or a skill is never silently widened: somebody who has it, or nobody.
    """
    candidates = [
        agent
        for agent in agents
        if agent.presence is Presence.READY
        and agent.outbox.screens > 0
        and agent.id not in passed_over
        and (
            agent.id == wanted if wanted else role in agent.roles and skills <= agent.skills.keys()
        )
        and (language is None or language in agent.languages)
    ]
    return min(candidates, key=lambda agent: (agent.free_since, agent.id), default=None)
