"""Promises of the journal: what is written stays, in order, whatever dies around it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cti.records import journal as journal_module
from cti.records.journal import Journal

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    opened = Journal(folder)
    yield opened
    opened.close()


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def numbers(journal: Journal, from_number: int = 1, entries_max: int | None = None) -> list[int]:
    return [entry.number for entry in journal.read(from_number, entries_max)]


def until(true: Callable[[], bool], seconds_max: float = 3.0) -> None:
    deadline = time.monotonic() + seconds_max
    while not true():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


def test_entries_are_numbered_from_one_without_a_hole(journal: Journal) -> None:
    assert [journal.append("call.opened", {"call_id": str(n)}) for n in range(5)] == [1, 2, 3, 4, 5]
    assert [entry.data["call_id"] for entry in journal.read(3)] == ["2", "3", "4"]
    assert numbers(journal, 2, entries_max=2) == [2, 3]


def test_numbers_go_on_after_a_restart_under_the_same_journal_id(folder: Path) -> None:
    first = Journal(folder)
    first.append("event", {})
    first.append("event", {})
    first.close()
    second = Journal(folder)
    assert second.id == first.id
    assert second.append("event", {}) == 3
    assert numbers(second) == [1, 2, 3]
    second.close()


def test_what_was_appended_survives_kill_9(folder: Path) -> None:
    script = (
        "import os, sys, pathlib\n"
        "from cti.records.journal import Journal\n"
        "journal = Journal(pathlib.Path(sys.argv[1]))\n"
        "for n in range(500): journal.append('event', {'n': n})\n"
        "os.kill(os.getpid(), 9)\n"
    )
    died = subprocess.run([sys.executable, "-c", script, folder], cwd=ROOT, check=False)
    assert died.returncode == -signal.SIGKILL
    survivor = Journal(folder)
    assert [entry.data["n"] for entry in survivor.read(1)] == list(range(500))
    assert survivor.append("event", {}) == 501
    survivor.close()


@pytest.mark.parametrize("whole", [0, 1, 2])
def test_a_last_line_cut_by_a_crash_is_left_out_and_does_not_spoil_the_next(
    folder: Path, whole: int
) -> None:
    first = Journal(folder)
    for n in range(whole + 1):
        first.append("event", {"n": n})
    first.close()
    (path,) = files(folder)
    path.write_bytes(path.read_bytes()[:-9])
    second = Journal(folder)
    assert second.append("event", {"n": "next"}) == whole + 1
    second.close()
    third = Journal(folder)
    assert [entry.data["n"] for entry in third.read(1)] == [*range(whole), "next"]
    third.close()


def test_a_damaged_line_costs_that_line_alone(folder: Path) -> None:
    first = Journal(folder)
    for n in range(3):
        first.append("event", {"n": n})
    first.close()
    (path,) = files(folder)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = b"\0" * (len(lines[1]) - 1) + b"\n"
    path.write_bytes(b"".join(lines))
    second = Journal(folder)
    assert numbers(second) == [1, 3]
    second.close()


def test_appending_never_waits_for_the_disk_to_sync(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_fsync = os.fsync
    journal = Journal(folder)
    syncing: list[float] = []

    def slow(fd: int) -> None:
        syncing.append(time.monotonic())
        time.sleep(0.15)
        real_fsync(fd)

    monkeypatch.setattr(os, "fsync", slow)
    journal.append("event", {})
    until(lambda: bool(syncing))
    before = time.monotonic()
    journal.append("event", {})
    assert time.monotonic() - before < 0.1
    journal.close()


def test_entries_reach_the_disk_in_groups_within_50_ms(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[float] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(time.monotonic()))
    started = time.monotonic()
    for _ in range(200):
        journal.append("event", {})
    appended = time.monotonic()
    until(lambda: bool(synced) and synced[-1] >= appended)
    assert synced[-1] - appended < 0.15  # 50 ms, and what a busy machine adds
    assert len(synced) <= (time.monotonic() - started) / journal_module.SYNC_SECONDS_MAX + 2


class FullDisk:
    """Takes the bytes there is room for, then refuses, as a full disk does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room_bytes: int) -> None:
        self.room_bytes = room_bytes
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, fd: int, data: bytes) -> int:
        fits = data[: self.room_bytes]
        if not fits:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room_bytes -= len(fits)
        return self._write(fd, fits)


def test_a_full_disk_loses_no_entry_and_says_so_until_there_is_room(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "RETRY_SECONDS", 0.02)
    journal = Journal(folder)
    disk = FullDisk(monkeypatch, room_bytes=200)
    for n in range(20):
        journal.append("event", {"n": n})
    assert journal.degraded
    assert numbers(journal) == list(range(1, 21))  # still there for the database

    disk.room_bytes = 10**9
    until(lambda: not journal.degraded)
    journal.close()
    after = Journal(folder)
    assert [entry.data["n"] for entry in after.read(1)] == list(range(20))
    after.close()


def test_memory_is_bounded_while_the_disk_is_full(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(folder)
    FullDisk(monkeypatch, room_bytes=0)
    for _ in range(journal_module.ENTRIES_IN_MEMORY_MAX + 50):
        journal.append("event", {})
    assert len(journal.read(1)) == journal_module.ENTRIES_IN_MEMORY_MAX
    journal.close()


def test_long_outages_are_read_back_from_disk_when_memory_no_longer_holds_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "ENTRIES_IN_MEMORY_MAX", 10)
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES_MAX", 2_000)
    monkeypatch.setattr(journal_module, "SYNC_SECONDS_MAX", 0.001)
    journal = Journal(folder)
    while len(files(folder)) < 4:
        journal.append("event", {"padding": "x" * 50})
        time.sleep(0)
    last = journal.last_number
    assert numbers(journal) == list(range(1, last + 1))
    position, seen = 0, []
    while batch := numbers(journal, position + 1, entries_max=7):
        seen += batch
        position = batch[-1]
    assert seen == list(range(1, last + 1))
    journal.close()


def test_files_go_once_the_database_has_all_they_hold_and_never_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(folder)
    for _ in range(3):
        journal.append("event", {})
    monkeypatch.setattr(journal_module, "SEGMENT_AGE_SECONDS_MAX", 0.0)
    journal.forget(2)
    until(lambda: len(files(folder)) == 2)
    journal.forget(2)
    assert numbers(journal) == [1, 2, 3]
    journal.forget(3)
    assert len(files(folder)) == 1
    assert numbers(journal) == []
    assert journal.append("event", {}) == 4
    journal.close()
    reopened = Journal(folder)
    assert (reopened.id, reopened.append("event", {})) == (journal.id, 5)
    reopened.close()


def test_numbers_go_on_when_every_old_file_is_gone(folder: Path) -> None:
    first = Journal(folder)
    first.append("event", {})
    first.close()
    second = Journal(folder)  # a new file, still empty
    second.forget(1)
    second.close()
    assert len(files(folder)) == 1
    third = Journal(folder)
    assert third.append("event", {}) == 2
    third.close()


def test_a_disk_that_cannot_sync_is_said(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(fd: int) -> Any:
        raise OSError(errno.EIO, "I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", broken)
        journal.append("event", {})
        until(lambda: journal.degraded)
    journal.append("event", {})
    until(lambda: not journal.degraded)


def test_only_our_account_can_read_the_journal(journal: Journal, folder: Path) -> None:
    journal.append("event", {})
    assert all(path.stat().st_mode & 0o077 == 0 for path in [folder, *files(folder)])
