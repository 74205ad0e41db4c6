"""One row of the table of orientations as a real call: played by telephones, judged by their ears.

rosa, lea and remy each speak at a pitch of their own, and so does the caller: who hears whom is
measured, all along, in what each telephone received.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from typing import Any

from cti.rehearsal.phone import CallEnded, PhoneCall
from cti.rehearsal.sound import rms_dbfs, tone_level
from tests.hurried import SHORT_TALK_SECONDS
from tests.line import Desk, Line
from tests.orientations import Row, presence_word, row_of, same_screens, screen_word
from tests.scenes import Caller, a_caller, taken

# Pitches that neither a prompt nor the music dwells on.
HZ = {"caller": 440.0, "rosa": 1730.0, "lea": 2150.0, "remy": 2570.0}
AGENTS = ("rosa", "lea", "remy")
ORDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "cold line": ("call.orient", {"to": {"line": "listeners"}, "handover": "Bas."}),
    "cold person": ("call.orient", {"to": {"agent": "lea"}, "handover": "Bas."}),
    "together": ("call.orient", {"to": {"agent": "lea"}, "together": True}),
    "consult": ("call.orient", {"to": {"agent": "lea"}, "consult": True}),
    "hold": ("call.hold", {"on": True}),
}
BEGUN = {"together": "call.joined", "consult": "call.consulting", "hold": "call.held"}
ENDS: dict[str, tuple[str, dict[str, Any]]] = {
    "together": ("call.end", {}),
    "consult": ("call.take_back", {}),
    "hold": ("call.hold", {"on": False}),
}
CLAIMED_SECONDS_MAX = 25.0  # a busy machine may leave them to the dialplan for a round
RING_SECONDS_MAX = 2
PICKS_UP_SECONDS = 1.0  # from the ring to the answer
LASTS_SECONDS = 0.7  # what a row is about, before and after it happens
FATE_SECONDS_MAX = 30.0
QUIET_SECONDS_MAX = 12.0
SETTLED_SECONDS_MAX = 5.0
SOUND_LOST_SECONDS = 3  # the engine's rtp_timeout here: 15 and 60 s in life
SILENT_SECONDS_MAX = 1.0
# The engine itself ends a leg whose phone is dead, pulls the caller out and offers them again.
PULLED_OUT_SECONDS_MAX = 1.5
WINDOW_SECONDS = 0.2
READ_SECONDS = 0.3  # until what a telephone received has been read
HEARD_SECONDS_MIN = 0.6  # shorter is a bridge that is being left
APART_SECONDS_MAX = 0.4  # one side may hear the other so much sooner


class Handed:
    """The people of one row, and what they do."""

    def __init__(self, line: Line, row: Row, caller: Caller, desks: dict[str, Desk]) -> None:
        self.line, self.row, self.caller, self.desks = line, row, caller, desks
        self.legs: dict[str, list[PhoneCall]] = {name: [] for name in AGENTS}
        self.rung = {name: asyncio.Event() for name in AGENTS}
        self.lets_ring: set[str] = set()  # who does not pick up
        self.lost_at: dict[str, float] = {}
        self.call_id = ""
        self.ordered_at = 0.0
        self.legs_before = 0
        self.done = asyncio.Event()  # what the row is about has happened
        self._people: list[asyncio.Task[None]] = []

    # -- what happens

    async def live(self) -> None:
        """From the call to the fate that the row tells of, and everybody is free again."""
        row, rosa = self.row, self.desks["rosa"]
        await self.caller.dials()
        at_rosa, self.call_id = await taken(self.caller, rosa, HZ["rosa"], CLAIMED_SECONDS_MAX)
        talking_at = time.monotonic()
        self.legs["rosa"].append(at_rosa)
        self._people = [asyncio.create_task(self._picks_up(name)) for name in AGENTS]
        try:
            await self.desks["remy"].be("READY")
            await asyncio.sleep(talking_at + SHORT_TALK_SECONDS + 0.2 - time.monotonic())
            if row.what == "no answer":
                self.lets_ring.add("lea")
                self.done.set()
            self.ordered_at = time.monotonic()
            await self._does(*ORDERS[row.kind])
            if row.moment == "before":
                await self.deed()
            elif row.moment in ("during", "after"):
                await self._during_or_after()
            async with asyncio.timeout(FATE_SECONDS_MAX):
                await self.done.wait()
            await self._fate()
            self.judge()
            await self.caller.call.hang_up()
            await self.line.until(self.line.is_quiet, QUIET_SECONDS_MAX, "all freed")
            record = await self.caller.record()
            assert record["outcome"] == "talked", record["outcome"]
        finally:
            for person in self._people:
                person.cancel()
            await self._all_hang_up()

    async def _all_hang_up(self) -> None:
        for leg in (self.caller.call, *(leg for legs in self.legs.values() for leg in legs)):
            await leg.hang_up()
        await self.line.until(self.line.is_quiet, QUIET_SECONDS_MAX, "all freed at last")

    async def _does(self, op: str, data: dict[str, Any]) -> None:
        result = await self.desks["rosa"].does(op, call=self.call_id, **data)
        assert result["ok"], result

    async def _picks_up(self, name: str) -> None:
        """Answer each ring, a second later; what the row is about may come in between."""
        while True:
            leg = await self.desks[name].phone.incoming.get()
            self.legs[name].append(leg)
            rings_of_the_row = name == "lea" and not self.rung["lea"].is_set()
            self.rung[name].set()
            if name in self.lets_ring:
                continue
            if rings_of_the_row and self.row.moment == "ringing":
                await asyncio.sleep(PICKS_UP_SECONDS / 2)
                await self.deed()
            await asyncio.sleep(PICKS_UP_SECONDS)
            deeds: list[Callable[[], Awaitable[None]]] = [leg.answer]
            if rings_of_the_row and self.row.moment == "answers" and not self.done.is_set():
                deeds.append(self.deed)
            for deed in deeds:
                with contextlib.suppress(CallEnded):
                    if name not in self.lost_at or deed == self.deed:
                        await deed()

    async def _during_or_after(self) -> None:
        row, rosa = self.row, self.desks["rosa"]
        if row.kind in BEGUN:
            await rosa.sees(BEGUN[row.kind], 8)
        else:
            await self.desks["lea"].sees("call.connected", 8)
        await asyncio.sleep(LASTS_SECONDS)
        await self._who_hears_whom_meanwhile()
        if row.moment == "after" and row.kind in ENDS:
            await self._does(*ENDS[row.kind])
            await rosa.sees("call.ended" if row.kind == "together" else "call.held", 4)
            await asyncio.sleep(LASTS_SECONDS)
        await self.deed()

    async def _who_hears_whom_meanwhile(self) -> None:
        call, at_rosa = self.caller.call, self.legs["rosa"][-1]
        if self.row.kind == "hold":
            await until(lambda: not self.company(), 3, "on hold, the caller hears nobody")
            return
        at_lea = self.legs["lea"][-1]
        if self.row.kind.startswith("cold"):
            wanted = [(call, {"lea"}), (at_lea, {"caller"})]
        elif self.row.kind == "together":
            wanted = [
                (call, {"rosa", "lea"}),
                (at_rosa, {"caller", "lea"}),
                (at_lea, {"caller", "rosa"}),
            ]
        else:
            wanted = [(at_rosa, {"lea"}), (at_lea, {"rosa"}), (call, set())]

        await until(
            lambda: all(self.heard_by(ear) == heard for ear, heard in wanted),
            3,
            lambda: f"they hear {[self.heard_by(ear) for ear, _ in wanted]}, not {wanted}",
        )

    def heard_by(self, ear: PhoneCall) -> set[str]:
        """Whom somebody hears now."""
        return self.company() if ear is self.caller.call else hears_now(ear)

    def company(self) -> set[str]:
        """Whom the caller hears now; the music has notes of their own pitch."""
        return hears_now(self.caller.call) & set(AGENTS)

    async def deed(self) -> None:
        """What the row is about."""
        row = self.row
        legs = [self.caller.call] if row.party == "caller" else self.legs[row.party]
        self.legs_before = len(legs)
        if row.what == "lost":
            self.lost_at[row.party] = time.monotonic()
            if row.party != "caller":
                self.desks[row.party].phone.answering = "ignore"
        self.done.set()
        for leg in legs:
            if row.what == "lost" and leg.state != "ended":
                leg.vanish()
            elif row.what != "lost":
                await leg.hang_up()

    # -- how it ends

    async def _fate(self) -> None:
        row, call = self.row, self.caller.call
        if row.with_ in ("gone", "farewell"):
            if row.with_ == "farewell":
                await call.ended(FATE_SECONDS_MAX)
                assert call.ended_at is not None
                heard = call.heard(self.ordered_at, call.ended_at)
                assert self.line.likeness(heard, "fr/au-revoir") >= 0.75, "no goodbye"
            await self.line.until(self.line.is_quiet, QUIET_SECONDS_MAX, "all freed")
        if row.party in row.with_.split("+"):  # they are rung again
            legs = self.legs[row.party]
            await until(lambda: len(legs) > self.legs_before, FATE_SECONDS_MAX, "rung again")
        wanted = [(row.rosa_ends[1], row.lea_ends[1])]
        if row.key[1:] == ("lea", "hangs up", "answers") and row.kind in BEGUN:
            # Gone, perhaps, before anybody heard that she had answered: as one nobody answered.
            unanswered = row_of(row.kind, "lea", "no answer", "answers")
            wanted.append((unanswered.rosa_ends[1], unanswered.lea_ends[1]))
        await until(
            lambda: any(same_screens(self.screens(), screens) for screens in wanted),
            FATE_SECONDS_MAX,
            lambda: f"screens {self.screens()}, wanted {wanted}",
        )
        if row.with_ not in ("gone", "farewell"):
            with_ = {"music": set[str]()}.get(row.with_, set(row.with_.split("+")))
            await until(
                lambda: self.company() == with_,
                FATE_SECONDS_MAX,
                lambda: f"the caller hears {self.company()}, not {with_}",
            )
            await asyncio.sleep(LASTS_SECONDS)
            await until(
                lambda: heard_lately(call) & set(AGENTS) == with_,
                SETTLED_SECONDS_MAX,
                lambda: f"the caller does not stay with {with_}: {heard_lately(call)}",
            )
            for name in AGENTS:
                for leg in self.legs[name]:
                    if leg.state == "up":
                        heard = "caller" in heard_lately(leg)
                        assert heard == (name in with_), f"{name} hears the caller: {heard}"
        for name in self.lost_at.keys() - {"caller"}:
            await self.desks[name].phone.unregister()  # the engine would see it within 33 s
        await until(
            lambda: self.presences() == (row.rosa_ends[0], row.lea_ends[0]),
            6,
            lambda: f"they are {self.presences()}, wanted {row.rosa_ends[0], row.lea_ends[0]}",
        )

    def screens(self) -> tuple[str, ...]:
        """The last words on the screens of rosa and lea."""
        desks = [self.desks[name] for name in ("rosa", "lea")]
        return tuple(screen_word([(f["type"], f["data"]) for _, f in d.frames]) for d in desks)

    def presences(self) -> tuple[str, ...]:
        """What rosa and lea are."""
        return tuple(presence_word(*self.desks[name].presence()) for name in ("rosa", "lea"))

    # -- what was heard all along

    def judge(self) -> None:
        """Nobody was left in silence, and nobody heard whom they must not."""
        call = self.caller.call
        until_ = min(call.ended_at or time.monotonic(), time.monotonic())
        if "caller" not in self.lost_at:
            most = PULLED_OUT_SECONDS_MAX if self.lost_at else SILENT_SECONDS_MAX
            if self.row.dead_phone:  # nobody else speaks to them until the engine notices
                most += SOUND_LOST_SECONDS + 1
            silences = call.silences(self.ordered_at, until_, longer_than_s=most)
            told = [(round(at - self.ordered_at, 1), round(s, 1)) for at, s in silences]
            assert told == [], f"the caller heard nothing: {told}"
        caller_hears = heard_all_along(call, self.ordered_at, until_)
        for one, other in ((a, b) for a in AGENTS for b in AGENTS if a < b):
            both = overlap(caller_hears[one], caller_hears[other])
            assert self.row.kind == "together" or not both, f"hears {one} and {other}: {both}"
        for since, until_held in self._held():
            for name in AGENTS:
                heard = overlap(caller_hears[name], [(since, until_held)])
                assert not heard, f"on hold, the caller hears {name}: {heard}"
        for name in AGENTS:
            hears_caller: list[tuple[float, float]] = []
            for leg in self.legs[name]:
                end = min(leg.ended_at or until_, until_)
                hears_caller += heard_all_along(leg, self.ordered_at, end)["caller"]
            wrong = apart(hears_caller, caller_hears[name])
            assert not wrong, f"{name} hears a caller who does not hear them: {wrong}"
            wrong = apart(caller_hears[name], hears_caller)
            assert not wrong, f"the caller hears {name}, who does not hear them: {wrong}"

    def _held(self) -> list[tuple[float, float]]:
        """When the caller was on hold, as rosa's screen was told."""
        told = [
            (at, frame["data"].get("on", False))
            for at, frame in self.desks["rosa"].frames
            if frame["type"] in ("call.held", "call.ended")
        ]
        ends = [*told, (time.monotonic(), False)]
        return [
            (at + APART_SECONDS_MAX, next_at - APART_SECONDS_MAX)
            for (at, on), (next_at, _) in pairwise(ends)
            if on
        ]


# -- ears --------------------------------------------------------------------------------


def hears(call: PhoneCall, since: float, until: float) -> set[str]:
    """Who is heard between two instants."""
    sound = call.heard(since, until)
    whole = rms_dbfs(sound)
    levels = {name: tone_level(sound, hz) for name, hz in HZ.items()}
    return {name for name, level in levels.items() if level > -35 and level - whole > -9}


def hears_now(call: PhoneCall) -> set[str]:
    """Who is heard now."""
    now = time.monotonic() - 0.05
    return hears(call, now - WINDOW_SECONDS, now)


def heard_lately(call: PhoneCall) -> set[str]:
    """Who has been heard for a while."""
    now = time.monotonic() - READ_SECONDS
    return hears(call, now - LASTS_SECONDS, now)


def heard_all_along(
    call: PhoneCall, since: float, until: float
) -> dict[str, list[tuple[float, float]]]:
    """Who was heard, from when to when."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in HZ}
    at = since
    while at + WINDOW_SECONDS <= until:
        end = at + WINDOW_SECONDS
        for name in hears(call, at, end):
            if found[name] and found[name][-1][1] > at - WINDOW_SECONDS / 2:
                found[name][-1] = found[name][-1][0], end
            else:
                found[name].append((at, end))
        at = end
    return found


def overlap(
    some: list[tuple[float, float]], others: list[tuple[float, float]]
) -> list[tuple[float, float]]:
    """Where both are, for long enough to be meant."""
    both = [(max(a, c), min(b, d)) for a, b in some for c, d in others]
    return [(a, b) for a, b in both if b - a >= HEARD_SECONDS_MIN]


def apart(
    some: list[tuple[float, float]], others: list[tuple[float, float]]
) -> list[tuple[float, float]]:
    """Where the ones are and the others are not, for long enough to be meant."""
    wide = sorted((a - APART_SECONDS_MAX, b + APART_SECONDS_MAX) for a, b in others)
    left: list[tuple[float, float]] = []
    for begin, end in some:
        at = begin
        for a, b in wide:
            if b > at and a < end:
                if a > at:
                    left.append((at, a))
                at = max(at, b)
        if at < end:
            left.append((at, end))
    return [(a, b) for a, b in left if b - a >= HEARD_SECONDS_MIN]


async def until(
    true: Callable[[], bool], seconds_max: float, what: str | Callable[[], str]
) -> None:
    """Wait until something is true of what these people hear and see."""
    end = time.monotonic() + seconds_max
    while not true():
        if time.monotonic() > end:
            said = what if isinstance(what, str) else what()
            raise AssertionError(f"after {seconds_max} s: {said}")
        await asyncio.sleep(0.05)


@asynccontextmanager
async def people(line: Line, row: Row) -> AsyncIterator[Handed]:
    """rosa and lea at work, remy about to be, and somebody who calls."""
    async with AsyncExitStack() as stack:
        desks = {
            name: await stack.enter_async_context(line.agent(name, hz=HZ[name])) for name in AGENTS
        }
        await desks["remy"].be("NOT_READY", "pause")
        caller = await stack.enter_async_context(a_caller(line, hz=HZ["caller"]))
        yield Handed(line, row, caller, desks)
