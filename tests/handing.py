"""A caller whom rosa hands on to lea, in virtual time, and what is done to them meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from cti.people.agents import Decision, End, Hold, Orient, TakeBack
from cti.simulation.actors import AgentPlan, CallerPlan, Desk
from cti.simulation.fake_people import FakePhoneCall
from cti.simulation.world import Controller, Fault, Plan, World
from tests.orientations import KINDS, presence_word, screen_word
from tests.stories import Deed, Story, decides

ORDER_AT = 17.0  # rosa has talked for more than ten seconds: her phone's end is a hang-up
RINGS_SECONDS = 3.0  # lea's phone, until she answers
TALKS_SECONDS = 200.0
LOOKED_AT = 95.0  # when a row says who has the caller
ALL_TOGETHER = Orient(agent="lea", together=True)
# What ends the three, the consultation or the hold, before what comes "after".
ENDS: dict[str, Decision] = {"together": End(), "consult": TakeBack(), "hold": Hold(False)}


class Handing(Story):
    """rosa hands a caller on; ``deed`` is done at a ``moment`` of lea's ring."""

    def __init__(
        self, kind: str, moment: str, deed: Deed | None, *script: tuple[float, Deed]
    ) -> None:
        self.script = ((ORDER_AT, decides(KINDS[kind])), *script)
        self.kind, self.moment, self.deed = kind, moment, deed
        self.lea_answers, self.lets_them_be = True, False
        self.as_lea_rings: Callable[[FakePhoneCall], object] = lambda _: None
        self.ends: dict[str, tuple[str, str]] = {}  # agent -> presence, last word on the screen
        agents = tuple(
            AgentPlan(
                name,
                frozenset({role}),
                frozenset({"fr"}),
                steady=True,
                always="listen",
                answers_after_seconds=1.0,
            )
            for name, role in (("rosa", "regulator"), ("remy", "regulator"), ("lea", "listener"))
        )
        caller = CallerPlan(
            at=1.0,
            patience_seconds=TALKS_SECONDS,
            talk_seconds=TALKS_SECONDS,
            vanishes=deed is CALLER_LOST,
        )
        late = Fault(0.0, "signs_out", 10.0, who="remy")
        World.__init__(self, Plan((caller,), agents, (late,), quiet_seconds=90.0), "story")

    def _begin(self) -> None:
        super()._begin()
        self.desks["lea"].phone.on_ring = self._lea_rings
        if self.lets_them_be:
            for name in ("rosa", "lea"):
                self.desks[name]._look = self._looks_no_more(name)
        if self.deed is None:
            return
        if self.moment == "before":
            self.later(ORDER_AT + 0.02, self.deed, self)
        elif self.kind == "hold":
            self._later_on(ORDER_AT)

    def _later_on(self, seconds: float) -> None:
        """What is done while three talk, and the like, so many seconds from now; or after that."""
        assert self.deed is not None
        if self.moment == "during":
            self.later(seconds + 4.0, self.deed, self)
        elif self.moment == "after":
            if self.kind in ENDS:
                self.later(seconds + 4.0, decides(ENDS[self.kind]), self)
            self.later(seconds + 8.0, self.deed, self)

    def _lea_rings(self, ring: FakePhoneCall) -> None:
        self.rings.append((self.loop.time(), ring))
        self.desks["lea"].rings.append(ring)
        if len(self.desks["lea"].rings) == 1 and self.deed is not None:
            after = {"ringing": 1.0, "answers": RINGS_SECONDS}
            if self.moment in after:
                self.later(after[self.moment], self.deed, self)
            self._later_on(RINGS_SECONDS)
        if self.lea_answers:
            self.later(RINGS_SECONDS, ring.answer)
        self.as_lea_rings(ring)

    def _looks_no_more(self, name: str) -> Callable[[Controller], None]:
        """These people leave their presence as it has become, once the row begins."""

        def look(controller: Controller) -> None:
            if self.loop.time() < ORDER_AT:
                Desk._look(self.desks[name], controller)

        return look

    def heard_by(self, name: str) -> list[str]:
        return [sound for _, ring in self.rings if ring.name == name for _, sound in ring.heard]

    def look_at_the_agents(self, _: World) -> None:
        """Note how it ends for rosa and lea."""
        for name in ("rosa", "lea"):
            assert self.controller is not None
            agent = self.controller.house.team.agents[name]
            words = [(message.type, message.data) for message in agent.outbox._kept]
            self.ends[name] = presence_word(agent.presence, agent.reason), screen_word(words)

    def whom_the_caller_has(self, at: float) -> str:
        """As the table says it."""
        sound = self.sound_at(at)
        if sound.startswith("people:"):
            return "+".join(sorted(sound.removeprefix("people:").split(",")))
        if sound:
            return sound
        farewell = any(heard.endswith("/au-revoir") for heard in self.heard(ORDER_AT))
        return "farewell" if farewell else "gone"


def hangs_up(name: str) -> Deed:
    def deed(world: World) -> None:
        if name == "caller":
            world.callers[0]._leave()
        for ring in world.desks[name].rings if name != "caller" else ():
            ring.hang_up()

    return deed


def loses_the_line(name: str) -> Deed:
    def deed(world: World) -> None:
        if name == "caller":
            end = world.callers[0].end
            assert end is not None
            world.callers[0]._leave()
        else:
            world.desks[name].phone.lose_network()

    return deed


def both(one: Deed, other: Deed) -> Deed:
    """One thing, and another a moment later, before anybody could see to the first."""

    def deed(world: World) -> None:
        one(world)
        world.later(0.05, other, world)

    return deed


CALLER_LOST = loses_the_line("caller")


def picks_up_and(deed: Deed) -> Deed:
    """What lea does at the instant of her own answer."""

    def deeds(world: World) -> None:
        world.desks["lea"].rings[-1].answer()
        world.later(0.001, deed, world)

    return deeds


def never_answers(world: World) -> None:
    assert isinstance(world, Handing)
    world.lea_answers = False


def hears_two(story: Story) -> bool:
    """Whether the caller ever heard two agents."""
    return any("," in sound for sound in story.heard())
