"""Recordings of every depth and rate give the right samples; damaged ones are named, never a crash."""

import os
import struct
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.data.waveforms import (
    MAX_BYTES,
    UnreadableAudioError,
    read_recordings,
    read_waveform,
)

soundfile = pytest.importorskip("soundfile")

RATE = 16_000


def tone(seconds=0.2, *, rate=RATE, hertz=440.0, level=0.5):
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def wav(samples, *, claimed=None, rate=RATE, extra=b""):
    """A plain 16-bit WAV by hand; `claimed` is the length that its data chunk gives, in bytes."""
    body = samples.astype("<i2").tobytes()
    claimed = len(body) if claimed is None else claimed
    header = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    chunks = b"WAVE" + header + extra + b"data" + struct.pack("<I", claimed & 0xFFFFFFFF)
    return b"RIFF" + struct.pack("<I", (len(chunks) + claimed) & 0xFFFFFFFF) + chunks + body


def rf64(samples, claimed):
    body = samples.astype("<i2").tobytes()
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, claimed + 72, claimed, claimed // 2, 0)
    header = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    return b"RF64\xff\xff\xff\xffWAVE" + ds64 + header + b"data\xff\xff\xff\xff" + body


@pytest.mark.parametrize(
    ("suffix", "subtype", "tolerance"),
    [
        ("wav", "PCM_U8", 1 / 128),
        ("wav", "PCM_16", 1 / 32_768),
        ("wav", "PCM_24", 1e-6),
        ("wav", "PCM_32", 1e-6),
        ("wav", "FLOAT", 1e-7),
        ("wav", "DOUBLE", 1e-7),
        ("flac", "PCM_16", 1 / 32_768),
        ("flac", "PCM_24", 1e-6),
    ],
)
def test_every_depth_gives_the_samples(tmp_path, suffix, subtype, tolerance):
    file = tmp_path / f"a.{suffix}"
    soundfile.write(file, tone(), RATE, subtype=subtype)
    read = read_waveform(file)
    assert read.dtype == np.float32
    assert np.abs(read - tone()).max() <= tolerance


def test_a_file_made_by_hand_gives_its_integers(tmp_path):
    file = tmp_path / "a.wav"
    levels = np.array([0, 1, -1, 16_384, 32_767, -32_768])
    file.write_bytes(wav(levels, extra=b"LIST" + struct.pack("<I", 3) + b"abc\0"))
    assert read_waveform(file).tolist() == (levels / 32_768).tolist()


@pytest.mark.parametrize("container", ["WAVEX", "RF64"])
def test_extended_headers_are_read(tmp_path, container):
    file = tmp_path / "a.wav"
    soundfile.write(file, tone(), RATE, format=container, subtype="PCM_16")
    assert len(read_waveform(file)) == 3200


def test_channels_are_averaged(tmp_path):
    file = tmp_path / "a.wav"
    left, right = tone(level=0.5), tone(hertz=1000, level=0.25)
    soundfile.write(file, np.stack([left, right], 1), RATE, subtype="FLOAT")
    assert np.abs(read_waveform(file) - (left + right) / 2).max() < 1e-7


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_other_rates_give_the_same_tone(tmp_path, rate):
    file = tmp_path / "a.wav"
    soundfile.write(file, tone(rate=rate), rate, subtype="FLOAT")
    read = read_waveform(file)
    assert len(read) == 3200
    # Resampling a sine gives that sine; the filter ripples by less than a hundredth, save at the ends.
    assert np.abs(read - tone())[200:-200].max() < 5e-3


def test_what_16_khz_cannot_hold_is_filtered_not_folded(tmp_path):
    file = tmp_path / "a.wav"
    soundfile.write(file, tone(rate=48_000, hertz=15_000), 48_000, subtype="FLOAT")
    assert np.abs(read_waveform(file))[200:-200].max() < 5e-3  # folded it would be a full tone of 1 kHz


def damaged(folder):
    """Name of each bad file to what its error must say."""
    good = wav(tone() * 32_767)
    many = np.zeros(3000)
    nan = tone()
    nan[7] = np.nan
    files = {
        "cut": (good[:3000], r"truncated: its header claims 6,400 bytes of sound, 2,956 are there"),
        "header-only": (good[:44], "truncated: .* 6,400 bytes .* 0 are there"),
        "half-a-header": (good[:20], "truncated: a WAV header without sound"),
        "riff": (b"RIFF", "not a WAV or FLAC recording"),
        "claims-4GB": (wav(many, claimed=2**32 - 10), "truncated: its header claims 4,294,967,286 bytes"),
        "claims-10GB": (rf64(many, 10 * 2**30), "truncated: its header claims 10,737,418,240 bytes"),
        "streamed": (wav(many, claimed=2**32 - 1), "truncated: its header claims 4,294,967,295 bytes"),
        "empty": (b"", "the file is empty"),
        "no-samples": (wav(np.zeros(0)), "holds no sample"),
        "text": (b"emotion,pixels,Usage\n" * 50, "not a WAV or FLAC recording"),
        "slow": (wav(many, rate=10), "10 samples per second, expected 4,000 to 384,000"),
        "fast": (wav(many, rate=2**31 - 1), "2,147,483,647 samples per second"),
        "long": (wav(np.zeros(4_000 * 601), rate=4_000), "claims 601 s, at most 600 s are read"),
    }
    for name, (data, _) in files.items():
        (folder / f"{name}.wav").write_bytes(data)
    messages = {f"{name}.wav": message for name, (_, message) in files.items()}
    soundfile.write(folder / "nan.wav", nan, RATE, subtype="FLOAT")
    soundfile.write(
        folder / "infinite.wav", np.where(np.arange(3200) == 5, np.inf, 0), RATE, subtype="DOUBLE"
    )
    soundfile.write(folder / "huge.wav", np.full(3200, 1e30), RATE, subtype="FLOAT")
    soundfile.write(folder / "aiff.wav", tone(), RATE, format="AIFF")
    soundfile.write(folder / "whole.flac", np.random.default_rng(0).normal(0, 0.1, 9000), RATE)
    whole = (folder / "whole.flac").read_bytes()
    (folder / "cut.flac").write_bytes(whole[: len(whole) // 2])
    (folder / "whole.flac").unlink()
    (folder / "folder.wav").mkdir()
    with (folder / "large.wav").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    return messages | {
        "nan.wav": "sample 7 is nan",
        "infinite.wav": "sample 5 is inf",
        "huge.wav": "sample 0 is 1e\\+30",
        "aiff.wav": "holds AIFF, not WAV or FLAC; convert it",
        "cut.flac": "truncated|damaged",
        "folder.wav": "not a regular file",
        "large.wav": "bytes are too many",
        "absent.wav": "cannot be opened",
    }


def test_every_damage_is_named_with_its_file_and_reason(tmp_path):
    for name, message in damaged(tmp_path).items():
        with pytest.raises(UnreadableAudioError, match=message) as caught:
            read_waveform(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: ")
        assert "\n" not in str(caught.value)


def test_unreadable_files_are_passed_over_and_listed_on_request(tmp_path):
    names = sorted(damaged(tmp_path))
    files = [tmp_path / name for name in names]
    for index in (0, 5):
        files.insert(index, tmp_path / f"good{index}.wav")
        files[index].write_bytes(wav(tone() * 32_767))
    read = read_recordings(files, skip_unreadable=True)
    assert read.kept.tolist() == [0, 5]
    assert [line.split(": ")[0] for line in read.skipped] == [str(f) for f in files if "good" not in f.name]
    assert read.content[0] == read.content[1]
    assert np.array_equal(read.waveforms[0], read.waveforms[1])
    with pytest.raises(UnreadableAudioError, match=names[0]):
        read_recordings(files)


def test_nothing_readable_is_an_error_even_when_skipping(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    with pytest.raises(ValueError, match=r"none of the 1 recordings can be read; the first: .*a\.wav"):
        read_recordings([tmp_path / "a.wav"], skip_unreadable=True)
    with pytest.raises(ValueError, match="no recording to read"):
        read_recordings([])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read all")
def test_a_file_without_permission_is_named(tmp_path):
    file = tmp_path / "a.wav"
    file.write_bytes(wav(tone()))
    file.chmod(0)
    with pytest.raises(UnreadableAudioError, match=r"cannot be opened .*permissions"):
        read_waveform(file)


def test_a_named_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(UnreadableAudioError, match="not a regular file"):
        read_waveform(tmp_path / "pipe.wav")


def test_prepare_is_applied_to_each(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(np.arange(100)))
    read = read_recordings([tmp_path / "a.wav"], prepare=lambda waveform: waveform[:3] * 32_768)
    assert read.waveforms[0].tolist() == [0, 1, 2]


def test_without_soundfile_one_line_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    (tmp_path / "a.wav").write_bytes(wav(tone()))
    with pytest.raises(ImportError, match=r'soundfile: pip install "grn-pruning\[audio\]"'):
        read_waveform(tmp_path / "a.wav")
    with pytest.raises(ImportError, match="soundfile"):
        read_recordings([tmp_path / "a.wav"], skip_unreadable=True)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_mutated_files_give_samples_or_one_named_error(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    kind = data.draw(st.sampled_from(["wav", "flac"]))
    seed_file = folder / f"seed.{kind}"
    if not seed_file.exists():
        soundfile.write(seed_file, tone(0.05), RATE)
    content = bytearray(seed_file.read_bytes())
    head = st.integers(0, min(len(content), 120) - 1)  # headers are where claims stand
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(head)] = data.draw(st.integers(0, 255))
    file = folder / f"mutated.{kind}"
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        read = read_waveform(file)
    except UnreadableAudioError as error:
        assert str(error).startswith(f"{file}: ")  # noqa: PT017 - either outcome is right
    else:
        assert read.ndim == 1
        assert len(read)
        assert np.isfinite(read).all()
