"""The language of Boolean rules: text read into postfix steps, without recursion at any depth."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_RULE_LENGTH = 8000  # characters; the largest rules of published models have a few hundred

_WORDS = {"and": "and", "or": "or", "not": "not", "true": "1", "false": "0", "1": "1", "0": "0"}
_SYMBOLS = {"&": "and", "&&": "and", "|": "or", "||": "or", "!": "not", "~": "not", "(": "(", ")": ")"}
_TOKEN = re.compile(r"\s*(?:(?P<word>\w(?:[\w.:-]*\w)?)|(?P<symbol>&&|\|\||[&|!~()])|(?P<other>\S))")
_NUMBER = re.compile(r"\d[\d_.]*e-?\d+", re.IGNORECASE)
_OPERAND = "a gene, 0, 1, 'not' or '('"


class Step(NamedTuple):
    """One step of a rule in postfix form.

    Attributes
    ----------
    op : str
        "name" or "constant" (an operand), or "not", "and", "or" (an operator on the operands before it).
    name : str
        The variable, for "name".
    number : int
        The number of operands of "and" and "or"; 1 or 0 for a "constant" that is true or false.
    """

    op: str
    name: str = ""
    number: int = 0


def parse_steps(text: str, *, gene: str = "") -> tuple[Step, ...]:
    """Read a rule as `grn.networks.logic.rules.parse_rule` describes, into postfix form.

    Parameters
    ----------
    text : str
        At most `MAX_RULE_LENGTH` characters.
    gene : str
        The gene whose rule it is, for error messages.

    Raises
    ------
    ValueError
        If the text is no rule.

    Examples
    --------
    >>> [step.op for step in parse_steps("A & !(B | C)")]
    ['name', 'name', 'name', 'or', 'not', 'and']
    """
    owner = f"rule of {gene!r}" if gene else "rule"
    if not isinstance(text, str):
        raise TypeError(f"{owner} must be a str, got {type(text).__name__}")
    if len(text) > MAX_RULE_LENGTH:
        raise ValueError(
            f"{owner} has {len(text)} characters, the limit is {MAX_RULE_LENGTH}; split it into several genes"
        )

    def refuse(position: int, expected: str, found: str) -> ValueError:
        return ValueError(f"{owner}: position {position + 1}: expected {expected}, found {found}")

    groups = [_Group(-1)]
    operand_next = True
    for token in _TOKEN.finditer(text.rstrip()):
        found, position = token[0].strip(), token.end() - len(token[0].strip())
        group = groups[-1]
        word = _WORDS.get(found.lower(), "name") if token["word"] else _SYMBOLS.get(found, "")
        closer = "')'" if len(groups) > 1 else "the end"
        unopened = word == ")" and len(groups) == 1
        if unopened or (not operand_next and word not in {"and", "or", ")"}):
            expected = _OPERAND if operand_next else f"'and', 'or' or {closer}"
            raise refuse(position, expected, excerpt(found))
        if operand_next and word not in {"name", "0", "1", "not", "("}:
            raise refuse(position, _OPERAND, excerpt(found))
        if word == "name":
            if not is_gene_name(found):
                raise refuse(position, _OPERAND, f"the number {excerpt(found)}")
            group.add(_Node("name", found))
        elif word in {"0", "1"}:
            group.add(_Node("constant", number=int(word)))
        elif word == "not":
            group.negations += 1
        elif word == "(":
            groups.append(_Group(position))
        elif word == "or":
            group.close_conjunction()
        elif word == ")":
            groups.pop()
            groups[-1].add(group.node())
        operand_next = word in {"and", "or", "not", "("}
    if operand_next:
        raise refuse(len(text), _OPERAND, "the end") if text.strip() else refuse(0, _OPERAND, "an empty rule")
    if len(groups) > 1:
        expected = f"'and', 'or' or ')' for the '(' at position {groups[-1].opened + 1}"
        raise refuse(len(text), expected, "the end")
    return groups[0].node().postfix()


def is_gene_name(text: str) -> bool:
    """Whether a rule can name a gene so: no word of the language, no number, no ambiguous sign.

    Examples
    --------
    >>> [is_gene_name(name) for name in ("Pu1", "HLA-B", "Or", "1e3", "A B", "-A", "7")]
    [True, True, False, False, False, False, False]
    """
    match = _TOKEN.fullmatch(text)
    if match is None or match["word"] != text or text.lower() in _WORDS:
        return False
    if not any(character.isalpha() for character in text):
        return False
    return _NUMBER.fullmatch(text) is None


def excerpt(text: str, limit: int = 60) -> str:
    """Text in quotes for an error message, cut to ``limit`` characters.

    Examples
    --------
    >>> excerpt("A" * 100, limit=4)
    "'AAA…'"
    """
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


@dataclass(slots=True)
class _Node:
    op: str
    name: str = ""
    number: int = 0
    children: list[_Node] = field(default_factory=list)

    def postfix(self) -> tuple[Step, ...]:
        """Steps of the tree; read from the root backwards, so that no depth needs recursion."""
        steps: list[Step] = []
        stack = [self]
        while stack:
            node = stack.pop()
            steps.append(Step(node.op, node.name, node.number))
            stack.extend(node.children)
        return tuple(reversed(steps))


@dataclass(slots=True)
class _Group:
    """An open parenthesis, or the whole rule: the operands read so far."""

    opened: int
    negations: int = 0
    conjuncts: list[_Node] = field(default_factory=list)
    disjuncts: list[_Node] = field(default_factory=list)

    def add(self, node: _Node) -> None:
        for _ in range(self.negations):
            node = _Node("not", children=[node])
        self.negations = 0
        self.conjuncts.append(node)

    def close_conjunction(self) -> None:
        self.disjuncts.append(_joined("and", self.conjuncts))
        self.conjuncts = []

    def node(self) -> _Node:
        self.close_conjunction()
        return _joined("or", self.disjuncts)


def _joined(op: str, nodes: list[_Node]) -> _Node:
    if len(nodes) == 1:
        return nodes[0]
    children: list[_Node] = []
    for node in nodes:
        children.extend(node.children if node.op == op else [node])
    return _Node(op, number=len(children), children=children)
