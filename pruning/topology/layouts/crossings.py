"""How many pairs of edges cross in a layered drawing."""

import numpy as np
from numpy.typing import NDArray


def count_crossings(source: NDArray[np.int64], target: NDArray[np.int64]) -> int:
    """Count pairs of edges between two columns that cross.

    Parameters
    ----------
    source, target : ndarray of int64
        Rank of each edge's ends in its column, from 0, shape (edges,).

    Returns
    -------
    int
        Pairs of edges of which one starts lower and ends higher than the other: inversions of the targets in
        the order of the sources, counted in O(edges log units).

    Examples
    --------
    >>> count_crossings(np.array([0, 1, 1]), np.array([1, 0, 1]))
    1
    """
    # A pair is an inversion at the highest bit in which the two targets differ.
    ranks = target[np.lexsort((target, source))]
    crossings = 0
    for bit in reversed(range(int(ranks.max(initial=0)).bit_length())):
        group = ranks >> (bit + 1)
        order = np.argsort(group, kind="stable")
        high = (ranks[order] >> bit) & 1
        before = np.cumsum(high) - high  # ones before, of all groups
        starts = np.searchsorted(group[order], group[order])
        crossings += int((before - before[starts])[high == 0].sum())
    return crossings
