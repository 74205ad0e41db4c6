"""Making a data directory ready publishes our own flows, and nothing that people have not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cti.config import Settings, load
from cti.setup import FLOWS, RELAYS, publish_templates
from cti.simulation.world import CATALOGUE
from ivr.reading import FlowError
from ivr.versions import Versions


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    shutil.copytree(FLOWS, tmp_path / "flows")
    shutil.copyfile(RELAYS, tmp_path / "relays.yaml")
    return load({"FIL_DATA": str(tmp_path)})


def made_ready(settings: Settings) -> list[str]:
    said: list[str] = []
    publish_templates(settings, CATALOGUE, said.append)
    return said


def test_a_draft_of_one_s_own_waits_until_it_is_published(settings: Settings) -> None:
    folder = settings.data / "flows"
    shutil.copyfile(folder / "demo-ferme.yaml", folder / "nouveau.yaml")

    assert made_ready(settings) == []

    published = [name for name in Versions(folder).names() if Versions(folder).published(name)]
    assert published == ["accueil", "aidants", "demo", "demo-ferme"]


def test_a_flow_that_was_published_once_is_not_published_again(settings: Settings) -> None:
    made_ready(settings)
    draft = settings.data / "flows/accueil.yaml"
    draft.write_text(draft.read_text().replace("every: 6 s", "every: 5 s"))
    (settings.data / "flows/published/accueil/current").unlink()

    made_ready(settings)

    assert not (settings.data / "flows/published/accueil/2").exists()


def test_a_wrong_flow_costs_the_line_nothing_unless_it_is_the_line_s_own(
    settings: Settings,
) -> None:
    (settings.data / "flows/aidants.yaml").write_text("name: [")

    (said,) = made_ready(settings)

    assert "aidants" in said
    assert Versions(settings.data / "flows").current("accueil") == 1
    (settings.data / "flows/accueil.yaml").write_text("name: [")
    shutil.rmtree(settings.data / "flows/published")
    with pytest.raises(FlowError):
        made_ready(settings)
