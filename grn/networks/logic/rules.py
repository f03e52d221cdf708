"""Boolean rules of a gene: read, evaluated, written, and extended to chances between 0 and 1.

>>> rule = parse_rule("(A or B) and not (C or D)")
>>> rule.evaluate({"A": True, "B": False, "C": False, "D": False})
True
>>> rule.multilinear({"A": 0.5, "B": 0.5, "C": 0.5, "D": 0.0})  # (1 − 1/2·1/2)·(1/2·1)
0.375
>>> rule.text("bnet")
'(A | B) & !(C | D)'
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import mul
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import numpy as np

from grn.networks.logic.diagram import Diagram, DiagramTooLargeError
from grn.networks.logic.syntax import MAX_RULE_LENGTH, Step, excerpt, is_gene_name, parse_steps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["MAX_RULE_LENGTH", "Dialect", "Rule", "Step", "is_gene_name", "parse_rule"]

T = TypeVar("T")
Dialect = Literal["bnet", "boolode"]

_BINDING = {"or": 0, "and": 1, "not": 2, "name": 3, "constant": 3}
_SPELLING: dict[str, dict[str, str]] = {
    "bnet": {"and": " & ", "or": " | ", "not": "!", "1": "1", "0": "0"},
    "boolode": {"and": " and ", "or": " or ", "not": "not ", "1": "True", "0": "False"},
}


@dataclass(frozen=True)
class Rule:
    """A Boolean rule; made by `parse_rule`.

    Rules are values: equal when they are written the same up to spelling, spaces and needless parentheses.

    Parameters
    ----------
    steps : tuple of Step
        The rule in postfix form.

    Examples
    --------
    >>> rule = parse_rule("not A && (B | A)")
    >>> rule.variables
    ('A', 'B')
    >>> rule == parse_rule("!A and (B or A)")
    True
    >>> print(rule)
    not A and (B or A)
    """

    steps: tuple[Step, ...] = field(repr=False)

    def __str__(self) -> str:
        return self.text("boolode")

    def __repr__(self) -> str:
        return f"parse_rule({str(self)!r})"

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """The variables, each once, in the order of their first appearance."""
        return tuple(dict.fromkeys(step.name for step in self.steps if step.op == "name"))

    @overload
    def evaluate(self, values: Mapping[str, bool]) -> bool: ...
    @overload
    def evaluate(self, values: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.bool_]: ...
    def evaluate(self, values: Mapping[str, Any]) -> bool | NDArray[np.bool_]:
        """Truth of the rule, element by element.

        Parameters
        ----------
        values : mapping of str to bool or ndarray of bool
            Every variable of the rule, in shapes that broadcast; further names are ignored.

        Returns
        -------
        bool or ndarray of bool
            In the broadcast shape of the rule's variables: a rule without variables gives a bool.

        Raises
        ------
        ValueError
            If a variable has no value.
        TypeError
            If a value is not Boolean.

        Examples
        --------
        >>> import numpy as np
        >>> parse_rule("A & !B").evaluate({"A": np.array([True, True]), "B": np.array([False, True])})
        array([ True, False])
        """
        self._require(values)
        stack: list[NDArray[np.bool_] | np.bool_] = []
        for step in self.steps:
            if step.op == "name":
                stack.append(_boolean(step.name, values[step.name]))
            elif step.op == "constant":
                stack.append(np.bool_(step.number))
            elif step.op == "not":
                stack.append(~stack.pop())
            else:
                operands = stack[-step.number :]
                del stack[-step.number :]
                stack.append(reduce(np.logical_and if step.op == "and" else np.logical_or, operands))
        result = stack.pop()
        if np.ndim(result) == 0:
            return bool(result)
        return np.array(result, copy=len(self.steps) == 1)  # of a rule "A", a copy and not the caller's array

    def multilinear(self, values: Mapping[str, T]) -> T:
        """Value of the multilinear extension: the polynomial, affine in each variable, equal at the corners.

        It is the chance that the rule is true when the variables are independent and true with the given
        chances. A rule in which every variable occurs once is computed by its structure, ``and`` as Π q,
        ``or`` as 1 − Π(1 − q), ``not`` as 1 − q; any other rule by its decision diagram. Neither lists the
        2^k combinations of k regulators.

        Parameters
        ----------
        values : mapping of str to T
            Every variable of the rule: floats, arrays, tensors or symbols with ``+``, ``-`` and ``*``.

        Returns
        -------
        T
            The value; for a rule that is always or never true, the float 1.0 or 0.0.

        Raises
        ------
        ValueError
            If a variable has no value, or the decision diagram needs more than `MAX_DIAGRAM_NODES` nodes.

        Examples
        --------
        >>> parse_rule("A or B").multilinear({"A": 0.5, "B": 0.5})
        0.75
        >>> parse_rule("A and B or A and C").multilinear({"A": 0.5, "B": 0.5, "C": 0.5})
        0.375
        """
        self._require(values)
        occurrences = sum(step.op == "name" for step in self.steps)
        read_once = occurrences == len(self.variables)
        value: T = self._by_structure(values) if read_once else self._diagram.multilinear(values)
        return value

    def signs(self) -> dict[str, int]:
        """Direction in which each variable moves the rule, by its decision diagram and so exact.

        Returns
        -------
        dict of str to int
            +1 where the rule never falls when the variable rises, −1 where it never rises, 0 where it does
            both; a variable without influence is left out. In the order of `variables`.

        Raises
        ------
        ValueError
            If the decision diagram needs more than `MAX_DIAGRAM_NODES` nodes.

        Examples
        --------
        >>> parse_rule("A and not B").signs()
        {'A': 1, 'B': -1}
        >>> parse_rule("(A or not A) and (B and not C or not B and C)").signs()
        {'B': 0, 'C': 0}
        """
        try:
            signs = self._diagram.signs()
        except DiagramTooLargeError as error:
            raise ValueError(self._too_large(str(error))) from None
        return {name: signs[name] for name in self.variables if name in signs}

    def text(self, dialect: Dialect) -> str:
        """Write the rule with the fewest parentheses; `parse_rule` reads it back to an equal rule.

        Parameters
        ----------
        dialect : {"bnet", "boolode"}
            ``&``, ``|``, ``!``, ``1``, ``0``, or ``and``, ``or``, ``not``, ``True``, ``False``.

        Raises
        ------
        ValueError
            If there is no such dialect.

        Examples
        --------
        >>> rule = parse_rule("((A)) and ((B or (C)))")
        >>> rule.text("bnet"), rule.text("boolode")
        ('A & (B | C)', 'A and (B or C)')
        """
        if dialect not in _SPELLING:
            raise ValueError(f"dialect must be one of {', '.join(_SPELLING)}, got {dialect!r}")
        spelling = _SPELLING[dialect]
        text = self._spelled(spelling)
        if (
            len(text) > MAX_RULE_LENGTH and dialect == "bnet"
        ):  # without spaces it is no longer than what was read
            text = self._spelled({op: word.strip() for op, word in spelling.items()})
        return text

    def _spelled(self, spelling: Mapping[str, str]) -> str:
        stack: list[tuple[str, int]] = []
        for step in self.steps:
            binding = _BINDING[step.op]
            if step.op == "name":
                stack.append((step.name, binding))
            elif step.op == "constant":
                stack.append((spelling[str(step.number)], binding))
            else:
                count = max(step.number, 1)
                parts = [text if inner >= binding else f"({text})" for text, inner in stack[-count:]]
                del stack[-count:]
                word = spelling[step.op]
                stack.append((word + parts[0] if step.op == "not" else word.join(parts), binding))
        return stack.pop()[0]

    def _by_structure(self, values: Mapping[str, Any]) -> Any:
        # An operand is a constant, or (value, complemented): a complement is formed only where it is needed.
        stack: list[bool | tuple[Any, bool]] = []
        for step in self.steps:
            if step.op == "name":
                stack.append((values[step.name], False))
            elif step.op == "constant":
                stack.append(bool(step.number))
            elif step.op == "not":
                operand = stack.pop()
                stack.append(not operand if isinstance(operand, bool) else (operand[0], not operand[1]))
            else:
                operands = stack[-step.number :]
                del stack[-step.number :]
                deciding = step.op == "or"  # true decides a disjunction, false a conjunction
                parts = [operand for operand in operands if not isinstance(operand, bool)]
                if deciding in [operand for operand in operands if isinstance(operand, bool)]:
                    stack.append(deciding)
                elif len(parts) <= 1:
                    stack.append(parts[0] if parts else not deciding)
                else:
                    factors = [
                        value if complemented == deciding else 1.0 - value for value, complemented in parts
                    ]
                    stack.append((reduce(mul, factors), deciding))
        result = stack.pop()
        if isinstance(result, bool):
            return float(result)
        value, complemented = result
        return 1.0 - value if complemented else value

    @cached_property
    def _diagram(self) -> Diagram:
        names = self.variables
        uses = Counter(step.name for step in self.steps if step.op == "name")
        from_the_right = tuple(dict.fromkeys(step.name for step in reversed(self.steps) if step.op == "name"))
        by_use = tuple(sorted(names, key=lambda name: -uses[name]))
        reason = ""
        for order in (names, from_the_right, by_use):
            try:
                return Diagram(self.steps, order)
            except DiagramTooLargeError as error:
                reason = str(error)
        raise ValueError(self._too_large(reason))

    def _too_large(self, reason: str) -> str:
        return (
            f"the rule {excerpt(str(self))} of {len(self.variables)} variables has a decision diagram of "
            f"{reason}, the limit; write it with fewer repeated variables or split it into several genes"
        )

    def _require(self, values: Mapping[str, Any]) -> None:
        missing = [name for name in self.variables if name not in values]
        if missing:
            raise ValueError(f"the rule {excerpt(str(self))} needs a value for {missing[0]!r}")


def parse_rule(text: str, *, gene: str = "") -> Rule:
    """Read a Boolean rule.

    ``not`` (``!``, ``~``) binds closer than ``and`` (``&``, ``&&``), and that closer than ``or`` (``|``,
    ``||``); words and the constants ``0``, ``1``, ``true``, ``false`` in any case. A gene's name is of
    letters, digits and ``_ . - :``, with a letter in it, and begins and ends with a letter, digit or ``_``.

    Parameters
    ----------
    text : str
        At most `MAX_RULE_LENGTH` characters; parentheses may be nested as deeply as that allows.
    gene : str
        The gene whose rule it is, for error messages.

    Raises
    ------
    ValueError
        If the text is no rule: the message names the gene, the position (from 1), what was expected there
        and what was found.

    Examples
    --------
    >>> parse_rule("Gata1 & !(Pu1 | Fli1)")
    parse_rule('Gata1 and not (Pu1 or Fli1)')
    >>> parse_rule("A and and B", gene="Sp8")
    Traceback (most recent call last):
    ...
    ValueError: rule of 'Sp8': position 7: expected a gene, 0, 1, 'not' or '(', found 'and'
    """
    return Rule(parse_steps(text, gene=gene))


def _boolean(name: str, value: Any) -> NDArray[np.bool_] | np.bool_:
    array = np.asarray(value)
    if array.dtype != np.bool_:
        raise TypeError(f"the value of {name!r} must be Boolean, got {array.dtype}; convert it with `!= 0`")
    return array
