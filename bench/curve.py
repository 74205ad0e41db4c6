"""What a call costs at several rates, ours and the engine's alone in turn, as a table and a chart.

The engine alone walks the same callers through the same sounds for as long: greeting, a phone
that answers by itself, the same goodbye, from its own dialplan, without any controller.
Each turn's cost is taken until its last call is over.
"""

from __future__ import annotations

import asyncio
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from bench.judge import Fate
from bench.people import Plan, plans

NATIVE_PREFIX = "01990099"  # and the agent's rank: 01 99 00 99 xx
# The engine alone, doing for a caller what the line does.
NATIVE_DIALPLAN = f"""
[from-trunk]
exten => _{NATIVE_PREFIX}XX,1,Answer(,i)
 same => n,Playback(/sounds/fr/accueil)
 same => n,Dial(PJSIP/agent${{EXTEN:{len(NATIVE_PREFIX)}}},20,m(fil)g)
 same => n,Playback(/sounds/fr/fin-de-conversation)
 same => n,MusicOnHold(fil,5)
 same => n,Playback(/sounds/fr/au-revoir)
 same => n,Hangup(16)
"""
RATES = (1.0, 2.0, 3.0, 5.0)
AGENTS_A_RATE = 9  # for each call a second: enough that nobody waits long
SETTLED_SECONDS = 2.0  # after the last call: wrap-ups and records are part of the cost
REST_SECONDS = 10.0


def native_number(plan: Plan, agents: int) -> str:
    """What this caller dials to be served by the engine alone: each agent in turn."""
    return f"{NATIVE_PREFIX}{plan.index % agents:02}"


@dataclass(frozen=True)
class Turn:
    """What one turn cost: milliseconds of processor per call."""

    rate: float
    ours: bool
    calls: int
    lost: int
    engine_ms: float
    controller_ms: float


Put = Callable[[list[Plan], bool], Any]  # places the calls of one turn; returns their fates


async def measure(
    load: Any,
    put: Put,
    rates: Sequence[float],
    turns: int,
    seconds: float,
    say: Callable[[str], None],
) -> list[Turn]:
    """Ours and the engine's own in turn, at each rate, with the same callers."""
    found, placed = [], 0
    for rate in rates:
        for number in range(turns):
            for ours in (True, False) if number % 2 == 0 else (False, True):
                wanted = plans(number + 1, rate, seconds, first=placed)
                placed += len(wanted)
                before = load.meter.read()
                fates: list[Fate] = await put(wanted, ours)
                await asyncio.sleep(SETTLED_SECONDS)
                cost = load.meter.read().since(before)
                lost = sum(bool(fate.faults) for fate in fates)
                per_call = {part: 1000 * cost[part] / len(fates) for part in cost}
                turn = Turn(
                    rate, ours, len(fates), lost, per_call["engine"], per_call["controller"]
                )
                say(
                    f"{rate:g}/s {'ours' if ours else 'engine alone'}: {turn.calls} calls, "
                    f"{lost} lost, engine {turn.engine_ms:.0f} ms, "
                    f"controller {turn.controller_ms:.0f} ms a call"
                )
                found.append(turn)
    return found


async def at_rest(load: Any) -> dict[str, float]:
    """What the engine and the controller cost without any call: milliseconds a second."""
    before = load.meter.read()
    await asyncio.sleep(REST_SECONDS)
    cost = load.meter.read().since(before)
    return {part: 1000 * cost[part] / cost["at"] for part in ("engine", "controller")}


@dataclass(frozen=True)
class Point:
    """The medians of one rate."""

    rate: float
    calls: tuple[int, int]  # ours, the engine's own
    lost: int
    native: float
    engine: float
    controller: float


def medians(turns: Sequence[Turn]) -> list[Point]:
    """One point for each rate."""
    points = []
    for rate in sorted({turn.rate for turn in turns}):
        ours = [turn for turn in turns if turn.rate == rate and turn.ours]
        native = [turn for turn in turns if turn.rate == rate and not turn.ours]
        points.append(
            Point(
                rate,
                (sum(t.calls for t in ours), sum(t.calls for t in native)),
                sum(t.lost for t in ours + native),
                statistics.median(t.engine_ms for t in native),
                statistics.median(t.engine_ms for t in ours),
                statistics.median(t.controller_ms for t in ours),
            )
        )
    return points


def table(points: Sequence[Point]) -> str:
    """The points, in Markdown."""
    rows = [
        f"| {p.rate:g} | {p.calls[0]} + {p.calls[1]} | {p.native:.0f} ms | {p.engine:.0f} ms "
        f"| {p.engine / p.native:.2f} | {p.controller:.0f} ms | {p.lost} |"
        for p in points
    ]
    head = (
        "| calls a second | n: ours + engine alone | engine alone | engine, ours | ratio "
        "| controller | lost |"
    )
    return "\n".join([head, "|---|---|---|---|---|---|---|", *rows])


WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 56, 110, 40, 44
LABEL_HEIGHT = 15
LINES = (
    ("engine, ours", "#1b6ca8", lambda p: p.engine),
    ("engine alone", "#7a7a7a", lambda p: p.native),
    ("controller", "#c2571a", lambda p: p.controller),
)


def chart(points: Sequence[Point], title: str) -> str:
    """The points as an SVG picture: a rate to the right, milliseconds a call upwards."""
    rate_max = max(p.rate for p in points)
    cost_max = 50 * (1 + int(max(of(p) for _, _, of in LINES for p in points)) // 50)

    def x(rate: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * rate / rate_max, 1)

    def y(cost: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * cost / cost_max, 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="sans-serif" font-size="12" fill="#222">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="22" font-size="14">{escape(title)}</text>',
    ]
    for cost in range(0, cost_max + 1, 50):
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(cost)}" y2="{y(cost)}" '
            f'stroke="#ddd"/><text x="{LEFT - 8}" y="{y(cost) + 4}" text-anchor="end">{cost}</text>'
        )
    for p in points:
        parts.append(
            f'<text x="{x(p.rate)}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">'
            f"{p.rate:g}</text>"
        )
    parts.append(
        f'<text x="{LEFT}" y="{HEIGHT - 8}">calls a second (ms of processor a call)</text>'
    )
    for _, colour, of in LINES:
        path = " ".join(f"{x(p.rate)},{y(of(p))}" for p in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x(p.rate)}" cy="{y(of(p))}" r="3.5" fill="{colour}"/>' for p in points
        ]
    below = -math.inf  # where the last label stands
    for name, colour, of in sorted(LINES, key=lambda line: -line[2](points[-1])):
        below = max(y(of(points[-1])) + 4, below + LABEL_HEIGHT)
        parts.append(f'<text x="{x(rate_max) + 10}" y="{below}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])
