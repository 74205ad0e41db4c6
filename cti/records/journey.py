"""The journey of a call: its events told as a story that a person can read, with nothing personal.

One sentence for each kind of event, in French and in English. Who works here is named, for
supervisors; of the caller there is no number, no pseudonym, and nothing of what was written.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cti.records.models import Event

Tongue = Literal["fr", "en"]
Words = Mapping[Tongue, str]

_MINUTE, _HOUR = 60, 3600
_SHORT_SECONDS_MAX = 600  # a longer time is told in whole minutes


def _words(fr: str, en: str) -> Words:
    return {"fr": fr, "en": en}


# Kinds of events, and of what is told of them -> the sentence. ``leg.missed.why`` is told where
# the event has that ``why`` and there is such a sentence, else ``leg.missed``.
SENTENCES: Mapping[str, Words] = {
    "call.opened": _words("L'appel arrive (flux {flow}).", "The call comes in (flow {flow})."),
    "call.degraded": _words(
        "La ligne sert cet appel malgré une panne ({why}).",
        "The line serves this call in spite of a failure ({why}).",
    ),
    "call.stage.line": _words("Attend {one_of_line}.", "Waits for {one_of_line}."),
    "call.stage.danger": _words(
        "A signalé un danger : passe avant tout le monde.",
        "Said to be in danger: goes before everybody.",
    ),
    "call.stage.language": _words(
        "Parle désormais : {language}.", "Speaks from now on: {language}."
    ),
    "call.told": _words(
        "A répondu avec les touches (réponse scellée).",
        "Answered with keys (the answer is sealed).",
    ),
    "call.handover": _words(
        "Un mot est écrit pour la personne suivante (scellé).",
        "A hand-over is written for the next person (sealed).",
    ),
    "call.oriented": _words("{agent} oriente vers {line}.", "{agent} orients towards {line}."),
    "call.oriented.consult": _words(
        "{agent} fait appeler {one_of_line}, pour lui parler d'abord seul à seul.",
        "{agent} asks for {one_of_line}, to speak alone with them first.",
    ),
    "call.oriented.waiting": _words(
        "{agent} oriente vers {line}, depuis l'attente.",
        "{agent} orients towards {line}, from among those who wait.",
    ),
    "call.taken": _words(
        "{agent} choisit cette personne dans l'attente.",
        "{agent} picks this caller from among those who wait.",
    ),
    "call.danger": _words(
        "{agent} signale un danger de niveau {level} (0 à 3).",
        "{agent} sees danger of level {level} (0 to 3).",
    ),
    "call.held": _words("{agent} met la personne en attente.", "{agent} puts the caller on hold."),
    "call.off_hold": _words(
        "{agent} et la personne se parlent de nouveau.", "{agent} and the caller talk again."
    ),
    "call.came_back": _words(
        "Personne n'a répondu : la personne revient à {agent}.",
        "Nobody answered: the caller comes back to {agent}.",
    ),
    "call.oriented.together": _words(
        "{agent} fait venir {one_of_line}, et reste.", "{agent} asks {one_of_line} in, and stays."
    ),
    "call.not_joined": _words(
        "Personne n'a pu rejoindre {agent} : l'échange continue.",
        "Nobody could join {agent}: the talk goes on.",
    ),
    "call.not_joined.taken_back": _words(
        "{agent} ne fait plus appeler personne : l'échange continue.",
        "{agent} calls the search off: the talk goes on.",
    ),
    "call.asked_again": _words(
        "L'échange fini, demande encore quelqu'un : passe en tête.",
        "After the talk, asks for somebody again: goes first.",
    ),
    "call.taken_back": _words(
        "La ligne a redémarré, et reprend l'appel.",
        "The line started again, and takes the call back.",
    ),
    "call.closed_kindly": _words(
        "{agent} met fin à l'appel avec une phrase d'au revoir.",
        "{agent} ends the call with a kind sentence.",
    ),
    "call.closed_kindly.abusive": _words(
        "{agent} clôt l'appel comme abusif, avec une phrase d'au revoir.",
        "{agent} closes the call as abusive, with a kind sentence.",
    ),
    "call.closed_kindly.silent": _words(
        "{agent} clôt l'appel, resté silencieux, avec une phrase d'au revoir.",
        "{agent} closes the call, which stayed silent, with a kind sentence.",
    ),
    "call.stays": _words(
        "Une touche pendant la phrase : la personne reste en ligne.",
        "A key during the sentence: the caller stays.",
    ),
    "trunk.dead": _words(
        "Le téléphone de {agent} n'a pas pu être appelé : l'opérateur ne répond pas.",
        "The telephone of {agent} could not be rung: the operator serves nobody.",
    ),
    "call.returned": _words(
        "Rappelle peu après une coupure : ira d'abord à {agent}.",
        "Rings again soon after being cut off: goes to {agent} first.",
    ),
    "call.interrupted": _words(
        "Le central n'a pas obéi : la ligne recommence.",
        "The engine did not obey: the line tries again.",
    ),
    "call.frequent": _words(
        "Ce numéro a beaucoup appelé : passera après d'autres, un moment.",
        "This number has called a lot: goes behind others, for a while.",
    ),
    "call.duplicate": _words(
        "Un appel de trop du même numéro au même moment.",
        "One call too many of the same number at the same time.",
    ),
    "line.crowded": _words(
        "C'est l'affluence ({waiting} en attente) : on le lui dit.",
        "It is crowded ({waiting} waiting): they are told.",
    ),
    "line.full": _words("La ligne est pleine ({line}).", "The line is full ({line})."),
    "line.long_wait": _words(
        "L'attente est longue : autre chose est proposé.", "A long wait: something else is offered."
    ),
    "line.left": _words("Quitte l'attente, par le flux.", "Leaves the line, by the flow."),
    "line.nobody": _words(
        "Personne n'est en service ({line}) : on le lui dit.",
        "Nobody is on duty ({line}): they are told.",
    ),
    "relay.rung": _words("Le relais {relay} est appelé.", "The relay {relay} is rung."),
    "relay.over": _words(
        "Le relais {relay} a répondu ; c'est fini.", "The relay {relay} answered; that is over."
    ),
    "relay.over.unanswered": _words(
        "Le relais {relay} n'a pas pris l'appel ({answer}).",
        "The relay {relay} did not take the call ({answer}).",
    ),
    "relay.refused": _words(
        "Le relais {relay} n'est pas appelé ({why}).", "The relay {relay} is not rung ({why})."
    ),
    "leg.rung": _words("Sonne chez {agent} ({role}).", "Rings at {agent}'s ({role})."),
    "leg.rung.again": _words("Sonne de nouveau chez {agent}.", "Rings at {agent}'s again."),
    "leg.answered": _words(
        "{agent} répond, après {waited} d'attente.", "{agent} answers, after a wait of {waited}."
    ),
    "leg.answered.together": _words(
        "{agent} rejoint l'échange : à trois, avec {other}.",
        "{agent} joins the talk: three together, with {other}.",
    ),
    "leg.answered.consult": _words(
        "{agent} répond, et parle seul à seul avec {other} ; la personne entend la musique.",
        "{agent} answers, and speaks alone with {other}; the caller hears music.",
    ),
    "leg.missed": _words("{agent} ne répond pas.", "{agent} does not answer."),
    "leg.declined": _words("{agent} ne peut pas prendre l'appel.", "{agent} cannot take the call."),
    "leg.declined.phone_busy": _words(
        "Le téléphone de {agent} est occupé.", "{agent}'s phone is busy."
    ),
    "leg.declined.hung_up": _words(
        "{agent} décroche, puis raccroche aussitôt.", "{agent} picks up, and hangs up at once."
    ),
    "leg.withdrawn": _words("Ne sonne plus chez {agent}.", "Rings no more at {agent}'s."),
    "leg.withdrawn.caller_left": _words(
        "La personne raccroche pendant que cela sonne chez {agent}.",
        "The caller hangs up while it rings at {agent}'s.",
    ),
    "leg.withdrawn.answered_elsewhere": _words(
        "Quelqu'un d'autre a répondu avant {agent}.", "Somebody else answered before {agent}."
    ),
    "leg.withdrawn.screen_lost": _words(
        "L'écran de {agent} n'a rien montré : pas de sonnerie.",
        "{agent}'s screen showed nothing: no ring.",
    ),
    "leg.withdrawn.phone_unreachable": _words(
        "Le téléphone de {agent} est introuvable.", "{agent}'s phone cannot be reached."
    ),
    "leg.withdrawn.language": _words(
        "La langue a changé : ne sonne plus chez {agent}.",
        "The language has changed: rings no more at {agent}'s.",
    ),
    "leg.withdrawn.wish": _words(
        "La personne dit avec qui elle préfère parler : ne sonne plus chez {agent}.",
        "The caller tells with whom they would rather speak: rings no more at {agent}'s.",
    ),
    "leg.withdrawn.engine_restart": _words(
        "Le central redémarre : ne sonne plus chez {agent}.",
        "The engine starts again: rings no more at {agent}'s.",
    ),
    "leg.sound": _words(
        "Le son de la ligne chez {agent} a été mesuré.", "The sound at {agent}'s was measured."
    ),
    "leg.lost": _words(
        "La ligne avec {agent} est perdue ; la personne est reprise, en tête.",
        "The line with {agent} is lost; the caller is cared for, and first.",
    ),
    "leg.ended": _words(
        "{agent} n'est plus en ligne, après {talked}.", "{agent} is gone, after {talked}."
    ),
    "leg.ended.two_go_on": _words(
        "{agent} se retire, après {talked} ; l'échange continue avec {other}.",
        "{agent} leaves, after {talked}; the talk goes on with {other}.",
    ),
    "call.disposition": _words(
        "{agent} range l'appel : {disposition}.", "{agent} files the call: {disposition}."
    ),
    "call.closed": _words("Fin : {outcome}, {ended_by}.", "End: {outcome}, {ended_by}."),
    "call.closed.talked": _words(
        "Fin : {outcome}, {talked}, {ended_by}.", "End: {outcome}, {talked}, {ended_by}."
    ),
}
# Of themselves; some stages have sentences. Duty is of a person, and of no call.
SILENT = frozenset({"call.stage", "call.restated", "duty"})
_UNKNOWN = _words("({type})", "({type})")  # written by a newer version, perhaps

OUTCOMES: Mapping[str, Words] = {
    "talked": _words("parlé", "talked"),
    "abandoned": _words("sans avoir parlé à personne", "without having talked with anybody"),
    "closed_hours": _words("hors des heures d'ouverture", "outside opening hours"),
    "no_staff": _words("personne n'était en service", "nobody was on duty"),
    "duplicate": _words("un appel de trop du même numéro", "one call too many of the same number"),
    "oriented": _words("orienté", "oriented"),
    "relayed": _words("mené à un relais", "led to a relay"),
    "full": _words("la ligne était pleine", "the line was full"),
    "left_line": _words("le flux l'a mené ailleurs", "the flow led them elsewhere"),
    "failed": _words("une panne de notre part, rendu au central", "our failure, given back"),
    "engine_restart": _words("le central a redémarré", "the engine started again"),
}
ENDED_BY: Mapping[str, Words] = {
    "caller": _words("la personne a raccroché", "the caller hung up"),
    "agent": _words("terminé par l'intervenant", "ended by the agent"),
    "line": _words("terminé par la ligne", "ended by the line"),
    "engine": _words("coupé par le central", "cut by the engine"),
    "unknown": _words("fin non observée", "its end was not seen"),
}
LINES: Mapping[str, Words] = {
    "regulators": _words("les régulateurs", "the regulators"),
    "listeners": _words("les écoutants", "the listeners"),
}
_ONE_OF_LINE: Mapping[str, Words] = {
    "regulators": _words("un régulateur", "a regulator"),
    "listeners": _words("un écoutant", "a listener"),
}
_ROLES: Mapping[str, Words] = {
    "regulator": _words("régulation", "regulation"),
    "listener": _words("écoute", "listening"),
}
_LANGUAGES: Mapping[str, Words] = {
    "fr": _words("français", "French"),
    "en": _words("anglais", "English"),
}
_SUMMARY: Mapping[str, Words] = {
    "waited": _words("attente avant une personne : {waited}", "wait for a person: {waited}"),
    "never_answered": _words("personne n'a répondu", "nobody answered"),
    "in_vain": _words("sonneries sans réponse : {count}", "rings in vain: {count}"),
    "talked": _words("parlé : {talked} avec {people}", "talked: {talked} with {people}"),
    "ended": _words("fin : {outcome}, {ended_by}", "end: {outcome}, {ended_by}"),
    "open": _words("l'appel est en cours", "the call is going on"),
}


@dataclass(frozen=True)
class Line:
    """One sentence of a journey."""

    at: datetime
    seconds: int  # since the call came in
    text: str


@dataclass
class Journey:
    """A call as a story: what happened, one line each, then what it came to."""

    lines: list[Line] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)


def journey(
    events: Iterable[Event], tongue: Tongue = "fr", names: Mapping[str, str] | None = None
) -> Journey:
    """Tell the events of one call. ``names``: of agents, by id; who is not there keeps their id."""
    story = _Story(tongue, names or {})
    told = Journey()
    started_at: datetime | None = None
    for event in _in_order(events):
        started_at = started_at or event.at
        seconds = max(0, round((event.at - started_at).total_seconds()))
        told.lines += [Line(event.at, seconds, text) for text in story.tell(event)]
    told.summary = story.summary()
    return told


def _in_order(events: Iterable[Event]) -> list[Event]:
    """As they were written: what the engine's clock says of an end may be a moment earlier."""
    journals: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        journals[event.journal_id].append(event)
    ordered = sorted(journals.values(), key=lambda ones: min(one.at for one in ones))
    return [e for ones in ordered for e in sorted(ones, key=lambda one: one.journal_number)]


def told_duration(seconds: float) -> str:
    """A duration for people, the same in both languages: 23 s, 1 min 05 s, 18 min, 1 h 05 min."""
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _SHORT_SECONDS_MAX:
        minutes, rest = divmod(whole, _MINUTE)
        return f"{minutes} min {rest:02} s" if rest else f"{minutes} min"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"


class _Story:
    """What has happened so far, as far as the next sentence needs it."""

    def __init__(self, tongue: Tongue, names: Mapping[str, str]) -> None:
        self._tongue = tongue
        self._names = names
        self._opened_at: datetime | None = None
        self._waits: tuple[str, str | None] | None = None  # line, since when it was written
        self._waiting_since: datetime | None = None
        self._rung: dict[str, str] = {}  # leg -> agent
        self._talking: dict[str, tuple[str, datetime]] = {}  # leg -> agent, since
        self._people: list[str] = []  # who talked with the caller, in order
        self._lost: set[str] = set()
        self._over: set[str] = set()  # legs; the first end of each counts
        self._consults = False  # who comes next speaks with an agent alone
        self._first_wait: float | None = None
        self._talk_began: datetime | None = None
        self._talked_seconds = 0.0  # by the caller, with whomever
        self._in_vain: Counter[str] = Counter()
        self._end: dict[str, str] | None = None

    def tell(self, event: Event) -> list[str]:
        """The sentences of one event: one, none, or two."""
        words = {key: str(value) for key, value in event.data.items()} | {
            "type": event.type,
            "agent": self._name(event.agent_id),
            "line": self._say(LINES, event.data.get("line")),
            "one_of_line": self._say(_ONE_OF_LINE, event.data.get("line")),
        }
        if event.type == "call.opened":
            self._opened_at = self._waiting_since = event.at
        if event.type == "call.stage":
            return self._tell_stage(event)
        if event.type in SILENT:
            return []
        if event.type.startswith("leg."):
            if self._is_told(event):
                return []
            key = self._follow_leg(event, words)
        elif event.type == "call.closed":
            key = self._follow_end(event, words)
        elif event.type == "relay.over" and words.get("answer") != "ANSWER":
            key = "relay.over.unanswered"
        else:
            finer = event.data.get("why")
            if event.type == "call.oriented":
                finer = event.data.get("how")
                self._consults = finer == "consult"
            key = f"{event.type}.{finer}"
            key = key if key in SENTENCES else event.type
        return [SENTENCES.get(key, _UNKNOWN)[self._tongue].format_map(_Lenient(words))]

    def summary(self) -> list[str]:
        """What it came to: how long they waited, for whom in vain, how it ended."""
        parts = []
        if self._first_wait is not None:
            parts.append(("waited", {"waited": told_duration(self._first_wait)}))
        elif self._end is not None:
            parts.append(("never_answered", {}))
        if self._in_vain:
            by_agent = [f"{name} {times}" for name, times in sorted(self._in_vain.items())]
            total = f"{sum(self._in_vain.values())} ({', '.join(by_agent)})"
            parts.append(("in_vain", {"count": total}))
        if self._people:
            talked = {"talked": told_duration(self._talked_seconds)}
            parts.append(("talked", {**talked, "people": ", ".join(self._people)}))
        parts.append(("open", {}) if self._end is None else ("ended", self._end))
        return [_SUMMARY[key][self._tongue].format(**words) for key, words in parts]

    def _tell_stage(self, event: Event) -> list[str]:
        changed = event.data.get("set", {})
        keys, words = [], {}
        if changed.get("danger"):
            keys.append("call.stage.danger")
        if changed.get("language"):
            keys.append("call.stage.language")
            words["language"] = self._say(_LANGUAGES, changed["language"])
        line = changed.get("line")
        waits = (line, changed.get("waiting_since_at"))
        if line and waits != self._waits:  # a stage may be entered twice
            self._waits = waits
            since = waits[1]
            self._waiting_since = datetime.fromisoformat(since) if since else event.at
            keys.append("call.stage.line")
            words["one_of_line"] = self._say(_ONE_OF_LINE, line)
        return [SENTENCES[key][self._tongue].format(**words) for key in keys]

    def _is_told(self, event: Event) -> bool:
        """Whether this is a second end of a leg: of a restart, perhaps, which saw it too."""
        leg = event.data.get("leg_id", "")
        if event.type in ("leg.rung", "leg.answered"):
            return False
        told = leg in self._over
        self._over.add(leg)
        return told

    def _follow_leg(self, event: Event, words: dict[str, str]) -> str:
        """Keep account of who rings and talks; the key of the sentence."""
        leg, name = event.data.get("leg_id", ""), words["agent"]
        if event.type == "leg.rung":
            words["role"] = self._say(_ROLES, event.data.get("role"))
            again = name in self._lost
            self._lost.discard(name)
            self._rung[leg] = name
            return "leg.rung.again" if again else "leg.rung"
        if event.type == "leg.answered":
            return self._follow_answer(event, leg, words)
        talk = self._talking.pop(leg, None)
        if talk is not None:
            words["talked"] = told_duration((event.at - talk[1]).total_seconds())
            words["other"] = ", ".join(name for name, _ in self._talking.values())
            if not self._talking:
                self._waiting_since = event.at
                self._stop_talking(event.at)
        elif self._rung.pop(leg, None) is not None and event.type in ("leg.missed", "leg.declined"):
            self._in_vain[name] += 1
        if event.type == "leg.lost":
            self._lost.add(name)
        if event.type == "leg.ended":
            words.setdefault("talked", told_duration(0))
            return "leg.ended.two_go_on" if self._talking else "leg.ended"
        with_reason = f"{event.type}.{event.data.get('why')}"
        return with_reason if with_reason in SENTENCES else event.type

    def _follow_answer(self, event: Event, leg: str, words: dict[str, str]) -> str:
        waited = (event.at - (self._waiting_since or event.at)).total_seconds()
        words["waited"] = told_duration(waited)
        words["other"] = ", ".join(name for name, _ in self._talking.values())
        if self._first_wait is None:
            self._first_wait = (event.at - (self._opened_at or event.at)).total_seconds()
        if words["agent"] not in self._people:
            self._people.append(words["agent"])
        self._rung.pop(leg, None)
        together = bool(self._talking)
        if not together:
            self._talk_began = event.at
        self._talking[leg] = (words["agent"], event.at)
        if together and self._consults:
            return "leg.answered.consult"
        return "leg.answered.together" if together else "leg.answered"

    def _follow_end(self, event: Event, words: dict[str, str]) -> str:
        self._talking.clear()
        self._stop_talking(event.at)
        words["outcome"] = self._say(OUTCOMES, event.data.get("outcome"))
        words["ended_by"] = self._say(ENDED_BY, event.data.get("ended_by"))
        words["talked"] = told_duration(self._talked_seconds)
        self._end = self._end or {key: words[key] for key in ("outcome", "ended_by")}
        return "call.closed.talked" if self._people else "call.closed"

    def _stop_talking(self, at: datetime) -> None:
        if self._talk_began is not None:
            self._talked_seconds += max(0.0, (at - self._talk_began).total_seconds())
        self._talk_began = None

    def _name(self, agent_id: str | None) -> str:
        return self._names.get(agent_id, agent_id) if agent_id else "?"

    def _say(self, words: Mapping[str, Words], code: object) -> str:
        """A code in words; one that nobody wrote for is told as it is."""
        return words[str(code)][self._tongue] if str(code) in words else str(code or "?")


class _Lenient(dict[str, str]):
    """An older version may not have written everything that a sentence now tells."""

    def __missing__(self, key: str) -> str:
        return "?"
