"""Binary decision diagrams: what a Boolean rule depends on, and its exact multilinear extension.

A diagram is reduced and ordered, with complement edges [1]_. An edge is an integer, twice the number of its
node plus one where the function is negated; node 0 is the constant true, so edge 0 is true and edge 1 false.
Every walk keeps its own stack: a diagram is as deep as the rule has variables.

References
----------
.. [1] K. S. Brace, R. L. Rudell and R. E. Bryant, "Efficient implementation of a BDD package", DAC 1990.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grn.networks.logic.syntax import Step

MAX_DIAGRAM_NODES = 20_000
MAX_PAIRS = 20 * MAX_DIAGRAM_NODES  # pairs of nodes that one construction or one question may visit
TRUE, FALSE = 0, 1


class DiagramTooLargeError(ValueError):
    """A decision diagram outgrew `MAX_DIAGRAM_NODES`; another order of the variables may still fit."""


class Diagram:
    """Decision diagram of one Boolean rule.

    Parameters
    ----------
    steps : sequence of Step
        The rule in postfix form, `grn.networks.logic.rules.Rule.steps`.
    order : sequence of str
        Every variable of the rule once, the first at the root.

    Raises
    ------
    DiagramTooLargeError
        If more than `MAX_DIAGRAM_NODES` nodes are made.

    Examples
    --------
    >>> from grn.networks.logic.rules import parse_rule
    >>> rule = parse_rule("A and B or A and not B")
    >>> Diagram(rule.steps, rule.variables).signs()  # B has no influence
    {'A': 1}
    """

    def __init__(self, steps: Sequence[Step], order: Sequence[str]) -> None:
        self.order = tuple(order)
        self._level = [len(self.order)]  # of each node; the constant lies below every variable
        self._low = [TRUE]
        self._high = [TRUE]
        self._unique: dict[tuple[int, int, int], int] = {}
        self._conjunctions: dict[tuple[int, int], int] = {}
        self.root = self._build(steps)

    def __len__(self) -> int:
        return len(self._reachable())

    def multilinear(self, values: Mapping[str, Any]) -> Any:
        """Value of the multilinear extension, ``x·high + (1 − x)·low`` at each node, each node once.

        Every term is a product of the variables and of their complements, so on [0, 1] nothing cancels.

        Parameters
        ----------
        values : mapping of str to T
            A number, array or symbol for each variable; ``+``, ``-`` and ``*`` with floats are used.

        Examples
        --------
        >>> from grn.networks.logic.rules import parse_rule
        >>> rule = parse_rule("(A and B) or (not A and C)")
        >>> Diagram(rule.steps, rule.variables).multilinear({"A": 0.5, "B": 1.0, "C": 0.5})
        0.75
        """
        known: dict[int, Any] = {}
        complements: dict[int, Any] = {}
        for edge in sorted(self._reachable(), key=lambda edge: self._level[edge >> 1], reverse=True):
            level = self._level[edge >> 1]
            low, high = self._cofactors(edge, level)
            x = values[self.order[level]]
            if low != FALSE and level not in complements:
                complements[level] = 1.0 - x
            terms: list[Any] = []
            for branch, weight in ((high, x), (low, complements.get(level))):
                if branch != FALSE:
                    terms.append(weight if branch == TRUE else weight * known[branch])
            known[edge] = terms[0] if len(terms) == 1 else terms[0] + terms[1]
        if self.root in (TRUE, FALSE):
            return 1.0 if self.root == TRUE else 0.0
        return known[self.root]

    def signs(self) -> dict[str, int]:
        """Direction in which each variable moves the rule: +1 up, −1 down, 0 both; none for no influence.

        A rule rises with x exactly when, at every node of x, the low branch implies the high one: each node
        is reached by some setting of the variables above it.

        Raises
        ------
        DiagramTooLargeError
            If more than `MAX_PAIRS` pairs of nodes would have to be compared.

        Examples
        --------
        >>> from grn.networks.logic.rules import parse_rule
        >>> rule = parse_rule("A and not B or not A and C")
        >>> Diagram(rule.steps, rule.variables).signs()
        {'A': 0, 'B': -1, 'C': 1}
        """
        rises: dict[int, bool] = {}
        falls: dict[int, bool] = {}
        implied: set[tuple[int, int]] = set()
        for edge in self._reachable():
            level = self._level[edge >> 1]
            low, high = self._cofactors(edge, level)
            rises[level] = rises.get(level, True) and self._implies(low, high, implied)
            falls[level] = falls.get(level, True) and self._implies(high, low, implied)
        return {
            name: int(rises[level]) - int(falls[level])
            for level, name in enumerate(self.order)
            if level in rises
        }

    def _build(self, steps: Sequence[Step]) -> int:
        levels = {name: level for level, name in enumerate(self.order)}
        stack: list[int] = []
        for step in steps:
            if step.op == "name":
                stack.append(self._node(levels[step.name], FALSE, TRUE))
            elif step.op == "constant":
                stack.append(TRUE if step.number else FALSE)
            elif step.op == "not":
                stack.append(stack.pop() ^ 1)
            else:
                flip = int(step.op == "or")  # A or B is not (not A and not B)
                edges = [edge ^ flip for edge in stack[-step.number :]]
                del stack[-step.number :]
                while len(edges) > 1:  # neighbours first: a long list costs k·log k nodes, one by one k²
                    pairs = zip(edges[::2], edges[1::2], strict=False)
                    joined = [self._conjunction(*pair) for pair in pairs]
                    edges = joined + edges[2 * len(joined) :]
                stack.append(edges[0] ^ flip)
        return stack.pop()

    def _node(self, level: int, low: int, high: int) -> int:
        if low == high:
            return low
        flip = high & 1  # the high edge is never negated, so a function has one node and not two
        key = (level, low ^ flip, high ^ flip)
        node = self._unique.get(key)
        if node is None:
            node = len(self._level)
            if node > MAX_DIAGRAM_NODES:
                raise DiagramTooLargeError(f"more than {MAX_DIAGRAM_NODES} nodes")
            self._unique[key] = node
            self._level.append(level)
            self._low.append(low ^ flip)
            self._high.append(high ^ flip)
        return 2 * node + flip

    def _cofactors(self, edge: int, level: int) -> tuple[int, int]:
        node, flip = edge >> 1, edge & 1
        if self._level[node] != level:
            return edge, edge
        return self._low[node] ^ flip, self._high[node] ^ flip

    def _known_conjunction(self, u: int, v: int) -> int | None:
        if u == v or v == TRUE:
            return u
        if u == TRUE:
            return v
        if FALSE in (u, v) or u == v ^ 1:
            return FALSE
        return self._conjunctions.get((u, v) if u < v else (v, u))

    def _conjunction(self, u: int, v: int) -> int:
        result = self._known_conjunction(u, v)
        stack = [(u, v)]
        while result is None:
            a, b = stack[-1]
            level = min(self._level[a >> 1], self._level[b >> 1])
            (a_low, a_high), (b_low, b_high) = self._cofactors(a, level), self._cofactors(b, level)
            low, high = self._known_conjunction(a_low, b_low), self._known_conjunction(a_high, b_high)
            if low is None:
                stack.append((a_low, b_low))
            elif high is None:
                stack.append((a_high, b_high))
            else:
                if len(self._conjunctions) >= MAX_PAIRS:
                    raise DiagramTooLargeError(f"more than {MAX_PAIRS} pairs of nodes")
                edge = self._node(level, low, high)
                self._conjunctions[(a, b) if a < b else (b, a)] = edge
                stack.pop()
                if not stack:
                    result = edge
        return result

    def _implies(self, u: int, v: int, implied: set[tuple[int, int]]) -> bool:
        """Whether no setting makes ``u`` true and ``v`` false; pairs found to imply join ``implied``."""
        stack, seen = [(u, v)], set[tuple[int, int]]()
        while stack:
            pair = stack.pop()
            a, b = pair
            if a in (b, FALSE) or b == TRUE or pair in seen or pair in implied:
                continue
            if (a, b) == (
                TRUE,
                FALSE,
            ) or a == b ^ 1:  # a function that is not constant false implies not itself
                return False
            seen.add(pair)
            if len(seen) + len(implied) > MAX_PAIRS:
                raise DiagramTooLargeError(f"more than {MAX_PAIRS} pairs of nodes")
            level = min(self._level[a >> 1], self._level[b >> 1])
            stack.extend(zip(self._cofactors(a, level), self._cofactors(b, level), strict=True))
        implied |= seen
        return True

    def _reachable(self) -> set[int]:
        """Edges below the root, itself included, the constants left out."""
        seen: set[int] = set()
        stack = [self.root]
        while stack:
            edge = stack.pop()
            if edge >> 1 and edge not in seen:
                seen.add(edge)
                stack.extend(self._cofactors(edge, self._level[edge >> 1]))
        return seen
