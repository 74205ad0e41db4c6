"""One simulated world: an engine, callers, agents, and the real controller, life after life.

Everything that happens comes from a plan and a seed. The controller is built from the
real classes over the stand-in engine; faults come at their times; a parent restarts what
died, as ``cti/parent.py`` does.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import logging
import random
import shutil
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, cast

from cti import clock
from cti.asterisk.ari import Ari
from cti.asterisk.exchange import Exchange
from cti.calls.browsers import Browsers
from cti.calls.house import House
from cti.calls.waiting import WaitingLines
from cti.config import Settings
from cti.controller import serve_calls
from cti.flows import Flows
from cti.parent import RESTART_SECONDS_MAX, RESTART_SECONDS_MIN, SILENCE_SECONDS_MAX, STEADY_SECONDS
from cti.people.agents import Agent, OwnNumber, Presence, Role
from cti.people.team import Team
from cti.records.database import Database
from cti.records.privacy import Keys
from cti.records.record import Records
from cti.simulation.actors import AgentPlan, Board, Caller, CallerPlan, Desk, Frame, Pop
from cti.simulation.fake import FakeAsterisk, Faults
from cti.simulation.fake_people import FakePhone, FakePhoneCall
from cti.simulation.stores import MemoryDatabase, MemoryJournal, MemoryPresence
from cti.simulation.virtual import LIFE, Handle, Life, VirtualLoop, outside
from cti.tasks import Group
from ivr.flow import Flow, load_flow
from ivr.relays import Relay
from ivr.situation import Situation
from ivr.versions import FlowVersion
from sounds.catalogue import Catalogue, Prompt, UnknownPrompt

BEGAN_AT = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)  # a Tuesday, within the line's hours
START_SECONDS = (0.3, 0.8)  # a controller's process, from its start to its first step
QUIET_SECONDS = 45.0  # after the last call: what is left then is left for ever
WORLD_SECONDS_MAX = 3600.0
WRAP_UP_SECONDS = 20
FLOWS = Path(__file__).resolve().parents[2] / "ivr/flows"
# As built from sounds/prompts.yaml; what counts is that each has a length of its own.
PROMPT_SECONDS = {
    "accepter-appel": 4.4,
    "accueil": 4.6,
    "accueil-aidants": 5.4,
    "affluence-encore": 8.9,
    "appels-en-cours": 19.7,
    "attente-10": 2.2,
    "attente-15": 2.3,
    "attente-20": 2.25,
    "attente-3": 2.1,
    "attente-5": 2.35,
    "attente-longue": 11.2,
    "attente-moins-de-2": 2.6,
    "attente-plus-de-20": 3.8,
    "au-revoir": 4.4,
    "besoin-aidants": 8.4,
    "bien-note": 2.3,
    "choix-attente": 10.8,
    "choix-langue": 1.8,
    "complet": 20.7,
    "crise-attentat": 10.1,
    "crise-canicule": 10.7,
    "crise-confinement": 9.8,
    "danger": 10.4,
    "departement": 6.3,
    "droits": 21.5,
    "ferme": 17.5,
    "fermeture-bienveillante": 12.3,
    "fermeture-silencieuse": 13.1,
    "fin-de-conversation": 5.1,
    "forte-affluence": 16.3,
    "ne-quittez-pas": 4.9,
    "orientation": 3.7,
    "parler-ou-non": 13.6,
    "patience": 2.7,
    "patience-encore": 8.7,
    "personne-disponible": 15.9,
    "place-1": 2.65,
    "place-2": 2.4,
    "place-3": 2.45,
    "relais-appel": 6.0,
    "respiration-1": 4.8,
    "respiration-2": 6.4,
    "respiration-3": 6.3,
    "secours-accepter": 4.5,
    "secours-accueil": 8.3,
    "secours-numeros": 14.9,
    "secours-patience": 7.4,
    "un-appel-arrive": 1.0,
}


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, at a time."""

    at: float
    kind: str
    seconds: float = 0.0
    steps: int = 0  # a crash: so many steps of the controller later
    who: str = ""


@dataclass(frozen=True)
class Plan:
    """All that is decided before a world begins."""

    callers: tuple[CallerPlan, ...]
    agents: tuple[AgentPlan, ...]
    faults: tuple[Fault, ...] = ()
    any_order: bool = False
    database: str = "there"  # or away: from beginning to end
    wire: Faults = field(default_factory=Faults)
    crash_at_step: int | None = None  # of the first life
    flow: str = "demo.yaml"
    quiet_seconds: float = QUIET_SECONDS

    @property
    def healed_at(self) -> float:
        """When the last fault is over: from then on everything must come right."""
        last = [f.at + f.seconds for f in self.faults]
        return max([5.0, *(caller.at for caller in self.callers), *last]) + 10


@dataclass(frozen=True)
class Scenery:
    """What the line is on that day: its flows (the one of its own is ``line``), prompts, relays."""

    flows: Mapping[str, FlowVersion]
    catalogue: Catalogue
    began_at: datetime = BEGAN_AT
    situation: Situation = field(default_factory=Situation)
    relays: Mapping[str, Relay] = field(default_factory=dict)


@dataclass
class Controller:
    """One life of the controller."""

    life: Life
    context: contextvars.Context
    loop: VirtualLoop
    house: House
    began_at: float
    ready_at: float | None = None
    ended_at: float | None = None

    def tell(self, do: Callable[..., object], *args: Any) -> None:
        """Do something inside this life, as what arrives at one of its sockets does."""
        self.loop.call_soon(do, *args, context=self.context.copy())

    def start(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Start a task inside this life."""
        self.tell(lambda: self.loop.create_task(work()))


class World:
    """Runs one plan. What happened is in its lists, for the checker."""

    caller_class: type[Caller] = Caller
    desk_class: type[Desk] = Desk
    seconds_max = WORLD_SECONDS_MAX

    def __init__(
        self, plan: Plan, seed: str, keep_logs: bool = False, scenery: Scenery | None = None
    ) -> None:
        self.plan = plan
        self.scenery = scenery or Scenery(
            {"line": FlowVersion("line@1", flow(plan.flow))}, CATALOGUE
        )
        self.seed = seed
        self.loop = VirtualLoop(Random(f"{seed}/order"), plan.any_order)  # type: ignore[abstract]
        self.context = outside()
        self.callers: list[Caller] = []
        self.callers_due = 0  # how many will have called
        self.together: set[str] = set()  # calls whose agent asked to stay with the next one
        self.pops: list[Pop] = []
        self.frames: list[Frame] = []  # of every screen, and what people said with theirs
        self.boards: list[Board] = []  # the callers who wait, as screens were told
        self.rings: list[tuple[float, FakePhoneCall]] = []
        self.lives: list[Controller] = []
        self.hangs: list[tuple[float, float]] = []
        self.engine_stops: list[float] = []
        self.troubles: list[tuple[float, str]] = []  # what must never happen inside us
        self.notes: list[tuple[float, str]] = []  # for the timeline
        self.faults_done: Counter[str] = Counter()
        self.controller: Controller | None = None
        self.healed = False
        self._chance = Random(f"{seed}/world")
        self._delay = RESTART_SECONDS_MIN
        self._keep_logs = keep_logs
        self._kill_timer: Handle | None = None

    # -- from beginning to end -------------------------------------------------

    def run(self) -> None:
        """Live through the plan. Raises Stuck when time does not go on."""
        with lived_in(self):
            self.loop.call_soon(self._begin, context=self.context)
            self.loop.run_until(self.plan.healed_at)
            end = self.loop.time()
            while end < self.seconds_max and not self._over():
                end += 5.0
                self.loop.run_until(end)
            self.ended_at = end
            self.loop.run_until(end + self.plan.quiet_seconds)

    def close(self) -> None:
        """Let go of everything."""
        with lived_in(self):
            self.loop.close()

    def _over(self) -> bool:
        return (
            self.controller is not None
            and len(self.callers) >= self.callers_due
            and all(c.end is not None and c.end.state == "ended" for c in self.callers)
        )

    def later(self, seconds: float, do: Callable[..., object], *args: Any) -> Handle:
        """Do something in the world, after a while."""
        return self.loop.call_later(seconds, do, *args, context=self.context)

    def note(self, text: str) -> None:
        """Something for the timeline."""
        self.notes.append((self.loop.time(), text))

    def _begin(self) -> None:
        plan, seed = self.plan, self.seed
        self.engine = FakeAsterisk(
            Random(f"{seed}/engine"),
            prompt_seconds=self._prompt_seconds,
        )
        self.engine.faults = _copy(plan.wire)
        self.journal = MemoryJournal()
        self.database = MemoryDatabase(Random(f"{seed}/database"))
        self.database.weather.away = plan.database == "away"
        names = [agent.id for agent in plan.agents]
        self.presences = MemoryPresence(Random(f"{seed}/presence"), self.database.weather, names)
        self.desks = {
            agent.id: self.desk_class(self, agent, self._phone(agent), Random(f"{seed}/{agent.id}"))
            for agent in plan.agents
        }
        for fault in plan.faults:
            self.later(fault.at, self._strike, fault)
        self.later(plan.healed_at, self._heal)
        self._start()
        for caller in plan.callers:
            self.caller_class(self, caller)

    def _phone(self, agent: AgentPlan) -> FakePhone:
        if agent.own_number is not None:
            return self.engine.add_own_phone(agent.own_number, agent.id)
        return self.engine.add_phone(agent.id)

    def _prompt_seconds(self, path: str) -> float | None:
        _, _, language, prompt = path.split("/")
        try:
            return self.scenery.catalogue.seconds(prompt, language)
        except UnknownPrompt:
            return None

    # -- the controller and its parent -----------------------------------------

    def _start(self) -> None:
        """The parent starts the controller."""
        first = not self.lives
        life = Life(self._crashed, self.plan.crash_at_step if first else None)
        context = outside()
        context.run(LIFE.set, life)
        context.run(self._make_controller, life, context)

    def _make_controller(self, life: Life, context: contextvars.Context) -> None:
        controller = Controller(life, context, self.loop, self._house(), self.loop.time())
        self.controller = controller
        self.lives.append(controller)
        self.note("controller: starts")
        self.loop.create_task(self._live(controller))

    async def _live(self, controller: Controller) -> None:
        """What ``controller.run`` does, without its doors to the outside."""
        try:
            async with Group() as tasks:
                ready = asyncio.Event()
                serve_calls(controller.house, tasks, ready, Browsers(controller.house))
                await ready.wait()
                controller.ready_at = self.loop.time()
                self.note("controller: ready")
                for desk in self.desks.values():
                    desk.controller_is_there(controller)
        except BaseException as error:  # noqa: BLE001 -- it ends by itself, which is told
            if self.loop.is_closed():
                return  # nobody ended it but the end of the world
            self.troubles.append((self.loop.time(), f"controller ended by itself: {error!r}"))
        self.loop.kill(controller.life)

    def _house(self) -> House:
        settings = self._settings()
        records = Records(cast(Database, self.database), self.journal, KEYS)
        team = Team(
            [self._agent(agent) for agent in self.plan.agents],
            self.presences,
            records.disposition,
            settings.wrap_up_seconds,
        )
        for id_, (presence, _, call_id) in self.presences.rows.items():
            if presence == Presence.WRAP_UP and call_id:
                team.start_wrap_up(team.agents[id_], call_id)
        ari = Ari(self.engine.wire())
        return House(
            settings=settings,
            exchange=Exchange(ari, settings),
            records=records,
            team=team,
            lines=WaitingLines(team, ari.in_step),
            flows=self._flows(),
            catalogue=self.scenery.catalogue,
        )

    def _settings(self) -> Settings:
        return Settings(data=data_directory(), wrap_up_seconds=WRAP_UP_SECONDS, demo=True)

    def _flows(self) -> Flows:
        flows = Flows("line", self.scenery.flows)
        flows.situation, flows.relays = self.scenery.situation, self.scenery.relays
        return flows

    def _agent(self, plan: AgentPlan) -> Agent:
        presence, reason, call_id = self.presences.rows[plan.id]
        return Agent(
            plan.id,
            plan.id,
            frozenset(Role(role) for role in plan.roles),
            plan.id,
            plan.languages,
            dict(plan.skills),
            plan.gender,
            plan.stands_in,
            own_number=OwnNumber(plan.own_number.encode(), bytes.decode)
            if plan.own_number
            else None,
            presence=Presence(presence),
            reason=reason,
            call_id=call_id,
        )

    def _crashed(self) -> None:
        """The controller is dead: its sockets close, its parent starts another."""
        gone, self.controller = self.controller, None
        assert gone is not None
        gone.ended_at = self.loop.time()
        self.note("controller: dead")
        gone.house.exchange.ari._wire.die()  # type: ignore[attr-defined]
        for desk in self.desks.values():
            desk.controller_is_gone()
        if self.loop.time() - gone.began_at > STEADY_SECONDS:
            self._delay = RESTART_SECONDS_MIN
        if self.plan.crash_at_step is not None:
            self.later(0.5, self._start)
            return
        self.later(self._delay + self._chance.uniform(*START_SECONDS), self._start)
        self._delay = min(RESTART_SECONDS_MAX, self._delay * 2)

    # -- faults ----------------------------------------------------------------

    def _strike(self, fault: Fault) -> None:
        self.faults_done[fault.kind] += 1
        self.note(f"fault: {fault.kind} {fault.seconds:.1f} s {fault.who}")
        getattr(self, f"_fault_{fault.kind}")(fault)

    def _fault_crash(self, fault: Fault) -> None:
        if self.controller is not None:
            self.controller.life.crash_at = self.controller.life.steps + 1 + fault.steps

    def _fault_hang(self, fault: Fault) -> None:
        controller, now = self.controller, self.loop.time()
        if controller is None or controller.life.frozen:
            return
        controller.life.frozen = True
        if fault.seconds >= SILENCE_SECONDS_MAX:
            self.hangs.append((now, now + SILENCE_SECONDS_MAX))
            self.later(SILENCE_SECONDS_MAX, self._kill, controller)
        else:
            self.hangs.append((now, now + fault.seconds))
            self.later(fault.seconds, self.loop.thaw, controller.life)

    def _kill(self, controller: Controller) -> None:
        if controller is self.controller:
            self.loop.kill(controller.life)

    def _fault_cut(self, _: Fault) -> None:
        self.engine.cut_sockets()

    def _fault_stall(self, fault: Fault) -> None:
        self.engine.stall(fault.seconds)

    def _fault_events_late(self, fault: Fault) -> None:
        self._wire_fault(fault, event_seconds=(0.001, 0.8))

    def _fault_events_twice(self, fault: Fault) -> None:
        self._wire_fault(fault, duplicated=0.3)

    def _fault_replies_late(self, fault: Fault) -> None:
        self._wire_fault(fault, reply_seconds=(0.01, 1.0), request_seconds=(0.0, 0.3))

    def _fault_replies_lost(self, fault: Fault) -> None:
        self._wire_fault(fault, lost_reply=0.15)

    def _fault_refusals(self, fault: Fault) -> None:
        self._wire_fault(fault, failing=0.1, unavailable=0.1)

    def _wire_fault(self, fault: Fault, **knobs: Any) -> None:
        before = {name: getattr(self.plan.wire, name) for name in knobs}
        for name, value in knobs.items():
            setattr(self.engine.faults, name, value)
        self.later(fault.seconds, self._wire_mended, before)

    def _wire_mended(self, before: dict[str, Any]) -> None:
        for name, value in before.items():
            setattr(self.engine.faults, name, value)

    def _fault_database_away(self, fault: Fault) -> None:
        self.database.weather.away = True
        self.later(fault.seconds, self._database_back)

    def _database_back(self) -> None:
        self.database.weather.away = self.plan.database == "away"

    def _fault_database_slow(self, fault: Fault) -> None:
        self.database.weather.slow_seconds_max = 2.0
        self.later(fault.seconds, setattr, self.database.weather, "slow_seconds_max", 0.005)

    def _fault_engine_killed(self, fault: Fault) -> None:
        self._stop_engine(fault, kill=True)

    def _fault_engine_stopped(self, fault: Fault) -> None:
        self._stop_engine(fault, kill=False)

    def _stop_engine(self, fault: Fault, *, kill: bool) -> None:
        self.engine_stops.append(self.loop.time())
        self.engine.stop(kill)
        self.later(2.0, self.engine.boot, max(fault.seconds, 1.0))

    def _fault_phone_lost(self, fault: Fault) -> None:
        phone = self.desks[fault.who].phone
        phone.lose_network()
        self.later(fault.seconds, phone.register)

    def _fault_phone_unregistered(self, fault: Fault) -> None:
        phone = self.desks[fault.who].phone
        phone.unregister()
        self.later(fault.seconds, phone.register)

    def _fault_signs_out(self, fault: Fault) -> None:
        self.desks[fault.who].working = False
        self.later(fault.seconds, setattr, self.desks[fault.who], "working", True)

    def _heal(self) -> None:
        self.healed = True
        self.note("all faults are over")


def _copy(faults: Faults) -> Faults:
    return Faults(*(getattr(faults, name) for name in Faults.__slots__))


@cache
def flow(name: str) -> Flow:
    """A flow that the line ships."""
    return load_flow(FLOWS / name, CATALOGUE.lengths())


@cache
def data_directory() -> Path:
    """Where the controllers of this process write what they must."""
    memory = Path("/dev/shm")  # noqa: S108 -- names of phones only, and a folder of our own
    folder = Path(tempfile.mkdtemp(prefix="fil-", dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "engine/state").mkdir(parents=True)
    return folder


CATALOGUE = Catalogue(
    Path("/nowhere"),
    [
        Prompt(id=name, language=language, seconds=seconds, voice="synthetic", sha256="")
        for name, seconds in PROMPT_SECONDS.items()
        for language in ("fr", "en")
    ],
)
KEYS = Keys(b"r" * 32, b"s" * 32, b"l" * 32)


class _Listener(logging.Handler):
    """Hears our own log: what failed inside us is trouble."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.INFO if world._keep_logs else logging.ERROR)
        self.world = world

    def emit(self, record: logging.LogRecord) -> None:
        world = self.world
        extra = {
            k: v for k, v in record.__dict__.items() if k in ("call", "leg", "status", "error")
        }
        text = f"log: {record.getMessage()} {extra}"
        if record.exc_info and record.exc_info[0] is not None:
            text += f" {record.exc_info[1]!r}"
            world.troubles.append((world.loop.time(), text))
        world.note(text)


@contextmanager
def lived_in(world: World) -> Iterator[None]:
    """Have the whole process live by this world: its time, its chance, its log."""
    uuids = Random(f"{world.seed}/uuid")
    state, uuid4 = random.getstate(), uuid.uuid4
    random.seed(f"{world.seed}/module")
    uuid.uuid4 = lambda: uuid.UUID(int=uuids.getrandbits(128), version=4)
    root, listener = logging.getLogger(), _Listener(world)
    level, handlers, root.handlers = root.level, root.handlers, [listener]
    root.setLevel(listener.level)
    began_at = world.scenery.began_at
    now = lambda: began_at + timedelta(seconds=world.loop.time())  # noqa: E731
    try:
        with clock.replaced(now, world.loop.time):
            yield
    finally:
        random.setstate(state)
        uuid.uuid4 = uuid4
        root.handlers = handlers
        root.setLevel(level)
