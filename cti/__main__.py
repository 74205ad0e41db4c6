"""The command ``fil``: every way to start, set up and try the line."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from cti import admin, call_admin, client, papers_admin, parent, people_admin
from cti.asterisk.ari import AppTaken
from cti.asterisk.engine import EngineFailed, run_script
from cti.config import Settings, SettingsError, load
from cti.controller import Refused
from cti.controller import run as run_controller
from cti.logs import log_events
from cti.records.database import DatabaseAway, DatabaseRefused, create_database
from cti.records.privacy import Keys, KeysRefused
from cti.records.reports import latest_call_of
from ivr.reading import FlowError, Wrong
from ivr.versions import VersionsError
from sounds.catalogue import SoundsError

DEMO_CALL_SECONDS = 120.0

# What the system refuses with a file -> what happened, and what to do.
_OS_ERRORS = {
    errno.ENOENT: ("ce fichier ou ce dossier n'existe pas", "vérifiez son nom, ou créez-le"),
    errno.EACCES: ("ce compte n'y a pas droit", "prenez celui de la ligne, ou changez ce droit"),
    errno.EPERM: ("ce compte n'y a pas droit", "prenez celui de la ligne, ou changez ce droit"),
    errno.EROFS: ("rien ne peut être écrit sur ce disque", "écrivez ailleurs"),
    errno.ENOSPC: ("le disque est plein", "faites de la place, puis recommencez"),
    errno.ENAMETOOLONG: ("ce nom est trop long", "prenez un nom plus court"),
    errno.EISDIR: ("c'est un dossier", "donnez le nom d'un fichier"),
    errno.ENOTDIR: ("un fichier y est pris pour un dossier", "vérifiez ce nom"),
}
_ASIDE = re.compile(r"\..*-\w{8}(?:\.yaml)?")  # what a file is called until it is whole
NAME_SHOWN_LETTERS = 120

READY = """
Ready: http://{web}/ · sip:{number}@{sip} · rosa, remy, lea, louis, sam, ada: demo-<name>

  Sign in at the desk as rosa (a regulator): "Répondre dans ce navigateur" makes the page her phone
  (a SIP phone registered as rosa, password demo-rosa, at {sip} rings too), then "Disponible", then
  "Simuler un appel". Any SIP client on this machine may dial the number, without registering.
  What happens is written in {log}. Ctrl-C stops everything.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)

    def run() -> int:
        try:
            return int(options.run(load(), options) or 0)
        except (OSError, ValidationError) as error:
            if options.run in (_serve, _controller):
                raise  # a line that falls: who looks into it needs to know where it was
            raise SettingsError(_sentence(error)) from None

    return _told(run)


def _sentence(error: OSError | ValidationError) -> str:
    """What happened and what to do, for who typed the command."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        wrong = first.get("ctx", {}).get("error")
        said = f"{wrong.what} ; {wrong.fix}" if isinstance(wrong, Wrong) else first["msg"]
        return f"{'.'.join(map(str, first['loc']))} : {said}."
    what, fix = _OS_ERRORS.get(error.errno or 0, (error.strerror or str(error), ""))
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
    if path is not None and _ASIDE.fullmatch(path.name):
        # Of a file that we write aside, people know the folder only, which is not too long.
        path = None if error.errno == errno.ENAMETOOLONG else path.parent
    where = "" if path is None else f"{str(path)[:NAME_SHOWN_LETTERS]} : "
    return f"{where}{what}{' ; ' if fix else ''}{fix}."


def _told(run: Callable[[], int]) -> int:
    """Run something; what a person must mend is told in a sentence. Returns the exit code."""
    try:
        return run()
    except (
        Refused,
        SettingsError,
        SoundsError,
        FlowError,
        VersionsError,
        KeysRefused,
        DatabaseRefused,
        EngineFailed,
        parent.AlreadyServed,
    ) as error:
        print(f"fil: {error}", file=sys.stderr)
        return parent.EXIT_REFUSED
    except AppTaken as error:
        print(f"fil: {error}", file=sys.stderr)
        return parent.EXIT_REPLACED
    except DatabaseAway as error:
        print(f"fil: {error}", file=sys.stderr)
        return parent.EXIT_TRY_AGAIN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fil", description="Bout du fil, the open helpline.")
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    command("init", _init, "make the data directory: flows, sounds, secrets, database")
    command("migrate", _migrate, "bring the database to this version")
    command("serve", _serve, "serve the line (the engine must be up, or comes up later)")
    command("controller", _controller, "one life of the controller, with nobody to restart it")
    demo = command("demo", _demo, "set up and run the whole line on this machine")
    demo.add_argument("--closed", action="store_true", help="the line outside its hours")
    engine = command("engine", _engine, "the telephone engine: up, down, logs")
    engine.add_argument("what", choices=["up", "down", "logs", "restart"])
    call = command("call", _call, "call the line with a scripted caller, and tell what they heard")
    call.add_argument("--seconds", type=float, default=40.0, help="how long the caller stays")
    call_admin.register(call)
    simulate = command(
        "simulate-calls", _simulate, "live through calls by the thousand, with faults"
    )
    simulate.add_argument("--seed", type=int, default=1, help="the same seed: the same worlds")
    simulate.add_argument("--calls", type=int, default=1000, help="how many, at least")
    simulate.add_argument(
        "--day", action="store_true", help="whole days: people's habits, and whose turn it was"
    )
    simulate.add_argument("--processes", type=int, default=1)
    simulate.add_argument("--world", type=int, default=None, help="only this world of the seed")
    simulate.add_argument("--trace", action="store_true", help="tell what happened in that world")
    admin.register(commands)
    people_admin.register(commands)
    papers_admin.register(commands)
    client.register(commands)
    return parser


def _say(what: str) -> None:
    print(f"fil: {what}", file=sys.stderr, flush=True)


# What only some commands need is imported by them: a controller that starts again, with
# callers waiting, must not wait for it.


def _init(settings: Settings, _: argparse.Namespace) -> None:
    from cti import setup

    setup.init(settings, _say)
    asyncio.run(setup.prepare_database(settings))


def _migrate(settings: Settings, _: argparse.Namespace) -> None:
    from cti import setup

    asyncio.run(setup.prepare_database(settings))


def _serve(settings: Settings, _: argparse.Namespace) -> int:
    log_events(settings)
    lock = parent.hold(settings.data)
    try:
        return _keep_serving(settings, lock, lambda: _say("ready"))
    finally:
        os.close(lock)


def _keep_serving(settings: Settings, lock: int, on_ready: Callable[[], None]) -> int:
    """Be the parent of one controller after the other; returns the exit code."""

    def start(heard: int, told: int) -> parent.Child:
        def live() -> int:
            # The parent's own: its lock must not outlive it, nor its end of the pipe.
            os.close(lock)
            os.close(heard)
            return _told(lambda: _live(settings, told))

        return parent.Forked(live)

    return parent.Parent(start, on_ready).run()


def _controller(settings: Settings, _: argparse.Namespace) -> int:
    log_events(settings)
    return _live(settings, None)


def _live(settings: Settings, signs_of_life: int | None) -> int:
    """One life of the controller; returns its exit code."""

    async def demo_call() -> None:
        await _ring(settings, DEMO_CALL_SECONDS, lambda _: None)

    async def live() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await run_controller(settings, signs_of_life, demo_call if settings.demo else None)

    # Ctrl-C reaches us too, from the terminal; the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(live())
    return 0


def _demo(settings: Settings, options: argparse.Namespace) -> int:
    from cti import setup

    os.environ.update(
        FIL_DATA=str(settings.data),
        FIL_DEMO="true",
        FIL_FLOW="demo-ferme" if options.closed else "demo",
    )
    settings = load()
    log_events(settings)
    lock = parent.hold(settings.data)
    setup.refuse_taken_ports(settings)
    setup.init(settings, _say)
    asyncio.run(setup.prepare_database(settings))
    asyncio.run(setup.add_demo_people(settings))
    _say("the telephone engine (three minutes the very first time)")
    try:
        run_script(settings, "up")
        ready = READY.format(
            web=f"{settings.web_address}:{settings.web_port}",
            number=settings.number,
            sip=f"{settings.bind_address}:{settings.sip_port}",
            log=settings.data / "fil.log",
        )
        return _keep_serving(settings, lock, lambda: print(ready, flush=True))
    finally:
        _say("stopping the engine")
        run_script(settings, "down")
        os.close(lock)


def _engine(settings: Settings, options: argparse.Namespace) -> None:
    if options.what == "up":
        from cti import setup

        setup.init(settings, _say)
    print(run_script(settings, options.what), end="")


def _call(settings: Settings, options: argparse.Namespace) -> int:
    return asyncio.run(_ring(settings, options.seconds, print))


async def _tell_the_record(settings: Settings, say: Callable[[str], None]) -> None:
    """What the line wrote of the scripted caller's latest call, tier by tier."""
    from cti.rehearsal.story import CALLER

    database = create_database(settings.database)
    keys = Keys.load_or_create(settings.data / "secrets")
    try:
        call = await latest_call_of(database, keys, CALLER)
    finally:
        await database.close()
    if call is None:
        return
    say(f"the record: {call['outcome']}, ended by {call['ended_by']}")
    for leg in call["legs"]:
        waited = (leg["rung_at"] - call["started_at"]).total_seconds()
        say(f"  {leg['role']:<10} {leg['agent_id']} rang at {waited:.1f} s: {leg['outcome']}")


async def _ring(settings: Settings, seconds: float, say: Callable[[str], None]) -> int:
    from cti.rehearsal.story import tell_a_call

    server = (settings.bind_address, settings.sip_port)
    code = await tell_a_call(settings.number, server, settings.data / "sounds", seconds, say)
    await _tell_the_record(settings, say)
    return code


def _simulate(_: Settings, options: argparse.Namespace) -> int:
    from cti.simulation import run as simulation

    return simulation.command(options, print, _say if options.calls > 5000 else None)


if __name__ == "__main__":
    sys.exit(main())
