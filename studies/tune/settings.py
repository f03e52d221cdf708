"""What the sliders of the tuning page set, as one value."""

from dataclasses import dataclass, fields

from grn import Kinetics
from pruning import ExpressionGating


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Rates and promoter of every connection, the window of an update, and the density asked for.

    Raises
    ------
    ValueError
        Names the field, what it must be, and what it is.
    """

    mrna_decay: float = 1.0  # gamma_m, 1/h
    protein_decay: float = 0.5  # gamma_p, 1/h
    hill_coefficient: float = 4.0  # n
    basal: float = 0.02  # b, leak of a silent promoter, share of full activity
    threshold: float = 1.0  # K, in units of the importance at the edge of the budget
    autoactivation: float = 1.0  # a
    cooperation: float = 0.0  # c
    window: float = 0.5  # h of simulated time an update
    density: float = 0.1  # share of the connections that are to be live

    def __post_init__(self) -> None:
        if not 0.0 < self.density <= 1.0:
            raise ValueError(f"density must lie in (0, 1], got {self.density}")
        self.gating()

    @property
    def kinetics(self) -> Kinetics:
        """Rates and promoter."""
        return Kinetics(
            mrna_decay=self.mrna_decay,
            protein_decay=self.protein_decay,
            hill_coefficient=self.hill_coefficient,
            basal=self.basal,
        )

    def gating(self) -> ExpressionGating:
        """Policy with these rates."""
        return ExpressionGating(
            kinetics=self.kinetics,
            threshold=self.threshold,
            autoactivation=self.autoactivation,
            cooperation=self.cooperation,
            window=self.window,
        )


NAMES = tuple(field.name for field in fields(Settings))
"""Names of the settings, in their order."""
