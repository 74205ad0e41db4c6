"""How soon the next phone rings once somebody is free, beside the engine's own ``app_queue``.

``python -m bench.distribution [ROUNDS]``. One line of its own, twelve callers waiting in each of
the two lines all the while, one agent in each; the two take turns, in another order each round.
The agent hangs up, with no wrap-up on either side, and the same phone rings for the next caller.
Also from our READY to the ring, which has no like there: a queue is told over another wire.
``app_queue`` is loaded here and nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from cti.rehearsal.phone import Phone, PhoneCall
from tests.line import Desk, Line, a_line

OURS, NATIVE = "0199005599", "0199005597"
WAITING = 12
ROUNDS, ROUNDS_MIN, WARM_UP_ROUNDS = 30, 10, 2
TALK_SECONDS = 10.5  # a shorter one that ends at the phone is a lost phone, for the line
FREE_AFTER_SECONDS = 0.5  # from a pause to being free again
RING_SECONDS_MAX = 20.0
QUEUE_PHONE = "remy"
FLOW = f"""
name: Banc d'essai
numbers: ["{OURS}"]
languages: [fr]
start: regulation
steps:
  regulation: {{line: regulators, while_waiting: musique, on_no_staff: fini,
    on_wait_longer_than: {{after: 50 min, then: fini}}}}
  ecoute: {{line: listeners, while_waiting: musique, on_no_staff: fini,
    on_wait_longer_than: {{after: 50 min, then: fini}}}}
  musique: {{wait: 30 s, then: patience}}
  patience: {{say: patience-encore, then: musique}}
  fini: {{say: au-revoir, then: fin}}
  fin: {{hang_up: true}}
"""
DIALPLAN = f"""
[from-trunk]
exten => {NATIVE},1,Answer(,i)
 same => n,Queue(bench)
 same => n,Hangup()
"""
QUEUES = f"""
[general]
[bench]
strategy = rrmemory
timeout = 20
ringinuse = no
retry = 1
wrapuptime = 0
musicclass = fil
member => PJSIP/{QUEUE_PHONE}
"""


async def keep_waiting(line: Line, number: str, index: int) -> None:
    """Somebody who calls again whenever their call is over. For ever."""
    own = f"0199{'00' if number == OURS else '01'}{index:04d}"
    async with line.caller(number=own, hz=440) as phone:
        while True:
            with contextlib.suppress(Exception):
                call = await phone.call(number)
                await call.answered(5)
                await call.ended(3600)
            await asyncio.sleep(0.3)


async def next_ring(phone: Phone) -> tuple[PhoneCall, float]:
    """The next call that rings there, and when."""
    async with asyncio.timeout(RING_SECONDS_MAX):
        ring = await phone.incoming.get()
    return ring, time.monotonic()


async def after_free(phone: Phone, pause: Step, free: Step) -> float:
    """Milliseconds from being free to the ring; the call is then refused by pausing."""
    began = time.monotonic()
    await free()
    ring, at = await next_ring(phone)
    await pause()
    with contextlib.suppress(Exception):
        await ring.decline()
    await asyncio.sleep(FREE_AFTER_SECONDS)
    return (at - began) * 1000


async def after_hang_up(phone: Phone, pause: Step, free: Step) -> float:
    """Milliseconds from the hang-up of one talk to the ring of the next."""
    await free()
    ring, _ = await next_ring(phone)
    await ring.answer()
    await asyncio.sleep(TALK_SECONDS)
    began = time.monotonic()
    await ring.hang_up()
    ring, at = await next_ring(phone)
    await pause()
    with contextlib.suppress(Exception):
        await ring.decline()
    await asyncio.sleep(FREE_AFTER_SECONDS)
    return (at - began) * 1000


Step = Callable[[], Awaitable[object]]


async def measured(line: Line, desk: Desk, queue_phone: Phone, rounds: int) -> None:
    """Let both take turns, and print what came out."""

    async def queue(word: str) -> None:
        await asyncio.to_thread(line.cli, f"queue {word} member PJSIP/{QUEUE_PHONE}")

    sides: dict[str, tuple[Phone, Step, Step]] = {
        "line": (desk.phone, lambda: desk.be("NOT_READY"), lambda: desk.be("READY")),
        "app_queue": (queue_phone, lambda: queue("pause"), lambda: queue("unpause")),
    }
    print("| from … to | n | app_queue | line | ratio of medians |")
    print("|---|---|---|---|---|")
    found: dict[str, list[float]] = {side: [] for side in sides}
    ready = []
    for number in range(-WARM_UP_ROUNDS, rounds):
        for side in sorted(sides, reverse=bool(number % 2)):
            took = await after_hang_up(*sides[side])
            if number >= 0:
                found[side].append(took)
        ready.append(await after_free(*sides["line"]))
    us, them = statistics.median(found["line"]), statistics.median(found["app_queue"])
    for name, ours in (("hang-up → ring", us), ("READY → ring", statistics.median(ready))):
        print(
            f"| {name} | {rounds} + {rounds} | {them:.1f} ms | {ours:.1f} ms | {ours / them:.3f} |"
        )


async def main(rounds: int) -> int:
    """Start a line, load app_queue beside it, measure."""

    async def prepare(line: Line) -> None:
        (line.settings.data / "flows/banc.yaml").write_text(FLOW)
        code, said = await line.fil("flow", "publish", "banc", "--why", "banc d'essai")
        if code:
            raise SystemExit(said)

    with tempfile.TemporaryDirectory() as folder:
        print("a line of its own is starting (about 20 s)", file=sys.stderr)
        line_ = a_line(Path(folder), prepare=prepare, FIL_WRAP_UP_SECONDS="0")
        async with line_ as line, contextlib.AsyncExitStack() as people:
            etc = line.settings.data / "engine/etc"
            (etc / "queues.conf").write_text(QUEUES)
            dialplan = etc / "extensions.conf"
            dialplan.write_text(dialplan.read_text() + DIALPLAN)
            line.cli("module load app_queue.so")
            line.cli("dialplan reload")
            line.cli(f"queue pause member PJSIP/{QUEUE_PHONE}")
            desk = await people.enter_async_context(line.agent("rosa"))
            await desk.be("NOT_READY")
            phone = Phone(QUEUE_PHONE, secret=f"demo-{QUEUE_PHONE}", server=line.server)
            queue_phone = await people.enter_async_context(phone)
            await queue_phone.register()
            callers = [
                asyncio.create_task(keep_waiting(line, number, index))
                for number in (OURS, NATIVE)
                for index in range(WAITING)
            ]
            await asyncio.sleep(5)
            try:
                await measured(line, desk, queue_phone, rounds)
            finally:
                for caller in callers:
                    caller.cancel()
                await asyncio.wait(callers)
    return 0


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    if wanted < ROUNDS_MIN:
        raise SystemExit(f"A median needs at least {ROUNDS_MIN} rounds.")
    sys.exit(asyncio.run(main(wanted)))
