"""What each control of the tuning page sets: its words, its unit, and how far its slider goes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from grn import PRESETS
from studies.tune.settings import NAMES, Settings

Unit = Literal["rate", "half-life"]
UNITS: tuple[Unit, ...] = ("rate", "half-life")
HALF_LIVES = {"mrna_decay": "mrna_half_life", "protein_decay": "protein_half_life"}
"""Rates that may be given as half-lives, and what those are called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """A slider with a number field.

    ``low`` to ``high`` is the range of the slider and of what the page takes: beyond it figures would show
    nothing new, or a server that others use too would be kept busy.
    """

    name: str
    label: str
    symbol: str
    unit: str
    low: float
    high: float
    logarithmic: bool
    help: str

    def refusal(self, value: float, called: str = "") -> str:
        """Say why the page does not take a value that the library takes; empty where it does.

        Examples
        --------
        >>> CONTROLS[2].refusal(4.0)
        ''
        >>> CONTROLS[2].refusal(1000.0)
        'hill_coefficient must lie in 0.5 to 20 on this page, got 1000'
        """
        slack = 1e-9 * self.high  # of a half-life that was turned into a rate
        if self.low - slack <= value <= self.high + slack:
            return ""
        unit = f" {self.unit}" if self.unit not in ("", "×") else ""
        name = called or self.name
        return f"{name} must lie in {self.low:g} to {self.high:g}{unit} on this page, got {value:g}"


CONTROLS = (
    Control(
        name="mrna_decay", label="mRNA decay", symbol="γm", unit="1/h", low=0.01, high=50.0, logarithmic=True,
        help="Rate at which mRNA decays, and at which it follows its promoter. Half-life = ln 2 / rate.",
    ),
    Control(
        name="protein_decay", label="Protein decay", symbol="γp", unit="1/h", low=0.01, high=50.0,
        logarithmic=True,
        help="Rate at which protein, the expression that the gate reads, decays and follows its mRNA.",
    ),
    Control(
        name="hill_coefficient", label="Hill coefficient", symbol="n", unit="", low=0.5, high=20.0,
        logarithmic=True,
        help="Steepness of the promoter: at 1 it answers gradually, at 10 it is almost a switch.",
    ),
    Control(
        name="basal", label="Leak", symbol="b", unit="", low=0.0, high=0.5, logarithmic=False,
        help="Activity of a promoter without induction, as a fraction of full activity.",
    ),
    Control(
        name="threshold", label="Threshold", symbol="K", unit="×", low=0.05, high=20.0, logarithmic=True,
        help="Importance that half induces a promoter, in importances of the least important connection that "
        "the budget holds. Above 1 even that connection is not half induced.",
    ),
    Control(
        name="autoactivation", label="Autoactivation", symbol="a", unit="", low=0.0, high=6.0,
        logarithmic=False,
        help="How much a protein promotes its own gene: memory. Large enough, a gene has two stable states.",
    ),
    Control(
        name="cooperation", label="Cooperation", symbol="c", unit="", low=0.0, high=6.0, logarithmic=False,
        help="How much the connections of the same output or input unit promote one another.",
    ),
    Control(
        name="window", label="Window", symbol="Δt", unit="h", low=0.01, high=48.0, logarithmic=True,
        help="Simulated hours between two updates of the mask.",
    ),
    Control(
        name="density", label="Target density", symbol="d", unit="", low=0.001, high=1.0, logarithmic=True,
        help="Share of the connections that the budget gate keeps.",
    ),
)  # fmt: skip
"""The controls, in the order of the page."""

assert tuple(control.name for control in CONTROLS) == NAMES


def presets() -> dict[str, dict[str, Any]]:
    """Named settings with what they are: our own, then the kinetics of `grn.PRESETS` with their sources.

    Examples
    --------
    >>> list(presets())[:3]
    ['default', 'memory', 'no memory']
    >>> presets()["memory"]["settings"]["autoactivation"]
    3.0
    """
    default = Settings()
    own = {
        "default": (default, "The policy's own values: one stable state, as a = 1 is too weak for two."),
        "memory": (
            Settings(autoactivation=3.0),
            "Two stable states near the threshold: a connection that is on stays on under an induction that "
            "would not turn it on. At n = 4 and b = 0.02 that takes a above 1.88.",
        ),
        "no memory": (
            Settings(autoactivation=0.0),
            "No feedback: expression is importance, filtered twice and bent by the promoter.",
        ),
        "almost the heuristic": (
            Settings(
                autoactivation=0.0, hill_coefficient=20.0, mrna_decay=50.0, protein_decay=50.0, basal=0.0
            ),
            "A steep promoter and fast decay: a connection is on if its importance exceeds K, at once.",
        ),
        "neighbourhoods": (
            Settings(autoactivation=1.0, cooperation=3.0),
            "Connections of the same units promote one another: strong units keep more of theirs.",
        ),
    }
    found = {
        name: {"settings": asdict(settings), "source": source} for name, (settings, source) in own.items()
    }
    for name, preset in PRESETS.items():
        kinetics = preset.kinetics
        settings = Settings(
            mrna_decay=float(kinetics.mrna_decay),
            protein_decay=float(kinetics.protein_decay),
            hill_coefficient=kinetics.hill_coefficient,
            basal=kinetics.basal,
        )
        found[name] = {"settings": asdict(settings), "source": preset.source}
    return found


def half_life(rate: float) -> float:
    """Half-life of a rate, and rate of a half-life: ln 2 / value.

    Examples
    --------
    >>> round(half_life(half_life(3.0)), 12)
    3.0
    """
    return math.log(2) / rate
