"""The commands of who edits flows and sounds: check, try, test, draw, publish, go back, switch.

Nothing here needs the engine or a running line. A running line follows what is published.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import json
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from cti import clock
from cti.config import Settings, SettingsError
from ivr.flow import Flow, FlowError, Prompts, load_flow
from ivr.relays import Relay, load_relays
from ivr.saving import write_whole
from ivr.scenarios import YEARS, Around, load_scenarios, scenarios_file
from ivr.situation import Crisis, Message, Situation, load_situation, save_situation
from ivr.steps import LANGUAGES
from ivr.versions import FlowVersion, Versions, VersionsError, gone_prompts
from sounds.catalogue import Catalogue

PARIS = ZoneInfo("Europe/Paris")
MESSAGE_SECONDS_MAX = 10.0  # everybody hears it before they are answered
# What situation.yaml has room for; longer ones are refused before anything is done.
BY_LETTERS_MAX = 80
WHY_LETTERS_MAX = 200
Command = Callable[[Settings, argparse.Namespace], int | None]


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands ``fil flow``, ``fil crisis`` and ``fil message``."""
    flow = commands.add_parser("flow", help="what callers hear: check, try, publish, go back")
    verbs = flow.add_subparsers(required=True, metavar="verb")

    def verb(name: str, run: Command, text: str, *, named: bool = True) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        if named:
            sub.add_argument("name", nargs="?", help="the flow; without it, the line's own")
        return sub

    def signed(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--why", default="", help="for those who read the history later")
        parser.add_argument("--by", default=None, help="who you are; without it, your account")

    verb("check", _check, "prove a draft, and change nothing")
    tried = verb("try", _try, "live through a call with the keyboard as keypad")
    tried.add_argument("--at", default=None, help="the time of the call: 2026-03-10 23:30")
    tried.add_argument("--crisis", default=None, help="as if this crisis mode were on")
    verb("test", _test, "play the scenarios that stand beside a flow")
    draw = verb("draw", _draw, "draw a flow")
    draw.add_argument("--svg", type=Path, default=None, help="write a picture to this file")
    signed(verb("publish", _publish, "have new callers hear the draft"))
    back = verb("rollback", _roll_back, "have new callers hear an earlier version again")
    back.add_argument("--to", type=int, default=None, help="its number; without it, the one before")
    signed(back)
    verb("history", _history, "who published what, when and why")
    verb(
        "list", _list, "every flow: what is heard of it, and whether its draft differs", named=False
    )
    verb("schema", _schema, "the language as JSON Schema, for editors", named=False)
    _register_sounds(commands)
    for kind, run, text in (
        ("crisis", _crisis, "switch a crisis mode on, with an end, or off"),
        ("message", _message, "switch the message of the day on, with an end, or off"),
    ):
        sub = commands.add_parser(kind, help=text, description=text)
        sub.set_defaults(run=run)
        sub.add_argument("what", choices=["on", "off", "show"])
        sub.add_argument("name", nargs="?", help="the mode, or the prompt")
        sub.add_argument("--until", default=None, help="when it ends: 2026-08-20 08:00")
        signed(sub)


def _register_sounds(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sounds = commands.add_parser("sounds", help="what callers hear spoken: check, add, build")
    verbs = sounds.add_subparsers(required=True, metavar="verb")
    checked = verbs.add_parser("check", help="what is missing, stale or synthetic, by language")
    checked.set_defaults(run=_sounds_check)
    added = verbs.add_parser("add", help="add a sentence, or somebody's recording of it")
    added.set_defaults(run=_sounds_add)
    added.add_argument("prompt", help="its name: message-travaux")
    for language in LANGUAGES:
        added.add_argument(f"--{language}", default=None, help=f"its text ({language})")
    added.add_argument("--file", type=Path, default=None, help="a recording")
    added.add_argument("--language", choices=LANGUAGES, default="fr", help="of the recording")
    added.add_argument("--by", default=None, help="who speaks")
    built = verbs.add_parser("build", help="make the sounds that changed")
    built.set_defaults(run=_sounds_build)


# -- flows ---------------------------------------------------------------------


def _versions(settings: Settings) -> Versions:
    return Versions(settings.data / "flows")


def _name(settings: Settings, options: argparse.Namespace) -> str:
    """The flow's name; the name of its file will do too."""
    return Path(options.name or settings.flow).name.removesuffix(".yaml")


def _prompts(settings: Settings) -> Prompts:
    return Catalogue.load(settings.data / "sounds").lengths()


def _relays(settings: Settings) -> Mapping[str, Relay]:
    path = settings.data / "relays.yaml"
    return load_relays(path) if path.exists() else {}


def _by(options: argparse.Namespace) -> str:
    try:
        return _short("--by", str(options.by or getpass.getuser()), BY_LETTERS_MAX)
    except (KeyError, OSError):  # this account has no name, as in many a container
        raise SettingsError('Dites qui vous êtes : --by "Anne".') from None


def _short(option: str, written: str, letters_max: int) -> str:
    if len(written) > letters_max:
        raise SettingsError(f"{option} dépasse {letters_max} caractères : raccourcissez-le.")
    return written


def _draft(settings: Settings, options: argparse.Namespace) -> Flow:
    path = _versions(settings).draft(_name(settings, options))
    return load_flow(path, _prompts(settings), _relays(settings))


def _check(settings: Settings, options: argparse.Namespace) -> None:
    flow = _draft(settings, options)
    print(f"{_name(settings, options)} : rien à corriger ({len(flow.steps)} étapes).")


def _try(settings: Settings, options: argparse.Namespace) -> None:
    from ivr.trying import TextLeg, try_flow
    from sounds.source import read_prompts

    flow = _draft(settings, options)
    texts = {(p.language, p.id): p.text for p in read_prompts(settings.data / "prompts.yaml")}
    at = _moment(options.at) if options.at else clock.now()
    situation = load_situation(settings.data / "situation.yaml")
    if options.crisis:
        _refuse_unknown_mode(options.crisis, flow.profiles)
        crisis = Crisis(profile=options.crisis, until=at + timedelta(days=1))
        situation = Situation(crisis=crisis, message=situation.message)
    leg = TextLeg(texts, _prompts(settings), flow.languages[0], _typed, print)
    ended = try_flow(flow, leg, at, situation, _relays(settings), print, _typed)
    print(asyncio.run(ended))


def _typed(question: str) -> str:
    """What was typed; the end of the input hangs up."""
    try:
        return input(question)
    except EOFError:
        print()
        return "x"


def _test(settings: Settings, options: argparse.Namespace) -> int:
    from cti.simulation.scenario import play

    draft = _versions(settings).draft(_name(settings, options))
    version = FlowVersion(f"{draft.stem}@0", _draft(settings, options))
    catalogue, relays = Catalogue.load(settings.data / "sounds"), _relays(settings)
    around = Around(version.flow, catalogue.lengths(), relays)
    scenarios = load_scenarios(scenarios_file(draft), around)
    failed, began = 0, time.monotonic()
    for name, scenario in scenarios.by_name.items():
        lived = play(scenario, version, catalogue, relays)
        print(f"{'✓' if lived.held else '✗'} {name}")
        if not lived.held:
            failed += 1
            print(f"    {scenarios.place(name, lived.reached)}: {lived.wrong} ; voici l'appel :")
            for at, what in lived.met:
                print(f"    {at:7.1f} s  {what}")
    played = len(scenarios.by_name)
    seconds = time.monotonic() - began
    print(f"{played - failed} scénarios sur {played} tiennent ({seconds:.1f} s).")
    return 1 if failed else 0


def _draw(settings: Settings, options: argparse.Namespace) -> None:
    from ivr.drawing import mermaid, svg

    flow = _draft(settings, options)
    if options.svg is None:
        sys.stdout.write(mermaid(flow))
    else:
        if not options.svg.parent.is_dir():
            raise SettingsError(f"Il n'y a pas de dossier {options.svg.parent} : créez-le d'abord.")
        write_whole(options.svg, svg(flow))
        print(f"{options.svg} : écrit.")


def _publish(settings: Settings, options: argparse.Namespace) -> None:
    name = _name(settings, options)
    about = _versions(settings).publish(
        name,
        _prompts(settings),
        _relays(settings),
        by=_by(options),
        why=options.why,
        at=clock.now(),
    )
    print(f"{name} : version {about.number} publiée. Les appels en cours gardent la leur.")
    for change in about.changes:
        print(f"  - {change}")


def _roll_back(settings: Settings, options: argparse.Namespace) -> None:
    name = _name(settings, options)
    number = _versions(settings).roll_back(
        name,
        options.to,
        _prompts(settings),
        by=_by(options),
        why=options.why or "retour en arrière",
        at=clock.now(),
    )
    print(f"{name} : retour à la version {number}. Les appels en cours gardent la leur.")


def _history(settings: Settings, options: argparse.Namespace) -> None:
    name, versions = _name(settings, options), _versions(settings)
    acts = versions.history(name)
    for place, act in enumerate(acts):
        mark = "→" if place == len(acts) - 1 else " "
        back = "retour à " if act.act == "roll-back" else ""
        print(f"{mark} {back}{act.number}  {act.at}  {act.by} : {act.why}")
        for change in () if back else versions.changes(name, act.number):
            print(f"      - {change}")


def _list(settings: Settings, _: argparse.Namespace) -> int:
    versions, prompts, wrong = _versions(settings), _prompts(settings), 0
    for name in versions.names():
        if not versions.published(name):
            print(f"· {name} : jamais publié")
            continue
        try:
            version, trouble = versions.load_best(name)
        except VersionsError as error:
            wrong += 1
            print(f"✗ {name}\n    {error}")
            continue
        own = " (la ligne)" if name == settings.flow.removesuffix(".yaml") else ""
        numbers = f", numéros {', '.join(version.flow.numbers)}" if version.flow.numbers else ""
        changed = ", brouillon modifié" if versions.draft_differs(name) else ""
        print(f"{'✗' if trouble else '✓'} {version.ref}{own}{numbers}{changed}")
        if trouble:
            wrong += 1
            print(f"    {trouble}")
        if gone := gone_prompts(version.flow, prompts):
            wrong += 1
            print(f"    messages qui n'existent plus : {', '.join(gone)}")
    return 1 if wrong else 0


def _schema(_: Settings, __: argparse.Namespace) -> None:
    from ivr.schema import schema

    print(json.dumps(schema(), ensure_ascii=False, indent=1))


# -- sounds --------------------------------------------------------------------


def _sounds_check(settings: Settings, _: argparse.Namespace) -> int:
    from sounds.review import review
    from sounds.source import read_prompts
    from sounds.speech import find_recordings

    wanted = read_prompts(settings.data / "prompts.yaml")
    recordings = find_recordings(settings.data / "recordings", wanted)
    needed, not_read = _prompts_needed(settings)
    for line in not_read:
        print(f"✗ {line}")
    remarks = review(wanted, recordings, needed, clock.now().date())
    for remark in remarks:
        mark = "✗" if remark.grave else "·"
        print(f"{mark} {remark.language}  {remark.prompt:<22} {remark.what}")
    grave = sum(remark.grave for remark in remarks)
    print(f"{len(wanted)} messages, {len(recordings)} dits par une personne, {grave} à refaire.")
    return 1 if grave else 0


def _prompts_needed(settings: Settings) -> tuple[dict[str, set[str]], list[str]]:
    """The prompts that published flows play, each with the languages it must exist in.

    And a line for each flow that cannot be read as it is published: one that is broken must not
    hide what the others need.
    """
    versions, needed, not_read = _versions(settings), dict[str, set[str]](), list[str]()
    for name in versions.names():
        if not versions.published(name):
            continue
        try:
            version, trouble = versions.load_best(name)
        except VersionsError as error:
            not_read.append(f"{name} : ses messages ne sont pas comptés. {_first_line(error)}")
            continue
        if trouble:
            which = f"les messages comptés sont ceux de {version.ref}"
            not_read.append(f"{name} : {which}. {_first_line(trouble)}")
        flow = version.flow
        for prompt in flow.prompts():
            needed.setdefault(prompt, set()).update(flow.languages)
    return needed, not_read


def _first_line(said: object) -> str:
    return str(said).partition("\n")[0]


def _sounds_add(settings: Settings, options: argparse.Namespace) -> None:
    from sounds.editing import add_recording, add_text

    source = settings.data / "prompts.yaml"
    given = {str(language): getattr(options, language) for language in LANGUAGES}
    texts = {language: str(text) for language, text in given.items() if text}
    if not texts and options.file is None:
        raise SettingsError("Donnez un texte (--fr, --en) ou un enregistrement (--file).")
    if options.file is not None and not options.by:
        raise SettingsError('Dites qui parle : --by "Anne".')
    if texts:
        add_text(source, options.prompt, texts)
        print(f"{options.prompt} : texte écrit dans {source}.")
    if options.file is not None:
        place = add_recording(
            source,
            settings.data / "recordings",
            options.file,
            options.prompt,
            options.language,
            _by(options),
            clock.now().date(),
        )
        print(f"{options.prompt} : enregistrement rangé dans {place}.")
    _sounds_build(settings, options)


def _sounds_build(settings: Settings, _: argparse.Namespace) -> None:
    from cti.setup import build_sounds

    build_sounds(settings)
    print("Sons construits. Une ligne qui tourne les prend aussitôt.")


# -- switches ------------------------------------------------------------------


def _crisis(settings: Settings, options: argparse.Namespace) -> None:
    before = _before(settings, options)
    crisis = before.crisis
    if options.what == "on":
        _refuse_unknown_mode(options.name, _known_profiles(settings))
        until = _until(options.until)
        crisis = Crisis(profile=options.name, until=until, by=_by(options), why=_why(options))
    elif options.what == "off":
        crisis = None
    _switch(settings, options, Situation(crisis=crisis, message=before.message))


def _before(settings: Settings, options: argparse.Namespace) -> Situation:
    """What was switched on so far. Raises FlowError where that cannot be read.

    But ``off`` always switches off: then nothing is on any more, and it is said.
    """
    path = settings.data / "situation.yaml"
    try:
        return load_situation(path)
    except FlowError as error:
        if options.what != "off":
            raise
        other = "le message du jour" if options.run is _crisis else "le mode de crise"
        print(f"{path} ne pouvait pas être lu : {other} est donc coupé aussi.")
        print(f"    {_first_line(error)}")
        return Situation()


def _refuse_unknown_mode(mode: str, known: Mapping[str, str]) -> None:
    if mode not in known:
        modes = ", ".join(known) or "aucun"
        raise SettingsError(f"Mode de crise inconnu : {mode}. Prévus : {modes}.")


def _known_profiles(settings: Settings) -> dict[str, str]:
    """The crisis modes that a published flow foresees, with their titles.

    As callers hear it: the newest version that can be read, where the current one was altered.
    """
    versions, known = _versions(settings), dict[str, str]()
    for name in versions.names():
        with contextlib.suppress(VersionsError):  # one broken flow must not forbid the others
            known |= versions.load_best(name)[0].flow.profiles
    return known


def _message(settings: Settings, options: argparse.Namespace) -> None:
    before = _before(settings, options)
    message = before.message
    if options.what == "on":
        lengths = _prompts(settings)
        spoken = [seconds for (_, id_), seconds in lengths.items() if id_ == options.name]
        if not spoken:
            raise SettingsError(f"Aucun message ne s'appelle {options.name} : voyez prompts.yaml.")
        if max(spoken) > MESSAGE_SECONDS_MAX:
            raise SettingsError(
                f"Le message {options.name} dure {max(spoken):.0f} s ; "
                f"{MESSAGE_SECONDS_MAX:.0f} s au plus : chacun l'entend en attendant."
            )
        until = _until(options.until)
        message = Message(prompt=options.name, until=until, by=_by(options), why=_why(options))
    elif options.what == "off":
        message = None
    _switch(settings, options, Situation(crisis=before.crisis, message=message))


def _switch(settings: Settings, options: argparse.Namespace, situation: Situation) -> None:
    if options.what != "show":
        save_situation(settings.data / "situation.yaml", situation)
    for title, one, name in (
        ("mode de crise", situation.crisis, situation.crisis and situation.crisis.profile),
        ("message du jour", situation.message, situation.message and situation.message.prompt),
    ):
        until = f", jusqu'au {one.until_at.astimezone(PARIS):%d/%m/%Y %H:%M}" if one else ""
        print(f"{title} : {name or 'aucun'}{until}")


def _why(options: argparse.Namespace) -> str:
    if not options.why.strip():
        raise SettingsError('Dites pourquoi, pour qui relira : --why "alerte rouge".')
    return _short("--why", str(options.why.strip()), WHY_LETTERS_MAX)


def _until(written: str | None) -> datetime:
    """When something ends. Raises SettingsError without one: nothing is switched on for ever."""
    if not written:
        raise SettingsError('Dites jusqu\'à quand : --until "2026-08-20 08:00".')
    until = _moment(written)
    if until <= clock.now():
        raise SettingsError(f"{written} est déjà passé.")
    return until


def _moment(written: str) -> datetime:
    try:
        moment = datetime.strptime(written, "%Y-%m-%d %H:%M").replace(tzinfo=PARIS)
    except ValueError:
        what = f"« {written} » n'est pas un moment : écrivez 2026-08-20 08:00 (heure de Paris)."
        raise SettingsError(what) from None
    first, last = YEARS
    if not first <= moment.year <= last:
        what = f"« {written} » est hors limites : écrivez une année entre {first} et {last}."
        raise SettingsError(what)
    return moment
