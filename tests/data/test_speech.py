"""Corpora of speech, generated in their exact naming: labels, groups, split by speaker, clear errors."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.data.log_mel import fit_length, log_mel, trim_silence
from studies.data.speech import choose_speakers, detect_corpus, load_speech
from studies.data.speech_names import CORPORA

soundfile = pytest.importorskip("soundfile")

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "speech" / "ravdess"
QUICK = {"cache": False, "seconds": 0.3, "mel_bands": 8}


def write(file, *, seed=0, rate=16_000):
    file.parent.mkdir(parents=True, exist_ok=True)
    sound = np.random.default_rng(seed).normal(0, 0.1, rate // 5)
    soundfile.write(file, sound, rate, subtype="PCM_16")
    return file


def write_ravdess(root, actors=range(1, 7), *, emotions=range(1, 9)):
    for actor in actors:
        for emotion in emotions:
            name = f"03-01-{emotion:02d}-01-02-01-{actor:02d}.wav"
            write(root / f"Actor_{actor:02d}" / name, seed=100 * actor + emotion)
    return root


def write_emodb(root, speakers=("03", "08", "09", "10", "11")):
    for speaker in speakers:
        for number, letter in enumerate("WLEAFTN"):
            write(root / "wav" / f"{speaker}a0{number}{letter}a.wav", seed=hash((speaker, number)) % 1000)
    return root


def write_urdu(root, speakers=("SM1", "SM2", "SM3", "SF4", "SF5")):
    for speaker in speakers:
        for letter, folder in (("A", "Angry"), ("H", "Happy"), ("N", "Neutral"), ("S", "Sad")):
            write(root / folder / f"{speaker}_F01_{letter}12.wav")
    return root


@pytest.fixture(scope="module")
def ravdess(tmp_path_factory):
    return write_ravdess(tmp_path_factory.mktemp("ravdess"))


@pytest.mark.parametrize(
    ("corpus", "make", "count"),
    [("ravdess", write_ravdess, 48), ("emodb", write_emodb, 35), ("urdu", write_urdu, 20)],
)
def test_each_corpus_is_known_by_its_names_and_split_by_speaker(tmp_path, corpus, make, count):
    make(tmp_path)
    assert detect_corpus(tmp_path) == corpus
    dataset = load_speech(tmp_path, corpus=corpus, **QUICK)
    parts = dataset.parts()
    assert sum(len(split) for split in parts.values()) == count
    assert (dataset.name, dataset.kind, dataset.split_by) == (corpus, "spectrograms", "speaker")
    assert dataset.classes == CORPORA[corpus].classes
    speakers = [set(split.groups["speaker"]) for split in parts.values()]
    assert all(speakers)
    assert sum(map(len, speakers)) == len(set.union(*speakers))
    assert set(parts["test"].groups["gender"]) == {"female", "male"}
    told = ", ".join(sorted(speakers[2]))
    assert dataset.test_name == f"speakers {told}"
    assert dataset.test_name in dataset.description
    for split in parts.values():
        assert split.images.dtype == torch.float32
        assert split.images.shape[1:] == (1, 8, 30)


def test_labels_groups_and_spectrograms_are_those_of_the_files(ravdess):
    dataset = load_speech(ravdess, corpus="ravdess", **QUICK)
    names = ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise")
    for split in dataset.parts().values():
        for i, name in enumerate(split.ids):
            _, _, emotion, _, _, _, actor = name.split("-")
            assert dataset.classes[split.labels[i]] == names[int(emotion) - 1]
            assert split.groups["speaker"][i] == actor
            assert split.groups["gender"][i] == ("male" if int(actor) % 2 else "female")
            assert (split.groups["statement"][i], split.groups["intensity"][i]) == ("02", "normal")
    file = ravdess / f"Actor_{dataset.test.groups['speaker'][0]}" / f"{dataset.test.ids[0]}.wav"
    sound, _ = soundfile.read(file, dtype="float32")
    expected = log_mel(torch.from_numpy(fit_length(trim_silence(sound), 4800))[None], mel_bands=8)
    assert torch.allclose(dataset.test.images[0], expected[0], atol=1e-4)


def test_the_split_depends_on_speakers_alone(ravdess, tmp_path):
    one = load_speech(ravdess, corpus="ravdess", **QUICK)
    flat = tmp_path / "flat"
    flat.mkdir()
    for file in sorted(ravdess.rglob("*.wav"), reverse=True):
        write(flat / file.name, seed=7, rate=48_000 if "-01-02-01-03" in file.name else 16_000)
    other = load_speech(flat, corpus="ravdess", **QUICK)
    assert {part: split.ids for part, split in one.parts().items()} == {
        part: split.ids for part, split in other.parts().items()
    }


def test_speakers_can_be_chosen(ravdess):
    for actor in ("01", "04"):
        dataset = load_speech(ravdess, corpus="ravdess", test_speakers=(actor,), **QUICK)
        assert set(dataset.test.groups["speaker"]) == {actor}
        assert dataset.test_name == f"speaker {actor}"
    both = load_speech(
        ravdess, corpus="ravdess", test_speakers=("05", "06"), validation_speakers=("02",), **QUICK
    )
    assert [sorted(set(split.groups["speaker"])) for split in both.parts().values()] == [
        ["01", "03", "04"],
        ["02"],
        ["05", "06"],
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"corpus": "crema"}, "corpus must be one of ravdess, emodb, urdu, got 'crema'"),
        ({"validation_fraction": 0.0}, r"validation_fraction must be in \(0, 1\), got 0\.0"),
        ({"test_fraction": 1.0}, r"test_fraction must be in \(0, 1\), got 1\.0"),
        ({"seconds": 0.0}, r"seconds must be from 0\.1 to 600, got 0\.0; 3 is usual"),
        ({"mel_bands": 4}, "mel_bands must be an integer of at least 8 bands, got 4"),
        ({"test_speakers": ("99",)}, r"test_speakers: '99' not among 01, 02, 03, 04, 05, 06"),
        ({"test_speakers": "01"}, "test_speakers must be a sequence of at least one speaker, got '01'"),
        ({"validation_speakers": ()}, r"validation_speakers must be a sequence .* got \(\)"),
        ({"test_speakers": ("01",), "validation_speakers": ("01",)}, "share 01; choose others"),
        (
            {"test_speakers": ("01", "02", "03", "04", "05")},
            "5 are chosen, which leaves too few; choose fewer",
        ),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_read(ravdess, arguments, message, monkeypatch):
    monkeypatch.setattr("studies.data.speech.read_recordings", None)
    with pytest.raises(ValueError, match=message):
        load_speech(ravdess, **{"corpus": "ravdess", **QUICK, **arguments})


def test_fewer_than_three_speakers_are_refused(tmp_path):
    write_ravdess(tmp_path, actors=(1, 2))
    with pytest.raises(ValueError, match=r"has 2 speakers \(01, 02\), at least 3 are needed"):
        load_speech(tmp_path, corpus="ravdess", **QUICK)


def test_three_speakers_are_enough(tmp_path):
    write_ravdess(tmp_path, actors=(1, 2, 3))
    dataset = load_speech(tmp_path, corpus="ravdess", **QUICK)
    assert [len(split) for split in dataset.parts().values()] == [8, 8, 8]


def test_a_class_that_too_few_speakers_have_is_named(tmp_path):
    write_ravdess(tmp_path, emotions=range(1, 8))
    write(tmp_path / "03-01-08-01-02-01-01.wav")
    with pytest.raises(ValueError, match=r"no division of 6 speakers .*missing: 'surprise' from"):
        load_speech(tmp_path, corpus="ravdess", **QUICK)


def test_songs_sound_tracks_copies_and_hidden_files_are_passed_over(tmp_path):
    write_ravdess(tmp_path)
    write(tmp_path / "Actor_01" / "03-02-06-01-02-01-01.wav")
    write(tmp_path / "Actor_01" / "01-01-06-01-02-01-01.wav")
    (tmp_path / "Actor_02" / "._03-01-06-01-02-01-02.wav").write_bytes(b"\0\5\26\7")
    (tmp_path / "Actor_02" / "notes.txt").write_text("not a recording")
    shutil.copytree(tmp_path / "Actor_03", tmp_path / "audio_speech_actors_01-24" / "Actor_03")
    dataset = load_speech(tmp_path, corpus="ravdess", **QUICK)
    assert sum(len(split) for split in dataset.parts().values()) == 48
    assert "; 8 second copies passed over; 1 songs passed over; 1 sound tracks" in dataset.description
    assert dataset.skipped == ()


def test_two_different_recordings_of_one_name_are_refused(tmp_path):
    write_ravdess(tmp_path)
    write(tmp_path / "again" / "03-01-06-01-02-01-01.wav", seed=9999)
    with pytest.raises(ValueError, match="have one name and differ; remove one"):
        load_speech(tmp_path, corpus="ravdess", **QUICK)


def test_damaged_files_and_other_names_are_errors_or_are_listed(tmp_path):
    write_ravdess(tmp_path)
    whole = load_speech(tmp_path, corpus="ravdess", **QUICK)
    other = write(tmp_path / "Actor_04" / "recording 1.wav")
    with pytest.raises(ValueError, match=r"recording 1\.wav: .*is no file name of RAVDESS.*skip_unreadable"):
        load_speech(tmp_path, corpus="ravdess", **QUICK)
    cut = tmp_path / "Actor_01" / "03-01-06-01-02-01-01.wav"
    cut.write_bytes(cut.read_bytes()[:1000])
    dataset = load_speech(tmp_path, corpus="ravdess", skip_unreadable=True, **{**QUICK, "cache": False})
    assert [line.split(": ")[0] for line in dataset.skipped] == [str(other), str(cut)]
    assert "truncated" in dataset.skipped[1]
    for part, split in dataset.parts().items():  # a damaged file moves no other sample
        assert list(split.ids) == [name for name in whole.parts()[part].ids if name != cut.stem]
        assert len(split.groups["speaker"]) == len(split)
    other.unlink()
    with pytest.raises(ValueError, match=r"03-01-06-01-02-01-01\.wav: truncated"):
        load_speech(tmp_path, corpus="ravdess", **QUICK)


def test_an_empty_folder_a_file_and_a_folder_of_songs_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no recording of EMO-DB was found; expected 03a01Fa\.wav"):
        load_speech(tmp_path, corpus="emodb", **QUICK)
    song = write(tmp_path / "03-02-06-01-02-01-01.wav")
    with pytest.raises(ValueError, match=r"no recording of RAVDESS was found \(1 songs were\)"):
        load_speech(tmp_path, corpus="ravdess", **QUICK)
    with pytest.raises(ValueError, match="is no folder; expected one with recordings"):
        load_speech(song, corpus="ravdess", **QUICK)


def test_detection_wants_more_than_half_of_the_names(tmp_path):
    assert detect_corpus(tmp_path / "absent") is None
    assert detect_corpus(tmp_path) is None
    write(tmp_path / "a" / "03a01Fa.wav")
    assert detect_corpus(tmp_path) == "emodb"
    write(tmp_path / "a" / "b" / "other.wav")
    assert detect_corpus(tmp_path) is None


def test_the_cache_gives_the_same_and_notices_a_changed_file(tmp_path, monkeypatch):
    pytest.importorskip("studies.data.cache")
    monkeypatch.setenv("GRN_PRUNING_CACHE", str(tmp_path / "cache"))
    root = write_ravdess(tmp_path / "data", actors=(1, 2, 3))
    load = {"corpus": "ravdess", **QUICK, "cache": True}
    plain = load_speech(root, **{**load, "cache": False})
    load_speech(root, **load)
    assert list((tmp_path / "cache").iterdir())
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "soundfile", None)  # nothing is decoded again
        again = load_speech(root, **load)
    for part, split in plain.parts().items():
        assert torch.equal(again.parts()[part].images, split.images)
        assert again.parts()[part].ids == split.ids
        assert (again.parts()[part].groups["content"] == split.groups["content"]).all()
    longer = load_speech(root, **{**load, "seconds": 0.4})
    assert longer.test.images.shape[-1] == 40
    write(root / "Actor_01" / "03-01-01-01-02-01-01.wav", seed=12345, rate=8_000)
    changed = load_speech(root, **load)
    parts = {**{name: split for split in changed.parts().values() for name in split.ids}}
    split = parts["03-01-01-01-02-01-01"]
    old = next(s for s in plain.parts().values() if "03-01-01-01-02-01-01" in s.ids)
    assert not torch.equal(split.images, old.images)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.integers(1, 60).map(str), st.sampled_from(["female", "male"]), min_size=3, max_size=30
    ),
    st.floats(0.01, 0.9),
    st.floats(0.01, 0.9),
)
def test_any_speakers_are_divided_into_three(gender_of, test_fraction, validation_fraction):
    speakers = np.repeat(sorted(gender_of), 2)
    parts = choose_speakers(
        np.tile([0, 1], len(gender_of)),
        speakers,
        np.array([gender_of[name] for name in speakers.tolist()]),
        test_fraction=test_fraction,
        validation_fraction=validation_fraction,
        classes=("calm", "angry"),
    )
    assert sorted(name for part in parts.values() for name in part) == sorted(gender_of)
    assert all(parts.values())
    women = sum(gender_of[name] == "female" for name in parts["test"])
    men = len(parts["test"]) - women
    available = [list(gender_of.values()).count(gender) for gender in ("female", "male")]
    if len(parts["test"]) <= 2 * min(available):
        assert abs(women - men) <= 1  # one at most, where the count is odd
    else:
        assert min(women, men) == min(available)


def test_real_ravdess():
    if not REAL.is_dir():
        pytest.skip("real RAVDESS is not here: no speech/ravdess in the data folder beside the repository")
    assert detect_corpus(REAL) == "ravdess"
    dataset = load_speech(REAL, corpus="ravdess", cache=False, mel_bands=16, seconds=1.0)
    splits = dataset.parts().values()
    assert [len(split) for split in splits] == [180, 60, 120]
    labels = torch.cat([split.labels for split in splits])
    # 8 a speaker, in two intensities; neutral has one.
    assert labels.bincount().tolist() == [48] * 6 + [24, 48]
    speakers = np.concatenate([split.groups["speaker"] for split in splits])
    genders = np.concatenate([split.groups["gender"] for split in splits])
    assert {name: int((speakers == name).sum()) for name in np.unique(speakers)} == {
        f"{actor:02d}": 60 for actor in range(1, 7)
    }
    assert set(speakers[genders == "female"]) == {"02", "04", "06"}
    assert sorted(set(dataset.test.groups["gender"])) == ["female", "male"]
    assert len(np.unique(np.concatenate([split.groups["content"] for split in splits]))) == 360
