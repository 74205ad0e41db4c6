"""The journey of a call: true, whole, readable, and without anything of who called."""

from __future__ import annotations

import ast
import asyncio
import string
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

import cti
from cti.__main__ import main
from cti.people.agents import End, Orient, Presence, TakeBack
from cti.records.database import Database, DatabaseAway, create_database
from cti.records.journal import Entry, Journal
from cti.records.journey import (
    ENDED_BY,
    OUTCOMES,
    SENTENCES,
    SILENT,
    journey,
    told_duration,
)
from cti.records.migrating import migrate
from cti.records.models import Event
from cti.records.privacy import Keys
from cti.records.record import EndedBy, LegEvent, Outcome, Records, event_row
from cti.simulation.actors import CallerPlan
from cti.simulation.world import World
from tests.handing import Handing
from tests.stories import (
    TO_LISTENERS,
    TOGETHER,
    Oriented,
    Slow,
    Story,
    Team,
    Tell,
    Waits,
    Wire,
    agent_hangs_up,
    arms,
    caller_leaves,
    crash,
    decides,
    hangs_up,
    live,
    refused,
)

JOURNAL = "0" * 32
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ROOM = Path(cti.__file__).parent
CANARY = "0639987654"
SECRETS = (CANARY, "33639987654", "639987654", "Léa a peur", "postcode-75011")


def events_of(story: Story) -> list[Event]:
    return [event_row(JOURNAL, entry) for entry in story.journal.entries]


def told(story: Story) -> list[str]:
    """The sentences of the story's one call."""
    call_id = story.journal.entries[0].data["call_id"]
    events = [event for event in events_of(story) if event.call_id == call_id]
    return [line.text for line in journey(events).lines]


def event_types() -> Iterator[tuple[str, str]]:
    """Every type that is written with ``records.event``, and where."""
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            named = node.func.value
            holder = named.attr if isinstance(named, ast.Attribute) else getattr(named, "id", "")
            if node.func.attr == "event" and holder in ("records", "_records"):
                (type_,) = node.args[:1]
                assert isinstance(type_, ast.Constant), f"{path}:{node.lineno}: write the type here"
                yield str(type_.value), f"{path.name}:{node.lineno}"


# -- a sentence for everything


def test_every_event_that_is_written_has_its_sentence() -> None:
    types = dict(event_types())
    assert len(types) > 10
    missing = {type_: where for type_, where in types.items() if type_ not in SENTENCES}
    assert missing == {}, "write a sentence for each in cti/records/journey.py"


def test_every_operation_of_the_records_has_its_sentence() -> None:
    source = (ROOM / "records" / "record.py").read_text()
    operations = {
        node.args[0].value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "_append"
        and isinstance(node.args[0], ast.Constant)
    } - {"event"}
    assert {"call.opened", "call.stage", "call.closed", "call.told"} <= operations
    assert operations <= SENTENCES.keys() | SILENT


@pytest.mark.parametrize("event", get_args(LegEvent))
def test_every_end_of_a_leg_has_its_sentence(event: str) -> None:
    assert f"leg.{event}" in SENTENCES


def test_every_outcome_has_its_words() -> None:
    assert set(get_args(Outcome)) == set(OUTCOMES)
    assert set(get_args(EndedBy)) == set(ENDED_BY)


def test_each_sentence_says_the_same_in_both_languages() -> None:
    for key, words in SENTENCES.items():
        fields = [
            {name for _, name, _, _ in string.Formatter().parse(words[t]) if name} for t in words
        ]
        assert len(fields) == 2, key
        assert fields[0] == fields[1], key


# -- stories


def test_a_talk_and_its_orientation_are_told_in_order(tell: Tell) -> None:
    lines = told(tell(Oriented((20.0, TO_LISTENERS))))
    wanted = [
        "L'appel arrive (flux line@1).",
        "Attend un régulateur.",
        "Sonne chez rosa (régulation).",
        "rosa répond, après ",
        "rosa oriente vers les écoutants.",
        "rosa n'est plus en ligne, après ",
        "Attend un écoutant.",
        "Sonne chez lea (écoute).",
        "lea répond, après ",
        "Fin : parlé, ",
    ]
    at = -1
    for begins in wanted:
        found = [i for i, line in enumerate(lines) if i > at and line.startswith(begins)]
        assert found, (begins, lines)
        at = found[0]


def test_three_together_and_who_leaves_first_are_told(tell: Tell) -> None:
    lines = told(tell(Oriented((20.0, decides(TOGETHER)), (40.0, hangs_up("rosa")))))
    assert "rosa fait venir un écoutant, et reste." in lines
    assert "lea rejoint l'échange : à trois, avec rosa." in lines
    assert [line for line in lines if line.endswith("l'échange continue avec lea.")] != []


def test_nobody_who_could_join_is_told(tell: Tell) -> None:
    roles = {"rosa": "regulator", "lea": "listener"}
    lines = told(tell(Team((20.0, decides(TOGETHER)), roles=roles, by_hand=("lea",))))
    assert "lea ne répond pas." in lines
    assert "Personne n'a pu rejoindre rosa : l'échange continue." in lines


def test_a_consultation_is_no_talk_of_three(tell: Tell) -> None:
    lines = told(tell(Handing("consult", "", None, (24.0, decides(TakeBack())))))
    alone = "lea répond, et parle seul à seul avec rosa ; la personne entend la musique."
    assert alone in lines
    assert not [line for line in lines if "à trois" in line]


def test_a_search_that_was_called_off_is_told_as_such(tell: Tell) -> None:
    lines = told(tell(Handing("together", "", None, (18.5, decides(TakeBack())))))
    assert "rosa ne fait plus appeler personne : l'échange continue." in lines
    assert not [line for line in lines if line.startswith("Personne n'a pu")]


def test_missed_rings_are_told_and_counted(tell: Tell) -> None:
    story = tell(Waits(agents=Team(roles={"rosa": "regulator"}).plan.agents))
    assert "rosa ne répond pas." in told(story)
    summary = journey(events_of(story)).summary
    assert "personne n'a répondu" in summary
    assert any(part.startswith("sonneries sans réponse : ") and "rosa" in part for part in summary)


def test_a_caller_who_hangs_up_while_it_rings_is_told_so(tell: Tell) -> None:
    lines = told(tell(Slow((12.0, caller_leaves))))
    assert "La personne raccroche pendant que cela sonne chez rosa." in lines
    assert lines[-1].startswith("Fin : sans avoir parlé à personne, ")


def test_a_lost_phone_that_rings_again_is_told(tell: Tell) -> None:
    lines = told(tell(Story((9.0, hangs_up("rosa")))))
    lost = "La ligne avec rosa est perdue ; la personne est reprise, en tête."
    assert lines.index("Sonne de nouveau chez rosa.") > lines.index(lost)
    answers = [line for line in lines if line.startswith("rosa répond, après ")]
    assert answers[1] == "rosa répond, après 2 s d'attente."  # since they were lost


def test_a_call_taken_back_after_a_restart_is_told_so(tell: Tell) -> None:
    assert "La ligne a redémarré, et reprend l'appel." in told(tell(Story((30.0, crash))))


def test_a_line_where_nobody_is_on_duty_is_told() -> None:
    def leaves_work(world: World) -> None:
        world.desks["rosa"].working = False
        world.desks["rosa"]._choose(Presence.LOGGED_OUT)

    assert "Personne n'est en service (les régulateurs) : on le lui dit." in told(
        live(Story((0.5, leaves_work)))
    )


def test_a_caller_who_asks_for_somebody_again_is_told_so() -> None:
    def presses(world: World) -> None:
        end = world.callers[0].end
        assert end is not None
        end.press("1")

    script = [(21.0 + at, presses) for at in range(6)]
    lines = told(live(Story((20.0, decides(End())), *script)))
    assert "L'échange fini, demande encore quelqu'un : passe en tête." in lines


def test_an_engine_that_did_not_obey_is_told(wire: Wire, tell: Tell) -> None:
    arm = arms(wire)
    wire.times = 9  # one command: thrice, each put three times
    wire.meddles(lambda _m, path, _v: path == "/bridges/line-regulators/addChannel", refused())
    lines = told(tell(Story((8.0, arm), (14.1, agent_hangs_up), talk=60.0)))
    assert "Le central n'a pas obéi : la ligne recommence." in lines


def test_a_call_served_while_the_database_is_away_is_told_so() -> None:
    class Away(Story):
        def __init__(self) -> None:
            super().__init__((0.1, lambda world: setattr(world.database.weather, "away", True)))
            late = CallerPlan(at=20.0, patience_seconds=60.0, talk_seconds=20.0)
            self.plan = replace(self.plan, callers=(*self.plan.callers, late))

    story = live(Away())
    degraded = [e for e in story.journal.entries if e.data.get("type") == "call.degraded"]
    assert degraded
    assert texts(event_row(JOURNAL, degraded[0])) == [
        "La ligne sert cet appel malgré une panne (database_away)."
    ]


# -- single events


def event(number: int, type_: str, seconds: float = 0.0, **data: Any) -> Event:
    agent_id = data.pop("agent_id", None)
    at = NOON + timedelta(seconds=seconds)
    return Event(
        journal_id=JOURNAL,
        journal_number=number,
        at=at,
        type=type_,
        call_id="c",
        agent_id=agent_id,
        data=data,
    )


def texts(*events: Event, tongue: Any = "fr", names: dict[str, str] | None = None) -> list[str]:
    return [line.text for line in journey(events, tongue, names).lines]


def test_they_are_told_as_they_were_written_whatever_order_they_are_read_in() -> None:
    first, then = event(1, "call.opened", flow="accueil@7"), event(2, "line.long_wait", 60)
    assert texts(then, first) == texts(first, then)
    assert texts(then, first)[0] == "L'appel arrive (flux accueil@7)."


def test_agents_are_named_by_those_who_know_their_names() -> None:
    rung = event(1, "leg.rung", agent_id="rosa", leg_id="l", role="regulator")
    assert texts(rung, names={"rosa": "Rosa B."}) == ["Sonne chez Rosa B. (régulation)."]


@pytest.mark.parametrize(
    ("end", "why", "told"),
    [
        ("declined", "phone_busy", "Le téléphone de rosa est occupé."),
        ("declined", "hung_up", "rosa décroche, puis raccroche aussitôt."),
        ("declined", "declined", "rosa ne peut pas prendre l'appel."),
        ("withdrawn", "screen_lost", "L'écran de rosa n'a rien montré : pas de sonnerie."),
        ("withdrawn", "not_written_yet", "Ne sonne plus chez rosa."),
        ("missed", None, "rosa ne répond pas."),
    ],
)
def test_why_an_offer_came_to_nothing_is_told(end: str, why: str | None, told: str) -> None:
    rung = event(1, "leg.rung", agent_id="rosa", leg_id="l", role="regulator")
    data = {} if why is None else {"why": why}
    assert texts(rung, event(2, f"leg.{end}", 5, agent_id="rosa", leg_id="l", **data))[1] == told


def test_danger_and_language_are_told_and_a_stage_entered_twice_once() -> None:
    waits = {"line": "regulators", "waiting_since_at": NOON.isoformat()}
    assert texts(
        event(1, "call.stage", stage="regulation", set=waits),
        event(2, "call.stage", stage="regulation", set=waits),
        event(3, "call.stage", stage="regulation", set={"danger": True}),
        event(4, "call.stage", stage="regulation", set={"language": "en"}),
    ) == [
        "Attend un régulateur.",
        "A signalé un danger : passe avant tout le monde.",
        "Parle désormais : anglais.",
    ]


def test_a_relay_is_told_with_what_came_of_it() -> None:
    assert texts(
        event(1, "relay.rung", relay="3114"),
        event(2, "relay.over", relay="3114", answer="BUSY"),
        event(3, "relay.over", relay="3114", answer="ANSWER"),
        event(4, "relay.refused", relay="3114", why="closed"),
        tongue="en",
    ) == [
        "The relay 3114 is rung.",
        "The relay 3114 did not take the call (BUSY).",
        "The relay 3114 answered; that is over.",
        "The relay 3114 is not rung (closed).",
    ]


def test_what_a_newer_version_wrote_is_told_by_its_name() -> None:
    assert texts(event(1, "call.teleported", to="mars")) == ["(call.teleported)"]


def test_an_older_event_that_lacks_something_is_still_told() -> None:
    assert texts(event(1, "relay.over")) == ["Le relais ? n'a pas pris l'appel (?)."]


def test_the_end_tells_how_long_they_talked_and_who_ended_it() -> None:
    told = journey(
        [
            event(1, "call.opened", flow="accueil@7"),
            event(2, "leg.rung", 3, agent_id="rosa", leg_id="l", role="regulator"),
            event(3, "leg.answered", 23, agent_id="rosa", leg_id="l", role="regulator"),
            event(4, "call.closed", 23 + 18 * 60 + 5, outcome="talked", ended_by="agent"),
        ]
    )
    assert told.lines[2].text == "rosa répond, après 23 s d'attente."
    assert told.lines[-1].text == "Fin : parlé, 18 min, terminé par l'intervenant."
    assert told.lines[-1].seconds == 23 + 18 * 60 + 5
    assert told.summary == [
        "attente avant une personne : 23 s",
        "parlé : 18 min avec rosa",
        "fin : parlé, terminé par l'intervenant",
    ]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-3, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (65, "1 min 05 s"),
        (1085, "18 min"),
        (3900, "1 h 05 min"),
    ],
)
def test_durations_are_told_for_people(seconds: float, told: str) -> None:
    assert told_duration(seconds) == told


# -- the command


@dataclass
class Line:
    """The data directory of a line where calls have been, and its command."""

    data: Path
    capsys: pytest.CaptureFixture[str]

    def fil(self, *arguments: str) -> tuple[int, str]:
        code = main(list(arguments))
        said = self.capsys.readouterr()
        return code, said.out + said.err

    async def _live(self, entries: list[Entry], *, copied: bool) -> None:
        database = create_database(f"sqlite:///{self.data / 'fil.sqlite'}")
        journal = Journal(self.data / "journal")
        for entry in entries:
            journal.append(entry.op, entry.data)
        records = Records(database, journal, Keys.load_or_create(self.data / "secrets"))
        if copied:
            copying = asyncio.create_task(records.run())
            assert await records.flushed(10)
            copying.cancel()
            await asyncio.wait({copying})
        await database.close()
        journal.close()

    def holds(self, entries: list[Entry], *, copied: bool) -> None:
        asyncio.run(self._live(entries, copied=copied))


@pytest.fixture
def line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Line:
    monkeypatch.setenv("FIL_DATA", str(tmp_path))
    asyncio.run(migrate(f"sqlite:///{tmp_path / 'fil.sqlite'}"))
    return Line(tmp_path, capsys)


@pytest.fixture
def lived(tell: Tell) -> list[Entry]:
    """What the journal holds of a simulated call, as if it had been now."""
    entries = tell(Oriented((20.0, decides(Orient(line="listeners", handover=SECRETS[3])))))
    return _now(entries.journal.entries)


def _now(entries: list[Entry]) -> list[Entry]:
    """The same entries, begun an hour ago."""
    began = entries[0].at
    later = datetime.now(UTC) - timedelta(hours=1) - began

    def moved(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {k: moved(v, k) for k, v in value.items()}
        if isinstance(value, str) and (key == "at" or key.endswith("_at")):
            return (datetime.fromisoformat(value) + later).isoformat()
        return value

    return [Entry(e.number, e.at + later, e.op, moved(e.data)) for e in entries]


@pytest.mark.parametrize("copied", [True, False], ids=["database", "journal-alone"])
def test_fil_call_show_tells_a_call(line: Line, lived: list[Entry], copied: bool) -> None:
    line.holds(lived, copied=copied)
    call_id = lived[0].data["call_id"]
    code, said = line.fil("call", "show", call_id[:8])
    assert code == 0
    assert said.startswith(f"Appel {call_id}, ")
    assert "+0:00  L'appel arrive (flux line@1)." in said
    assert "lea répond, après" in said
    assert said.count("L'appel arrive") == 1  # though the journal may hold it too
    assert "Un mot est écrit pour la personne suivante (scellé)." in said
    assert "En bref : attente avant une personne : " in said
    _, english = line.fil("call", "show", call_id[:6], "--lang", "en")
    assert "The call comes in (flow line@1)." in english
    assert "In short: " in english


def test_no_word_is_told_of_who_called(line: Line) -> None:
    call_id = "ab" * 16

    async def calls() -> list[Entry]:
        database = create_database(f"sqlite:///{line.data / 'other.sqlite'}")
        journal = Journal(line.data / "other")
        records = Records(database, journal, Keys.load_or_create(line.data / "secrets"))
        now = datetime.now(UTC)
        caller_ref = records.opened(
            call_id,
            channel_id="1700000000.42",
            engine_id="engine-1",
            number_dialled="0800190000",
            caller_number=CANARY,
            language="fr",
            at=now,
            flow="accueil@7",
        )
        assert caller_ref is not None
        records.told(call_id, {"secret": SECRETS[4]})
        records.handover(call_id, SECRETS[3])
        records.closed(call_id, outcome="abandoned", ended_by="caller", at=now)
        entries = journal.read(1)
        await database.close()
        journal.close()
        assert any(entry.data.get("caller_ref") == caller_ref for entry in entries)
        return [*entries, Entry(99, now, "the-pseudonym", {"caller_ref": caller_ref})]

    *entries, last = asyncio.run(calls())
    for copied in (False, True):
        line.holds(entries if not copied else [], copied=copied)
        said = line.fil("call", "show", call_id)[1] + line.fil("call", "list")[1]
        assert "A répondu avec les touches" in said
        sealed = [e.data["sealed"]["ciphertext"] for e in entries if "sealed" in e.data]
        for secret in (*SECRETS, last.data["caller_ref"], "1700000000.42", *sealed):
            assert secret not in said


def test_fil_call_list_tells_the_latest_calls(line: Line, lived: list[Entry]) -> None:
    line.holds(lived, copied=True)
    code, said = line.fil("call", "list", "--since", "2h")
    assert code == 0
    (one,) = said.splitlines()
    assert one.startswith(lived[0].data["call_id"][:8])
    assert "parlé, " in one
    assert "lea" in one
    assert "Aucun appel depuis 30min" in line.fil("call", "list", "--since", "30min")[1]


def test_fil_call_list_holds_a_call_that_the_database_does_not_know_yet(
    line: Line, lived: list[Entry]
) -> None:
    line.holds(lived[:4], copied=False)
    assert "en cours" in line.fil("call", "list")[1]


def test_fil_call_list_shows_no_more_than_asked_and_those_are_the_latest(line: Line) -> None:
    line.holds(_openings(3), copied=True)
    said = line.fil("call", "list", "--limit", "2")[1].splitlines()
    assert [one[:8] for one in said] == ["abcdef01", "abcdef02"]


def _openings(calls: int) -> list[Entry]:
    return [
        Entry(
            number + 1,
            NOON,
            "call.opened",
            {
                "call_id": f"abcdef{number:02}" + "0" * 24,
                "channel_id": "x",
                "engine_id": "engine-1",
                "number_dialled": "0800190000",
                "language": "fr",
                "flow": "accueil@7",
                "at": (datetime.now(UTC) - timedelta(minutes=9 - number)).isoformat(),
            },
        )
        for number in range(calls)
    ]


@pytest.mark.parametrize(
    ("id_", "told"),
    [
        ("ffffffff", "Aucun appel ne commence par ffffffff."),
        ("abcde", "donnez au moins 6 lettres"),
        ("abcdef%", "donnez au moins 6 lettres"),
        ("abcdef", "Plusieurs appels commencent par abcdef : abcdef0000, abcdef0100, abcdef0200"),
    ],
)
def test_an_id_that_names_no_call_or_several_is_told_with_what_to_do(
    line: Line, id_: str, told: str
) -> None:
    line.holds(_openings(3), copied=True)
    code, said = line.fil("call", "show", id_)
    assert code == 78
    assert told in said


@pytest.mark.parametrize("options", [("--since", "hier"), ("--limit", "0"), ("--since", "0 min")])
def test_a_list_that_cannot_be_made_is_refused(line: Line, options: tuple[str, str]) -> None:
    code, said = line.fil("call", "list", *options)
    assert code == 78
    assert options[0] in said


def test_a_database_that_is_away_leaves_the_journal(
    line: Line, lived: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise DatabaseAway("away")

    line.holds(lived, copied=False)
    monkeypatch.setattr(Database, "read", away)
    call_id = lived[0].data["call_id"]
    for command in (("show", call_id), ("list",)):
        code, said = line.fil("call", *command)
        assert code == 0
        assert "La base ne répond pas" in said
        assert "parlé" in said


def test_without_a_verb_a_scripted_caller_rings(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[float] = []

    async def ring(_settings: object, seconds: float, _say: object) -> int:
        rung.append(seconds)
        return 0

    monkeypatch.setattr("cti.__main__._ring", ring)
    assert line.fil("call", "--seconds", "7")[0] == 0
    assert line.fil("call")[0] == 0
    assert rung == [7.0, 40.0]
