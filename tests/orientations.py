"""Every orientation × who hangs up, loses their line or does not answer × when: one table of fates.

rosa has the caller and hands them on to lea; remy is a second regulator, who comes late. The same
rows are lived in virtual time (tests/unit) and as real calls whose sound is measured
(tests/engine).
What has no row is left out by a rule that says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

from cti.people.agents import Decision, Hold, Orient

KINDS: dict[str, Decision] = {
    "cold line": Orient(line="listeners", handover="Bas."),
    "cold person": Orient(agent="lea", handover="Bas."),
    "together": Orient(agent="lea", together=True, handover="Bas."),
    "consult": Orient(agent="lea", consult=True, handover="Bas."),
    "hold": Hold(True),
}
PARTIES = ("caller", "rosa", "lea")
WHATS = ("hangs up", "lost", "no answer")
MOMENTS = {
    "before": "rosa has decided; no other phone rings yet",
    "ringing": "lea's phone rings",
    "answers": "at the instant of lea's answer, or of the answer that does not come",
    "during": "three talk; in consultation; on hold",
    "after": "cold: lea has the caller; together: rosa has left; consult: taken back; hold: over",
}
# What a screen is told of where a call stands.
TOLD = frozenset(
    f"call.{what}"
    for what in ("offered", "withdrawn", "connected", "joined", "consulting", "held", "ended")
)
# Whether a dead phone is rung in vain depends on when the engine last asked whether it is there.
UNREACHED = frozenset({"missed", "phone_unreachable", "phone_away"})
Key = tuple[str, str, str, str]  # kind, party, what, moment


@dataclass(frozen=True)
class Row:
    """What happens, and how it must end for everybody."""

    kind: str
    party: str
    what: str
    moment: str
    with_: str  # whom the caller ends with: names, music, farewell, gone
    rosa: str  # presence, and the last word on the screen
    lea: str
    why: str

    @property
    def rosa_ends(self) -> tuple[str, str]:
        """Her presence, and the last word on her screen."""
        return _two(self.rosa)

    @property
    def lea_ends(self) -> tuple[str, str]:
        """Likewise."""
        return _two(self.lea)

    @property
    def dead_phone(self) -> bool:
        """Whether the caller has nobody but a dead phone, until the engine notices."""
        sole = {"before": "rosa", "ringing": "rosa", "after": "lea"}
        if self.kind.startswith("cold"):
            sole = {"answers": "lea", "after": "lea"}
        elif self.kind in ("consult", "hold"):
            sole = sole | {"after": "rosa"}
        return self.what == "lost" and sole.get(self.moment) == self.party

    @property
    def key(self) -> Key:
        return self.kind, self.party, self.what, self.moment

    def __str__(self) -> str:
        return f"{self.kind}, {self.party} {self.what}, {self.moment}"


def _two(cell: str) -> tuple[str, str]:
    presence, screen = cell.split(", ")
    return presence, screen


# -: what a screen was last told is a matter of milliseconds.
# party | what | moment | the caller ends with | rosa: presence, screen | lea likewise | in a word
TABLE = """
cold line
caller | hangs up  | before  | gone     | free, ended        | free, -              | all are let go
caller | hangs up  | ringing | gone     | free, ended        | free, caller_left    | all are let go
caller | hangs up  | answers | gone     | free, ended        | free, caller_left    | all are let go
caller | hangs up  | after   | gone     | free, ended        | free, caller_left    | all are let go
caller | lost      | before  | gone     | free, ended        | free, caller_left    | sends nothing
caller | lost      | ringing | gone     | free, ended        | free, caller_left    | sends nothing
caller | lost      | answers | gone     | free, ended        | free, caller_left    | sends nothing
caller | lost      | after   | gone     | free, ended        | free, caller_left    | sends nothing
rosa   | hangs up  | before  | lea      | free, ended        | talking, connected   | had let go
rosa   | lost      | before  | lea      | unreached, ended   | talking, connected   | had let go
lea    | hangs up  | ringing | rosa     | talking, connected | phone_busy, declined | comes back
lea    | hangs up  | answers | lea      | free, ended        | talking, connected   | a loss: again
lea    | hangs up  | after   | lea      | free, ended        | talking, connected   | a loss: again
lea    | lost      | before  | rosa     | talking, connected | unreached, unreached | comes back
lea    | lost      | ringing | rosa     | talking, connected | unreached, unreached | comes back
lea    | lost      | answers | remy     | free, ended        | unreached, unreached | next in line
lea    | lost      | after   | remy     | free, ended        | unreached, unreached | next in line
lea    | no answer | answers | rosa     | talking, connected | unreached, unreached | comes back

cold person
caller | hangs up  | before  | gone     | free, ended        | free, -              | all are let go
caller | hangs up  | ringing | gone     | free, ended        | free, caller_left    | all are let go
caller | hangs up  | answers | gone     | free, ended        | free, caller_left    | all are let go
caller | hangs up  | after   | gone     | free, ended        | free, caller_left    | all are let go
caller | lost      | before  | gone     | free, ended        | free, caller_left    | sends nothing
caller | lost      | ringing | gone     | free, ended        | free, caller_left    | sends nothing
caller | lost      | answers | gone     | free, ended        | free, caller_left    | sends nothing
caller | lost      | after   | gone     | free, ended        | free, caller_left    | sends nothing
rosa   | hangs up  | before  | lea      | free, ended        | talking, connected   | had let go
rosa   | lost      | before  | lea      | unreached, ended   | talking, connected   | had let go
lea    | hangs up  | ringing | rosa     | talking, connected | phone_busy, declined | comes back
lea    | hangs up  | answers | lea      | free, ended        | talking, connected   | a loss: again
lea    | hangs up  | after   | lea      | free, ended        | talking, connected   | a loss: again
lea    | lost      | before  | rosa     | talking, connected | unreached, unreached | comes back
lea    | lost      | ringing | rosa     | talking, connected | unreached, unreached | comes back
lea    | lost      | answers | remy     | free, ended        | unreached, unreached | next in line
lea    | lost      | after   | remy     | free, ended        | unreached, unreached | next in line
lea    | no answer | answers | rosa     | talking, connected | free, unreached      | comes back

together
caller | hangs up  | before  | gone     | free, caller_left  | free, -              | all are let go
caller | hangs up  | ringing | gone     | free, caller_left  | free, caller_left    | all are let go
caller | hangs up  | answers | gone     | free, caller_left  | free, caller_left    | all are let go
caller | hangs up  | during  | gone     | free, caller_left  | free, caller_left    | all are let go
caller | hangs up  | after   | gone     | free, ended        | free, caller_left    | all are let go
caller | lost      | before  | gone     | free, caller_left  | free, caller_left    | sends nothing
caller | lost      | ringing | gone     | free, caller_left  | free, caller_left    | sends nothing
caller | lost      | answers | gone     | free, caller_left  | free, caller_left    | sends nothing
caller | lost      | during  | gone     | free, caller_left  | free, caller_left    | sends nothing
caller | lost      | after   | gone     | free, ended        | free, caller_left    | sends nothing
rosa   | hangs up  | before  | lea      | free, ended        | talking, connected   | as cold
rosa   | hangs up  | ringing | lea      | free, ended        | talking, connected   | as cold
rosa   | hangs up  | answers | lea      | free, ended        | talking, -           | lea owns them
rosa   | hangs up  | during  | lea      | free, ended        | talking, joined      | lea owns them
rosa   | lost      | before  | lea      | unreached, ended   | talking, joined      | noticed late
rosa   | lost      | ringing | lea      | unreached, ended   | talking, joined      | noticed late
rosa   | lost      | answers | lea      | unreached, ended   | talking, joined      | lea owns them
rosa   | lost      | during  | lea      | unreached, ended   | talking, joined      | lea owns them
lea    | hangs up  | ringing | rosa     | talking, connected | phone_busy, declined | talk goes on
lea    | hangs up  | answers | rosa     | talking, joined    | free, ended          | rosa is there
lea    | hangs up  | during  | rosa     | talking, joined    | free, ended          | rosa is there
lea    | hangs up  | after   | lea      | free, ended        | talking, connected   | a loss: again
lea    | lost      | before  | rosa     | talking, connected | unreached, unreached | talk goes on
lea    | lost      | ringing | rosa     | talking, connected | unreached, unreached | talk goes on
lea    | lost      | answers | rosa     | talking, joined    | unreached, ended     | rosa is there
lea    | lost      | during  | rosa     | talking, joined    | unreached, ended     | rosa is there
lea    | lost      | after   | remy     | free, ended        | unreached, unreached | next in line
lea    | no answer | answers | rosa     | talking, connected | free, unreached      | talk goes on

consult
caller | hangs up  | before  | gone     | free, caller_left  | free, -              | all are let go
caller | hangs up  | ringing | gone     | free, caller_left  | free, caller_left    | all are let go
caller | hangs up  | answers | gone     | free, caller_left  | free, caller_left    | all are let go
caller | hangs up  | during  | gone     | free, caller_left  | free, caller_left    | all are let go
caller | hangs up  | after   | gone     | free, caller_left  | free, ended          | all are let go
caller | lost      | before  | gone     | free, caller_left  | free, caller_left    | sends nothing
caller | lost      | ringing | gone     | free, caller_left  | free, caller_left    | sends nothing
caller | lost      | answers | gone     | free, caller_left  | free, caller_left    | sends nothing
caller | lost      | during  | gone     | free, caller_left  | free, caller_left    | sends nothing
caller | lost      | after   | gone     | free, caller_left  | free, ended          | sends nothing
rosa   | hangs up  | before  | lea      | free, ended        | talking, connected   | as cold
rosa   | hangs up  | ringing | lea      | free, ended        | talking, connected   | as cold
rosa   | hangs up  | answers | lea      | free, ended        | talking, -           | lea owns them
rosa   | hangs up  | during  | lea      | free, ended        | talking, consulting  | lea owns them
rosa   | hangs up  | after   | farewell | free, ended        | free, ended          | a goodbye
rosa   | lost      | before  | lea      | unreached, ended   | talking, consulting  | noticed late
rosa   | lost      | ringing | lea      | unreached, ended   | talking, consulting  | noticed late
rosa   | lost      | answers | lea      | unreached, ended   | talking, consulting  | lea owns them
rosa   | lost      | during  | lea      | unreached, ended   | talking, consulting  | lea owns them
rosa   | lost      | after   | remy     | unreached, unreached    | free, ended | next
lea    | hangs up  | ringing | rosa     | talking, connected | phone_busy, declined | talk goes on
lea    | hangs up  | answers | rosa     | talking, colleague_left | free, ended          | back
lea    | hangs up  | during  | rosa     | talking, colleague_left | free, ended          | back
lea    | lost      | before  | rosa     | talking, connected | unreached, unreached | talk goes on
lea    | lost      | ringing | rosa     | talking, connected | unreached, unreached | talk goes on
lea    | lost      | answers | rosa     | talking, colleague_left | unreached, ended     | back
lea    | lost      | during  | rosa     | talking, colleague_left | unreached, ended     | back
lea    | no answer | answers | rosa     | talking, connected | free, unreached      | talk goes on

hold
caller | hangs up  | before  | gone     | free, caller_left  | free, nothing        | all are let go
caller | hangs up  | during  | gone     | free, caller_left  | free, nothing        | all are let go
caller | hangs up  | after   | gone     | free, caller_left  | free, nothing        | all are let go
caller | lost      | before  | gone     | free, caller_left  | free, nothing        | sends nothing
caller | lost      | during  | gone     | free, caller_left  | free, nothing        | sends nothing
caller | lost      | after   | gone     | free, caller_left  | free, nothing        | sends nothing
rosa   | hangs up  | before  | farewell | free, ended        | free, nothing        | a goodbye
rosa   | hangs up  | during  | farewell | free, ended        | free, nothing        | a goodbye
rosa   | hangs up  | after   | farewell | free, ended        | free, nothing        | a goodbye
rosa   | lost      | before  | remy     | unreached, unreached    | free, nothing | next
rosa   | lost      | during  | remy     | unreached, unreached    | free, nothing | next
rosa   | lost      | after   | remy     | unreached, unreached    | free, nothing | next
"""
LEFT_OUT: dict[str, Callable[[str, str, str, str], bool]] = {
    "only a phone that rings is left unanswered": lambda kind, party, what, moment: (
        what == "no answer" and party != "lea"
    ),
    "a hold rings nobody": lambda kind, party, what, moment: (
        kind == "hold" and (party == "lea" or moment in ("ringing", "answers"))
    ),
    "it is unanswered once its time is over": lambda kind, party, what, moment: (
        what == "no answer" and moment != "answers"
    ),
    "cold, nothing lies between the answer and the next talk": lambda kind, party, what, moment: (
        kind.startswith("cold") and moment == "during"
    ),
    "cold, rosa has let go at once and rests": lambda kind, party, what, moment: (
        kind.startswith("cold") and party == "rosa" and moment != "before"
    ),
    "lea has nothing to hang up yet": lambda kind, party, what, moment: (
        party == "lea" and what == "hangs up" and moment == "before"
    ),
    "rosa has left the three": lambda kind, party, what, moment: (
        kind == "together" and party == "rosa" and moment == "after"
    ),
    "lea has left the consultation": lambda kind, party, what, moment: (
        kind == "consult" and party == "lea" and moment == "after"
    ),
}


# The controller is killed (and somebody hangs up at that instant), or nothing goes wrong at all:
# whom the caller ends with. In virtual time alone; real kills are in tests/engine/test_three_*.py.
KILLED = """
cold line        | before    | ringing   | answers   | after
  nobody         | lea       | lea       | lea       | lea
  crash          | lea       | lea       | lea       | lea
  crash, caller  | gone      | gone      | gone      | gone
  crash, rosa    | lea       | lea       | lea       | lea
  crash, lea     | lea       | lea       | lea       | lea
  dead a minute  | rosa      | rosa      | remy      | lea

cold person      | before    | ringing   | answers   | after
  nobody         | lea       | lea       | lea       | lea
  crash          | lea       | lea       | lea       | lea
  crash, caller  | gone      | gone      | gone      | gone
  crash, rosa    | lea       | lea       | lea       | lea
  crash, lea     | lea       | lea       | lea       | lea
  dead a minute  | rosa      | rosa      | remy      | lea

together         | before    | ringing   | answers   | during
  nobody         | lea+rosa  | lea+rosa  | lea+rosa  | lea+rosa
  crash          | rosa      | rosa      | rosa      | lea+rosa
  crash, caller  | gone      | gone      | gone      | gone
  crash, rosa    | rosa      | rosa      | remy      | lea
  crash, lea     | rosa      | rosa      | rosa      | rosa
  dead a minute  | rosa      | rosa      | rosa      | lea+rosa

consult          | before    | ringing   | answers   | during
  nobody         | music     | music     | music     | music
  crash          | rosa      | rosa      | rosa      | music
  crash, caller  | gone      | gone      | gone      | gone
  crash, rosa    | rosa      | rosa      | remy      | lea
  crash, lea     | rosa      | rosa      | rosa      | rosa
  dead a minute  | rosa      | rosa      | rosa      | remy

hold             | before    | during
  nobody         | music     | music
  crash          | music     | music
  crash, caller  | gone      | gone
  crash, rosa    | rosa      | remy
  dead a minute  | music     | remy
"""


def why_left_out(key: Key) -> list[str]:
    """The rules by which this has no row."""
    return [why for why, rule in LEFT_OUT.items() if rule(*key)]


def product_of_all() -> list[Key]:
    """Every kind × party × what × moment."""
    return list(product(KINDS, PARTIES, WHATS, MOMENTS))


def rows() -> list[Row]:
    """The table."""
    found: list[Row] = []
    kind = ""
    for line in TABLE.strip().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 1:
            kind = cells[0] or kind
        else:
            found.append(Row(kind, *cells))
    return found


ROWS = rows()


def row_of(*key: str) -> Row:
    """The row of a kind, a party, a loss and a moment."""
    return next(row for row in ROWS if row.key == key)


def killed_rows() -> list[tuple[str, str, str, str]]:
    """The other table as (kind, moment, what, whom the caller ends with)."""
    found: list[tuple[str, str, str, str]] = []
    kind, moments = "", [""]
    for line in KILLED.strip().splitlines():
        first, *rest = (cell.strip() for cell in line.split("|"))
        if first in KINDS:
            kind, moments = first, rest
        else:
            found += [
                (kind, moment, first, end) for moment, end in zip(moments, rest, strict=False)
            ]
    return [row for row in found if row[2]]


# -- how it ends for an agent ------------------------------------------------------------


def presence_word(presence: str, reason: str | None) -> str:
    """A presence in a word; whether somebody still rests after a talk is a matter of seconds."""
    if presence in ("READY", "WRAP_UP"):
        return "free"
    if reason in UNREACHED:
        return "unreached"
    return reason or presence.lower()


def same_screens(found: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Whether these are the last words that the table wants."""
    return all(one == other or other == "-" for one, other in zip(found, wanted, strict=True))


def screen_word(frames: list[tuple[str, dict[str, Any]]]) -> str:
    """The last that a screen was told of a call, and why."""
    told = [(type_, data) for type_, data in frames if type_ in TOLD]
    if not told:
        return "nothing"
    type_, data = told[-1]
    word: str = data.get("reason") or type_.removeprefix("call.")
    return "unreached" if word in UNREACHED else word
