"""Where trajectories end: in which of the states found, if in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from grn.networks.simulate import Simulation
    from grn.networks.states.steady import SteadyState, SteadyStates

CLOSE, SMALL = 0.02, 0.005  # of a level, and of the highest of any state: where a trajectory is at a state
ON_CYCLE = 0.05  # of its swing: distance from a limit cycle that counts as on it

Ends = tuple[int | None, ...]


def ends_of(simulation: Simulation, states: SteadyStates) -> Ends:
    """Return for each trajectory the place of the nearest state it ends in, None where it is at none of them.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> from grn.networks.simulate import simulate
    >>> from grn.networks.states.steady import steady_states
    >>> circuit = circuits.toggle()
    >>> states = steady_states(circuit, starts=16)
    >>> path = simulate(circuit, 50.0, start={"tetR": torch.tensor([0.0, 15.0])})
    >>> [round(states[place]["lacI"], 2) for place in ends_of(path, states)]
    [155.76, 0.33]
    """
    highest = max((float(state.maximum.max()) for state in states), default=0.0)
    found: list[int | None] = []
    for end in simulation.final.detach().cpu():
        away = [_distance(end, state, highest) for state in states]
        nearest = min(range(len(away)), key=away.__getitem__, default=None)
        found.append(nearest if nearest is not None and away[nearest] <= 1 else None)
    return tuple(found)


def _distance(end: torch.Tensor, state: SteadyState, highest: float) -> float:
    """Distance in units of what counts as near."""
    if state.cycle is not None:
        return state.cycle.distance(end) / ON_CYCLE
    room = CLOSE * state.values.abs() + SMALL * highest
    off = (end - state.values).abs()
    return float(torch.where(off > 0, off / room, 0.0).max())


def attractors(states: SteadyStates) -> list[int]:
    """Places of the states that trajectories stay in: stable ones and limit cycles."""
    return [place for place, state in enumerate(states) if state.verdict in ("stable", "oscillates")]


def one_each(ends: Ends, wanted: list[int]) -> list[int]:
    """Return the first trajectory that ends in each of the states wanted.

    Examples
    --------
    >>> one_each((0, None, 0, 2, 2), [0, 1, 2])
    [0, 3]
    """
    return [ends.index(place) for place in wanted if place in ends]
