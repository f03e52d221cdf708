"""The phase plane of two species: direction field, nullclines, steady states and trajectories."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from grn.networks.simulate import Simulation
from grn.networks.states.steady import SteadyStates
from grn.plot.labels import concentration_unit, expect, is_wide, log_axis, number, with_unit
from grn.plot.plane import Plane, nullcline
from grn.plot.style import BLUE, GREEN, NEUTRAL, ORANGE, PINK, new_figure, tint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from grn.networks.states.cycles import Cycle

    Array = NDArray[np.float64]

LINES = 241  # of the grid in which nullclines are sought, each way
ARROWS = (24, 15)  # of the direction field, across and up
MARKS = {
    "stable": ("circle", "stable steady state"),
    "unstable": ("circle-open", "unstable steady state"),
    "undetermined": ("square-open", "steady state, stability undetermined"),
}
MOST_PATHS = 12  # trajectories drawn


def phase_plane(
    model: object,
    x: str,
    y: str,
    *,
    states: SteadyStates | None = None,
    simulation: Simulation | None = None,
    parameters: Mapping[str, float] | None = None,
    held: Mapping[str, float] | None = None,
    clamped: Mapping[str, float] | None = None,
    bounds: tuple[tuple[float, float], tuple[float, float]] | None = None,
    title: str = "",
) -> go.Figure:
    """Draw how two species drive each other.

    All other species either follow the two or are held, see `grn.plot.plane.Plane`. Every point of a
    nullcline solves its equation to rounding error.

    Parameters
    ----------
    model : GeneNetwork or ReactionSystem
        The model.
    x, y : str
        The species across and up.
    states : SteadyStates, optional
        Marked by their verdicts: filled stable, open unstable, a broad line for a limit cycle.
    simulation : Simulation, optional
        Its trajectories are drawn over the field, at most 12.
    parameters : mapping of str to float, optional
        Parameters other than the model's.
    held : mapping of str to float, optional
        Levels of species that do not follow, the initial ones by default.
    clamped : mapping of str to float, optional
        Species that nothing changes.
    bounds : pair of (low, high), optional
        Of x and of y; by default what states and simulation need.
    title : str
        Above the figure.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    ValueError
        If a species is unknown or clamped, or bounds are not increasing.
    TypeError
        If ``states`` or ``simulation`` is of another class.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> figure = phase_plane(circuits.toggle(), "lacI", "tetR", bounds=((0, 170), (0, 16)))
    >>> [trace.name for trace in figure.data]
    ['direction', 'nullcline of lacI', 'nullcline of tetR']
    """
    if states is not None:
        expect(states, SteadyStates, "states", "what grn.networks.steady_states returns")
    if simulation is not None:
        expect(simulation, Simulation, "simulation", "what grn.networks.simulate returns")
    plane = Plane(model, x, y, parameters=parameters, held=held, clamped=clamped)
    axes = [
        _Axis.around(name, states, simulation, given, plane.system.initial[name])
        for name, given in zip((x, y), bounds or (None, None), strict=True)
    ]
    for axis in axes:
        if not axis.low < axis.high:
            raise ValueError(f"bounds of {axis.name!r} must increase, got {axis.low} to {axis.high}")
    figure = new_figure(html.escape(title or f"{y} against {x}"), height=560)
    figure.add_trace(_directions(plane, axes))
    lines = [axis.spread(LINES) for axis in axes]
    figure.add_trace(_curves(nullcline(lambda a, b: plane.slopes(a, b)[0], *lines), x, BLUE, "solid"))
    figure.add_trace(_curves(nullcline(lambda a, b: plane.slopes(a, b)[1], *lines), y, ORANGE, "dash"))
    if simulation is not None:
        figure.add_traces(_paths(simulation, x, y))
    if states is not None:
        figure.add_traces([_cycle(state.cycle, x, y) for state in states if state.cycle is not None])
        figure.add_traces(_marks(states, x, y))
    unit = concentration_unit(model)
    for axis, update in zip(axes, (figure.update_xaxes, figure.update_yaxes), strict=True):
        span = log_axis(axis.low, axis.high) if axis.log else {"range": [axis.low, axis.high]}
        update(title_text=with_unit(html.escape(axis.name), unit), **span)
    return figure


@dataclass(frozen=True, slots=True)
class _Axis:
    """A species' range on the plane."""

    name: str
    low: float
    high: float
    log: bool

    @classmethod
    def around(
        cls,
        name: str,
        states: SteadyStates | None,
        simulation: Simulation | None,
        bounds: tuple[float, float] | None,
        start: float,
    ) -> _Axis:
        """Range that holds states and paths, logarithmic where steady levels are far apart and none is 0."""
        rest = np.array([] if states is None else [state[name] for state in states])
        path = np.zeros(0) if simulation is None else simulation[name].detach().cpu().numpy().ravel()
        log = is_wide(rest)
        if bounds is not None:
            return cls(name, float(bounds[0]), float(bounds[1]), log and bounds[0] > 0)
        most = [] if states is None else [float(s.maximum[s.species.index(name)]) for s in states]
        both = np.array([*rest, *path, start, *most])
        high = float(both.max())
        if log:
            return cls(name, float(rest.min()) / 3, 2 * high, log)
        return cls(name, 0.0, 1.12 * high if high > 0 else 1.0, log)

    def spread(self, count: int) -> Array:
        """Values evenly spaced on the screen."""
        if self.log:
            return np.geomspace(self.low, self.high, count)
        return np.linspace(self.low, self.high, count)

    def on_screen(self, value: Array, slope: Array) -> Array:
        """Slope as a share of the range per time."""
        if self.log:
            share: Array = slope / value / np.log(self.high / self.low)
            return share
        return slope / (self.high - self.low)

    def moved(self, value: Array, share: Array) -> Array:
        """Values moved by a share of the range."""
        if self.log:
            return value * (self.high / self.low) ** share
        return value + share * (self.high - self.low)


def _directions(plane: Plane, axes: Sequence[_Axis]) -> go.Scatter:
    """Arrows of equal length; the pointer tells the slopes."""
    cells = []
    for axis, count in zip(axes, ARROWS, strict=True):
        edges = axis.spread(2 * count + 1)
        cells.append(edges[1::2])
    x, y = (grid.ravel() for grid in np.meshgrid(*cells))
    slopes = plane.slopes(x, y)
    across, up = (axis.on_screen(at, slope) for axis, at, slope in zip(axes, (x, y), slopes, strict=True))
    across, up = across * ARROWS[0], up * ARROWS[1]
    length = np.hypot(across, up)
    with np.errstate(invalid="ignore", divide="ignore"):
        across, up = (np.where(length > 0, 0.36 * part / length, np.nan) for part in (across, up))
    begin = (axes[0].moved(x, -across / ARROWS[0]), axes[1].moved(y, -up / ARROWS[1]))
    end = (axes[0].moved(x, across / ARROWS[0]), axes[1].moved(y, up / ARROWS[1]))
    nothing = np.full(len(x), np.nan)
    text = [
        f"{html.escape(axes[0].name)} {number(a)}: {number(u)} per time<br>"
        f"{html.escape(axes[1].name)} {number(b)}: {number(v)} per time"
        for a, b, u, v in zip(x, y, *slopes, strict=True)
    ]
    return go.Scatter(
        x=np.stack([begin[0], end[0], nothing], 1).ravel(),
        y=np.stack([begin[1], end[1], nothing], 1).ravel(),
        mode="lines+markers", name="direction", showlegend=False,
        line={"color": tint(NEUTRAL, 0.45), "width": 1, "backoff": 0},
        marker={"symbol": "arrow", "angleref": "previous", "size": [0, 6, 0] * len(x), "opacity": 1,
                "color": tint(NEUTRAL, 0.6), "line": {"width": 0}},
        text=[part for line in text for part in ("", line, "")], hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip


def _curves(curves: Sequence[Array], name: str, color: str, dash: str) -> go.Scatter:
    gap = np.full((1, 2), np.nan)
    points = np.concatenate([part for curve in curves for part in (curve, gap)] or [gap])
    label = html.escape(name)
    return go.Scatter(
        x=points[:, 0], y=points[:, 1], mode="lines", name=f"nullcline of {label}",
        line={"color": color, "width": 2.5, "dash": dash},
        hovertemplate=f"{label} does not change at (%{{x:.4g}}, %{{y:.4g}})<extra></extra>",
    )  # fmt: skip


def _paths(simulation: Simulation, x: str, y: str) -> list[go.Scatter]:
    """Trajectories as one entry of the legend, with a mark where each begins."""
    chosen = np.linspace(0, len(simulation) - 1, min(MOST_PATHS, len(simulation))).astype(int)
    gap = np.full((len(chosen), 1), np.nan)
    across, up = (
        np.hstack([simulation[name].detach().cpu().numpy()[chosen], gap]).ravel() for name in (x, y)
    )
    many = len(chosen) > 1
    path = go.Scatter(
        x=across, y=up, mode="lines", name="trajectories" if many else "trajectory",
        line={"color": tint(GREEN, 0.55 if many else 0.9), "width": 1.5}, hoverinfo="skip",
    )  # fmt: skip
    size = len(simulation.times) + 1
    start = go.Scatter(
        x=across[::size], y=up[::size], mode="markers", name="start", cliponaxis=False,
        marker={"color": GREEN, "symbol": "x", "size": 8},
        hovertemplate="start (%{x:.4g}, %{y:.4g})<extra></extra>",
    )  # fmt: skip
    return [path, start]


def _marks(states: SteadyStates, x: str, y: str) -> list[go.Scatter]:
    found = []
    for verdict, (symbol, label) in MARKS.items():
        own = [state for state in states if state.verdict == verdict]
        if own:
            found.append(
                go.Scatter(
                    x=[state[x] for state in own], y=[state[y] for state in own], mode="markers", name=label,
                    marker={
                        "symbol": symbol, "size": 13, "color": PINK, "line": {"width": 2.5, "color": PINK}
                    },
                    hovertemplate=f"{label}<br>{html.escape(x)} %{{x:.5g}}<br>{html.escape(y)} %{{y:.5g}}"
                    "<extra></extra>", cliponaxis=False,
                )
            )  # fmt: skip
    return found


def _cycle(cycle: Cycle, x: str, y: str) -> go.Scatter:
    across, up = (cycle.values[:, cycle.species.index(name)].numpy() for name in (x, y))
    return go.Scatter(
        x=across, y=up, mode="lines", name="limit cycle", line={"color": tint(PINK, 0.5), "width": 7},
        hovertemplate=f"limit cycle of period {cycle.period:.6g}<extra></extra>",
    )  # fmt: skip
