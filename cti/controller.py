"""The controller: the process that serves calls and screens. Built and tied together here.

Crash-only: starting is recovering, there is no other way in, and dying harms nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta

from aiohttp import web

from cti import clock
from cti.asterisk.agi import AgiServer
from cti.asterisk.ami import AmiWatch
from cti.asterisk.ari import AppTaken, Ari, AriError, EngineInfo, EngineRefused
from cti.asterisk.exchange import Exchange
from cti.asterisk.wire import HttpWire
from cti.calls.browsers import Browsers
from cti.calls.cards import keep_telling
from cti.calls.estimate import TALKS_KEPT_MAX, Past
from cti.calls.house import House
from cti.calls.phones import follow_phones
from cti.calls.reception import Reception
from cti.calls.suggestions import keep_suggesting
from cti.calls.taking import WaitingDesk
from cti.calls.waiting import WaitingLines
from cti.config import Settings, SettingsError
from cti.flows import FlowFiles
from cti.lag import WINDOW_SECONDS, Lag, watch_loop
from cti.people.agents import EXPOSURE_SECONDS, Agent, Presence, Role
from cti.people.choosing import LINE_ROLES
from cti.people.hours import Hours
from cti.people.team import Team
from cti.records.database import (
    Database,
    DatabaseAway,
    DatabaseRefused,
    WrongVersion,
    create_database,
)
from cti.records.journal import Journal
from cti.records.mine import Mine
from cti.records.notes import Notes
from cti.records.papers import Papers
from cti.records.people import PeopleStore
from cti.records.privacy import Keys, KeysRefused, purge
from cti.records.record import Records
from cti.records.reports import talks_before, talks_since
from cti.standby import Standby
from cti.tasks import Group
from cti.web.app import DeskNotBuilt, make_app
from cti.web.notes import Writing
from ivr.versions import VersionsError
from sounds.catalogue import MANIFEST, Catalogue, SoundsError

log = logging.getLogger("fil.controller")

HEARTBEAT_SECONDS = 1.0
PURGE_EVERY_SECONDS = 3600.0
TALKS_ASKED_AGAIN_SECONDS = 30.0
LAG_MS_MAX = 250  # later than this is said at once; otherwise it is said every minute
LAG_SAID_EVERY_SECONDS = 60.0
SOUNDS_LOOKED_AT_EVERY_SECONDS = 1.0
TALKS_RECALLED = timedelta(days=30)  # older ones tell little of today's
TALKS_ASKED_EVERY_SECONDS = 60.0  # while the database is away
# What a person must mend: starting again by ourselves would change nothing.
REFUSALS = (
    SettingsError,
    KeysRefused,
    DatabaseRefused,
    WrongVersion,
    VersionsError,
    SoundsError,
    EngineRefused,
    DeskNotBuilt,
)


DemoCall = Callable[[], Awaitable[None]]
Close = Callable[[], Awaitable[None]]


class Refused(Exception):
    """The line cannot start as it is set up; the text is for the person who runs it."""


async def run(settings: Settings, signs_of_life: int | None, demo_call: DemoCall | None) -> None:
    """Serve the line until cancelled. Raises Refused, or AppTaken when we were replaced.

    ``signs_of_life`` is a pipe: ``R`` once the line is ready, a dot each second.
    """
    ready = asyncio.Event()
    heart = asyncio.create_task(_beat(signs_of_life, ready))
    try:
        await _serve(settings, ready, demo_call)
    finally:
        heart.cancel()


async def _serve(settings: Settings, ready: asyncio.Event, demo_call: DemoCall | None) -> None:
    try:
        house, files, store, database, standby, close = await _build(settings)
        ami = AmiWatch("127.0.0.1", settings.ami_port, "fil", settings.secret("ami"))
        lags = {"event_lag_ms": house.exchange.ari.lag, "loop_lag_ms": Lag()}
        browsers = Browsers(house)
        writing = _writing(house, database)
        app = make_app(
            house.team,
            store,
            settings,
            lambda: "degraded" if standby.reasons(house) else "ok",
            demo_call,
            lambda: {name: lag.figures() for name, lag in lags.items()},
            standby.sessions,
            browsers,
            writing,
        )
    except REFUSALS as error:
        raise Refused(str(error)) from None
    site = await _serve_web(app, settings)
    try:
        async with Group() as tasks:
            serve_calls(house, tasks, ready, browsers)
            tasks.create_task(ami.run())
            tasks.create_task(standby.run(house))
            tasks.create_task(files.follow(house.flows))
            tasks.create_task(writing.papers.follow())
            tasks.create_task(writing.hours.run())
            tasks.create_task(_follow_sounds(house))
            house.spawn(_recall_talks(house, database))
            if settings.agi_port:
                tasks.create_task(_serve_agi(house))
            tasks.create_task(_purge(database))
            tasks.create_task(_remember_talks(house, database))
            tasks.create_task(watch_loop(lags["loop_lag_ms"]))
            tasks.create_task(say_lag(lags["event_lag_ms"], lags["loop_lag_ms"]))
    except BaseExceptionGroup as ended:  # Python 3.11.2 would wrap again what `except*` raises
        for ended_by in ended.exceptions:
            if isinstance(ended_by, EngineRefused):
                raise Refused(str(ended_by)) from None
            if isinstance(ended_by, AppTaken):
                raise ended_by from None
        raise
    finally:
        # Our own doors only: calls, channels and records stay as they are.
        await site.cleanup()
        await close()


def serve_calls(house: House, tasks: Group, ready: asyncio.Event, browsers: Browsers) -> None:
    """Start all that serves calls. ``ready`` is set once those the engine holds are taken back."""
    reception = Reception(house)
    ari = house.exchange.ari
    ari.on_orphan = reception.hear
    presence_moved = asyncio.Event()

    def look_again() -> None:
        presence_moved.set()
        house.suggest_again.set()

    house.team.presence_moved = look_again
    house.team.desk = WaitingDesk(house)

    async def connected(engine: EngineInfo) -> None:
        with contextlib.suppress(AriError):
            await ari.asterisk.reloadModule(moduleName="res_pjsip.so")
        await browsers.recover()
        await reception.recover(engine)
        look_again()
        ready.set()

    tasks.create_task(ari.run(connected))
    tasks.create_task(reception.run())
    tasks.create_task(house.lines.run())
    tasks.create_task(house.team.run())
    tasks.create_task(follow_phones(house))
    tasks.create_task(house.records.run())
    tasks.create_task(_tell_on_call(house, presence_moved))
    tasks.create_task(keep_suggesting(house))
    tasks.create_task(keep_telling(house))


async def _build(
    settings: Settings,
) -> tuple[House, FlowFiles, PeopleStore, Database, Standby, Close]:
    """Build the house from its settings, without its database where that is away.

    Raises one of REFUSALS; DatabaseAway or WrongVersion only where nothing was ever good.
    """
    catalogue = await _prompts(settings)
    files = FlowFiles(settings.data, settings.flow.removesuffix(".yaml"))
    flows = files.load()
    keys = Keys.load_or_create(settings.data / "secrets")
    database = create_database(settings.database)
    store = PeopleStore(database, keys)
    standby = Standby(settings, database, store)
    people = await standby.people()
    # In a thread: after a long absence of the database there is much to read.
    journal = await asyncio.to_thread(Journal, settings.data / "journal")
    records = await asyncio.to_thread(Records, database, journal, keys)
    team = Team(
        people,
        store,
        records.disposition,
        settings.wrap_up_seconds,
    )
    for agent in people:
        # Who was in a call stays so until recovery has given it back, or freed them.
        if agent.presence is Presence.WRAP_UP and agent.call_id:
            team.start_wrap_up(agent, agent.call_id)
    ari = Ari(HttpWire(settings.ari_url, "fil", settings.secret("ari")))
    house = House(
        settings=settings,
        exchange=Exchange(ari, settings),
        records=records,
        team=team,
        lines=WaitingLines(team, ari.in_step),
        flows=flows,
        catalogue=catalogue,
    )

    async def close() -> None:
        await ari.close()
        await standby.close()
        await database.close()
        journal.close()

    return house, files, store, database, standby, close


def _writing(house: House, database: Database) -> Writing:
    """What agents write and read, and when they were on duty; followed from here on."""
    hours = Hours(house.team.agents.values(), house.records.on_duty)
    moved = house.team.moved

    def moved_too(agent: Agent) -> None:
        moved(agent)
        hours.moved(agent)

    house.team.moved = moved_too
    house.team.helping.happened = house.records.event
    keys = Keys.load_or_create(house.settings.data / "secrets")
    papers = Papers(house.settings.data, house.flows)
    return Writing(papers, Notes(database, keys), Mine(database), hours)


async def _prompts(settings: Settings) -> Catalogue:
    """The built prompts. One that is missing or damaged is made again, rather than no line."""
    built = settings.data / "sounds"
    try:
        return Catalogue.load(built)
    except SoundsError:
        from sounds.build import build  # heavy, and needed by nobody else here

        log.error("prompts.damaged")
        return await asyncio.to_thread(
            build, built, settings.data / "recordings", source=settings.data / "prompts.yaml"
        )


async def _follow_sounds(house: House) -> None:
    """Know the prompts that are built while we serve; damaged ones change nothing."""
    manifest = house.settings.data / "sounds" / MANIFEST
    seen = manifest.stat().st_mtime_ns
    while True:
        await asyncio.sleep(SOUNDS_LOOKED_AT_EVERY_SECONDS)
        with contextlib.suppress(OSError):
            if manifest.stat().st_mtime_ns == seen:
                continue
            seen = manifest.stat().st_mtime_ns
            try:
                house.catalogue = await asyncio.to_thread(Catalogue.load, manifest.parent)
                log.info("prompts.renewed")
            except SoundsError:
                log.error("prompts.damaged")


async def _recall_talks(house: House, database: Database) -> None:
    """Know what past talks lasted, so that waits can be foretold soon after a start."""
    wrap_up_seconds = house.settings.wrap_up_seconds  # at most: how long theirs were, nobody wrote
    for line, role in LINE_ROLES.items():
        while True:
            try:
                since_at = house.clock() - TALKS_RECALLED
                talks = await talks_before(database, role, since_at, TALKS_KEPT_MAX)
                break
            except DatabaseAway:
                await asyncio.sleep(TALKS_ASKED_EVERY_SECONDS)
        house.estimates.recall(line, [Past(seconds, wrap_up_seconds) for seconds in talks])


async def _serve_agi(house: House) -> None:
    """Speak flows to another Asterisk too. Without its port, the line itself goes on."""
    settings = house.settings
    server = AgiServer(house.flows, house.seconds, settings.agi_sounds, house.clock)
    try:
        await server.serve(settings.agi_address, settings.agi_port)
    except OSError as error:
        log.error("agi.not_served", extra={"error": type(error).__name__})


async def _serve_web(app: web.Application, settings: Settings) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None)  # an access log would hold who did what, when
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.web_address, settings.web_port).start()
    except OSError as error:
        await runner.cleanup()
        if error.errno != errno.EADDRINUSE:
            raise
        raise Refused(
            f"The port {settings.web_port} of {settings.web_address} is taken by another program. "
            f"Stop it, or set FIL_WEB_PORT to a free port."
        ) from None
    return runner


async def _tell_on_call(house: House, presence_moved: asyncio.Event) -> None:
    """Keep the engine's list of on-call phones true, for the day we are not there."""
    while True:
        await presence_moved.wait()
        presence_moved.clear()
        # The dialplan rings no phone outside: in its list, it would hide those of others.
        here = [
            agent
            for agent in house.team.agents.values()
            if agent.presence is not Presence.LOGGED_OUT and agent.own_number is None
        ]
        first = [agent.phone for agent in here if Role.REGULATOR in agent.roles]
        await house.exchange.tell_on_call(first or [agent.phone for agent in here])


async def _remember_talks(house: House, database: Database) -> None:
    """Know what people have had today, so that a restart spares the same ones."""
    began_at = clock.now()
    while True:
        try:
            talks = await talks_since(database, began_at - timedelta(seconds=EXPOSURE_SECONDS))
        except DatabaseAway:
            await asyncio.sleep(TALKS_ASKED_AGAIN_SECONDS)
            continue
        for talk in talks:
            if talk.ended_at < began_at:
                house.team.had(talk.agent_id, talk.ended_at, talk.minutes, talk.hard)
        return


async def _purge(database: Database) -> None:
    """Destroy what is past its date, every hour."""
    while True:
        try:
            purged = await purge(database, clock.now())
            if purged:
                log.info("sealed.purged", extra={"rows": purged})
        except Exception as error:  # noqa: BLE001 -- no call ends for it; in an hour, then
            log.warning("sealed.not_purged", extra={"error": type(error).__name__})
        await asyncio.sleep(PURGE_EVERY_SECONDS)


async def say_lag(events: Lag, loop: Lag) -> None:
    """Log how late the engine's events and our own loop are: at once when late, else at times."""
    said_at = clock.monotonic()
    while True:
        await asyncio.sleep(WINDOW_SECONDS)
        event, own = events.figures()["worst"], loop.figures()["worst"]
        late = max(event, own) > LAG_MS_MAX
        if late or clock.monotonic() - said_at >= LAG_SAID_EVERY_SECONDS - WINDOW_SECONDS / 2:
            said_at = clock.monotonic()
            level = logging.WARNING if late else logging.INFO
            log.log(level, "engine.lag", extra={"event_ms": event, "loop_ms": own})


async def _beat(pipe: int | None, ready: asyncio.Event) -> None:
    """Tell the parent each second that the event loop turns; end with the parent.

    From the first moment: to make a damaged prompt again may take minutes.
    """
    if pipe is None:
        return
    said_ready = False
    while True:
        try:
            os.write(pipe, b"R" if ready.is_set() and not said_ready else b".")
        except OSError:
            raise SystemExit(0) from None  # no parent: nobody would restart or stop us
        said_ready = ready.is_set()
        await asyncio.sleep(0.1 if not said_ready else HEARTBEAT_SECONDS)
