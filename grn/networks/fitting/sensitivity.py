"""Sensitivities: how concentrations answer to parameters and to where they begin.

Forward sensitivities ``S = ∂y/∂θ`` obey the variational equations, solved together with the state:

    dy/dt = f(y, θ)
    dS/dt = ∂f/∂y·S + ∂f/∂θ,     S(0) = ∂y(0)/∂θ

At a steady state ``∂y/∂θ = −(∂f/∂y)⁻¹·∂f/∂θ``. Where one number depends on many parameters (a loss),
gradients by backpropagation through `grn.networks.simulate.simulate` cost less.

References
----------
Dickinson, Gelinas, "Sensitivity analysis of ordinary differential equation systems", J. Comput. Phys. 21,
1976.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch

from grn.networks.equations import RateEquations
from grn.networks.fitting.variational import VariationalEquations, directions, expanded, level_of
from grn.networks.perturb import phases
from grn.networks.simulate import output_times, system_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from grn.integrate import Solver
    from grn.networks.fitting.variational import Method
    from grn.networks.network import GeneNetwork
    from grn.networks.perturb import Perturbation
    from grn.networks.reactions import ReactionSystem


@dataclass(frozen=True, slots=True, eq=False)
class Sensitivities:
    """Concentrations over time and their derivatives.

    Parameters
    ----------
    times : Tensor
        (T,): in the time unit of the model.
    species : tuple of str
        N names.
    names : tuple of str
        P names: parameters, and ``A(0)`` for the initial concentration of A.
    values : Tensor
        (T, N): concentrations.
    derivatives : Tensor
        (T, N, P): by each parameter, concentration per unit of it.
    levels : Tensor
        (P,): values of the parameters.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> found = sensitivities(circuits.toggle(), [0.0, 30.0], parameters=["tetR.transcription"])
    >>> found["tetR", "tetR.transcription"]  # nearly off: it is v = α₂/(1 + u)
    tensor([0.0000, 0.0064], dtype=torch.float64)
    """

    times: Tensor
    species: tuple[str, ...]
    names: tuple[str, ...]
    values: Tensor
    derivatives: Tensor
    levels: Tensor

    def __getitem__(self, key: tuple[str, str]) -> Tensor:
        """(T,): derivative of a species by a parameter."""
        return self.derivatives[:, *_place(key, self.species, self.names)]

    @property
    def logarithmic(self) -> Tensor:
        """(T, N, P): ``∂ln y/∂ln θ``, percent per percent; NaN where a concentration is 0."""
        return _logarithmic(self.derivatives, self.levels, self.values)


@dataclass(frozen=True, slots=True, eq=False)
class SteadySensitivities:
    """A steady state and its derivatives.

    Parameters
    ----------
    species : tuple of str
        N names.
    names : tuple of str
        P parameters.
    state : Tensor
        (N,): concentrations.
    derivatives : Tensor
        (N, P): by each parameter.
    levels : Tensor
        (P,): values of the parameters.

    Examples
    --------
    >>> from grn.networks.network import Gene, GeneNetwork
    >>> gene = GeneNetwork(genes=(Gene(name="A", transcription=6.0, mrna_decay=None, protein_decay=2.0),))
    >>> found = steady_sensitivities(gene, {"A": 3.0}, parameters=["A.transcription", "A.protein_decay"])
    >>> found.derivatives, found.logarithmic
    (tensor([[ 0.5000, -1.5000]], dtype=torch.float64), tensor([[ 1., -1.]], dtype=torch.float64))
    """

    species: tuple[str, ...]
    names: tuple[str, ...]
    state: Tensor
    derivatives: Tensor
    levels: Tensor

    def __getitem__(self, key: tuple[str, str]) -> Tensor:
        """Derivative of a species by a parameter."""
        return self.derivatives[_place(key, self.species, self.names)]

    @property
    def logarithmic(self) -> Tensor:
        """(N, P): ``∂ln y/∂ln θ``; NaN where a concentration is 0."""
        return _logarithmic(self.derivatives, self.levels, self.state)


def sensitivities(
    model: GeneNetwork | ReactionSystem,
    times: float | Tensor | Sequence[float],
    *,
    parameters: Sequence[str] = (),
    initial: Sequence[str] = (),
    shared: Mapping[str, str | Sequence[str]] | None = None,
    values: Mapping[str, float] | None = None,
    start: Mapping[str, float] | None = None,
    perturbations: Sequence[Perturbation] = (),
    method: Method = "ode",
    solver: Solver | None = None,
) -> Sensitivities:
    """Solve the variational equations.

    The derivatives are within the solver's tolerances as the concentrations are, each scaled by its
    parameter's value.

    Parameters
    ----------
    model : GeneNetwork or ReactionSystem
        What is simulated; delays and callables included.
    times : float, Tensor or sequence of float
        A duration (201 times from 0), or the times wanted, the first that of the start.
    parameters : sequence of str
        By which to differentiate: the model's names, or names of ``shared``.
    initial : sequence of str
        Species by whose initial concentration to differentiate: named ``A(0)`` in the result.
    shared : mapping of str to str or sequence of str, optional
        One name for parameters that are equal and change together: their names, or a pattern of them such
        as ``"*.mrna_decay"``.
    values : mapping of str to float, optional
        Parameters other than the model's.
    start : mapping of str to float, optional
        Concentrations at the start other than the model's.
    perturbations : sequence of perturbations
        What is done to the model.
    method : {"ode", "compiled"}
        torchdiffeq, or the compiled solver, hundreds of times faster on small models without delays or
        callables (after a perturbation at a later time torchdiffeq takes over).
    solver : Solver, optional
        Method and tolerances; of ``"compiled"`` the tolerances.

    Returns
    -------
    Sensitivities
        (T, N) concentrations and (T, N, P) derivatives.

    Raises
    ------
    ValueError
        If a name is unknown or a value out of range.
    RuntimeError
        If the solver could not reach the tolerance.

    Examples
    --------
    >>> from grn.networks.network import Gene, GeneNetwork
    >>> gene = GeneNetwork(genes=(Gene(name="A", mrna_decay=None, initial_protein=3.0),))
    >>> found = sensitivities(gene, [0.0, 1.0], parameters=["A.transcription"], initial=["A"])
    >>> found.derivatives[-1]  # 1 − 1/e and 1/e
    tensor([[0.6321, 0.3679]], dtype=torch.float64)
    """
    system, network = system_of(model)
    moves = directions(system, parameters, shared)
    levels = level_of(system, moves, values, shared)
    overrides = expanded(system, values or {}, shared)
    for name in initial:
        if name not in system.initial:
            raise ValueError(f"initial names {name!r}: the species are {', '.join(system.species)}")
    begin = RateEquations(system, parameters=overrides).initial(start)
    if begin.shape[1] > 1:
        raise ValueError("sensitivities are of one trajectory: give numbers in start and values, no batch")
    moments = output_times(times)
    stretches = phases(system, [tuple(perturbations)], start=float(moments[0]), network=network)
    moves.update({f"{name}(0)": () for name in initial})
    if len(moves) < len(parameters) + len(initial):
        raise ValueError(f"a name comes twice among {', '.join([*parameters, *initial])}: give it once")
    if not moves:
        raise ValueError("parameters or initial must name what to differentiate by, got neither")
    rows = [system.species.index(name) for name in initial]
    scale = np.array([abs(level) or 1.0 for level in [*levels, *begin[rows, 0].tolist()]])
    turned = np.zeros((len(begin), len(moves), 1))
    for p, row in enumerate(rows, start=len(levels)):
        turned[row, p] = 1.0
    paths, derivatives = VariationalEquations(system, moves).solve(
        begin.numpy(),
        turned,
        moments.numpy(),
        overrides=overrides,
        scale=scale,
        stretches=stretches,
        method=method,
        solver=solver,
    )
    return Sensitivities(
        moments,
        system.species,
        tuple(moves),
        torch.from_numpy(paths[:, :, 0]),
        torch.from_numpy(derivatives[:, :, :, 0]),
        torch.tensor([*levels, *begin[rows, 0].tolist()], dtype=torch.float64),
    )


def steady_sensitivities(
    model: GeneNetwork | ReactionSystem,
    state: Mapping[str, float] | Tensor,
    *,
    parameters: Sequence[str],
    shared: Mapping[str, str | Sequence[str]] | None = None,
    values: Mapping[str, float] | None = None,
    clamped: Sequence[str] = (),
    tolerance: float = 1e-6,
) -> SteadySensitivities:
    """Return ``−(∂f/∂y)⁻¹·∂f/∂θ`` at a steady state.

    Parameters
    ----------
    model : GeneNetwork or ReactionSystem
        Without delays.
    state : mapping of str to float, or Tensor
        Every concentration, or (N,) in the order of ``model.species``: steady, stable or not.
    parameters : sequence of str
        By which to differentiate: the model's names, or names of ``shared``.
    shared : mapping of str to str or sequence of str, optional
        As in `sensitivities`.
    values : mapping of str to float, optional
        Parameters other than the model's.
    clamped : sequence of str
        Species that are held where they are.
    tolerance : float
        Largest slope that counts as steady, over its scale: |dy/dt| against the size of y and of the
        Jacobian.

    Returns
    -------
    SteadySensitivities
        (N, P) derivatives.

    Raises
    ------
    ValueError
        If the state is not steady, or its derivatives do not exist: at a bifurcation, or where a conserved
        total leaves a choice of steady states.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> toggle = circuits.toggle()
    >>> state = {"lacI": 155.7634036, "tetR": 0.0995127}
    >>> steady_sensitivities(toggle, state, parameters=["lacI.transcription"])["lacI", "lacI.transcription"]
    tensor(1.0047, dtype=torch.float64)
    """
    system, _ = system_of(model)
    if system.derivatives.delayed:
        raise ValueError("steady_sensitivities knows no delays: give the model without them")
    moves = directions(system, parameters, shared)
    if not moves:
        raise ValueError("parameters must name what to differentiate by, got none")
    levels = level_of(system, moves, values, shared)
    equations = RateEquations(
        system, parameters=expanded(system, values or {}, shared), clamped=tuple(clamped)
    )
    y = _state(system, state)
    free = [k for k, name in enumerate(system.species) if name not in set(clamped)]
    jacobian = equations.jacobian(y)[0].numpy()[np.ix_(free, free)]
    slope = equations(0.0, y).numpy()[free, 0]
    reach = np.abs(jacobian).max(1, initial=0.0) * max(float(y.abs().max()), 1e-300)
    worst = int(np.argmax(np.abs(slope) - tolerance * reach)) if free else 0
    if free and not abs(slope[worst]) <= tolerance * reach[worst]:
        raise ValueError(
            f"state must be steady, but d{system.species[free[worst]]}/dt is {slope[worst]:.3g} there: find "
            "the steady state first, or raise tolerance"
        )
    members = [name for group in moves.values() for name in group]
    by_member = equations.parameter_jacobian(y, members)[0].numpy()[free]
    ends = np.cumsum([0, *(len(group) for group in moves.values())])
    by_name = np.stack([by_member[:, a:b].sum(1) for a, b in pairwise(ends)], 1)
    derivatives = np.zeros((len(y), len(moves)))
    if free:
        strength = np.linalg.svd(jacobian, compute_uv=False)
        if strength[-1] <= 1e-12 * strength[0]:
            raise ValueError(
                "the Jacobian is singular at this state: it lies at a bifurcation, or a conserved total or a "
                "species without turnover leaves a choice of steady states; clamp one species of it"
            )
        derivatives[free] = -np.linalg.solve(jacobian, by_name)
    return SteadySensitivities(
        system.species,
        tuple(moves),
        y[:, 0],
        torch.from_numpy(derivatives),
        torch.tensor(levels, dtype=torch.float64),
    )


def _state(system: ReactionSystem, state: Mapping[str, float] | Tensor) -> Tensor:
    if isinstance(state, torch.Tensor):
        y = state.detach().to(torch.float64)
        if y.shape != (len(system.species),):
            raise ValueError(f"state must have shape ({len(system.species)},), got {tuple(y.shape)}")
    else:
        missing = [name for name in system.species if name not in state]
        unknown = [name for name in state if name not in system.initial]
        if missing or unknown:
            raise ValueError(
                f"state must give every species: {', '.join(system.species)}; "
                f"missing {', '.join(missing) or 'none'}, unknown {', '.join(unknown) or 'none'}"
            )
        y = torch.tensor([float(state[name]) for name in system.species], dtype=torch.float64)
    if not bool(torch.isfinite(y).all()):
        raise ValueError("state must be finite concentrations, got NaN or infinity")
    return y[:, None]


def _place(key: tuple[str, str], of: tuple[str, ...], by: tuple[str, ...]) -> tuple[int, int]:
    if key[0] not in of:
        raise KeyError(f"no species {key[0]!r}: those are {', '.join(of)}")
    if key[1] not in by:
        raise KeyError(f"no derivative by {key[1]!r}: there are {', '.join(by)}")
    return of.index(key[0]), by.index(key[1])


def _logarithmic(derivatives: Tensor, levels: Tensor, values: Tensor) -> Tensor:
    ratio = derivatives * levels / values[..., None]
    return torch.where(values[..., None] == 0, math.nan, ratio)
