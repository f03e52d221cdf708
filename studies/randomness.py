"""Random numbers as a function of (seed, purpose, counters), so that nothing has to be remembered."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive_seed(seed: int, purpose: str, *counters: int) -> int:
    """Return a 64-bit seed that depends on a run's seed, what it is for, and where in the run it is used.

    Streams for different purposes or counters are independent (:class:`numpy.random.SeedSequence` hashes
    them), and none depends on what was drawn before. A run that continues from a checkpoint therefore draws
    what it would have drawn without the interruption, and two pruning policies at one seed see the same
    initial weights, batches, augmentation and dropout.

    Parameters
    ----------
    seed : int
        The run's seed, at least 0.
    purpose : str
        What the numbers are for, such as ``"order"``.
    *counters : int
        Position in the run, such as the epoch; each at least 0.

    Raises
    ------
    ValueError
        If the seed or a counter is negative.

    Examples
    --------
    >>> derive_seed(0, "order", 3) == derive_seed(0, "order", 3)
    True
    >>> derive_seed(0, "order", 3) == derive_seed(0, "dropout", 3)
    False
    """
    if seed < 0 or any(counter < 0 for counter in counters):
        raise ValueError(f"seed and counters must be at least 0, got seed {seed} and counters {counters}")
    entropy = (seed, zlib.crc32(purpose.encode()), *counters)
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])


@contextmanager
def isolated_randomness(device: torch.device | str = "cpu") -> Iterator[None]:
    """Give the block the global generators of torch and restore them afterwards.

    Dropout and weight initialisation draw from the global generator and take no other; a run may reseed it
    freely inside this block without changing what the caller draws next.

    Examples
    --------
    >>> import torch
    >>> _ = torch.manual_seed(1); expected = torch.rand(1)
    >>> _ = torch.manual_seed(1)
    >>> with isolated_randomness():
    ...     _ = torch.manual_seed(99)
    >>> bool(torch.rand(1) == expected)
    True
    """
    device = torch.device(device)
    devices = []
    if device.type == "cuda":
        devices = [torch.cuda.current_device() if device.index is None else device.index]
    with torch.random.fork_rng(devices=devices):
        yield
