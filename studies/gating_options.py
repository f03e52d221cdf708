"""The options of the pruning rules: decay rates, feedback and importance, on their way to a policy."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grn import Kinetics
from pruning import ExpressionGating, Importance, SmoothedImportanceGating
from pruning.policies.expression import Gate


@dataclass(frozen=True, kw_only=True)
class GatingOptions:
    """What connections are scored by, and the kinetics that gate them."""

    policy_config: Path | None = None  # file of rates that the tuning page wrote, for the options below
    mrna_decay: float = 1.0  # of expression and smoothed: gamma_m, 1/h of simulated time
    protein_decay: float = 0.5  # of expression and smoothed: gamma_p, 1/h
    hill_coefficient: float = 4.0  # of expression: n, steepness of the promoter
    basal: float = 0.02  # of expression: leak of a silent promoter, share of full activity
    threshold: float = 1.0  # of expression: K, in importances at the edge of the budget
    autoactivation: float = 1.0  # of expression: a, memory
    cooperation: float = 0.0  # of expression: c, help among connections of the same unit
    window: float = 0.5  # of expression and smoothed: simulated hours an update
    saliency: float = 0.5  # alpha of Eq. 2 at the start, relative to |w|; falls to 0
    age: float = 0.0  # beta of Eq. 2, relative to |w|
    gradient_steps: int = 4  # steps before an update over which gradients are averaged
    minimum_layer_density: float = 0.01  # no layer falls below it
    protection: int = 1  # updates in which a reborn connection cannot be silenced

    @property
    def kinetics(self) -> Kinetics:
        """Rates and promoter of every connection."""
        return Kinetics(
            mrna_decay=self.mrna_decay,
            protein_decay=self.protein_decay,
            hill_coefficient=self.hill_coefficient,
            basal=self.basal,
        )

    @property
    def importance(self) -> Importance:
        """Weights of the terms of Eq. 2."""
        return Importance(saliency=self.saliency, age=self.age, gradient_steps=self.gradient_steps)

    def expression(self, gate: Gate = "budget") -> ExpressionGating:
        """Build the ODE policy."""
        return ExpressionGating(
            kinetics=self.kinetics,
            threshold=self.threshold,
            autoactivation=self.autoactivation,
            cooperation=self.cooperation,
            window=self.window,
            gate=gate,
        )

    def smoothed(self) -> SmoothedImportanceGating:
        """Build the open-loop filter with the same rates."""
        return SmoothedImportanceGating(kinetics=self.kinetics, window=self.window)

    def check_gating(self) -> None:
        """Refuse what Kinetics, Importance or a policy refuses.

        Raises
        ------
        ValueError
            Names the option, what it must be, and what it is.
        """
        self.expression()
        self.smoothed()
        _ = self.importance
        if not 0 <= self.minimum_layer_density <= 1:
            raise ValueError(f"minimum_layer_density must lie in [0, 1], got {self.minimum_layer_density}")
        if self.protection < 0:
            raise ValueError(f"protection must be at least 0 updates, got {self.protection}")


def described_gating(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options as a study stores them: the values of a file of rates, not its name.

    K is left out where it is 1, as in studies from before it could be chosen, so that those are continued.

    Examples
    --------
    >>> described_gating({"threshold": 1.0, "policy_config": Path("mine.json"), "window": 0.5})
    {'window': 0.5}
    """
    left_out = {"policy_config"} | ({"threshold"} if values["threshold"] == 1.0 else set())
    return {name: value for name, value in values.items() if name not in left_out}
