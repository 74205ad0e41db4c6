"""The evidence of a soak: one line of JSON per observation, written by phones and by faults.

Everything is dated in seconds of this machine's monotonic clock, which all its processes
share; ``clock`` lines tie it to the hour of the day, as databases and logs write it.
"""

from __future__ import annotations

import bisect
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

FILE = "evidence.jsonl"
SAMPLE_SECONDS = 0.2


class Evidence:
    """A file that several processes may write to at once, a whole line at a time."""

    def __init__(self, folder: Path) -> None:
        self._fd = os.open(folder / FILE, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def write(self, what: str, at: float | None = None, /, **fields: Any) -> None:
        line = {"e": what, "t": round(time.monotonic() if at is None else at, 3), **fields}
        os.write(self._fd, json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def clock(self) -> None:
        self.write("clock", utc=datetime.now(UTC).isoformat())


class Sample(NamedTuple):
    """What one phone heard during 0.2 s."""

    at: float  # when it began
    rms: float
    tones: tuple[str, ...]  # whose voice: every phone of the soak speaks one tone of its own
    kind: str  # tone, voice, music or silence
    gap_ms: float  # the longest wait for a packet


@dataclass
class SeenCall:
    """One call as the phone that made or took it lived it."""

    id: str  # SIP Call-ID
    who: str
    side: str  # caller, agent or control
    began_at: float
    plan: str = ""
    answered_at: float | None = None
    ended_at: float | None = None
    ended_by: str = ""  # us (this phone) or them (the line)
    status: Any = None
    goodbye: bool = False  # the last words were a closing message
    samples: list[Sample] = field(default_factory=list)
    silences: list[tuple[float, float]] = field(default_factory=list)  # from, to
    keys: list[tuple[float, str]] = field(default_factory=list)
    vanished_at: float | None = None  # this phone's network was lost

    @property
    def until(self) -> float:
        return self.ended_at if self.ended_at is not None else float("inf")

    def talks(self) -> list[tuple[str, float, float]]:
        """(whose tone, from, to): two samples in a row at least."""
        found: list[tuple[str, float, float]] = []
        open_: dict[str, tuple[float, float, int]] = {}
        for sample in self.samples:
            for who in sample.tones:
                since, last, count = open_.get(who, (sample.at, sample.at, 0))
                # A tone that comes back within two seconds is the same talk.
                if sample.at - last > 2.0:
                    if count >= 2:
                        found.append((who, since, last + SAMPLE_SECONDS))
                    since, count = sample.at, 0
                open_[who] = (since, sample.at, count + 1)
        found += [(w, s, e + SAMPLE_SECONDS) for w, (s, e, n) in open_.items() if n >= 2]
        return sorted(found, key=lambda talk: talk[1])


class Fault(NamedTuple):
    """Something that was broken, from when to when it was whole again."""

    kind: str
    start: float
    end: float
    about: str = ""

    def touches(self, since: float, until: float) -> bool:
        return self.start <= until and self.end >= since


class Frame(NamedTuple):
    """What an agent's screen was sent."""

    at: float
    agent: str
    type: str
    data: dict[str, Any]
    seq: int


@dataclass
class Run:
    """All the evidence of a run, read."""

    plan: dict[str, Any] = field(default_factory=dict)
    calls: dict[str, SeenCall] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    acks: list[tuple[float, str, int]] = field(default_factory=list)  # when, who, up to
    stays: list[tuple[float, str]] = field(default_factory=list)  # when, who: asked for a third
    screens: list[tuple[float, str, bool]] = field(default_factory=list)
    quiet: dict[str, Any] = field(default_factory=dict)
    load: list[dict[str, Any]] = field(default_factory=list)
    late: list[tuple[float, float]] = field(default_factory=list)  # the phones' own stalls
    records: list[dict[str, Any]] = field(default_factory=list)  # rows of ``calls``, with legs
    log: list[dict[str, Any]] = field(default_factory=list)  # the controller's events
    began_at: float = 0.0
    ended_at: float = 0.0
    _clocks: list[tuple[float, float]] = field(default_factory=list)  # monotonic, epoch

    def side(self, side: str) -> list[SeenCall]:
        return [call for call in self.calls.values() if call.side == side]

    def monotonic(self, epoch: float) -> float:
        """The monotonic instant of a time of the day, by the nearest of the clock lines."""
        if not self._clocks:
            return epoch
        place = bisect.bisect([e for _, e in self._clocks], epoch)
        mono, known = self._clocks[min(max(place - 1, 0), len(self._clocks) - 1)]
        return mono + epoch - known

    def moment(self, stamp: str | None) -> float | None:
        """The monotonic instant of what a database or a log wrote; UTC when it names no zone."""
        if not stamp:
            return None
        parsed = datetime.fromisoformat(stamp)
        parsed = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        return self.monotonic(parsed.timestamp())

    def broken(self, kinds: frozenset[str], since: float, until: float) -> list[Fault]:
        return [f for f in self.faults if f.kind in kinds and f.touches(since, until)]


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Every whole line of a file of JSON lines; others are passed over."""
    if not path.exists():
        return
    with path.open(errors="replace") as file:
        for line in file:
            try:
                read = json.loads(line)
            except ValueError:
                continue
            if isinstance(read, dict):
                yield read


def read(folder: Path) -> Run:
    """Read the evidence file of a folder, and the plan beside it."""
    run = Run()
    plan = folder / "plan.json"
    if plan.exists():
        run.plan = json.loads(plan.read_text())
    started: dict[int, dict[str, Any]] = {}
    for line in lines(folder / FILE):
        run.began_at = run.began_at or line["t"]
        run.ended_at = max(run.ended_at, line["t"])
        _take(run, line, started)
    # A fault that was never seen to end lasted to the end.
    run.faults += [
        Fault(f["kind"], f["t"], run.ended_at, f.get("about", "")) for f in started.values()
    ]
    run.faults.sort(key=lambda fault: fault.start)
    run.log = [line for line in lines(folder / "controller.log") if "event" in line]
    return run


def _take(run: Run, line: dict[str, Any], started: dict[int, dict[str, Any]]) -> None:
    match line["e"]:
        case "call":
            run.calls[line["call"]] = SeenCall(
                line["call"], line["who"], line["side"], line["t"], line.get("plan", "")
            )
        case "answered" | "ended" | "heard" | "silence" | "key" | "vanished":
            if (call := run.calls.get(line["call"])) is not None:
                _follow(call, line)
        case "fault":
            if line["what"] == "start":
                started[line["id"]] = line
            elif (begun := started.pop(line["id"], None)) is not None:
                about = begun.get("about", "")
                run.faults.append(Fault(begun["kind"], begun["t"], line["t"], about))
        case "frame":
            frame = line["frame"]
            run.frames.append(
                Frame(line["t"], line["agent"], frame["type"], frame["data"], frame["seq"])
            )
        case "ack":
            run.acks.append((line["t"], line["agent"], line["seq"]))
        case "screen":
            run.screens.append((line["t"], line["agent"], line["open"]))
        case "stays":
            run.stays.append((line["t"], line["agent"]))
        case "quiet":
            run.quiet = line
        case "load":
            run.load.append(line)
        case "late":
            run.late.append((line["t"], line["seconds"]))
        case "clock":
            run._clocks.append((line["t"], datetime.fromisoformat(line["utc"]).timestamp()))
        case _:
            pass


def _follow(call: SeenCall, line: dict[str, Any]) -> None:
    match line["e"]:
        case "answered":
            call.answered_at = line["t"]
        case "ended":
            call.ended_at, call.ended_by, call.status = line["t"], line["by"], line["status"]
        case "heard":
            for place, (rms, tones, kind, gap) in enumerate(line["s"]):
                at = line["t"] + place * SAMPLE_SECONDS
                call.samples.append(Sample(at, rms, tuple(tones), kind, gap))
        case "silence":
            call.silences.append((line["t"], line["to"]))
        case "key":
            call.keys.append((line["t"], line["key"]))
        case "vanished":
            call.vanished_at = line["t"]
