"""What a soak says, for a person who runs a line: one page, one picture, one line of figures."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.soak.evidence import SAMPLE_SECONDS, Sample, SeenCall

if TYPE_CHECKING:
    from tests.soak.checker import Case, Verdict

FATES = {
    "talked": "talked with somebody",
    "left": "hung up before anybody answered",
    "closed": "heard a closing message to its end (nobody there)",
    "engine": "ended because the telephone engine itself was restarted",
    "lost": "**lost**: dropped, or left in silence",
}
COLOURS = {"voice": "#7fb3d5", "music": "#a9dfbf", "tone": "#1e8449", "silence": "#e74c3c"}
MEANINGS = {"voice": "prompt", "music": "music", "tone": "an agent", "silence": "silence"}
PIXELS_PER_SECOND, ROW, LEFT, TOP = 6, 26, 90, 70
FAULT_COLOURS = {"dead": "#c0392b", "hung": "#8e44ad", "wire": "#d68910", "engine": "#000000"}
CHROMIUM_SECONDS_MAX = 60
PAUSE_SAMPLES_MAX = 4  # 0.8 s: between two sentences of a prompt


def figures(case: Case, verdicts: list[Verdict]) -> dict[str, Any]:
    """One flat line of figures, to be compared from run to run."""
    from tests.soak import checker

    fates = Counter(case.fates.values())
    faults = Counter(fault.kind for fault in case.run.faults)
    air: dict[str, list[float]] = {kind: [] for kind in checker.DEAD_AIR_SECONDS_MAX}
    longest = []
    for call in case.callers:
        for since, until in call.silences:
            air[case.silence_class(call, since, until)].append(until - since)
        if call.answered_at is not None and case.fates[call.id] != "engine":
            longest.append(max((b - a for a, b in call.silences), default=0.0))
    gaps = [gap for _, _, gap in checker.talk_gaps(case)]
    control = checker.control_gaps(case)
    served = [call for call in case.callers if call.answered_at is not None]
    load = [line["cpu"] for line in case.run.load]
    return {
        "seed": case.run.plan.get("seed"),
        "controller": case.run.plan.get("controller"),
        "minutes": case.run.plan.get("minutes"),
        "calls": len(case.callers),
        "answered": len(served),
        **{fate: fates.get(fate, 0) for fate in FATES},
        "without_record": sum(not case.matched[0].get(call.id) for call in served),
        "faults": sum(faults.values()),
        "faults_by_kind": dict(sorted(faults.items())),
        "dead_air_s_p50": _at(longest, 50),
        "dead_air_s_p99": _at(longest, 99),
        **{f"dead_air_s_max_{k}": round(max(v, default=0), 2) for k, v in air.items()},
        "talk_gap_ms_p99": _at(gaps, 99),
        "talk_gap_ms_max": max(gaps, default=0),
        "control_gap_ms_p99": _at(control, 99),
        "control_gap_ms_max": max(control, default=0),
        **_recovery(case),
        "phones_cpu": round(float(np.mean(load)), 3) if load else None,
        "phones_late": len(case.run.late),
        "memory_mb": case.run.quiet.get("memory_kb", 0) // 1024,
        "broken": [verdict.name for verdict in verdicts if not verdict.held],
    }


def _at(values: list[float], percent: float) -> float:
    return round(float(np.percentile(values, percent)), 2) if values else 0.0


def _recovery(case: Case) -> dict[str, Any]:
    """Seconds from a kill, and from an engine that serves, until calls were ours again."""
    opened = [
        at
        for line in case.run.log
        if line["event"] == "call.opened" and (at := case.run.moment(line.get("at")))
    ]
    connected = [
        at
        for line in case.run.log
        if line["event"] == "engine.connected" and (at := case.run.moment(line.get("at")))
    ]
    back, claims, after_engine = [], [], []
    for fault in case.run.faults:
        recovered = next((at for at in case.recoveries if at > fault.start), None)
        if recovered is None:
            continue
        if fault.kind == "kill controller":
            back.append(recovered - fault.start)
            claim = next((at for at in opened if at > recovered - 0.05), None)
            if claim is not None:
                claims.append(claim - fault.start)
        elif fault.kind == "restart engine":
            ready = next((at for at in connected if at > fault.start), recovered)
            after_engine.append(recovered - ready)
    return {
        "taken_back_after_kill_s_p50": _at(back, 50),
        "taken_back_after_kill_s_p95": _at(back, 95),
        "first_claim_after_kill_s_p50": _at(claims, 50),
        "first_claim_after_kill_s_p95": _at(claims, 95),
        "taken_back_after_engine_ready_s_max": round(max(after_engine, default=0.0), 2),
    }


# -- the page ------------------------------------------------------------------------------


def write(folder: Path, case: Case, verdicts: list[Verdict], numbers: dict[str, Any]) -> None:
    """``report.md``, ``timeline.svg`` (``.png`` too where a browser is), ``figures.json``."""
    (folder / "figures.json").write_text(json.dumps(numbers) + "\n")
    svg = timeline(case)
    (folder / "timeline.svg").write_text(svg)
    _draw(folder, svg)
    (folder / "report.md").write_text(_page(case, verdicts, numbers))


def _page(case: Case, verdicts: list[Verdict], numbers: dict[str, Any]) -> str:
    held = all(verdict.held for verdict in verdicts)
    parts = [
        f"# Soak, seed {numbers['seed']}: {'it held' if held else 'it did not hold'}",
        "",
        f"For {numbers['minutes']:g} minutes, {len(case.run.plan.get('callers', []))} telephones "
        f"rang a real line again and again, {len(case.agents)} people answered as people do "
        f"(late, not at all, hanging up, losing their network), and something was broken every "
        f"few seconds: {numbers['faults']} faults in all. Phones that know nothing of the line "
        f"wrote down what each caller heard; this page is what they say.",
        "",
        f"**{numbers['calls']} calls, {numbers['answered']} answered, {numbers['lost']} lost.**",
        "",
        "| what became of the call | calls |",
        "|---|---:|",
        *(f"| {text} | {numbers[fate]} |" for fate, text in FATES.items()),
        "",
        f"{numbers['without_record']} of the answered calls were served by the telephone engine "
        f"alone, or ended before our programme took them: these have no record.",
        "",
        "![Each row is a caller: what they heard, second by second](timeline.svg)",
        "",
        *_legend(),
        "",
        "## What was promised",
        "",
        "| | promise | held | looked at | nearest to breaking it |",
        "|---|---|---|---:|---|",
        *(
            f"| {v.name} | {v.promise} | {_yes(v.held)} | {v.examined} | {v.worst} |"
            for v in verdicts
        ),
        "",
        *_breaches(verdicts),
        *_air(numbers),
        *_faults(numbers),
        *_harness(numbers),
    ]
    return "\n".join(parts) + "\n"


def _yes(held: bool) -> str:
    return "yes" if held else "**no**"


def _legend() -> list[str]:
    return [
        "Blue: a prompt. Light green: music. Dark green: an agent's voice. Red: silence of a "
        "second or more. "
        "Vertical bands: faults (red: the programme killed; purple: hung; orange: its connection "
        "to the engine cut; black: the engine restarted; grey: the rest).",
    ]


def _breaches(verdicts: list[Verdict]) -> list[str]:
    broken = [verdict for verdict in verdicts if not verdict.held]
    if not broken:
        return []
    parts = ["## What was broken", ""]
    for verdict in broken:
        parts += [f"**{verdict.name}** ({len(verdict.breaches)})", ""]
        parts += [f"- {breach}" for breach in verdict.breaches[:40]]
        parts.append("")
    return parts


def _air(numbers: dict[str, Any]) -> list[str]:
    return [
        "## Silence and sound",
        "",
        "| | seconds | limit |",
        "|---|---:|---:|",
        f"| longest silence of a call: half have less | {numbers['dead_air_s_p50']} | |",
        f"| the same, 99 calls of 100 | {numbers['dead_air_s_p99']} | |",
        f"| longest, our programme dead | {numbers['dead_air_s_max_dead']} | 3 |",
        f"| longest, our programme hung | {numbers['dead_air_s_max_hung']} | 5 |",
        f"| longest, otherwise | {numbers['dead_air_s_max_else']} | 3 |",
        f"| longest, the agent's own phone lost its network "
        f"| {numbers['dead_air_s_max_phone lost']} | 20 |",
        "",
        f"In a talk, the longest wait for a packet was {numbers['talk_gap_ms_max']} ms "
        f"(99 %: {numbers['talk_gap_ms_p99']} ms). Two phones that talked directly to each other "
        f"all along waited {numbers['control_gap_ms_max']} ms at most "
        f"(99 %: {numbers['control_gap_ms_p99']} ms): that much is this machine's own.",
        "",
    ]


def _faults(numbers: dict[str, Any]) -> list[str]:
    return [
        "## What was broken on purpose, and how long it showed",
        "",
        "| fault | times |",
        "|---|---:|",
        *(f"| {kind} | {count} |" for kind, count in numbers["faults_by_kind"].items()),
        "",
        _told_recovery(numbers),
        "",
    ]


def _told_recovery(numbers: dict[str, Any]) -> str:
    told = "The programme alone was never killed. "
    if numbers["taken_back_after_kill_s_p50"]:
        told = (
            f"After a kill, every call was ours again in {numbers['taken_back_after_kill_s_p50']} "
            f"s (95 %: {numbers['taken_back_after_kill_s_p95']} s), and the next new caller was "
            f"taken {numbers['first_claim_after_kill_s_p50']} s after it "
            f"(95 %: {numbers['first_claim_after_kill_s_p95']} s; callers arrive at random). "
        )
    if numbers["taken_back_after_engine_ready_s_max"]:
        seconds = numbers["taken_back_after_engine_ready_s_max"]
        told += f"Once the engine was back, it took {seconds} s at most."
    return told


def _harness(numbers: dict[str, Any]) -> list[str]:
    return [
        "## The harness itself",
        "",
        f"The phones used {numbers['phones_cpu']} of one processor on average, and were late by "
        f"more than 0.2 s {numbers['phones_late']} times. The programme held "
        f"{numbers['memory_mb']} MB at the end.",
    ]


# -- the picture ---------------------------------------------------------------------------


def timeline(case: Case) -> str:
    """Rows are callers, colours what they heard, vertical bands the faults."""
    rows = sorted({call.who for call in case.callers}, key=lambda who: (len(who), who))
    seconds = case.run.ended_at - case.run.began_at
    width, height = LEFT + seconds * PIXELS_PER_SECOND + 20, TOP + len(rows) * ROW + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        *_bands(case, height),
    ]
    for place, who in enumerate(rows):
        y = TOP + place * ROW
        parts.append(f'<text x="6" y="{y + 15}">{escape(who)}</text>')
        for call in case.callers:
            if call.who == who:
                parts += _bars(case, call, y)
    parts += [
        f'<text x="{LEFT + at * PIXELS_PER_SECOND}" y="{height - 12}">'
        f"{at // 60}:{at % 60:02d}</text>"
        for at in range(0, int(seconds), 30)
    ]
    parts += _key()
    return "\n".join([*parts, "</svg>"])


def _x(case: Case, at: float) -> float:
    return LEFT + (at - case.run.began_at) * PIXELS_PER_SECOND


def _bands(case: Case, height: int) -> list[str]:
    from tests.soak import checker

    parts = []
    names = {"dead": checker.DEAD, "hung": checker.HUNG, "wire": checker.WIRE}
    names |= {"engine": checker.ENGINE}
    for n, fault in enumerate(case.run.faults):
        colour = next(
            (FAULT_COLOURS[k] for k, kinds in names.items() if fault.kind in kinds), "#999"
        )
        x, wide = _x(case, fault.start), max(1.0, (fault.end - fault.start) * PIXELS_PER_SECOND)
        parts.append(
            f'<rect x="{x:.1f}" y="{TOP - 4}" width="{wide:.1f}" height="{height - TOP - 22}" '
            f'fill="{colour}" opacity="0.13"/>'
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4}" y2="{height - 26}" stroke="{colour}"/>'
            f'<text x="{x:.1f}" y="{TOP - 8 - n % 3 * 11}" fill="{colour}" font-size="9">'
            f"{escape(fault.kind)}</text>"
        )
    return parts


def _bars(case: Case, call: SeenCall, y: int) -> list[str]:
    parts = []
    start = 0
    samples = _without_pauses(call.samples)
    for place in range(1, len(samples) + 1):
        if place < len(samples) and samples[place].kind == samples[start].kind:
            continue
        first = samples[start]
        wide = (place - start) * SAMPLE_SECONDS * PIXELS_PER_SECOND
        who = f": {', '.join(first.tones)}" if first.tones else ""
        parts.append(
            f'<rect x="{_x(case, first.at):.1f}" y="{y + 3}" width="{wide:.1f}" height="{ROW - 8}" '
            f'fill="{COLOURS[first.kind]}"><title>{MEANINGS[first.kind]}{escape(who)}</title></rect>'
        )
        start = place
    end = "#c0392b" if case.fates[call.id] == "lost" else "#555"
    x = _x(case, min(call.until, case.run.ended_at))
    parts.append(
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y + 1}" y2="{y + ROW - 3}" stroke="{end}" '
        f'stroke-width="{4 if case.fates[call.id] == "lost" else 1}"/>'
    )
    return parts


def _without_pauses(samples: list[Sample]) -> list[Sample]:
    """The same, with the pauses between two words told as the voice they belong to."""
    told = list(samples)
    start = 0
    for place in range(1, len(told) + 1):
        if place < len(told) and samples[place].kind == samples[start].kind:
            continue
        if samples[start].kind == "silence" and start > 0 and place - start <= PAUSE_SAMPLES_MAX:
            for n in range(start, place):
                told[n] = told[n]._replace(kind=told[start - 1].kind, tones=told[start - 1].tones)
        start = place
    return told


def _key() -> list[str]:
    parts = []
    for n, (kind, colour) in enumerate(COLOURS.items()):
        x = LEFT + n * 90
        parts.append(
            f'<rect x="{x}" y="8" width="14" height="12" fill="{colour}"/>'
            f'<text x="{x + 18}" y="18">{MEANINGS[kind]}</text>'
        )
    return parts


def _draw(folder: Path, svg: str) -> None:
    """The picture as PNG, where a browser is here to draw it."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        return
    size = re.search(r'width="(\d+)" height="(\d+)"', svg)
    assert size is not None
    subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--window-size={size[1]},{size[2]}", f"--screenshot={folder / 'timeline.png'}",
            f"file://{folder / 'timeline.svg'}",
        ],
        check=False, capture_output=True, timeout=CHROMIUM_SECONDS_MAX,
    )  # fmt: skip
