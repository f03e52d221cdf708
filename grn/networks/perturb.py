"""Perturbations as values: what is done to which genes, how strongly, and when.

>>> from grn.networks.perturb import Clamp, Knockdown, Knockout
>>> double_knockout = (Knockout("A"), Knockout("B"))
>>> late = (Knockdown("A", remaining=0.2, at=50.0), Clamp("B", level=3.0))
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from grn.kinetics import _real

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from grn.networks.network import GeneNetwork
    from grn.networks.reactions import ReactionSystem


@dataclass(frozen=True, slots=True)
class Knockout:
    """Removal of a gene.

    From the start there is none of its mRNA and protein; at a later time what there is decays.

    Parameters
    ----------
    gene : str
        Its name.
    at : float, optional
        Time of the removal; None for a mutant that never had the gene.

    Examples
    --------
    >>> Knockout("A").settings
    {'A.expression_scale': 0.0, 'A.forced_expression': 0.0}
    """

    gene: str
    at: float | None = None

    def __post_init__(self) -> None:
        _check_time(self)

    @property
    def settings(self) -> dict[str, float]:
        """Parameters that it changes."""
        return {f"{self.gene}.expression_scale": 0.0, f"{self.gene}.forced_expression": 0.0}


@dataclass(frozen=True, slots=True)
class Knockdown:
    """Transcription reduced to a fraction, as by RNA interference.

    Parameters
    ----------
    gene : str
        Its name.
    remaining : float
        Fraction of transcription that remains, in [0, 1].
    at : float, optional
        Time from which; None for always.

    Examples
    --------
    >>> Knockdown("A", remaining=0.3).settings
    {'A.expression_scale': 0.3}
    """

    gene: str
    remaining: float = 0.5
    at: float | None = None

    def __post_init__(self) -> None:
        _check_time(self)
        if not 0 <= _real("remaining", self.remaining) <= 1:
            raise ValueError(f"remaining of a knock-down must lie in [0, 1], got {self.remaining}")

    @property
    def settings(self) -> dict[str, float]:
        """Parameters that it changes."""
        return {f"{self.gene}.expression_scale": float(self.remaining)}


@dataclass(frozen=True, slots=True)
class Overexpression:
    """Transcription beside what the promoter orders, as from an inserted construct.

    Parameters
    ----------
    gene : str
        Its name.
    activity : float
        Promoter activity added, in units of the gene's full transcription.
    at : float, optional
        Time from which; None for always.

    Examples
    --------
    >>> Overexpression("A").settings
    {'A.forced_expression': 1.0}
    """

    gene: str
    activity: float = 1.0
    at: float | None = None

    def __post_init__(self) -> None:
        _check_time(self)
        if not (math.isfinite(_real("activity", self.activity)) and self.activity > 0):
            raise ValueError(
                f"activity of an over-expression must be positive and finite, got {self.activity}"
            )

    @property
    def settings(self) -> dict[str, float]:
        """Parameters that it changes."""
        return {f"{self.gene}.forced_expression": float(self.activity)}


@dataclass(frozen=True, slots=True)
class Clamp:
    """A concentration held at a level.

    Parameters
    ----------
    species : str
        A gene's name for its protein, ``NAME_mrna`` for its mRNA, or a species of any model.
    level : float
        Concentration.
    at : float, optional
        Time from which; None for always.

    Examples
    --------
    >>> Clamp("A", level=2.0).settings
    {}
    """

    species: str
    level: float = 0.0
    at: float | None = None

    def __post_init__(self) -> None:
        _check_time(self)
        if not (math.isfinite(_real("level", self.level)) and self.level >= 0):
            raise ValueError(
                f"level of a clamp must be a non-negative finite concentration, got {self.level}"
            )

    @property
    def settings(self) -> dict[str, float]:
        """Parameters that it changes: none."""
        return {}


Perturbation = Knockout | Knockdown | Overexpression | Clamp


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of time in which nothing new is done.

    Parameters
    ----------
    begin : float
        Its first moment.
    parameters : dict of str to ndarray
        (B,) each: parameters that perturbations have set so far.
    held : ndarray of bool
        (species, B): clamped concentrations.
    levels : ndarray
        (species, B): set at the beginning where `assigned`.
    assigned : ndarray of bool
        (species, B).
    """

    begin: float
    parameters: dict[str, NDArray[np.float64]]
    held: NDArray[np.bool_]
    levels: NDArray[np.float64] = field(repr=False)
    assigned: NDArray[np.bool_] = field(repr=False)


def phases(
    system: ReactionSystem,
    conditions: Sequence[Sequence[Perturbation]],
    *,
    start: float = 0.0,
    network: GeneNetwork | None = None,
) -> tuple[Phase, ...]:
    """Split time at the perturbations of a batch of conditions.

    Parameters
    ----------
    system : ReactionSystem
        What is perturbed.
    conditions : sequence of sequence of perturbations
        One sequence a member of the batch, () for the unperturbed one.
    start : float
        First moment; perturbations without a time act from it on.
    network : GeneNetwork, optional
        Where the system comes from; knock-outs, knock-downs and over-expressions need it.

    Returns
    -------
    tuple of Phase
        In order of time, the first at ``start``.

    Raises
    ------
    ValueError
        If a gene or species is unknown, a time lies before the start, or two perturbations contradict.

    Examples
    --------
    >>> from grn.networks.network import Gene, GeneNetwork
    >>> network = GeneNetwork(genes=(Gene(name="A"),))
    >>> plan = phases(network.system, [(), (Knockout("A", at=5.0),)], network=network)
    >>> [(phase.begin, phase.parameters["A.expression_scale"].tolist()) for phase in plan]
    [(0.0, [1.0, 1.0]), (5.0, [1.0, 0.0])]
    """
    batch = len(conditions)
    place = {name: k for k, name in enumerate(system.species)}
    moments = {start}
    touched: dict[str, NDArray[np.float64]] = {}
    for condition in conditions:
        seen: set[tuple[str, float]] = set()
        for perturbation in condition:
            _check_target(perturbation, system, network)
            _check_single(perturbation, seen, start)
            if perturbation.at is not None and perturbation.at < start:
                raise ValueError(
                    f"{perturbation} happens before the start of the simulation at {start:g}: leave `at` out "
                    "for a perturbation from the start"
                )
            moments.add(start if perturbation.at is None else perturbation.at)
            for name in perturbation.settings:
                touched[name] = np.full(batch, system.parameters[name])
    held = np.zeros((len(system.species), batch), bool)
    found = []
    for moment in sorted(moments):
        levels = np.zeros_like(held, dtype=np.float64)
        assigned = np.zeros_like(held)
        for k, condition in enumerate(conditions):
            for perturbation in condition:
                if (start if perturbation.at is None else perturbation.at) != moment:
                    continue
                for name, value in perturbation.settings.items():
                    touched[name][k] = value
                if isinstance(perturbation, Clamp):
                    row = place[perturbation.species]
                    held[row, k] = assigned[row, k] = True
                    levels[row, k] = perturbation.level
                elif isinstance(perturbation, Knockout) and perturbation.at is None:
                    gene = perturbation.gene
                    for row in (place[name] for name in (gene, f"{gene}_mrna") if name in place):
                        if not held[row, k]:
                            assigned[row, k] = True
        if moment == start:
            _assign_stages(system, conditions, place, levels, assigned)
        parameters = {name: values.copy() for name, values in touched.items()}
        found.append(Phase(moment, parameters, held.copy(), levels, assigned))
    return tuple(found)


def _assign_stages(
    system: ReactionSystem,
    conditions: Sequence[Sequence[Perturbation]],
    place: Mapping[str, int],
    levels: NDArray[np.float64],
    assigned: NDArray[np.bool_],
) -> None:
    """Start the stages of a delay at what was set from the start, as if it had always been so."""
    for k, condition in enumerate(conditions):
        targets = {getattr(p, "species", getattr(p, "gene", "")) for p in condition if p.at is None}
        for stage, leader in system.followers.items():
            row, source = place[stage], place[leader]
            if leader in targets and assigned[source, k] and not assigned[row, k]:
                assigned[row, k] = True
                levels[row, k] = levels[source, k]


def _check_target(perturbation: Perturbation, system: ReactionSystem, network: GeneNetwork | None) -> None:
    if isinstance(perturbation, Clamp):
        if perturbation.species not in system.initial:
            raise ValueError(
                f"cannot clamp {perturbation.species!r}: the species are {', '.join(system.species)}"
            )
        return
    if not isinstance(perturbation, Knockout | Knockdown | Overexpression):
        raise TypeError(
            f"a perturbation must be a Knockout, Knockdown, Overexpression or Clamp, got {perturbation!r}"
        )
    if network is None:
        raise ValueError(
            f"{perturbation} needs a gene network, and this model is a list of reactions: use "
            f"Clamp({perturbation.gene!r}, level=0) or change a rate through parameters="
        )
    if perturbation.gene not in network.names:
        raise ValueError(f"no gene {perturbation.gene!r} to perturb: those are {', '.join(network.names)}")


def _check_single(perturbation: Perturbation, seen: set[tuple[str, float]], start: float) -> None:
    moment = start if perturbation.at is None else perturbation.at
    for target in perturbation.settings or (getattr(perturbation, "species", ""),):
        if (target, moment) in seen:
            raise ValueError(f"{perturbation} contradicts another perturbation of one condition at that time")
        seen.add((target, moment))


def _check_time(perturbation: Perturbation) -> None:
    if perturbation.at is not None and not math.isfinite(_real("at", perturbation.at)):
        raise ValueError(f"at must be a finite time or None for the start, got {perturbation.at}")
