"""No spelling of an emergency or short number is ever dialled by the line itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cti.asterisk.engine import render
from cti.config import SettingsError, load
from cti.relays.guard import NotAnOwnNumber, NotDialled, Relay, may_dial, own_number

EMERGENCY = (15, 17, 18, 112, 114, 115, 119, 191, 196, 197, 3114, 3919)
HARMONISED = (116000, 116006, 116111, 116117)
OTHERS = (1, 110, 113, 116, 118, 911, 999, 3018, 3020, 118712)
GUARDED = [str(number) for number in EMERGENCY + HARMONISED + OTHERS]

SPELLINGS = {
    "as it is": "{}",
    "a plus": "+{}",
    "France": "+33{}",
    "France, spaced": "+33 {}",
    "France, with its zero": "+33 0{}",
    "France, with its zero in brackets": "+33 (0){}",
    "France, from abroad": "0033{}",
    "France, from abroad, with its zero": "00330{}",
    "France, two prefixes": "+0033{}",
    "France, too many zeros": "000033{}",
    "France, without any prefix": "33{}",
    "France, without any prefix, with its zero": "330{}",
    "France, twice": "+3333{}",
    "Guadeloupe": "+590{}",
    "Belgium, from abroad": "0032{}",
    "one zero": "0{}",
    "two zeros": "00{}",
    "many zeros": "0000000{}",
    "the prefix that hides a number": "3651{}",
    "a carrier's prefix": "1600{}",
    "a space before": " {}",
    "a thin space after": "{}\u202f",
    "brackets": "({})",
}
DISGUISES = {
    "an extension": "{};ext=1",
    "a parameter": "{};phone-context=+33",
    "a SIP address": "sip:{}@127.0.0.1",
    "a tel address": "tel:{}",
    "digits sent later": "{},,1",
    "a pause": "{}w1",
    "a key": "{}#",
    "a second leg": "{}&0199000001",
    "a line break": "{}\n",
    "a line break and more": "0199000001\n{}",
    "a NUL": "{}\0",
    "a mark that turns the text": "\u202e{}",
    "two pluses": "++{}",
    "a plus at the end": "{}+",
}


def refused(number: str, relay: Relay | None = None) -> str:
    with pytest.raises(NotDialled) as refusal:
        may_dial(number, relay)
    return str(refusal.value)


def is_dialled(number: str) -> bool:
    try:
        may_dial(number)
    except NotDialled:
        return False
    return True


def relay(number: str, *, verified: bool = True, live: bool = True) -> Relay:
    verified_at = datetime(2026, 3, 1, tzinfo=UTC) if verified else None
    return Relay("a-relay", number, verified_at=verified_at, live=live)


@pytest.mark.parametrize("number", GUARDED)
def test_no_spelling_of_a_short_number_is_dialled_without_a_relay(number: str) -> None:
    spellings = [spelling.format(number) for spelling in (*SPELLINGS.values(), *DISGUISES.values())]
    spellings += [
        " ".join(number),
        ".".join(number),
        "-".join(number),
        "\u00a0".join(number),
        f"+33 {'.'.join(number)}",
    ]
    assert [spelled for spelled in spellings if is_dialled(spelled)] == []


@pytest.mark.parametrize(
    "digits",
    ["１５", "１１２", "١٥", "१५", "𝟏𝟓", "①⑤", "¹⁵", "\u200b15", "1\u200d5", "１1２", "", "+", " "],
)
def test_what_only_looks_like_digits_is_no_number_even_for_a_live_relay(digits: str) -> None:
    assert "no telephone number" in refused(digits)
    assert "no telephone number" in refused(digits, relay(digits))


@pytest.mark.parametrize("number", GUARDED)
def test_only_a_verified_and_live_relay_lifts_the_ban_on_its_own_number(number: str) -> None:
    assert may_dial(number, relay(number)) == number
    for spelled in (f"+33{number}", f"0033{number}", f"+33 {number}"):
        assert may_dial(spelled, relay(number)) == spelled.replace(" ", "")

    assert "verified" in refused(number, relay(number, verified=False))
    assert "switched live" in refused(number, relay(number, live=False))
    assert "verified" in refused(number, relay(number, verified=False, live=False))


def test_a_live_relay_lifts_no_ban_on_another_number() -> None:
    for theirs, dialled in [
        ("3114", "3919"),
        ("0199000001", "15"),
        ("116006", "116000"),
        ("15", "015"),
        ("15", "+015"),
        ("3114", "31143114"),
        ("", "15"),
        ("112", "+44112"),
    ]:
        assert "not the relay's" in refused(dialled, relay(theirs)), (theirs, dialled)


@pytest.mark.parametrize(
    ("written", "dialled"),
    [
        ("0199000001", "0199000001"),
        ("01 99 00 00 01", "0199000001"),
        ("02.61.91.00.01", "0261910001"),
        ("03-53-01-00-01", "0353010001"),
        ("06\u00a039\u202f98 00 01", "0639980001"),
        ("+33199000001", "+33199000001"),
        ("+33 1 99 00 00 01", "+33199000001"),
        ("+33 (0)1 99 00 00 01", "+33199000001"),
        ("0033 4 65 71 00 01", "0033465710001"),
        ("0800190000", "0800190000"),
        ("+32 2 555 00 01", "+3225550001"),
        ("+41 22 555 00 01", "+41225550001"),
        ("001 202 555 0101", "0012025550101"),
    ],
)
def test_ordinary_numbers_are_dialled_as_they_were_written(written: str, dialled: str) -> None:
    assert may_dial(written) == dialled
    assert may_dial(written, relay("3114", verified=False, live=False)) == dialled


@pytest.mark.parametrize(
    "number",
    [
        "019900000",  # a digit is missing
        "01990000011",  # a digit too many: a switch would cut, and ring somebody else
        "1121234567",  # a switch that listens digit by digit would ring 112
        "1500000000",
        "199000001",
        "33199000001",
        "+330199000001",
        "+33 99 00 00 01",
        "+12345",
        "+1234567890123456",
    ],
)
def test_what_is_no_whole_number_is_guarded_too(number: str) -> None:
    assert "no whole number" in refused(number)


def test_no_refusal_repeats_the_number() -> None:
    for number in ("3114", "+33116006", "15;ext=1", "0199"):
        for which in (None, relay("3919"), relay(number, live=False)):
            text = refused(number, which)
            assert number not in text
            assert number.lstrip("+3") not in text


@pytest.mark.parametrize("number", ["15", "3114", "+33112", "0033116006", "01 5", "15;ext=1"])
def test_an_emergency_number_as_overflow_is_refused_before_the_engine_reads_anything(
    tmp_path: Path, number: str
) -> None:
    settings = load({"FIL_DATA": str(tmp_path), "FIL_OVERFLOW_NUMBER": number})
    with pytest.raises(SettingsError, match="FIL_OVERFLOW_NUMBER: ") as refusal:
        render(settings)
    assert number not in str(refusal.value)
    assert not list((tmp_path / "engine/etc").glob("*.conf"))


def test_an_ordinary_overflow_number_reaches_the_engine_cleaned(tmp_path: Path) -> None:
    render(load({"FIL_DATA": str(tmp_path), "FIL_OVERFLOW_NUMBER": "01 99 00 00 01"}))
    written = (tmp_path / "engine/etc/extensions.conf").read_text()
    assert "FIL_OVERFLOW=0199000001\n" in written


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("number", GUARDED)
def test_no_emergency_or_short_number_is_anybodys_own(number: str, spelling: str) -> None:
    with pytest.raises(NotAnOwnNumber) as refused:
        own_number(spelling.format(number))
    assert "numéro" in str(refused.value)


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES)
def test_no_disguise_makes_a_number_anybodys_own(disguise: str) -> None:
    with pytest.raises(NotAnOwnNumber):
        own_number(disguise.format("0639980123"))


@pytest.mark.parametrize(
    "number",
    [
        *("0899700000", "+33899700000", "0033899700000", "+33 (0)8 99 70 00 00"),
        *("0800190000", "+33800190000", "0826000000", "08 90 00 00 00"),
        *("+80012345678", "+882123456789", "+3290012345", "+41900123456", "+4490012345678"),
        *("00979123456789", "+8811234567890", "0049900123456"),
    ],
)
def test_no_special_or_surcharged_number_is_anybodys_own(number: str) -> None:
    with pytest.raises(NotAnOwnNumber, match=r"surtaxé|incomplet") as refused:
        own_number(number)
    assert "8997" not in str(refused.value)


@pytest.mark.parametrize(
    ("number", "dialled"),
    [
        ("06 39 98 01 23", "0639980123"),
        ("+33 (0)6 39 98 01 23", "+33639980123"),
        ("01.99.00.00.42", "0199000042"),
    ],
)
def test_a_mobile_and_a_landline_may_be(number: str, dialled: str) -> None:
    assert own_number(number) == dialled
