"""Boolean networks: one rule a gene, updated together or one at a time."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from grn.networks.logic.attractors import UPDATES, Attractor, Update, find_attractors, find_fixed_points
from grn.networks.logic.rules import Rule, parse_rule
from grn.networks.logic.syntax import is_gene_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray


class BooleanNetwork:
    """Genes that are on or off, each with a rule for its next state. A value: equal by genes and rules.

    Parameters
    ----------
    rules : mapping of str to Rule or str
        The rule of every gene, in the order of the columns of a state; text is read by `parse_rule`.

    Raises
    ------
    ValueError
        If there is no gene, a name cannot stand in a rule, a rule is malformed, or a rule uses a variable
        that is no gene.
    TypeError
        If a rule is neither a `Rule` nor text.

    Examples
    --------
    >>> switch = BooleanNetwork({"A": "A and not B", "B": "B and not A"})
    >>> switch.genes
    ('A', 'B')
    >>> switch.fixed_points().astype(int)
    array([[0, 0],
           [0, 1],
           [1, 0]])
    >>> BooleanNetwork({"Gata1": "not Pu1", "Pu1": "not Gata"})
    Traceback (most recent call last):
    ...
    ValueError: rule of 'Pu1': 'Gata' is not a gene of the network; did you mean 'Gata1'?
    """

    def __init__(self, rules: Mapping[str, Rule | str]) -> None:
        if not isinstance(rules, Mapping):
            raise TypeError(f"rules must be a mapping of gene to rule, got {type(rules).__name__}")
        if not rules:
            raise ValueError("a Boolean network needs at least one gene, got no rules")
        read: dict[str, Rule] = {}
        for gene, rule in rules.items():
            if not isinstance(gene, str) or not is_gene_name(gene):
                raise ValueError(
                    "a gene's name must be letters, digits and _ . - : with a letter in it, "
                    f"and no word of the rule language, got {gene!r}"
                )
            read[gene] = rule if isinstance(rule, Rule) else parse_rule(rule, gene=gene)
        for gene, rule in read.items():
            for name in rule.variables:
                if name not in read:
                    raise ValueError(
                        f"rule of {gene!r}: {name!r} is not a gene of the network" + nearest_name(name, read)
                    )
        self._rules = read

    @property
    def genes(self) -> tuple[str, ...]:
        """Names, in the order of the columns of a state."""
        return tuple(self._rules)

    @property
    def rules(self) -> Mapping[str, Rule]:
        """The rule of each gene, in the order of `genes`; read-only."""
        return MappingProxyType(self._rules)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BooleanNetwork):
            return NotImplemented
        return tuple(self._rules.items()) == tuple(other._rules.items())

    def __hash__(self) -> int:
        return hash(tuple(self._rules.items()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{gene!r}: {str(rule)!r}" for gene, rule in list(self._rules.items())[:4])
        more = f", … {len(self._rules)} genes" if len(self._rules) > 4 else ""
        return f"BooleanNetwork({{{shown}{more}}})"

    def with_fixed(self, levels: Mapping[str, bool]) -> BooleanNetwork:
        """Return the network in which some genes are knocked out (False) or always expressed (True).

        Parameters
        ----------
        levels : mapping of str to bool
            The constant that replaces the rule of each named gene.

        Raises
        ------
        ValueError
            If a name is no gene of the network.
        TypeError
            If a level is not Boolean.

        Examples
        --------
        >>> network = BooleanNetwork({"A": "A or B", "B": "A"})
        >>> network.with_fixed({"A": False}).fixed_points().astype(int)
        array([[0, 0]])
        """
        constants = {gene: parse_rule("1" if on else "0") for gene, on in self._levels(levels).items()}
        return BooleanNetwork({**self._rules, **constants})

    def step(self, states: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Next states when every gene is updated at once.

        Parameters
        ----------
        states : ndarray of bool, shape (B, N)
            One state a row, one column a gene in the order of `genes`.

        Returns
        -------
        ndarray of bool, shape (B, N)

        Raises
        ------
        ValueError
            If the shape is not (B, N).
        TypeError
            If the states are not Boolean.

        Examples
        --------
        >>> import numpy as np
        >>> BooleanNetwork({"A": "not B", "B": "A"}).step(np.array([[False, False], [True, True]]))
        array([[ True, False],
               [False,  True]])
        """
        states = self._states("states", states)
        values = dict(zip(self.genes, np.ascontiguousarray(states.T), strict=True))
        following = np.empty_like(states)
        for column, rule in enumerate(self._rules.values()):
            following[:, column] = rule.evaluate(values)
        return following

    def simulate(
        self,
        start: Mapping[str, bool] | NDArray[np.bool_],
        steps: int,
        *,
        update: Update = "synchronous",
        seed: int = 0,
    ) -> NDArray[np.bool_]:
        """Trajectories from given states.

        Parameters
        ----------
        start : mapping of str to bool, or ndarray of bool of shape (N,) or (B, N)
            A mapping gives one trajectory; genes that it does not name start off.
        steps : int
            Number of updates.
        update : {"synchronous", "asynchronous"}
            All genes at once, or in each step one gene chosen with equal chances.
        seed : int
            Of the asynchronous choices. Those of trajectory i depend on ``seed`` and i alone, not on how
            many trajectories run beside it.

        Returns
        -------
        ndarray of bool, shape (B, steps + 1, N)
            The start and the state after each step.

        Raises
        ------
        ValueError
            If a name is no gene, the shape does not fit, ``steps`` or ``seed`` is negative, or there is no
            such update.
        TypeError
            If a state is not Boolean, or ``steps`` or ``seed`` no integer.

        Examples
        --------
        >>> ring = BooleanNetwork({"A": "not B", "B": "A"})
        >>> ring.simulate({"A": True}, 4)[0].astype(int).tolist()
        [[1, 0], [1, 1], [0, 1], [0, 0], [1, 0]]
        """
        if update not in UPDATES:
            raise ValueError(f"update must be one of {', '.join(UPDATES)}, got {update!r}")
        steps, seed = _count("steps", steps), _count("seed", seed)
        if isinstance(start, Mapping):
            levels = self._levels(start)
            start = np.array([[levels.get(gene, False) for gene in self._rules]])
        first = self._states("start", np.atleast_2d(np.asarray(start)))
        path = np.empty((len(first), steps + 1, len(self._rules)), dtype=np.bool_)
        path[:, 0] = first
        if update == "synchronous":
            for time in range(steps):
                path[:, time + 1] = self.step(path[:, time])
            return path
        chosen = np.empty((len(first), steps), dtype=np.int32)
        for trajectory, choices in enumerate(chosen):
            stream = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, trajectory])))
            choices[:] = stream.integers(len(self._rules), size=steps)
        column = {gene: index for index, gene in enumerate(self._rules)}
        rules = tuple(self._rules.values())
        for time in range(steps):
            following = path[:, time + 1]
            following[:] = path[:, time]
            for gene in np.unique(chosen[:, time]).tolist():
                rows = np.flatnonzero(chosen[:, time] == gene)
                values = {name: path[rows, time, column[name]] for name in rules[gene].variables}
                following[rows, gene] = rules[gene].evaluate(values)
        return path

    def fixed_points(self) -> NDArray[np.bool_]:
        """States that no update changes, by exhaustive search of at most 24 genes (`MAX_EXHAUSTIVE_GENES`).

        Returns
        -------
        ndarray of bool, shape (F, N)
            Sorted, the first gene counting most.

        Raises
        ------
        ValueError
            If the network has more genes.

        Examples
        --------
        >>> BooleanNetwork({"A": "not A"}).fixed_points().shape
        (0, 1)
        """
        return find_fixed_points(self)

    def attractors(self, *, update: Update) -> tuple[Attractor, ...]:
        """All attractors with their basins, by exhaustive search of at most 24 genes.

        Synchronous: the cycles of the map that updates every gene. Asynchronous: the terminal strongly
        connected components of the graph in which each transition updates one gene. Time and memory grow
        as 2^N·N; of asynchronous updates, time also with the number of attractors, eight at a time.

        Parameters
        ----------
        update : {"synchronous", "asynchronous"}
            Which genes an update changes; the fixed points are the same for both.

        Returns
        -------
        tuple of Attractor
            Sorted by their first states.

        Raises
        ------
        ValueError
            If the network has more than 24 genes or more than 10,000 attractors, or, asynchronous, a closed
            part of the state graph is too large for memory.

        Examples
        --------
        >>> ring = BooleanNetwork({"A": "not B", "B": "A"})
        >>> [len(attractor.states) for attractor in ring.attractors(update="synchronous")]
        [4]
        """
        return find_attractors(self, update)

    def _states(self, name: str, states: NDArray[np.bool_]) -> NDArray[np.bool_]:
        array = np.asarray(states)
        if array.dtype != np.bool_:
            raise TypeError(f"{name} must be Boolean, got {array.dtype}; convert them with `!= 0`")
        if array.ndim != 2 or array.shape[1] != len(self._rules):
            raise ValueError(
                f"{name} must have one column for each of the {len(self._rules)} genes, "
                f"got shape {array.shape}"
            )
        return array

    def _levels(self, levels: Mapping[str, bool]) -> dict[str, bool]:
        for gene, on in levels.items():
            if gene not in self._rules:
                raise ValueError(f"{gene!r} is not a gene of the network" + nearest_name(gene, self._rules))
            if not isinstance(on, (bool, np.bool_)):
                raise TypeError(f"the level of {gene!r} must be True or False, got {on!r}")
        return {gene: bool(on) for gene, on in levels.items()}


def nearest_name(name: str, names: Collection[str]) -> str:
    """End of an error about an unknown name: the nearest known one, if there is any like it.

    Examples
    --------
    >>> nearest_name("Gata", ["Pu1", "Gata1"])
    "; did you mean 'Gata1'?"
    """
    near = difflib.get_close_matches(str(name), names, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _count(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < 0:
        raise ValueError(f"{name} must not be negative, got {value}")
    return int(value)
