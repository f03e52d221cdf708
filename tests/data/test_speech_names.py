"""File names of the three corpora, against their published keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.data import EMOTIONS
from studies.data.speech_names import CORPORA, parse_name


@pytest.mark.parametrize(
    ("code", "emotion"),
    [
        ("01", "neutral"),
        ("02", "calm"),
        ("03", "happy"),
        ("04", "sad"),
        ("05", "angry"),
        ("06", "fear"),
        ("07", "disgust"),
        ("08", "surprise"),
    ],
)
def test_ravdess_emotions(code, emotion):
    assert parse_name("ravdess", f"03-01-{code}-01-02-01-12").emotion == emotion


def test_ravdess_says_who_what_and_how_strongly():
    fear = parse_name("ravdess", "03-01-06-01-02-01-12")  # the example of the corpus's own description
    assert (fear.speaker, fear.gender, fear.statement) == ("12", "female", "02")
    assert (fear.intensity, fear.passed_over) == ("normal", "")
    anger = parse_name("ravdess", "03-01-05-02-01-02-23")
    assert (anger.speaker, anger.gender, anger.intensity) == ("23", "male", "strong")


@pytest.mark.parametrize(
    ("stem", "reason"),
    [
        ("03-02-06-01-02-01-12", "songs"),
        ("01-01-06-01-02-01-12", "sound tracks of films"),
        ("02-01-06-01-02-01-12", "sound tracks of films"),
    ],
)
def test_songs_and_sound_tracks_are_marked(stem, reason):
    assert parse_name("ravdess", stem).passed_over == reason


@pytest.mark.parametrize(
    ("letter", "emotion"),
    [*zip("WLEAFTN", ["angry", "boredom", "disgust", "fear", "happy", "sad", "neutral"], strict=True)],
)
def test_emodb_emotions(letter, emotion):
    assert parse_name("emodb", f"03a01{letter}a").emotion == emotion


def test_emodb_speakers_and_their_genders():
    published = {"03": "m", "08": "f", "09": "f", "10": "m", "11": "m"}
    published |= {"12": "m", "13": "f", "14": "f", "15": "m", "16": "f"}
    for speaker, gender in published.items():
        utterance = parse_name("emodb", f"{speaker}b10Wb")
        assert (utterance.speaker, utterance.statement) == (speaker, "b10")
        assert utterance.gender[0] == gender


@pytest.mark.parametrize(
    ("letter", "emotion"), [("A", "angry"), ("H", "happy"), ("N", "neutral"), ("S", "sad")]
)
def test_urdu(letter, emotion):
    man, woman = parse_name("urdu", f"SM1_F01_{letter}12"), parse_name("urdu", f"SF11_F10_{letter}010")
    assert (man.emotion, man.speaker, man.gender, man.statement) == (emotion, "SM1", "male", "F01")
    assert (woman.emotion, woman.speaker, woman.gender, woman.statement) == (emotion, "SF11", "female", "F10")


def test_one_urdu_speaker_has_one_name_however_it_is_written():
    assert {parse_name("urdu", name).speaker for name in ("SM1_F01_A12", "SM01_F1_A012", "sm1_f01_a12")} == {
        "SM1"
    }


@pytest.mark.parametrize(
    ("corpus", "stem", "message"),
    [
        ("ravdess", "03-01-09-01-02-01-12", "emotion must be 01 to 08, got 09"),
        ("ravdess", "03-01-00-01-02-01-12", "emotion must be 01 to 08, got 00"),
        ("ravdess", "03-01-06-01-02-01-25", "actor must be 01 to 24, got 25"),
        ("ravdess", "04-01-06-01-02-01-12", "modality must be 01 to 03, got 04"),
        ("ravdess", "03-01-06-01-02-01", "expected names such as 03-01-06"),
        ("ravdess", "0٣-01-06-01-02-01-12", "expected names such as"),
        ("emodb", "04a01Fa", "speaker must be one of 03, 08, 09, 10"),
        ("emodb", "03a01Xa", "expected names such as 03a01Fa"),
        ("urdu", "SX1_F01_A12", "expected names such as SM1_F01_A12"),
        ("crema", "1001_DFA_ANG_XX", "corpus must be one of ravdess, emodb, urdu, got 'crema'"),
    ],
)
def test_other_names_are_refused(corpus, stem, message):
    with pytest.raises(ValueError, match=message):
        parse_name(corpus, stem)


def test_classes_are_the_projects_names_where_they_coincide():
    assert CORPORA["ravdess"].classes == (*EMOTIONS, "calm")
    for about in CORPORA.values():
        shared = [name for name in about.classes if name in EMOTIONS]
        assert shared == [name for name in EMOTIONS if name in shared]
        assert set(about.classes) <= {*EMOTIONS, "calm", "boredom"}


@given(st.sampled_from(sorted(CORPORA)), st.text(alphabet="0123456789-_abFSMANHWLET", max_size=24))
def test_any_text_gives_an_utterance_or_one_clear_error(corpus, stem):
    try:
        utterance = parse_name(corpus, stem)
    except ValueError as error:
        assert "is no file name of" in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert utterance.emotion in CORPORA[corpus].classes
        assert utterance.gender in ("female", "male")
