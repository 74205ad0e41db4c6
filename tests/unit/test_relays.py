"""A relay that a flow may name costs the caller nothing more, has hours, and was verified."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import ivr
from ivr.reading import FlowError
from ivr.relays import load_relays

GOOD = """\
relays:
  sos:
    name: SOS Exemple
    number: "01 99 00 55 01"
    hours:
      open: {lundi: "9h-12h"}
      holidays: closed
    cost: gratuit
    verified_at: 2026-11-01
    live: true
"""
MONDAY = datetime(2026, 3, 9, 9, 0, tzinfo=UTC)  # 10 o'clock in Paris


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "relays.yaml"
    path.write_text(text)
    return path


def test_the_shipped_directory_loads_and_leads_nobody_anywhere() -> None:
    relays = load_relays(Path(ivr.__file__).parent / "relays.yaml")

    assert relays
    assert not any(relay.is_open(MONDAY) for relay in relays.values())


def test_a_relay_is_open_in_its_hours_once_it_was_verified_and_is_live(tmp_path: Path) -> None:
    relay = load_relays(written(tmp_path, GOOD))["sos"]
    asleep = load_relays(written(tmp_path, GOOD.replace("live: true", "live: false")))["sos"]

    assert relay.number == "0199005501"
    assert relay.is_open(MONDAY)
    assert not relay.is_open(MONDAY.replace(hour=12))
    assert not relay.is_open(datetime(2026, 4, 6, 9, 0, tzinfo=UTC))  # Easter Monday
    assert not asleep.is_open(MONDAY)


@pytest.mark.parametrize(
    "number",
    ["0892 12 34 56", "0810123456", "0820123456", "+33899123456", "0033 892 123456", "118218"],
)
def test_a_surcharged_number_is_refused_however_it_is_written(tmp_path: Path, number: str) -> None:
    text = GOOD.replace("01 99 00 55 01", number)

    with pytest.raises(FlowError, match=r":4:13: ce numéro est surtaxé .* ; écrivez le numéro"):
        load_relays(written(tmp_path, text))


@pytest.mark.parametrize(
    "number", ["0800190000", "0805123456", "3114", "+32 2 199 00 55", "116006"]
)
def test_a_number_that_costs_nothing_more_is_accepted(tmp_path: Path, number: str) -> None:
    assert load_relays(written(tmp_path, GOOD.replace("01 99 00 55 01", number)))


def test_a_short_number_that_may_be_surcharged_must_be_known_to_be_free(tmp_path: Path) -> None:
    text = GOOD.replace("01 99 00 55 01", "3919")

    assert load_relays(written(tmp_path, text))
    with pytest.raises(FlowError, match="peut être surtaxé"):
        load_relays(written(tmp_path, text.replace("gratuit", "prix d'un appel")))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            '    hours:\n      open: {lundi: "9h-12h"}\n      holidays: closed\n',
            "",
            "il manque `hours`",
        ),
        ("    name: SOS Exemple\n", "", "il manque `name`"),
        ('"01 99 00 55 01"', "SOS", "n'est pas un numéro"),
        ("cost: gratuit", "cost: cher", "coût inconnu `cher`"),
        ("live: true", "live: oui", "`oui` n'est ni oui ni non"),
        ("    verified_at: 2026-11-01\n", "", "n'a pas été vérifié"),
        ("2026-11-01", "01/11/2026", "commence par le jour"),
        ("    cost", "    prix", "clé inconnue `prix`"),
        ("relays:", "relais:", "clé inconnue `relais`"),
        ("9h-12h", "9h-25h", "n'existe pas"),
    ],
)
def test_a_mistake_is_shown(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD

    with pytest.raises(FlowError) as refused:
        load_relays(written(tmp_path, GOOD.replace(old, new)))

    assert said in str(refused.value)
