"""Shift, tempo, voice, gain and masks: the augmentation of speech spectrograms."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from studies.augmentation.profile import check_batch, check_strength, per_sample, spread


@dataclass(frozen=True, kw_only=True, slots=True)
class Speech:
    """Another tempo, another voice, a shift in time and a gain, for logarithmic spectrograms.

    Tempo stretches the frames around their middle; the voice scales the mel axis from its low end, as a
    shorter or longer vocal tract does. Both interpolate linearly. The shift is by whole frames. What comes in
    from beyond an end repeats it, which in time is mostly silence. A gain adds to a logarithm: it is given in
    the sample's own standard deviation, whatever the logarithm's base and scaling. Masked bands and frames
    take the sample's own mean; there are none by default.

    The draws of a sample: shift, gain, tempo (above 0.5 slower), voice (above 0.5 higher), then width and
    place of each time mask, then of each frequency mask. A mask's width is uniform from 0, at a draw of 0.5,
    to the widest, at draws of 0 and 1.

    Raises
    ------
    ValueError
        If a strength or a number of masks is out of range.

    References
    ----------
    Jaitly and Hinton (2013), *Vocal tract length perturbation (VTLP) improves speech recognition*, ICML
    workshop; Ko et al. (2015), *Audio augmentation for speech recognition*, Interspeech, for tempo; Park et
    al. (2019), *SpecAugment*, arXiv:1904.08779, for masks.

    Examples
    --------
    >>> spectrogram = torch.arange(20.0).view(1, 1, 2, 10)
    >>> neutral = torch.full((1, Speech().draws_per_sample), 0.5)
    >>> torch.equal(Speech()(spectrogram, neutral), spectrogram)
    True
    """

    shift: float = 0.1  # shift uniform in plus or minus this part of the frames, 0 to 1
    tempo: float = 0.1  # length uniform in 1 plus or minus this, 0 to 0.5
    voice: float = 0.1  # frequencies in mel times 1 plus or minus this, uniform, 0 to 0.5
    gain: float = 0.2  # added level uniform in plus or minus this, in the sample's standard deviation, 0 to 2
    time_masks: int = 0  # 0 to 8
    longest: float = 0.1  # widest time mask, part of the frames, 0 to 0.5
    frequency_masks: int = 0  # 0 to 8
    broadest: float = 0.15  # widest frequency mask, part of the bands, 0 to 0.5

    kind: ClassVar[str] = "spectrograms"

    def __post_init__(self) -> None:
        check_strength("shift", self.shift, low=0, high=1, unit="of the frames")
        check_strength("tempo", self.tempo, low=0, high=0.5, unit="of the length")
        check_strength("voice", self.voice, low=0, high=0.5, unit="of the frequency")
        check_strength("gain", self.gain, low=0, high=2, unit="standard deviations")
        check_strength("longest", self.longest, low=0, high=0.5, unit="of the frames")
        check_strength("broadest", self.broadest, low=0, high=0.5, unit="of the bands")
        for name, count in (("time_masks", self.time_masks), ("frequency_masks", self.frequency_masks)):
            if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= 8:
                raise ValueError(f"{name} must be an integer from 0 to 8, got {count!r}")

    @property
    def draws_per_sample(self) -> int:
        """Four, and two for each mask."""
        return 4 + 2 * (self.time_masks + self.frequency_masks)

    @torch.no_grad()
    def __call__(self, images: Tensor, draws: Tensor) -> Tensor:
        """Stretch, shift and mask a batch of spectrograms; see :class:`studies.augmentation.Profile`."""
        check_batch("Speech", images, draws, draws_per_sample=self.draws_per_sample)
        if images.shape[1] != 1:
            raise ValueError(
                f"Speech needs spectrograms (B, 1, bands, frames), got {tuple(images.shape)}; "
                "for colour images choose another profile"
            )
        bands, frames = images.shape[2:]
        exact = images.double()  # so that the order of summation, which batches change, is rounded away
        mean = exact.mean(dim=(1, 2, 3), keepdim=True).to(images.dtype)
        deviation = exact.std(dim=(1, 2, 3), keepdim=True, correction=0).to(images.dtype)

        middle = (frames - 1) / 2
        time = torch.arange(frames, device=images.device) - middle
        moved = spread(draws[:, 0], self.shift * frames).round()[:, None]
        length = 1 + spread(draws[:, 2], self.tempo)[:, None]
        height = 1 + spread(draws[:, 3], self.voice)[:, None]
        result = _resampled(images, (time - moved) / length + middle)
        band = torch.arange(bands, device=images.device)
        result = _resampled(result.transpose(2, 3), band / height).transpose(2, 3)
        result = result + per_sample(spread(draws[:, 1], self.gain), images) * deviation

        widths, places = draws[:, 4::2], draws[:, 5::2]
        late, high = slice(0, self.time_masks), slice(self.time_masks, None)
        silent = _masked(widths[:, late], places[:, late], frames, self.longest)[:, None, None, :]
        muted = _masked(widths[:, high], places[:, high], bands, self.broadest)[:, None, :, None]
        return torch.where(silent | muted, mean, result)


def _resampled(images: Tensor, positions: Tensor) -> Tensor:
    """Interpolate the last axis of (B, 1, rows, length) at each sample's own positions (B, length)."""
    positions = positions.clamp(0, images.shape[3] - 1)
    below = positions.floor()
    part = (positions - below)[:, None, None, :].to(images.dtype)
    first = below.long()[:, None, None, :].expand_as(images)
    second = (first + 1).clamp_max(images.shape[3] - 1)
    return torch.lerp(images.gather(3, first), images.gather(3, second), part)


def _masked(widths: Tensor, places: Tensor, length: int, widest: float) -> Tensor:
    """Return which of `length` positions lie under any of a sample's masks: draws (B, masks) to (B, length).

    Every mask lies wholly inside.
    """
    most = int(widest * length)
    width = (spread(widths, 1.0).abs() * (most + 1)).floor().clamp_max(most)
    start = (places * (length - width + 1)).floor().minimum(length - width)
    position = torch.arange(length, device=widths.device).view(1, 1, -1)
    under = (position >= start[..., None]) & (position < (start + width)[..., None])
    return under.any(dim=1)
