"""Recordings of speech to mono waveforms of one rate; what cannot be read is an error that names the file."""

import hashlib
import math
import os
import stat
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import ModuleType

import numpy as np

SUFFIXES = (".flac", ".wav")
"""Suffixes, in lower case, of the files that count as recordings."""

SAMPLE_RATE = 16_000
"""Samples per second of what is returned: speech has little above 8 kHz."""

MAX_SECONDS = 600.0
"""Longest recording that is read: an utterance lasts seconds, a header may claim years."""

MAX_BYTES = 512 * 2**20
"""Largest file that is read, in bytes: 600 s of 48 kHz stereo in 64 bits are 440 MiB."""

RATES = (4_000, 384_000)
"""Lowest and highest sample rate that is read, in Hz."""

_CONTAINERS = ("WAV", "WAVEX", "RF64", "FLAC")
_BLOCK = 65_536  # frames decoded at once: a header's claim never sizes an array
_LOUDEST = 2.0**31  # float files in units of 32-bit integers; beyond it powers overflow float32


class UnreadableAudioError(ValueError):
    """A file that is no recording, or a damaged one; `reason` says what is wrong and what to do."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.reason = reason


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Recordings:
    """What was made of the files that could be read."""

    waveforms: list[np.ndarray]  # float32, mono, (T,) or as `prepare` left it
    kept: np.ndarray  # positions of these files in the list, int64, ascending
    content: np.ndarray  # digest of each file's bytes, uint64
    skipped: tuple[str, ...]  # "path: reason" of the others


def read_recordings(
    files: Sequence[Path],
    *,
    sample_rate: int = SAMPLE_RATE,
    skip_unreadable: bool = False,
    prepare: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Recordings:
    """Read many recordings in threads, each as `read_waveform` does.

    Parameters
    ----------
    files : sequence of path
        At least one.
    sample_rate : int, default 16,000
        Samples per second of the result.
    skip_unreadable : bool, default False
        Pass over unreadable files and list them; otherwise the first of them, in the order of `files`, is the
        error.
    prepare : callable, optional
        Applied to each waveform in its thread, e.g. to cut it: the whole recordings are then never in memory
        together.

    Returns
    -------
    Recordings

    Raises
    ------
    ImportError
        If soundfile is not installed.
    UnreadableAudioError
        A ValueError naming the first unreadable file.
    ValueError
        If there is no file, or none can be read.
    """
    if not files:
        raise ValueError("there is no recording to read")
    require_soundfile()

    def read(file: Path) -> tuple[np.ndarray, int] | UnreadableAudioError:
        try:
            data = _read_bytes(file)
            waveform = _decode(file, data, sample_rate)
        except UnreadableAudioError as error:
            if not skip_unreadable:
                raise
            return error
        digest = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
        return (waveform if prepare is None else prepare(waveform)), digest

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        results = list(pool.map(read, files))  # re-raises the first failure, in file order
    good = [(i, result) for i, result in enumerate(results) if isinstance(result, tuple)]
    skipped = tuple(str(result) for result in results if isinstance(result, UnreadableAudioError))
    if not good:
        raise ValueError(f"none of the {len(files):,} recordings can be read; the first: {skipped[0]}")
    return Recordings(
        waveforms=[waveform for _, (waveform, _) in good],
        kept=np.array([index for index, _ in good], dtype=np.int64),
        content=np.array([digest for _, (_, digest) in good], dtype=np.uint64),
        skipped=skipped,
    )


def read_waveform(file: Path, *, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Read a WAV or FLAC file as mono: float32, shape (T,), full scale ±1 for files of integers.

    Channels are averaged. Another rate is brought to `sample_rate` by `scipy.signal.resample_poly` (a
    band-limited polyphase filter; T is the duration times the rate, rounded up).

    Parameters
    ----------
    file : path
        WAV (integers of 8 to 32 bits, floats, A-law, µ-law, ADPCM; also its 64-bit form) or FLAC.
    sample_rate : int, default 16,000
        Samples per second of the result.

    Raises
    ------
    ImportError
        If soundfile is not installed.
    UnreadableAudioError
        A ValueError that names the file, what is wrong and the fix: no regular file, empty, too large, no
        WAV or FLAC, truncated, without samples, longer than `MAX_SECONDS`, a rate outside `RATES`, or samples
        that are no finite numbers.
    """
    return _decode(file, _read_bytes(file), sample_rate)


def _read_bytes(file: Path) -> bytes:
    try:
        about = file.stat()
        if not stat.S_ISREG(about.st_mode):
            raise UnreadableAudioError(file, "not a regular file; remove it or give it another name")
        if about.st_size == 0:
            raise UnreadableAudioError(file, "the file is empty; copy it again from the original")
        if about.st_size > MAX_BYTES:
            raise UnreadableAudioError(
                file,
                f"{about.st_size:,} bytes are too many for an utterance, at most {MAX_BYTES:,} are read; "
                "cut the recording",
            )
        return file.read_bytes()
    except OSError as error:
        raise UnreadableAudioError(
            file, f"cannot be opened ({error.strerror}); check that it exists and its permissions"
        ) from error


def _decode(file: Path, data: bytes, sample_rate: int) -> np.ndarray:
    soundfile = require_soundfile()
    _check_riff(file, data)
    try:
        with soundfile.SoundFile(BytesIO(data)) as sound:
            rate, claimed = int(sound.samplerate), int(sound.frames)
            _check_header(file, str(sound.format), rate, claimed)
            blocks = []
            while len(block := sound.read(_BLOCK, dtype="float32", always_2d=True)):
                blocks.append(block.mean(1, dtype=np.float64).astype(np.float32))
    except (soundfile.SoundFileError, RuntimeError, OSError, ValueError, OverflowError) as error:
        if isinstance(error, UnreadableAudioError):
            raise
        said = str(getattr(error, "error_string", error)).strip().rstrip(".")
        raise UnreadableAudioError(
            file, f"not a WAV or FLAC recording, or a damaged one ({said}); replace the file"
        ) from error
    waveform = np.concatenate(blocks) if blocks else np.empty(0, dtype=np.float32)
    if len(waveform) != claimed:
        raise UnreadableAudioError(
            file,
            f"truncated: its header claims {claimed:,} samples, {len(waveform):,} are there; "
            "copy it again from the original",
        )
    wrong = np.flatnonzero(~(np.abs(waveform) <= _LOUDEST))  # also true for NaN
    if wrong.size:
        raise UnreadableAudioError(
            file,
            f"sample {int(wrong[0]):,} is {waveform[wrong[0]]:g}, and samples must be finite and at most "
            "2^31; write the file again from the original",
        )
    return _resample(waveform, rate, sample_rate)


def _check_header(file: Path, container: str, rate: int, frames: int) -> None:
    if container not in _CONTAINERS:
        raise UnreadableAudioError(file, f"holds {container}, not WAV or FLAC; convert it")
    if not RATES[0] <= rate <= RATES[1]:
        raise UnreadableAudioError(
            file,
            f"its header gives {rate:,} samples per second, expected {RATES[0]:,} to {RATES[1]:,}; "
            "write the file again from the original",
        )
    if frames <= 0:
        raise UnreadableAudioError(file, "holds no sample; copy it again from the original")
    if frames / rate > MAX_SECONDS:
        raise UnreadableAudioError(
            file,
            f"its header claims {frames / rate:,.0f} s, at most {MAX_SECONDS:g} s are read; "
            "cut the recording, or replace the file if it is damaged",
        )


def _check_riff(file: Path, data: bytes) -> None:
    """Refuse a WAV whose data chunk claims more than the file holds: libsndfile reads it as a shorter one."""
    order = {b"RIFF": "<", b"RF64": "<", b"RIFX": ">"}.get(data[:4])
    if order is None or data[8:12] != b"WAVE":
        return
    at, long_size = 12, None
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], struct.unpack(f"{order}I", data[at + 4 : at + 8])[0]
        if kind == b"ds64" and at + 24 <= len(data):
            long_size = struct.unpack("<Q", data[at + 16 : at + 24])[0]
        if kind == b"data":
            claimed = long_size if long_size is not None and size == 0xFFFFFFFF else size
            there = len(data) - at - 8
            if claimed > there:
                raise UnreadableAudioError(
                    file,
                    f"truncated: its header claims {claimed:,} bytes of sound, {there:,} are there; "
                    "copy it again from the original",
                )
            return
        at += 8 + size + size % 2
    raise UnreadableAudioError(file, "truncated: a WAV header without sound; copy it again from the original")


def _resample(waveform: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    if rate == sample_rate:
        return waveform
    from scipy.signal import resample_poly  # takes a second to import, and 16 kHz does without

    common = math.gcd(rate, sample_rate)
    resampled = resample_poly(waveform.astype(np.float64), sample_rate // common, rate // common)
    return np.asarray(resampled, dtype=np.float32)


def require_soundfile() -> ModuleType:
    """Import soundfile, or say in one line how to install it."""
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: the package is there, its C library is not
        raise ImportError('recordings of speech need soundfile: pip install "grn-pruning[audio]"') from error
    module: ModuleType = soundfile
    return module
