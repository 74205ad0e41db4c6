"""An event loop in virtual time: an hour in a second, any order of steps, a crash between any two.

Time stands still while something can run and jumps to the next timer when nothing can.
Chance comes from one seeded source and nothing depends on the addresses of objects, so
that a seed replays exactly, in any process.

A handle belongs to the *life* in whose context it was scheduled. A life that is killed
runs nothing any more: no ``except``, no ``finally``. One that is frozen runs its handles
when it is thawed. Whatever belongs to no life is the world, and goes on.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import sys
import warnings
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")
STEPS_AT_ONCE_MAX = 200_000  # more at one moment, and time would never go on
CLOSED_TRIES_MAX = 20
REACH = 4  # out of how many that may run the next is picked, when order is left to chance


class Stuck(Exception):
    """Nothing can run any more, or time no longer goes on."""


class Life:
    """One life of a process inside the simulation."""

    __slots__ = ("crash_at", "frozen", "graves", "held", "killed", "on_crash", "steps")

    def __init__(self, on_crash: Callable[[], None], crash_at: int | None = None) -> None:
        self.on_crash = on_crash
        self.crash_at = crash_at  # before which of its steps it is killed
        self.steps = 0
        self.killed = False
        self.frozen = False
        self.held: list[Handle] = []  # what a frozen life will run
        self.graves: list[asyncio.Task[Any]] = []  # kept, so that nothing of it ends properly


LIFE: ContextVar[Life | None] = ContextVar("LIFE", default=None)


class Handle(asyncio.TimerHandle):
    """Something to run, now or at a time."""

    __slots__ = ("life",)

    def __init__(  # the parent's own would ask for the loop's debug mode each time
        self, callback: Callable[..., object], args: Any, context: Context, when: float
    ) -> None:
        self._callback = callback
        self._args = args
        self._context = context
        self._when = when
        self._cancelled = False
        self.life: Life | None = context.get(LIFE)

    def cancel(self) -> None:
        """Never run this."""
        self._cancelled = True
        self._callback = None  # type: ignore[assignment]
        self._args = ()

    def __repr__(self) -> str:
        return f"<Handle {self._callback}>"


class Task(asyncio.Task[T]):
    """A task with a number for a hash: sets of tasks have the same order in every process."""

    def __init__(
        self, coro: Coroutine[Any, Any, T], loop: VirtualLoop, context: Context | None
    ) -> None:
        self.number = next(loop.numbers)
        self.life = LIFE.get() if context is None else context.get(LIFE)
        super().__init__(coro, loop=loop, name="task", context=context)

    def __hash__(self) -> int:
        return self.number


class Future(asyncio.Future[T]):
    """A future with a number for a hash."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.number = next(loop.numbers)
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self.number


class VirtualLoop(asyncio.AbstractEventLoop):
    """The loop. ``any_order``: among what may run now, chance picks the next."""

    def __init__(self, chance: Random, any_order: bool = False) -> None:
        self.numbers = itertools.count(1)
        self.steps = 0
        self.trouble: list[dict[str, Any]] = []  # what nobody caught
        self._chance = chance
        self._any_order = any_order
        self._now = 0.0
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[float, float, Handle]] = []
        self._closed = False

    # -- what asyncio asks of a loop ------------------------------------------

    def time(self) -> float:
        """Virtual seconds since the world began."""
        return self._now

    def get_debug(self) -> bool:
        """Never: this loop is made to be quick."""
        return False

    def is_running(self) -> bool:
        """Whether the world goes on."""
        return not self._closed

    def is_closed(self) -> bool:
        """Whether the world is over."""
        return self._closed

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        """Run this as soon as possible."""
        handle = Handle(callback, args, copy_context() if context is None else context, self._now)
        if not self._closed:
            self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Handle:
        """Run this at a time."""
        handle = Handle(callback, args, copy_context() if context is None else context, when)
        number = self._chance.random() if self._any_order else next(self.numbers)
        heappush(self._timers, (when, number, handle))
        return handle

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Handle:
        """Run this after a while."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return Future(self)

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str | None = None,  # noqa: ARG002 -- part of the interface
        context: Context | None = None,
    ) -> Task[T]:
        """A task of this loop."""
        return Task(coro, self, context)

    def run_in_executor(  # type: ignore[override]
        self,
        executor: None,  # noqa: ARG002 -- part of the interface
        func: Callable[..., T],
        *args: Any,
    ) -> asyncio.Future[T]:
        """Run this at once: there are no threads here."""
        done: asyncio.Future[T] = Future(self)
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 -- handed to whoever waits for it
            done.set_exception(error)
        return done

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what nobody caught."""
        life = LIFE.get()
        if not self._closed and not (life is not None and life.killed):
            self.trouble.append(context)

    # -- lives -----------------------------------------------------------------

    def kill(self, life: Life) -> None:
        """Nothing of this life runs ever again, not even its ends."""
        life.killed = True
        life.held.clear()
        life.graves = [
            task for task in asyncio.all_tasks(self) if isinstance(task, Task) and task.life is life
        ]
        life.on_crash()

    def thaw(self, life: Life) -> None:
        """What a frozen life should have run meanwhile, it runs now."""
        life.frozen = False
        self._ready.extend(life.held)
        life.held.clear()

    # -- running ---------------------------------------------------------------

    def run_until(self, end: float) -> None:
        """Live until that time. Raises Stuck."""
        asyncio._set_running_loop(self)
        try:
            while self._now < end:
                self._run_ready()
                self._jump(end)
        finally:
            asyncio._set_running_loop(None)

    def _run_ready(self) -> None:
        ready, chance = self._ready, self._chance.random
        steps_before = self.steps
        while ready:
            if self._any_order and len(ready) > 1:
                ready.rotate(-int(chance() * min(len(ready), REACH)))
            handle = ready.popleft()
            if handle._cancelled:
                continue
            life = handle.life
            if life is not None:
                if life.killed:
                    continue
                if life.frozen:
                    life.held.append(handle)
                    continue
                life.steps += 1
                if life.steps == life.crash_at:
                    self.kill(life)
                    continue
            self.steps += 1
            try:
                handle._context.run(handle._callback, *handle._args)
            except Exception as error:  # noqa: BLE001 -- as in any loop: told, and on it goes
                self.call_exception_handler({"message": repr(handle), "exception": error})
            if self.steps - steps_before > STEPS_AT_ONCE_MAX:
                raise Stuck(f"at {self._now:.3f} s time does not go on: {handle!r}")

    def _jump(self, end: float) -> None:
        """To the next moment at which something may run."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heappop(timers)
        if not timers or timers[0][0] >= end:
            self._now = end
            return
        self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            handle = heappop(timers)[2]
            if not handle._cancelled:
                self._ready.append(handle)

    def close(self) -> None:
        """The end of the world: what is left in it ends here, unheard."""
        self._closed = True
        self._ready.clear()
        self._timers.clear()
        hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # never awaited: dead before
                for task in asyncio.all_tasks(self):
                    task._log_destroy_pending = False  # type: ignore[attr-defined]
                    _end(task.get_coro())
        finally:
            sys.unraisablehook = hook


def _end(coroutine: Generator[Any, Any, Any] | Coroutine[Any, Any, Any] | None) -> None:
    """Close a coroutine that may wait again while it is being closed."""
    for _ in range(CLOSED_TRIES_MAX):
        try:
            if coroutine is not None:
                coroutine.close()
            return
        except BaseException:  # noqa: BLE001, S112 -- nothing of it matters any more
            continue


def outside() -> Context:
    """A context that belongs to no life."""
    return contextvars.Context()
