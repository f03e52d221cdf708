"""What the networks share: checks of their options and inputs, and the scaling of attention maps."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def check_integers(*limits: tuple[str, object, int]) -> None:
    """Refuse options that are not integers of at least a least value.

    Parameters
    ----------
    *limits : tuple of str, object and int
        Name of the option, its value, the least value.

    Raises
    ------
    ValueError
        Naming the first option that is out of range.

    Examples
    --------
    >>> check_integers(("classes", 7, 2), ("width", 0, 1))
    Traceback (most recent call last):
        ...
    ValueError: width must be an integer of at least 1, got 0
    """
    for name, value, least in limits:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")


def check_dropout(dropout: float) -> None:
    """Refuse a probability of dropping that is not in [0, 1).

    Raises
    ------
    ValueError
        If it is out of range or no number.

    Examples
    --------
    >>> check_dropout(1.0)
    Traceback (most recent call last):
        ...
    ValueError: dropout must be a probability of at least 0 and less than 1, got 1.0
    """
    if not isinstance(dropout, (int, float)) or isinstance(dropout, bool) or not 0.0 <= dropout < 1.0:
        raise ValueError(f"dropout must be a probability of at least 0 and less than 1, got {dropout!r}")


def check_images(
    images: Tensor, network: str, channels: int, height: int | None = None, width: int | None = None
) -> None:
    """Refuse a batch that a network cannot take, before its layers do so in their own words.

    Parameters
    ----------
    images : Tensor
        Floating point, shape (B, channels, H, W).
    network : str
        Name of the network, for the message.
    channels : int
        Channels that it was built for.
    height, width : int or None
        Size that it was built for, in pixels; None for any.

    Raises
    ------
    ValueError
        If shape or dtype do not fit.

    Examples
    --------
    >>> check_images(torch.zeros(2, 1, 48, 48), "AMACNN", 3, 48, 48)
    Traceback (most recent call last):
        ...
    ValueError: AMACNN was built for images of shape (B, 3, 48, 48), got (2, 1, 48, 48); build it ...
    """
    fits = (
        images.dim() == 4
        and images.shape[1] == channels
        and (height is None or images.shape[2] == height)
        and (width is None or images.shape[3] == width)
    )
    if not fits:
        wanted = f"(B, {channels}, {'H' if height is None else height}, {'W' if width is None else width})"
        raise ValueError(
            f"{network} was built for images of shape {wanted}, got {tuple(images.shape)}; build it with "
            "the image_size and channels of the data, or resize the images"
        )
    if not images.is_floating_point():
        raise ValueError(
            f"{network} takes floating point images, got {images.dtype}; divide stored pixels by 255"
        )


def scaled_to_one(maps: Tensor) -> Tensor:
    """Divide each non-negative map (B, h, w) by its maximum; a map of zeros stays zero.

    Examples
    --------
    >>> scaled_to_one(torch.tensor([[[0.0, 2.0]], [[0.0, 0.0]]])).tolist()
    [[[0.0, 1.0]], [[0.0, 0.0]]]
    """
    peaks = maps.amax((1, 2), keepdim=True)
    return maps / torch.where(peaks > 0, peaks, 1.0)


@contextmanager
def looking(network: nn.Module) -> Iterator[None]:
    """Run a network in evaluation mode and without gradients; each module's mode comes back afterwards.

    Examples
    --------
    >>> network = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(1).eval())
    >>> with looking(network):
    ...     print(network[0].training, torch.is_grad_enabled())
    False False
    >>> network[0].training, network[1].training
    (True, False)
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training
