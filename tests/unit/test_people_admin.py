"""``fil people``: the team, from the command line; wrong input changes nothing."""

from __future__ import annotations

import asyncio
import io
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from cti.__main__ import main
from cti.config import load
from cti.records.database import create_database
from cti.records.migrating import migrate
from cti.records.people import AgentRow, PeopleStore
from cti.records.privacy import Keys

PASSWORD = "une phrase assez longue"
OWN = "0639980123"
T = TypeVar("T")
Fil = Callable[..., tuple[int, str]]
ANNE = ("people", "add", "anne", "--name", "Anne", "--roles", "regulator,listener")


@pytest.fixture
def fil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fil:
    """Run a command beside a database of its own; gives the exit code and what was said."""
    asyncio.run(migrate(f"sqlite:///{tmp_path / 'fil.sqlite'}"))
    monkeypatch.setenv("FIL_DATA", str(tmp_path))

    def run(*arguments: str, typed: str = "") -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        try:
            code = main(list(arguments))
        except SystemExit as error:  # argparse itself refuses
            code = int(str(error.code))
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


@pytest.fixture
def people(tmp_path: Path) -> Callable[[], dict[str, AgentRow]]:
    async def read() -> dict[str, AgentRow]:
        database = create_database(load({"FIL_DATA": str(tmp_path)}).database)
        try:
            store = PeopleStore(database, Keys.load_or_create(tmp_path / "secrets"))
            return {row.id: row for row in await store.load()}
        finally:
            await database.close()

    return lambda: asyncio.run(read())


def with_store(folder: Path, ask: Callable[[PeopleStore], Awaitable[T]]) -> T:
    async def live() -> T:
        database = create_database(load({"FIL_DATA": str(folder)}).database)
        try:
            return await ask(PeopleStore(database, Keys.load_or_create(folder / "secrets")))
        finally:
            await database.close()

    return asyncio.run(live())


def everything(folder: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(folder / "fil.sqlite") as other:
        found = other.execute("select * from agents order by id").fetchall()
    other.close()
    return found


def test_somebody_is_added_listed_changed_and_removed(
    fil: Fil, people: Callable[[], dict[str, AgentRow]]
) -> None:
    code, said = fil(
        *ANNE,
        *("--languages", "fr,en", "--skills", "violences:2,mineurs", "--gender", "femme"),
        "--stands-in",
        typed=f"{PASSWORD}\n",
    )
    assert code == 0, said
    assert "compte anne, mot de passe " in said
    anne = people()["anne"]
    assert (anne.name, anne.roles, anne.languages) == (
        "Anne",
        {"regulator", "listener"},
        {"fr", "en"},
    )
    assert anne.skills == {"violences": 2, "mineurs": 1}
    assert (anne.gender, anne.stands_in, anne.presence) == ("femme", True, "LOGGED_OUT")
    assert anne.own_number_sealed is None
    code, said = fil("people", "list")
    assert code == 0
    assert "Anne · écoute, régulation · en, fr · mineurs:1, violences:2 · femme" in said
    assert "remplace un régulateur · téléphone SIP" in said
    code, said = fil("people", "change", "anne", "--languages", "fr", "--no-stands-in")
    assert code == 0, said
    changed = people()["anne"]
    assert (changed.languages, changed.stands_in) == ({"fr"}, False)
    assert (changed.name, changed.skills, changed.gender) == ("Anne", anne.skills, "femme")
    assert fil("people", "change", "anne", "--skills", "", "--gender", "aucun")[0] == 0
    assert (people()["anne"].skills, people()["anne"].gender) == ({}, None)
    add_bob = ("people", "add", "bob", "--name", "Bob", "--roles", "admin")
    assert fil(*add_bob, typed=f"{PASSWORD}\n")[0] == 0
    code, said = fil("people", "remove", "anne")
    assert code == 0, said
    assert list(people()) == ["bob"]


def test_the_number_is_sealed_and_said_nowhere(
    fil: Fil, people: Callable[[], dict[str, AgentRow]], tmp_path: Path
) -> None:
    code, said = fil(*ANNE, "--own-number", typed=f"{PASSWORD}\n06 39 98 01 23\n")
    assert code == 0, said
    assert "FIL_TRUNK_CONTACT" in said
    assert "téléphone SIP" not in said.lower()
    assert "compte anne, mot" not in said
    sealed = people()["anne"].own_number_sealed
    assert sealed is not None

    async def number(store: PeopleStore) -> str:
        return store.unseal_own_number("anne", sealed)

    assert with_store(tmp_path, number) == OWN
    listed = fil("people", "list")[1]
    assert "téléphone personnel" in listed
    for text in (said, listed, repr(people())):
        assert "9980123" not in text.replace(" ", "")
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or OWN.encode() not in path.read_bytes()
    code, said = fil("people", "change", "anne", "--no-own-number")
    assert code == 0
    assert people()["anne"].own_number_sealed is None
    assert "compte anne, mot de passe " in said  # another phone can register


@pytest.mark.parametrize(
    ("number", "told"),
    [
        ("15", "numéro court"),
        ("112", "numéro court"),
        ("3114", "numéro court"),
        ("0899 70 00 00", "surtaxé"),
        ("+33 8 99 70 00 00", "surtaxé"),
        ("0033 899 700 000", "surtaxé"),
        ("0800190000", "surtaxé"),
        ("+33 899700000", "surtaxé"),
        ("063998012", "incomplet"),
        ("mobile", "dix chiffres"),
        ("", "dix chiffres"),
        ("06 39 98 01 23 #", "dix chiffres"),
    ],
)
def test_a_number_that_is_nobodys_own_is_refused_and_changes_nothing(
    fil: Fil, tmp_path: Path, number: str, told: str
) -> None:
    assert fil(*ANNE, typed=f"{PASSWORD}\n")[0] == 0
    before = everything(tmp_path)
    code, said = fil("people", "change", "anne", "--own-number", typed=f"{number}\n")
    assert code == 78, said
    assert told in said
    assert "Rien n'a été changé" in said
    assert not number or number not in said
    assert everything(tmp_path) == before


def test_the_lines_own_number_is_nobodys(
    fil: Fil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIL_NUMBER", "0199000001")
    code, said = fil(*ANNE, "--own-number", typed=f"{PASSWORD}\n+33 1 99 00 00 01\n")
    assert code == 78
    assert "la ligne elle-même" in said
    assert everything(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--roles", "regulateur"), "regulator"),
        (("--roles", ""), "regulator"),
        (("--languages", "français"), "fr,en"),
        (("--skills", "violences:4"), "violences:2,mineurs"),
        (("--skills", "violences:deux"), "violences:2,mineurs"),
        (("--skills", "Violences faites"), "violences:2,mineurs"),
        (("--skills", "deuil:2,deuil:3"), "deux fois"),
        (("--name", " "), "--name"),
        (("--gender", "autre"), "femme"),
        (("--roles", "regulator", "--stands-in"), "listener"),
        ((), "Rien à changer"),
        (("--password",), "12 caractères"),
    ],
)
def test_wrong_input_says_what_to_write_and_changes_nothing(
    fil: Fil, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    assert fil(*ANNE, typed=f"{PASSWORD}\n")[0] == 0
    before = everything(tmp_path)
    code, said = fil("people", "change", "anne", *arguments, typed="court\n")
    assert code != 0
    assert told in said
    assert everything(tmp_path) == before


@pytest.mark.parametrize("id_", ["Anne", "anne.b", "2anne", "a" * 33, "trunk", "é"])
def test_a_name_that_could_not_be_a_phones_is_refused(
    fil: Fil, people: Callable[[], dict[str, AgentRow]], id_: str
) -> None:
    code, said = fil("people", "add", id_, "--name", "A", "--roles", "admin", typed=PASSWORD)
    assert code == 78
    assert "anne2" in said
    assert people() == {}


def test_nobody_is_added_twice_and_the_last_one_stays(
    fil: Fil, people: Callable[[], dict[str, AgentRow]]
) -> None:
    assert fil(*ANNE, typed=f"{PASSWORD}\n")[0] == 0
    code, said = fil(*ANNE, typed=f"{PASSWORD}\n")
    assert code == 78
    assert "fil people change anne" in said
    for verb in ("change", "remove"):
        code, said = fil("people", verb, "bob")
        assert code == 78
        assert "anne" in said
    code, said = fil("people", "remove", "anne")
    assert code == 78
    assert "dernière personne" in said
    assert list(people()) == ["anne"]


def test_a_new_password_closes_open_doors(fil: Fil, tmp_path: Path) -> None:
    async def opens(store: PeopleStore) -> str:
        return (await store.create_session("anne")).secret

    assert fil(*ANNE, typed=f"{PASSWORD}\n")[0] == 0
    secret = with_store(tmp_path, opens)
    code, said = fil("people", "change", "anne", "--password", typed="une autre phrase longue\n")
    assert code == 0, said

    async def look(store: PeopleStore) -> tuple[object, object, object]:
        return (
            await store.find_session(secret),
            await store.verify("anne", PASSWORD),
            await store.verify("anne", "une autre phrase longue"),
        )

    assert with_store(tmp_path, look) == (None, None, "anne")


def test_a_telephone_rings_for_one_person_alone(
    fil: Fil, people: Callable[[], dict[str, AgentRow]]
) -> None:
    assert fil(*ANNE, "--own-number", typed=f"{PASSWORD}\n{OWN}\n")[0] == 0
    bob = ("people", "add", "bob", "--name", "Bob", "--roles", "listener")
    code, said = fil(*bob, "--own-number", typed=f"{PASSWORD}\n+33 6 39 98 01 23\n")
    assert code != 0
    assert "anne" in said
    assert "98" not in said
    assert set(people()) == {"anne"}
    assert fil(*bob, typed=f"{PASSWORD}\n")[0] == 0
    code, said = fil("people", "change", "bob", "--own-number", typed=f"{OWN}\n")
    assert code != 0
    assert people()["bob"].own_number_sealed is None
    assert fil("people", "change", "anne", "--own-number", typed=f"{OWN}\n")[0] == 0


def test_what_is_typed_in_another_encoding_is_refused_in_words(fil: Fil) -> None:
    code, said = fil(*ANNE, typed="une phrase accentu\udce9e\n")
    assert code != 0
    assert "UTF-8" in said
