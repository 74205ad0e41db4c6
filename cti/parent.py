"""``fil serve``: a small parent that keeps one controller alive, and only one.

It takes an exclusive lock before anything touches the engine, starts the
controller, listens to its heartbeat, kills it when the heart stops, and starts it
again. It knows nothing of calls. The controller is a fork: with all its code already
imported, it is back in a tenth of the time that callers would otherwise wait.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Protocol

log = logging.getLogger("fil.parent")

SILENCE_SECONDS_MAX = 10.0  # a controller that says nothing for so long is hung
START_SECONDS_MAX = 30.0  # to its first sign of life
STOP_SECONDS_MAX = 5.0
RESTART_SECONDS_MIN, RESTART_SECONDS_MAX = 0.2, 5.0
STEADY_SECONDS = 3.0  # a life that lasted this long was a good one
EXIT_TRY_AGAIN = 75  # something else must come back first; the parent tries again
EXIT_REPLACED = 76  # another one serves the line now; to take it back would be a quarrel
EXIT_REFUSED = 78  # the set-up must be changed by a person; starting again is useless


class AlreadyServed(Exception):
    """Another process serves this data directory; the text names it."""


def hold(data: Path) -> int:
    """Take the data directory for this process. Raises AlreadyServed, naming the holder.

    The lock dies with the process, however it dies.
    """
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(data / "fil.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
        os.close(handle)
        raise AlreadyServed(
            f"{data} is already served by process {holder}. Stop that one first, "
            f"or set FIL_DATA to another directory."
        ) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return handle


class Child(Protocol):
    """One life of the controller, as ``subprocess.Popen`` would be."""

    def poll(self) -> int | None:
        """Its exit code once it has ended, negative for a signal; None before."""

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, when it has ended. Raises subprocess.TimeoutExpired."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it."""


class Forked:
    """A copy of this process that lives one life: ``live`` returns its exit code."""

    def __init__(self, live: Callable[[], int]) -> None:
        self._process = multiprocessing.get_context("fork").Process(target=_live, args=(live,))
        self._process.start()

    def poll(self) -> int | None:
        """Its exit code once it has ended, negative for a signal; None before."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, when it has ended. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("controller", timeout or 0.0)
        return self._process.exitcode

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it."""
        self._process.kill()


def _live(live: Callable[[], int]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.exit(live())


class Parent:
    """Starts the controller, watches it, starts it again. ``on_ready`` is called once.

    ``start`` begins one life; it is given the pipe for signs of life: (ours, the child's).
    """

    def __init__(
        self, start: Callable[[int, int], Child], on_ready: Callable[[], None] = lambda: None
    ) -> None:
        self._start = start
        self._on_ready = on_ready
        self._stopping = False
        self._was_ready = False
        self._child: Child | None = None

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT. Returns an exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        delay = RESTART_SECONDS_MIN
        while not self._stopping:
            began = time.monotonic()
            try:
                code = self._live_once()
            except OSError as error:  # no memory, no process, no file to be had just now
                log.error("controller.not_started", extra={"error": type(error).__name__})
                code = EXIT_TRY_AGAIN
            if code == EXIT_REPLACED or (code == EXIT_REFUSED and not self._was_ready):
                return code  # a line that has served is back by itself once it can be
            if self._stopping:
                break
            lasted = time.monotonic() - began
            delay = RESTART_SECONDS_MIN if lasted > STEADY_SECONDS else delay
            log.error("controller.restarting", extra={"code": code, "seconds": round(delay, 1)})
            time.sleep(delay)
            delay = min(RESTART_SECONDS_MAX, delay * 2)
        return 0

    def _live_once(self) -> int:
        """One life of the controller; returns how it ended."""
        heard, told = os.pipe()
        try:
            self._child = self._start(heard, told)
        except OSError:
            os.close(heard)
            raise
        finally:
            os.close(told)
        if self._stopping:
            self._child.terminate()  # the stop came while there was nobody to tell
        try:
            silence_max = START_SECONDS_MAX
            while True:
                readable, _, _ = select.select([heard], [], [], silence_max)
                if not readable:
                    log.error("controller.hung")
                    self._child.kill()
                    break
                beats = os.read(heard, 64)
                if not beats:
                    break
                silence_max = SILENCE_SECONDS_MAX
                if b"R" in beats and not self._was_ready:
                    self._was_ready = True
                    self._on_ready()
            return self._child.wait()
        finally:
            os.close(heard)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        """Ask the controller to stop; it leaves every call as it is."""
        self._stopping = True
        child = self._child
        if child is not None and child.poll() is None:
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(STOP_SECONDS_MAX)
                return
            child.kill()
