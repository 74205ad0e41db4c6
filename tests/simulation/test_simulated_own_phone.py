"""An agent on a telephone of their own: only 1 accepts, and each refusal is told for what it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cti.people.agents import Agent, OwnNumber
from cti.records.privacy import SealBroken
from cti.simulation import run
from cti.simulation.actors import AgentPlan, CallerPlan
from cti.simulation.checker import Checker, timeline
from cti.simulation.fake_people import FakePhoneCall
from cti.simulation.world import Plan, World
from tests.stories import crash

OWN = "0639980123"
ROSA = AgentPlan(
    "rosa", frozenset({"regulator"}), frozenset({"fr"}), True, "listen", own_number=OWN
)
REMY = AgentPlan(
    "remy",
    frozenset({"regulator"}),
    frozenset({"fr"}),
    True,
    "listen",
    answers_after_seconds=1.0,
)
SAM = AgentPlan("sam", frozenset({"supervisor"}), frozenset({"fr"}), True, "listen")
Does = Callable[[Any, FakePhoneCall], None]  # of the world below


class Outside(World):
    """One caller; rosa, whose own telephone does what the test says; perhaps remy at his desk."""

    def __init__(
        self,
        does: Does,
        *more: AgentPlan,
        trunk: Callable[[World], None] | None = None,
        talk: float = 40.0,
        patience: float = 70.0,
        calls_at: float = 3.0,
    ) -> None:
        self.does, self.trunk = does, trunk
        caller = CallerPlan(at=calls_at, patience_seconds=patience, talk_seconds=talk)
        plan = Plan(callers=(caller,), agents=(ROSA, *more), quiet_seconds=10.0)
        super().__init__(plan, "outside")

    def _begin(self) -> None:
        super()._begin()
        self.desks["rosa"].phone.on_ring = self._rung
        if self.trunk is not None:
            self.trunk(self)

    def _rung(self, ring: FakePhoneCall) -> None:
        self.rings.append((self.loop.time(), ring))
        self.does(self, ring)

    def rung(self, name: str) -> list[FakePhoneCall]:
        return [ring for _, ring in self.rings if ring.name == name]

    def withdrawn(self) -> list[str]:
        agent = self.lives[-1].house.team.agents["rosa"]
        kept = agent.outbox.since(0) or []
        return [m.data["reason"] for m in kept if m.type == "call.withdrawn"]

    def asked_whether_there(self) -> int:
        """How often rosa's screen was asked, after a ring in vain."""
        kept = self.lives[-1].house.team.agents["rosa"].outbox.since(0) or []
        return [message.type for message in kept].count("presence.asked")

    def shown(self, name: str = "rosa") -> list[tuple[str, str | None]]:
        agent = self.lives[-1].house.team.agents[name]
        kept = agent.outbox.since(0) or []
        return [
            (m.data["presence"], m.data["reason"]) for m in kept if m.type == "presence.changed"
        ]

    def caller_heard(self) -> list[str]:
        end = self.callers[0].end
        assert end is not None
        return [sound for _, sound in end.heard]


def live(world: Outside) -> Outside:
    """Live through it; the judge has nothing to say."""
    try:
        with run.unhurried():
            world.run()
        wrong = [f"{v.kind}: {v.text}" for v in Checker(world).check()]
        assert not wrong, "\n".join([*wrong, timeline(world)])
    finally:
        world.close()
    return world


def presses(key: str, after: float = 3.0) -> Does:
    def does(world: Outside, ring: FakePhoneCall) -> None:
        world.later(1.0, ring.answer)
        world.later(1.0 + after, ring.press, key)

    return does


def says_nothing(world: Outside, ring: FakePhoneCall) -> None:
    world.later(1.0, ring.answer)


def voicemail(world: Outside, ring: FakePhoneCall) -> None:
    """A gateway that takes the tones of a greeting for keys; never for a 1."""
    world.later(1.0, ring.answer)
    for at, key in enumerate("5#9"):
        world.later(2.0 + at, ring.press, key)


def declines(status: int) -> Does:
    def does(world: Outside, ring: FakePhoneCall) -> None:
        world.later(1.0, ring.decline, status)

    return does


def nobody(_world: World, _ring: FakePhoneCall) -> None:
    """It rings."""


def refuses(status: int) -> Callable[[World], None]:
    def trunk(world: World) -> None:
        world.desks["rosa"].phone.refuses_with = status

    return trunk


def silent(world: World) -> None:
    world.desks["rosa"].phone.reachable = False


def unreachable(world: World) -> None:
    world.desks["rosa"].phone.registered = False


def test_one_accepts_and_only_then_are_they_joined() -> None:
    world = live(Outside(presses("1")))
    (ring,) = world.rung("rosa")
    heard = [sound for _, sound in ring.heard]
    assert heard[0] in ("silence", "prompt:/sounds/fr/accepter-appel")
    assert "prompt:/sounds/fr/accepter-appel" in heard
    pressed_at = ring.keys_pressed[0][0]
    joined_at = next(at for at, sound in ring.heard if sound.startswith("people:caller"))
    assert pressed_at <= joined_at < pressed_at + 2
    assert "people:rosa" in world.caller_heard()
    assert ring.shown == "0800190000"
    assert world.withdrawn() == []


@pytest.mark.parametrize("does", [says_nothing, voicemail, presses("2"), presses("*")])
def test_silence_another_key_and_a_voicemail_are_missed_and_the_next_is_rung(does: Does) -> None:
    world = live(Outside(does, REMY))
    (ring,) = world.rung("rosa")
    assert ring.ended_how == "command"
    assert world.withdrawn() == ["missed"]
    assert world.asked_whether_there() == 1
    assert "people:rosa" not in world.caller_heard()
    assert "people:remy" in world.caller_heard()
    # Until then, music or a word; nobody's voice, no silence.
    before = world.caller_heard()[: world.caller_heard().index("people:remy")]
    assert all(sound in ("silence", "music") or sound.startswith("prompt:") for sound in before)
    assert ring.ended_at is not None
    assert ring.answered_at is not None
    assert ring.ended_at - ring.answered_at < 2 * (4.4 + 3) + 1


@pytest.mark.parametrize(
    ("does", "trunk", "reason", "presence"),
    [
        (declines(486), None, "phone_busy", ("NOT_READY", "phone_busy")),
        (declines(603), None, "declined", ("READY", None)),
        (nobody, None, "missed", ("READY", None)),
        (declines(480), None, "missed", ("READY", None)),
        (nobody, refuses(404), "phone_unreachable", ("NOT_READY", "phone_unreachable")),
        (nobody, refuses(503), "trunk_dead", ("NOT_READY", "trunk_dead")),
        (nobody, refuses(403), "trunk_dead", ("NOT_READY", "trunk_dead")),
        (nobody, silent, "trunk_dead", ("NOT_READY", "trunk_dead")),
        (nobody, unreachable, "trunk_dead", ("NOT_READY", "trunk_dead")),
    ],
    ids=["busy", "declined", "rings", "480", "404", "503", "403", "silent trunk", "no trunk"],
)
def test_each_refusal_is_told_for_what_it_is(
    does: Does,
    trunk: Callable[[World], None] | None,
    reason: str,
    presence: tuple[str, str | None],
) -> None:
    world = live(Outside(does, REMY, SAM, trunk=trunk))
    assert world.withdrawn()[0] == reason
    assert presence in world.shown()
    agent = world.lives[-1].house.team.agents["rosa"]
    told = [e.data["type"] for e in world.journal.entries if e.op == "event"]
    if reason == "trunk_dead":
        assert agent.missed == 0
        assert "trunk.dead" in told
        sam = world.lives[-1].house.team.agents["sam"].outbox.since(0) or []
        alerts = [message.data["kind"] for message in sam if message.type == "team.alert"]
        assert alerts[0] == "trunk_dead"
    else:
        assert "trunk.dead" not in told
        assert world.asked_whether_there() == (reason == "missed")
    assert "people:remy" in world.caller_heard()


def test_a_number_that_cannot_be_read_is_dialled_nowhere() -> None:
    def altered(_: bytes) -> str:
        raise SealBroken("altered")

    class Altered(Outside):
        def _agent(self, plan: AgentPlan) -> Agent:
            agent = super()._agent(plan)
            if agent.own_number is not None:
                agent.own_number = OwnNumber(b"", altered)
            return agent

    world = live(Altered(nobody, REMY))
    assert world.rung("rosa") == []
    assert world.withdrawn() == ["phone_unreachable"]


def test_picked_up_while_the_wire_was_lost_is_not_accepted() -> None:
    """What the engine holds says "up"; up is not pressed."""

    def does(world: Outside, ring: FakePhoneCall) -> None:
        ring.answer()
        world.later(0.03, world.engine.cut_sockets)
        world.later(6.0, ring.press, "2")

    world = live(Outside(does, REMY))
    assert "people:rosa" not in world.caller_heard()
    assert "people:remy" in world.caller_heard()


@pytest.mark.parametrize("after", [0.02, 0.5, 3.0, 6.0])
def test_a_crash_while_they_are_asked_joins_nobody_unasked(after: float) -> None:
    def does(world: Outside, ring: FakePhoneCall) -> None:
        ring.answer()
        if len(world.rung("rosa")) == 1:
            world.later(after, crash, world)
        else:
            world.later(2.0, ring.press, "1")

    world = live(Outside(does))
    first, *_ = world.rung("rosa")
    assert not any(sound.startswith("people:") for _, sound in first.heard)
    assert "people:rosa" in world.caller_heard()


def test_a_mobile_that_is_lost_in_a_talk_leaves_nobody_alone() -> None:
    def does(world: Outside, ring: FakePhoneCall) -> None:
        world.later(1.0, ring.answer)
        world.later(2.0, ring.press, "1")
        if len(world.rung("rosa")) == 1:
            world.later(20.0, ring.vanish)

    world = live(Outside(does, talk=100.0, patience=200.0))
    first, second = world.rung("rosa")[:2]
    assert first.vanished_at is not None
    assert first.ended_at is not None
    assert first.ended_at - first.vanished_at < 25
    assert "prompt:/sounds/fr/ne-quittez-pas" in world.caller_heard()
    joined_at = next(at for at, sound in second.heard if sound.startswith("people:caller"))
    assert joined_at < second.keys_pressed[0][0] + 1  # though the question was being asked
    assert [e.op for e in world.journal.entries if e.op == "leg.lost"]


def test_a_mobile_that_hangs_up_in_a_talk_leaves_nobody_alone() -> None:
    def does(world: Outside, ring: FakePhoneCall) -> None:
        world.later(1.0, ring.answer)
        world.later(2.0, ring.press, "1")
        world.later(30.0, ring.hang_up)

    world = live(Outside(does, talk=100.0, patience=200.0))
    assert "prompt:/sounds/fr/fin-de-conversation" in world.caller_heard()


def test_a_silent_listener_on_their_own_phone_is_not_unregistered() -> None:
    """A telephone outside registers nowhere; while it sends sound the talk goes on."""
    world = live(Outside(presses("1"), talk=60.0, patience=100.0))
    (ring,) = world.rung("rosa")
    assert ring.answered_at is not None
    assert ring.ended_at is not None
    assert ring.ended_at - ring.answered_at > 55


def test_the_on_call_list_holds_no_phone_that_the_dialplan_cannot_ring() -> None:
    listener = AgentPlan("lea", frozenset({"listener"}), frozenset({"fr"}), True, "listen")
    world = live(Outside(presses("1"), listener))
    assert world.engine.variables["FIL_ON_CALL"] == "lea"


def test_who_picks_up_at_the_last_second_still_has_the_time_to_accept() -> None:
    def does(world: Outside, ring: FakePhoneCall) -> None:
        world.later(18.5, ring.answer)
        world.later(25.0, ring.press, "1")

    world = live(Outside(does, patience=100.0))
    assert len(world.rung("rosa")) == 1
    assert "people:rosa" in world.caller_heard()


def test_a_machine_that_hangs_up_by_itself_is_missed_and_the_trunk_is_alive() -> None:
    def does(world: Outside, ring: FakePhoneCall) -> None:
        world.later(1.0, ring.answer)
        world.later(3.0, ring.hang_up)

    world = live(Outside(does, REMY))
    assert world.withdrawn() == ["missed"]


def test_a_telephone_that_registers_nowhere_is_never_away() -> None:
    world = live(Outside(presses("1"), calls_at=90.0))
    assert ("NOT_READY", "phone_away") not in world.shown()
    assert "people:rosa" in world.caller_heard()
