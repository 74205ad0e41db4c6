"""The journal: what happened, written to disk the instant it happens, before anything else.

One line of JSON per entry, in small files (segments) whose names carry the number
of their first entry. The database is copied from here, in order, when it can; what was
copied is let go of, except what the calls still open need.
Entries survive a killed process at once and a power cut after ``SYNC_SECONDS_MAX``.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from cti import clock

log = logging.getLogger(__name__)

SYNC_SECONDS_MAX = 0.05
RETRY_SECONDS = 1.0
SEGMENT_BYTES_MAX = 1_000_000
SEGMENT_AGE_SECONDS_MAX = 3600.0  # sealed numbers do not linger here once they are copied
ENTRIES_IN_MEMORY_MAX = 10_000

_SEGMENT = re.compile(r"(?P<journal>[0-9a-f]{32})-(?P<first>[0-9]{16})\.jsonl")


@dataclass(frozen=True)
class Entry:
    """One thing that happened. Numbers follow each other without a hole, from 1."""

    number: int
    at: datetime
    op: str
    data: dict[str, Any]


@dataclass(frozen=True)
class _Segment:
    path: Path
    journal_id: str
    first: int


class Journal:
    """The journal kept in one folder. One process at a time may open it.

    ``degraded`` is true while entries are held in memory because the disk refuses them.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()
        self._recent: deque[Entry] = deque(maxlen=ENTRIES_IN_MEMORY_MAX)
        self._unwritten: deque[bytes] = deque(maxlen=ENTRIES_IN_MEMORY_MAX)
        self._disk_refuses = False
        self._sync_fails = False
        self._roll_wanted = False
        self._written = threading.Event()
        self._closing = threading.Event()
        segments = _segments(self._folder)
        self.id = segments[-1].journal_id if segments else uuid.uuid4().hex
        self.last_number = 0
        if segments:
            whole = _cut_broken_tail(segments[-1].path)
            self.last_number = max([segments[-1].first - 1, *(e.number for e in whole)])
        self._open_segment()
        _sync_folder(folder)
        self._syncer = threading.Thread(target=self._keep_synced, name="journal", daemon=True)
        self._syncer.start()

    @property
    def degraded(self) -> bool:
        """True while the disk refuses entries, which then live in memory only."""
        return self._disk_refuses or self._sync_fails

    def append(self, op: str, data: dict[str, Any]) -> int:
        """Write one entry and return its number.

        Returns once the operating system has it, in well under a millisecond; never raises
        for a full or failing disk. ``data`` must be what JSON can hold.
        """
        at = clock.now()
        with self._lock:
            number = self.last_number + 1
            line = json.dumps(
                {"n": number, "at": at.isoformat(), "op": op, "data": data}, separators=(",", ":")
            )
            self.last_number = number
            self._recent.append(Entry(number, at, op, data))
            if len(self._unwritten) == ENTRIES_IN_MEMORY_MAX:
                log.error("journal.entry_lost", extra={"number": number - ENTRIES_IN_MEMORY_MAX})
            self._unwritten.append(line.encode() + b"\n")
            self._write_what_waits()
        self._written.set()
        return number

    def read(self, from_number: int, entries_max: int | None = None) -> list[Entry]:
        """The entries from ``from_number`` on, in order, at most ``entries_max``.

        A line that cannot be read is left out. May be called from any thread.
        """
        with self._lock:
            recent = list(self._recent)
            before_recent = (recent[0].number if recent else self.last_number + 1) - 1
        found: list[Entry] = []
        if from_number <= before_recent:
            segments = _segments(self._folder)
            after = [*(segment.first for segment in segments[1:]), before_recent + 1]
            for segment, next_first in zip(segments, after, strict=True):
                if next_first > from_number and segment.first <= before_recent:
                    on_disk = _entries(segment.path)
                    found += [e for e in on_disk if from_number <= e.number <= before_recent]
                if entries_max is not None and len(found) >= entries_max:
                    return found[:entries_max]
        found += [entry for entry in recent if entry.number >= from_number]
        return found[:entries_max]

    def first_kept(self, up_to: int) -> int:
        """The first entry that ``forget(up_to)`` would leave on disk now."""
        firsts = [segment.first for segment in _segments(self._folder)]
        return max([first for first in firsts if first <= up_to + 1], default=1)

    def forget(self, up_to: int, keep_from: int | None = None) -> None:
        """Let go of files whose every entry is at or before ``up_to``: they are in the database.

        A file in use is let go of later, once another has taken its place. One that holds
        ``keep_from``, or a later entry, stays.
        """
        gone_before = up_to + 1 if keep_from is None else min(up_to + 1, keep_from)
        with self._lock:
            old = time.monotonic() - self._opened > SEGMENT_AGE_SECONDS_MAX
            self._roll_wanted = old and self.last_number >= self._first
            while self._recent and self._recent[0].number <= up_to:
                self._recent.popleft()
        if self._roll_wanted:
            self._written.set()
        segments = _segments(self._folder)
        for segment, following in pairwise(segments):
            if following.first <= gone_before:
                segment.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Stop; returns when every entry the disk accepts is safe on it."""
        self._closing.set()
        self._written.set()
        self._syncer.join()
        os.close(self._fd)

    def _open_segment(self) -> None:
        """Start a file named after the next entry; the name alone keeps the numbers going."""
        first = self.last_number + 1
        path = self._folder / f"{self.id}-{first:016d}.jsonl"
        self._fd = os.open(path, os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o600)
        self._first = first
        self._size = os.fstat(self._fd).st_size
        self._opened = time.monotonic()
        self._roll_wanted = False

    def _write_what_waits(self) -> None:
        """Write the lines not on disk yet, oldest first; stop quietly where the disk refuses."""
        while self._unwritten:
            line = self._unwritten[0]
            try:
                if os.write(self._fd, line) < len(line):
                    os.ftruncate(self._fd, self._size)  # no half line before the next one
                    raise OSError("short write")
            except OSError:
                if not self._disk_refuses:
                    log.error("journal.disk_refuses")
                self._disk_refuses = True
                return
            self._size += len(line)
            self._unwritten.popleft()
        if self._disk_refuses:
            log.warning("journal.disk_accepts_again")
        self._disk_refuses = False

    def _keep_synced(self) -> None:
        """In its own thread: make what was written safe against a power cut, in groups."""
        while not self._closing.is_set():
            self._written.wait(RETRY_SECONDS if self.degraded else None)
            self._written.clear()
            self._sync()
            self._closing.wait(SYNC_SECONDS_MAX)
        self._sync()

    def _sync(self) -> None:
        try:
            with self._lock:
                self._write_what_waits()
                previous = self._fd
                if self._size > SEGMENT_BYTES_MAX or self._roll_wanted:
                    self._open_segment()
            # Outside the lock: the disk may take its time, an append may not.
            os.fsync(previous)
            if previous != self._fd:
                os.close(previous)
                _sync_folder(self._folder)
            self._sync_fails = False
        except OSError:
            if not self._sync_fails:
                log.error("journal.sync_failed")
            self._sync_fails = True


def read_beside(folder: Path) -> list[tuple[str, Entry]]:
    """What a journal holds now, with its id, for a program beside the one that writes it."""
    found = []
    for segment in _segments(folder) if folder.is_dir() else []:
        found += [(segment.journal_id, entry) for entry in _entries(segment.path)]
    return found


def _segments(folder: Path) -> list[_Segment]:
    found = []
    for path in folder.iterdir():
        match = _SEGMENT.fullmatch(path.name)
        if match:
            found.append(_Segment(path, match["journal"], int(match["first"])))
    return sorted(found, key=lambda segment: segment.first)


def _sync_folder(folder: Path) -> None:
    """Make the names of new files safe against a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _cut_broken_tail(path: Path) -> list[Entry]:
    """Remove a last line a crash left unfinished; the next entry must start on its own line."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
        log.warning("journal.broken_tail_removed")
    return _entries(path)


def _entries(path: Path) -> list[Entry]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []  # forgotten while we were reading
    entries = []
    for line in content.split(b"\n")[:-1]:
        try:
            raw = json.loads(line)
            at = datetime.fromisoformat(raw["at"])
            entries.append(Entry(int(raw["n"]), at, str(raw["op"]), dict(raw["data"])))
        except (ValueError, KeyError, TypeError):
            log.error("journal.line_unreadable")
    return entries
