"""Promoter inputs: what they refuse, and row and column means against a direct count of neighbours."""

from __future__ import annotations

import math

import pytest
import torch

from grn import Autoactivation, ConnectionBlock, Cooperation, Homeostasis, Induction, promoter_input


def test_neighbourhood_is_the_mean_over_shared_outputs_and_shared_inputs(layers):
    p = torch.rand(48, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    keys, start = [], 0
    for layer, block in enumerate(layers):
        g, o, i, k = block.shape
        for group in range(g):
            for out in range(o):
                for inp in range(i):
                    keys += [((layer, group, out), (layer, group, inp))] * k
        start += block.size
    expected = torch.tensor(
        [
            0.5 * p[[j for j, other in enumerate(keys) if other[0] == key[0]]].mean()
            + 0.5 * p[[j for j, other in enumerate(keys) if other[1] == key[1]]].mean()
            for key in keys
        ]
    )
    r = Cooperation(strength=1.0, blocks=layers).neighbourhood(p)
    assert torch.allclose(r, expected, atol=1e-15)


def test_half_expression_moves_no_threshold(cooperation):
    q = torch.rand(48, dtype=torch.float64)
    x = promoter_input(q, torch.full_like(q, 0.5), autoactivation=2.5, cooperation=cooperation)
    assert torch.allclose(x, q, atol=1e-15)


def test_log_threshold_divides_the_induction():
    x = promoter_input(torch.ones(2), torch.zeros(2), log_threshold=torch.tensor(math.log(4.0)))
    assert torch.allclose(x, torch.full((2,), 0.25))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Autoactivation(strength=-1),
            "strength must be a non-negative finite number, got -1",
        ),
        (lambda: Autoactivation(strength=math.nan), "autoactivation strength"),
        (
            lambda: Cooperation(strength=-0.5, blocks=[ConnectionBlock(outputs=1, inputs=1)]),
            "cooperation strength",
        ),
        (lambda: Cooperation(strength=1, blocks=[]), "blocks must hold at least one"),
        (
            lambda: ConnectionBlock(outputs=0, inputs=3),
            "outputs of a ConnectionBlock must be",
        ),
        (lambda: Homeostasis(rate=-1, target=0.5), "rate of the homeostasis must be"),
        (
            lambda: Homeostasis(rate=1, target=1.0),
            "target of the homeostasis must be a fraction",
        ),
        (lambda: Homeostasis(rate=1, target=0.5, width=0), "width of the homeostasis must be positive"),
        (lambda: Homeostasis(rate=1, target=0.5, level=2), "level of the homeostasis must be"),
        (lambda: Induction(importance=torch.ones(2), threshold=0.0), "threshold must be positive and finite"),
        (
            lambda: Induction(importance=torch.ones(2), threshold=torch.ones(3)),
            "threshold must be 0-d or of",
        ),
    ],
)
def test_bad_values_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_blocks_must_fill_the_gene_vector(cooperation):
    with pytest.raises(ValueError, match="they hold 48 genes, the state 47"):
        cooperation.neighbourhood(torch.ones(47))
