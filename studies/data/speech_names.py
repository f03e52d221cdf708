"""What the file names of three speech corpora say: emotion, speaker, gender, text."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from studies.data.dataset import EMOTIONS
from studies.data.waveforms import SUFFIXES

_DEPTH = 4  # folders below the given one in which recordings are looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One recording as its file name describes it."""

    emotion: str  # one of the corpus's classes
    speaker: str  # "01" in RAVDESS, "03" in EMO-DB, "SM1" in Urdu
    gender: str  # "female" or "male"
    statement: str  # which text is spoken; in Urdu, where texts are free, which file of the speaker
    intensity: str = ""  # RAVDESS: "normal" or "strong"; elsewhere not known
    passed_over: str = ""  # why this recording is no part of the corpus's speech, e.g. "songs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """How a corpus names its files."""

    title: str
    classes: tuple[str, ...]
    layout: str
    pattern: re.Pattern[str]
    read: Callable[[re.Match[str]], Utterance]  # raises ValueError with the reason only


_RAVDESS_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise")
_EMODB_EMOTIONS = {
    "W": "angry",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happy",
    "T": "sad",
    "N": "neutral",
}
_EMODB_FEMALE = ("08", "09", "13", "14", "16")
_EMODB_MALE = ("03", "10", "11", "12", "15")
_URDU_EMOTIONS = {"A": "angry", "H": "happy", "N": "neutral", "S": "sad"}


def parse_name(corpus: str, stem: str) -> Utterance:
    """Read a file's name, without its suffix.

    Parameters
    ----------
    corpus : str
        One of `CORPORA`.
    stem : str
        E.g. ``"03-01-06-01-02-01-12"``.

    Raises
    ------
    ValueError
        If the corpus is unknown, or the name is not as the corpus names its files.

    Examples
    --------
    >>> parse_name("ravdess", "03-01-06-01-02-01-12").emotion
    'fear'
    >>> parse_name("emodb", "03a01Fa").gender, parse_name("urdu", "SF2_F01_A12").speaker
    ('male', 'SF2')
    """
    about = corpus_named(corpus)
    match = about.pattern.fullmatch(stem)
    if match is None:
        raise ValueError(f"{stem!r} is no file name of {about.title}; expected names such as {about.layout}")
    try:
        return about.read(match)
    except ValueError as error:
        raise ValueError(f"{stem!r} is no file name of {about.title}: {error}") from error


def corpus_named(name: str) -> Corpus:
    """One of `CORPORA`, or an error that lists them."""
    if name not in CORPORA:
        raise ValueError(f"corpus must be one of {', '.join(CORPORA)}, got {name!r}")
    return CORPORA[name]


def _ravdess(match: re.Match[str]) -> Utterance:
    modality, channel, emotion, intensity, statement, repetition, actor = map(int, match.groups())
    for field, value, high in (
        ("modality", modality, 3),
        ("channel", channel, 2),
        ("emotion", emotion, 8),
        ("intensity", intensity, 2),
        ("statement", statement, 2),
        ("repetition", repetition, 2),
        ("actor", actor, 24),
    ):
        if not 1 <= value <= high:
            raise ValueError(f"the {field} must be 01 to {high:02d}, got {value:02d}")
    return Utterance(
        emotion=_RAVDESS_EMOTIONS[emotion - 1],
        speaker=f"{actor:02d}",
        gender="male" if actor % 2 else "female",
        statement=f"{statement:02d}",
        intensity=("normal", "strong")[intensity - 1],
        # The sound of a film is that of the recording 03-...: the same utterance twice.
        passed_over="songs" if channel == 2 else "sound tracks of films" if modality != 3 else "",
    )


def _emodb(match: re.Match[str]) -> Utterance:
    speaker, text, letter = match[1], match[2], match[3]
    if speaker not in _EMODB_FEMALE + _EMODB_MALE:
        known = ", ".join(sorted(_EMODB_FEMALE + _EMODB_MALE))
        raise ValueError(f"the speaker must be one of {known}, got {speaker}")
    return Utterance(
        emotion=_EMODB_EMOTIONS[letter],
        speaker=speaker,
        gender="female" if speaker in _EMODB_FEMALE else "male",
        statement=text,
    )


def _urdu(match: re.Match[str]) -> Utterance:
    gender, number, recording, letter = match.groups()
    return Utterance(
        emotion=_URDU_EMOTIONS[letter.upper()],
        speaker=f"S{gender.upper()}{int(number)}",
        gender="female" if gender.upper() == "F" else "male",
        statement=f"F{int(recording):02d}",
    )


CORPORA = {
    "ravdess": Corpus(
        title="RAVDESS",
        classes=(*EMOTIONS, "calm"),
        layout="03-01-06-01-02-01-12.wav (modality-channel-emotion-intensity-statement-repetition-actor)",
        pattern=re.compile("-".join([r"(\d\d)"] * 7), re.ASCII),
        read=_ravdess,
    ),
    "emodb": Corpus(
        title="EMO-DB",
        classes=("angry", "disgust", "fear", "happy", "sad", "neutral", "boredom"),
        layout="03a01Fa.wav (speaker, text, emotion, version)",
        pattern=re.compile(r"(\d\d)([ab]\d\d)([WLEAFTN])([a-z]?)", re.ASCII),
        read=_emodb,
    ),
    "urdu": Corpus(
        title="Urdu emotional speech",
        classes=("angry", "happy", "sad", "neutral"),
        layout="SM1_F01_A12.wav (speaker, file, emotion)",
        pattern=re.compile(r"S([MF])(\d{1,4})_F(\d{1,4})_([AHNS])\d{1,4}", re.ASCII | re.IGNORECASE),
        read=_urdu,
    ),
}
"""The corpora by name.

References: Livingstone & Russo (2018), *The Ryerson audio-visual database of emotional speech and song*;
Burkhardt et al. (2005), *A database of German emotional speech*; Latif et al. (2018), *Cross lingual speech
emotion recognition: Urdu vs. western languages*.
"""


def recordings(root: Path) -> Iterator[Path]:
    """Visible recordings at or below `root`, in a fixed order."""
    start = len(root.parts)
    for folder, below, files in os.walk(root, followlinks=True):
        here = Path(folder)
        deep = len(here.parts) - start >= _DEPTH
        below[:] = [] if deep else sorted(name for name in below if not name.startswith((".", "__MACOSX")))
        for name in sorted(files):
            if not name.startswith(".") and name.lower().endswith(SUFFIXES):
                yield here / name


def list_utterances(
    root: Path, corpus: str, *, skip_unreadable: bool = False
) -> tuple[list[Path], list[Utterance], list[str], str]:
    """Find a corpus's recordings at or below `root`, in the order of their names.

    Parameters
    ----------
    root : path
        A folder.
    corpus : str
        One of `CORPORA`.
    skip_unreadable : bool, default False
        Pass over recordings with other names and list them.

    Returns
    -------
    tuple
        Files, what their names say, ``"path: reason"`` of the names that say nothing, and a remark on what
        was passed over because it is no speech of its own (empty if nothing was).

    Raises
    ------
    ValueError
        If there is no recording of the corpus, a name is not the corpus's, or two recordings differ and have
        one name.
    """
    found: dict[str, tuple[Path, Utterance]] = {}
    skipped: list[str] = []
    passed_over: dict[str, int] = {}
    for file in recordings(root):
        try:
            utterance = parse_name(corpus, file.stem)
        except ValueError as error:
            if not skip_unreadable:
                raise ValueError(
                    f"{file}: {error}; rename or remove it, or pass it over with skip_unreadable"
                ) from error
            skipped.append(f"{file}: {error}")
            continue
        reason = utterance.passed_over
        if not reason and file.stem in found:
            if not _same_bytes(file, found[file.stem][0]):
                raise ValueError(f"{file} and {found[file.stem][0]} have one name and differ; remove one")
            reason = "second copies"
        if reason:
            passed_over[reason] = passed_over.get(reason, 0) + 1
        else:
            found[file.stem] = file, utterance
    if not found:
        other = "".join(f" ({count:,} {reason} were)" for reason, count in passed_over.items())
        first = f"; the first: {skipped[0]}" if skipped else ""
        raise ValueError(
            f"{root}: no recording of {CORPORA[corpus].title} was found{other}; expected "
            f"{CORPORA[corpus].layout} at most {_DEPTH} folders deep{first}"
        )
    remarks = "".join(f"; {count:,} {reason} passed over" for reason, count in sorted(passed_over.items()))
    ordered = [found[stem] for stem in sorted(found)]
    return [file for file, _ in ordered], [utterance for _, utterance in ordered], skipped, remarks


def _same_bytes(one: Path, other: Path) -> bool:
    try:
        return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()
    except OSError as error:
        raise ValueError(
            f"{one} and {other} have one name and cannot be compared: {error.strerror}"
        ) from error
