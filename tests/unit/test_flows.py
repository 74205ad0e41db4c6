"""The running line follows what admins publish and switch on; what is wrong changes nothing."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import ivr
from cti.flows import FlowFiles, Flows
from ivr.situation import Crisis, Message, Situation, load_situation, save_situation
from ivr.versions import Versions, VersionsError

FLOWS = Path(ivr.__file__).parent / "flows"
NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    shutil.copytree(FLOWS, tmp_path / "flows")
    shutil.copyfile(FLOWS.parent / "relays.yaml", tmp_path / "relays.yaml")
    for name in ("accueil", "aidants"):
        publish(tmp_path, name)
    return tmp_path


def publish(data: Path, name: str = "accueil") -> None:
    Versions(data / "flows").publish(name, None, None, by="ada", why="essai", at=NOON)


def edit(data: Path, old: str, new: str) -> None:
    path = data / "flows/accueil.yaml"
    path.write_text(path.read_text().replace(old, new, 1))


def later(path: Path) -> None:
    """As if the file had been written a moment later: clocks of file systems are coarse."""
    stamp = path.stat().st_mtime_ns + 10_000_000
    os.utime(path, ns=(stamp, stamp))


def test_a_number_leads_to_the_flow_that_names_it_else_to_the_lines_own(data: Path) -> None:
    flows = FlowFiles(data, "accueil").load()

    assert flows.for_number("0199005510").ref == "aidants@1"
    assert flows.for_number("0800190000").ref == "accueil@1"
    assert flows.for_number("").ref == "accueil@1"


def test_what_is_published_is_followed_and_a_call_in_progress_keeps_its_own(data: Path) -> None:
    files = FlowFiles(data, "accueil")
    flows = files.load()
    before = flows.for_number("")

    edit(data, "above: ", "above: 1")
    publish(data)
    files.refresh(flows)

    assert flows.for_number("").ref == "accueil@2"
    assert flows.of("accueil@1", "") is before
    # After a restart, from the files.
    again = FlowFiles(data, "accueil").load()
    assert again.of("accueil@1", "") == before
    assert again.of("accueil@7", "").ref == "accueil@2"
    assert "accueil@7" in again.wrong


def test_a_version_that_cannot_be_loaded_changes_nothing_and_is_told(data: Path) -> None:
    files = FlowFiles(data, "accueil")
    flows = files.load()

    current = data / "flows/published/accueil/current"
    current.write_text("9\n")
    later(current)
    files.refresh(flows)
    assert flows.for_number("").ref == "accueil@1"
    assert "numéro 9" in flows.wrong["accueil"]

    current.write_text("1\n")
    later(current)
    files.refresh(flows)
    assert flows.wrong == {}


def test_a_line_starts_with_an_earlier_version_rather_than_not_at_all(data: Path) -> None:
    edit(data, "above: ", "above: 1")
    publish(data)
    shutil.rmtree(data / "flows/published/accueil/2")

    flows = FlowFiles(data, "accueil").load()

    assert flows.for_number("").ref == "accueil@1"
    assert "accueil" in flows.wrong


def test_a_line_without_a_flow_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()

    with pytest.raises(VersionsError, match="fil flow publish accueil"):
        FlowFiles(tmp_path, "accueil").load()


def test_what_is_switched_on_is_followed_and_ends_by_itself(data: Path) -> None:
    files = FlowFiles(data, "accueil")
    flows = files.load()
    ends = NOON + timedelta(hours=1)
    crisis = Crisis(profile="canicule", until=ends, by="ada", why="alerte")

    save_situation(data / "situation.yaml", Situation(crisis=crisis))
    files.refresh(flows)

    assert flows.situation.profile_at(NOON) == "canicule"
    assert flows.situation.profile_at(ends) is None
    assert flows.situation.message_at(NOON) is None


def test_a_situation_that_cannot_be_read_leaves_the_one_before(data: Path) -> None:
    files = FlowFiles(data, "accueil")
    flows = files.load()
    message = Message(prompt="patience", until=NOON, by="ada", why="travaux")
    path = data / "situation.yaml"
    save_situation(path, Situation(message=message))
    files.refresh(flows)

    path.write_text("crisis: {profile: canicule, until: demain}\n")
    later(path)
    files.refresh(flows)

    assert flows.situation.message == message
    assert "moment illisible `demain`" in flows.wrong["situation.yaml"]


@pytest.mark.parametrize("until", ["9999-12-31T23:59-05:00", "0001-01-01T00:00+02:00"])
def test_a_moment_beyond_all_calendars_is_refused_like_any_other(data: Path, until: str) -> None:
    (data / "situation.yaml").write_text(f"crisis:\n  profile: canicule\n  until: {until}\n")

    flows = FlowFiles(data, "accueil").load()

    assert flows.situation == Situation()
    assert f"moment illisible `{until}`" in flows.wrong["situation.yaml"]


@pytest.mark.parametrize("written", ["[" * 100_000, "{}", "null", '{"number": 1}'])
def test_whatever_is_in_the_files_of_a_version_callers_hear_the_one_before(
    data: Path, written: str
) -> None:
    files = FlowFiles(data, "accueil")
    flows = files.load()
    before = flows.for_number("")
    about = data / "flows/published/accueil/1/about.json"
    about.chmod(0o644)
    about.write_text(written)
    later(data / "flows/published/accueil/current")

    files.refresh(flows)

    assert flows.for_number("") is before
    assert "accueil" in flows.wrong


def test_what_is_saved_is_read_again_word_for_word(tmp_path: Path) -> None:
    tricky = 'dit "à demain" : oui # non'
    situation = Situation(
        crisis=Crisis(profile="attentat", until=NOON, by="ada", why=tricky),
        message=Message(prompt="patience", until=NOON, by="rosa", why="travaux"),
    )
    path = tmp_path / "situation.yaml"

    for each in (situation, Situation(crisis=Crisis(profile="attentat", until=NOON)), Situation()):
        save_situation(path, each)
        assert load_situation(path) == each


def test_versions_that_no_call_walks_are_forgotten_in_the_end(data: Path) -> None:
    flows: Flows = FlowFiles(data, "accueil").load()
    version = flows.for_number("")
    for number in range(200):
        flows.remember(type(version)(f"accueil@{number + 10}", version.flow))

    assert len(flows._known) <= 64
    assert flows.of("accueil@1", "") is version
