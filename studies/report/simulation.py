"""The page of the simulate study: words first, then every picture that the model allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grn import plot
from grn.networks.logic.boolean import BooleanNetwork
from grn.networks.network import GeneNetwork
from grn.networks.perturb import Clamp, Knockout
from grn.networks.simulate import STOCHASTIC
from grn.plot import graph
from grn.plot.labels import is_mrna, number, time_unit
from grn.plot.plane import Plane
from studies.report.page import Plot, Section, escape, render_page, table
from studies.report.simulation_words import (
    few_molecules,
    headline,
    introduction,
    is_boolean,
    joined,
    subtitle,
    turning_points,
)
from studies.report.tables import settings_rows
from studies.simulation_files import STATES, TRAJECTORIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from studies.simulation_options import Request
    from studies.simulation_run import Results, StateRow

MOST_GENES_DRAWN = 150
MOST_STATES_SHOWN = 24  # in the table of the page; the file has all


def build_page(results: Results, request: Request, record: Mapping[str, Any], command: str) -> str:
    """Return the page.

    Parameters
    ----------
    results : Results
        What was computed.
    request : Request
        What was asked for.
    record : mapping
        The study's record: versions and commit are shown from it.
    command : str
        Which does the same again.
    """
    rates = not is_boolean(results)
    sections = [
        Section(name="time", heading="Over time", blocks=_time_blocks(results, request)),
    ]
    if rates:
        sections += [
            Section(name="plane", heading="Phase plane", blocks=_plane_blocks(results, request)),
            Section(name="parameter", heading="Bifurcation diagram", blocks=_parameter_blocks(results)),
        ]
    sections += [
        Section(name="regulation", heading="Who regulates whom", blocks=_graph_blocks(results, request)),
        Section(name="states", heading=_states_heading(results), blocks=_state_blocks(results)),
        Section(name="method", heading="How it was run", blocks=_method_blocks(record, command)),
    ]
    return render_page(
        title=f"Simulate: {results.loaded.name}",
        subtitle=subtitle(results),
        introduction=introduction(results, request),
        sections=sections,
        footer=f"Made by python -m studies simulate. Commit {record.get('commit') or 'unknown'}.",
    )


def _time_blocks(results: Results, request: Request) -> list[str | Plot]:
    simulation = results.simulation
    unit = "updates" if is_boolean(results) else time_unit(results.loaded.model)
    words = [f"Up to {f'{number(float(simulation.times[-1]))} {unit}'.strip()}: {results.until}."]
    noisy = simulation.method in STOCHASTIC
    ends = None
    if len(simulation) > 1 and results.ends:
        ends = ["no state found" if end is None else f"state {end + 1}" for end in results.ends]
        words.append(f"{_courses(results)} Colours tell in which of the states below each ends.")
    elif len(simulation) > 1:
        random = noisy or simulation.method == "boolean-asynchronous"
        what = f"{len(simulation)} {'trajectories' if random else 'random starts'}"
        words.append(
            f"Brighter where more of {what} are on."
            if is_boolean(results)
            else f"Median of {what}; the band holds the middle 80 %, faint lines are single ones."
        )
    if results.reference is not None:
        grey = " grey" if ends else ""
        words.append(f"Thin{grey} and faint: the model without the perturbation.")
    if noisy:
        words.append(f"Molecules per unit of concentration: {number(request.system_size)}.")
        words.append(few_molecules(results, request))
    figure = plot.trajectories(
        simulation,
        model=results.loaded.model,
        reference=results.reference,
        ends=ends,
        heavy=0 if results.own else None,
        title="Trajectories",
    )
    words.append(f"All numbers are in {TRAJECTORIES}.")
    caption, description = escape(" ".join(filter(None, words))), headline(results, request)
    return [Plot(name="trajectories", figure=figure, caption=caption, description=description)]


def _courses(results: Results) -> str:
    count = len(results.simulation)
    if not results.own:
        return f"{count} random starts."
    others = "a random start" if count == 2 else f"{count - 1} random starts"
    return f"The heavy line is the model's own start, beside it {others}, one to each other state reached."


def _plane_blocks(results: Results, request: Request) -> list[str | Plot]:
    if results.pair is None:
        return [f"<p>{escape(results.notes['phase'])}</p>"]
    model = results.loaded.kinetic
    assert results.states is not None
    x, y = results.pair
    settings = {name: value for p in request.perturbations for name, value in p.settings.items()}
    clamped = {p.species: p.level for p in request.perturbations if isinstance(p, Clamp)}
    first = next(iter(results.states), None)
    arguments: dict[str, Any] = {
        "parameters": {**request.parameters, **settings},
        "held": {} if first is None else dict(zip(first.species, first.values.tolist(), strict=True)),
        "clamped": clamped,
    }
    simulation = results.simulation if results.simulation.method in ("ode", "compiled") else None
    figure = plot.phase_plane(
        model, x, y, states=results.states, simulation=simulation, title=f"{y} against {x}", **arguments
    )
    return [
        Plot(
            name="phase-plane",
            figure=figure,
            caption=escape(_plane_caption(Plane(model, x, y, **arguments), simulation is None)),
            description=f"Direction field and nullclines of {x} and {y}. {headline(results, request)}",
        )
    ]


def _plane_caption(plane: Plane, without_paths: bool) -> str:
    words = [
        f"On a nullcline one of the two does not change: {plane.x} on the solid one, {plane.y} on the "
        "dashed; where they cross, neither does. Arrows give the direction alone."
    ]
    if plane.following:
        many = len(plane.following) > 6
        names = f"{len(plane.following)} others" if many else joined(plane.following)
        be, they = ("are", "they") if len(plane.following) > 1 else ("is", "it")
        words.append(
            f"{names} {be} taken at the level {they} would reach if these two were held "
            "(quasi-steady state); trajectories are of the whole model and may cross the arrows."
        )
    if plane.held:
        names = joined([f"{name} = {number(level)}" for name, level in list(plane.held.items())[:6]])
        more = f" and {len(plane.held) - 6} more" if len(plane.held) > 6 else ""
        words.append(
            f"Held as in the first state: {names}{more}; states in which these differ may lie off the "
            "crossings."
        )
    if without_paths:
        words.append("Noisy trajectories are left out.")
    return " ".join(words)


def _parameter_blocks(results: Results) -> list[str | Plot]:
    note = results.notes.get("bifurcation", "")
    if results.diagram is None:
        return [f"<p>{escape(note)}</p>"]
    species = _watched(results)
    figure = plot.bifurcation(
        results.diagram,
        species,
        current=results.current,
        states=results.states,
        model=results.loaded.model,
        title=f"Steady states of {species} against {results.diagram.parameter}",
    )
    return [
        Plot(
            name="bifurcation",
            figure=figure,
            caption=escape(
                "Solid lines are stable steady states, dashed ones unstable. "
                + ("The green bar is the range of the oscillation. " if _cycles(results) else "")
                + note
            ),
            description=turning_points(results),
        )
    ]


def _watched(results: Results) -> str:
    """Species of the bifurcation diagram: the gene of the parameter, if there is one, else the plane's x."""
    assert results.diagram is not None
    gene = results.diagram.parameter.split(".")[0]
    if gene in results.diagram.species:
        return gene
    return results.pair[0] if results.pair is not None else results.diagram.species[0]


def _graph_blocks(results: Results, request: Request) -> list[str | Plot]:
    model = results.loaded.model
    if not isinstance(model, GeneNetwork | BooleanNetwork):
        return ["<p>The model is a list of reactions: it names no genes and no regulation to draw.</p>"]
    if len(results.loaded.genes) > MOST_GENES_DRAWN:
        return [f"<p>A network of more than {MOST_GENES_DRAWN} genes is not legible as a graph.</p>"]
    if is_boolean(results) and isinstance(model, GeneNetwork):
        model = model.boolean()
    names, edges = graph.genes_and_edges(model)
    removed = [p.gene for p in request.perturbations if isinstance(p, Knockout)]
    told = "promoter and rates" if isinstance(model, GeneNetwork) else "rule"
    return [
        Plot(
            name="graph",
            figure=plot.regulatory_graph(model, removed=removed, title="Regulatory graph"),
            caption=f"An arrow activates, a bar represses. The pointer over a gene shows its {told}, "
            "over the middle of an edge what it does."
            + (" Crossed out: knocked out, its edges grey and without effect." if removed else ""),
            description=f"{len(names)} genes and {len(edges)} regulations: "
            + "; ".join(f"{a} {graph.WORDS[sign]} {b}" for a, b, sign in edges[:40]),
        )
    ]


def _states_heading(results: Results) -> str:
    return "Attractors" if is_boolean(results) else "Steady states"


def _state_blocks(results: Results) -> list[str | Plot]:
    if "states" in results.notes:
        return [f"<p>{escape(results.notes['states'])}</p>"]
    rows = results.rows[:MOST_STATES_SHOWN]
    if not rows:
        return ["<p>None was found.</p>"]
    boolean = is_boolean(results)
    unit = "updates" if boolean else time_unit(results.loaded.model)
    head = ["", *(str(place + 1) for place in range(len(rows)))]
    lines = [
        ["verdict", *(escape(row.verdict) for row in rows)],
        [
            escape(f"period ({unit})" if unit else "period"),
            *("–" if row.period is None else f"{row.period:.6g}" for row in rows),
        ],
        ["states of its basin" if boolean else "starts that reach it", *(f"{row.reached:,}" for row in rows)],
    ]
    facts = len(lines)
    names = results.simulation.species
    order = sorted(range(len(names)), key=lambda k: is_mrna(names[k], names))  # proteins first
    lines += [[escape(names[k]), *(_level(row, k) for row in rows)] for k in order]
    group = [place == facts for place in range(len(lines))]
    more = f" (the first {len(rows)} of {len(results.rows)})" if len(rows) < len(results.rows) else ""
    words = (
        "A cyclic attractor shows how often each gene is on."
        if boolean
        else "Verdicts rest on the eigenvalues of the Jacobian; an oscillation shows its mean over a period, "
        "and its range below. States that no start reaches were found by Newton's method."
    )
    if results.states is not None:
        words += f" The search began from {results.states.starts} starts: the model's own, counted too, and "
        words += f"{results.states.starts - 1} at random."
    if results.states is not None and results.states.unresolved:
        words += f" The ends of {len(results.states.unresolved)} time courses stayed unknown: "
        words += f"{results.states.unresolved[0]}."
    return [
        f"<p>{escape(words)} All digits are in {STATES}.</p>",
        table(f"{_states_heading(results)}{more}", head, lines, group=group),
    ]


def _level(row: StateRow, k: int) -> str:
    mean = number(row.values[k])
    if row.verdict != "oscillates" or number(row.lows[k]) == number(row.highs[k]):
        return mean
    return f'{mean}<br><span class="quiet">{number(row.lows[k])} to {number(row.highs[k])}</span>'


def _method_blocks(record: Mapping[str, Any], command: str) -> list[str | Plot]:
    facts = [
        ["Commit", escape(record.get("commit") or "unknown")],
        ["Machine", escape(", ".join(f"{k} {v}" for k, v in record["hardware"].items()))],
        *([escape(name), escape(version)] for name, version in sorted(record["versions"].items())),
    ]
    options = [[escape(name), escape(value)] for name, value in settings_rows(record["options"])]
    return [
        f"<pre><code>{escape(command)}</code></pre>",
        f"<details><summary>All options</summary>{table('Options', [], options, words=True)}</details>",
        "<details><summary>Commit, machine and versions</summary>"
        f"{table('Provenance', [], facts, words=True)}</details>",
    ]


def _cycles(results: Results) -> bool:
    return any(row.verdict == "oscillates" for row in results.rows)
