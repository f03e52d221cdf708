"""What acts on a promoter: induction, memory of the gene itself, its neighbours, and a shared threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from grn.kinetics import _real

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Induction:
    """The inducer of each gene: its importance S against the promoter threshold K.

    Parameters
    ----------
    importance : Tensor
        S, non-negative, one value a gene.
    threshold : float or Tensor
        K, positive, in the unit of S; 0-d or one value a gene.

    Raises
    ------
    ValueError
        If the threshold is not positive and finite, or its shape fits neither form.

    Examples
    --------
    >>> import torch
    >>> Induction(importance=torch.tensor([0.5, 2.0]), threshold=0.5).ratio
    tensor([1., 4.])
    """

    importance: Tensor
    threshold: float | Tensor = 1.0

    def __post_init__(self) -> None:
        K = self.threshold
        if isinstance(K, torch.Tensor):
            if K.ndim and K.shape != self.importance.shape:
                raise ValueError(
                    f"threshold must be 0-d or of the shape of importance {tuple(self.importance.shape)}, "
                    f"got {tuple(K.shape)}"
                )
            good = bool((torch.isfinite(K) & (K > 0)).all())
        else:
            good = math.isfinite(_real("threshold", K)) and K > 0
        if not good:
            raise ValueError(f"threshold must be positive and finite, in the unit of importance, got {K}")

    @property
    def ratio(self) -> Tensor:
        """S/K, dimensionless: 1 is half activation of a gene whose neighbourhood is half expressed."""
        return self.importance / self.threshold


@dataclass(frozen=True, kw_only=True, slots=True)
class Autoactivation:
    """Memory: a gene's protein raises its own promoter input by the factor ``1 + a·p``.

    Parameters
    ----------
    strength : float
        a, dimensionless, non-negative and finite; 0 is no memory.

    Raises
    ------
    ValueError
        If ``strength`` is negative or not finite.

    Examples
    --------
    >>> Autoactivation(strength=1.0).strength
    1.0
    """

    strength: float = 1.0

    def __post_init__(self) -> None:
        check_strength("autoactivation", self.strength)


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionBlock:
    """Layout of one layer's genes in the flat vector: row-major (groups, outputs, inputs, kernel).

    Parameters
    ----------
    outputs, inputs : int
        Output and input units of one group.
    groups : int
        Groups of a grouped convolution; 1 otherwise.
    kernel : int
        Kernel elements of one (output, input) pair; 1 for a linear layer.

    Raises
    ------
    ValueError
        If a number is not a positive integer.

    Examples
    --------
    >>> ConnectionBlock(outputs=16, inputs=8, kernel=9).size
    1152
    """

    outputs: int
    inputs: int
    groups: int = 1
    kernel: int = 1

    def __post_init__(self) -> None:
        for name in ("groups", "outputs", "inputs", "kernel"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} of a ConnectionBlock must be a positive integer, got {value!r}")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(groups, outputs, inputs, kernel)."""
        return self.groups, self.outputs, self.inputs, self.kernel

    @property
    def size(self) -> int:
        """Genes in the block."""
        return self.groups * self.outputs * self.inputs * self.kernel


@dataclass(frozen=True, kw_only=True, slots=True)
class Cooperation:
    """Neighbours: the mean expression r around a gene raises its promoter input by ``c·r``.

    r is half the mean over the genes of the same output unit plus half the mean over those of the same
    input unit of the layer, the gene itself included: row and column means, never a line graph.

    Parameters
    ----------
    strength : float
        c, dimensionless, non-negative and finite.
    blocks : sequence of ConnectionBlock
        The layers, in the order in which they fill the flat gene vector.

    Raises
    ------
    ValueError
        If ``strength`` is negative or not finite, or there is no block.

    Examples
    --------
    >>> Cooperation(strength=0.5, blocks=[ConnectionBlock(outputs=4, inputs=3)]).genes
    12
    """

    strength: float
    blocks: Sequence[ConnectionBlock]

    def __post_init__(self) -> None:
        check_strength("cooperation", self.strength)
        object.__setattr__(self, "blocks", tuple(self.blocks))
        if not self.blocks:
            raise ValueError("blocks must hold at least one ConnectionBlock, got none")

    @property
    def genes(self) -> int:
        """Genes in all blocks."""
        return sum(block.size for block in self.blocks)

    def check_genes(self, genes: int) -> None:
        """Raise ValueError unless the blocks fill exactly ``genes`` genes."""
        if genes != self.genes:
            raise ValueError(
                f"blocks of the cooperation must fill the gene vector: they hold {self.genes} genes, "
                f"the state {genes}"
            )

    def neighbourhood(self, protein: Tensor) -> Tensor:
        """r: half row mean plus half column mean of ``protein`` within each block; same shape.

        Examples
        --------
        >>> import torch
        >>> pair = Cooperation(strength=1.0, blocks=[ConnectionBlock(outputs=2, inputs=2)])
        >>> pair.neighbourhood(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        tensor([0.5000, 0.2500, 0.2500, 0.0000])
        """
        flat = protein.reshape(-1)
        self.check_genes(flat.numel())
        parts = []
        for piece, block in zip(torch.split(flat, [b.size for b in self.blocks]), self.blocks, strict=True):
            p = piece.view(block.shape)
            r = 0.5 * (p.mean(dim=(2, 3), keepdim=True) + p.mean(dim=(1, 3), keepdim=True))
            parts.append(r.expand(block.shape).reshape(-1))
        return (parts[0] if len(parts) == 1 else torch.cat(parts)).view(protein.shape)


@dataclass(frozen=True, kw_only=True, slots=True)
class Homeostasis:
    """Integral control of the expressed fraction through a threshold that all genes share.

    ``d(log K)/dt = κ·(ρ − ρ*)``: the state's ``log_threshold`` rises while more than the target is expressed,
    and every induction is divided by its exponential. ρ is the mean over genes of
    ``sigmoid((p − level)/width)``, a smooth stand-in for "p > level" without which the equation would have a
    discontinuous right-hand side, and no solution where genes sit at the level.

    Parameters
    ----------
    rate : float
        κ, 1/h, non-negative and finite.
    target : float
        ρ*, the wanted expressed fraction, in (0, 1).
    level : float
        Protein level at which a gene counts as half expressed, in [0, 1].
    width : float
        Width of the smooth indicator, in protein units; positive.

    Raises
    ------
    ValueError
        If a value is outside its range.

    Examples
    --------
    >>> import torch
    >>> Homeostasis(rate=1.0, target=0.5).expressed_fraction(torch.tensor([0.0, 1.0]))
    tensor(0.5000)
    """

    rate: float  # kappa, 1/h
    target: float  # rho*, fraction
    level: float = 0.5  # protein units
    width: float = 0.05  # protein units

    def __post_init__(self) -> None:
        if not (math.isfinite(_real("rate", self.rate)) and self.rate >= 0):
            raise ValueError(
                f"rate of the homeostasis must be a non-negative finite rate in 1/h, got {self.rate}"
            )
        if not 0 < _real("target", self.target) < 1:
            raise ValueError(f"target of the homeostasis must be a fraction in (0, 1), got {self.target}")
        if not 0 <= _real("level", self.level) <= 1:
            raise ValueError(f"level of the homeostasis must be a protein level in [0, 1], got {self.level}")
        if not (math.isfinite(_real("width", self.width)) and self.width > 0):
            raise ValueError(f"width of the homeostasis must be positive, in protein units, got {self.width}")

    def expressed_fraction(self, protein: Tensor) -> Tensor:
        """ρ: mean over all genes of the smooth indicator; 0-d."""
        return torch.sigmoid((protein - self.level) / self.width).mean()


def promoter_input(
    induction: Tensor,
    protein: Tensor,
    *,
    autoactivation: float = 0.0,
    cooperation: Cooperation | None = None,
    log_threshold: Tensor | None = None,
) -> Tensor:
    """Input of every promoter in Eq. 1: ``x = (S/K)·(1 + a·p + c·r)/(1 + (a+c)/2)``.

    The division keeps x = S/K where p = r = ½, so that feedback moves no threshold, only its sharpness.

    Parameters
    ----------
    induction : Tensor
        S/K, non-negative, one value a gene.
    protein : Tensor
        p, same shape.
    autoactivation : float
        a, dimensionless.
    cooperation : Cooperation, optional
        Strength c and the layout over which r is taken.
    log_threshold : Tensor, optional
        0-d; the induction is divided by its exponential.

    Examples
    --------
    >>> import torch
    >>> promoter_input(torch.ones(3), torch.tensor([0.0, 0.5, 1.0]), autoactivation=2.0)
    tensor([0.5000, 1.0000, 1.5000])
    """
    a, c = autoactivation, 0.0 if cooperation is None else cooperation.strength
    x = induction if log_threshold is None else induction * torch.exp(-log_threshold)
    if a == 0.0 and c == 0.0:
        return x
    feedback = 1.0 + a * protein
    if cooperation is not None and c != 0.0:
        feedback = feedback + c * cooperation.neighbourhood(protein)
    return x * (feedback / (1.0 + 0.5 * (a + c)))


def check_strength(name: str, value: float) -> None:
    """Raise unless ``value`` is a non-negative finite feedback strength."""
    if not (math.isfinite(_real(f"{name} strength", value)) and value >= 0):
        raise ValueError(f"{name} strength must be a non-negative finite number, got {value}")


def strength_of(autoactivation: float | Autoactivation) -> float:
    """Return the number a of a bare strength or an `Autoactivation`, checked."""
    if isinstance(autoactivation, Autoactivation):
        return float(autoactivation.strength)
    check_strength("autoactivation", autoactivation)
    return float(autoactivation)
