"""What admins have switched on for a while: a crisis mode, a message of the day. Each has an end.

``situation.yaml`` stands beside the flows; ``fil crisis`` and ``fil message`` write it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ivr.checking import checked
from ivr.reading import Wrong, read, text
from ivr.saving import write_whole
from ivr.values import Prompt, Word, title


def _until(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    word = text(value)
    try:
        moment = datetime.fromisoformat(word)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Wrong(f"moment illisible `{word}`", "écrivez par exemple `2026-08-20T08:00+02:00`")


class _Switched(BaseModel):
    """What somebody has switched on, until when and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    until_at: Annotated[datetime, BeforeValidator(_until)] = Field(
        alias="until", examples=["until: 2026-08-20T08:00+02:00"]
    )
    by: Annotated[str, title(80)] = ""
    why: Annotated[str, title(200)] = ""


class Crisis(_Switched):
    """Le mode de crise en cours."""

    profile: Word = Field(examples=["profile: canicule"])


class Message(_Switched):
    """Le message du jour."""

    prompt: Prompt = Field(examples=["prompt: message-travaux"])


class Situation(BaseModel):
    """What is switched on; nothing lasts past its end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crisis: Crisis | None = None
    message: Message | None = None

    def profile_at(self, at: datetime) -> str | None:
        """The crisis mode at an aware time."""
        return self.crisis.profile if self.crisis and at < self.crisis.until_at else None

    def message_at(self, at: datetime) -> str | None:
        """The prompt of the message of the day at an aware time."""
        return self.message.prompt if self.message and at < self.message.until_at else None


def save_situation(path: Path, situation: Situation) -> None:
    """Write what is switched on, whole or not at all."""
    lines = ["# Écrit par fil crisis et fil message. Rien n'y dure au-delà de sa fin."]
    for name, one in situation:
        if one is not None:
            lines.append(f"{name}:")
            said = one.model_dump(by_alias=True, mode="json", exclude_defaults=True)
            for field, value in said.items():
                lines.append(f"  {field}: {json.dumps(value, ensure_ascii=False)}")
    if len(lines) == 1:
        lines.append("{}")
    write_whole(path, "\n".join(lines) + "\n")


def load_situation(path: Path) -> Situation:
    """Read ``situation.yaml``; nothing is switched on where there is none. Raises FlowError."""
    if not path.exists():
        return Situation()
    source = read(path)
    found = checked(source, (), Situation, source.data)
    if found is None or source.problems:
        raise source.error()
    return found
