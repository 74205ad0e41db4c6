"""Tries a flow without a telephone: the keyboard is the keypad, prompts are text, time is yours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from ivr.flow import Flow
from ivr.leg import DangerPressed, Ended, HungUp, Outcome, ToLine, ToRelay
from ivr.relays import Relay
from ivr.situation import Situation
from ivr.steps import Language, LineStep
from ivr.values import written_seconds
from ivr.walk import Outlook, Surroundings, Where, walk

HELP = (
    "Touches : 0-9 * #, puis Entrée. Entrée seule : ne toucher à rien. "
    "r : quelqu'un répond. p : plus personne n'est là. x : raccrocher."
)
Read = Callable[[str], str]
Say = Callable[[str], None]


class _Answered(Exception):
    """Somebody answers the waiting caller."""


class _TooLong(Exception):
    """The caller has waited for longer than the flow allows."""


class _NobodyLeft(Exception):
    """Nobody is on duty any more."""


class TextLeg:
    """A caller's telephone made of text (``ivr.leg.Leg``)."""

    def __init__(
        self,
        texts: Mapping[tuple[str, str], str],
        lengths: Mapping[tuple[str, str], float],
        language: str,
        read: Read,
        say: Say,
    ) -> None:
        self.language = language
        self.told: dict[str, str] = {}
        self.danger_key: str | None = None
        self.in_danger = False
        self.waiting = False  # in a line: somebody may answer
        self.waits_until = 0.0  # seconds of the call: then the line offers something else
        self.seconds = 0.0  # of the call so far
        self._texts = texts
        self._lengths = lengths
        self._read = read
        self._say = say

    def _typed(self, question: str) -> str:
        typed = self._read(question).strip().lower()
        if typed == "x":
            raise HungUp
        if typed == "r" and self.waiting:
            raise _Answered
        if typed == "p" and self.waiting:
            raise _NobodyLeft
        if self.danger_key and typed == self.danger_key:
            raise DangerPressed
        return "".join(key for key in typed if key in "0123456789*#")

    async def play(self, prompt: str, whole: bool = False) -> None:
        """Show the text of a prompt."""
        text = self._texts.get((self.language, prompt), "(ce message n'existe pas)")
        minutes, seconds = divmod(round(self.seconds), 60)
        self._say(f"{minutes:2}:{seconds:02}  « {text} »   [{self.language}/{prompt}]")
        self.seconds += self._lengths.get((self.language, prompt), 3.0)
        del whole

    async def ask(
        self, prompt: str, keys: str, seconds_max: float, whole: bool = False
    ) -> str | None:
        """Show a prompt and read a key."""
        await self.play(prompt, whole)
        typed = self._typed(f"       touche ({' '.join(keys)}) ? ")
        pressed = next((key for key in typed if key in keys), None)
        self.seconds += 0.0 if pressed else seconds_max
        return pressed

    async def gather(self, prompt: str, keys_max: int, seconds_max: float) -> str:
        """Show a prompt and read a few keys."""
        await self.play(prompt)
        typed = self._typed(f"       touches ({keys_max} au plus) ? ").partition("#")[0]
        self.seconds += 0.0 if typed else seconds_max
        return typed[:keys_max]

    async def rest(self, seconds: float) -> None:
        """Let time pass with music."""
        self._typed(f"       ♪ musique, {written_seconds(seconds)} … ")
        self.seconds += seconds
        if self.waiting and self.seconds >= self.waits_until:
            raise _TooLong

    def outlook(self) -> Outlook:
        """What the line would know of this wait: whoever tries it says."""
        typed = self._typed("       attente estimée, en minutes (Entrée : inconnue) ? ")
        minutes = "".join(key for key in typed if key.isdigit())[:3]
        return Outlook(int(minutes) * 60.0, 1) if minutes else Outlook()

    async def set_language(self, language: Language) -> None:
        """Show later prompts in another language."""
        self.language = language

    async def tell(self, name: str, value: str) -> None:
        """Show what the agent's sheet would show."""
        self.told[name] = value
        self._say(f"       (la fiche montre : {name} = {value})")

    async def tell_danger(self) -> None:
        """The caller goes first."""
        self.in_danger = True
        self._say("       (danger : cet appel passe en tête, et la fiche le montre)")


async def try_flow(
    flow: Flow,
    leg: TextLeg,
    began_at: datetime,
    situation: Situation,
    relays: Mapping[str, Relay],
    say: Say,
    read: Read,
) -> str:
    """Live through one call; returns how it ended, in a sentence."""

    def now() -> datetime:
        return began_at + timedelta(seconds=leg.seconds)

    around = Surroundings(now, lambda: situation, lambda: relays, leg.outlook)
    say(HELP)
    try:
        came_out: Outcome = await walk(flow, flow.start, leg, around)
        while True:
            match came_out:
                case ToLine(name=name, step=step):
                    say(f"       ── ligne « {step.line} » ({name}) : les téléphones sonnent")
                    came_out = await _in_line(flow, step, leg, around)
                case ToRelay(step=relay):
                    say(f"       ── le relais « {relays[relay.relay].name} » est appelé")
                    answers = read("       le relais répond ? (o/n) ").strip().lower() == "o"
                    onward = relay.then if answers else relay.otherwise
                    came_out = await walk(flow, onward, leg, around)
                case Ended():
                    return "La ligne raccroche."
    except HungUp:
        return "L'appelant a raccroché."
    except _Answered:
        return f"Une personne répond, après {written_seconds(round(leg.seconds))}."


async def _in_line(flow: Flow, step: LineStep, leg: TextLeg, around: Surroundings) -> Outcome:
    leg.waiting = True
    leg.waits_until = leg.seconds + step.on_wait_longer_than.after_seconds
    try:
        return await walk(flow, step.while_waiting, leg, around, Where.WAITING)
    except _NobodyLeft:
        onward, where = step.on_no_staff, Where.NOBODY
    except _TooLong:
        onward, where = step.on_wait_longer_than.then, Where.APART
    finally:
        leg.waiting = False
    return await walk(flow, onward, leg, around, where)
