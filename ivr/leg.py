"""The telephone as a flow needs it: play a prompt, ask for a key, change language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ivr.steps import Language, LineStep


class HungUp(Exception):
    """The caller left. ``cause`` is the telephone's hang-up cause, when it is known."""

    def __init__(self, cause: int | None = None) -> None:
        super().__init__(cause)
        self.cause = cause


class Leg(Protocol):
    """One caller's telephone.

    Every method may raise HungUp. A prompt that cannot be played is the leg's
    to survive: the flow goes on.
    """

    @property
    def language(self) -> str:
        """The language prompts are heard in: ``fr`` or ``en``."""

    async def play(self, prompt: str, whole: bool = False) -> None:
        """Play a prompt; returns at its end. ``whole``: an agent's answer does not cut it."""

    async def ask(self, prompt: str, keys: str, seconds_max: float) -> str | None:
        """Play a prompt and return the first of ``keys`` pressed.

        A key pressed during the prompt stops it. None when no such key came
        within ``seconds_max`` after the end of the prompt.
        """

    async def set_language(self, language: Language) -> None:
        """Have later prompts heard in another language."""


@dataclass(frozen=True)
class ToLine:
    """The caller now joins a line."""

    step: LineStep


@dataclass(frozen=True)
class Ended:
    """The flow is over and the call may be hung up.

    ``reason``: ``goodbye`` as written in the flow; ``too_many_steps`` or
    ``nothing_follows`` for a flow that loading should have refused.
    """

    reason: str


Outcome = ToLine | Ended
