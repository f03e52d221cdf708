"""How a study's figures look: one colour and marker for each policy, on the templates of `grn.plot.style`."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from grn.plot.style import NEUTRAL, figure_template, head_panels, new_figure, style_figure, tint

__all__ = [
    "NEUTRAL",
    "PolicyStyle",
    "figure_template",
    "head_panels",
    "new_figure",
    "policy_style",
    "style_figure",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyStyle:
    """Colour, marker and label of a policy, the same in every figure and table."""

    label: str
    color: str  # "#rrggbb"
    symbol: str  # plotly marker symbol
    dash: str = "solid"

    def tint(self, opacity: float) -> str:
        """Return the colour with an opacity in [0, 1], for bands and faint dots."""
        return tint(self.color, opacity)


_STYLES = {
    "dense": PolicyStyle(label="Dense", color=NEUTRAL, symbol="circle-open", dash="dot"),
    "small-dense": PolicyStyle(label="Small dense", color="#6f7f95", symbol="hexagon", dash="dash"),
    "magnitude": PolicyStyle(label="Magnitude", color="#009e73", symbol="diamond"),
    "smoothed": PolicyStyle(label="Smoothed importance", color="#1f7fc4", symbol="square"),
    "heuristic": PolicyStyle(label="Heuristic", color="#c2649b", symbol="triangle-up"),
    "heuristic-literal": PolicyStyle(
        label="Heuristic as printed", color="#8e5bb5", symbol="triangle-up-open"
    ),
    "expression": PolicyStyle(label="Expression (ODE)", color="#d55e00", symbol="circle"),
    "expression-schmitt": PolicyStyle(label="Expression, Schmitt gate", color="#a8431f", symbol="circle-x"),
    "static": PolicyStyle(label="Static random", color="#7a7a3a", symbol="x-thin-open"),
    "random": PolicyStyle(label="Random", color="#a6761d", symbol="x"),
    "set": PolicyStyle(label="SET", color="#3ca6d9", symbol="triangle-down"),
    "rigl": PolicyStyle(label="RigL", color="#cf9200", symbol="star"),
}
_RESERVE = ("#7a8f00", "#b0413e", "#5e6bd1", "#4d8f8b", "#a34fa6", "#946b4a")
_RESERVE_SYMBOLS = ("pentagon", "cross", "star-diamond", "hourglass", "bowtie", "hexagram")


def policy_style(policy: str) -> PolicyStyle:
    """Style of a policy; a policy this module does not know gets one by its name, always the same.

    Examples
    --------
    >>> policy_style("expression").label
    'Expression (ODE)'
    >>> policy_style("mine").color == policy_style("mine").color
    True
    """
    if policy in _STYLES:
        return _STYLES[policy]
    place = zlib.crc32(policy.encode()) % len(_RESERVE)
    return PolicyStyle(label=policy, color=_RESERVE[place], symbol=_RESERVE_SYMBOLS[place])


def epoch_ticks(last: int) -> dict[str, int]:
    """Ticks of an axis of epochs: whole ones, from the first, at most about ten.

    Examples
    --------
    >>> epoch_ticks(2), epoch_ticks(50)
    ({'tick0': 1, 'dtick': 1}, {'tick0': 1, 'dtick': 5})
    """
    return {"tick0": 1, "dtick": max(1, round(last / 10))}
