"""Closing a call kindly: abusive or silent, with one key, a spoken sentence and no form.

The agent is free at once. What the caller hears reproaches nothing, and leaves the door open:
a silent caller may bring somebody back with any key, both may call again.
"""

from __future__ import annotations

from typing import Literal

from cti.calls.house import House
from cti.calls.state import DANGER_NOW, STAGE_OF, Call, Stage
from ivr.leg import ALL_KEYS
from ivr.steps import Line

Why = Literal["abusive", "silent"]
STAY_SECONDS = 5.0  # after the sentence: time to press a key
PROMPTS: dict[Why, str] = {
    "abusive": "fermeture-bienveillante",
    "silent": "fermeture-silencieuse",
}
DISPOSITIONS: dict[Why, str] = {"abusive": "hors-sujet", "silent": "silencieux"}


def refusal(call: Call) -> str | None:
    """Why a call cannot be closed kindly: an error code, or None.

    Of somebody in danger neither insults nor silence prove anything: who cannot speak may be
    overheard. Their call ends as any other does (``call.end``), never by this sentence.
    """
    return "in_danger" if call.danger >= DANGER_NOW else None


def begin_closing(call: Call, house: House, why: Why) -> None:
    """Write down that the call is being closed, and what it came to: nobody is asked."""
    assert call.talk is not None
    agent = call.talk.agent
    call.closing = why
    house.records.event("call.closed_kindly", call_id=call.id, agent_id=agent.id, why=why)
    house.records.disposition(call.id, agent.id, DISPOSITIONS[why])


async def say_closing(call: Call, house: House, line: Line) -> Stage:
    """Tell the caller, who is in music, that the call ends; a silent one may still have somebody.

    Entered again when the engine did not obey, it says the sentence again.
    """
    caller, why = call.caller, call.closing
    assert why is not None
    await caller.stop_playing()
    sentence = PROMPTS[why]
    if house.seconds(caller.language, sentence) is None:
        sentence = "au-revoir"  # this line's sounds are older than we are: never without a word
    if why == "abusive":
        await caller.play(sentence)
    elif await caller.ask(sentence, ALL_KEYS, STAY_SECONDS):
        call.closing = None
        call.first, call.waiting_since_at = True, None
        house.records.event("call.stays", call_id=call.id)
        return STAGE_OF[line]
    call.ended_by = "agent"
    await house.exchange.hang_up(caller)
    return Stage.ENDED
