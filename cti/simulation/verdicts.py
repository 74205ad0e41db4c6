"""What the judges of a world share: a call as the journal tells it, and what was wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cti.simulation.world import BEGAN_AT


@dataclass(frozen=True)
class Violation:
    """Something that must never be."""

    kind: str
    at: float
    text: str
    caller: str = ""


@dataclass
class Call:
    """What the journal says of one call."""

    id: str
    channel: str
    opened_at: float
    entries: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    closed: list[tuple[float, dict[str, Any]]] = field(default_factory=list)  # (end, data)


def seconds(stamp: str | datetime) -> float:
    """A moment as seconds of the world."""
    moment = datetime.fromisoformat(stamp) if isinstance(stamp, str) else stamp
    return (moment - BEGAN_AT).total_seconds()


def told_danger(set_: dict[str, Any]) -> bool:
    """Whether a checkpoint says that the caller told danger with a key: an agent gives a level."""
    return bool(set_.get("danger")) and "danger_level" not in set_
