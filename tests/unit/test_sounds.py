"""What callers hear from the machine: promises on the texts, the voices and the levels."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sounds import speech
from sounds.build import PROMPTS, build, main
from sounds.catalogue import Catalogue, SoundsError, UnknownPrompt
from sounds.mastering import (
    PEAK_DBFS_MAX,
    PROMPT_LUFS,
    SILENCE_KEPT_MS,
    Signal,
    band_limit,
    loudness,
    master,
    resample,
    wav_bytes,
)
from sounds.music import waiting_music
from sounds.source import pronounce, read_prompts
from sounds.speech import Synthesiser, synthesiser

SMALL = """\
lexicon:
  fr:
    SOS: esse o esse
prompts:
  accueil:
    seconds_max: 5
    fr: SOS Crise bonjour.
    en: Hello, SOS Crise.
  patience:
    fr: Restez en ligne.
    en:
      text: Please stay on the line.
      voice_language: en
"""


def tone(hz: float, rate_hz: int, seconds: float, peak: float = 0.3) -> Signal:
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    return np.asarray(peak * np.sin(2 * np.pi * hz * t), dtype=np.float64)


def level_db(sound: Signal, hz: float, rate_hz: int) -> float:
    """The level of what lies within 50 Hz of `hz`, 0 dB being a full-scale sine."""
    window = np.blackman(sound.size)
    spectrum = np.abs(np.fft.rfft(sound * window)) * 2 / window.sum()
    near = np.abs(np.fft.rfftfreq(sound.size, 1 / rate_hz) - hz) < 50
    return float(20 * np.log10(spectrum[near].max() + 1e-12))


def peak_db(sound: Signal) -> float:
    return float(20 * np.log10(np.abs(sound).max()))


def say_tone(text: str, language: str) -> tuple[Signal, int]:
    """A machine voice that answers at once: one second per ten characters."""
    return tone(500.0 if language == "fr" else 700.0, 16_000, len(text) / 10), 16_000


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the machine voice was asked to say, instead of a slow real voice and slow music."""
    said: list[str] = []

    def speak(text: str, language: str) -> tuple[Signal, int]:
        said.append(text)
        return say_tone(text, language)

    monkeypatch.setattr("sounds.build.synthesiser", lambda: Synthesiser("test", speak))
    monkeypatch.setattr("sounds.build.waiting_music", lambda hz: tone(440.0, hz, 1.0))
    return said


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def real_voice() -> Synthesiser:
    return synthesiser()


@pytest.fixture(scope="module")
def music() -> Signal:
    return waiting_music(8_000)


# --- the texts -------------------------------------------------------------


def test_every_prompt_the_line_needs_is_written_in_both_languages() -> None:
    needed = [
        *("accueil", "choix-langue", "patience", "patience-encore", "ferme"),
        *("personne-disponible", "orientation", "au-revoir", "fin-de-conversation"),
        *(
            "accepter-appel",
            "ne-quittez-pas",
            "un-appel-arrive",
            "secours-accueil",
            "secours-patience",
        ),
        *("secours-accepter", "secours-numeros"),
        *("forte-affluence", "affluence-encore", "appels-en-cours"),
        *("fermeture-bienveillante", "fermeture-silencieuse"),
    ]
    written = {(each.language, each.id) for each in read_prompts(PROMPTS)}
    assert {(language, name) for language in ("fr", "en") for name in needed} <= written


def test_a_caller_nobody_can_answer_is_given_numbers_that_will() -> None:
    texts = {(each.id, each.language): each.text for each in read_prompts(PROMPTS)}
    unanswered = ("ferme", "personne-disponible", "secours-numeros")
    for name in (*unanswered, "forte-affluence", "appels-en-cours"):
        for language in ("fr", "en"):
            for number in ("31 14", "15", "112"):
                assert re.search(rf"\b{number}\b", texts[name, language])


def test_the_offer_of_english_is_made_by_an_english_voice() -> None:
    offer = next(
        each for each in read_prompts(PROMPTS) if (each.id, each.language) == ("choix-langue", "fr")
    )
    assert offer.voice_language == "en"
    assert "English" in offer.text


def test_words_of_the_lexicon_are_spoken_as_written_there() -> None:
    spoken = {(each.id, each.language): each.spoken for each in read_prompts(PROMPTS)}
    assert "esse o esse" in spoken["accueil", "fr"]
    assert "SOS" not in spoken["accueil", "fr"]
    assert "one one two" in spoken["ferme", "en"]


def test_the_lexicon_changes_whole_words_and_the_longest_first() -> None:
    lexicon = {"15": "quinze", "31 14": "trente et un, quatorze", "31": "trente-et-un"}
    assert pronounce("le 15, le 31 14.", lexicon) == "le quinze, le trente et un, quatorze."
    assert pronounce("le 150 et le 315", lexicon) == "le 150 et le 315"


BAD_SOURCES = [
    (SMALL.replace("    en: Hello, SOS Crise.\n", ""), "line 5", "no English text"),
    (SMALL.replace("    fr: Restez en ligne.\n", ""), "line 9", "no French text"),
    (SMALL.replace("Restez en ligne.", ""), "line 10", "empty"),
    (SMALL.replace("  patience:", "  Patience 2:"), "line 9", "cannot name a prompt"),
    (SMALL.replace("  patience:", "  ../../x:"), "line 9", "cannot name a prompt"),
    (SMALL.replace("  patience:", "  accueil:"), "line 9", "twice"),
    (SMALL.replace("voice_language: en", "voice_language: es"), "line 13", "no voice for 'es'"),
    (SMALL.replace("seconds_max: 5", "seconds_max: cinq"), "line 6", "number of seconds"),
    (SMALL.replace("seconds_max: 5", "seconds_max: nan"), "line 6", "number of seconds"),
    (SMALL.replace("seconds_max: 5", "second_max: 5"), "line 6", "'second_max' is unknown"),
    (SMALL.replace("Restez en ligne.", "Restez <vol level='500'/>."), "line 10", "Remove them"),
    (SMALL.replace("Restez en ligne.", "'Restez"), "line", "not valid YAML"),
    (SMALL.replace("Restez en ligne.", "a" * 801), "line 10", "Shorten it"),
    (SMALL.replace("Restez en ligne.", "[a, b]"), "line 10", "must be a list of"),
    ("prompts: accueil\n", "line 1", "must be a list of"),
    ("lexicon: {}\n", "prompts.yaml", "no 'prompts:' section"),
    ("", "prompts.yaml", "must be a list of"),
    ("a: \x07\n", "prompts.yaml", "not valid YAML"),
]


@pytest.mark.parametrize(("text", "where", "what"), BAD_SOURCES)
def test_a_mistake_in_the_texts_is_refused_with_its_file_line_and_remedy(
    source: Path, text: str, where: str, what: str
) -> None:
    source.write_text(text, encoding="utf-8")
    with pytest.raises(SoundsError) as refusal:
        read_prompts(source)
    message = str(refusal.value)
    assert str(source) in message
    assert where in message
    assert what in message


def test_texts_that_cannot_be_read_are_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SoundsError, match="cannot be read"):
        read_prompts(tmp_path / "absent.yaml")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("prompts: é".encode("latin-1"))
    with pytest.raises(SoundsError, match="UTF-8"):
        read_prompts(latin)


# --- the sound -------------------------------------------------------------


def test_nothing_above_the_telephone_band_folds_back_into_it() -> None:
    sibilant = tone(5_000.0, 16_000, 1.0, 1.0)
    heard = band_limit(resample(sibilant, 16_000, 8_000), 8_000)
    assert level_db(heard, 3_000.0, 8_000) < -60.0

    voice_and_sibilant = 0.5 * tone(1_000.0, 16_000, 1.0, 1.0) + 0.5 * sibilant
    mastered = master(voice_and_sibilant, 16_000, 8_000)
    assert level_db(mastered, 1_000.0, 8_000) > -25.0
    assert level_db(mastered, 3_000.0, 8_000) < -60.0


def test_the_folding_measure_sees_a_resampler_without_a_filter() -> None:
    from pydub import AudioSegment

    sibilant = tone(5_000.0, 16_000, 1.0, 1.0)
    segment = AudioSegment.from_wav(io.BytesIO(wav_bytes(sibilant, 16_000)))
    folded = np.array(segment.set_frame_rate(8_000).get_array_of_samples()) / 32_768
    assert level_db(folded, 3_000.0, 8_000) > -20.0


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
def test_loudness_agrees_with_the_reference_tone_of_the_standard(rate_hz: int) -> None:
    assert loudness(tone(997.0, rate_hz, 2.0, 1.0), rate_hz) == pytest.approx(-3.01, abs=0.05)
    assert loudness(tone(997.0, rate_hz, 2.0, 0.1), rate_hz) == pytest.approx(-23.01, abs=0.05)


def test_loudness_ignores_what_lies_between_sentences() -> None:
    talk = tone(997.0, 8_000, 2.0, 0.1)
    for pause in (np.zeros(4 * 8_000), tone(997.0, 8_000, 4.0, 0.001)):
        with_pause = np.concatenate([talk, pause, talk])
        assert loudness(with_pause, 8_000) == pytest.approx(loudness(talk, 8_000), abs=0.5)
    assert loudness(np.zeros(8_000), 8_000) == -np.inf
    assert loudness(np.zeros(0), 8_000) == -np.inf


def speech_like(rate_hz: int, level: float) -> Signal:
    """Syllables with sharp peaks: the crest factor of a lively human voice."""
    random = np.random.default_rng(7)
    t = np.arange(3 * rate_hz) / rate_hz
    syllables = np.maximum(0.0, np.sin(2 * np.pi * 2 * t)) ** 3
    sound = syllables * random.laplace(size=t.size)
    return np.asarray(level * sound / np.abs(sound).max(), dtype=np.float64)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
@pytest.mark.parametrize("level", [0.01, 1.0])
def test_a_voice_leaves_at_the_same_loudness_however_it_came_in(rate_hz: int, level: float) -> None:
    mastered = master(speech_like(44_100, level), 44_100, rate_hz)
    assert loudness(mastered, rate_hz) == pytest.approx(PROMPT_LUFS, abs=1.0)
    assert peak_db(mastered) <= PEAK_DBFS_MAX


def test_silence_around_a_prompt_is_cut_to_the_same_short_breath() -> None:
    talk = tone(500.0, 16_000, 1.0)
    long_silence = np.concatenate([np.zeros(32_000), talk, np.zeros(48_000)])
    for came_in in (talk, long_silence):
        seconds = master(came_in, 16_000, 8_000).size / 8_000
        assert seconds == pytest.approx(1.0 + 2 * SILENCE_KEPT_MS / 1000, abs=0.03)


def test_waiting_music_is_quieter_than_voices_and_never_leaves_silence(music: Signal) -> None:
    assert loudness(music, 8_000) == pytest.approx(PROMPT_LUFS - 6.0, abs=1.0)
    assert peak_db(music) <= PEAK_DBFS_MAX
    half_seconds = music.reshape(-1, 4_000)
    assert 20 * np.log10(np.sqrt(np.mean(half_seconds**2, axis=1)).min()) > -40.0


def test_waiting_music_has_no_click_where_it_starts_again(music: Signal) -> None:
    def click(sound: Signal) -> float:
        """The strongest bend of the wave: a jump bends it more than any note does."""
        return float(np.abs(np.diff(sound, 2)).max())

    around_the_seam = np.concatenate([music[-200:], music[:200]])
    assert click(around_the_seam) <= click(music)
    # A loop cut elsewhere than where it closes would be caught.
    assert click(np.concatenate([music[-700:-500], music[:200]])) > 2 * click(around_the_seam)


# --- the build -------------------------------------------------------------


def test_a_build_gives_each_prompt_at_both_rates_and_lists_it(
    source: Path, tmp_path: Path, spoken: list[str]
) -> None:
    catalogue = build(tmp_path / "out", source=source)
    names = {("fr", "accueil"), ("en", "accueil"), ("fr", "patience"), ("en", "patience")}
    assert catalogue.lengths().keys() == names
    assert "esse o esse Crise bonjour." in spoken
    for language, name in names:
        wav = catalogue.path(name, language)
        for path, rate_hz in ((wav, 8_000), (wav.with_suffix(".wav16"), 16_000)):
            with wave.open(str(path)) as file:
                assert file.getparams()[:3] == (1, 2, rate_hz)
                assert file.getnframes() / rate_hz == pytest.approx(
                    catalogue.seconds(name, language), abs=0.01
                )
            sound, _ = soundfile.read(io.BytesIO(path.read_bytes()))
            assert loudness(sound, rate_hz) == pytest.approx(PROMPT_LUFS, abs=1.0)
            assert peak_db(sound) <= PEAK_DBFS_MAX
    for ending in ("wav", "wav16"):
        assert (tmp_path / "out" / "music" / f"attente.{ending}").is_file()


def test_the_welcome_fits_in_five_seconds_with_the_voice_that_ships(
    real_voice: Synthesiser,
) -> None:
    assert real_voice.name == "pico"
    for each in read_prompts(PROMPTS):
        if each.id == "accueil":
            assert each.seconds_max == 5.0
            sound, rate_hz = real_voice.speak(each.spoken, each.voice_language)
            mastered = master(sound, rate_hz, 8_000)
            assert 2.0 < mastered.size / 8_000 <= 5.0
            assert loudness(mastered, 8_000) == pytest.approx(PROMPT_LUFS, abs=1.0)
            assert peak_db(mastered) <= PEAK_DBFS_MAX


def test_the_machine_voice_says_the_same_text_the_same_way_whatever_came_before(
    real_voice: Synthesiser,
) -> None:
    text = "SOS Creeze, hello. Calls are free, confidential and not recorded."
    first, _ = real_voice.speak(text, "en")
    real_voice.speak("Bonjour.", "fr")
    again, _ = real_voice.speak(text, "en")
    assert np.array_equal(first, again)
    assert np.abs(first).max() < 0.99  # the voice itself must not clip


def test_without_the_voice_that_ships_the_espeak_command_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said.wav"
    said.write_bytes(wav_bytes(tone(500.0, 16_000, 1.0), 16_000))
    command = tmp_path / "espeak-ng"
    command.write_text(f'#!/bin/sh\nwhile [ "$1" != "-w" ]; do shift; done\ncp "{said}" "$2"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("sounds.speech.sys.executable", str(tmp_path / "absent"))
    speech.synthesiser.cache_clear()
    try:
        voice = synthesiser()
        assert voice.name == "espeak-ng"
        assert voice.speak("bonjour", "fr")[0].size == 16_000
        command.unlink()
        speech.synthesiser.cache_clear()
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(SoundsError, match="Install espeak-ng"):
            synthesiser()
    finally:
        speech.synthesiser.cache_clear()


def record(recordings: Path, name: str, sound: Signal, rate_hz: int = 44_100) -> Path:
    path = recordings / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, rate_hz)
    return path


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_a_persons_recording_wins_over_the_machine_and_is_flagged(
    source: Path, tmp_path: Path, spoken: list[str], ending: str
) -> None:
    stereo = np.stack([tone(1_500.0, 44_100, 2.0, 0.05)] * 2, axis=1)
    record(tmp_path / "recordings", f"fr/accueil.{ending}", stereo)
    catalogue = build(tmp_path / "out", tmp_path / "recordings", source=source)
    assert catalogue.get("accueil", "fr").voice == "human"
    assert catalogue.get("accueil", "en").voice == "synthetic"
    assert "esse o esse Crise bonjour." not in spoken
    sound, _ = soundfile.read(catalogue.path("accueil", "fr"))
    assert level_db(sound, 1_500.0, 8_000) > -25.0
    assert loudness(sound, 8_000) == pytest.approx(PROMPT_LUFS, abs=1.0)

    back = build(tmp_path / "out", source=source)
    assert back.get("accueil", "fr").voice == "synthetic"


@pytest.mark.parametrize(
    ("name", "sound", "message"),
    [
        ("fr/acceuil.wav", tone(500, 8_000, 1), "matches no prompt"),
        ("accueil.wav", tone(500, 8_000, 1), "matches no prompt"),
        ("fr/accueil.wav", np.zeros(8_000), "nothing that a telephone can carry"),
        ("fr/accueil.wav", np.zeros(0), "nothing that a telephone can carry"),
        ("fr/accueil.wav", tone(20, 8_000, 1), "nothing that a telephone can carry"),
        ("fr/accueil.wav", tone(500, 8_000, 1, 0.001), "nothing that a telephone can carry"),
        ("fr/accueil.wav", tone(500, 8_000, 6), "may last 5 s"),
        ("fr/accueil.wav", tone(500, 8_000, 91), "longer than 90 seconds"),
    ],
)
def test_a_recording_nobody_could_hear_or_find_is_refused_and_yesterdays_sounds_stay(
    source: Path, tmp_path: Path, spoken: list[str], name: str, sound: Signal, message: str
) -> None:
    out = tmp_path / "out"
    build(out, source=source)
    before = {path: path.read_bytes() for path in out.rglob("*.*")}
    # This one is made before the recording is found wanting, and must not be written either.
    source.write_text(SMALL.replace("Please stay", "Please remain"), encoding="utf-8")
    path = record(tmp_path / "recordings", name, sound, 8_000)
    with pytest.raises(SoundsError, match=message) as refusal:
        build(out, tmp_path / "recordings", source=source)
    assert str(path) in str(refusal.value)
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == before


def test_recordings_that_cannot_be_trusted_are_refused(
    source: Path, tmp_path: Path, spoken: list[str]
) -> None:
    recordings = tmp_path / "recordings"
    with pytest.raises(SoundsError, match="no folder"):
        build(tmp_path / "out", recordings, source=source)
    record(recordings, "fr/accueil.wav", tone(500, 8_000, 1), 8_000)
    with pytest.raises(SoundsError, match="two separate folders"):
        build(recordings, recordings, source=source)
    record(recordings, "fr/accueil.flac", tone(500, 8_000, 1), 8_000)
    with pytest.raises(SoundsError, match="Keep only the right one"):
        build(tmp_path / "out", recordings, source=source)
    (recordings / "fr" / "accueil.flac").unlink()
    (recordings / "fr" / "accueil.wav").write_text("not a sound")
    with pytest.raises(SoundsError, match="Export it again"):
        build(tmp_path / "out", recordings, source=source)


def stamps(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (out / "fr").iterdir()}


def test_only_what_changed_is_made_again(source: Path, tmp_path: Path, spoken: list[str]) -> None:
    out = tmp_path / "out"
    build(out, source=source)
    first = stamps(out)
    spoken.clear()
    build(out, source=source)
    assert spoken == []
    assert stamps(out) == first

    source.write_text(SMALL.replace("esse o esse", "essoesse"), encoding="utf-8")
    build(out, source=source)
    assert spoken == ["essoesse Crise bonjour."]
    assert stamps(out)["patience.wav"] == first["patience.wav"]


def test_a_damaged_or_lost_file_is_told_at_once_and_made_again(
    source: Path, tmp_path: Path, spoken: list[str]
) -> None:
    out = tmp_path / "out"
    build(out, source=source)
    damages: tuple[Callable[[Path], object], ...] = (
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"RIFF"),
    )
    for damage in damages:
        spoken.clear()
        damage(out / "fr" / "patience.wav16")
        with pytest.raises(SoundsError, match=r"patience\.wav16 is missing, damaged"):
            Catalogue.load(out)
        build(out, source=source)
        assert spoken == ["Restez en ligne."]
        Catalogue.load(out)


def test_a_prompt_that_is_no_longer_written_leaves_nothing_behind(
    source: Path, tmp_path: Path, spoken: list[str]
) -> None:
    out = tmp_path / "out"
    build(out, source=source)
    (out / "fr" / "mine.wav").write_bytes(b"not ours")
    source.write_text(SMALL.replace("  patience:", "  attente:"), encoding="utf-8")
    build(out, source=source)
    left = {path.name for path in (out / "fr").iterdir()}
    assert left == {"accueil.wav", "accueil.wav16", "attente.wav", "attente.wav16", "mine.wav"}


# --- the catalogue ---------------------------------------------------------


def test_a_catalogue_answers_for_its_prompts_and_for_no_other(
    source: Path, tmp_path: Path, spoken: list[str]
) -> None:
    build(tmp_path / "out", source=source)
    catalogue = Catalogue.load(tmp_path / "out")
    # 2.6 s of voice from 26 characters, and a breath on each side.
    assert catalogue.seconds("accueil", "fr") == pytest.approx(2.6 + 0.24, abs=0.03)
    for name, language in (("absent", "fr"), ("accueil", "de"), ("attente", "music")):
        with pytest.raises(UnknownPrompt, match="build the sounds again"):
            catalogue.seconds(name, language)
        with pytest.raises(UnknownPrompt):
            catalogue.path(name, language)


@pytest.mark.parametrize("manifest", [None, "", "[]", "{", json.dumps({"format": 99})])
def test_sounds_never_built_are_told_with_the_command_that_builds_them(
    tmp_path: Path, manifest: str | None
) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(SoundsError, match=r"python -m sounds\.build"):
        Catalogue.load(tmp_path)


def test_the_catalogue_needs_no_audio_library() -> None:
    code = (
        "import sys, sounds.catalogue; "
        "print(sorted({'numpy', 'soxr', 'pydub', 'soundfile', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_says_what_is_wrong_in_a_sentence_and_lists_what_it_built(
    source: Path, tmp_path: Path, spoken: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    assert main([out, "--source", str(source)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert main([out, "--source", str(tmp_path / "absent.yaml")]) == 1
    assert "cannot be read" in capsys.readouterr().err
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    assert main([str(blocked), "--source", str(source)]) == 1
    assert "cannot be written" in capsys.readouterr().err
