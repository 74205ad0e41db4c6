"""What became of each caller, by what they heard and by what was written of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
from sqlalchemy import select

from bench.choir import VOICES, agent_hz
from bench.people import WINDOW_SECONDS, Agent, Caller, Plan, as_sent, tones, who
from cti.records.database import create_database
from cti.records.models import Call
from cti.records.privacy import Keys, Phone
from cti.rehearsal.phone import SOUND_DBFS_MIN
from cti.rehearsal.sound import FRAME_SECONDS, RATE, Received, Samples, correlation
from tests.line import Line

SOUND_SECONDS_MAX = 1.0  # from the answer to the first sound
SILENCE_SECONDS_MAX = 3.0
WINDOWS_MIN = 2  # of an agent's tone: half a second of talk
GOODBYE_LIKENESS_MIN = 0.7
LEAVING_SECONDS = 1.5  # who left so soon after being joined may have heard nobody


@dataclass(frozen=True)
class Passage:
    """One call that is over, as its caller lived it: all that is needed to judge it elsewhere."""

    plan: Plan
    left: bool  # by their own will
    invited_at: float
    answered_at: float | None
    ended_at: float | None
    ended_by: str | None  # "us": the caller hung up
    end_status: int | str | None
    received: Received


def passage(caller: Caller) -> Passage:
    """Take a caller's call out of their phone, which lets go of its sound."""
    call = caller.call
    received, call._sound.received = call._sound.received, Received()
    return Passage(
        caller.plan, caller.left, call.invited_at, call.answered_at, call.ended_at,
        call.ended_by, call.end_status, received,
    )  # fmt: skip


@dataclass(eq=False)
class Fate:
    """One caller's passage, judged."""

    plan: Plan
    left: bool
    ended_by: str | None
    answer_ms: float | None = None  # from the INVITE
    sound_ms: float | None = None  # from the answer
    silence_s: float = 0.0  # the longest
    agents: list[int] = field(default_factory=list)  # whom they heard
    human_s: float | None = None  # from the answer to the agent's voice
    goodbye: bool = False
    faults: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """What became of them, in a word."""
        if self.faults:
            return "lost"
        return "talked" if self.agents else "abandoned"


def judge(call: Passage, agents: int, goodbye: Samples) -> Fate:
    """Judge a call by signalling and by sound."""
    fate = Fate(call.plan, call.left, call.ended_by)
    if call.answered_at is None or call.ended_at is None:
        fate.faults.append(f"not answered ({call.end_status})")
        return fate
    began, ended = call.answered_at, call.ended_at
    fate.answer_ms = (began - call.invited_at) * 1000
    received = call.received
    first = received.first_sound(began, ended, SOUND_DBFS_MIN)
    fate.sound_ms = None if first is None else (first - began) * 1000
    quiet = received.silences(began, ended, SOUND_DBFS_MIN, 0.5)
    fate.silence_s = max((seconds for _, seconds in quiet), default=0.0)
    packets = received.between(began, ended)
    heard = as_sent(packets)
    spoken = [who(hz, agent_hz, agents) if hz else None for hz in tones(heard)]
    counts = Counter(agent for agent in spoken if agent is not None)
    fate.agents = [agent for agent, windows in counts.items() if windows >= WINDOWS_MIN]
    if fate.agents:
        at = round(spoken.index(fate.agents[0]) * WINDOW_SECONDS / FRAME_SECONDS)
        fate.human_s = packets[at].arrival - began
    late = fate.sound_ms is None or fate.sound_ms > SOUND_SECONDS_MAX * 1000
    if late and ended - began > SOUND_SECONDS_MAX:
        fate.faults.append("no sound within 1 s")
    if fate.silence_s > SILENCE_SECONDS_MAX:
        fate.faults.append("silence over 3 s")
    if call.ended_by == "them":
        fate.goodbye = said(heard[-6 * RATE :], goodbye)
        if not fate.goodbye:
            fate.faults.append("dropped without a goodbye")
    elif not call.left:
        fate.faults.append("nobody came")
    if call.plan.patience is None and not fate.agents and not fate.faults:
        fate.faults.append("heard no agent")
    return fate


def said(heard: Samples, prompt: Samples) -> bool:
    """Whether the prompt is in what was heard: any whole second of it, as packets may be late."""
    seconds = [prompt[at : at + RATE] for at in range(0, len(prompt) - RATE, RATE)]
    return any(correlation(heard, second)[0] >= GOODBYE_LIKENESS_MIN for second in seconds)


def heard_both_ways(fates: Iterable[Fate], agents: Iterable[Agent]) -> None:
    """Each caller who heard an agent was heard by that agent; else a fault."""
    sides = Counter((talk.agent, talk.caller) for agent in agents for talk in agent.talks)
    for fate in fates:
        for agent in fate.agents:
            side = (agent, fate.plan.index % VOICES)
            sides[side] -= 1
            if sides[side] < 0:
                fate.faults.append("the agent did not hear them")
        if len(fate.agents) > 1:
            fate.faults.append("heard two agents")


async def records_agree(line: Line, fates: list[Fate]) -> list[str]:
    """Compare the records with what was heard; what does not agree, as sentences."""
    keys = Keys.load_or_create(line.settings.data / "secrets")
    database = create_database(line.settings.database)
    try:
        async with database.sessions() as session:
            rows = (await session.scalars(select(Call))).all()
    finally:
        await database.close()
    written: dict[str | None, list[Call]] = {}
    for row in rows:
        written.setdefault(row.caller_ref, []).append(row)
    wrong = []
    for fate in fates:
        number = Phone.parse(fate.plan.number)
        assert number is not None
        found = written.pop(keys.caller_ref(number), [])
        if not found:  # claimed later than in 500 ms, and gone before it was offered again
            wrong.append("no record: the dialplan alone served the call")
        elif len(found) > 1:
            wrong.append("two records of one call")
        elif (trouble := _disagrees(found[0], fate)) is not None:
            wrong.append(trouble)
    return wrong + ["a record of no call"] * sum(len(rows) for rows in written.values())


def _disagrees(row: Call, fate: Fate) -> str | None:
    """What is wrong with this record."""
    if row.ended_at is None:
        return "a record is not closed"
    ended_by = "caller" if fate.ended_by == "us" else "agent"
    outcome = "talked" if fate.agents else "abandoned"
    joined = row.answered_at is not None and fate.left
    if joined and row.ended_at - row.answered_at < timedelta(seconds=LEAVING_SECONDS):
        outcome = row.outcome or ""
    if (row.outcome, row.ended_by) != (outcome, ended_by):
        return f"a record says {row.outcome} by {row.ended_by}, not {outcome} by {ended_by}"
    return None


def percentile(values: list[float], percent: float) -> float:
    """The value that so many per cent of them do not exceed; NaN of none."""
    return float(np.percentile(values, percent, method="higher")) if values else float("nan")
