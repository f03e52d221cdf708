"""Log-mel spectrograms against closed forms, a loop in numpy and scipy's short-time Fourier transform."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from studies.data.log_mel import (
    DYNAMIC_RANGE,
    fit_length,
    hertz_to_mel,
    log_mel,
    mel_filters,
    mel_to_hertz,
    trim_silence,
)

RATE = 16_000


def noise(*shape, seed=0, level=0.1):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, level, shape).astype(np.float32))


def test_the_scale_is_htks():
    assert float(hertz_to_mel(0.0)) == 0
    assert float(hertz_to_mel(700.0)) == pytest.approx(2595 * np.log10(2))
    assert float(hertz_to_mel(8000.0)) == pytest.approx(2840.023, abs=1e-3)  # HTK's value at 8 kHz
    hertz = np.linspace(0, 8000, 50)
    assert np.allclose(mel_to_hertz(hertz_to_mel(hertz)), hertz)


@pytest.mark.parametrize(("bands", "fft"), [(64, 1024), (8, 512), (1, 64), (128, 2048)])
def test_filters_are_triangles_evenly_spaced_in_mel(bands, fft):
    filters = mel_filters(RATE, fft, bands).astype(np.float64)
    step = hertz_to_mel(RATE / 2) / (bands + 1)
    left, peak, right = (mel_to_hertz(step * (np.arange(bands) + k)) for k in range(3))
    for b in range(bands):
        for i in range(fft // 2 + 1):
            f = i * RATE / fft
            if left[b] < f < right[b]:
                height = (f - left[b]) / (peak[b] - left[b]) if f <= peak[b] else None
                height = (right[b] - f) / (right[b] - peak[b]) if height is None else height
            else:
                height = 0.0
            assert filters[b, i] == pytest.approx(height, abs=1e-6)


def test_filters_sum_to_one_between_the_outer_peaks():
    filters = mel_filters(RATE, 1024, 64)
    hertz = np.arange(513) * RATE / 1024
    corners = mel_to_hertz(np.linspace(0, hertz_to_mel(8000.0), 66))
    inner = (hertz >= corners[1]) & (hertz <= corners[-2])
    assert np.allclose(filters.sum(0)[inner], 1, atol=1e-6)


def test_too_many_bands_are_refused():
    with pytest.raises(
        ValueError, match=r"mel_bands=400 leaves \d+ bands without a frequency bin.*fewer bands"
    ):
        mel_filters(RATE, 512, 400)


@pytest.mark.parametrize("hertz", [150.0, 440.0, 1000.0, 3000.0, 7000.0])
def test_a_pure_tone_peaks_in_the_band_whose_centre_is_nearest(hertz):
    tone = torch.sin(2 * torch.pi * hertz * torch.arange(RATE) / RATE).float()
    centres = mel_to_hertz(np.linspace(0, hertz_to_mel(8000.0), 66))[1:-1]
    bands = log_mel(tone[None])[0, 0, :, 5:-5].argmax(0).unique().tolist()
    assert len(bands) == 1
    nearest = np.argsort(np.abs(hertz_to_mel(centres) - hertz_to_mel(hertz)))[:2]
    assert bands[0] in nearest


def test_a_tone_has_the_level_that_its_window_gives():
    # |X| at the tone is A/2 times the window's sum, so power over the window's squares is A²/4 (Σw)²/Σw²:
    # for a Hann window of n samples A²/4 · n/1.5.
    amplitude, bands = 0.5, 64
    peak_bin = 128  # of 1024, in the inside of the filters: 2000 Hz
    tone = amplitude * torch.cos(2 * torch.pi * peak_bin / 1024 * torch.arange(RATE))
    got = log_mel(tone[None], mel_bands=bands, standardise=False)[0, 0, :, 50]
    hann = np.hanning(401)[:400]
    window = np.abs(np.fft.fft(hann, 1024)) ** 2 * amplitude**2 / 4 / (hann**2).sum()
    expected = mel_filters(RATE, 1024, bands) @ np.roll(window, peak_bin)[:513]
    top = int(got.argmax())
    assert float(got[top]) == pytest.approx(10 * np.log10(expected[top]), abs=0.01)


def test_white_noise_has_its_variance_in_every_bin():
    # Parseval: the expected power of every bin is the variance, so a band's is the variance times its area.
    variance = 0.01
    decibels = log_mel(noise(4, 10 * RATE, level=variance**0.5), standardise=False, mel_bands=16)
    power = (10 ** (decibels.double() / 10))[..., 3:-3].mean((0, 1, 3)).numpy()
    area = mel_filters(RATE, 1024, 16).sum(1)
    # Of 4000 frames more than half are independent: a band's mean is good to 2 %, and 8 % are 4 deviations.
    assert np.allclose(power / area, variance, rtol=0.08)


def test_decibels_are_those_of_scipys_transform():
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    wave = noise(1, 8000, seed=3)
    window = hann(400, sym=False)
    transform = ShortTimeFFT(window, 160, RATE, fft_mode="onesided", mfft=1024, phase_shift=None)
    spectrum = np.abs(transform.stft(wave[0].double().numpy(), p0=0, p1=50)) ** 2 / (window**2).sum()
    expected = 10 * np.log10(mel_filters(RATE, 1024, 64) @ spectrum)
    got = log_mel(wave, standardise=False)[0, 0].numpy()
    assert got.shape == expected.shape == (64, 50)
    assert np.abs(got - expected).max() < 1e-2  # float32 against double


def test_decibels_are_those_of_a_loop_over_frames():
    wave = noise(2, 3000, seed=1)
    got = log_mel(wave, mel_bands=12, window_ms=20, hop_ms=5, standardise=False)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(320) / 320)
    filters = mel_filters(RATE, 1024, 12)
    assert got.shape == (2, 1, 12, 37)
    padded = np.pad(wave.double().numpy(), ((0, 0), (160, 160)))
    for sample in range(2):
        for frame in range(37):
            cut = padded[sample, 80 * frame : 80 * frame + 320] * hann
            power = filters @ (np.abs(np.fft.rfft(cut, 1024)) ** 2) / (hann**2).sum()
            assert np.abs(got[sample, 0, :, frame].numpy() - 10 * np.log10(power)).max() < 1e-2


def test_every_utterance_has_mean_zero_and_deviation_one():
    spectrograms = log_mel(noise(5, RATE) * torch.logspace(-3, 0, 5)[:, None])
    assert spectrograms.dtype == torch.float32
    assert spectrograms.mean((1, 2, 3)).abs().max() < 1e-4
    assert (spectrograms.std((1, 2, 3), correction=0) - 1).abs().max() < 1e-4


@given(st.floats(0.01, 100.0), st.integers(0, 100))
def test_gain_leaves_no_trace(gain, seed):
    wave = noise(1, 4000, seed=seed)
    # White noise stays above the absolute floor at these gains; what remains is rounding of decibels.
    assert torch.allclose(log_mel(gain * wave), log_mel(wave), atol=1e-3)


def test_an_utterance_does_not_depend_on_its_neighbours():
    waves = noise(3, 6000) * torch.tensor([[1.0], [5.0], [0.1]])
    together = log_mel(waves)
    for i in range(3):
        assert torch.allclose(together[i], log_mel(waves[i : i + 1])[0], atol=1e-4)


def test_silence_is_zero_and_the_range_is_bounded():
    assert torch.equal(log_mel(torch.zeros(1, 8000)), torch.zeros(1, 1, 64, 50))
    click = torch.zeros(1, 8000)
    click[0, 4000] = 1.0
    decibels = log_mel(click, standardise=False)
    assert float(decibels.max() - decibels.min()) <= DYNAMIC_RANGE + 1e-3
    assert torch.isfinite(log_mel(click)).all()


@pytest.mark.parametrize(
    ("waves", "options", "message"),
    [
        (torch.zeros(8000), {}, r"float32 of shape \(N, T\), got torch.float32 of \(8000,\)"),
        (torch.zeros(1, 8000).double(), {}, r"got torch.float64"),
        (torch.zeros(1, 399), {}, "at least a window and a hop, 400 samples, got 399"),
        (torch.zeros(1, 8000), {"mel_bands": 0}, "mel_bands must be an integer of at least 1 bands, got 0"),
        (torch.zeros(1, 8000), {"sample_rate": 8e3}, "sample_rate must be an integer of at least 1000 Hz"),
        (torch.zeros(1, 8000), {"hop_ms": 0.0}, r"hop_ms must be from 1 to 1000 ms, got 0\.0"),
        (torch.zeros(1, 8000), {"window_ms": float("nan")}, "window_ms must be from 1 to 1000 ms, got nan"),
    ],
)
def test_bad_arguments_are_refused(waves, options, message):
    with pytest.raises(ValueError, match=message):
        log_mel(waves, **options)


def test_silence_at_both_ends_is_trimmed_to_the_margin():
    quiet = 1e-4 * np.random.default_rng(0).normal(size=RATE)
    speech = np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE)
    trimmed = trim_silence(np.concatenate([quiet, speech, quiet]))
    # 50 ms of margin, and up to a window of 25 ms that holds the first or last sample above -40 dB.
    assert RATE + 2 * 800 - 320 <= len(trimmed) <= RATE + 2 * (800 + 400)


def test_a_pause_inside_is_kept():
    burst, pause = np.ones(2000), np.zeros(RATE)
    wave = np.concatenate([burst, pause, burst])
    assert np.array_equal(trim_silence(wave), wave)


@given(st.integers(0, 3000), st.integers(0, 50))
def test_trimming_gives_a_stretch_that_holds_the_loudest_sample(length, seed):
    rng = np.random.default_rng(seed)
    wave = rng.normal(size=length) * np.exp(-((np.arange(length) - 1500) ** 2) / 2e4)
    trimmed = trim_silence(wave)
    assert len(trimmed) <= length
    if length:
        assert np.abs(trimmed).max() == np.abs(wave).max()
    assert np.array_equal(trim_silence(7 * wave), 7 * trimmed)
    assert len(trim_silence(np.zeros(length))) == length


@given(st.integers(0, 50), st.integers(1, 50))
def test_fitting_is_central_in_both_directions(length, samples):
    wave = np.arange(1, length + 1, dtype=np.float32)
    fitted = fit_length(wave, samples)
    assert fitted.shape == (samples,)
    there = fitted[fitted > 0]
    assert len(there) == min(length, samples)
    if length >= samples:
        before, after = there[0] - 1, length - there[-1]
    else:
        before, after = int((fitted == 0).argmin()) if length else 0, 0
        after = samples - length - before if length else 0
    assert abs(before - after) <= 1
    assert (np.diff(there) == 1).all()
