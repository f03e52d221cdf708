"""Eq. 1 of a gene among neighbours as the equation of a gene alone, which has closed forms to draw."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from grn.regulation import check_strength

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from grn.kinetics import Kinetics

    Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Promoter:
    """Promoter of Eq. 1 whose neighbours' mean expression r is held.

    ``(1 + a·p + c·r)/(1 + (a+c)/2) = g·(1 + a'·p)/(1 + a'/2)`` with ``a' = a/(1 + c·r)`` and a factor g on
    the induction: all closed forms of a gene alone hold with a' and g·S/K.

    Parameters
    ----------
    kinetics : Kinetics
        n and b.
    autoactivation, cooperation : float
        a and c, non-negative.
    neighbourhood : float
        r, in [0, 1].

    Raises
    ------
    ValueError
        If a strength is negative or r outside [0, 1].

    Examples
    --------
    >>> from grn.kinetics import Kinetics
    >>> alone = Promoter(kinetics=Kinetics(), autoactivation=3.0)
    >>> alone.memory, alone.gain
    (3.0, 1.0)
    """

    kinetics: Kinetics
    autoactivation: float = 0.0
    cooperation: float = 0.0
    neighbourhood: float = 0.5

    def __post_init__(self) -> None:
        check_strength("autoactivation", self.autoactivation)
        check_strength("cooperation", self.cooperation)
        if not 0 <= self.neighbourhood <= 1:
            raise ValueError(f"neighbourhood must be a mean level in [0, 1], got {self.neighbourhood}")

    @property
    def memory(self) -> float:
        """The autoactivation a' of a gene alone that behaves alike."""
        return self.autoactivation / (1 + self.cooperation * self.neighbourhood)

    @property
    def gain(self) -> float:
        """g: what a gene alone must have as induction, for each unit of induction here."""
        both = 1 + (self.autoactivation + self.cooperation) / 2
        return (1 + self.cooperation * self.neighbourhood) / both * (1 + self.memory / 2)

    def activity(self, induction: Array | float, protein: Array) -> Array:
        """``b + (1−b)·xⁿ/(1+xⁿ)`` at each induction and protein level."""
        b, n = self.kinetics.basal, self.kinetics.hill_coefficient
        x = np.asarray(induction) * self.gain * (1 + self.memory * protein) / (1 + self.memory / 2)
        with np.errstate(divide="ignore"):
            log = n * np.log(x)
        level: Array = b + (1 - b) / (1 + np.exp(-np.clip(log, -700, 700)))
        return level

    def induction_at_rest(self, protein: Array) -> Array:
        """Induction at which a gene rests at each protein level of (b, 1).

        Examples
        --------
        >>> from grn.kinetics import Kinetics
        >>> Promoter(kinetics=Kinetics(basal=0.0)).induction_at_rest(np.array([0.5])).round(6)
        array([1.])
        """
        b, n = self.kinetics.basal, self.kinetics.hill_coefficient
        odds = (protein - b) / (1 - protein)
        rest: Array = odds ** (1 / n) * (1 + self.memory / 2) / (1 + self.memory * protein) / self.gain
        return rest

    @property
    def least_bistable(self) -> float:
        """Autoactivation a above which some induction has two stable states; infinite where none has.

        The saddle-nodes of `grn.analytic.hysteresis_thresholds` meet where
        ``a'·((n−1)²·(1−b) − 4n·b) = 4n``.

        Examples
        --------
        >>> from grn.kinetics import Kinetics
        >>> round(Promoter(kinetics=Kinetics(hill_coefficient=4, basal=0.0)).least_bistable, 4)  # 16/9
        1.7778
        """
        b, n = self.kinetics.basal, self.kinetics.hill_coefficient
        slope = (n - 1) ** 2 * (1 - b) - 4 * n * b
        if n <= 1 or slope <= 0:
            return math.inf
        return 4 * n / slope * (1 + self.cooperation * self.neighbourhood)
