"""How soon a menu speaks, and obeys a key, beside the engine's own ``Background``/``WaitExten``.

``python -m bench.menu [ROUNDS]``. One line of its own; calls of both kinds take turns, in
another order each round. Also says how many steps of a flow are walked in a second.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from cti.rehearsal.sound import RATE, Samples, correlation, read_wav
from ivr.flow import Flow, load_flow
from ivr.walk import Surroundings, Where, walk
from tests.line import Line, a_line
from tests.unit.test_walk import NOON, Enough, ScriptedLeg

OURS, NATIVE = "0199005599", "0199005598"
MENU, NEXT = "fr/choix-langue", "fr/patience"
FLOW = f"""
name: Banc d'essai
numbers: ["{OURS}"]
languages: [fr]
start: menu
steps:
  menu: {{menu: choix-langue, keys: {{"2": suite}}, seconds: 5 s, otherwise: regulation}}
  suite: {{say: patience, then: regulation}}
  regulation: {{line: regulators, while_waiting: musique, on_no_staff: fini,
    on_wait_longer_than: {{after: 5 min, then: fini}}}}
  ecoute: {{line: listeners, while_waiting: musique, on_no_staff: fini,
    on_wait_longer_than: {{after: 5 min, then: fini}}}}
  musique: {{wait: 30 s, then: patience}}
  patience: {{say: patience-encore, then: musique}}
  fini: {{say: au-revoir, then: fin}}
  fin: {{hang_up: true}}
"""
DIALPLAN = f"""
[from-trunk]
exten => {NATIVE},1,Goto(bench-menu,s,1)

[bench-menu]
exten => s,1,Answer(,i)
 same => n,Background(/sounds/{MENU})
 same => n,WaitExten(5)
exten => 2,1,Playback(/sounds/{NEXT})
 same => n,Hangup()
"""
ROUNDS, ROUNDS_MIN, WARM_UP_ROUNDS = 40, 30, 3
KEY_MS = 100
PRESSED_AFTER_SECONDS, LISTEN_SECONDS = 1.0, 1.5
RECOGNISE_SECONDS = 0.4
CORRELATION_MIN = 0.8


@dataclass(frozen=True)
class Sample:
    """One call, in milliseconds; None when a late packet hid the beginning of a prompt."""

    first_rtp: float  # after INVITE
    menu: float | None  # after INVITE
    key: float | None  # from the key going down, for KEY_MS, to the next prompt


async def one_call(line: Line, number: str, beginnings: tuple[Samples, Samples]) -> Sample:
    """Call, hear the menu, press 2, hear what follows, hang up."""
    async with line.caller(hz=440) as phone:
        call = await phone.call(number)
        await call.answered(5)
        await asyncio.sleep(PRESSED_AFTER_SECONDS)
        pressed_at = time.monotonic()
        await call.press("2", ms=KEY_MS)
        await asyncio.sleep(LISTEN_SECONDS)
        await call.hang_up()
        if call.first_rtp_at is None:
            raise SystemExit(f"A call heard nothing.\n{line.tail()}")
        menu = correlation(call.heard(call.invited_at, pressed_at), beginnings[0])
        after = correlation(call.heard(pressed_at), beginnings[1])
        return Sample(
            (call.first_rtp_at - call.invited_at) * 1000,
            menu[1] * 1000 if menu[0] >= CORRELATION_MIN else None,
            after[1] * 1000 if after[0] >= CORRELATION_MIN else None,
        )


def report(samples: dict[str, list[Sample]]) -> None:
    """Print the table."""
    print("| measure | n | engine alone | line | difference | ratio |")
    print("|---|---|---|---|---|---|")
    for name, field in (
        ("INVITE to first RTP", "first_rtp"),
        ("INVITE to the menu", "menu"),
        (f"key down ({KEY_MS} ms) to the next prompt", "key"),
    ):
        ours, native = (
            [found for one in samples[number] if (found := getattr(one, field)) is not None]
            for number in (OURS, NATIVE)
        )
        us, them = statistics.median(ours), statistics.median(native)
        print(
            f"| {name} | {len(ours)} + {len(native)} | {them:.1f} ms | {us:.1f} ms "
            f"| {us - them:+.1f} ms | {us / them:.2f} |"
        )


async def steps_a_second(flow: Flow, seconds: float = 2.0) -> float:
    """How many steps are walked in a second, by callers who press keys, prompts taking no time."""
    around, steps, began = Surroundings(lambda: NOON), 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        leg = ScriptedLeg(["2", None, "5", None, "9"] * 20, rests_max=200)
        root = flow.line("regulators").while_waiting
        try:
            await walk(flow, root, leg, around, Where.WAITING)
        except Enough:
            steps += len(leg.heard) + len(leg.rested)
    return steps / (time.perf_counter() - began)


async def main(rounds: int) -> int:
    """Start a line, measure, report."""

    async def prepare(line: Line) -> None:
        (line.settings.data / "flows/banc.yaml").write_text(FLOW)
        code, said = await line.fil("flow", "publish", "banc", "--why", "banc d'essai")
        if code:
            raise SystemExit(said)

    with tempfile.TemporaryDirectory() as folder:
        print("a line of its own is starting (about 20 s)", file=sys.stderr)
        async with a_line(Path(folder), prepare=prepare) as line:
            dialplan = line.settings.data / "engine/etc/extensions.conf"
            dialplan.write_text(dialplan.read_text() + DIALPLAN)
            line.cli("dialplan reload")
            menu, after = (
                read_wav(line.sounds / f"{prompt}.wav")[: round(RECOGNISE_SECONDS * RATE)]
                for prompt in (MENU, NEXT)
            )
            samples: dict[str, list[Sample]] = {OURS: [], NATIVE: []}
            for number in range(-WARM_UP_ROUNDS, rounds):
                order = [OURS, NATIVE] if number % 2 else [NATIVE, OURS]
                for dialled in order:
                    sample = await one_call(line, dialled, (menu, after))
                    if number >= 0:
                        samples[dialled].append(sample)
            flow = load_flow(line.settings.data / "flows/accueil.yaml", None)
    report(samples)
    print(f"\nSteps walked a second: {await steps_a_second(flow):,.0f}.")
    return 0


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    if wanted < ROUNDS_MIN:
        raise SystemExit(f"A median needs at least {ROUNDS_MIN} rounds.")
    sys.exit(asyncio.run(main(wanted)))
