"""What a simulation shows, in words: the model, its states, where it ends, what a parameter changes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from grn.networks.logic.boolean import BooleanNetwork
from grn.networks.network import GeneNetwork
from grn.networks.perturb import Clamp, Knockdown, Knockout
from grn.networks.simulate import METHODS, STOCHASTIC
from grn.plot import graph
from grn.plot.labels import concentration_unit, number, shown_species, time_unit
from studies.report.page import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grn.networks.perturb import Perturbation
    from studies.simulation_options import Request
    from studies.simulation_run import Results

FEW = 10  # molecules: below, noise is as large as what it disturbs
MOST_CHANGES = 12  # parameters named that are other than the model's
WORDS = {
    "stable": ("stable steady state", "stable steady states"),
    "unstable": ("unstable steady state", "unstable steady states"),
    "oscillates": ("limit cycle", "limit cycles"),
    "undetermined": ("steady state of undetermined stability", "steady states of undetermined stability"),
}

BOOLEAN_WORDS = {
    "stable": ("fixed point", "fixed points"),
    "oscillates": ("cyclic attractor", "cyclic attractors"),
}


def headline(results: Results, request: Request) -> str:
    """Say in a sentence what the model does in the long run."""
    if "states" in results.notes:
        return results.notes["states"]
    disturbed = joined([disturbance(p) for p in request.perturbations]) if request.perturbations else ""
    noisy = results.simulation.method in STOCHASTIC
    name = f"the rate equations of {results.loaded.name}" if noisy else results.loaded.name
    name = f"{name}, {disturbed}," if disturbed else name
    sentence = _behaviour(name, results, plural=noisy)
    return sentence[0].upper() + sentence[1:] if noisy else sentence


def _behaviour(name: str, results: Results, *, plural: bool) -> str:
    rows = results.rows
    be, have, oscillate = ("are", "have", "oscillate") if plural else ("is", "has", "oscillates")
    if not rows:
        return f"{name} {have} no steady state that was found{_from_starts(results)}."
    boolean = is_boolean(results)
    counts = Counter(row.verdict for row in rows)
    words = WORDS | (BOOLEAN_WORDS if boolean else {})
    unit = "updates" if boolean else time_unit(results.loaded.model)
    periods = sorted({f"{row.period:.6g}" for row in rows if row.period is not None}, key=float)
    period = f" with period {', '.join(periods)} {unit}".rstrip() if periods else ""
    parts = {v: f"{counts[v]} {words[v][counts[v] > 1]}" for v in WORDS if counts[v]}
    if counts["oscillates"]:
        parts["oscillates"] += period
    if counts["oscillates"] == 1 and not counts["stable"]:
        del parts["oscillates"]
        around = f", around {joined(list(parts.values()))}" if parts else ""
        return f"{name} {oscillate}{period}{around}{_from_starts(results)}."
    kinds = {2: "bistable", 1: "", 0: ""}
    kind = kinds.get(counts["stable"] + counts["oscillates"], "multistable")
    what = joined(list(parts.values()))
    return f"{name} {f'{be} {kind}:' if kind else have} {what}{_from_starts(results)}."


def _from_starts(results: Results) -> str:
    return "" if results.states is None else f", found from {results.states.starts} starts"


def few_molecules(results: Results, request: Request) -> str:
    """Warn where a stochastic simulation has few molecules only because nobody said how many there are."""
    simulation = results.simulation
    if simulation.method not in STOCHASTIC or request.system_size != 1.0:
        return ""
    if concentration_unit(results.loaded.model) == "molecules":
        return ""
    highest = [float(simulation[name].mean(0).max()) for name in shown_species(simulation.species)]
    typical = float(np.median([level for level in highest if level > 0] or [0.0]))
    if typical >= FEW:
        return ""
    return (
        f"With one molecule per unit of concentration a typical species has about {number(typical)} "
        "molecules at most: noise is as large as the signal. --system-size N gives N molecules per unit."
    )


def subtitle(results: Results) -> str:
    """Name the size of the model and the method."""
    method = METHODS[results.simulation.method].split(":")[0]
    species = "" if is_boolean(results) else f", {len(results.simulation.species)} concentrations"
    return f"{_size(results)}{species}; {method}"


def _size(results: Results) -> str:
    model = results.loaded.model
    if isinstance(model, GeneNetwork | BooleanNetwork):
        names, edges = graph.genes_and_edges(model)
        genes, regulations = (_counted(len(x), w) for x, w in ((names, "gene"), (edges, "regulation")))
        return f"{genes}, {regulations}"
    return _counted(len(model.reactions), "reaction")


def introduction(results: Results, request: Request) -> str:
    """Return the HTML that heads the page: what the model is, and what it does."""
    model = results.loaded.model
    sentences = []
    if isinstance(model, GeneNetwork | BooleanNetwork):
        names, edges = graph.genes_and_edges(model)
        signs = Counter(sign for _, _, sign in edges)
        kinds = {1: "activating", -1: "repressing", 0: "mixed or unknown"}
        told = [f"{signs[sign]} {word}" for sign, word in kinds.items() if signs[sign]]
        sentences.append(
            f"A network of {_counted(len(names), 'gene')} with {_counted(len(edges), 'regulation')}"
            + (f" ({', '.join(told)})." if told else ".")
        )
    else:
        sentences.append(
            f"A system of {_counted(len(model.reactions), 'reaction')} among {len(model.species)} species."
        )
    units = [u for u in (time_unit(model), concentration_unit(model)) if u]
    if len(units) == 2:
        sentences.append(f"Time is in {units[0]}, concentrations in {units[1]}.")
    if source := str(getattr(model, "source", "")):
        sentences.append(f"Source: {source}.")
    sentences += results.loaded.notes
    if request.perturbations:
        disturbed = joined([disturbance(p) for p in request.perturbations])
        sentences.append(f"Everything below is of the perturbed model: {disturbed}.")
    changed = [f"{k} = {number(v)}" for k, v in (*request.parameters.items(), *request.start.items())]
    if changed:
        others = f" and {len(changed) - MOST_CHANGES} more" if len(changed) > MOST_CHANGES else ""
        sentences.append(f"Other than in the model: {', '.join(changed[:MOST_CHANGES])}{others}.")
    facts = [headline(results, request), _end(results), few_molecules(results, request)]
    if results.diagram is not None:
        facts.append(turning_points(results))
    lead, *more = [fact for fact in facts if fact]
    return (
        f"<p>{escape(' '.join(sentences))}</p>"
        '<div class="answer" role="note" aria-label="Answer">'
        f'<p class="lead">{escape(lead)}</p>{"".join(f"<p>{escape(fact)}</p>" for fact in more)}</div>'
    )


def disturbance(perturbation: Perturbation) -> str:
    """Say what a perturbation does.

    Examples
    --------
    >>> disturbance(Knockdown("lacI", remaining=0.3))
    'lacI knocked down to 0.3 of its transcription'
    """
    if isinstance(perturbation, Clamp):
        return f"{perturbation.species} held at {number(perturbation.level)}"
    if isinstance(perturbation, Knockout):
        return f"{perturbation.gene} knocked out"
    if isinstance(perturbation, Knockdown):
        return f"{perturbation.gene} knocked down to {number(perturbation.remaining)} of its transcription"
    return f"{perturbation.gene} over-expressed by {number(perturbation.activity)} of its full transcription"


def _end(results: Results) -> str:
    """Where trajectories end, by state."""
    ends, rows = results.ends, results.rows
    if not ends or not rows:
        return ""
    own, others = (_own_end(results), ends[1:]) if results.own else ("", ends)
    if not others:
        return own
    counts = Counter(others)
    told = [
        f"{counts[place]} in state {place + 1} ({rows[place].verdict})"
        for place in sorted(place for place in counts if place is not None)
    ]
    told += [f"{counts[None]} in none of them"] if counts[None] else []
    if len(others) == 1:
        return f"{own} A random start ends {told[0].removeprefix('1 ')}.".strip()
    many = f"{len(others)} random starts end"
    return f"{own} {many}: {joined(told)}.".strip()


def _own_end(results: Results) -> str:
    (place, *_) = results.ends
    if place is None:
        return ""
    verdict = results.rows[place].verdict
    if verdict == "oscillates":
        return "From its own start it goes on oscillating."
    hint = "; it stays there only because nothing disturbs it (--start moves it)"
    return (
        f"From its own start it ends in state {place + 1} ({verdict}){hint if verdict == 'unstable' else ''}."
    )


def turning_points(results: Results) -> str:
    """Say where the bifurcation diagram turns."""
    diagram = results.diagram
    assert diagram is not None
    parts = []
    for word, points in (
        ("saddle-node", diagram.saddle_nodes),
        ("Hopf point", diagram.hopf_points),
        ("branch point", diagram.branch_points),
    ):
        if points:
            values = ", ".join(number(point.parameter) for point in points[:6])
            more = f" and {len(points) - 6} more" if len(points) > 6 else ""
            parts.append(f"{word}{'s' if len(points) > 1 else ''} at {values}{more}")
    span = f"{number(diagram.low)} to {number(diagram.high)}"
    current = f" (now {number(results.current)})" if results.current is not None else ""
    found = joined(parts) if parts else "no bifurcation of steady states"
    return f"For {diagram.parameter} from {span}{current}: {found}."


def is_boolean(results: Results) -> bool:
    """Whether rules were simulated."""
    return results.simulation.method.startswith("boolean-")


def joined(parts: Sequence[str]) -> str:
    """List parts in a sentence.

    Examples
    --------
    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
