"""Rates of a gene, and the Hill function that turns promoter input into activity."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Real
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

HOURS_PER_UNIT: Mapping[str, float] = MappingProxyType({"h": 1.0, "min": 1.0 / 60.0, "s": 1.0 / 3600.0})


@dataclass(frozen=True, kw_only=True, slots=True)
class Kinetics:
    """Rates of one gene, or of many, in Eq. 1.

    Eq. 1 is ``dm/dt = γm·[b + (1−b)·hill(x, n)] − γm·m`` and ``dp/dt = γp·m − γp·p``: time in hours,
    concentrations in units of the fully-on steady state, so that mRNA ``m`` and protein ``p`` lie in [0, 1].

    Parameters
    ----------
    mrna_decay : float or Tensor
        γm, 1/h. A tensor is 0-d (all genes) or holds one rate a gene; it may require a gradient.
    protein_decay : float or Tensor
        γp, 1/h, likewise.
    hill_coefficient : float
        n, the steepness of the promoter; dimensionless, positive.
    basal : float
        b, the leak of a silent promoter as a fraction of full activity; in [0, 1).

    Raises
    ------
    ValueError
        If a rate or ``hill_coefficient`` is not positive and finite, or ``basal`` is outside [0, 1).
    TypeError
        If a value is neither a real number nor, for the rates, a floating-point tensor.

    Examples
    --------
    >>> kinetics = Kinetics(mrna_decay=1.0, protein_decay=0.2)
    >>> round(kinetics.protein_half_life, 3)
    3.466
    >>> Kinetics(protein_decay=-1)
    Traceback (most recent call last):
    ...
    ValueError: protein_decay must be a positive finite rate in 1/h, got -1
    """

    mrna_decay: float | Tensor = 1.0  # gamma_m, 1/h
    protein_decay: float | Tensor = 0.2  # gamma_p, 1/h
    hill_coefficient: float = 4.0  # n
    basal: float = 0.02  # b, fraction of full activity

    def __post_init__(self) -> None:
        _check_rate("mrna_decay", self.mrna_decay, "a positive finite rate in 1/h")
        _check_rate("protein_decay", self.protein_decay, "a positive finite rate in 1/h")
        n = _real("hill_coefficient", self.hill_coefficient)
        if not (math.isfinite(n) and n > 0):
            raise ValueError(
                f"hill_coefficient must be a positive finite number, got {self.hill_coefficient}; "
                "gene promoters have about 1 to 10"
            )
        if not 0.0 <= _real("basal", self.basal) < 1.0:
            raise ValueError(f"basal must be a fraction of full activity in [0, 1), got {self.basal}")

    @classmethod
    def from_half_lives(
        cls,
        *,
        mrna_half_life: float | Tensor,
        protein_half_life: float | Tensor,
        unit: str = "h",
        hill_coefficient: float = 4.0,
        basal: float = 0.02,
    ) -> Kinetics:
        """Kinetics from measured half-lives: γ = ln 2 / half-life.

        Parameters
        ----------
        mrna_half_life, protein_half_life : float or Tensor
            Half-lives in ``unit``.
        unit : {"h", "min", "s"}
            The unit of both half-lives.
        hill_coefficient, basal : float
            As in `Kinetics`.

        Raises
        ------
        ValueError
            If a half-life is not positive and finite, or the unit is unknown.

        Examples
        --------
        >>> kinetics = Kinetics.from_half_lives(mrna_half_life=2, protein_half_life=10, unit="min")
        >>> round(kinetics.mrna_decay, 4), round(kinetics.protein_decay, 4)
        (20.7944, 4.1589)
        """
        if unit not in HOURS_PER_UNIT:
            raise ValueError(f"unit must be one of {', '.join(HOURS_PER_UNIT)}, got {unit!r}")
        _check_rate("mrna_half_life", mrna_half_life, f"a positive finite time in {unit}")
        _check_rate("protein_half_life", protein_half_life, f"a positive finite time in {unit}")
        hours = HOURS_PER_UNIT[unit]
        return cls(
            mrna_decay=math.log(2) / (mrna_half_life * hours),
            protein_decay=math.log(2) / (protein_half_life * hours),
            hill_coefficient=hill_coefficient,
            basal=basal,
        )

    @classmethod
    def preset(cls, name: str) -> Kinetics:
        """Kinetics of a named organism, circuit or simulator; `PRESETS` holds them with their sources.

        Raises
        ------
        ValueError
            If there is no preset of that name.

        Examples
        --------
        >>> round(Kinetics.preset("ecoli").mrna_half_life * 60, 1)  # minutes
        5.7
        """
        if name not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {name!r}")
        return PRESETS[name].kinetics

    @property
    def mrna_half_life(self) -> float | Tensor:
        """Half-life of mRNA in hours: ln 2 / γm."""
        return math.log(2) / self.mrna_decay

    @property
    def protein_half_life(self) -> float | Tensor:
        """Half-life of protein in hours: ln 2 / γp."""
        return math.log(2) / self.protein_decay

    @property
    def rates(self) -> tuple[float | Tensor, float | Tensor]:
        """(γm, γp), 1/h."""
        return self.mrna_decay, self.protein_decay

    def promoter_activity(self, promoter_input: Tensor) -> Tensor:
        """``b + (1−b)·hill(x, n)``: the promoter's activity in [b, 1] at the input x.

        Examples
        --------
        >>> import torch
        >>> Kinetics(basal=0.1).promoter_activity(torch.tensor([0.0, 1.0, torch.inf]))
        tensor([0.1000, 0.5500, 1.0000])
        """
        return self.basal + (1.0 - self.basal) * hill(promoter_input, self.hill_coefficient)

    def with_rates(self, *, mrna_decay: float | Tensor, protein_decay: float | Tensor) -> Kinetics:
        """Copy with other decay rates (1/h) and the same promoter.

        Examples
        --------
        >>> Kinetics(hill_coefficient=2).with_rates(mrna_decay=3.0, protein_decay=1.0).hill_coefficient
        2
        """
        return replace(self, mrna_decay=mrna_decay, protein_decay=protein_decay)


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """A named `Kinetics` and where its numbers come from.

    Examples
    --------
    >>> PRESETS["yeast"].source.startswith("mRNA: Wang")
    True
    """

    kinetics: Kinetics
    source: str


def hill(promoter_input: Tensor, n: float | Tensor) -> Tensor:
    """Hill function ``xⁿ/(1 + xⁿ)`` of a promoter input.

    Computed as ``sigmoid(n·log x)``, so that no power overflows: ∞ gives 1. At x = 0 the value is 0 and the
    gradient is the power's own (0 for n > 1, 1 for n = 1, ∞ for n < 1). Below 0, where an integrator's
    stage may fall, both are 0. NaN stays NaN.

    Parameters
    ----------
    promoter_input : Tensor
        x, of any shape; dimensionless.
    n : float or Tensor
        Hill coefficient, positive.

    Returns
    -------
    Tensor
        Activity in [0, 1], of the shape of x.

    Examples
    --------
    >>> import torch
    >>> hill(torch.tensor([-1.0, 0.0, 1.0, 2.0, torch.inf]), 4)
    tensor([0.0000, 0.0000, 0.5000, 0.9412, 1.0000])
    """
    x = promoter_input
    if not (torch.is_grad_enabled() and (x.requires_grad or isinstance(n, torch.Tensor))):
        return torch.sigmoid(n * torch.log(x.clamp(min=0.0)))
    # log has an infinite slope at 0 and 0·∞ is NaN: below the smallest normal number use the power itself.
    tiny = torch.finfo(x.dtype).tiny
    vanishing = x <= tiny
    inside = torch.where(vanishing, 1.0, x)
    power = torch.where(vanishing & (x >= 0), x, 1.0) ** n
    near_zero = torch.where(x >= 0, power, 0.0)
    return torch.where(vanishing, near_zero, torch.sigmoid(n * torch.log(inside)))


def _check_rate(name: str, value: float | Tensor, requirement: str) -> None:
    if isinstance(value, torch.Tensor):
        if not value.is_floating_point():
            raise TypeError(f"{name} must be a floating-point tensor, got {value.dtype}; call .float()")
        if value.numel() == 0:
            raise ValueError(f"{name} must hold at least one rate, got an empty tensor")
        good = torch.isfinite(value) & (value > 0)
        if not bool(good.all()):
            bad = value.detach()[~good].flatten()[0].item() if value.ndim else value.item()
            raise ValueError(f"{name} must be {requirement}, got {bad}")
        return
    number = _real(name, value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name} must be {requirement}, got {value}")


def _real(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a real number, got {type(value).__name__} {value!r}")
    return float(value)


_RATIO = 5.0  # gamma_m / gamma_p where a source gives no protein half-life

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "ecoli": Preset(
            kinetics=Kinetics.from_half_lives(mrna_half_life=5.7, protein_half_life=5.7 * _RATIO, unit="min"),
            source="mRNA: Bernstein et al. 2002, E. coli, mean half-life 5.7 min. Protein: our choice, five "
            "mRNA half-lives (28.5 min). Hill coefficient and basal leak: this project's defaults.",
        ),
        "yeast": Preset(
            kinetics=Kinetics.from_half_lives(
                mrna_half_life=20.0, protein_half_life=20.0 * _RATIO, unit="min"
            ),
            source="mRNA: Wang et al. 2002, S. cerevisiae, median half-life 20 min. Protein: our choice, "
            "five mRNA half-lives (100 min). Hill coefficient and basal leak: this project's defaults.",
        ),
        "mammal": Preset(
            kinetics=Kinetics.from_half_lives(mrna_half_life=9.0, protein_half_life=46.0),
            source="mRNA and protein: Schwanhäusser et al. 2011, mouse fibroblasts, median half-lives 9 h "
            "and 46 h. Hill coefficient and basal leak: this project's defaults.",
        ),
        "repressilator": Preset(
            kinetics=Kinetics.from_half_lives(
                mrna_half_life=2.0, protein_half_life=10.0, unit="min", hill_coefficient=2.0, basal=1e-3
            ),
            source="Elowitz & Leibler 2000 (BIOMD0000000012): half-lives 2 and 10 min, n = 2, transcription "
            "5e-4 per s repressed and 0.5 per s free.",
        ),
        "boolode": Preset(
            kinetics=Kinetics(mrna_decay=10.0, protein_decay=1.0, hill_coefficient=10.0, basal=0.0),
            source="BoolODE's defaults: mRNA decay 10, protein decay 1, n = 10, per unit of its time, read "
            "here as an hour. No basal leak: our choice.",
        ),
    }
)
"""Named kinetics with their sources, by name."""
