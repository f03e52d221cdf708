"""What a person chooses before a live run: data, how long, how fast."""

from dataclasses import dataclass

DATA = {"digits": "scanned digits, 8×8", "faces": "drawn faces, 24×24"}
"""Built-in data by name: a page is open to others than the owner of the files."""
SPEEDS = {"slow": 10.0, "medium": 40.0, "fast": 160.0}
"""Optimizer steps a second, at most."""
MOST_EPOCHS = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveOptions:
    """Data, length and speed of a live run.

    Raises
    ------
    ValueError
        Names the option, what it must be, and what it is.

    Examples
    --------
    >>> LiveOptions(epochs=0)
    Traceback (most recent call last):
    ...
    ValueError: epochs must be an integer from 1 to 10000, or None to train until stopped, got 0
    """

    data: str = "digits"  # "digits" or "faces"
    epochs: int | None = None  # passes over the training images; None: until stopped
    speed: str = "medium"  # "slow", "medium" or "fast"
    seed: int = 0  # of weights and batches: runs of one seed differ in their rates alone

    def __post_init__(self) -> None:
        for name, value, choices in (("data", self.data, DATA), ("speed", self.speed, SPEEDS)):
            if not isinstance(value, str) or value not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
        epochs = self.epochs
        if epochs is not None and (type(epochs) is not int or not 1 <= epochs <= MOST_EPOCHS):
            raise ValueError(
                f"epochs must be an integer from 1 to {MOST_EPOCHS}, or None to train until stopped, "
                f"got {epochs!r}"
            )
        if type(self.seed) is not int or self.seed < 0:
            raise ValueError(f"seed must be an integer of at least 0, got {self.seed!r}")
