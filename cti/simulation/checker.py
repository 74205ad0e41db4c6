"""Judges a simulated world by what people heard, saw and wrote; knows nothing of the controller.

The truth is the stand-in engine's (who heard what, when), the screens' (which pop was
shown and acknowledged, when) and, at the end, the journal's and what is left.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from cti.people.agents import Orient, Presence
from cti.simulation.actors import Caller, Frame, Pop
from cti.simulation.boards import Boards
from cti.simulation.fake_people import FakePhoneCall
from cti.simulation.turns import RETURN_SECONDS, Turns
from cti.simulation.verdicts import Call, Violation, seconds, told_danger
from cti.simulation.world import PROMPT_SECONDS, World

SILENT_SECONDS_MAX = 3.0
SILENT_SECONDS_MAX_HUNG = 5.0  # while a controller is hung
WORDLESS_SECONDS_MAX = 60.0
RECORD_SECONDS_MAX = 1.3  # how exact the end of a call is, where a controller lived
TWO_RING_SECONDS_MAX = 7.0  # a ring that came late, on a bad wire, until it is taken back
STILL_RINGS_SECONDS_MAX = 1.3  # a phone, after its caller left
CLOSING = frozenset(
    {"appels-en-cours", "au-revoir", "ferme", "personne-disponible", "secours-numeros"}
    | {"fermeture-bienveillante", "fermeture-silencieuse"}
)
OUR_LEG = re.compile(r"(?P<call>[0-9a-f]{32})-(?P<agent>[a-z0-9._-]+)-\d+")
# How long after its end a fault of this kind may still be felt.
FELT_SECONDS = {
    "cut": 7.0,
    "stall": 20.0,
    "hang": 3.0,
    "events_late": 3.0,
    "events_twice": 1.0,
    "replies_late": 6.0,
    "replies_lost": 6.0,
    "refusals": 6.0,
    "engine_killed": 12.0,
    "engine_stopped": 12.0,
}


class Checker:
    """Looks at one world that is over."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.callers = [c for c in world.callers if c.end is not None]
        self.calls: dict[str, Call] = {}
        self.by_channel: dict[str, list[Call]] = defaultdict(list)
        self.legs: list[tuple[int, float, str, dict[str, Any]]] = []  # (entry's number, at, …)
        for entry in world.journal.entries:
            self._read(entry.op, seconds(entry.at), entry.data)
            if entry.op.startswith("leg."):
                self.legs.append((entry.number, seconds(entry.at), entry.op, entry.data))
        self.caller_of = {
            call.id: caller
            for caller in self.callers
            if caller.end is not None
            for call in self.by_channel.get(caller.end.channel_id, [])
        }
        self.frames_of: dict[str, list[Frame]] = defaultdict(list)
        for frame in world.frames:
            self.frames_of[frame.agent].append(frame)
        self.rings = [
            (at, ring, found)
            for at, ring in world.rings
            if (found := OUR_LEG.fullmatch(ring.channel_id))
        ]
        self.unsteady = self._unsteady()
        self.turns = Turns(self)

    def _read(self, op: str, at: float, data: dict[str, Any]) -> None:
        if op == "call.opened":
            call = Call(data["call_id"], data["channel_id"], seconds(data["at"]))
            self.calls[call.id] = call
            self.by_channel[call.channel].append(call)
        call_id = data.get("call_id")
        if call_id in self.calls:
            self.calls[call_id].entries.append((at, op, data))
            if op == "call.closed":
                self.calls[call_id].closed.append((seconds(data["at"]), data))

    def _unsteady(self) -> list[tuple[float, float]]:
        """When something was wrong between the controller and the engine."""
        windows = [
            (f.at, f.at + f.seconds + FELT_SECONDS[f.kind])
            for f in self.world.plan.faults
            if f.kind in FELT_SECONDS
        ]
        windows += [(at, at + 12.0) for at in self.world.engine_stops]
        before = 0.0
        for life in self.world.lives:
            windows.append((before, (life.ready_at or self.world.loop.time()) + 3.0))
            before = life.ended_at if life.ended_at is not None else float("inf")
        return windows

    def steady(self, since: float, until: float) -> bool:
        """Whether a controller lived and heard all through this time."""
        return not any(a <= until and since <= b for a, b in self.unsteady)

    # -- what the judge of turns asks ------------------------------------------

    def life_at(self, at: float) -> int:
        """Which controller lived then: the first is 1."""
        return sum(life.began_at <= at for life in self.world.lives)

    def number_of(self, call_id: str) -> str | None:
        """The number a caller rang from; None: withheld."""
        caller = self.caller_of.get(call_id)
        return caller.plan.number if caller is not None else None

    def calls_of_number(self, call_id: str) -> list[str]:
        """The calls from the same number, until this one, in order."""
        number, until = self.number_of(call_id), self.calls[call_id].opened_at
        ids = [c.id for c in self.calls.values() if self.number_of(c.id) == number]
        calls = [self.calls[id_] for id_ in ids if self.calls[id_].opened_at <= until]
        return [call.id for call in sorted(calls, key=lambda call: call.opened_at)]

    def in_danger(self, call_id: str | None, at: float) -> bool:
        """Whether they were known by then to be in danger, by a key or from an agent."""
        call, level, key = self.calls.get(call_id or ""), 0, False
        for moment, op, data in call.entries if call is not None else ():
            if moment <= at and op == "call.stage":
                key |= told_danger(data["set"])
                level = data["set"].get("danger_level", level)
        return key or level > 1

    def taken(self, call_id: str) -> list[tuple[float, str]]:
        """When somebody picked this caller among those who waited, as was written, and who."""
        return [
            (at, data["agent_id"])
            for at, op, data in self.calls[call_id].entries
            if op == "event" and data["type"] == "call.taken"
        ]

    def oriented_to(self, call_id: str, at: float) -> str | None:
        """The person to whom this caller was oriented last, by then."""
        found: str | None = None
        for frame in self.world.frames:
            if frame.type == "said.decided" and frame.at < at + 0.001:
                call, decision = frame.data["value"]
                if call == call_id and isinstance(decision, Orient):
                    found = decision.agent
        return found

    def left_talk_before(self, call: Call) -> tuple[float, str] | None:
        """When this caller left a talk a moment ago, and whom they were with; None: they did not.

        Only where a number is one person's, and they hung up themselves in the middle of it.
        """
        number = self.number_of(call.id)
        people = [plan for plan in self.world.plan.callers if plan.number == number]
        before = self.calls_of_number(call.id)[-2:-1]
        if number is None or len(people) != 1 or not before:
            return None
        last, caller = self.calls[before[0]], self.caller_of[before[0]]
        left_at, end = caller.left_at, caller.end
        if end is None or left_at is None or caller.plan.vanishes or len(end.heard) < 2:
            return None
        since, sound = end.heard[-2]
        agent = sound.removeprefix("people:")
        alone = sound.startswith("people:") and agent in self.frames_of
        just_now = call.opened_at - left_at < RETURN_SECONDS and left_at - since > 1.0
        legs = [op for at, op, _ in last.entries if op.startswith("leg.") and at < left_at]
        decided = any(
            frame.type == "said.decided" and left_at - 2.0 < frame.at <= left_at + 0.1
            for frame in self.frames_of[agent]
        )
        talking = legs[-1:] == ["leg.answered"] and legs.count("leg.answered") == 1
        return (left_at, agent) if alone and just_now and talking and not decided else None

    # -- everything ------------------------------------------------------------

    def check(self) -> list[Violation]:
        """Everything that was wrong in this world, in order of time."""
        found = [
            *self._broken(),
            *self._left_over(),
            *self._offers(),
            *self.turns.check(),
            *Boards(self).check(),
        ]
        for caller in self.callers:
            found += self._silences(caller)
            found += self._lost(caller)
            found += self._company(caller)
            found += self._records(caller)
        return sorted(found, key=lambda violation: violation.at)

    def _broken(self) -> Iterator[Violation]:
        for at, text in self.world.troubles:
            # A call that the dialplan must take over: while the wire is bad, that is as meant.
            if "call.failed" not in text or self.steady(at - 1, at):
                yield Violation("broken", at, text)
        for context in self.world.loop.trouble:
            error = context.get("exception")
            yield Violation("broken", 0.0, f"nobody caught: {context.get('message')} {error!r}")

    # -- what a caller hears ---------------------------------------------------

    def _heard(self, caller: Caller) -> list[tuple[float, float, str]]:
        """(from, until, sound) until the caller left or the call ended."""
        end = caller.end
        assert end is not None
        last = self.world.loop.time()
        for moment in (end.ended_at, caller.left_at):
            last = min(last, moment) if moment is not None else last
        heard = end.heard
        if not heard:
            return []  # they left before we answered
        untils = [at for at, _ in heard[1:]] + [last]
        return [
            (at, min(until, last), sound)
            for (at, sound), until in zip(heard, untils, strict=True)
            if at < last and sound
        ]

    def _silences(self, caller: Caller) -> Iterator[Violation]:
        name = caller.end.name if caller.end else ""
        word_ended, greetings = None, 0
        for since, until, sound in self._heard(caller):
            if sound == "silence" and until - since > self._silence_max(since, until):
                yield Violation("silence", since, f"silence for {until - since:.2f} s", name)
            if sound in ("silence", "music"):
                if word_ended is None:
                    word_ended = since
                if until - word_ended > WORDLESS_SECONDS_MAX:
                    text = f"no word for {until - word_ended:.1f} s"
                    yield Violation("no word", until, text, name)
                    word_ended = until
            else:
                word_ended = until
            greetings += sound.endswith("/accueil")
        calls = self.by_channel.get(caller.end.channel_id, []) if caller.end else []
        failed = any(d["outcome"] == "failed" for call in calls for _, d in call.closed)
        # One whom we gave up and met again as a stranger: better twice than left alone.
        if greetings > 1 and not failed:
            yield Violation("greeted again", 0.0, f"greeted {greetings} times", name)

    def _silence_max(self, since: float, until: float) -> float:
        hung = any(a <= until and since <= b + 1.0 for a, b in self.world.hangs)
        return SILENT_SECONDS_MAX_HUNG if hung else SILENT_SECONDS_MAX

    def _lost(self, caller: Caller) -> Iterator[Violation]:
        end = caller.end
        assert end is not None
        if end.state != "ended":
            text = f"still in the line, {end.hears}"
            yield Violation("left over", self.world.loop.time(), text, end.name)
            return
        assert end.ended_at is not None
        if caller.left_at is not None or end.ended_how in ("self", "vanished"):
            return
        if end.ended_how == "engine":
            if not any(abs(at - end.ended_at) < 3 for at in self.world.engine_stops):
                yield Violation("lost", end.ended_at, "ended by an engine that ran", end.name)
            return
        if not self._told_goodbye(caller):
            yield Violation("lost", end.ended_at, f"ended by {end.ended_how}", end.name)

    def _told_goodbye(self, caller: Caller) -> bool:
        words = [h for h in self._heard(caller) if h[2] not in ("silence", "music")]
        if not words or caller.end is None or caller.end.ended_at is None:
            return False
        since, until, sound = words[-1]
        prompt = sound.rpartition("/")[2]
        if prompt in CLOSING and until - since > PROMPT_SECONDS[prompt] - 0.1:
            return True
        # Where the wire stood still, the goodbye may be cut, or only the end of the talk be said.
        said = {word[2].rpartition("/")[2] for word in words[-2:]}
        closed = bool(said & (CLOSING | {"fin-de-conversation"}))
        return closed and not self.steady(since - 6, caller.end.ended_at)

    def _company(self, caller: Caller) -> Iterator[Violation]:
        assert caller.end is not None
        for at, sound in caller.end.heard:
            names = set(sound.removeprefix("people:").split(","))
            if sound.startswith("people:") and len(names) > 1 and not names <= self._three(caller):
                yield Violation("company", at, f"with {sound}", caller.end.name)

    def _three(self, caller: Caller) -> set[str]:
        """The agents who may be with this caller at once: one of them had asked to stay."""
        assert caller.end is not None
        ids = {call.id for call in self.by_channel.get(caller.end.channel_id, [])}
        ids &= self.world.together
        return {ring.name for _, ring, found in self.rings if found["call"] in ids}

    # -- the record ------------------------------------------------------------

    def _records(self, caller: Caller) -> Iterator[Violation]:
        end = caller.end
        assert end is not None
        calls = self.by_channel.get(end.channel_id, [])
        failed = [c for c in calls if any(d["outcome"] == "failed" for _, d in c.closed)]
        if len(calls) - len(failed) > 1:
            text = f"{len(calls)} records"
            yield Violation("record", calls[-1].opened_at, text, end.name)
        if end.ended_at is None:
            return
        for call in calls:
            if not call.closed:
                yield Violation("record", end.ended_at, "never closed", end.name)
                continue
            closed_at, data = call.closed[0]
            moments = [call.opened_at, *self._answered(call), closed_at]
            if moments != sorted(moments):
                yield Violation("record", closed_at, f"out of order: {moments}", end.name)
            if call is calls[-1]:
                yield from self._last_record(caller, call, closed_at, data)

    def _last_record(
        self, caller: Caller, call: Call, closed_at: float, data: dict[str, Any]
    ) -> Iterator[Violation]:
        end = caller.end
        assert end is not None
        assert end.ended_at is not None
        if not self.steady(end.ended_at - 2, end.ended_at + 2):
            return
        if data["outcome"] == "failed" or caller.plan.vanishes:
            return
        if abs(closed_at - end.ended_at) > RECORD_SECONDS_MAX:
            text = f"closed at {closed_at:.2f}, ended at {end.ended_at:.2f}"
            yield Violation("record", end.ended_at, text, end.name)
        if end.ended_how == "dialplan":
            return  # it tells nobody how
        by_caller = end.ended_how == "self"
        if by_caller and self._told_goodbye(caller):
            return  # both hung up
        if data["ended_by"] == "unknown" and end.in_the_dialplan:
            return  # it tells nobody how
        if by_caller != (data["ended_by"] == "caller"):
            text = f"ended by {data['ended_by']}, in truth {end.ended_how}"
            yield Violation("record", end.ended_at, text, end.name)
        with_ours = {
            sound
            for _, ring, found in self.rings
            if found["call"] == call.id
            for _, sound in ring.heard
            if sound.startswith("people:")
        }
        if with_ours and data["outcome"] != "talked":
            text = f"{data['outcome']} after a talk"
            yield Violation("record", end.ended_at, text, end.name)

    def _answered(self, call: Call) -> list[float]:
        return [seconds(d["at"]) for _, op, d in call.entries if op == "leg.answered"][:1]

    # -- offers ----------------------------------------------------------------

    def _offers(self) -> Iterator[Violation]:
        acked: dict[str, list[Pop]] = defaultdict(list)
        for pop in self.world.pops:
            if pop.acked_at is not None:
                acked[pop.offer].append(pop)
        ringing: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
        ended = {
            call.id: caller.end.ended_at
            for caller in self.callers
            if caller.end is not None
            for call in self.by_channel.get(caller.end.channel_id, [])
        }
        for at, ring, found in self.rings:
            pops = [p for p in acked[ring.channel_id] if p.acked_at and p.acked_at <= at]
            if not any(pop.agent == ring.name for pop in pops):
                yield Violation("ring without pop", at, f"{ring.channel_id} rings")
            until = self.stops_ringing(ring)
            for since, before, call in ringing[ring.name]:
                together = min(until, before) - max(at, since)
                steady = self.steady(max(at, since) - 6, max(at, since))
                if call != found["call"] and together > (0 if steady else TWO_RING_SECONDS_MAX):
                    yield Violation("two offers", at, f"{ring.name} is offered two calls")
            ringing[ring.name].append((at, until, found["call"]))
            yield from self._rings_for(ring, found["call"])
            over_at = ended.get(found["call"])
            late = over_at is not None and until > over_at + STILL_RINGS_SECONDS_MAX
            if over_at is not None and late and self.steady(max(at, over_at) - 2, until):
                text = f"{ring.name} rings for a call that ended at {over_at:.2f}"
                yield Violation("ended call offered", at, text)

    def stops_ringing(self, ring: FakePhoneCall) -> float:
        """When this phone no longer rang."""
        for moment in (ring.answered_at, ring.ended_at):
            if moment is not None:
                return moment
        return self.world.loop.time()

    def _rings_for(self, ring: FakePhoneCall, call_id: str) -> Iterator[Violation]:
        """An agent talks with the caller of the call they were offered, and with nobody else.

        But for a colleague, when one of the two asked to stay.
        """
        call = self.calls.get(call_id)
        for at, sound in ring.heard:
            if not sound.startswith("people:"):
                continue
            names = sound.removeprefix("people:").split(",")
            theirs = [
                c.end.name
                for c in self.callers
                if c.end and call and c.end.channel_id == call.channel
            ]
            colleagues = {
                other.name
                for _, other, found in self.rings
                if found["call"] == call_id and call_id in self.world.together
            }
            if names != theirs and not set(names) <= {*theirs, *colleagues}:
                yield Violation("company", at, f"{ring.name} talks with {names}, offered {theirs}")

    # -- what is left ----------------------------------------------------------

    def _left_over(self) -> Iterator[Violation]:
        world, now = self.world, self.world.loop.time()
        engine = world.engine
        for channel in engine.channels.values():
            yield Violation("left over", now, f"channel {channel.name} {channel.id}")
        for bridge in engine.bridges.values():
            if not bridge.id.startswith("line-") or bridge.members:
                yield Violation("left over", now, f"bridge {bridge.id}")
        if world.controller is None:
            yield Violation("left over", now, "no controller came back")
            return
        house = world.controller.house
        ari = house.exchange.ari
        if not ari.connected:
            yield Violation("left over", now, "the controller is not connected")
        things: dict[str, Any] = {
            "calls": house.calls,
            "tasks": house._tasks,
            "mailboxes": ari._mailboxes,
            "asks": house.lines._asks,
        }
        for name, left in things.items():
            if left:
                yield Violation("left over", now, f"{len(left)} {name}: {list(left)[:3]}")
        for agent in house.team.agents.values():
            held = agent.presence in (Presence.RESERVED, Presence.TALKING)
            if held or agent.engagement is not None:
                yield Violation("left over", now, f"{agent.id} is {agent.presence}")


def timeline(world: World, name: str = "") -> str:
    """What happened in a world, or to one of its callers, line by line."""
    checker = Checker(world)
    lines: list[tuple[float, str]] = list(world.notes)
    mine: set[str] = set()
    for caller in checker.callers:
        end = caller.end
        if end is None or (name and end.name != name):
            continue
        mine |= {call.id for call in checker.by_channel.get(end.channel_id, [])}
        for at, sound in end.heard:
            lines.append(
                (at, f"{end.name} hears {sound}" if sound else f"{end.name} ends: {end.ended_how}")
            )
        for at, key in end.keys_pressed:
            lines.append((at, f"{end.name} presses {key}"))
    for call in checker.calls.values():
        if call.id in mine:
            for at, op, data in call.entries:
                told = {
                    k: v for k, v in data.items() if k not in ("call_id", "sealed", "caller_ref")
                }
                lines.append((at, f"journal {call.id[:6]} {op} {told}"))
    for at, ring in world.rings:
        found = OUR_LEG.fullmatch(ring.channel_id)
        if not name or found is None or found["call"] in mine:
            lines.append((at, f"{ring.name} rings ({ring.channel_id})"))
            for moment, sound in ring.heard:
                told_end = f"ends: {ring.ended_how}"
                lines.append(
                    (
                        moment,
                        f"{ring.name}'s phone hears {sound}"
                        if sound
                        else f"{ring.name}'s phone {told_end}",
                    )
                )
            if not ring.heard and ring.ended_at is not None:
                lines.append((ring.ended_at, f"{ring.name}'s phone stops: {ring.ended_how}"))
    for pop in world.pops:
        if not name or pop.call in mine:
            lines.append((pop.shown_at, f"{pop.agent} sees {pop.offer}"))
            if pop.acked_at is not None:
                lines.append((pop.acked_at, f"{pop.agent} acks {pop.offer}"))
    lines.sort(key=lambda line: line[0])
    return "\n".join(f"{at:10.3f}  {text}" for at, text in lines)


def trace_hash(world: World) -> str:
    """The same for two runs that were the same, step by step."""
    told = f"{timeline(world)}\n{world.loop.steps} {next(world.loop.numbers)}"
    return hashlib.sha256(told.encode()).hexdigest()
