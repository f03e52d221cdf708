"""The simulate study of rules: trajectories of genes that are on or off, and their attractors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from grn.networks.logic.attractors import MAX_EXHAUSTIVE_GENES, Update
from grn.networks.logic.boolean import BooleanNetwork
from grn.networks.network import GeneNetwork
from grn.networks.perturb import Clamp, Knockdown, Overexpression
from grn.networks.simulate import Simulation
from studies.simulation_model import check_name
from studies.simulation_run import Results, StateRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from grn.networks.logic.attractors import Attractor
    from grn.networks.perturb import Perturbation
    from studies.simulation_model import Loaded
    from studies.simulation_options import Request
    from studies.simulation_run import Say

LEAST_UPDATES = 10
MOST_UPDATES = 4096  # in which a synchronous trajectory may come back to a state
UPDATES_A_GENE = 20  # of asynchronous trajectories, when the time is not given


def compute_boolean(request: Request, loaded: Loaded, say: Say) -> Results:
    """Simulate the rules, and search the attractors of up to 24 genes exhaustively.

    Raises
    ------
    ValueError
        If the model has no rules, or what is asked for has no meaning for rules.
    """
    network = loaded.model.boolean() if isinstance(loaded.model, GeneNetwork) else loaded.model
    if not isinstance(network, BooleanNetwork):
        raise ValueError(f"{request.method} needs rules, and {loaded.name} is a list of reactions")
    _refuse_kinetics(request)
    network = network.with_fixed(_fixed(request.perturbations, network.genes))
    update: Update = "synchronous" if request.method == "boolean-synchronous" else "asynchronous"
    first = _starts(request, loaded, network)
    say(f"simulating, {request.method}")
    if request.until is not None:
        if request.until != int(request.until):
            raise ValueError(f"until counts updates of a Boolean simulation, got {request.until:g}")
        steps, until = int(request.until), "as asked for"
    elif update == "synchronous":
        steps, until = _until_recurrent(network, first), "until a state came back"
    else:
        steps, until = UPDATES_A_GENE * len(network.genes), f"{UPDATES_A_GENE} updates a gene"
    paths = network.simulate(first, steps, update=update, seed=request.seed)
    simulation = Simulation(
        torch.arange(steps + 1, dtype=torch.float64),
        network.genes,
        torch.from_numpy(paths.astype(np.float64)),
        request.method,
    )
    notes = {
        "phase": "A phase plane needs concentrations; rules have only on and off.",
        "bifurcation": "A bifurcation diagram needs rate equations; rules have no parameters.",
    }
    rows: tuple[StateRow, ...] = ()
    if len(network.genes) <= MAX_EXHAUSTIVE_GENES:
        say("searching the state space for attractors")
        rows = tuple(_row(attractor, update) for attractor in network.attractors(update=update))
    else:
        notes["states"] = (
            f"Attractors are searched exhaustively, in networks of up to {MAX_EXHAUSTIVE_GENES} genes; "
            f"this one has {len(network.genes)}."
        )
    return Results(loaded=loaded, simulation=simulation, rows=rows, until=until, notes=notes)


def _refuse_kinetics(request: Request) -> None:
    given = {"parameter": bool(request.parameters), "x": request.x is not None, "y": request.y is not None}
    given["bifurcation"] = request.continuation is not None and request.continuation[0] != "auto"
    for option, is_given in given.items():
        if is_given:
            raise ValueError(f"{option} is of rate equations: {request.method} does not use it")


def _fixed(perturbations: Sequence[Perturbation], genes: Sequence[str]) -> dict[str, bool]:
    fixed = {}
    for perturbation in perturbations:
        if isinstance(perturbation, Knockdown):
            raise ValueError("knockdown is of rate equations: rules know a gene on or off (--knockout)")
        if isinstance(perturbation, Clamp):
            check_name("clamp", perturbation.species, genes, "gene")
            fixed[perturbation.species] = perturbation.level > 0
        else:
            check_name("perturbation", perturbation.gene, genes, "gene")
            fixed[perturbation.gene] = isinstance(perturbation, Overexpression)
    return fixed


def _starts(request: Request, loaded: Loaded, network: BooleanNetwork) -> NDArray[np.bool_]:
    """(ensemble, genes): the model's own state, the same for all unless updates leave nothing to chance."""
    for name in request.start:
        check_name("start", name, network.genes, "gene")
    own = np.zeros(len(network.genes), bool)
    if isinstance(loaded.model, GeneNetwork):
        own[:] = [loaded.model[name].initial_protein > 0 for name in network.genes]
    states = np.tile(own, (request.ensemble, 1))
    if request.ensemble > 1 and request.method == "boolean-synchronous":
        states = np.random.default_rng(request.seed).random(states.shape) < 0.5
    for name, level in request.start.items():
        states[:, network.genes.index(name)] = level > 0
    return states


def _until_recurrent(network: BooleanNetwork, first: NDArray[np.bool_]) -> int:
    """Updates until every trajectory has come back to a state and gone round once more."""
    steps = 16
    while True:
        paths = network.simulate(first, steps)
        needed = []
        for path in paths:
            seen: dict[bytes, int] = {}
            for time, state in enumerate(path):
                before = seen.setdefault(state.tobytes(), time)
                if before != time:
                    needed.append(2 * time - before)
                    break
        if len(needed) == len(paths) or steps >= MOST_UPDATES:
            return max(LEAST_UPDATES, *needed) if needed else steps
        steps *= 2


def _row(attractor: Attractor, update: Update) -> StateRow:
    states = attractor.states.astype(float)
    period = float(len(states)) if update == "synchronous" and len(states) > 1 else None
    return StateRow(
        verdict="stable" if attractor.is_fixed_point else "oscillates",
        period=period,
        values=tuple(states.mean(0).tolist()),
        lows=tuple(states.min(0).tolist()),
        highs=tuple(states.max(0).tolist()),
        reached=attractor.basin,
    )
