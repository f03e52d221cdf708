"""How the error of `grn.advance` compares with the tolerance it was asked for."""

from typing import Any

import numpy as np
import torch

from grn import ExpressionState, Kinetics, advance, advance_with_error, suggested_steps

TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6)
FINER = 12  # times the suggested steps, whose solution is taken for exact

# (γm, γp, n, a, hours): usual genes, stiff ones, and steep ones with strong feedback
USUAL = [
    (1.0, gamma_p, n, a, hours)
    for gamma_p in (0.5, 0.2)
    for n in (2, 4, 8)
    for a in (0.3, 1.0, 3.0)
    for hours in (0.1, 0.5, 2.0, 10.0)
]
STIFF = [
    (gamma_m, gamma_p, 4, 1.0, hours)
    for gamma_m, gamma_p in (
        (100.0, 0.1),
        (0.2, 100.0),
        (1e3, 1e-2),
        (0.1, 10.0),
        (20.0, 1.0),
        (1e6, 1.0),
        (10.0, 0.1),
    )
    for hours in (0.5, 2.0)
]
STEEP = [
    (gamma_m, gamma_p, n, a, hours)
    for gamma_m, gamma_p in ((100.0, 0.1), (0.1, 10.0), (20.0, 1.0))
    for n, a in ((2, 0.3), (8, 3.0), (2.5, 3.0))
    for hours in (0.5, 2.0)
]


def compare_with_tolerance(*, genes: int = 512, seed: int = 5) -> dict[str, Any]:
    """Carry random genes of every setting at every tolerance.

    Returns
    -------
    dict
        ``settings``; ``largest`` and ``median``, over settings and tolerances, of the largest error of a
        gene as a multiple of the tolerance; ``worst``, the setting of the largest; and ``steps``, those
        that genes took on average as a share of `suggested_steps`.
    """
    generator = torch.Generator().manual_seed(seed)
    m, p = torch.rand(2, genes, generator=generator, dtype=torch.float64)
    q = torch.randn(genes, generator=generator, dtype=torch.float64).mul_(0.7).exp_()
    state = ExpressionState(m, p)
    settings = [*USUAL, *STIFF, *STEEP]
    ratios, shares = [], []
    for gamma_m, gamma_p, n, a, hours in settings:
        kinetics = Kinetics(mrna_decay=gamma_m, protein_decay=gamma_p, hill_coefficient=n)
        often = FINER * suggested_steps(kinetics, hours, autoactivation=a)
        exact = advance(state, q, hours, kinetics=kinetics, autoactivation=a, steps=often)
        for tolerance in TOLERANCES:
            found = advance_with_error(
                state, q, hours, kinetics=kinetics, autoactivation=a, tolerance=tolerance
            )
            error = max(
                float((found.state.mrna - exact.mrna).abs().max()),
                float((found.state.protein - exact.protein).abs().max()),
            )
            count = suggested_steps(kinetics, hours, autoactivation=a, tolerance=tolerance)
            ratios.append(error / tolerance)
            shares.append(float(found.steps.double().mean()) / count)
    worst = settings[int(np.argmax(ratios)) // len(TOLERANCES)]
    return {
        "settings": len(settings),
        "tolerances": list(TOLERANCES),
        "largest": max(ratios),
        "median": float(np.median(ratios)),
        "worst": list(worst),
        "steps": float(np.mean(shares)),
    }
