"""Ten thousand files that no careful person wrote: each is refused with reasons, or is kind."""

from __future__ import annotations

import os
import re
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from ivr.flow import Flow, load_flow
from ivr.leg import Ended, ToLine
from ivr.reading import FlowError
from ivr.walk import Surroundings, Where, walk
from tests.unit.test_flow import BAD, GOOD, HERE, PROMPTS, RELAYS
from tests.unit.test_walk import Enough, ScriptedLeg

KNOWN = sorted(set(re.findall(r"[\w-]+", GOOD)))  # the good file's own: many bent files load
SEED = int(os.environ.get("FIL_FUZZ_SEED", "1"))
FILES = 10_000
NOON = datetime(2026, 3, 10, 11, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 10, 23, 0, tzinfo=UTC)
# From all that is written in the good file and in the bad ones, and what trips readers of YAML.
WORDS = sorted(
    set(re.findall(r"[\w-]+", GOOD + " ".join(bad for _, _, bad, _, _ in BAD)))
    | {"", "~", "null", "yes", "no", "on", "0170241234", "22:30", "1e3", "0x1F", "&a", "*a", "!!x"}
    | {"{", "}", "[", "]", "- ", ": ", "# ", "|", ">", "'", '"', "\t", "\x00", "\u202e", "é", "😀"}
)


def bent(chance: Random) -> bytes:
    """The good file, or a bad one, after a few slips of the hand."""
    text = GOOD
    if chance.random() < 0.3:
        _, good, bad, _, _ = chance.choice(BAD)
        text = GOOD.replace(good, bad.replace(HERE, ""), 1)
    lines = text.splitlines(keepends=True)
    for _ in range(chance.choice((1, 1, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(lines))
        match chance.randrange(8):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, chance.choice(lines))
            case 2:
                other = chance.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                lines[at] = " " * chance.randrange(9) + lines[at].lstrip()
            case 4:
                lines = lines[: at + 1]
            case _:
                words = re.split(r"(\W+)", lines[at])
                known = chance.random() < 0.5
                words[chance.randrange(len(words))] = chance.choice(KNOWN if known else WORDS)
                lines[at] = "".join(words)
        lines = lines or [""]
    raw = "".join(lines).encode("utf-8", "surrogatepass")
    if chance.random() < 0.1:
        at = chance.randrange(len(raw) + 1)
        raw = raw[:at] + chance.randbytes(chance.randrange(1, 5)) + raw[at:]
    return raw


async def kind(flow: Flow, chance: Random) -> bool:
    """Whether whoever presses whatever comes to a line or hears a goodbye, and waits kindly."""
    presses = [chance.choice([None, *"0123456789*#"]) for _ in range(12)]
    around = Surroundings(lambda: chance.choice((NOON, MIDNIGHT)))
    for keys in ([], presses):
        leg = ScriptedLeg(keys)
        came_out = await walk(flow, flow.start, leg, around)
        if not isinstance(came_out, ToLine) and not (came_out == Ended("goodbye") and leg.heard):
            return False
        waiting = ScriptedLeg(keys, rests_max=20)
        with suppress(Enough):
            await walk(flow, flow.line("regulators").while_waiting, waiting, around, Where.WAITING)
            if not keys:
                return False  # who presses nothing stays
    return True


@pytest.mark.timeout(300)
async def test_ten_thousand_bent_files_never_break_the_reader_nor_load_wrongly(
    tmp_path: Path,
) -> None:
    chance, tally = Random(SEED), Counter[str]()
    path = tmp_path / "flow.yaml"
    for number in range(FILES):
        raw = bent(chance)
        path.write_bytes(raw)
        try:
            flow = load_flow(path, PROMPTS, RELAYS)
        except FlowError as refused:
            tally["refused"] += 1
            lines = raw.count(b"\n") + raw.count(b"\r") + 1
            for problem in refused.problems:
                assert problem.what, (number, raw)
                assert problem.fix, (number, raw)
                assert 1 <= problem.place.line <= lines + 1, (number, problem)
                assert problem.place.column >= 1
        else:
            tally["loaded"] += 1
            assert await kind(flow, chance), (number, raw.decode())
    assert tally["refused"] > FILES / 2, tally
    assert tally["loaded"] > FILES / 100, tally
