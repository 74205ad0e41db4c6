"""What was last good: enough to serve by, whole or not at all, and no key to any door."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from cti.records import last_good
from cti.records.last_good import KnownSession, KnownSessions, LastGood, is_over
from cti.records.people import AgentRow

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SECRET, CSRF = "the-secret-of-rosa", "the-token-of-her-forms"
ROSA = AgentRow(
    id="rosa",
    name="Rosa",
    roles=frozenset({"regulator", "supervisor"}),
    languages=frozenset({"fr", "en"}),
    skills={"aidants": 2},
    gender="femme",
    stands_in=True,
    phone="rosa",
    presence="TALKING",
    reason=None,
    since_at=NOON,
    call_id="a" * 32,
    own_number_sealed=b"\x00\xffsealed",
    following=("NOT_READY", "debriefing"),
    shift_ends_at=NOON + timedelta(hours=3),
    one_more=True,
    help=(NOON, "a" * 32, None),
)
SESSION = KnownSession("rosa", CSRF, NOON + timedelta(hours=12), NOON)


def good() -> LastGood:
    sessions = KnownSessions()
    sessions.saw(SECRET, SESSION)
    sessions.end("another-secret")
    return LastGood([ROSA], sessions.known, sorted(sessions.ended))


def test_what_was_kept_is_read_back_as_it_was(tmp_path: Path) -> None:
    kept = good()
    last_good.save(tmp_path / "last-good", kept)
    assert last_good.load(tmp_path / "last-good") == kept


def test_nothing_in_the_file_signs_anybody_in(tmp_path: Path) -> None:
    last_good.save(tmp_path, good())
    (path,) = tmp_path.iterdir()
    assert SECRET not in path.read_text()
    assert "another-secret" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_other_accounts_may_touch_is_not_believed(tmp_path: Path) -> None:
    last_good.save(tmp_path, good())
    (tmp_path / "people.json").chmod(0o620)
    assert last_good.load(tmp_path) is None


def damaged(text: str) -> list[str]:
    raw = json.loads(text)
    del raw["people"][0]["phone"]
    later = json.loads(text) | {"version": 99}
    return ["", text[: len(text) // 2], "[]", "null", json.dumps(raw), json.dumps(later)]


@pytest.mark.parametrize("number", range(6))
def test_half_a_file_or_another_versions_is_none_at_all(tmp_path: Path, number: int) -> None:
    last_good.save(tmp_path, good())
    path = tmp_path / "people.json"
    path.write_text(damaged(path.read_text())[number])
    assert last_good.load(tmp_path) is None


def test_a_file_that_could_not_be_finished_leaves_the_one_before(tmp_path: Path) -> None:
    kept = good()
    last_good.save(tmp_path, kept)
    (tmp_path / "people.json.new").write_text("half of the n")
    assert last_good.load(tmp_path) == kept
    last_good.save(tmp_path, kept)
    assert [path.name for path in tmp_path.iterdir()] == ["people.json"]


def test_a_session_is_over_after_12_hours_or_30_minutes_without_use() -> None:
    sessions = KnownSessions()
    with time_machine.travel(NOON, tick=False) as time:
        sessions.saw(SECRET, SESSION)
        time.shift(timedelta(minutes=29))
        assert not is_over(believed(sessions))
        sessions.saw(SECRET, SESSION)  # used: its half hour begins again
        time.shift(timedelta(minutes=29))
        assert not is_over(believed(sessions))
        time.shift(timedelta(minutes=2))
        assert is_over(believed(sessions))
        sessions.saw(SECRET, SESSION)
        time.move_to(NOON + timedelta(hours=12))
        assert is_over(believed(sessions))


def believed(sessions: KnownSessions) -> KnownSession:
    found = sessions.believed(SECRET)
    assert found is not None
    return found


def test_the_thousand_sessions_used_last_are_known() -> None:
    sessions = KnownSessions()
    sessions.saw("first", SESSION)
    sessions.saw("second", SESSION)
    for n in range(997):
        sessions.saw(f"another-{n}", SESSION)
    sessions.saw("first", SESSION)  # used again: the second is now the one unused for longest
    sessions.saw("the thousandth", SESSION)
    sessions.saw("one more", SESSION)
    assert sessions.believed("first") is not None
    assert sessions.believed("second") is None
    assert len(sessions.known) == 1000
