"""What the page draws for one request: the numbers of every trace, as short as they can be sent."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from grn.analytic import fixed_points
from grn.plot.labels import number
from studies.tune.curves import courses, nullclines, promoter_of
from studies.tune.diagram import diagram
from studies.tune.expression import EDGES, WINDOWS, Look, counted, look_ahead, relaxed, rest_counts
from studies.tune.wire import packed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from studies.tune.connections import Connections
    from studies.tune.request import Request
    from studies.tune.settings import Settings

SHOWN = 300  # connections of the cloud
LOWEST = -0.03  # lower end of the axes of levels
FEWEST = 0.6  # lower end of the histogram's axis, in connections


def answer(connections: Connections, request: Request) -> dict[str, Any]:
    """Return what the page shows for a request, as JSON values.

    Returns
    -------
    dict
        ``errors`` by field; and where no field is wrong ``settings``, ``figures`` (for each by name, ``data``
        in the order of its traces, and ``layout``), ``words`` by the element that holds them, and ``rough``,
        which says in words what was left out to answer at once, or is empty.
    """
    found: dict[str, Any] = {"errors": dict(request.errors)}
    if request.settings is None:
        return found
    settings = request.settings
    look = look_ahead(connections, settings, dragging=request.dragging)
    if settings.cooperation > 0:
        protein, rough_rest = relaxed(connections, settings, dragging=request.dragging)
        rest, rest_half = counted(protein)
    else:
        (rest, rest_half), rough_rest = rest_counts(connections, settings), False
    threshold = connections.threshold(settings.density, settings.threshold)
    typical = [s / threshold for s in connections.typical(settings.density).values()]
    levels = diagram(settings, request.parameter, look.mean)
    return found | {
        "settings": asdict(settings),
        "figures": {
            "trajectories": _trajectories(settings, typical, look),
            "phase": _phase(settings, typical, look),
            "levels": levels.figure,
            "histogram": _histogram(look, rest, connections.genes),
        },
        "words": {
            "trajectories-words": _course_words(settings, typical, look),
            "levels-words": levels.words,
            "density-words": _density_words(connections, settings, look, rest_half),
        },
        "rough": _rough(look, rough_rest, dragging=request.dragging),
    }


def _trajectories(settings: Settings, typical: Sequence[float], look: Look) -> dict[str, Any]:
    times, mrna, protein = courses(settings, typical, look.hours, look.mean)
    x = packed(times)
    data = []
    for gene in range(len(typical)):
        kinds = (protein[0, gene], protein[1, gene], mrna[0, gene])
        data += [{"x": x, "y": packed(course)} for course in kinds]
    updates = np.arange(1, int(look.hours / settings.window + 1e-9) + 1) * settings.window
    comb = np.tile([LOWEST, 0.0, LOWEST], len(updates))  # one path, its back on the axis
    data.append({"x": packed(np.repeat(updates, 3)), "y": packed(comb)})
    return {"data": data, "layout": {"xaxis.range": [0.0, look.hours]}}


def _phase(settings: Settings, typical: Sequence[float], look: Look) -> dict[str, Any]:
    protein, mrna = nullclines(settings, typical, look.mean)
    promoter = promoter_of(settings, look.mean)
    y = packed(protein)
    data: list[dict[str, Any]] = [{}, *({"x": packed(line), "y": y} for line in mrna)]
    total = look.state.genes
    chosen = np.linspace(0, total - 1, min(SHOWN, total)).round().astype(int)
    kept = look.kept.numpy()[chosen]
    m, p, s = (t.numpy()[chosen] for t in (look.state.mrna, look.state.protein, look.induction))
    data += [
        {"spots": {"symbol": symbol, "m": packed(m[on]), "p": packed(p[on]), "s": packed(s[on])}}
        for symbol, on in (("cross", ~kept), ("dot", kept))
    ]
    rests = [
        (point.level, point.stable, gain)
        for gain in typical
        for point in fixed_points(settings.kinetics, gain * promoter.gain, promoter.memory)
    ]
    level = packed([each[0] for each in rests])
    data.append(
        {
            "x": level,
            "y": level,
            "marker.symbol": ["circle" if stable else "circle-open" for _, stable, _ in rests],
            "text": [f"{'stable' if stable else 'unstable'} at S/K = {number(s)}" for _, stable, s in rests],
        }
    )
    return {"data": data, "layout": {}}


def _histogram(look: Look, rest: ArrayLike, genes: int) -> dict[str, Any]:
    x = packed(EDGES)
    shown = [np.append(counts, counts[-1]) for counts in (look.counts, look.kept_counts, np.asarray(rest))]
    data: list[dict[str, Any]] = [{"x": x, "y": packed(counts.clip(FEWEST / 10))} for counts in shown]
    data.append({})
    low, high = np.log10(FEWEST), np.log10(genes * 1.2)
    return {"data": data, "layout": {"yaxis.range": [float(low), float(high)]}}


def _course_words(settings: Settings, typical: Sequence[float], look: Look) -> str:
    low, median, edge, high = (number(s) for s in typical)
    windows = look.hours / settings.window
    shown = f"{number(windows)} windows" if windows < WINDOWS - 1e-9 else f"{WINDOWS} windows"
    cut = ", by which all has come to rest" if windows < WINDOWS - 1e-9 else ""
    held = f" Neighbours are held at their mean, r = {number(look.mean)}." if settings.cooperation else ""
    return (
        f"{shown} of {number(settings.window)} h{cut}. S/K is {low} (10 % of connections are below), "
        f"{median} (half), {edge} at the budget's edge, {high} (99 %).{held}"
    )


def _density_words(connections: Connections, settings: Settings, look: Look, rest_half: int) -> str:
    genes, kept = connections.genes, connections.kept(settings.density)
    stayed = int((look.kept & look.live).sum()) / max(1, int(look.kept.sum()))
    return (
        f"The budget gate keeps {kept:,} of {genes:,} connections, a mask density of {kept / genes:.4g}; "
        f"{stayed:.1%} of them were in the random mask at the start. Without a budget "
        f"{_share(look.above_half, genes)} would pass half expression after the windows, and "
        f"{_share(rest_half, genes)} at rest."
    )


def _share(count: int, genes: int) -> str:
    return f"{count:,} (density {count / genes:.4g})"


def _rough(look: Look, rough_rest: bool, *, dragging: bool) -> str:
    told = []
    if look.one_in > 1:
        told.append(f"one connection in {look.one_in} was computed and counts were scaled")
    if look.coarse or rough_rest:
        told.append("cooperation was computed in few steps" if dragging else "steps are coarse: "
                    "a connection on the edge of two states needs too many")  # fmt: skip
    if not told:
        return ""
    words = " and ".join(told)
    return f"While the slider moves, {words}." if dragging else f"{words[0].upper()}{words[1:]}."
