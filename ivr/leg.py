"""The telephone as a flow needs it: play a prompt, ask for a key, rest, change language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ivr.steps import Language, LineStep, RelayStep

ALL_KEYS = "0123456789*#"
DANGER_ALONE_SECONDS = 2.0  # the danger key among digits: when none follows it so soon


class HungUp(Exception):
    """The caller left. ``cause`` is the telephone's hang-up cause, when it is known."""

    def __init__(self, cause: int | None = None) -> None:
        super().__init__(cause)
        self.cause = cause


class DangerPressed(Exception):
    """The caller pressed the danger key: whatever they were hearing has been stopped."""


class Leg(Protocol):
    """One caller's telephone.

    Every method may raise HungUp; those that take time raise DangerPressed as soon as
    ``danger_key`` is pressed (by ``gather``, when no other key follows it). A prompt that
    cannot be played is the leg's to survive: the flow goes on.
    """

    danger_key: str | None
    in_danger: bool  # this caller is in danger now: head of the line, flagged on the screen

    @property
    def language(self) -> str:
        """The language prompts are heard in: ``fr`` or ``en``."""

    @property
    def told(self) -> Mapping[str, str]:
        """What is known of this caller, by the names of ``attributes``."""

    async def play(self, prompt: str, whole: bool = False) -> None:
        """Play a prompt; returns at its end. ``whole``: an agent's answer does not cut it."""

    async def ask(
        self, prompt: str, keys: str, seconds_max: float, whole: bool = False
    ) -> str | None:
        """Play a prompt and return the first of ``keys`` pressed.

        A key pressed during the prompt stops it, unless it is said ``whole``. None when no
        such key came within ``seconds_max`` after the end of the prompt.
        """

    async def gather(self, prompt: str, keys_max: int, seconds_max: float) -> str:
        """Play a prompt and return the keys pressed, at most ``keys_max``, without a final ``#``.

        The first key stops the prompt. Ends when none came within ``seconds_max``.
        """

    async def rest(self, seconds: float) -> None:
        """Leave the caller with what they hear by themselves: the music of their line."""

    async def set_language(self, language: Language) -> None:
        """Have later prompts heard in another language."""

    async def tell(self, name: str, value: str) -> None:
        """Note something the caller told, for the agent's sheet."""

    async def tell_danger(self) -> None:
        """The caller is in danger now: ``in_danger`` from here on."""


@dataclass(frozen=True)
class ToLine:
    """The caller now joins a line, at the step of this name."""

    name: str
    step: LineStep


@dataclass(frozen=True)
class ToRelay:
    """The caller is now to be led to a relay, by the step of this name."""

    name: str
    step: RelayStep


@dataclass(frozen=True)
class Ended:
    """The flow is over and the call may be hung up.

    ``reason``: ``goodbye`` as written in the flow; ``too_many_steps`` or
    ``nothing_follows`` for a flow that loading should have refused.
    """

    reason: str


Outcome = ToLine | ToRelay | Ended
