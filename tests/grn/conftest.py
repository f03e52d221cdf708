"""Settings shared by the tests of grn."""

from __future__ import annotations

import pytest
import torch

from grn import ConnectionBlock, Cooperation, ExpressionState


@pytest.fixture
def random_genes():
    """Make (state, induction) of seeded random genes around the threshold."""

    def make(genes=48, *, dtype=torch.float64, seed=0, log_threshold=None):
        generator = torch.Generator().manual_seed(seed)
        m, p = torch.rand(2, genes, generator=generator, dtype=torch.float64)
        q = torch.exp(0.7 * torch.randn(genes, generator=generator, dtype=torch.float64))
        theta = None if log_threshold is None else torch.tensor(log_threshold, dtype=dtype)
        return ExpressionState(m.to(dtype), p.to(dtype), theta), q.to(dtype)

    return make


@pytest.fixture
def layers():
    """Two layers of 48 genes in all: a convolution's and a grouped one's."""
    return (ConnectionBlock(outputs=4, inputs=2, kernel=3), ConnectionBlock(groups=2, outputs=3, inputs=4))


@pytest.fixture
def cooperation(layers):
    return Cooperation(strength=1.0, blocks=layers)
