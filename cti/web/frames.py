"""Every frame an agent's screen and the line exchange (``fil.cti.v1``), as typed models.

The models are the contract: what a screen sends is checked against them, and
the AsyncAPI document is generated from them. What the line sends may gain
fields, never lose one; what a screen sends is closed, so that a misspelt field
is reported instead of ignored. A command says with ``allow`` who may send it,
as an address does: one that does not say is nobody's.
"""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from cti.people.agents import Role
from cti.people.help import HELPERS
from cti.web.door import EVERYONE, allow

PROTOCOL = "fil.cti.v1"
HANDOVER_CHARS_MAX = 2000
# Marks that reorder the text around them: a handover could be made to read as its opposite.
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _without_control_characters(text: str) -> str:
    return "".join(
        c for c in text if c in "\n\t" or (unicodedata.category(c) != "Cc" and c not in _REORDERING)
    )


Name = Annotated[str, Field(min_length=1, max_length=128)]
Text = Annotated[str, AfterValidator(_without_control_characters)]


class Open(BaseModel):
    """Sent by the line: readers must accept fields they do not know."""

    model_config = ConfigDict(extra="allow")


class Closed(BaseModel):
    """Sent by a screen: a field nobody knows is a mistake, and is reported."""

    model_config = ConfigDict(extra="forbid", strict=True)


# What a screen asks ------------------------------------------------------------------
# Everyone may be given a call: a colleague who is READY can be asked for by name, whatever
# their roles. What is asked about a call is refused unless it is the asker's own.


@allow(*EVERYONE)
class PresenceSet(Closed):
    """What I can take from now on."""

    presence: Literal["READY", "NOT_READY", "LOGGED_OUT"]
    reason: Annotated[Text, Field(max_length=60)] | None = None


@allow(*EVERYONE)
class CallDecline(Closed):
    """I cannot take the offered call."""

    call: Name


class Destination(Closed):
    """Exactly one of a line, an agent or a relay, by id."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    line: Name | None = None
    agent: Name | None = None
    relay: Name | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Destination:
        if sum(x is not None for x in (self.line, self.agent, self.relay)) != 1:
            raise ValueError("give exactly one of line, agent, relay")
        return self


@allow(*EVERYONE)
class CallOrient(Closed):
    """Where the caller goes next, and what the next person should know.

    Of a caller who waits, and whom the regulator does not have: to another line or to a person,
    alone. They keep their place by time.
    """

    call: Name
    to: Destination
    handover: Annotated[Text, Field(max_length=HANDOVER_CHARS_MAX)] | None = None
    together: bool = Field(
        default=False,
        description="stay with the caller until the next person is there: three talk, then two",
    )
    consult: bool = Field(
        default=False,
        description="speak with the next person alone first; the caller is on hold meanwhile",
    )
    danger: Annotated[int, Field(ge=0, le=3)] | None = Field(
        default=None,
        description="how much danger the caller is in: 0 none, 1 low, 2 high, 3 now; "
        "left out: nothing new is said of it",
    )

    @model_validator(mode="after")
    def _one_way(self) -> CallOrient:
        if self.together and self.consult:
            raise ValueError("give together or consult")
        return self


@allow(Role.REGULATOR)
class CallTake(Closed):
    """I take this caller, who waits: they are offered to me at once. For regulators."""

    call: Name


@allow(Role.REGULATOR)
class CallDanger(Closed):
    """How much danger a caller who waits is in: 0 none, 1 low, 2 high, 3 now. For regulators."""

    call: Name
    level: Annotated[int, Field(ge=0, le=3)]


@allow(*EVERYONE)
class CallHold(Closed):
    """The caller waits under music, or comes back from there; in a consultation, all three talk."""

    call: Name
    on: bool


@allow(*EVERYONE)
class CallMute(Closed):
    """The caller does not hear me, or does again."""

    call: Name
    on: bool


@allow(*EVERYONE)
class CallTakeBack(Closed):
    """The third person is not needed after all: the caller and I talk again."""

    call: Name


@allow(*EVERYONE)
class CallEnd(Closed):
    """I end the call."""

    call: Name


@allow(*EVERYONE)
class CallQuality(Closed):
    """How my browser has heard the caller in the last seconds."""

    call: Name
    mos: Annotated[float, Field(ge=1, le=5)]
    lost_percent: Annotated[float, Field(ge=0, le=100)]
    jitter_ms: Annotated[float, Field(ge=0, le=60_000)]
    round_trip_ms: Annotated[float, Field(ge=0, le=60_000)]


@allow(*EVERYONE)
class CallClose(Closed):
    """I close an abusive or silent call: the caller hears a kind sentence, I am asked nothing."""

    call: Name
    why: Literal["abusive", "silent"]


@allow(*EVERYONE)
class WrapupDone(Closed):
    """I have finished with the call, and what it came to."""

    call: Name
    disposition: Name


@allow(*EVERYONE)
class PresenceHere(Closed):
    """I am still there, though my phone rang in vain."""


@allow(*EVERYONE)
class WrapupExtend(Closed):
    """I need as much time again after this call; once."""

    call: Name


@allow(*EVERYONE)
class DutySet(Closed):
    """When my shift ends, and whether I take one more talk near its end; null: as it is."""

    ends_at: AwareDatetime | None = Field(default=None, strict=False)
    one_more: bool | None = None


@allow(*EVERYONE)
class HelpAsk(Closed):
    """I need help now, in this call or in none. Asking again while it waits changes nothing."""

    call: Name | None = None


@allow(*HELPERS)
class HelpAnswer(Closed):
    """I see to this agent. For supervisors, facilitators and regulators."""

    agent: Name


@allow(*EVERYONE)
class HelpEnd(Closed):
    """I need no help any more."""


@allow(*EVERYONE)
class Ack(Closed):
    """Every frame up to ``seq`` has been displayed to me."""

    seq: Annotated[int, Field(ge=0)]


@allow(*EVERYONE)
class Resume(Closed):
    """I was here before: give me what came after ``since``."""

    epoch: Name
    since: Annotated[int, Field(ge=0)]


OPS: dict[str, type[Closed]] = {
    "presence.set": PresenceSet,
    "presence.here": PresenceHere,
    "duty.set": DutySet,
    "call.decline": CallDecline,
    "call.orient": CallOrient,
    "call.take": CallTake,
    "call.danger": CallDanger,
    "call.hold": CallHold,
    "call.mute": CallMute,
    "call.take_back": CallTakeBack,
    "call.end": CallEnd,
    "call.close": CallClose,
    "call.quality": CallQuality,
    "wrapup.done": WrapupDone,
    "wrapup.extend": WrapupExtend,
    "help.ask": HelpAsk,
    "help.answer": HelpAnswer,
    "help.end": HelpEnd,
    "ack": Ack,
    "resume": Resume,
}


# What the line tells -----------------------------------------------------------------


class Problem(Open):
    """Why a command did nothing: a code for programs, a sentence for people."""

    code: str
    message: str = Field(description="in French")


class Result(Open):
    """The answer to one command; it has no place in the numbered sequence."""

    op: Literal["result"]
    id: str | int | None
    ok: bool
    error: Problem | None = None


class Hello(Open):
    """First frame of every connection. A new epoch means that numbering started again."""

    epoch: str
    last_seq: int = Field(description="the number of the last frame before this connection")
    heartbeat_seconds: int
    resumed: bool = Field(
        default=False,
        description="what was missed follows, and no snapshot: everything known stays true",
    )


class WrapupView(Open):
    """How much is left of the minutes after a call."""

    seconds_left: float
    may_extend: bool = Field(description="whether wrapup.extend still gives as much again")
    form: bool = Field(description="whether wrapup.done is to say what the call came to")


class NextPresence(Open):
    """What follows once the agent is done with the call they have."""

    presence: Literal["LOGGED_OUT", "NOT_READY", "READY"]
    reason: str | None


class PresenceView(Open):
    """What the agent can take now, since when."""

    presence: Literal["LOGGED_OUT", "NOT_READY", "READY", "RESERVED", "TALKING", "WRAP_UP"]
    reason: str | None
    since: datetime
    wrap_up: WrapupView | None = Field(default=None, description="in WRAP_UP alone")
    next: NextPresence | None = Field(
        default=None, description="what was chosen during a call, and follows it"
    )


class DutyView(Open):
    """When the agent's shift ends, as they said, and what they agreed to."""

    ends_at: datetime | None
    one_more: bool = Field(description="they take one more talk, however near the end")
    stands_in: bool = Field(description="they may be rung as a regulator when there is none")


class PresenceAsked(Open):
    """Your phone rang in vain: are you still there? Answer presence.here, or pause."""


class Named(Open):
    """A person, named."""

    id: str
    name: str


class OtherAgent(Named):
    """The colleague who has the caller too."""

    how: Literal["consulting", "consulted_by", "came", "stays"] = Field(
        description="consulting: the agent speaks with them alone, the caller waits under music; "
        "consulted_by: likewise, and the caller is theirs; came: three talk, and the caller is "
        "theirs now; stays: three talk, and they stay for a while"
    )


class TeamAlert(Open):
    """Something about a colleague, for supervisors."""

    kind: str = Field(
        description="missed: two rings in a row, so that they were paused. trunk_dead: their own "
        "telephone could not be rung, nor anybody's outside"
    )
    agent: Named
    at: AwareDatetime


class CallRef(Open):
    """A call, named."""

    id: str


class Sound(Open):
    """Whether both sides of the talk are heard, and what to do when one is not."""

    problem: Literal["no_voice", "caller_silent"] | None = Field(
        description="no_voice: the caller cannot hear the agent; caller_silent: nothing is heard "
        "of the caller; null: heard again"
    )
    advice: str | None = Field(description="what the agent can do about it, in French")
    advice_en: str | None = Field(default=None, description="the same in English")
    say: list[str] = Field(
        default_factory=list, description="to a silent caller, in their language, in this order"
    )


class CallView(CallRef):
    """The call's sheet. It never holds the caller's number."""

    tier: str = Field(description="the line in which it is answered")
    language: str | None
    waited_seconds: float
    path: list[str] = Field(description="the lines where the caller has been, oldest first")
    handover: str | None
    danger: bool | None
    danger_level: int = Field(
        default=0, description="as the last agent judged it: 0 none, 1 low, 2 high, 3 now"
    )
    returned: bool = Field(default=False, description="their talk broke off a moment ago")
    held: bool = Field(default=False, description="the caller waits under music")
    held_until: str | None = Field(default=None, description="when a hold ends by itself")
    muted: bool = Field(default=False, description="the caller does not hear this agent")
    muted_until: str | None = Field(default=None, description="when a mute ends by itself")
    inviting: bool = Field(default=False, description="a third person is looked for")
    colleague: OtherAgent | None = Field(default=None, description="who has the caller too")
    told: dict[str, str] = Field(description="what the caller told with keys")
    keys: list[str] = Field(
        default_factory=list,
        description="the last keys the caller pressed while talking, oldest first: who cannot "
        "speak may tap",
    )
    sound: Sound | None = Field(default=None, description="what is wrong with the sound now")


class Person(Open):
    """A member of the team."""

    id: str
    name: str
    roles: list[str]


class Colleague(Person):
    """Another member of the team, to whom a caller may be oriented."""

    presence: str


class Labelled(Open):
    """Something to choose in a list."""

    id: str
    label: str


class SystemView(Open):
    """How the line itself is. Calls are served in every case."""

    degraded: bool
    reasons: list[str] = Field(
        description="what is missing: database_away (sheets and figures follow later; signing in "
        "anew must wait), database_version (likewise, until somebody acts), journal_disk (the "
        "disk takes nothing more: what happens is held in memory), flow_refused (a flow, relay, "
        "situation, form or card cannot be read: the one before stays; told to supervisors and "
        "admins)"
    )
    advice: str | None = Field(
        default=None, description="what to do about it; told to supervisors and admins alone"
    )


class Reason(Open):
    """Why something is suggested: a code for programs, a few words for people."""

    code: str
    fr: str
    en: str


class Target(Open):
    """A line or an agent, by id: what ``to`` of ``call.orient`` takes."""

    line: str | None = None
    agent: str | None = None


class Suggestion(Open):
    """Where the caller might go next, and why."""

    to: Target
    label: str
    reasons: list[Reason]


class HelpAsked(Open):
    """A colleague needs help now; told to supervisors, facilitators and regulators."""

    agent: str = Field(description="their id, for help.answer")
    name: str
    call: CallRef | None = Field(description="the call they had as they asked")
    since: AwareDatetime


class HelpWaiting(Open):
    """The help that this agent asked for; told again when somebody sees it, or nobody any more."""

    call: CallRef | None
    since: AwareDatetime
    seen: bool = Field(description="a colleague who may answer has a screen open")
    advice: Reason | None = Field(
        description="nobody_sees_it: what to do meanwhile; null: it is seen, or answered"
    )
    by: Named | None = Field(description="who sees to it; null: nobody has answered yet")


class HelpAnswered(Open):
    """A colleague sees to this agent."""

    by: str = Field(description="their id")
    name: str


class HelpOver(Open):
    """A request for help is over, for who asked and for who could answer."""

    agent: str = Field(description="the id of who asked")
    reason: Literal["answered", "over", "too_long"] = Field(
        description="answered: by a colleague; over: the agent needs none any more; too_long: it "
        "was asked an hour ago"
    )
    by: Named | None = Field(description="who answered")


class WaitingCard(CallRef):
    """A caller who waits, as regulators and supervisors see them. It never holds their number."""

    line: str = Field(description="the line in which they wait")
    tier: str = Field(description="the same, as the call's sheet names it")
    waiting_since: AwareDatetime = Field(description="their place by time; their age is told by it")
    language: str
    gender: Literal["femme", "homme"] | None = Field(
        description="with whom they would rather speak, as they told with keys"
    )
    danger: bool
    danger_level: int = Field(description="0 none, 1 low, 2 high, 3 now")
    need: list[str] = Field(description="the skills that their flow asks of who answers")
    path: list[str] = Field(description="the lines where somebody spoke with them, oldest first")
    told: dict[str, str] = Field(description="what they told with keys, in the words of their flow")
    returned: bool = Field(
        description="they had somebody: in this call, or in one that broke off a moment ago"
    )
    oriented: Literal["regulator", "listener"] | None = Field(
        description="what the agent is who oriented them; null: nobody did since they had somebody"
    )
    handover: bool = Field(description="something is written for the next person")
    state: Literal["waiting", "ringing", "elsewhere"] = Field(
        description="ringing: a phone rings for them; elsewhere: the telephone system cares for "
        "them by itself for a moment, perhaps with an on-call phone"
    )
    may_take: bool = Field(description="whether this agent, READY or in a break, may take them now")


class WaitingChanged(Open):
    """Who waits now, the oldest first: replaces the whole list.

    In a resume only the last comes again.

    At most once a second, but at once for a first caller and for danger. For regulators and
    supervisors.
    """

    waiting: list[WaitingCard] = Field(
        description="of too many, those in most danger, then the oldest"
    )
    waiting_count: int = Field(description="how many wait, those left out too")


class Snapshot(Open):
    """All that a screen must show now: replaces everything it knew."""

    agent: Person
    presence: PresenceView
    duty: DutyView
    asked: bool = Field(description="presence.asked still waits for an answer")
    call: CallView | None
    call_state: Literal["offered", "connected"] | None
    suggestions: list[Suggestion] = Field(
        default=[], description="for the call, as in call.suggestions"
    )
    wrapup_call: str | None = Field(default=None, description="the call to name in wrapup.done")
    lines: list[Labelled]
    colleagues: list[Colleague]
    dispositions: list[Labelled]
    system: SystemView
    alerts: list[TeamAlert] = Field(
        default=[], description="for supervisors: of colleagues who have not come back since"
    )
    help: HelpWaiting | None = Field(
        default=None,
        description="what this agent asked for. A screen that knew of some and reads null here "
        "tells the agent that it was lost, and that they may ask again",
    )
    helps: list[HelpAsked] = Field(
        default=[], description="for who may answer: not answered yet, as in help.asked"
    )
    waiting: list[WaitingCard] = Field(
        default=[], description="for regulators and supervisors alone, as in waiting.changed"
    )
    waiting_count: int = Field(default=0, description="likewise")


class CallOffered(Open):
    """The screen pop. It must be acked once displayed, before the phone is rung."""

    offer: str
    call: CallView
    line: str | None
    expires_at: datetime


class CallChanges(CallRef):
    """Those fields of a call's sheet that are new; the others stay as they are."""


class CallUpdated(Open):
    """Something about the call changed; the fields given replace those known."""

    call: CallChanges


class CallSound(Sound):
    """One side of the talk is not heard, or is heard again."""

    call: CallRef


class CallWithdrawn(Open):
    """The offer is over, and counts against nobody unless it says ``missed``."""

    call: CallRef
    offer: str | None = Field(default=None, description="as in call.offered")
    reason: str | None = Field(
        description="caller_left, answered_elsewhere (a colleague was faster), withdrawn, language "
        "or wish (another person is needed by now), declined, hung_up, missed, screen_lost, "
        "phone_unreachable, engine_restart"
    )


class CallConnected(Open):
    """The caller and the agent hear each other."""

    call: CallChanges = Field(description="with its sheet, in a talk taken back after a restart")


class CallNotTaken(Open):
    """A caller whom the agent had taken is gone before they were offered: nothing rings."""

    call: CallRef
    reason: str = Field(
        description="caller_left, answered_elsewhere (a colleague was faster), or left_line: the "
        "flow, or a regulator, led them elsewhere"
    )


class CallSuggestions(Open):
    """Where the caller might go next, best first, three at most: replaces those told before."""

    call: CallRef
    suggestions: list[Suggestion]


class CallEnded(Open):
    """The agent's part in the call is over."""

    call: CallRef
    reason: str | None = Field(
        default=None,
        description="ended, caller_left, engine_restart (the telephone system started again), "
        "or lost: the agent's phone dropped and rings again",
    )


class CallJoined(Open):
    """Three are talking: this colleague too hears the caller. Whoever leaves, two go on."""

    call: CallRef
    agent: Named


class CallNotJoined(Open):
    """Nobody came to the talk; it goes on as it was."""

    call: CallRef
    reason: str | None = Field(description="nobody_there, or taken_back: no longer wanted")


class CallHeld(Open):
    """The caller waits under music, or is back."""

    call: CallRef
    on: bool
    reason: str | None = Field(
        default=None,
        description="why they are back without having been taken back: too_long (a hold has a "
        "limit), colleague_left (who was consulted)",
    )
    seconds_max: float | None = Field(default=None, description="then they are back by themselves")


class CallMuted(Open):
    """The caller does not hear this agent, or does again."""

    call: CallRef
    on: bool
    reason: str | None = Field(default=None, description="too_long: a caller must not be alone")
    seconds_max: float | None = Field(default=None, description="then they hear the agent again")


class CallConsulting(Open):
    """A colleague and the agent talk with each other; the caller waits under music."""

    call: CallRef
    agent: Named


class CallCameBack(Open):
    """Somebody whom the agent had oriented is offered to them again."""

    call: CallRef
    reason: str | None = Field(
        default=None,
        description="not_answered (who was wanted), or nobody_there (in time, in that line)",
    )


EVENTS: dict[str, type[Open]] = {
    "hello": Hello,
    "snapshot": Snapshot,
    "presence.changed": PresenceView,
    "presence.asked": PresenceAsked,
    "duty.changed": DutyView,
    "team.alert": TeamAlert,
    "help.asked": HelpAsked,
    "help.waiting": HelpWaiting,
    "help.answered": HelpAnswered,
    "help.over": HelpOver,
    "system.changed": SystemView,
    "waiting.changed": WaitingChanged,
    "call.offered": CallOffered,
    "call.updated": CallUpdated,
    "call.sound": CallSound,
    "call.withdrawn": CallWithdrawn,
    "call.not_taken": CallNotTaken,
    "call.connected": CallConnected,
    "call.suggestions": CallSuggestions,
    "call.ended": CallEnded,
    "call.joined": CallJoined,
    "call.not_joined": CallNotJoined,
    "call.held": CallHeld,
    "call.muted": CallMuted,
    "call.consulting": CallConsulting,
    "call.came_back": CallCameBack,
}
