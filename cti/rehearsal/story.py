"""``fil call``: a scripted caller rings the real line and tells what they heard, as it came.

The same phone as the tests'. What is heard is recognised by its sound alone: each
prompt by correlation with its file, music likewise, and anything else with a voice's
energy is somebody speaking.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cti.rehearsal.phone import CallEnded, Phone, PhoneCall
from cti.rehearsal.sound import RATE, Samples, correlation, read_wav, rms_dbfs

CALLER = "0199000001"  # a number kept for fiction
WINDOW_SECONDS = 1.0
RECOGNISED_MIN = 0.6  # correlation; the line's coding costs little, a mixed-in voice much
SILENT_DBFS = -50.0
ANSWER_SECONDS_MAX = 10.0


@dataclass(frozen=True)
class Moment:
    """What was heard from one moment to another, in seconds after the answer."""

    start: float
    end: float
    what: str  # "silence", "somebody speaks", or the name of a sound file


def recognise(heard: Samples, library: dict[str, Samples]) -> list[Moment]:
    """Name each second of what was heard, and join what goes on."""
    step = round(WINDOW_SECONDS * RATE)
    moments: list[Moment] = []
    for at in range(0, len(heard), step):
        window = heard[at : at + step]
        if len(window) < step // 4:
            break
        what = _name(window, library)
        start, end = at / RATE, (at + len(window)) / RATE
        if moments and moments[-1].what == what:
            moments[-1] = Moment(moments[-1].start, end, what)
        else:
            moments.append(Moment(start, end, what))
    return moments


def _name(window: Samples, library: dict[str, Samples]) -> str:
    if rms_dbfs(window) < SILENT_DBFS:
        return "silence"
    best, name = max((correlation(window, sound)[0], name) for name, sound in library.items())
    return name if best >= RECOGNISED_MIN else "somebody speaks"


def read_library(sounds: Path) -> dict[str, Samples]:
    """Every built prompt and the music, by ``language/id``."""
    return {
        f"{path.parent.name}/{path.stem}": read_wav(path) for path in sorted(sounds.glob("*/*.wav"))
    }


async def tell_a_call(
    number: str,
    server: tuple[str, int],
    sounds: Path,
    seconds: float,
    say: Callable[[str], None],
) -> int:
    """Ring the line, stay up to ``seconds``, tell what was heard. 0 when it was answered.

    The caller speaks with a synthetic voice for as long as the call lasts.
    """
    library = read_library(sounds)
    voice = np.concatenate([library["fr/patience-encore"], np.zeros(RATE * 3, np.float32)])
    async with Phone(CALLER, server=server, voice=voice) as phone:
        call = await phone.call(number)
        say(f"  0.0 s  dialling {number}")
        try:
            await call.answered(ANSWER_SECONDS_MAX)
        except (TimeoutError, CallEnded) as error:
            say(f"         nobody and nothing answered: {error}")
            return 1
        ended_by = await _stay(call, seconds)
    answered_at = call.answered_at or 0.0
    say(f"{answered_at - (call.invited_at or answered_at):5.1f} s  answered")
    for moment in recognise(call.heard(answered_at, call.ended_at), library):
        say(f"{moment.start:5.1f} s  {_in_words(moment)}")
    say(f"{(call.ended_at or time.monotonic()) - answered_at:5.1f} s  {ended_by}")
    return 0


async def _stay(call: PhoneCall, seconds: float) -> str:
    try:
        await call.ended(seconds)
    except TimeoutError:
        await call.hang_up()
        return "the caller hangs up"
    return "the line hangs up"


def _in_words(moment: Moment) -> str:
    lasted = f"({moment.end - moment.start:.0f} s)"
    if moment.what.startswith("music/"):
        return f"music {lasted}"
    if moment.what in ("silence", "somebody speaks"):
        return f"{moment.what} {lasted}"
    return f"the message « {moment.what.partition('/')[2]} » {lasted}"
