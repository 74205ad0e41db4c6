"""What the engine's generated vocabulary is made of: how its JSON is read, how a command is put.

Reading never raises. A field that is missing, unknown or of another type gives an
empty value, so that an engine one version ahead cannot stop a call. Models print
their class and id only: a number or a name must not slip into a log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

T = TypeVar("T")
Json = dict[str, Any]
EPOCH = datetime.fromtimestamp(0, UTC)  # stands for a time that could not be read
SECONDS_MAX = 5.0  # a command without an answer by then has failed


class Model:
    """Something the engine described."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, 'id', '')}>"


@dataclass(frozen=True, slots=True)
class Request:
    """One command as the engine takes it: ``values`` are its parameters outside the path."""

    operation: str
    method: str
    path: str
    values: Mapping[str, Any]
    channels: tuple[str, ...]  # the channels it acts on

    def __repr__(self) -> str:
        return f"<Request {self.operation}>"


class Repository:
    """The commands of one resource; ``command`` sends a request and returns its JSON."""

    def __init__(self, command: Callable[[Request, float], Awaitable[Any]]) -> None:
        self._command = command


def text(value: object) -> str:
    """A string, or the empty one."""
    return value if isinstance(value, str) else "" if value is None else str(value)


def whole(value: object) -> int:
    """A whole number, or 0."""
    try:
        return int(number(value))
    except (OverflowError, ValueError):
        return 0


def number(value: object) -> float:
    """A number, or 0.0."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return 0.0


def moment(value: object) -> datetime:
    """An aware time in UTC, or EPOCH."""
    try:
        return datetime.fromisoformat(value).astimezone(UTC)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return EPOCH


def record(value: object) -> Json:
    """A JSON object, or the empty one."""
    return value if isinstance(value, dict) else {}


def maybe(value: object, read: Callable[[object], T]) -> T | None:
    """What an optional field holds."""
    return None if value is None else read(value)


def each(read: Callable[[object], T]) -> Callable[[object], tuple[T, ...]]:
    """The reader of a list of what ``read`` reads."""
    return lambda value: tuple(map(read, value)) if isinstance(value, list) else ()


def path(template: str, **ids: str) -> str:
    """Fill in a command's path. Raises ValueError for an empty id, which would name every thing."""
    if not all(ids.values()):
        raise ValueError("A command was given an empty id.")
    return template.format(**{name: quote(value, safe="") for name, value in ids.items()})


def ids(*given: str | Sequence[str] | None) -> tuple[str, ...]:
    """The ids among ``given``, flat."""
    found: list[str] = []
    for one in given:
        found += [one] if isinstance(one, str) else one or []
    return tuple(i for i in found if i)
