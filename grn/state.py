"""State of gene expression: mRNA and protein of every gene at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class ExpressionState:
    """mRNA and protein of every gene at one moment.

    Parameters
    ----------
    mrna, protein : Tensor
        m and p, in units of the fully-on steady state; same shape, dtype (floating) and device.
    log_threshold : Tensor, optional
        0-d, dimensionless: logarithm of the factor by which `Homeostasis` has raised every threshold.

    Raises
    ------
    TypeError
        If a value is not a floating-point tensor.
    ValueError
        If shapes, dtypes or devices differ.

    Examples
    --------
    >>> state = ExpressionState.initial(3, level=0.25)
    >>> state.protein
    tensor([0.2500, 0.2500, 0.2500])
    """

    mrna: Tensor
    protein: Tensor
    log_threshold: Tensor | None = None

    def __post_init__(self) -> None:
        parts = [("mrna", self.mrna), ("protein", self.protein)]
        if self.log_threshold is not None:
            parts.append(("log_threshold", self.log_threshold))
        for name, tensor in parts:
            if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
                kind = tensor.dtype if isinstance(tensor, torch.Tensor) else type(tensor).__name__
                raise TypeError(f"{name} must be a floating-point tensor, got {kind}")
            if (tensor.dtype, tensor.device) != (self.mrna.dtype, self.mrna.device):
                raise ValueError(
                    f"{name} must have the dtype and device of mrna ({self.mrna.dtype} on "
                    f"{self.mrna.device}), got {tensor.dtype} on {tensor.device}; convert with .to()"
                )
        if self.protein.shape != self.mrna.shape:
            raise ValueError(
                f"protein must have the shape of mrna {tuple(self.mrna.shape)}, "
                f"got {tuple(self.protein.shape)}"
            )
        if self.log_threshold is not None and self.log_threshold.ndim:
            raise ValueError(
                f"log_threshold must be 0-d, one for all genes, got {tuple(self.log_threshold.shape)}"
            )

    @classmethod
    def initial(
        cls,
        genes: int | tuple[int, ...],
        *,
        level: float = 0.0,
        log_threshold: float | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> ExpressionState:
        """All genes at rest at one ``level`` of mRNA and protein.

        Parameters
        ----------
        genes : int or tuple of int
            Number of genes, or the shape of the state.
        level : float
            Common concentration.
        log_threshold : float, optional
            Starting value for `Homeostasis`; None where there is none.
        dtype, device
            Of the tensors.

        Examples
        --------
        >>> ExpressionState.initial((2, 5), log_threshold=0.0).log_threshold
        tensor(0.)
        """
        theta = None if log_threshold is None else torch.tensor(log_threshold, dtype=dtype, device=device)
        shape = (genes,) if isinstance(genes, int) else genes
        return cls(
            torch.full(shape, level, dtype=dtype, device=device),
            torch.full(shape, level, dtype=dtype, device=device),
            theta,
        )

    @property
    def genes(self) -> int:
        """Number of genes."""
        return self.mrna.numel()

    def tensors(self) -> tuple[Tensor, ...]:
        """(mrna, protein) or (mrna, protein, log_threshold)."""
        if self.log_threshold is None:
            return self.mrna, self.protein
        return self.mrna, self.protein, self.log_threshold

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> ExpressionState:
        """Copy on another device or in another dtype.

        Examples
        --------
        >>> import torch
        >>> ExpressionState.initial(2).to(dtype=torch.float64).mrna.dtype
        torch.float64
        """
        return ExpressionState(*(tensor.to(device=device, dtype=dtype) for tensor in self.tensors()))

    def detach(self) -> ExpressionState:
        """Copy cut from the autograd graph; it shares memory."""
        return ExpressionState(*(tensor.detach() for tensor in self.tensors()))

    def clone(self) -> ExpressionState:
        """Copy with its own memory."""
        return ExpressionState(*(tensor.clone() for tensor in self.tensors()))
