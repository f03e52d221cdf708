"""The names under which emotions go in file formats and folder names."""

from collections.abc import Iterable

from studies.data.dataset import EMOTIONS

EIGHT_EMOTIONS = (*EMOTIONS, "contempt")
"""The eight classes of AffectNet, FER+ and CK+: the seven of FER-2013, then contempt."""

ALIASES = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
    "suprise": "surprise",
    "contemptuous": "contempt",
}
"""Other names of the eight, in lower case."""


def emotion_of(name: str) -> str | None:
    """One of `EIGHT_EMOTIONS` for a name or alias in any case, None for anything else.

    Examples
    --------
    >>> emotion_of(" Happiness"), emotion_of("cat")
    ('happy', None)
    """
    plain = name.strip().lower()
    plain = ALIASES.get(plain, plain)
    return plain if plain in EIGHT_EMOTIONS else None


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Those of `EIGHT_EMOTIONS` that occur, in its order: the classes of a data set.

    Examples
    --------
    >>> in_order(["sad", "contempt", "angry", "sad"])
    ('angry', 'sad', 'contempt')
    """
    present = set(names)
    return tuple(emotion for emotion in EIGHT_EMOTIONS if emotion in present)
