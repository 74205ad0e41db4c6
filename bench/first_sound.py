"""How fast a caller is answered and hears us, beside the engine playing the same file alone.

``make bench``, or ``python -m bench.first_sound [ROUNDS]``. One line of its own; calls of
four kinds take turns, in another order each round, so that whatever else this machine
does weighs on all of them alike. Exits with 1 when the line is over its budget.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cti.rehearsal.sound import RATE, Samples, correlation, read_wav
from tests.line import NUMBER, Line, a_line

NATIVE = "0199009999"
PROMPT = "fr/accueil"
# What our answer is compared with: the engine alone, playing the same file.
NATIVE_DIALPLAN = f"""
[from-trunk]
exten => {NATIVE},1,Answer(,i)
 same => n,Playback(/sounds/{PROMPT})
 same => n,Hangup()
"""
ROUNDS = 40
ROUNDS_MIN = 30
WARM_UP_ROUNDS = 3
LISTEN_SECONDS = 1.0  # the beginning of the prompt must be in it
RECOGNISE_SECONDS = 0.4  # short: a packet that this machine delivers late spoils what follows
CORRELATION_MIN = 0.8
ANSWER_BUDGET_MS = 3.0  # later than the engine alone, medians
FIRST_RTP_BUDGET_MS = 15.0


@dataclass(frozen=True)
class Kind:
    """One way to call."""

    number: str
    early_rtp: bool  # the caller sends sound as soon as it knows where to


@dataclass(frozen=True)
class Sample:
    """One call: milliseconds after its INVITE."""

    answer: float
    first_rtp: float
    prompt: float | None  # the prompt itself; None when a late packet hid its beginning


KINDS = [Kind(number, early) for early in (True, False) for number in (NUMBER, NATIVE)]
MEASURES: list[tuple[str, Callable[[Sample], float | None], float | None]] = [
    ("INVITE to 200", lambda sample: sample.answer, ANSWER_BUDGET_MS),
    ("INVITE to first RTP", lambda sample: sample.first_rtp, FIRST_RTP_BUDGET_MS),
    ("INVITE to the prompt", lambda sample: sample.prompt, None),
]


async def one_call(line: Line, kind: Kind, beginning: Samples) -> Sample:
    """Call once, listen a little, hang up."""
    async with line.caller(hz=440, early_rtp=kind.early_rtp) as phone:
        call = await phone.call(kind.number)
        answered_at = await call.answered(5)
        await asyncio.sleep(LISTEN_SECONDS)
        await call.hang_up()
        if call.first_rtp_at is None:
            raise SystemExit(f"A call heard nothing in {LISTEN_SECONDS} s.\n{line.tail()}")
        likeness, lag = correlation(call.heard(call.invited_at), beginning)
        return Sample(
            (answered_at - call.invited_at) * 1000,
            (call.first_rtp_at - call.invited_at) * 1000,
            lag * 1000 if likeness >= CORRELATION_MIN else None,
        )


async def measure(line: Line, rounds: int) -> dict[Kind, list[Sample]]:
    """Every kind in turn, ``rounds`` times."""
    beginning = read_wav(line.sounds / f"{PROMPT}.wav")[: round(RECOGNISE_SECONDS * RATE)]
    samples: dict[Kind, list[Sample]] = {kind: [] for kind in KINDS}
    for number in range(-WARM_UP_ROUNDS, rounds):
        turn = number % len(KINDS)
        for kind in KINDS[turn:] + KINDS[:turn]:
            sample = await one_call(line, kind, beginning)
            if number >= 0:
                samples[kind].append(sample)
    return samples


def report(samples: dict[Kind, list[Sample]]) -> bool:
    """Print the table; whether the line is within its budget."""
    within = True
    print("| caller | measure | n | engine alone | line | difference | budget | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for early in (True, False):
        caller = "sound at once" if early else "no sound yet"
        ours, native = samples[Kind(NUMBER, early)], samples[Kind(NATIVE, early)]
        for name, value, budget in MEASURES:
            at_us = [found for sample in ours if (found := value(sample)) is not None]
            at_them = [found for sample in native if (found := value(sample)) is not None]
            us, them = statistics.median(at_us), statistics.median(at_them)
            over = budget is not None and us - them > budget
            within = within and not over
            allowed = "" if budget is None else f"{'OVER ' if over else ''}+{budget:g} ms"
            print(
                f"| {caller} | {name} | {len(at_us)} + {len(at_them)} | {them:.1f} ms "
                f"| {us:.1f} ms | {us - them:+.1f} ms | {allowed} | {us / them:.2f} |"
            )
    return within


async def main(rounds: int) -> int:
    """Start a line, measure, report; the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        print("a line of its own is starting (about 20 s)", file=sys.stderr)
        async with a_line(Path(folder)) as line:
            dialplan = line.settings.data / "engine/etc/extensions.conf"
            dialplan.write_text(dialplan.read_text() + NATIVE_DIALPLAN)
            line.cli("dialplan reload")
            print(f"{rounds} rounds of {len(KINDS)} calls", file=sys.stderr)
            samples = await measure(line, rounds)
    return 0 if report(samples) else 1


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    if wanted < ROUNDS_MIN:
        raise SystemExit(f"A median needs at least {ROUNDS_MIN} rounds.")
    sys.exit(asyncio.run(main(wanted)))
