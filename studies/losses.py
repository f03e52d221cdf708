"""What training minimises: cross-entropy, focal loss and their sum, with class weights and soft labels."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from studies.recipe import LOSSES, Recipe

FOCUS = 2.0  # gamma of the focal loss: how much less a sample counts that is right already
FOCAL_SHARE = 0.25  # alpha of the focal loss


@dataclass(frozen=True, slots=True)
class Loss:
    """Loss of each sample, nats.

    ``cross-entropy`` is Σₖ wₖ·tₖ·(−log pₖ) for targets t, one-hot unless votes or smoothing soften them;
    ``focal`` is α·Σₖ wₖ·tₖ·(1 − pₖ)^γ·(−log pₖ) with γ = 2 and α = 0.25 [1]_; ``hybrid`` is the sum of both,
    with the weights in the first term alone, as AMACNN has it. A batch's loss is the plain mean over
    samples, not divided by the weights in it, so the parts of a batch add up to the whole.

    Parameters
    ----------
    kind : {"cross-entropy", "focal", "hybrid"}
        Which.
    weights : Tensor or None
        w, one a class, float32; None for 1.
    smoothing : float
        Share of every target that is spread over all classes, in [0, 1).

    References
    ----------
    .. [1] Lin et al., *Focal loss for dense object detection*, arXiv:1708.02002.

    Examples
    --------
    >>> logits, labels = torch.zeros(1, 2), torch.tensor([0])
    >>> [round(Loss(kind)(logits, labels).item(), 4) for kind in ("cross-entropy", "focal", "hybrid")]
    [0.6931, 0.0433, 0.7365]
    """

    kind: str = "cross-entropy"
    weights: Tensor | None = None
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {self.kind!r}")

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each sample, shape (B,).

        Parameters
        ----------
        logits : Tensor, shape (B, classes)
            Of any floating dtype; computed in float32 or better.
        targets : Tensor
            Class indices, int64, shape (B,), or shares of the classes, float32, shape (B, classes).
        """
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if self.kind == "cross-entropy":
            return functional.cross_entropy(
                logits,
                targets if targets.dim() == 1 else targets.to(logits.dtype),
                None if self.weights is None else self.weights.to(logits.dtype),
                reduction="none",
                label_smoothing=self.smoothing,
            )
        shares = targets if targets.dim() == 2 else functional.one_hot(targets, logits.shape[1])
        shares = shares * (1 - self.smoothing) + self.smoothing / logits.shape[1]
        surprise = -functional.log_softmax(logits, dim=1)
        focal = FOCAL_SHARE * (1 - (-surprise).exp()) ** FOCUS * surprise
        weighted = shares if self.weights is None else shares * self.weights
        if self.kind == "focal":
            return (weighted * focal).sum(1)
        return (weighted * surprise + shares * focal).sum(1)


def make_loss(recipe: Recipe, labels: Tensor, classes: int) -> Loss:
    """Return the recipe's loss for the training labels, on their device.

    Balanced weights are samples / (classes · samples of the class): 1 in the mean over samples.

    Examples
    --------
    >>> make_loss(Recipe(class_weights="balanced"), torch.tensor([0, 0, 0, 1]), 2).weights
    tensor([0.6667, 2.0000])
    """
    weights = None
    if recipe.class_weights == "balanced":
        counts = torch.bincount(labels, minlength=classes)
        weights = len(labels) / (classes * counts.clamp(min=1)).float()
    return Loss(recipe.loss, weights, recipe.label_smoothing)
