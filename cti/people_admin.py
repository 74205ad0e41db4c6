"""The commands of who looks after the team: list, add, change, remove people.

A running line follows by itself. Passwords and numbers are asked for, or read from the
standard input, never taken as arguments: those stay in the history and every account sees them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import getpass
import re
import secrets
import sys
from collections.abc import Awaitable, Callable, Iterable

from cti import clock
from cti.asterisk.engine import PHONE_NAME
from cti.config import Settings, SettingsError
from cti.people.agents import Role
from cti.records.database import create_database
from cti.records.people import PASSWORD_CHARS_MAX, AgentRow, PeopleStore
from cti.records.privacy import Keys, Phone, SealBroken
from cti.relays.guard import NotAnOwnNumber, own_number

PASSWORD_LETTERS_MIN = 12
NAME_LETTERS_MAX = 60
LEVELS = range(1, 4)
GENDERS = ("femme", "homme")
SOON = "La ligne qui tourne le prend en compte dans les dix secondes."
_ROLES = {
    Role.REGULATOR: "régulation",
    Role.LISTENER: "écoute",
    Role.SUPERVISOR: "supervision",
    Role.FACILITATOR: "facilitation",
    Role.ADMIN: "administration",
}
_WORD = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LANGUAGE = re.compile(r"[a-z]{2}")
Work = Callable[[PeopleStore], Awaitable[None]]


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``fil people``."""
    people = commands.add_parser("people", help="the team: list, add, change, remove")
    verbs = people.add_subparsers(required=True, metavar="verb")
    listed = verbs.add_parser("list", help="everyone, and what they can take")
    listed.set_defaults(run=_list)
    added = verbs.add_parser("add", help="open an account; the password is asked for")
    added.set_defaults(run=_add)
    changed = verbs.add_parser("change", help="change what is given, and nothing else")
    changed.set_defaults(run=_change)
    removed = verbs.add_parser("remove", help="close an account, and its open screens")
    removed.set_defaults(run=_remove)
    for verb in (added, changed, removed):
        verb.add_argument("id", help="the name they sign in with: anne")
    for verb in (added, changed):
        new = verb is added
        verb.add_argument("--name", required=new, default=None, help="as colleagues see it")
        verb.add_argument("--roles", required=new, default=None, help=", ".join(Role))
        verb.add_argument("--languages", default=None, help="fr,en")
        verb.add_argument("--skills", default=None, help='violences:2,mineurs; "" for none')
        verb.add_argument("--gender", choices=[*GENDERS, "aucun"], default=None)
        verb.add_argument("--stands-in", action=argparse.BooleanOptionalAction, default=None)
        verb.add_argument(
            "--own-number",
            action=argparse.BooleanOptionalAction,
            default=None,
            help="rung on a telephone of their own; the number is asked for",
        )
    changed.add_argument("--password", action="store_true", help="a new one; it is asked for")
    changed.add_argument("--sip-password", action="store_true", help="a new one for their phone")


# -- the verbs -------------------------------------------------------------------


def _list(settings: Settings, _: argparse.Namespace) -> None:
    async def work(store: PeopleStore) -> None:
        for row in await store.load():
            print(_said(row))

    _with_store(settings, work)


def _add(settings: Settings, options: argparse.Namespace) -> None:
    if not PHONE_NAME.fullmatch(options.id) or options.id == "trunk":
        raise SettingsError(
            f"« {options.id[:40]} » ne convient pas : une lettre, puis des lettres sans accent "
            "et des chiffres, 32 au plus (anne, anne2)."
        )
    row = _changed(_nobody(options.id), options)

    async def work(store: PeopleStore) -> None:
        people = await store.load()
        if any(other.id == row.id for other in people):
            raise SettingsError(
                f"{row.id} existe déjà : prenez un autre nom, ou fil people change {row.id}."
            )
        password = _new_password()
        number = _asked_number(settings) if options.own_number else None
        _refuse_shared(store, people, row.id, number)
        sip_secret = None if number else secrets.token_urlsafe(12)
        await store.add(
            row.id,
            name=row.name,
            roles=row.roles,
            phone=row.id,
            password=password,
            languages=row.languages,
            skills=row.skills,
            gender=row.gender,
            stands_in=row.stands_in,
            sip_secret=sip_secret,
            own_number=number,
        )
        print(f"{row.id} : compte ouvert. {SOON}")
        _tell_phone(settings, row.id, sip_secret)

    _with_store(settings, work)


def _change(settings: Settings, options: argparse.Namespace) -> None:
    async def work(store: PeopleStore) -> None:
        people = await store.load()
        before = _found(people, options.id)
        row = _changed(before, options)
        password = _new_password() if options.password else None
        if options.own_number:
            number = _asked_number(settings)
            _refuse_shared(store, people, row.id, number)
            sealed = store.seal_own_number(row.id, number)
            row = dataclasses.replace(row, own_number_sealed=sealed)
        elif options.own_number is False:
            row = dataclasses.replace(row, own_number_sealed=None)
        sip_secret = None
        # Whoever gives up their own telephone needs another that can register.
        back = before.own_number_sealed is not None and row.own_number_sealed is None
        if options.sip_password or back:
            sip_secret = secrets.token_urlsafe(12)
        if row == before and password is None and sip_secret is None:
            raise SettingsError("Rien à changer : dites quoi, par exemple --languages fr,en.")
        await store.change(row, password=password, sip_secret=sip_secret)
        print(f"{row.id} : c'est changé. {SOON}")
        if password is not None:
            print("Ses écrans ouverts sont fermés : le nouveau mot de passe y sera demandé.")
        _tell_phone(settings, row.phone, sip_secret)

    _with_store(settings, work)


def _remove(settings: Settings, options: argparse.Namespace) -> None:
    async def work(store: PeopleStore) -> None:
        people = await store.load()
        row = _found(people, options.id)
        if len(people) == 1:
            raise SettingsError(
                f"{row.id} est la dernière personne de l'équipe : ajoutez-en une autre d'abord."
            )
        await store.remove(row.id)
        print(
            f"{row.id} : compte fermé, ses écrans aussi. Un appel en cours va à son terme ; "
            "les appels passés gardent leur trace."
        )

    _with_store(settings, work)


# -- what is written and read ------------------------------------------------------


def _with_store(settings: Settings, work: Work) -> None:
    """Do something with the people of the database. Raises DatabaseAway."""

    async def live() -> None:
        database = create_database(settings.database)
        try:
            await work(PeopleStore(database, Keys.load_or_create(settings.data / "secrets")))
        finally:
            await database.close()

    asyncio.run(live())


def _nobody(id_: str) -> AgentRow:
    return AgentRow(
        id=id_,
        name="",
        roles=frozenset(),
        languages=frozenset({"fr"}),
        skills={},
        gender=None,
        stands_in=False,
        phone=id_,
        presence="LOGGED_OUT",
        reason=None,
        since_at=clock.now(),
        call_id=None,
    )


def _found(people: Iterable[AgentRow], id_: str) -> AgentRow:
    known = {row.id: row for row in people}
    if id_ not in known:
        raise SettingsError(
            f"Personne ne s'appelle {id_[:40]} : {', '.join(known) or 'l’équipe est vide'}."
        )
    return known[id_]


def _changed(row: AgentRow, options: argparse.Namespace) -> AgentRow:
    """The person as the options say, everything else as before. Raises SettingsError."""
    if options.name is not None:
        row = dataclasses.replace(row, name=_name(options.name))
    if options.roles is not None:
        row = dataclasses.replace(row, roles=frozenset(_roles(options.roles)))
    if options.languages is not None:
        row = dataclasses.replace(row, languages=frozenset(_languages(options.languages)))
    if options.skills is not None:
        row = dataclasses.replace(row, skills=_skills(options.skills))
    if options.gender is not None:
        gender = None if options.gender == "aucun" else options.gender
        row = dataclasses.replace(row, gender=gender)
    if options.stands_in is not None:
        row = dataclasses.replace(row, stands_in=options.stands_in)
    if row.stands_in and Role.LISTENER not in row.roles:
        raise SettingsError(
            "Seul un écoutant peut remplacer un régulateur (--stands-in) : "
            "ajoutez listener à --roles, ou --no-stands-in."
        )
    return row


def _parts(written: str) -> list[str]:
    return [part.strip() for part in written.split(",") if part.strip()]


def _name(written: str) -> str:
    name = " ".join(written.split())
    if not name or len(name) > NAME_LETTERS_MAX or not name.isprintable():
        raise SettingsError(f"--name : écrivez un nom de 1 à {NAME_LETTERS_MAX} caractères.")
    return name


def _roles(written: str) -> list[str]:
    roles = _parts(written)
    if not roles or set(roles) - set(Role):
        raise SettingsError(
            f"--roles {written[:60]} : écrivez un ou plusieurs de {', '.join(Role)}, "
            "séparés par des virgules."
        )
    return roles


def _languages(written: str) -> list[str]:
    languages = _parts(written)
    if not languages or not all(_LANGUAGE.fullmatch(one) for one in languages):
        raise SettingsError(
            f"--languages {written[:60]} : écrivez des codes de deux lettres : fr,en."
        )
    return languages


def _skills(written: str) -> dict[str, int]:
    skills = {}
    for part in _parts(written):
        name, _, level = part.partition(":")
        if not _WORD.fullmatch(name) or level not in ("", *map(str, LEVELS)):
            raise SettingsError(
                f"--skills : « {part[:60]} » ne se lit pas. Écrivez un mot sans accent, "
                "et s'il le faut son niveau de 1 à 3 : violences:2,mineurs."
            )
        if name in skills:
            raise SettingsError(f"--skills : « {name} » est écrit deux fois. Gardez un niveau.")
        skills[name] = int(level or LEVELS[0])
    return skills


def _asked(question: str) -> str:
    """What is typed unseen, or the next line of the standard input."""
    said = getpass.getpass(question) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    try:
        said.encode()
    except UnicodeEncodeError:
        raise SettingsError("Ce n'est pas du texte UTF-8. Rien n'a été changé.") from None
    return said


def _new_password() -> str:
    password = _asked(f"Nouveau mot de passe ({PASSWORD_LETTERS_MIN} caractères au moins) : ")
    if len(password) < PASSWORD_LETTERS_MIN:
        raise SettingsError(
            f"Ce mot de passe est trop court : {PASSWORD_LETTERS_MIN} caractères au moins ; "
            "quelques mots à la suite font l'affaire. Rien n'a été changé."
        )
    if len(password) > PASSWORD_CHARS_MAX:
        raise SettingsError(f"Ce mot de passe dépasse {PASSWORD_CHARS_MAX} caractères.")
    if sys.stdin.isatty() and _asked("Encore une fois : ") != password:
        raise SettingsError("Les deux ne sont pas les mêmes. Rien n'a été changé.")
    return password


def _asked_number(settings: Settings) -> str:
    """The number of somebody's own telephone. Raises SettingsError, which never holds it."""
    try:
        number = own_number(_asked("Numéro de son téléphone : "))
    except NotAnOwnNumber as error:
        raise SettingsError(f"{error} Rien n'a été changé.") from None
    if Phone.parse(number) == Phone.parse(settings.number):
        raise SettingsError(
            "C'est le numéro de la ligne elle-même : elle s'appellerait sans fin. "
            "Rien n'a été changé."
        )
    if not settings.trunk_contact:
        print("Attention : FIL_TRUNK_CONTACT est vide, ce téléphone ne pourra pas sonner.")
    return number


def _refuse_shared(
    store: PeopleStore, people: Iterable[AgentRow], id_: str, number: str | None
) -> None:
    """Refuse a telephone that rings for a colleague already: two calls would meet on it."""
    phone = Phone.parse(number)
    for other in people:
        if phone is None or other.id == id_ or other.own_number_sealed is None:
            continue
        with contextlib.suppress(SealBroken):  # nobody can dial that one
            if Phone.parse(store.unseal_own_number(other.id, other.own_number_sealed)) == phone:
                raise SettingsError(
                    f"Ce téléphone sonne déjà pour {other.id} : deux appels s'y rencontreraient. "
                    "Rien n'a été changé."
                )


def _tell_phone(settings: Settings, name: str, secret: str | None) -> None:
    """What to write in the SIP phone; it is shown once and kept nowhere in clear."""
    if secret is not None:
        print(
            f"Son téléphone SIP : compte {name}, mot de passe {secret}, "
            f"serveur {settings.bind_address}:{settings.sip_port}. Notez-le : il n'est plus montré."
        )


def _said(row: AgentRow) -> str:
    skills = ", ".join(f"{name}:{level}" for name, level in sorted(row.skills.items()))
    told = [
        f"{row.id:<12} {row.name}",
        ", ".join(_ROLES[Role(role)] for role in sorted(row.roles)),
        ", ".join(sorted(row.languages)),
        skills,
        row.gender or "",
        "remplace un régulateur" if row.stands_in else "",
        "téléphone personnel" if row.own_number_sealed else "téléphone SIP",
    ]
    return " · ".join(part for part in told if part)
