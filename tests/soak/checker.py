"""The judge of a soak: ten invariants, from what was heard and signalled, the records and the logs.

It knows nothing of how the line works inside. Run it on any folder of evidence.
"""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from cti.rehearsal.sound import RATE, correlation, decode, read_wav, rms_dbfs
from tests.soak.evidence import SAMPLE_SECONDS, Fault, Frame, Run, SeenCall, read

DEAD = frozenset({"kill controller", "kill both"})
HUNG = frozenset({"stop controller", "stop both", "stall"})
WIRE = frozenset({"cut", "refuse"})
ENGINE = frozenset({"restart engine"})
AWAY = DEAD | HUNG | WIRE | ENGINE  # while one lasts, the controller may be unable to act

DEAD_AIR_SECONDS_MAX = {
    "dead": 3.0,
    "hung": 5.0,
    "else": 3.0,
    "phone lost": 20.0,  # the engine's own limit for a phone that went mute, and some
    "engine": float("inf"),  # no sound can come from an engine that is down
}
AFTERMATH_SECONDS = 3.0  # after a fault is over, what it caused may still show
GAP_OVER_CONTROL_MS_MAX = 60
LEFT_IN_SILENCE_SECONDS = 5.0
GOODBYE_MIN = 0.6  # correlation of a closing message with the last words heard
GOODBYE_PIECE_SECONDS = 0.5
LAST_WORDS_SECONDS = 4.0  # the goodbye is among them when nothing was wrong
RECORD_SECONDS_OFF_MAX = 1.0
ALONE_ROUND_SECONDS = 15.0  # without a controller a caller is offered again within this
UNSERVED_SECONDS_MAX = 5.0
SCREEN_LATE_SECONDS_MAX = 2.0
ACK_SECONDS_MAX = 1.0
REPLAYED_SECONDS_MAX = 0.1
RING_AFTER_OFFER_SECONDS_MAX = 20.0
MUSIC_ALONE_SECONDS_MAX = 60.0
RING_AFTER_SECONDS = 2.0  # nobody is rung before; then callers are served in their order


@dataclass
class Verdict:
    """What became of one invariant."""

    name: str
    promise: str
    examined: int = 0
    worst: str = ""
    breaches: list[str] = field(default_factory=list)
    _worst: float = -1.0

    @property
    def held(self) -> bool:
        return not self.breaches

    def see(self, value: float, text: str) -> None:
        """Keep the worst case seen."""
        self.examined += 1
        if value > self._worst:
            self._worst, self.worst = value, text


@dataclass
class Case:
    """A run as its judge looks at it: calls, what became of them, and their records."""

    run: Run
    folder: Path | None = None

    @cached_property
    def callers(self) -> list[SeenCall]:
        return sorted(self.run.side("caller"), key=lambda call: call.began_at)

    @cached_property
    def agents(self) -> frozenset[str]:
        return frozenset(agent["id"] for agent in self.run.plan["agents"])

    @cached_property
    def recoveries(self) -> list[float]:
        """When the controller had compared itself with the engine."""
        return [
            at
            for line in self.run.log
            if line["event"] == "house.recovered" and (at := self.run.moment(line.get("at")))
        ]

    def clock(self, at: float) -> str:
        return f"{at - self.run.began_at:.1f} s"

    def name(self, call: SeenCall) -> str:
        return f"{call.who} ({call.plan}) called at {self.clock(call.began_at)}"

    def talks(self, call: SeenCall) -> list[tuple[str, float, float]]:
        return [talk for talk in call.talks() if talk[0] in self.agents]

    @property
    def stays(self) -> list[tuple[str, float, float]]:
        """(agent, from, to): asked for a third to come, until their own phone was down."""
        return [
            (agent, at, call.until)
            for at, agent in self.run.stays
            for call in self.run.side("agent")
            if call.who == agent and call.began_at <= at <= call.until
        ]

    def away(self, since: float, until: float, aftermath: float = AFTERMATH_SECONDS) -> list[Fault]:
        return self.run.broken(AWAY, since - aftermath, until)

    def engine_took(self, call: SeenCall) -> bool:
        """Whether the call ended because the engine did, or at least as it did."""
        for fault in self.run.broken(ENGINE, call.began_at, call.until + 1):
            if fault.start <= call.until <= fault.end + 1:
                return True  # a caller's BYE may have reached nobody any more
            last = call.silences[-1] if call.silences else (0.0, 0.0)
            if last[1] >= call.until - 0.5 and fault.start - 1 <= last[0] <= fault.end:
                return True
        return False

    def lost_phone(self, call: SeenCall, since: float) -> bool:
        """Whether this silence began when the network of the agent they talked to was lost."""
        for agent in self.run.side("agent"):
            gone = agent.vanished_at
            if (
                gone is not None
                and -1.0 <= since - gone <= 1.5
                and any(
                    who == agent.who and abs(end - gone) < 1.5 for who, _, end in self.talks(call)
                )
            ):
                return True
        return False

    def silence_class(self, call: SeenCall, since: float, until: float) -> str:
        if self.run.broken(ENGINE, since - 1, until):
            return "engine"
        if self.lost_phone(call, since):
            return "phone lost"
        if self.run.broken(HUNG, since - AFTERMATH_SECONDS, until):
            return "hung"
        if self.run.broken(DEAD, since - AFTERMATH_SECONDS, until):
            return "dead"
        return "else"

    def fate(self, call: SeenCall) -> str:
        """How a call came out for the caller: see the report's table."""
        if call.answered_at is None:
            if call.ended_by == "us" and call.until - call.began_at < 9.5:
                return "left"
            return "engine" if self.run.broken(ENGINE, call.began_at - 3, call.until) else "lost"
        if self.engine_took(call):
            return "engine"
        talks = self.talks(call)
        if call.ended_by != "them":
            if self._left_in_silence(call):
                return "lost"
            return "talked" if talks else "left"
        if call.goodbye:
            return "talked" if talks else "closed"
        return "talked" if talks and self._agent_hung_up(call, talks[-1]) else "lost"

    def _left_in_silence(self, call: SeenCall) -> bool:
        if not call.silences or call.silences[-1][1] < call.until - 0.5:
            return False
        since, until = call.silences[-1]
        limit = max(
            LEFT_IN_SILENCE_SECONDS, DEAD_AIR_SECONDS_MAX[self.silence_class(call, since, until)]
        )
        return until - since > limit

    def _agent_hung_up(self, call: SeenCall, talk: tuple[str, float, float]) -> bool:
        who, _, end = talk
        return any(
            agent.who == who and agent.ended_by == "us" and abs(agent.until - end) < 1.5
            for agent in self.run.side("agent")
        )

    @cached_property
    def fates(self) -> dict[str, str]:
        return {call.id: self.fate(call) for call in self.callers}

    # -- records

    @cached_property
    def matched(self) -> tuple[dict[str, list[dict[str, Any]]], list[dict[str, Any]]]:
        """Call-ID -> its records; and the records of no call at all.

        A record belongs to the call of that caller which was open when it began:
        nobody makes two calls at once.
        """
        by_caller = defaultdict(list)
        for call in self.callers:
            by_caller[call.who].append(call)
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        strange = []
        for record in self.run.records:
            began = self.run.moment(record["started_at"]) or 0.0
            mine = [
                call
                for call in by_caller.get(record["caller"] or "", ())
                if call.began_at - 0.1 <= began <= call.until + 0.6
            ]
            if mine:
                # Of two that touch, the later: a redial begins where the last call ended.
                closest = max(mine, key=lambda call: call.began_at)
                found[closest.id].append(record)
            else:
                strange.append(record)
        return found, strange

    @cached_property
    def call_of(self) -> dict[str, SeenCall]:
        """The line's own name of a call -> the call as its caller's phone saw it."""
        return {
            record["id"]: self.run.calls[id_]
            for id_, records in self.matched[0].items()
            for record in records
        }

    # -- offers

    @cached_property
    def offers(self) -> list[Offer]:
        return list(_offers(self.run))

    def offer_behind(self, ring: SeenCall) -> Offer | None:
        """The acked offer that explains why an agent's phone rang."""
        for offer in reversed(self.offers):
            if offer.agent == ring.who and offer.at <= ring.began_at and offer.acked_at is not None:
                late = ring.began_at - offer.acked_at
                withdrawn = offer.over_at < ring.began_at - 0.5
                if -0.2 <= late <= RING_AFTER_OFFER_SECONDS_MAX and not withdrawn:
                    return offer
        return None


@dataclass
class Offer:
    """One screen pop, and how it ended on that screen."""

    id: str
    call: str
    agent: str
    at: float
    acked_at: float | None = None
    over_at: float = float("inf")
    over: str = ""


def _offers(run: Run) -> Iterator[Offer]:
    acks = defaultdict(list)
    for at, agent, seq in run.acks:
        acks[agent].append((at, seq))
    moments: list[tuple[float, str, Frame | None]] = [(f.at, f.agent, f) for f in run.frames]
    moments += [(at, agent, None) for at, agent, open_ in run.screens if not open_]
    open_offers: dict[str, Offer] = {}
    seen: set[tuple[str, str]] = set()
    for at, agent, frame in sorted(moments, key=lambda moment: moment[0]):
        offer = open_offers.get(agent)
        over = _ends(frame, offer) if offer is not None else ""
        if offer is not None and over:
            offer.over_at, offer.over = at, over
            del open_offers[agent]
        if frame is not None and frame.type == "call.offered":
            key = (agent, frame.data["offer"])
            if key in seen:
                continue  # told again after a cut
            seen.add(key)
            offer = Offer(frame.data["offer"], frame.data["call"]["id"], agent, at)
            offer.acked_at = next((t for t, s in acks[agent] if t >= at and s >= frame.seq), None)
            open_offers[agent] = offer
            yield offer


def _ends(frame: Frame | None, offer: Offer) -> str:
    """How this frame ends the offer, or an empty text; None is a screen that closed."""
    if frame is None:
        return "screen closed"
    if frame.type == "snapshot":
        call = frame.data.get("call")
        return "" if call and call["id"] == offer.call else "snapshot"
    if frame.type in ("call.withdrawn", "call.connected", "call.ended"):
        return frame.type if frame.data["call"]["id"] == offer.call else ""
    return ""


# -- the ten invariants -----------------------------------------------------------------


def never_alone(case: Case) -> Verdict:
    verdict = Verdict("I1", "every caller hears a person, a voice or music, to a proper end")
    for call in case.callers:
        fate = case.fates[call.id]
        verdict.examined += 1
        if fate == "lost":
            verdict.breaches.append(f"{case.name(call)}: lost, {_how_lost(case, call)}")
        for since, until in call.silences:
            kind = case.silence_class(call, since, until)
            seconds = until - since
            text = f"{seconds:.2f} s of silence ({kind}) at {case.clock(since)}, {case.name(call)}"
            if kind not in ("engine", "phone lost"):
                verdict.see(seconds, text)
            if seconds > DEAD_AIR_SECONDS_MAX[kind]:
                verdict.breaches.append(text)
    control = max(control_gaps(case), default=0)
    for call, at, gap in talk_gaps(case):
        if gap > control + GAP_OVER_CONTROL_MS_MAX:
            verdict.breaches.append(
                f"{gap} ms without a packet in a talk at {case.clock(at)} (the control pair's "
                f"worst: {control} ms), {case.name(call)}"
            )
    return verdict


def _how_lost(case: Case, call: SeenCall) -> str:
    if call.answered_at is None:
        return f"never answered ({call.status}) at {case.clock(call.until)}"
    last = "".join(sample.kind[0] for sample in call.samples[-15:])
    by = "ended by the line" if call.ended_by == "them" else "left in silence"
    return f"{by} at {case.clock(call.until)}; last heard (0.2 s each): {last or 'nothing'}"


def control_gaps(case: Case) -> list[float]:
    return [s.gap_ms for call in case.run.side("control") for s in call.samples[1:]]


def talk_gaps(case: Case) -> list[tuple[SeenCall, float, float]]:
    """(call, when, ms) for each 0.2 s inside a talk, both sides, outside engine restarts."""
    engine = case.run.broken(ENGINE, 0, float("inf"))
    found = []
    for call in (*case.callers, *case.run.side("agent")):
        for before, now, after in zip(
            call.samples, call.samples[1:], call.samples[2:], strict=False
        ):
            inside = now.tones and before.tones == now.tones == after.tones
            if inside and not any(f.start - 1 <= now.at <= f.end + 1 for f in engine):
                found.append((call, now.at, now.gap_ms))
    return found


def one_to_one(case: Case) -> Verdict:
    verdict = Verdict("I2", "no caller with two agents, no agent with two callers or two offers")
    stays = case.stays
    for call in (*case.callers, *case.run.side("agent")):
        verdict.examined += 1
        others = case.agents if call.side == "caller" else frozenset(c.who for c in case.callers)
        together = 0
        for sample in call.samples:
            two = others & set(sample.tones)
            wanted = any(agent in two and since <= sample.at <= to for agent, since, to in stays)
            together = together + 1 if len(two) > 1 and not wanted else 0
            if together == 2:
                verdict.breaches.append(
                    f"{case.name(call)} heard {' and '.join(sample.tones)} "
                    f"at {case.clock(sample.at)}"
                )
    last: dict[str, Offer] = {}
    for offer in case.offers:
        before = last.get(offer.agent)
        if before is not None and before.call != offer.call and before.over_at > offer.at:
            verdict.breaches.append(
                f"{offer.agent} was offered a second call at {case.clock(offer.at)}"
            )
        last[offer.agent] = offer
    verdict.worst = verdict.worst or "none heard two"
    return verdict


def one_record(case: Case) -> Verdict:
    verdict = Verdict("I3", "exactly one true record of each call that the controller served")
    found, strange = case.matched
    for record in strange:
        verdict.breaches.append(f"the record {record['id'][:8]} is of no call that was made")
    for call in case.callers:
        records = found.get(call.id, [])
        if call.answered_at is None:
            continue
        if len(records) > 1:
            verdict.breaches.append(f"{case.name(call)}: {len(records)} records")
        if not records and (why := _should_have_one(case, call)):
            verdict.breaches.append(f"{case.name(call)}: no record, {why}")
        for record in records:
            off, wrong = _faults_of(case, call, record)
            text = f"{record['id'][:8]} ended {off:.2f} s off its phone, {case.name(call)}"
            verdict.see(off, text)
            verdict.breaches += [f"{case.name(call)}: {w}" for w in wrong]
    return verdict


def _should_have_one(case: Case, call: SeenCall) -> str:
    """Why a call without a record should have one; empty when the dialplan alone served it."""
    since, until = call.answered_at or call.began_at, call.until
    covered = [(f.start - 1, f.end + ALONE_ROUND_SECONDS) for f in case.away(since, until, 15)]
    covered += [(start, end + 5) for _, start, end in case.talks(call)]  # an on-call phone
    step, unserved = 0.2, 0.0
    at = since
    while at < until:
        if not any(start <= at <= end for start, end in covered):
            unserved += step
        at += step
    short = not covered and until - since > 1.5
    if short or unserved > UNSERVED_SECONDS_MAX:
        return f"though nothing kept the controller from it for {unserved:.1f} s"
    return ""


def _faults_of(case: Case, call: SeenCall, record: dict[str, Any]) -> tuple[float, list[str]]:
    """How far the record's end is from the phone's, and what is wrong with it."""
    wrong = []
    started = case.run.moment(record["started_at"]) or 0.0
    answered = case.run.moment(record["answered_at"])
    ended = case.run.moment(record["ended_at"])
    if ended is None:
        return 0.0, ["its record was never closed"]
    if not started <= (started if answered is None else answered) <= ended:
        wrong.append("start, answer and end are not in order")
    talks = case.talks(call)
    ours = [talk for talk in talks if _leg_of(case, record, talk)]
    engine = case.engine_took(call)
    if not engine and (record["outcome"] == "talked") != bool(ours):
        heard = ", ".join(f"{w} at {case.clock(s)}" for w, s, _ in talks) or "nobody"
        if not _met_at_the_edge(record, talks):
            wrong.append(f"outcome {record['outcome']}, but heard {heard}")
    off = ended - call.until
    if engine:
        # A phone is told nothing by an engine that was killed: it believes in its call for a while.
        broke = [f.start for f in case.run.broken(ENGINE, call.began_at, call.until + 1)]
        if ended < min(broke, default=call.until) - RECORD_SECONDS_OFF_MAX:
            wrong.append("its record ended before the engine did")
        return 0.0, wrong
    if case.away(call.until - 1, call.until + 1, 2):
        if off < -RECORD_SECONDS_OFF_MAX:
            wrong.append(f"its record ended {-off:.1f} s before the call")
        return 0.0, wrong
    if abs(off) > RECORD_SECONDS_OFF_MAX:
        wrong.append(f"its record ended {off:+.1f} s off the phone's clock")
    in_the_dialplan = record["ended_by"] == "unknown" and case.away(call.until - 30, call.until, 2)
    if not in_the_dialplan and (record["ended_by"] == "caller") != (call.ended_by == "us"):
        wrong.append(f"ended_by {record['ended_by']}, but the phone says {call.ended_by}")
    return abs(off), wrong


def _leg_of(case: Case, record: dict[str, Any], talk: tuple[str, float, float]) -> bool:
    """Whether the record knows of this talk (one with an on-call phone is the dialplan's)."""
    who, since, until = talk
    for leg in record["legs"]:
        answered = case.run.moment(leg["answered_at"])
        if leg["agent_id"] == who and answered is not None and since - 9 <= answered <= until + 1:
            return True
    return False


def _met_at_the_edge(record: dict[str, Any], talks: list[tuple[str, float, float]]) -> bool:
    """An agent answered but the caller left before half a second of their voice."""
    answered = [leg for leg in record["legs"] if leg["answered_at"]]
    return record["outcome"] == "talked" and bool(answered) and not talks


def one_pop(case: Case) -> Verdict:
    verdict = Verdict("I4", "an offer is shown to one agent, acked or withdrawn; nobody else rings")
    for offer in case.offers:
        late = (offer.acked_at or offer.at) - offer.at
        verdict.see(late, f"acked after {late * 1000:.0f} ms by {offer.agent}")
        unseen = offer.acked_at is None or late > ACK_SECONDS_MAX
        if unseen and not offer.over and case.run.ended_at - offer.at > 30:
            verdict.breaches.append(
                f"{offer.agent}: offered at {case.clock(offer.at)}, neither acked nor withdrawn"
            )
    for one, other in _at_once(case.offers):
        verdict.breaches.append(
            f"the call {one.call[:8]} was offered to {one.agent} and {other.agent} "
            f"at {case.clock(other.at)}"
        )
    if case.run.plan.get("screens", True):
        for ring in case.run.side("agent"):
            verdict.examined += 1
            alone = case.away(ring.began_at, ring.began_at, 30)
            if case.offer_behind(ring) is None and not alone:
                verdict.breaches.append(
                    f"{ring.who}'s phone rang at {case.clock(ring.began_at)} without a pop seen"
                )
    return verdict


def _at_once(offers: list[Offer]) -> Iterator[tuple[Offer, Offer]]:
    by_call = defaultdict(list)
    for offer in offers:
        # Offered and over in one breath: a screen that came back is told the past.
        if offer.over_at - offer.at > REPLAYED_SECONDS_MAX:
            by_call[offer.call].append(offer)
    for mine in by_call.values():
        for place, one in enumerate(mine):
            until = min(one.over_at, one.at + 10)
            for other in mine[place + 1 :]:
                if other.agent != one.agent and other.at < until - 0.3:
                    yield one, other


def in_order(case: Case) -> Verdict:
    verdict = Verdict("I5", "callers of one class are rung for in their order, crash or not")
    waits = [_first_ring(case, record) for record in case.run.records]
    for record, started, rung in waits:
        if rung is None:
            continue
        verdict.examined += 1
        for other, other_started, other_rung in waits:
            ended = case.run.moment(other["ended_at"]) or float("inf")
            waiting = (other_rung is None or other_rung > rung + 0.5) and ended > rung + 1
            eligible = other_started + RING_AFTER_SECONDS + 1 < rung
            came_before = other_started < started - 0.5
            if not (waiting and eligible and came_before) or other["language"] not in (None, "fr"):
                continue
            if case.run.broken(HUNG | WIRE | ENGINE, other_started - 3, rung + 1):
                continue  # one of them may have been in the dialplan's care
            if _taken_back(case, started, rung) != _taken_back(case, other_started, rung):
                continue  # those taken back go first: another class
            verdict.breaches.append(
                f"{record['caller']} was rung for at {case.clock(rung)} before {other['caller']}, "
                f"who came {started - other_started:.1f} s earlier"
            )
    verdict.worst = "nobody was overtaken" if verdict.held else verdict.breaches[0]
    return verdict


def _first_ring(case: Case, record: dict[str, Any]) -> tuple[dict[str, Any], float, float | None]:
    rung = [case.run.moment(leg["rung_at"]) or 0.0 for leg in record["legs"] if leg["rung_at"]]
    return record, case.run.moment(record["started_at"]) or 0.0, min(rung, default=None)


def _taken_back(case: Case, started: float, until: float) -> bool:
    return any(started < at < until for at in case.recoveries)


def nothing_left(case: Case) -> Verdict:
    verdict = Verdict("I6", "in the end no channel, talk bridge, open record or busy agent is left")
    quiet = case.run.quiet
    verdict.examined = 1
    if not quiet:
        verdict.breaches.append("the end of the run was not seen")
        return verdict
    left = {what: quiet[what] for what in ("channels", "bridges", "open")}
    verdict.worst = f"quiet after {quiet['seconds']} s: {left}, {quiet['memory_kb'] // 1024} MB"
    verdict.breaches += [f"{count} {what} left" for what, count in left.items() if count]
    verdict.breaches += [
        f"{agent} is still {presence}"
        for agent, presence in quiet["presences"].items()
        if presence in ("RESERVED", "TALKING")
    ]
    return verdict


def same_presence(case: Case) -> Verdict:
    verdict = Verdict("I7", "an agent's screen, phone and the records agree within two seconds")
    last: dict[str, str] = {}
    for agent in sorted(case.agents):
        spans = _presences(case.run, agent)
        if spans:
            last[agent] = spans[-1][2]
        calls = [c for c in case.run.side("agent") if c.who == agent and c.answered_at is not None]
        for since, until, presence in spans:
            verdict.examined += 1
            for apart in _apart(case, calls, since, until, presence):
                verdict.see(apart[1] - apart[0], "")
                verdict.breaches.append(
                    f"{agent}'s screen said {presence} while the phone did not, "
                    f"{apart[1] - apart[0]:.1f} s at {case.clock(apart[0])}"
                )
    for agent, presence in case.run.quiet.get("presences", {}).items():
        if agent in last and presence != last[agent]:
            verdict.breaches.append(f"{agent}: screen {last[agent]}, record {presence} at the end")
    verdict.worst = verdict.breaches[0] if verdict.breaches else "none apart for two seconds"
    return verdict


def _presences(run: Run, agent: str) -> list[tuple[float, float, str]]:
    """(from, to, presence) as this agent's screen showed it while it was open."""
    moments: list[tuple[float, str]] = []
    for frame in run.frames:
        if frame.agent == agent and frame.type == "snapshot":
            moments.append((frame.at, frame.data["presence"]["presence"]))
        elif frame.agent == agent and frame.type == "presence.changed":
            moments.append((frame.at, frame.data["presence"]))
    moments += [(at, "") for at, who, open_ in run.screens if who == agent and not open_]
    moments.sort()
    moments.append((run.ended_at, ""))
    return [(at, end, presence) for (at, presence), (end, _) in pairwise(moments) if presence]


def _apart(
    case: Case, calls: list[SeenCall], since: float, until: float, presence: str
) -> Iterator[tuple[float, float]]:
    """When this presence was shown though the phone was in the other state."""
    if presence not in ("TALKING", "READY", "NOT_READY"):
        return
    up = [(c.answered_at or 0.0, c.until, c) for c in calls]
    if presence == "TALKING":
        edges = [since, *(e for a, b, _ in up for e in (a, b) if since < e < until), until]
        free = [
            (a, b) for a, b in pairwise(edges) if not any(x <= (a + b) / 2 <= y for x, y, _ in up)
        ]
    else:
        free = [
            (max(a, since), min(b, until))
            for a, b, call in up
            if case.offer_behind(call) is not None
        ]
    for a, b in free:
        gone = any(
            c.vanished_at is not None and c.vanished_at - 1 <= a <= c.vanished_at + 25
            for c in calls
        )
        if b - a > SCREEN_LATE_SECONDS_MAX and not gone and not case.away(a, b, 6):
            yield a, b


def no_number_shown(case: Case) -> Verdict:
    verdict = Verdict("I8", "no caller's number stands anywhere but sealed")
    separator = rb"(?:%20|\\u00a0|\\u202f|[^0-9A-Za-z]){0,3}"
    numbers = [caller["number"][1:].encode() for caller in case.run.plan["callers"]]
    digits = re.compile(b"|".join(separator.join(b"%c" % d for d in n) for n in numbers))
    assert case.folder is not None
    for path in sorted(case.folder.rglob("*")):
        # The plan names the callers, and sounds are sounds.
        if not path.is_file() or path.name == "plan.json" or path.suffix in (".wav", ".alaw"):
            continue
        verdict.examined += 1
        if digits.search(path.read_bytes()) or digits.search(path.name.encode()):
            verdict.breaches.append(f"a caller's number stands in {path.name}")
    unknown = [r["id"][:8] for r in case.run.records if r["caller"] is None]
    if unknown:
        verdict.breaches.append(f"records of no known caller: {', '.join(unknown)}")
    verdict.worst = f"{len(numbers)} numbers looked for in {verdict.examined} files"
    return verdict


def told_in_time(case: Case) -> Verdict:
    verdict = Verdict("I9", "nobody waits more than 60 s without being told something")
    for call in case.callers:
        alone = 0
        for sample in call.samples:
            alone = alone + 1 if sample.kind in ("music", "silence") else 0
            seconds = alone * SAMPLE_SECONDS
            verdict.see(seconds, f"{seconds:.0f} s without a word, {case.name(call)}")
            if alone == round(MUSIC_ALONE_SECONDS_MAX / SAMPLE_SECONDS) + 1:
                verdict.breaches.append(f"{case.name(call)}: over 60 s without a word")
    verdict.examined = len(case.callers)
    return verdict


def never_offered_dead(case: Case) -> Verdict:
    verdict = Verdict("I10", "a call that is over is never offered")
    for offer in case.offers:
        call = case.call_of.get(offer.call)
        if call is None:
            continue
        late = offer.at - call.until
        verdict.see(late, f"offered {-late:.1f} s before its end, {case.name(call)}")
        if late > 1.0 and not case.run.broken(HUNG | WIRE, call.until - 1, offer.at + 1):
            verdict.breaches.append(f"{case.name(call)}: offered {late:.1f} s after its end")
    return verdict


INVARIANTS: tuple[Callable[[Case], Verdict], ...] = (
    never_alone,
    one_to_one,
    one_record,
    one_pop,
    in_order,
    nothing_left,
    same_presence,
    no_number_shown,
    told_in_time,
    never_offered_dead,
)


# -- reading what the line wrote ------------------------------------------------------------


def read_records(folder: Path) -> list[dict[str, Any]]:
    """Every call's row with its legs, and whose it is (by the pseudonyms beside it)."""
    path = folder / "fil.sqlite"
    if not path.exists():
        return []
    names = json.loads((folder / "pseudonyms.json").read_text())
    base = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    base.row_factory = sqlite3.Row
    legs = defaultdict(list)
    for leg in base.execute("select * from legs"):
        legs[leg["call_id"]].append(dict(leg))
    rows = [dict(row) for row in base.execute("select * from calls order by started_at")]
    base.close()
    return [
        row | {"legs": legs[row["id"]], "caller": names.get(row["caller_ref"] or "")}
        for row in rows
    ]


def hear_goodbyes(folder: Path, run: Run) -> None:
    """Note which calls ended with the last words of a closing message."""
    closings = [read_wav(path) for path in sorted(folder.glob("*.wav"))]
    for call in run.side("caller"):
        path = folder / "tails" / f"{call.id.partition('@')[0]}.alaw"
        if path.exists():
            heard = decode(path.read_bytes())
            # A controller that hangs between the goodbye and the hang-up: music in between.
            hung = run.broken(AWAY, call.until - len(heard) / RATE, call.until)
            last_seconds = len(heard) / RATE if hung else LAST_WORDS_SECONDS
            call.goodbye = any(_ends_with(heard, closing, last_seconds) for closing in closings)


def _ends_with(heard: np.ndarray, closing: np.ndarray, last_seconds: float) -> bool:
    """Whether the last second and a half of the closing is among the last words heard.

    Half a second at a time, because a late packet shifts what follows.
    """
    step = round(GOODBYE_PIECE_SECONDS * RATE)
    sounding = np.flatnonzero(np.abs(closing) > 0.01)
    end = int(sounding[-1]) if len(sounding) else len(closing)
    pieces = [closing[end - n * step : end - (n - 1) * step] for n in (1, 2, 3)]
    loud = [piece for piece in pieces if rms_dbfs(piece) > -40]
    last = heard[-round(last_seconds * RATE) :]
    if len(last) < step:
        return False
    return sum(correlation(last, piece)[0] >= GOODBYE_MIN for piece in loud) * 2 > len(loud)


def judge(case: Case) -> list[Verdict]:
    """All ten, in order."""
    return [invariant(case) for invariant in INVARIANTS]


def load(folder: Path) -> Case:
    """Read all that a folder holds."""
    run = read(folder)
    run.records = read_records(folder)
    hear_goodbyes(folder, run)
    return Case(run, folder)


def main() -> int:
    """Judge a folder, write ``verdicts.json`` and the report in it; 1 when something broke."""
    from tests.soak import report

    folder = Path(sys.argv[1])
    case = load(folder)
    verdicts = judge(case)
    figures = report.figures(case, verdicts)
    report.write(folder, case, verdicts, figures)
    for verdict in verdicts:
        state = "held" if verdict.held else "BROKEN"
        print(f"{verdict.name:4} {state:7} {verdict.examined:5}  {verdict.worst}")
        for breach in verdict.breaches[:10]:
            print(f"       {breach}")
    print(json.dumps(figures))
    return 0 if all(verdict.held for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
