"""The multilayer perceptron of the gene-network pruning paper."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


class GeneInspiredNet(nn.Module):
    """Fully connected network with ReLU between its layers.

    The paper's program is ``GeneInspiredNet(784, (128, 64), 10)``. Nothing in the network is gene-inspired by
    itself: the genes are its connections, once a :class:`pruning.PruningController` gates them.

    Parameters
    ----------
    inputs : int
        Values a sample has after flattening; 48 x 48 grey pixels are 2,304.
    hidden : sequence of int
        Units of each hidden layer, from input to output. Empty gives a linear classifier.
    outputs : int
        Classes.

    Raises
    ------
    ValueError
        If a size is not a positive integer.

    Examples
    --------
    >>> import torch
    >>> network = GeneInspiredNet(inputs=64, hidden=(32, 16), outputs=10)
    >>> network(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 10])
    """

    def __init__(self, inputs: int = 784, hidden: Sequence[int] = (128, 64), outputs: int = 10) -> None:
        super().__init__()
        sizes = (inputs, *hidden, outputs)
        for size in sizes:
            if not isinstance(size, int) or size < 1:
                raise ValueError(f"layer sizes must be positive integers, got {sizes}")
        layers: list[nn.Module] = [nn.Flatten()]
        for fan_in, fan_out in pairwise(sizes):
            layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, images: Tensor) -> Tensor:
        """Map a batch (B, ...) of ``inputs`` values a sample to logits (B, outputs)."""
        logits: Tensor = self.layers(images)
        return logits
