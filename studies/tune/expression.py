"""Expression of all connections under the settings: after some windows, and at rest."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from grn import Cooperation, ExpressionState, advance
from grn.analytic import hysteresis_thresholds
from grn.plot.promoter import Promoter
from pruning.selection import top_k_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from studies.tune.connections import Connections
    from studies.tune.settings import Settings

    Array = NDArray[np.float64]

WINDOWS = 8  # updates of the mask that are looked ahead
LIFETIMES = 60.0  # of the slower molecule: longer than that nothing but a gene on the very edge still moves
TOLERANCE = 1e-4  # concentration: a hundredth of a line's breadth
MANY_STEPS = 400  # where no number of steps reaches the tolerance
COARSE_STEPS = 12  # of cooperating genes while a slider is dragged
QUICK = 0.03  # s: what the engine may take while a slider is dragged
SHARE = 16  # of independent genes: one in so many is carried first, and tells how long all would take
BINS = 51  # odd: the usual leak of 0.02 and the half level are no edges, where rounding decides
EDGES = np.linspace(0.0, 1.0, BINS + 1)
HALF = 0.5  # expression: a connection above is half on or more


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Look:
    """All connections after the windows.

    Attributes
    ----------
    state : ExpressionState
        mRNA and protein of the connections that were carried.
    induction, live, kept : Tensor
        S/K, the mask before and the mask that the budget gate leaves; of those connections.
    hours : float
        Simulated time.
    one_in : int
        1 where all connections were carried; else one in so many was, as time was short.
    coarse : bool
        Whether steps were fewer than the tolerance wants.
    """

    state: ExpressionState
    induction: Tensor
    live: Tensor
    kept: Tensor
    hours: float
    one_in: int
    coarse: bool

    @property
    def mean(self) -> float:
        """Mean expression: what neighbours are held at in the figures of single genes."""
        return float(self.state.protein.mean().clamp(0.0, 1.0))

    @property
    def counts(self) -> Array:
        """Connections in each bin of `EDGES`, scaled to all."""
        return _counted(self.state.protein) * self.one_in

    @property
    def kept_counts(self) -> Array:
        """Those of them that the budget gate keeps."""
        return _counted(self.state.protein[self.kept]) * self.one_in

    @property
    def above_half(self) -> int:
        """Connections above half expression, scaled to all."""
        return int((self.state.protein > HALF).sum()) * self.one_in


def horizon(settings: Settings) -> float:
    """Simulated hours that are looked ahead: eight windows, or less where everything has come to rest."""
    slower = min(settings.mrna_decay, settings.protein_decay)
    return min(WINDOWS * settings.window, LIFETIMES / slower)


def look_ahead(connections: Connections, settings: Settings, *, dragging: bool = False) -> Look:
    """Carry all connections through the windows and read the budget gate.

    The importance is held. Connections that the first mask holds start fully expressed, the others
    unexpressed, as `pruning.ExpressionGating` starts them.

    Parameters
    ----------
    connections : Connections
        The layer.
    settings : Settings
        Rates, promoter, window and density.
    dragging : bool
        Whether an answer at once is wanted: then one connection in 16 is carried where all would take too
        long, and cooperating ones in few steps. The result says so.
    """
    hours = horizon(settings)
    threshold = connections.threshold(settings.density, settings.threshold)
    induction = connections.importance / threshold
    live = connections.live_at_start(settings.density)
    start = connections.start(settings.density)
    one_in = 1
    if settings.cooperation > 0:
        steps = COARSE_STEPS if dragging else None
        state, coarse = _carried(start, induction, hours, settings, connections, steps=steps)
    elif dragging:
        part = slice(None, None, SHARE)
        some = ExpressionState(start.mrna[part].contiguous(), start.protein[part].contiguous())
        began = time.perf_counter()
        state, coarse = _carried(some, induction[part].contiguous(), hours, settings, connections)
        if (time.perf_counter() - began) * SHARE <= QUICK:
            state, coarse = _carried(start, induction, hours, settings, connections)
        else:
            induction, live, one_in = induction[part], live[part], SHARE
    else:
        state, coarse = _carried(start, induction, hours, settings, connections)
    margin = settings.gating().margin
    score = torch.where(live, state.protein + margin, state.protein)
    count = connections.kept(settings.density) if one_in == 1 else round(settings.density * len(score))
    kept = top_k_mask(score, count, prefer=live)
    return Look(
        state=state, induction=induction, live=live, kept=kept, hours=hours, one_in=one_in, coarse=coarse
    )


def _carried(
    state: ExpressionState,
    induction: Tensor,
    hours: float,
    settings: Settings,
    connections: Connections,
    *,
    steps: int | None = None,
) -> tuple[ExpressionState, bool]:
    """State at the end, and whether it was reached in fewer steps than the tolerance wants."""
    c = settings.cooperation
    how: dict[str, Any] = {
        "kinetics": settings.kinetics,
        "autoactivation": settings.autoactivation,
        "cooperation": Cooperation(strength=c, blocks=(connections.block,)) if c > 0 else None,
        "tolerance": TOLERANCE,
    }
    if steps is not None:
        return advance(state, induction, hours, steps=steps, **how), True
    try:
        return advance(state, induction, hours, **how), False
    except ValueError:  # a gene on the very edge of two states, which no number of steps settles
        return advance(state, induction, hours, steps=MANY_STEPS, **how), True


def rest_counts(connections: Connections, settings: Settings) -> tuple[Array, int]:
    """Connections in each bin of expression at rest, and how many rest above one half: no cooperation.

    In closed form. Eq. 1 of a gene alone is monotone, so one that starts unexpressed rises to its lowest
    resting level and one that starts fully expressed falls to its highest. A gene rests at level p at one
    induction s(p) only; its lowest level is at most e if its induction is at most the largest s(p) of p ≤ e,
    and its highest is if its induction is below the smallest s(p) of p ≥ e.

    Parameters
    ----------
    connections : Connections
        The layer.
    settings : Settings
        With cooperation 0.
    """
    if settings.cooperation > 0:
        raise ValueError(f"a closed form needs cooperation 0, got {settings.cooperation}")
    promoter = Promoter(kinetics=settings.kinetics, autoactivation=settings.autoactivation)
    window = hysteresis_thresholds(settings.kinetics, settings.autoactivation)
    induction = connections.ascending / connections.threshold(settings.density, settings.threshold)
    live = connections.live_ascending(settings.density)
    b = settings.basal
    edges = np.append(EDGES[1:-1], HALF)
    inside = edges > b
    at_rest = np.zeros(len(edges))
    at_rest[inside] = promoter.induction_at_rest(edges[inside])
    at_rest[~inside] = -1.0  # a promoter leaks more than that: no gene rests so low
    rises, falls = at_rest, at_rest
    if window is not None:
        low, high = folds(promoter)
        rises = np.where((edges >= low) & inside, np.maximum(at_rest, window.switch_on), at_rest)
        rises = np.where((edges > low) & (edges < high), window.switch_on, rises)
        falls = np.where(edges <= high, np.minimum(at_rest, window.switch_off), at_rest)
        falls = np.where((edges > low) & (edges < high), window.switch_off, falls)
    below = np.searchsorted(induction[~live], rises, side="right") + np.searchsorted(
        induction[live], falls, side="left"
    )
    cumulative = np.concatenate([[0], below[:-1], [connections.genes]])
    return np.diff(cumulative).astype(np.float64), connections.genes - int(below[-1])


def relaxed(connections: Connections, settings: Settings, *, dragging: bool = False) -> tuple[Tensor, bool]:
    """Expression of all connections at rest where they cooperate: carried until nothing moves.

    For `LIFETIMES` of the slower molecule; while a slider is dragged in few steps. Also returns whether steps
    were fewer than the tolerance wants.
    """
    slower = min(settings.mrna_decay, settings.protein_decay)
    induction = connections.importance / connections.threshold(settings.density, settings.threshold)
    start = connections.start(settings.density)
    steps = 2 * COARSE_STEPS if dragging else None
    state, coarse = _carried(start, induction, LIFETIMES / slower, settings, connections, steps=steps)
    return state.protein, coarse


def folds(promoter: Promoter) -> tuple[float, float]:
    """Levels at which the lower branch of resting levels ends and the upper one begins.

    Examples
    --------
    >>> from grn import Kinetics
    >>> [round(level, 3) for level in folds(Promoter(kinetics=Kinetics(), autoactivation=3.0))]
    [0.167, 0.608]
    """
    n, b, a = promoter.kinetics.hill_coefficient, promoter.kinetics.basal, promoter.memory
    A = a * (1 - b)
    root = math.sqrt(max(0.0, ((n - 1) * A) ** 2 - 4 * n * A * (1 + a * b)))
    larger = ((n - 1) * A + root) / (2 * n * A)
    smaller = (1 + a * b) / (n * A * larger)
    return b + (1 - b) * smaller, b + (1 - b) * larger


def _counted(protein: Tensor) -> Array:
    return np.histogram(protein.numpy().clip(0.0, 1.0), bins=EDGES)[0].astype(np.float64)


def counted(protein: Tensor) -> tuple[Array, int]:
    """Connections in each bin of `EDGES`, and how many are above one half."""
    return _counted(protein), int((protein > HALF).sum())
