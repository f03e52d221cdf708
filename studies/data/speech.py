"""Emotional speech as log-mel spectrograms, split strictly by speaker: RAVDESS, EMO-DB and Urdu."""

import hashlib
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from studies.data.dataset import ImageDataset, ImageSplit
from studies.data.log_mel import check_integer, fit_length, log_mel, trim_silence
from studies.data.speech_names import CORPORA, corpus_named, list_utterances, recordings
from studies.data.waveforms import MAX_SECONDS, SAMPLE_RATE, read_recordings

_BATCH = 64  # utterances transformed at once: some tens of MB
_VERSION = 1  # of the spectrograms in the cache: raise it when the same file gives others
_ATTEMPTS = 1000  # orders of the speakers tried for parts that hold every class


def load_speech(
    path: str | Path,
    *,
    corpus: str,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.2,
    test_speakers: Sequence[str] | None = None,
    validation_speakers: Sequence[str] | None = None,
    skip_unreadable: bool = False,
    cache: bool = True,
    seconds: float = 3.0,
    mel_bands: int = 64,
) -> ImageDataset:
    """Read a corpus of emotional speech by its file names; no speaker stands in two parts.

    Recordings lie at or below `path` (at most four folders deep). Each is read as mono at 16 kHz, freed of
    silence at both ends, cut or padded to `seconds` evenly at both ends and turned into a standardised
    log-mel spectrogram (see `log_mel`). Songs and sound tracks of films in RAVDESS, and a second copy of a
    recording in another folder, are passed over and counted in the description.

    Parameters
    ----------
    path : path
        A folder.
    corpus : {"ravdess", "emodb", "urdu"}
        How the files are named.
    validation_fraction : float, default 0.1
        Part of the speakers outside the test part, in (0, 1), at least one.
    test_fraction : float, default 0.2
        Part of the speakers, in (0, 1), at least one; with five speakers or more an even number, half of them
        women as far as there are enough of both. Which speakers is decided by their names alone.
    test_speakers, validation_speakers : sequence of str, optional
        Choose the speakers of a part instead, e.g. ``("03",)`` to leave one speaker out.
    skip_unreadable : bool, default False
        Pass over recordings that cannot be read, or whose names are not the corpus's, and list them.
    cache : bool, default True
        Keep the spectrograms for the next start.
    seconds : float, default 3.0
        Length of every utterance, in (0, 600].
    mel_bands : int, default 64
        Rows of the spectrograms, at least 8; their columns are 100 a second.

    Returns
    -------
    ImageDataset
        float32 spectrograms, shape (N, 1, mel_bands, 100 × seconds); ids are the files' stems; groups
        ``speaker``, ``gender``, ``statement``, in RAVDESS ``intensity``, and ``content`` (digests of the
        files).

    Raises
    ------
    ImportError
        If soundfile is not installed.
    ValueError
        If an argument is out of range, there is no recording, a name or recording is not as it should be
        (naming the file), there are fewer than three speakers, or a class would be missing from a part.
    """
    about = corpus_named(corpus)
    root = Path(path)
    check_integer("mel_bands", mel_bands, low=8, unit="bands")
    if not 0.1 <= seconds <= MAX_SECONDS:
        raise ValueError(f"seconds must be from 0.1 to {MAX_SECONDS:g}, got {seconds!r}; 3 is usual")
    if not root.is_dir():
        raise ValueError(f"{root} is no folder; expected one with recordings such as {about.layout}")
    files, utterances, skipped, remarks = list_utterances(root, corpus, skip_unreadable=skip_unreadable)
    labels = np.array([about.classes.index(u.emotion) for u in utterances], dtype=np.int64)
    speakers = np.array([u.speaker for u in utterances])
    genders = np.array([u.gender for u in utterances])
    parts = choose_speakers(
        labels,
        speakers,
        genders,
        test_fraction=test_fraction,
        validation_fraction=validation_fraction,
        test_speakers=test_speakers,
        validation_speakers=validation_speakers,
        classes=about.classes,
        source=f"{root} ({about.title})",
    )
    arrays = _spectrograms(files, corpus, skip_unreadable, cache=cache, seconds=seconds, mel_bands=mel_bands)
    kept = np.array(arrays["kept"])
    groups = {
        "speaker": speakers,
        "gender": genders,
        "statement": np.array([u.statement for u in utterances]),
        "intensity": np.array([u.intensity for u in utterances]),
    }
    everything = ImageSplit(
        images=torch.from_numpy(arrays["spectrograms"]),
        labels=torch.from_numpy(labels[kept]),
        ids=[files[index].stem for index in kept.tolist()],
        groups={name: values[kept] for name, values in groups.items() if any(values)}
        | {"content": np.array(arrays["content"])},
    )
    of_speaker = everything.groups["speaker"]
    splits = {
        part: everything.subset(np.flatnonzero(np.isin(of_speaker, names))) for part, names in parts.items()
    }
    told = {part: f"speaker{'s' * (len(names) > 1)} {', '.join(names)}" for part, names in parts.items()}
    return ImageDataset(
        name=corpus,
        classes=about.classes,
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        test_name=told["test"],
        description=(
            f"{about.title}: log-mel spectrograms of {seconds:g} s in {len(about.classes)} emotions; parts "
            f"share no speaker: test {told['test']}, validation {told['validation']}{remarks}"
        ),
        split_by="speaker",
        skipped=(*skipped, *(str(line) for line in arrays["skipped"])),
    )


def detect_corpus(path: str | Path) -> str | None:
    """Tell the corpus by the names of up to 200 recordings at or below `path`; None if they fit none.

    More than half of the names must fit.
    """
    root = Path(path)
    if not root.is_dir():
        return None
    stems = [file.stem for _, file in zip(range(200), recordings(root), strict=False)]
    for name, about in CORPORA.items():
        if 2 * sum(about.pattern.fullmatch(stem) is not None for stem in stems) > len(stems):
            return name
    return None


def choose_speakers(
    labels: np.ndarray,
    speakers: np.ndarray,
    genders: np.ndarray,
    *,
    test_fraction: float,
    validation_fraction: float,
    test_speakers: Sequence[str] | None = None,
    validation_speakers: Sequence[str] | None = None,
    classes: tuple[str, ...],
    source: str = "the corpus",
) -> dict[str, list[str]]:
    """Divide the speakers: by a hash of their names, women and men in turn, every class in every part.

    Parameters
    ----------
    labels, speakers, genders : ndarray
        Of each utterance, shape (N,).
    test_fraction, validation_fraction, test_speakers, validation_speakers
        As in `load_speech`.
    classes : tuple of str
        Class names.
    source : str
        Named in errors.

    Returns
    -------
    dict
        Sorted speakers of ``"train"``, ``"validation"`` and ``"test"``.

    Raises
    ------
    ValueError
        See `load_speech`.
    """
    for name, fraction in (("test_fraction", test_fraction), ("validation_fraction", validation_fraction)):
        if not 0 < fraction < 1:
            raise ValueError(f"{name} must be in (0, 1), got {fraction!r}")
    gender_of = dict(zip(speakers.tolist(), genders.tolist(), strict=True))
    names = sorted(gender_of)
    if len(names) < 3:
        raise ValueError(
            f"{source} has {len(names)} speakers ({', '.join(names)}), at least 3 are needed: one each for "
            "training, validation and test; add speakers"
        )
    given = {"test": test_speakers, "validation": validation_speakers}
    chosen = {part: _check_given(part, who, names, source) for part, who in given.items() if who is not None}
    both = sorted(set(chosen.get("test", [])) & set(chosen.get("validation", [])))
    if both:
        raise ValueError(f"test_speakers and validation_speakers share {', '.join(both)}; choose others")
    taken = {name for part in chosen.values() for name in part}
    spare = len(names) - len(taken)
    if spare < 3 - len(chosen):
        raise ValueError(
            f"{source} has {len(names)} speakers and {len(taken)} are chosen, which leaves too few; "
            "choose fewer, so that every part has one"
        )
    present = {name: np.bincount(labels[speakers == name], minlength=len(classes)) > 0 for name in names}
    missing: list[str] = []
    for attempt in range(_ATTEMPTS):
        parts = dict(chosen)
        free = [name for name in names if name not in taken]
        if "test" not in parts:
            most = len(free) - 1 - ("validation" not in parts)
            wanted = _test_count(len(names), test_fraction, set(gender_of.values()))
            parts["test"] = _draw(free, gender_of, min(wanted, most), f"test/{attempt}")
            free = [name for name in free if name not in parts["test"]]
        if "validation" not in parts:
            wanted = max(1, round(validation_fraction * (len(names) - len(parts["test"]))))
            parts["validation"] = _draw(free, gender_of, min(wanted, len(free) - 1), f"validation/{attempt}")
            free = [name for name in free if name not in parts["validation"]]
        parts["train"] = free
        lacking = [
            f"{classes[index]!r} from {part}"
            for part, who in parts.items()
            for index in np.flatnonzero(~np.any([present[name] for name in who], axis=0))
        ]
        if not lacking:
            return {part: sorted(parts[part]) for part in ("train", "validation", "test")}
        missing = missing or lacking
        if len(chosen) == 2:
            break
    raise ValueError(
        f"{source}: no division of {len(names)} speakers was found that has every class in every part "
        f"(missing: {', '.join(missing)}); add speakers, or choose others by test_speakers and "
        "validation_speakers"
    )


def _check_given(part: str, who: Sequence[str], names: list[str], source: str) -> list[str]:
    if isinstance(who, str) or not who:
        raise ValueError(f"{part}_speakers must be a sequence of at least one speaker, got {who!r}")
    unknown = sorted(set(who) - set(names))
    if unknown:
        raise ValueError(
            f"{part}_speakers: {', '.join(map(repr, unknown))} not among {', '.join(names)} of {source}"
        )
    return sorted(set(who))


def _test_count(speakers: int, fraction: float, genders: set[str]) -> int:
    """Count the test speakers: even where both genders and at least five speakers are there."""
    if len(genders) == 2 and speakers >= 5:
        return 2 * max(1, round(fraction * speakers / 2))
    return max(1, round(fraction * speakers))


def _draw(free: list[str], gender_of: dict[str, str], count: int, purpose: str) -> list[str]:
    """Draw speakers in the order of their hashes, the genders in turn, as long as both last."""
    ordered = sorted(free, key=lambda name: hashlib.blake2b(f"{purpose}/{name}".encode()).digest())
    rank: dict[str, int] = {}
    turns = {}
    for name in ordered:
        turns[name] = rank[gender_of[name]] = rank.get(gender_of[name], -1) + 1
    return sorted(ordered, key=lambda name: (turns[name], ordered.index(name)))[:count]


def _spectrograms(
    files: list[Path],
    corpus: str,
    skip_unreadable: bool,
    *,
    cache: bool,
    seconds: float,
    mel_bands: int,
) -> dict[str, np.ndarray]:
    """Spectrograms (kept, 1, bands, frames) with positions, digests and the files that could not be read."""
    samples = math.floor(seconds * SAMPLE_RATE)

    def prepare(waveform: np.ndarray) -> np.ndarray:
        return fit_length(trim_silence(waveform, sample_rate=SAMPLE_RATE), samples)

    def make() -> dict[str, np.ndarray]:
        read = read_recordings(files, skip_unreadable=skip_unreadable, prepare=prepare)
        blocks = [
            log_mel(torch.from_numpy(np.stack(read.waveforms[start : start + _BATCH])), mel_bands=mel_bands)
            for start in range(0, len(read.waveforms), _BATCH)
        ]
        return {
            "spectrograms": torch.cat(blocks).numpy(),
            "kept": read.kept,
            "content": read.content,
            "skipped": np.array(read.skipped, dtype=np.str_),
        }

    if not cache:
        return make()
    from studies.data.cache import cached_arrays

    # A file that became readable has its old size and date: permissions are part of the key.
    readable = [os.access(file, os.R_OK) for file in files]
    listed = "\n".join(f"{file}\0{there}" for file, there in zip(files, readable, strict=True))
    return cached_arrays(
        corpus,
        [file for file, there in zip(files, readable, strict=True) if there],
        make,
        settings={
            "version": _VERSION,
            "seconds": seconds,
            "mel_bands": mel_bands,
            "skip_unreadable": skip_unreadable,
            "listed": hashlib.blake2b(listed.encode(errors="surrogateescape"), digest_size=16).hexdigest(),
        },
    )
