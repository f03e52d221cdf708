"""Genes on the hysteresis loop: where they stand, and how many on which side of its window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from grn.plot.style import GREEN, NEUTRAL, tint

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from numpy.typing import ArrayLike, NDArray

    from grn.analytic import Hysteresis

    Array = NDArray[np.float64]

BOX = "rgba(255,255,255,0.85)"  # behind letters, whatever runs below them


def check_genes(
    induction: ArrayLike | None, protein: ArrayLike | None, live: ArrayLike | None
) -> tuple[Array, Array | None, NDArray[np.bool_]] | None:
    """Check what :func:`grn.plot.hysteresis_loop` is given of genes; None where it is given none."""
    if induction is None:
        if protein is not None or live is not None:
            raise ValueError("protein and live mark genes by their induction: give induction, too")
        return None
    s = np.asarray(induction, float)
    if s.ndim != 1 or not len(s) or not bool((np.isfinite(s) & (s >= 0)).all()):
        raise ValueError(
            f"induction must hold a finite non-negative S/K a gene, one at least, got shape {s.shape}"
            + (f" with {s.min():g} to {s.max():g}" if s.size else "")
        )
    p = None if protein is None else np.asarray(protein, float)
    if p is not None and (p.shape != s.shape or not np.isfinite(p).all()):
        raise ValueError(f"protein must hold a finite level for each of {len(s)} genes, got shape {p.shape}")
    on = np.ones(len(s), bool) if live is None else np.asarray(live)
    if on.shape != s.shape or on.dtype != bool:
        raise ValueError(
            f"live must be boolean, one for each of {len(s)} genes, got {on.dtype} of shape {on.shape}"
        )
    return s, p, on


def mark_genes(
    figure: go.Figure,
    induction: Array,
    protein: Array | None,
    live: NDArray[np.bool_],
    window: Hysteresis | None,
    frame: tuple[float, float],
    most: int,
) -> None:
    """Draw genes where they stand, and say how many stand on which side of the window."""
    if most < 1:
        raise ValueError(f"maximum_points must be at least 1, got {most}")
    chosen = np.unique(np.linspace(0, len(induction) - 1, min(most, len(induction))).round().astype(int))
    for state, word, color, symbol in (
        (False, "silenced connections", tint(NEUTRAL, 0.75), "x-thin"),
        (True, "live connections", tint(GREEN, 0.75), "circle"),
    ):
        own = chosen[live[chosen] == state]
        if not len(own):
            continue
        height = np.full(len(own), -0.04 if state else -0.075) if protein is None else protein[own]
        figure.add_scatter(
            x=induction[own].clip(*frame).astype(np.float32), y=height.astype(np.float32), mode="markers",
            name=word, cliponaxis=False,
            marker={"symbol": symbol, "size": 5, "color": color, "line": {"color": color, "width": 1}},
            text=[f"S/K {value:.3g}" for value in induction[own]],
            hovertemplate=f"{word[:-1]}<br>%{{text}}"
            + ("" if protein is None else ", expression %{y:.3f}") + "<extra></extra>",
        )  # fmt: skip
    if window is None or not live.any():
        return
    s = induction[live]
    below, above = float((s < window.switch_off).mean()), float((s > window.switch_on).mean())
    figure.add_annotation(
        text=f"Of {len(s):,} live connections<br>{below:.0%} stand below the window,<br>"
        f"{1 - below - above:.0%} in it, where memory decides,<br>{above:.0%} above it",
        xref="paper", yref="paper", x=0.015, y=0.92, xanchor="left", yanchor="top", align="left",
        font={"size": 12}, bgcolor=BOX, borderpad=4,
    )  # fmt: skip
