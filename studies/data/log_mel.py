"""Log-mel spectrograms of utterances, in plain torch, and the fixed length that a batch needs."""

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

DYNAMIC_RANGE = 80.0
"""Decibels below an utterance's loudest mel power at which a spectrogram is floored."""

_SILENCE = 1e-10  # mel power of nothing, -100 dB below a full-scale constant: the logarithm's absolute floor
_SPEECH_LEVEL = 40.0  # dB below the loudest 25 ms: quieter ends are silence
_MARGIN = 0.05  # s kept before and after speech: soft onsets


def log_mel(
    waveforms: Tensor,
    *,
    sample_rate: int = 16_000,
    mel_bands: int = 64,
    window_ms: float = 25.0,
    hop_ms: float = 10.0,
    standardise: bool = True,
) -> Tensor:
    """Mel power of every frame in decibels, standardised utterance by utterance.

    Frame i is a Hann window centred at i hops, beyond the ends zeros; its power spectrum is divided by the
    sum of the window's squares, so that white noise of variance v has an expected v in every bin. The FFT is
    zero-padded to at least twice the window: even narrow low bands then hold a bin. Powers of `mel_filters`
    (HTK's scale) become decibels, at least `DYNAMIC_RANGE` below the utterance's loudest. Standardising then
    subtracts the utterance's mean and divides by its standard deviation, both over all bands and frames: no
    number of any other utterance enters, and a recording's gain leaves no trace. Digital silence gives zeros.

    Parameters
    ----------
    waveforms : Tensor
        float32, shape (N, T), full scale ±1.
    sample_rate : int
        Samples per second.
    mel_bands : int
        Bands between 0 Hz and half the sample rate.
    window_ms, hop_ms : float
        Length of a frame and distance between frames, in ms.
    standardise : bool
        False returns decibels.

    Returns
    -------
    Tensor
        float32, shape (N, 1, mel_bands, T // hop), on the waveforms' device.

    Raises
    ------
    ValueError
        If the shape, dtype or an option is out of range, or a waveform is shorter than a window.

    Examples
    --------
    >>> tone = torch.sin(2 * torch.pi * 1000 * torch.arange(16_000) / 16_000)
    >>> spectrogram = log_mel(tone[None])
    >>> spectrogram.shape, int(spectrogram[0, 0].mean(1).argmax())
    (torch.Size([1, 1, 64, 100]), 22)
    """
    if waveforms.ndim != 2 or waveforms.dtype != torch.float32:
        raise ValueError(
            f"waveforms must be float32 of shape (N, T), got {waveforms.dtype} of {tuple(waveforms.shape)}"
        )
    check_integer("sample_rate", sample_rate, low=1000, unit="Hz")
    window, hop = (
        _samples(name, milliseconds, sample_rate)
        for name, milliseconds in (("window_ms", window_ms), ("hop_ms", hop_ms))
    )
    if waveforms.shape[1] < max(window, hop):
        raise ValueError(
            f"waveforms must last at least a window and a hop, {max(window, hop)} samples, "
            f"got {waveforms.shape[1]}"
        )
    fft = 2 ** math.ceil(math.log2(2 * window))
    filters = torch.from_numpy(mel_filters(sample_rate, fft, mel_bands)).to(waveforms)
    hann = torch.hann_window(window, device=waveforms.device, dtype=waveforms.dtype)
    spectrum = torch.stft(
        waveforms,
        fft,
        hop_length=hop,
        win_length=window,
        window=hann,
        center=True,
        pad_mode="constant",
        return_complex=True,
    )[..., : waveforms.shape[1] // hop]
    power = spectrum.real.square() + spectrum.imag.square()
    decibels = 10 * torch.log10((filters @ (power / hann.square().sum())).clamp_min(_SILENCE))
    decibels = torch.maximum(decibels, decibels.amax((1, 2), keepdim=True) - DYNAMIC_RANGE)
    if standardise:
        deviation, mean = torch.std_mean(decibels, dim=(1, 2), keepdim=True, correction=0)
        # A spread below a thousandth of a decibel is rounding: silence stays zero.
        decibels = torch.where(deviation > 1e-3, (decibels - mean) / deviation.clamp_min(1e-3), 0.0)
    return decibels.unsqueeze(1)


def hertz_to_mel(hertz: np.ndarray | float) -> np.ndarray:
    """HTK's mel scale, 2595 log10(1 + f / 700): 1000 Hz are 1000 mel.

    Examples
    --------
    >>> round(float(hertz_to_mel(1000.0)))
    1000
    """
    return np.asarray(2595.0 * np.log10(1.0 + np.asarray(hertz, dtype=np.float64) / 700.0))


def mel_to_hertz(mel: np.ndarray | float) -> np.ndarray:
    """Inverse of `hertz_to_mel`."""
    return np.asarray(700.0 * (10.0 ** (np.asarray(mel, dtype=np.float64) / 2595.0) - 1.0))


def mel_filters(sample_rate: int, fft: int, mel_bands: int) -> np.ndarray:
    """Triangular filters, spaced evenly in mel from 0 Hz to half the sample rate, each of peak 1.

    Band b rises linearly in hertz from corner b to corner b + 1 and falls to corner b + 2, of
    ``mel_bands + 2`` corners: HTK's scale and height (no normalisation by area). Between the second and the
    last but one corner the filters sum to 1.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    fft : int
        Length of the Fourier transform.
    mel_bands : int
        Number of filters.

    Returns
    -------
    ndarray
        float32, shape (mel_bands, fft // 2 + 1).

    Raises
    ------
    ValueError
        If a band is so narrow that no frequency bin falls into it.

    References
    ----------
    Young et al. (2006), *The HTK book*, section 5.4; O'Shaughnessy (1987), *Speech communication*.
    """
    check_integer("mel_bands", mel_bands, low=1, unit="bands")
    return _mel_filters(sample_rate, fft, mel_bands).copy()


@lru_cache(maxsize=8)
def _mel_filters(sample_rate: int, fft: int, mel_bands: int) -> np.ndarray:
    corners = mel_to_hertz(np.linspace(0.0, float(hertz_to_mel(sample_rate / 2)), mel_bands + 2))
    bins = np.arange(fft // 2 + 1) * sample_rate / fft
    rising = (bins - corners[:-2, None]) / np.diff(corners)[:-1, None]
    falling = (corners[2:, None] - bins) / np.diff(corners)[1:, None]
    filters: np.ndarray = np.maximum(0.0, np.minimum(rising, falling))
    empty = np.flatnonzero(filters.max(1) == 0)
    if empty.size:
        raise ValueError(
            f"mel_bands={mel_bands} leaves {empty.size} bands without a frequency bin, which are "
            f"{sample_rate / fft:.1f} Hz apart; take fewer bands or a longer window"
        )
    return np.asarray(filters, dtype=np.float32)


def trim_silence(waveform: np.ndarray, *, sample_rate: int = 16_000) -> np.ndarray:
    """Cut silence off both ends: what is 40 dB below the loudest 25 ms, save for 50 ms beside the speech.

    Levels are root mean squares of 25 ms every 10 ms. A waveform of digital silence, or shorter than 25 ms,
    is returned whole.

    Parameters
    ----------
    waveform : ndarray
        Shape (T,).
    sample_rate : int
        Samples per second.

    Returns
    -------
    ndarray
        A view of `waveform`.

    Examples
    --------
    >>> speech = np.concatenate([np.zeros(16_000), np.ones(8_000), np.zeros(16_000)])
    >>> 8_000 <= len(trim_silence(speech)) < 11_000
    True
    """
    window, hop = round(0.025 * sample_rate), round(0.01 * sample_rate)
    if len(waveform) < window:
        return waveform
    energy = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    starts = np.arange(0, len(waveform) - window + 1, hop)
    power = energy[starts + window] - energy[starts]
    if power.max() <= 0:
        return waveform
    loud = starts[power >= power.max() * 10 ** (-_SPEECH_LEVEL / 10)]
    margin = round(_MARGIN * sample_rate)
    end = int(loud[-1]) + window + margin
    if loud[-1] == starts[-1]:  # the last few samples fill no frame of their own
        end = len(waveform)
    return waveform[max(0, int(loud[0]) - margin) : end]


def fit_length(waveform: np.ndarray, samples: int) -> np.ndarray:
    """Cut or pad with zeros to `samples`, evenly at both ends: float32, shape (samples,).

    Examples
    --------
    >>> fit_length(np.arange(1, 6), 3).tolist(), fit_length(np.arange(1, 3), 5).tolist()
    ([2.0, 3.0, 4.0], [0.0, 1.0, 2.0, 0.0, 0.0])
    """
    check_integer("samples", samples, low=1, unit="samples")
    fitted = np.zeros(samples, dtype=np.float32)
    extra = len(waveform) - samples
    if extra >= 0:
        fitted[:] = waveform[extra // 2 : extra // 2 + samples]
    else:
        fitted[-extra // 2 : -extra // 2 + len(waveform)] = waveform
    return fitted


def check_integer(name: str, value: int, *, low: int, unit: str) -> None:
    """Refuse what is no integer of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ValueError(f"{name} must be an integer of at least {low} {unit}, got {value!r}")


def _samples(name: str, milliseconds: float, sample_rate: int) -> int:
    if not (math.isfinite(milliseconds) and 1 <= milliseconds <= 1000):
        raise ValueError(f"{name} must be from 1 to 1000 ms, got {milliseconds!r}")
    return round(milliseconds * sample_rate / 1000)
