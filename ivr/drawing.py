"""Draws a flow: as Mermaid text, which many editors show, and as an SVG of its own."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from ivr.flow import Flow
from ivr.steps import (
    AnyStep,
    Branch,
    HangUp,
    Hours,
    LineStep,
    Menu,
    RelayStep,
    Wait,
    WaitEstimate,
    prompts_of,
    ways,
)
from ivr.values import written_seconds

ROW_HEIGHT, INDENT = 30, 26  # pixels
BOX_WIDTH, CAPTION_WIDTH = 360, 210


def mermaid(flow: Flow) -> str:
    """The flow as a Mermaid flowchart."""
    numbers = {name: f"s{number}" for number, name in enumerate(flow.steps)}
    lines = ["flowchart TD", f'  debut(["{_safe(flow.name)}"]) --> {numbers[flow.start]}']
    for name, step in flow.steps.items():
        opening, closing = _shape(step)
        label = "<br/>".join(map(_safe, [name, *_does(step)]))
        lines.append(f'  {numbers[name]}{opening}"{label}"{closing}')
        for way in ways(step):
            arrow = "-.->" if way.how in ("no_staff", "long", "full", "crowded") else "-->"
            caption = f'|"{_safe(way.caption)}"|' if way.caption else ""
            lines.append(f"  {numbers[name]} {arrow}{caption} {numbers[way.target]}")
    return "\n".join(lines) + "\n"


def _shape(step: AnyStep) -> tuple[str, str]:
    match step:
        case LineStep() | RelayStep():
            return "[[", "]]"
        case Menu() | Branch() | Hours():
            return "{{", "}}"
        case HangUp():
            return "((", "))"
        case _:
            return "[", "]"


def _does(step: AnyStep) -> list[str]:
    match step:
        case LineStep():
            return [f"ligne : {step.line}"]
        case RelayStep():
            return [f"relais : {step.relay}"]
        case Wait():
            return [f"musique, {written_seconds(step.seconds)}"]
        case WaitEstimate():
            return ["l'attente estimée, et la place" if step.position else "l'attente estimée"]
        case HangUp():
            return []
        case _:
            return [f"« {prompt} »" for _, prompt in prompts_of(step)]


def _safe(text: str) -> str:
    return text.replace('"', "'").replace("<", "").replace(">", "")


def svg(flow: Flow) -> str:
    """The flow as an SVG picture: read from top to bottom, a step further right is a choice."""
    rows = list(_rows(flow))
    width = 60 + max(row.depth for row in rows) * INDENT + CAPTION_WIDTH + BOX_WIDTH
    height = 60 + len(rows) * ROW_HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escape(flow.name)}</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="20" y="26" font-size="16" font-weight="bold">{escape(flow.name)}</text>',
    ]
    for number, row in enumerate(rows):
        parts += _drawn(flow, row, 44 + number * ROW_HEIGHT)
    return "\n".join([*parts, "</svg>\n"])


class _Row(NamedTuple):
    depth: int
    caption: str
    name: str
    again: bool  # drawn further up


def _rows(flow: Flow) -> Iterator[_Row]:
    seen: set[str] = set()

    def visit(name: str, depth: int, caption: str) -> Iterator[_Row]:
        yield _Row(depth, caption, name, name in seen)
        if name in seen:
            return
        seen.add(name)
        led = list(ways(flow.steps[name]))
        for way in led:
            yield from visit(way.target, depth + (len(led) > 1), way.caption)

    yield from visit(flow.start, 0, "")
    for name in flow.steps:  # a line that only an agent's orientation leads to
        if name not in seen:
            yield from visit(name, 0, "un régulateur oriente l'appelant")


def _drawn(flow: Flow, row: _Row, y: int) -> Iterator[str]:
    x = 20 + row.depth * INDENT
    middle = y + ROW_HEIGHT // 2
    for depth in range(1, row.depth + 1):
        at = 20 + depth * INDENT - INDENT // 2
        yield f'<path d="M{at} {y}V{y + ROW_HEIGHT}" stroke="#cbd5e1"/>'
    yield f'<text x="{x}" y="{middle + 4}" fill="#475569">{escape(row.caption)}</text>'
    x += CAPTION_WIDTH  # what comes next stands under what came before
    if row.again:
        yield f'<text x="{x + 8}" y="{middle + 4}" font-style="italic">↩ {escape(row.name)}</text>'
        return
    step = flow.steps[row.name]
    fill = {LineStep: "#dcefe3", RelayStep: "#dcefe3", HangUp: "#f3dede"}.get(type(step), "#eef2f7")
    does = " · ".join(_does(step)[:1])
    yield (
        f'<rect x="{x}" y="{y + 3}" width="{BOX_WIDTH}" height="{ROW_HEIGHT - 6}" rx="5" '
        f'fill="{fill}" stroke="#64748b"/>'
    )
    yield (
        f'<text x="{x + 8}" y="{middle + 4}"><tspan font-weight="bold">{escape(row.name)}</tspan>'
        f'<tspan dx="10" fill="#334155">{escape(does)}</tspan></text>'
    )
