"""Concentrations over time: single runs, or the median and spread of an ensemble."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grn.networks.simulate import STOCHASTIC, Simulation
from grn.plot.labels import concentration_unit, expect, is_mrna, shown_species, time_unit, with_unit
from grn.plot.style import DASHES, NEUTRAL, SERIES, head_panels, new_figure, style_figure, tint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

FAINT = 0.55  # opacity of the unperturbed model
FAINT_RUNS = 5  # single runs drawn behind the median of an ensemble
STILL = 0.05  # of the variation over all time: in the last half, a model that varies less has settled
SEPARATE = 3  # species of an ensemble that share a panel: more bands would hide one another


def trajectories(
    simulation: Simulation,
    species: Sequence[str] | None = None,
    *,
    model: object = None,
    reference: Simulation | None = None,
    ends: Sequence[str] | None = None,
    heavy: int | None = None,
    title: str = "",
    most: int = len(SERIES),
) -> go.Figure:
    """Draw concentrations over time.

    Proteins and mRNA stand in panels of their own. One trajectory is a line a species; several of a
    stochastic method are their median, the band from the 10th to the 90th percentile, and a few single runs
    behind, several of rate equations single lines. The species that vary most have a colour and a dash; the
    rest are grey lines that the pointer names. Boolean trajectories are a map: a row a gene, brighter where
    more of them are on.

    Parameters
    ----------
    simulation : Simulation
        What to draw.
    species : sequence of str, optional
        Which species; all of them by default, the stages of distributed delays left out.
    model : GeneNetwork or ReactionSystem, optional
        Gives the units and a title.
    reference : Simulation, optional
        Drawn thin and faint for comparison, as the unperturbed model: the median of its trajectories.
    ends : sequence of str, optional
        What each trajectory ends in: then each species has a panel, and lines have the colour of their end.
    heavy : int, optional
        Trajectory that is drawn as a heavier line, where ``ends`` are given.
    title : str
        Above the figure; the name of the model by default.
    most : int
        Species with a colour in a panel, at most 8.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    ValueError
        If a species is unknown, ``most`` is out of range, or ``ends`` are not as many as trajectories.
    TypeError
        If ``simulation`` is none.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> from grn.networks.simulate import simulate
    >>> circuit = circuits.toggle()
    >>> figure = trajectories(simulate(circuit, 20.0), model=circuit)
    >>> [trace.name for trace in figure.data], figure.layout.xaxis.title.text
    (['lacI', 'tetR'], 'time (protein lifetimes)')
    """
    expect(simulation, Simulation, "simulation", "what grn.networks.simulate returns")
    if reference is not None:
        expect(reference, Simulation, "reference", "what grn.networks.simulate returns")
    if ends is not None and len(ends) != len(simulation):
        raise ValueError(f"ends must be one a trajectory, got {len(ends)} for {len(simulation)}")
    if not 1 <= most <= len(SERIES):
        raise ValueError(f"most must be 1 to {len(SERIES)}, the colours that can be told apart, got {most}")
    names = shown_species(simulation.species, species)
    heading = title or str(getattr(model, "name", ""))
    if simulation.method.startswith("boolean-"):
        return _on_and_off(simulation, names, heading)
    panels, left_out = _panels(
        names, simulation, model, most, proteins_only=species is None, separate=ends is not None
    )
    columns = 2 if len(panels) > 1 and any(panel.single for panel in panels) else 1
    rows = -(-len(panels) // columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        shared_xaxes=True,
        horizontal_spacing=0.09,
        vertical_spacing=min(0.1, 0.36 / rows),
        subplot_titles=[panel.heading for panel in panels] if len(panels) > 1 else None,
    )
    height = 420 if rows == 1 else 140 + (190 if columns == 2 else 270) * rows
    style_figure(figure, html.escape(heading + left_out), height=height)
    if len(panels) > 1:
        head_panels(figure)
        for place, note in enumerate(figure.layout.annotations):
            note.x = figure.get_subplot(place // columns + 1, place % columns + 1).xaxis.domain[0]
    colours = {name: k for k, name in enumerate(dict.fromkeys(_gene(n) for p in panels for n in p.coloured))}
    listed: set[str] = set()
    for place, panel in enumerate(panels):
        row, column = place // columns + 1, place % columns + 1
        traces = (
            _panel_traces(panel, simulation, reference, colours, listed)
            if ends is None
            else _by_end(panel, simulation, reference, ends, heavy, listed)
        )
        for trace in traces:
            figure.add_trace(trace, row=row, col=column)
        axis = panel.axis if column == 1 else ""
        figure.update_yaxes(title_text=axis, rangemode="tozero", row=row, col=column)
    for column in range(1, columns + 1):
        last = [place for place in range(len(panels)) if place % columns == column - 1][-1] // columns + 1
        words = with_unit("time", time_unit(model))
        figure.update_xaxes(title_text=words, showticklabels=True, row=last, col=column)
    if columns == 2 and ends is None:
        figure.update_layout(showlegend=False)  # every panel is headed by its species
    return figure


def _on_and_off(simulation: Simulation, names: Sequence[str], heading: str) -> go.Figure:
    """Map of genes that are on or off: a row a gene, a column an update, the share of trajectories on."""
    share = np.stack([simulation[name].numpy().mean(0) for name in names])
    figure = new_figure(html.escape(heading), height=150 + max(18 * len(names), 120))
    figure.add_heatmap(
        z=share, x=simulation.times.numpy(), y=[html.escape(name) for name in names], zmin=0, zmax=1,
        colorscale="Cividis", ygap=2, name="share of trajectories that are on",
        colorbar={"thickness": 12, "tickvals": [0, 1], "ticktext": ["off", "on"]},
        hovertemplate="%{y} after %{x} updates: "
        + ("on in %{z:.0%} of trajectories" if len(simulation) > 1 else "%{z:.0f} (1 is on)")
        + "<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title_text="updates", showgrid=False)
    figure.update_yaxes(autorange="reversed", showgrid=False, type="category")
    return figure


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    heading: str
    axis: str
    coloured: tuple[str, ...]
    rest: tuple[str, ...] = ()
    single: bool = False


def _panels(
    names: Sequence[str],
    simulation: Simulation,
    model: object,
    most: int,
    *,
    proteins_only: bool,
    separate: bool,
) -> tuple[list[_Panel], str]:
    """Panels from the top, and what to say of species that no panel shows."""
    mrna = tuple(name for name in names if is_mrna(name, simulation.species))
    other = tuple(name for name in names if name not in mrna)
    main = other or mrna
    coloured = _varying(main, simulation, most)
    unit = concentration_unit(model)
    if separate or (len(simulation) > 1 and len(coloured) > SEPARATE):
        shown = coloured if proteins_only else _varying(names, simulation, most)
        axis = unit or "concentration"
        panels = [_Panel(heading=html.escape(n), axis=axis, coloured=(n,), single=True) for n in shown]
        whole = len(main) if proteins_only else len(names)
        some = f": the {len(shown)} of {whole} that vary most" if len(shown) < whole else ""
        return panels, some
    panels = []
    for kind, members in (("protein" if mrna else "concentration", other), ("mRNA", mrna)):
        if members:
            genes = {_gene(name) for name in coloured}
            panels.append(
                _Panel(
                    heading=kind[0].upper() + kind[1:] if kind != "mRNA" else kind,
                    axis=with_unit(kind, unit),
                    coloured=tuple(name for name in members if _gene(name) in genes),
                    rest=tuple(name for name in members if _gene(name) not in genes),
                )
            )
    return panels, ""


def _varying(names: Sequence[str], simulation: Simulation, most: int) -> tuple[str, ...]:
    """The species that vary most, in the order of the model: late if any still does, else from the start.

    Of an ensemble the variation between its trajectories counts too.
    """
    if len(names) <= most:
        return tuple(names)
    late = len(simulation.times) // 2
    noisy = simulation.method in STOCHASTIC
    paths = {}
    for name in names:
        paths[name] = _middle(simulation, name)[None] if noisy else simulation[name].detach().cpu().numpy()
    whole = {name: float(np.ptp(path)) for name, path in paths.items()}
    end = {name: float(np.ptp(path[:, late:])) for name, path in paths.items()}
    varies = max(end.values()) > STILL * max(whole.values())
    chosen = sorted(names, key=lambda name: (-end[name], -whole[name]) if varies else (-whole[name],))[:most]
    return tuple(name for name in names if name in chosen)


def _gene(name: str) -> str:
    """A protein and its mRNA share a colour and an entry of the legend."""
    return name.removesuffix("_mrna")


def _panel_traces(
    panel: _Panel,
    simulation: Simulation,
    reference: Simulation | None,
    colours: Mapping[str, int],
    listed: set[str],
) -> list[go.Scatter]:
    times = simulation.times.numpy()
    traces = []
    for name in panel.rest:
        group = f"{len(panel.rest)} others" if "rest" not in listed else ""
        listed.add("rest")
        traces.append(
            go.Scatter(
                x=times, y=_middle(simulation, name), mode="lines", name=group or html.escape(name),
                legendgroup="rest", legendrank=2000, showlegend=bool(group), opacity=0.45,
                line={"color": NEUTRAL, "width": 1},
                hovertemplate=f"<b>{html.escape(name)}</b> %{{y:.4g}} at %{{x:.4g}}<extra></extra>",
            )
        )  # fmt: skip
    for name in panel.coloured:
        base = _gene(name)
        color, dash = (series[colours[base] % len(series)] for series in (SERIES, DASHES))
        label = html.escape(base)
        several = len(simulation) > 1
        noisy = simulation.method in STOCHASTIC
        if several and noisy:
            traces += _spread(times, simulation, name, color, label)
        if reference is not None:
            traces.append(
                go.Scatter(
                    x=reference.times.numpy(), y=_middle(reference, name), mode="lines",
                    name=f"{label}, unperturbed", legendgroup=base, showlegend=False,
                    line={"color": color, "width": 1, "dash": dash}, opacity=FAINT,
                    hovertemplate=f"{label} unperturbed: %{{y:.4g}} at %{{x:.4g}}<extra></extra>",
                )
            )  # fmt: skip
        what = " (median)" if several and noisy else ""
        x, y = (times, _middle(simulation, name)) if noisy or not several else _one_by_one(simulation, name)
        traces.append(
            go.Scatter(
                x=x, y=y, mode="lines", name=label, legendgroup=base, showlegend=base not in listed,
                line={"color": color, "width": 1.2 if several and not noisy else 2, "dash": dash},
                hovertemplate=f"<b>{html.escape(name)}</b>{what} %{{y:.4g}} at %{{x:.4g}}<extra></extra>",
            )
        )  # fmt: skip
        listed.add(base)
    return traces


def _by_end(
    panel: _Panel,
    simulation: Simulation,
    reference: Simulation | None,
    ends: Sequence[str],
    heavy: int | None,
    listed: set[str],
) -> list[go.Scatter]:
    """Every trajectory of the panel's species, those with the same end as one trace."""
    traces = []
    (name,) = panel.coloured
    told = html.escape(name)
    if reference is not None:
        traces.append(
            go.Scatter(
                x=reference.times.numpy(), y=_middle(reference, name), mode="lines", name="unperturbed",
                legendgroup="unperturbed", showlegend="unperturbed" not in listed, legendrank=2000,
                line={"color": NEUTRAL, "width": 1}, opacity=FAINT,
                hovertemplate=f"{told} unperturbed: %{{y:.4g}} at %{{x:.4g}}<extra></extra>",
            )
        )  # fmt: skip
        listed.add("unperturbed")
    for place, end in enumerate(sorted(set(ends), key=lambda end: (len(end), end))):  # state 2 before 10
        members = [k for k, other in enumerate(ends) if other == end]
        parts = [[k for k in members if k != heavy], [k for k in members if k == heavy]]
        label = html.escape(end)
        for own, part in enumerate(parts):
            if not part:
                continue
            x, y = _one_by_one(simulation, name, part)
            traces.append(
                go.Scatter(
                    x=x, y=y, mode="lines", name=label, legendgroup=label, showlegend=label not in listed,
                    line={
                        "color": SERIES[place % len(SERIES)], "width": 3 if own else 1.3,
                        "dash": DASHES[place % len(DASHES)],
                    },
                    text=np.repeat([f"trajectory {k}" for k in part], len(simulation.times) + 1),
                    hovertemplate=f"<b>{told}</b> %{{y:.4g}} at %{{x:.4g}}<br>%{{text}}, ends in {label}"
                    "<extra></extra>",
                )
            )  # fmt: skip
            listed.add(label)
    return traces


def _one_by_one(
    simulation: Simulation, name: str, members: Sequence[int] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times and levels of single trajectories, NaN after each."""
    values = simulation[name].detach().cpu().numpy()
    values = values if members is None else values[list(members)]
    x = np.tile(np.append(simulation.times.numpy(), np.nan), len(values))
    return x, np.hstack([values, np.full((len(values), 1), np.nan)]).ravel()


def _spread(
    times: NDArray[np.float64], simulation: Simulation, name: str, color: str, label: str
) -> list[go.Scatter]:
    values = simulation[name].detach().numpy()
    low, high = np.quantile(values, [0.1, 0.9], axis=0)
    band = go.Scatter(
        x=np.concatenate([times, times[::-1]]), y=np.concatenate([high, low[::-1]]), mode="lines",
        fill="toself", fillcolor=tint(color, 0.16), line={"width": 0},
        name=f"{label}, 10th to 90th percentile", legendgroup=label,
        showlegend=False, hoverinfo="skip",
    )  # fmt: skip
    chosen = values[np.linspace(0, len(values) - 1, min(FAINT_RUNS, len(values))).astype(int)]
    gap = np.full((len(chosen), 1), np.nan)
    runs = go.Scatter(
        x=np.tile(np.append(times, np.nan), len(chosen)), y=np.hstack([chosen, gap]).ravel(), mode="lines",
        line={"color": tint(color, 0.4), "width": 0.8}, name=f"{label}, single runs", legendgroup=label,
        showlegend=False, hoverinfo="skip",
    )  # fmt: skip
    return [band, runs]


def _middle(simulation: Simulation, name: str) -> NDArray[np.float64]:
    median: NDArray[np.float64] = np.median(simulation[name].detach().cpu().numpy(), axis=0)
    return median
