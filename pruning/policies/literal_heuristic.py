"""The source paper's printed program, without the guards that make it usable."""

import math
from dataclasses import dataclass

import torch

from pruning.policies.base import GatingContext, GatingDecision, PolicyState
from pruning.rewiring import literal_sigma, restoration_score
from pruning.selection import top_k_mask
from pruning.threshold import initial_threshold


@dataclass(frozen=True, kw_only=True, slots=True)
class LiteralHeuristicGating:
    """The source paper's printed program, uncapped.

    At every update and layer by layer: S = |w| + α·|g| + β·(elapsed share of training), a fresh mask
    S ≥ mean + ½ standard deviation whatever the mask was, then up to ``restored_per_layer`` silent
    connections drawn by exp(−|S − mean|/σ), σ = max(0.5, 2·(1 − elapsed)). No target sparsity
    and no floor: schedule and budget are ignored, and the measured sparsity is what comes of it.

    The program does so at the end of every epoch from the seventh on, with the gradient of the last batch.
    Give the controller one update an epoch, a schedule that begins there and ends with training, and
    ``Importance(gradient_steps=1)`` to follow it to the letter.

    Parameters
    ----------
    saliency, elapsed_time : float
        α and β of the program; the second adds a constant and so changes no ranking, as in the program.
    restored_per_layer : int
        Most connections restored in a layer at an update.
    """

    saliency: float = 0.5  # alpha
    elapsed_time: float = 0.2  # beta
    restored_per_layer: int = 100  # connections

    def __post_init__(self) -> None:
        if self.restored_per_layer < 0:
            raise ValueError(f"restored_per_layer must be at least 0, got {self.restored_per_layer}")

    @property
    def needs_gradient(self) -> bool:
        """Whether gradients must be observed: yes."""
        return True

    def decide(self, context: GatingContext, state: PolicyState) -> GatingDecision:
        """Threshold each layer afresh, then restore by the program's rule."""
        scores = (
            context.magnitude
            + self.saliency * context.gradient
            + self.elapsed_time * context.training_progress
        )
        sigma = literal_sigma(context.training_progress)
        masks = []
        for layer in context.gates.layers:
            score = scores[layer.slice]
            mask = score >= initial_threshold(score)
            keys = restoration_score((score - score.mean()).abs(), sigma, context.generator)
            silent = int((~mask).count_nonzero())
            count = min(self.restored_per_layer, silent)
            masks.append(mask | top_k_mask(keys.masked_fill(mask, -math.inf), count))
        return GatingDecision(mask=torch.cat(masks))
