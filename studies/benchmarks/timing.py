"""Times of things that are compared, taken in turns so that what slows the machine slows them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one thing, over its repeats.

    Examples
    --------
    >>> Timing((3.0, 1.0, 2.0)).median
    2.0
    """

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median, in seconds."""
        return statistics.median(self.seconds)

    @property
    def best(self) -> float:
        """Shortest, in seconds."""
        return min(self.seconds)


def in_turns(
    contenders: Mapping[str, Callable[[], object]], repeats: int, *, warm: bool = False
) -> dict[str, Timing]:
    """Time each contender in turn, ``repeats`` times round.

    Parameters
    ----------
    contenders : mapping of str to callable
        What to run; each is run once beforehand, so that nothing is measured cold.
    repeats : int
        Rounds.
    warm : bool
        Run each once more right before each of its measurements, so that its data are in the cache and not
        those of the one before it.

    Returns
    -------
    dict of str to Timing
        In the order of the contenders.

    Examples
    --------
    >>> len(in_turns({"nothing": lambda: None}, repeats=3)["nothing"].seconds)
    3
    """
    for run in contenders.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, run in contenders.items():
            if warm:
                run()
            begin = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begin)
    return {name: Timing(tuple(values)) for name, values in seconds.items()}


def ratio_range(slow: Timing, fast: Timing) -> tuple[float, float, float]:
    """Ratio of the medians, with the smallest and largest ratio of one round.

    Examples
    --------
    >>> ratio_range(Timing((2.0, 4.0)), Timing((1.0, 1.0)))
    (3.0, 2.0, 4.0)
    """
    rounds = [s / f for s, f in zip(slow.seconds, fast.seconds, strict=True)]
    return slow.median / fast.median, min(rounds), max(rounds)
