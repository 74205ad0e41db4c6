"""Sentences are added by text or by voice, people's notes stay, and what must be redone is told."""

from __future__ import annotations

import errno
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sounds.build import PROMPTS
from sounds.catalogue import SoundsError
from sounds.editing import add_recording, add_text
from sounds.mastering import Signal
from sounds.review import Remark, review
from sounds.source import Wanted, read_prompts, text_mark
from sounds.speech import find_recordings, refuse_clipped

TODAY = date(2026, 11, 22)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.yaml"
    shutil.copyfile(PROMPTS, path)
    (tmp_path / "recordings").mkdir()
    return path


def voice(seconds: float = 2.0, loud: float = 0.5) -> Signal:
    """Something like speech: a buzz that comes and goes."""
    t = np.arange(int(16_000 * seconds)) / 16_000
    buzz = sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 12))
    sound = buzz * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t))
    return np.asarray(loud * sound / np.max(np.abs(sound)), dtype=np.float64)


def recording(folder: Path, sound: Signal, name: str = "said.wav") -> Path:
    path = folder / name
    soundfile.write(path, sound, 16_000)
    return path


def wanted(source: Path, prompt: str, language: str = "fr") -> Wanted:
    return next(w for w in read_prompts(source) if (w.id, w.language) == (prompt, language))


def test_a_sentence_is_added_and_every_note_of_the_file_stays(source: Path) -> None:
    before = source.read_text()
    long = "Des travaux nous empêchent de répondre aussi vite que d'habitude ; restez en ligne."

    add_text(source, "message-travaux", {"fr": long, "en": "We are slower than usual: stay."})

    after = source.read_text()
    assert [line for line in before.splitlines() if "#" in line] == [
        line for line in after.splitlines() if "#" in line
    ]
    assert wanted(source, "message-travaux").text == long
    assert wanted(source, "accueil").text == next(
        w.text for w in read_prompts(PROMPTS) if (w.id, w.language) == ("accueil", "fr")
    )


def test_a_text_is_changed_in_its_place(source: Path) -> None:
    add_text(source, "patience", {"fr": "Une minute."})

    assert wanted(source, "patience").text == "Une minute."
    assert wanted(source, "patience", "en").text.startswith("Please stay")
    assert len(read_prompts(source)) == len(read_prompts(PROMPTS))


@pytest.mark.parametrize(
    ("prompt", "texts", "said"),
    [
        ("Message", {"fr": "a", "en": "b"}, "cannot name a prompt"),
        ("message", {"fr": "a"}, "has no English text"),
        ("message", {"fr": "a <b>", "en": "b"}, "'<' or '>'"),
        ("message", {"fr": "a" * 900, "en": "b"}, "longer than 800"),
    ],
)
def test_a_bad_sentence_leaves_the_file_as_it_was(
    source: Path, prompt: str, texts: dict[str, str], said: str
) -> None:
    before = source.read_bytes()

    with pytest.raises(SoundsError, match=said) as refused:
        add_text(source, prompt, texts)

    assert str(source) in str(refused.value)
    assert source.read_bytes() == before
    assert [path.name for path in source.parent.glob(".prompts*")] == []


def test_a_recording_takes_its_place_and_says_who_spoke_and_of_which_text(source: Path) -> None:
    folder = source.parent / "recordings"
    file = recording(source.parent, voice())

    place = add_recording(source, folder, file, "patience", "fr", "Anne", TODAY)

    assert place == folder / "fr/patience.wav"
    one = wanted(source, "patience")
    assert one.recorded is not None
    assert (one.recorded.by, one.recorded.on) == ("Anne", TODAY)
    assert one.recorded.of == text_mark(one.text)
    again = add_recording(source, folder, file, "patience", "fr", "Zoé", TODAY)
    assert again == place
    assert find_recordings(folder, read_prompts(source)) == {("fr", "patience"): place}


@pytest.mark.parametrize(
    ("sound", "prompt", "said"),
    [
        (np.clip(voice(loud=1.6), -1, 1), "patience", "clipped"),
        (voice() * 1e-4, "patience", "nothing that a telephone can carry"),
        (voice(7.0), "accueil", "may last 5 s"),
        (voice(95.0), "patience", "longer than 90 seconds"),
        (voice(), "patienc", "no prompt 'patienc'"),
    ],
    ids=["clipped", "silent", "long", "endless", "unknown"],
)
def test_a_recording_that_no_caller_should_hear_is_refused(
    source: Path, sound: Signal, prompt: str, said: str
) -> None:
    before = source.read_bytes()

    with pytest.raises(SoundsError, match=said):
        add_recording(
            source,
            source.parent / "recordings",
            recording(source.parent, sound),
            prompt,
            "fr",
            "Anne",
            TODAY,
        )

    assert source.read_bytes() == before
    assert list((source.parent / "recordings").rglob("*.wav")) == []


def test_a_recording_that_is_in_its_place_already_stays(source: Path) -> None:
    folder = source.parent / "recordings"
    (folder / "fr").mkdir()
    file = recording(folder / "fr", voice(), "patience.wav")
    before = file.read_bytes()

    place = add_recording(source, folder, file, "patience", "fr", "Anne", TODAY)

    assert (place, file.read_bytes()) == (file, before)
    assert [path.name for path in (folder / "fr").iterdir()] == ["patience.wav"]
    assert wanted(source, "patience").recorded is not None


def test_a_recording_in_another_format_replaces_the_earlier_and_nothing_else(source: Path) -> None:
    folder = source.parent / "recordings"
    add_recording(
        source, folder, recording(source.parent, voice()), "patience", "fr", "Anne", TODAY
    )
    (folder / "fr/patience.txt").write_text("redire plus doucement")
    file = recording(source.parent, voice(), "said.flac")

    place = add_recording(source, folder, file, "patience", "fr", "Zoé", TODAY)

    assert find_recordings(folder, read_prompts(source)) == {("fr", "patience"): place}
    assert sorted(path.name for path in (folder / "fr").iterdir()) == [
        "patience.flac",
        "patience.txt",
    ]


@pytest.mark.parametrize("ending", [".wav", ".flac"])
@pytest.mark.parametrize("fails", ["proof", "recording", "source"])
def test_whatever_fails_the_earlier_recording_and_its_note_stay(
    source: Path, monkeypatch: pytest.MonkeyPatch, ending: str, fails: str
) -> None:
    folder = source.parent / "recordings"
    first = recording(source.parent, voice(), "first.wav")
    place = add_recording(source, folder, first, "patience", "fr", "Anne", TODAY)
    before, said = source.read_bytes(), place.read_bytes()
    other = recording(source.parent, voice(3.0), f"other{ending}")
    replace = Path.replace

    refusals = [OSError(errno.ENOSPC, "No space left on device")]

    def refuse(aside: Path, to: Path) -> Path:
        if fails == ("source" if to == source else "recording") and refusals:
            raise refusals.pop()
        return replace(aside, to)

    monkeypatch.setattr(Path, "replace", refuse)
    by = " " if fails == "proof" else "Zoé"  # a note without a name is refused

    with pytest.raises((OSError, SoundsError)):
        add_recording(source, folder, other, "patience", "fr", by, TODAY)

    assert source.read_bytes() == before
    assert find_recordings(folder, read_prompts(source)) == {("fr", "patience"): place}
    assert place.read_bytes() == said
    assert [path.name for path in (folder / "fr").iterdir()] == ["patience.wav"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be a list"),
        (None, "cannot be read"),
        ("prompts:\n", "must be a list"),
        ("lexicon: {}\n", "no 'prompts:' section"),
        ("prompts: [\n", "not valid YAML"),
        ("prompts:\n  a: x\n", "line 2, column 6"),
    ],
    ids=["empty", "absent", "no prompt", "no section", "broken", "a word for a block"],
)
def test_a_file_that_is_wrong_already_is_told_with_its_place(
    source: Path, text: str | None, said: str
) -> None:
    source.unlink()
    if text is not None:
        source.write_text(text)

    with pytest.raises(SoundsError, match=said):
        add_text(source, "message", {"fr": "Un.", "en": "One."})


def test_a_loud_recording_that_only_touches_the_top_is_not_clipped() -> None:
    refuse_clipped(Path("x.wav"), voice(loud=1.0))


def test_what_is_missing_stale_synthetic_or_old_is_told_the_gravest_first(source: Path) -> None:
    folder = source.parent / "recordings"
    file = recording(source.parent, voice())
    add_recording(source, folder, file, "patience", "fr", "Anne", TODAY)
    add_recording(source, folder, file, "ferme", "fr", "Anne", date(2025, 1, 1))
    add_text(source, "patience", {"fr": "Encore une minute."})
    everything = read_prompts(source)
    needed = {"patience": {"fr", "en"}, "nulle-part": {"fr", "en"}, "ferme": {"fr"}}

    remarks = review(everything, find_recordings(folder, everything), needed, TODAY)

    assert [(r.language, r.prompt) for r in remarks if r.grave] == [
        ("en", "nulle-part"),
        ("fr", "nulle-part"),
        ("fr", "patience"),
    ]
    assert Remark(False, "fr", "ferme", "écouté pour la dernière fois le 01/01/2025") in remarks
    assert Remark(False, "en", "patience", remarks_of(remarks, "en", "patience")[0]) in remarks
    assert "synthèse" in remarks_of(remarks, "en", "patience")[0]
    assert "aucun flux" in remarks_of(remarks, "fr", "droits")[-1]
    assert "aucun flux" not in "".join(remarks_of(remarks, "fr", "secours-accueil"))


def remarks_of(remarks: list[Remark], language: str, prompt: str) -> list[str]:
    return [r.what for r in remarks if (r.language, r.prompt) == (language, prompt)]
