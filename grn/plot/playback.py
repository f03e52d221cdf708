"""The controls of an animated figure: a play and a pause button, and a slider with a stop for each frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import plotly.graph_objects as go

ROOM = 92  # pixels below the plot that the controls take


def add_playback(figure: go.Figure, *, prefix: str = "", milliseconds: int = 500, active: int = -1) -> None:
    """Give a figure with named frames its controls, below the plot.

    Parameters
    ----------
    figure : plotly.graph_objects.Figure
        With ``frames``, each named; changed in place. Its bottom margin is widened.
    prefix : str
        Before the name of the frame shown, above the slider.
    milliseconds : int
        How long playing shows each frame; positive.
    active : int
        Frame that the figure's own data shows, the last by default.

    Raises
    ------
    ValueError
        If there is no frame, a name is missing or doubled, or the time is not positive.

    Examples
    --------
    >>> import plotly.graph_objects as go
    >>> figure = go.Figure(frames=[go.Frame(name="0"), go.Frame(name="10")])
    >>> add_playback(figure, prefix="step ")
    >>> [stop.label for stop in figure.layout.sliders[0].steps], figure.layout.sliders[0].active
    (['0', '10'], 1)
    """
    names = [frame.name for frame in figure.frames]
    if not names or None in names or len(set(names)) < len(names):
        raise ValueError(f"an animation needs frames with names that differ, got {names}")
    if milliseconds <= 0:
        raise ValueError(f"milliseconds a frame must be positive, got {milliseconds}")
    timing: dict[str, object] = {"mode": "immediate", "transition": {"duration": 0}}
    still = {**timing, "frame": {"duration": 0, "redraw": True}}
    moving = {**timing, "fromcurrent": True, "frame": {"duration": milliseconds, "redraw": True}}
    figure.update_layout(
        sliders=[
            {
                "active": range(len(names))[active],
                "currentvalue": {"prefix": prefix, "xanchor": "left", "font": {"size": 13}},
                "x": 0.0, "len": 1.0, "xanchor": "left", "y": 0.0, "yanchor": "top",
                "pad": {"t": 44, "l": 132},
                "steps": _steps(names, still),
            }
        ],
        updatemenus=[
            {
                "type": "buttons", "direction": "left", "showactive": False,
                "x": 0.0, "xanchor": "left", "y": 0.0, "yanchor": "top", "pad": {"t": 62},
                "buttons": [
                    {"label": "Play", "method": "animate", "args": [None, moving]},
                    {"label": "Pause", "method": "animate", "args": [[None], still]},
                ],
            }
        ],
    )  # fmt: skip
    figure.update_layout(margin_b=(figure.layout.margin.b or 24) + ROOM)


def _steps(names: Sequence[str], still: dict[str, object]) -> list[dict[str, object]]:
    return [{"label": name, "method": "animate", "args": [[name], still]} for name in names]
