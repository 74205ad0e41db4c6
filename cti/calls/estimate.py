"""How long a waiting caller has still to wait, told honestly or not at all.

Each busy agent will be free after a time that past talks tell: of the talks of this line that
lasted longer than theirs has until now, each is as likely as another to be like theirs (it is
Kaplan and Meier's estimate where no talk was cut short), its own wrap-up included. The caller at
position n is served when the n-th agent comes free, no matter who; whoever has come free takes
the next caller, and comes free again a whole round (ring, talk, wrap-up) later. The answer is the
median: the first moment by which agents have come free n times in half of all cases. It is
reckoned from shares of the sample, by no simulation and with no shape supposed of the talks.

Nothing is said when too few talks are known, when every talk has outlasted all that were, or
while the last estimates were wrong. They are judged whether they were said or not, so that a line
whose days have become ordinary again speaks again. Who hangs up proves nothing, and is left out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from cti import clock
from cti.people.agents import Agent, Presence
from ivr.walk import Outlook

if TYPE_CHECKING:
    from cti.calls.house import House
    from cti.calls.state import Call

TALKS_KEPT_MAX = 200  # of a line: some days of it, so that it follows the seasons
TALKS_MIN = 10  # fewer tell nothing
RINGS_KEPT_MAX = 50
RING_SECONDS = 8.0  # until some rings are known
JUDGED_MAX = 50  # estimates that came true, or did not
JUDGED_MIN = 10  # fewer wrong ones may be chance
ERROR_MAX = 0.4  # the median of theirs above which nothing more is said
JUDGED_AGAINST_SECONDS_MIN = 60.0  # nobody minds who is wrong by a part of a minute
GRAIN_SECONDS = 5.0  # finer would be told to nobody
PARTS = 20  # of a sample, where lengths are added
POSITION_MAX = 100  # further back, who knows


class Past(NamedTuple):
    """One talk of the past, and the wrap-up that followed it."""

    talk_seconds: float
    wrap_up_seconds: float


class Busy(NamedTuple):
    """What an agent who is not free has been doing, and for how long."""

    elapsed_seconds: float
    wrapping_up: bool = False


def wait_seconds(
    position: int, ready: int, busy: Iterable[Busy], past: Sequence[Past], ring_seconds: float
) -> float | None:
    """How long who is at this position (1: the next) waits, in the median; None: nobody knows.

    ``ready``: agents free for them now; ``busy``: those who will be. Further back is never
    sooner, one more agent never later.
    """
    if position <= ready:
        return ring_seconds
    if len(past) < TALKS_MIN or position > POSITION_MAX:
        return None
    rounds = sorted(talk + wrap_up for talk, wrap_up in past)
    free_after = [rounds] * ready + [_free_after(one, past) for one in busy]
    free_after = [one for one in free_after if one]
    if not free_after:
        return None
    later = _Rounds([seconds + ring_seconds for seconds in rounds])

    def served_by(grains: int) -> bool:
        at = grains * GRAIN_SECONDS
        return _chance(position - ready, at, free_after, later) >= 0.5 - 1e-9

    too_soon, late_enough = -1, 1
    while not served_by(late_enough):
        too_soon, late_enough = late_enough, late_enough * 2
    while late_enough - too_soon > 1:
        middle = (too_soon + late_enough) // 2
        if served_by(middle):
            late_enough = middle
        else:
            too_soon = middle
    return ring_seconds + late_enough * GRAIN_SECONDS


def _free_after(busy: Busy, past: Iterable[Past]) -> list[float]:
    """After how long this agent comes free, by each past talk that may be like theirs, sorted."""
    elapsed = busy.elapsed_seconds
    if busy.wrapping_up:
        wrap_ups = (one.wrap_up_seconds for one in past)
        return sorted(seconds - elapsed for seconds in wrap_ups if seconds > elapsed)
    return sorted(
        one.talk_seconds - elapsed + one.wrap_up_seconds
        for one in past
        if one.talk_seconds > elapsed
    )


class _Rounds:
    """How long several rounds last one after the other, each as a few equally likely lengths."""

    def __init__(self, lengths: Sequence[float]) -> None:
        self._one = _a_few(lengths)
        self._of: list[list[float]] = [[0.0]]

    def of(self, number: int) -> list[float]:
        """The lengths of so many rounds."""
        while len(self._of) <= number:
            last = self._of[-1]
            self._of.append(_a_few(sorted(before + one for before in last for one in self._one)))
        return self._of[number]


def _a_few(lengths: Sequence[float]) -> list[float]:
    """The middle of each of a few equal parts of a sorted sample."""
    return [lengths[int((part + 0.5) / PARTS * len(lengths))] for part in range(PARTS)]


def _chance(wanted: int, at: float, free_after: Iterable[Sequence[float]], later: _Rounds) -> float:
    """How likely agents have come free ``wanted`` times in all within ``at`` seconds."""
    counts = [1.0] + [0.0] * wanted  # the chance of so many times, the last: of so many or more
    for sample in free_after:
        own: list[float] = []  # the chance that this agent alone did so many times
        at_least = 1.0
        while at_least > 0.0 and len(own) < wanted:
            lengths = later.of(len(own))
            found = sum(bisect_right(sample, at - length) for length in lengths)
            more = found / (len(sample) * len(lengths))
            own.append(at_least - more)
            at_least = more
        own.append(at_least)
        added = [0.0] * (wanted + 1)
        for before, chance in enumerate(counts):
            for times, share in enumerate(own):
                if chance and share:
                    added[min(before + times, wanted)] += chance * share
        counts = added
    return counts[wanted]


@dataclass
class _Line:
    """What one line has taught."""

    past: deque[Past] = field(default_factory=lambda: deque(maxlen=TALKS_KEPT_MAX))
    rings: deque[float] = field(default_factory=lambda: deque(maxlen=RINGS_KEPT_MAX))
    errors: deque[float] = field(default_factory=lambda: deque(maxlen=JUDGED_MAX))

    @property
    def ring_seconds(self) -> float:
        return median(self.rings) if self.rings else RING_SECONDS


@dataclass
class _Doing:
    """What an agent does, since when (monotonic seconds)."""

    presence: Presence
    since: float
    call_id: str | None = None
    line: str | None = None
    talk_seconds: float | None = None  # of the talk they rest from


class Estimates:
    """What is known of each line's talks, and whether what was foretold came true.

    Kept in memory. After a start the lengths of past talks are read back from the records
    (``recall``), so that callers need not wait for ten talks to be told anything; how right we
    were is learned again, as it is of the last hours, and ten estimates are soon judged.
    """

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._doing: dict[str, _Doing] = {}
        self._given: dict[str, tuple[str, float, float]] = {}  # call -> line, seconds, given at

    def _line(self, line: str) -> _Line:
        return self._lines.setdefault(line, _Line())

    # -- what is learned -------------------------------------------------------

    def moved(self, agent: Agent) -> None:
        """An agent's presence has changed: a ring, a talk or a wrap-up may have its length now."""
        now, before = clock.monotonic(), self._doing.pop(agent.id, None)
        since = now - max(0.0, (clock.now() - agent.since_at).total_seconds())  # of a life before
        talked = before is not None and before.presence is Presence.TALKING
        match agent.presence:
            case Presence.RESERVED | Presence.TALKING if (
                before is not None and talked and before.call_id == agent.call_id
            ):
                self._doing[agent.id] = before  # their phone was lost, and rings again
                return
            case Presence.RESERVED:
                self._doing[agent.id] = _Doing(agent.presence, since, agent.call_id)
            case Presence.TALKING:
                line = agent.engagement.view["tier"] if agent.engagement else None
                self._doing[agent.id] = _Doing(agent.presence, since, agent.call_id, line)
                if line is not None and before and before.presence is Presence.RESERVED:
                    self._line(line).rings.append(now - before.since)
            case Presence.WRAP_UP:
                resting = _Doing(agent.presence, since)
                if before is not None and talked:
                    resting.line, resting.talk_seconds = before.line, now - before.since
                self._doing[agent.id] = resting
            case _:
                pass
        if before is not None and before.line is not None and before.talk_seconds is not None:
            past = Past(before.talk_seconds, now - before.since)
            self._line(before.line).past.append(past)

    def recall(self, line: str, past: Iterable[Past]) -> None:
        """Take over talks of before this process, the oldest first; ours count as later."""
        known = self._line(line).past
        together = [*past, *known]
        known.clear()
        known.extend(together)

    def _busy(self, agent: Agent) -> Busy:
        doing = self._doing.get(agent.id)
        if doing is None:  # since a life before
            elapsed = max(0.0, (clock.now() - agent.since_at).total_seconds())
        else:
            elapsed = clock.monotonic() - doing.since
        if agent.presence is Presence.RESERVED and (doing is None or doing.line is None):
            elapsed = 0.0  # their talk is about to begin
        return Busy(elapsed, agent.presence is Presence.WRAP_UP)

    # -- what is foretold ------------------------------------------------------

    def foretell(self, line: str, position: int, agents: Iterable[Agent]) -> float | None:
        """How long who is at this position will wait for one of these, who are on duty."""
        known, here = self._line(line), list(agents)
        ready = sum(agent.presence is Presence.READY for agent in here)
        busy = [self._busy(agent) for agent in here if agent.presence is not Presence.READY]
        return wait_seconds(position, ready, busy, known.past, known.ring_seconds)

    def soon(self, line: str) -> float:
        """How long it takes until somebody who is free has answered."""
        return self._line(line).ring_seconds

    def trusted(self, line: str) -> bool:
        """Whether the last estimates of this line were right enough to be said."""
        errors = self._line(line).errors
        return len(errors) < JUDGED_MIN or median(errors) <= ERROR_MAX

    def given(self, call_id: str, line: str, seconds: float) -> None:
        """Keep what is foretold; of one caller's wait the first estimate is to be judged."""
        self._given.setdefault(call_id, (line, seconds, clock.monotonic()))

    def came_true(self, call_id: str) -> None:
        """Judge what was foretold: this caller's wait has ended with a person."""
        if call_id in self._given:
            line, seconds, at = self._given.pop(call_id)
            waited = clock.monotonic() - at
            error = abs(seconds - waited) / max(waited, JUDGED_AGAINST_SECONDS_MIN)
            self._line(line).errors.append(error)

    def left(self, call_id: str) -> None:
        """Forget what was foretold: the caller waits no more, and nobody knows who was right."""
        self._given.pop(call_id, None)


def outlook(call: Call, house: House) -> Outlook:
    """What may be told to this caller, in their line: how long still, and how many before them."""
    ask, estimates = call.ask, house.estimates
    if ask is None or ask.wanted is not None:
        return Outlook()
    if call.ringing is not None:
        return Outlook(estimates.soon(ask.line), 1)
    position, agents = house.lines.prospects(ask)
    seconds = estimates.foretell(ask.line, position, agents)
    if seconds is not None and sum(a.presence is Presence.READY for a in agents) < position:
        estimates.given(call.id, ask.line, seconds)
    return Outlook(seconds if estimates.trusted(ask.line) else None, position)
