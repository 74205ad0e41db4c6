"""The people who answer: who is here, what they can take, what they have had today.

Knows nothing of Asterisk or of screens. A screen and a call meet here: the
call puts messages in the agent's outbox and awaits a decision; the web drains
the one and makes the other. Presence changes come from both.
"""

from __future__ import annotations

import asyncio
import copy
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from cti import clock

EXPOSURE_SECONDS = 12 * 3600.0
LAST_TALK_BEFORE_SECONDS = 1200.0  # so near the end of a shift, a talk begins only on a yes
MESSAGES_KEPT_MAX = 512  # a screen that missed more than this gets a snapshot instead


class Role(StrEnum):
    """What somebody does at the line."""

    REGULATOR = "regulator"  # first voice: finds the need, orients
    LISTENER = "listener"  # the qualified ear
    SUPERVISOR = "supervisor"  # watches over lines and quality
    FACILITATOR = "facilitator"  # watches over the team's well-being
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
        self._latest: dict[str, Message] = {}  # of the kinds that say all anew, by type
        self._forgotten = 0  # the highest number that is no longer kept
        self._screens: dict[Callable[[Message], None], None] = {}  # told in the order they came
        self._acks: dict[int, asyncio.Future[None]] = {}
        self._acked = 0

    @property
    def screens(self) -> int:
        """How many screens are open for this agent now."""
        return len(self._screens)

    def push(self, type_: str, data: dict[str, Any], *, says_all: bool = False) -> Message:
        """Number a message, keep it for screens that come back, hand it to every open screen.

        Of a kind that ``says_all`` anew each time, only the last is kept. Its data is made for
        this frame alone, and changed by nobody: it may be long, and is not copied.
        """
        self.last_seq += 1
        # A copy: what is told again must be what was told, though the call's sheet has changed.
        told = data if says_all else copy.deepcopy(data)
        message = Message(self.last_seq, uuid.uuid4().hex, type_, clock.now(), told)
        if says_all:
            self._latest[type_] = message
        else:
            if len(self._kept) == MESSAGES_KEPT_MAX:
                self._forgotten = self._kept[0].seq
            self._kept.append(message)
        for show in list(self._screens):
            show(message)
        return message

    def open_screen(self, show: Callable[[Message], None]) -> Callable[[], None]:
        """Have ``show`` called for every later message. Returns the function that stops it.

        ``show`` must not block: a slow screen keeps its own bounded queue.
        """
        self._screens[show] = None
        return lambda: self._screens.pop(show, None)

    def since(self, seq: int) -> list[Message] | None:
        """The messages after ``seq``, or None when some of them are no longer kept."""
        if not self._forgotten <= seq <= self.last_seq:
            return None
        missed = (m for m in (*self._kept, *self._latest.values()) if m.seq > seq)
        return sorted(missed, key=lambda message: message.seq)

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
    consult: bool = False  # speak with that person alone first; the caller is on hold meanwhile
    danger: int | None = None  # 0 none, 1 low, 2 high, 3 now; None: nothing new is said of it


@dataclass(frozen=True)
class End:
    """The agent ends the call (``call.end``)."""


@dataclass(frozen=True)
class Close:
    """The agent closes an abusive or silent call kindly (``call.close``)."""

    why: Literal["abusive", "silent"]


@dataclass(frozen=True)
class Hold:
    """The caller waits under music, or comes back from there (``call.hold``)."""

    on: bool


@dataclass(frozen=True)
class Mute:
    """The caller does not hear the agent, or does again (``call.mute``)."""

    on: bool


@dataclass(frozen=True)
class TakeBack:
    """The third person is not needed after all (``call.take_back``)."""


Decision = Decline | Orient | End | Close | Hold | Mute | TakeBack


@dataclass
class WrapUp:
    """The minutes after a talk."""

    call_id: str
    ends_at: float  # monotonic seconds
    extended: bool = False  # once, without asking anybody
    form: bool = True  # whether the screen asks what the call came to


@dataclass
class Exposure:
    """What the talks of the past hours have been for one person: for who is asked next alone.

    Never shown to others, and in no figures: who has had much is spared, not judged.
    """

    # (monotonic seconds at its end, weighted minutes), the oldest first
    _talks: deque[tuple[float, float]] = field(default_factory=deque)

    def add(self, ended_at: float, minutes: float, weight: float) -> None:
        """A talk is over. ``weight``: 1 for a usual one, more for a hard one."""
        self._talks.append((ended_at, minutes * weight))
        self._forget(ended_at)

    def remember(self, ended_at: float, minutes: float, weight: float) -> None:
        """A talk of before, told out of order."""
        self.add(ended_at, minutes, weight)
        self._talks = deque(sorted(self._talks))

    def talks(self, now: float) -> int:
        """How many talks they have had in the past twelve hours."""
        self._forget(now)
        return len(self._talks)

    def load_minutes(self, now: float) -> float:
        """The weighted minutes of those talks."""
        self._forget(now)
        return sum(minutes for _, minutes in self._talks)

    def _forget(self, now: float) -> None:
        while self._talks and now - self._talks[0][0] > EXPOSURE_SECONDS:
            self._talks.popleft()


@dataclass
class Heard:
    """How an agent's browser heard the other side, from its measures of every few seconds."""

    measures: int = 0
    mos: float = 0.0  # estimated, 1 to 5: the mean
    worst_mos: float = 5.0
    lost_percent: float = 0.0  # the mean
    jitter_ms: float = 0.0  # the worst
    round_trip_ms: float = 0.0  # the worst

    def add(self, mos: float, lost_percent: float, jitter_ms: float, round_trip_ms: float) -> None:
        """Take one more measure in."""
        self.measures += 1
        self.mos += (mos - self.mos) / self.measures
        self.lost_percent += (lost_percent - self.lost_percent) / self.measures
        self.worst_mos = min(self.worst_mos, mos)
        self.jitter_ms = max(self.jitter_ms, jitter_ms)
        self.round_trip_ms = max(self.round_trip_ms, round_trip_ms)

    def figures(self) -> dict[str, float]:
        """What is kept of it."""
        return {
            "mos": round(self.mos, 2),
            "worst_mos": round(self.worst_mos, 2),
            "lost_percent": round(self.lost_percent, 2),
            "jitter_ms": round(self.jitter_ms, 1),
            "round_trip_ms": round(self.round_trip_ms, 1),
        }


@dataclass
class Engagement:
    """The one call an agent is offered or has, and what the agent decides about it."""

    call_id: str
    view: dict[str, Any]  # what the screen shows: the ``call`` object of ``call.offered``
    state: str = "offered"  # offered | connected
    heard: Heard = field(default_factory=Heard)
    suggestions: list[dict[str, Any]] = field(default_factory=list)  # where to orient, best first
    decisions: asyncio.Queue[Decision] = field(default_factory=asyncio.Queue)
    # The call's own word on a decision: an error code when it cannot be carried out.
    check: Callable[[Decision], str | None] = lambda _: None


@dataclass(frozen=True)
class Help:
    """“I need help now”, said by an agent."""

    since_at: datetime
    call_id: str | None  # the call they had
    by: str | None = None  # the id of who answered


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(frozen=True)
class OwnNumber:
    """The number of an agent's own telephone, sealed until it is dialled and never shown."""

    sealed: bytes = field(repr=False)
    unseal: Callable[[bytes], str] = field(repr=False, compare=False)

    def opened(self) -> str:
        """The number, for the dialler alone. Raises what the seal does when it is broken."""
        return self.unseal(self.sealed)


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
    own_number: OwnNumber | None = None  # rung in place of the SIP account, over the trunk
    browser: str | None = None  # the SIP account of their browser, rung before any other telephone
    presence: Presence = Presence.LOGGED_OUT
    reason: str | None = None
    since_at: datetime = field(default_factory=clock.now)
    call_id: str | None = None  # the call they are reserved for, in, or resting from
    following: tuple[Presence, str | None] | None = None  # chosen for after it, with the reason
    free_since: float = field(default_factory=clock.monotonic)  # monotonic seconds
    missed: int = 0  # rings missed in a row; from the first on they are asked after the others
    shift_ends_at: datetime | None = None  # as they said
    one_more: bool = False  # they take one more talk, however near the end of their shift
    help: Help | None = None  # that they asked for
    phone_away: bool = False  # the engine does not know where their phone is
    exposure: Exposure = field(default_factory=Exposure)
    rest: WrapUp | None = None  # the wrap-up they are in, or that a caller interrupted
    # Set once the leg of their last talk has ended: a phone with one line is busy until then.
    phone_free: asyncio.Event = field(default_factory=_set)
    screens_late: int = 0  # pops in a row that their screen did not show in time
    times_ready: int = 0  # how often they have said READY themselves
    engagement: Engagement | None = None
    outbox: Outbox = field(default_factory=Outbox)

    @property
    def account(self) -> str:
        """The SIP account that rings for them now."""
        return self.browser or self.phone

    @property
    def rung_outside(self) -> bool:
        """Whether a telephone of their own is rung, over the trunk."""
        return self.own_number is not None and self.browser is None

    def has(self, call_id: str) -> bool:
        """Whether they are offered this call, or have it."""
        return self.engagement is not None and self.engagement.call_id == call_id

    def decide(self, call_id: str, decision: Decision) -> str | None:
        """Hand a decision to the call. Returns an error code when it cannot apply, else None."""
        engagement = self.engagement
        if engagement is None or engagement.call_id != call_id:
            return "no_such_call"
        offered = isinstance(decision, Decline)
        if offered and engagement.state != "offered":
            return "already_connected"
        if not offered and engagement.state != "connected":
            return "not_connected"
        if (refusal := engagement.check(decision)) is not None:
            return refusal
        engagement.decisions.put_nowait(decision)
        return None

    def shift_ends_soon(self) -> bool:
        """Whether they have said that their shift ends before a talk begun now could be long."""
        if self.shift_ends_at is None:
            return False
        left = self.shift_ends_at - clock.now()
        return left < timedelta(seconds=LAST_TALK_BEFORE_SECONDS)

    def goes_on(self) -> bool:
        """Whether, busy now, they take another call afterwards, as far as they have said."""
        stops = self.following is not None and self.following[0] is not Presence.READY
        return not stops and (self.one_more or not self.shift_ends_soon())

    def cannot_take(self) -> str | None:
        """Why somebody who would be READY can take no call; None: they can."""
        if self.phone_away:
            return "phone_away"
        if self.shift_ends_soon() and not self.one_more:
            return "shift_over"
        return None

    def presence_view(self) -> dict[str, Any]:
        """The ``presence.changed`` data."""
        return {
            "presence": self.presence.value,
            "reason": self.reason,
            "since": self.since_at.isoformat(),
            "wrap_up": self._wrap_up_view(),
        }

    def duty_view(self) -> dict[str, Any]:
        """The ``duty.changed`` data."""
        ends_at = self.shift_ends_at
        return {
            "ends_at": ends_at.isoformat() if ends_at else None,
            "one_more": self.one_more,
            "stands_in": self.stands_in,
        }

    def _wrap_up_view(self) -> dict[str, Any] | None:
        if self.presence is not Presence.WRAP_UP or self.rest is None:
            return None
        return {
            "seconds_left": max(0, round(self.rest.ends_at - clock.monotonic())),
            "may_extend": not self.rest.extended,
            "form": self.rest.form,
        }
