"""Signed graphs: which gene raises which, and which lowers it, without kinetics.

>>> from grn.networks.network import GeneNetwork
>>> import networkx as nx
>>> graph = nx.DiGraph()
>>> graph.add_edge("A", "C", sign=1)
>>> graph.add_edge("B", "C", sign="-")
>>> print(network_of_signs(GeneNetwork, graph)["C"].regulation.rule)
A and not B
"""

from __future__ import annotations

import math
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import networkx as nx

from grn.networks.logic.boolean import BooleanNetwork, nearest_name
from grn.networks.logic.rules import Rule as BooleanRule
from grn.networks.logic.rules import Step
from grn.networks.promoters import Constitutive, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grn.networks.network import Gene, GeneNetwork

SIGN_WORDS = {
    "+": 1, "+1": 1, "1": 1, "->": 1, "activation": 1, "activates": 1,
    "-": -1, "-1": -1, "-|": -1, "inhibition": -1, "inhibits": -1, "repression": -1, "represses": -1,
}  # fmt: skip
KINETICS = (
    "transcription", "mrna_decay", "translation", "protein_decay", "coefficient", "threshold", "basal",
)  # fmt: skip
GRAPH_ATTRIBUTES = ("name", "source", "time_unit", "concentration_unit")


def sign_of(value: object) -> int:
    """Sign that an edge's label means.

    Parameters
    ----------
    value : float or str
        A number other than 0, or one of `SIGN_WORDS` in any case.

    Returns
    -------
    int
        +1 (activation) or −1 (inhibition).

    Raises
    ------
    ValueError
        If it is neither.

    Examples
    --------
    >>> sign_of("Activation"), sign_of("-|"), sign_of(-0.3)
    (1, -1, -1)
    >>> sign_of(0)
    Traceback (most recent call last):
    ...
    ValueError: a sign must be a number above or below 0 or one of +, +1, 1, ->, activation, ..., got 0
    """
    if isinstance(value, str) and value.strip().lower() in SIGN_WORDS:
        return SIGN_WORDS[value.strip().lower()]
    if isinstance(value, Real) and not isinstance(value, bool):
        number = float(value)
        if number != 0 and not math.isnan(number):
            return 1 if number > 0 else -1
    raise ValueError(
        f"a sign must be a number above or below 0 or one of {', '.join(SIGN_WORDS)}, got {value!r}"
    )


def rule_of_signs(activators: Sequence[str], repressors: Sequence[str]) -> BooleanRule:
    """Rule "any activator and no repressor"; without activators just "no repressor".

    Parameters
    ----------
    activators, repressors : sequence of str
        Not both empty. Any names: the rule is built from its steps, not from text.

    Raises
    ------
    ValueError
        If there is no regulator.

    Examples
    --------
    >>> print(rule_of_signs(["A", "B"], ["C", "D"]))
    (A or B) and not (C or D)
    >>> rule_of_signs([], ["gene 7"]).evaluate({"gene 7": False})
    True
    """
    if not activators and not repressors:
        raise ValueError("a rule of signs must have at least one regulator, got none: use Constitutive()")
    steps = _any_of(activators)
    if repressors:
        steps += [*_any_of(repressors), Step("not")]
    if activators and repressors:
        steps.append(Step("and", number=2))
    return BooleanRule(tuple(steps))


def signs_of_gene(gene: Gene) -> dict[str, int]:
    """Sign of each regulator of a gene, those that degrade its protein among them; 0 for both or unknown.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> signs_of_gene(circuits.p53()["p53"])
    {'MDM2': -1}
    """
    found = dict(gene.regulation.signs())
    for removal in gene.removals:
        found[removal.enzyme] = -1 if found.get(removal.enzyme, -1) == -1 else 0
    return found


def graph_of_network(network: GeneNetwork) -> nx.DiGraph:
    """Regulatory graph of a network, as `GeneNetwork.to_networkx` returns it.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> sorted(graph_of_network(circuits.toggle()).edges(data="sign"))
    [('lacI', 'tetR', -1), ('tetR', 'lacI', -1)]
    """
    graph = nx.DiGraph(**{name: getattr(network, name) for name in GRAPH_ATTRIBUTES})
    for gene in network.genes:
        graph.add_node(gene.name, gene=gene)
    for gene in network.genes:
        for source, sign in signs_of_gene(gene).items():
            graph.add_edge(source, gene.name, sign=sign)
    return graph


def signed_edges(network: GeneNetwork, where: str, *, isolated: bool) -> tuple[tuple[str, str, int], ...]:
    """(regulator, gene, sign) of every edge, for a file that can hold nothing else.

    Parameters
    ----------
    network : GeneNetwork
        What is written.
    where : str
        The format, for messages.
    isolated : bool
        Whether the format can hold genes without edges.

    Raises
    ------
    ValueError
        If an edge has no definite sign, or a gene no edge where it needs one.

    Examples
    --------
    >>> from grn.networks import circuits
    >>> signed_edges(circuits.toggle(), "a list", isolated=False)
    (('tetR', 'lacI', -1), ('lacI', 'tetR', -1))
    """
    found = [(source, gene.name, sign) for gene in network for source, sign in signs_of_gene(gene).items()]
    for source, target, sign in found:
        if sign == 0:
            raise ValueError(
                f"{where} needs a sign on every edge, and {source!r} -> {target!r} has both or none; "
                "write GraphML"
            )
    linked = {name for source, target, _ in found for name in (source, target)}
    for name in network.names:
        if not isolated and name not in linked:
            raise ValueError(f"{where} cannot hold the gene {name!r}, which has no edge; write GraphML")
    return tuple(found)


def network_of_signs(cls: type[GeneNetwork], graph: nx.DiGraph, **kinetics: float | None) -> GeneNetwork:
    """Network of a signed graph, as `GeneNetwork.from_networkx` returns it.

    A gene is on when any activator is there and no repressor; without activators when there is no repressor;
    without regulators always.

    Parameters
    ----------
    cls : type
        The class of network.
    graph : networkx.DiGraph
        Nodes that are str; on every edge a ``sign``, or else a ``weight``, that `sign_of` reads. A node that
        carries a `Gene` in ``gene`` keeps it, and the edges into it must be those of that gene.
    **kinetics : float
        Some of `KINETICS`, with meanings and defaults of `GeneNetwork.from_boolean`, for all other nodes.

    Returns
    -------
    GeneNetwork
        A gene a node. Its name, source and units are the graph's attributes of these names.

    Raises
    ------
    ValueError
        If the graph has no node or parallel edges, an edge has no sign, or a gene contradicts its node.
    TypeError
        If it is no directed graph, a node is no str, or a kinetic parameter is unknown.

    Examples
    --------
    >>> from grn.networks.network import GeneNetwork
    >>> graph = nx.DiGraph([("A", "B")])
    >>> network_of_signs(GeneNetwork, graph)
    Traceback (most recent call last):
    ...
    ValueError: the edge 'A' -> 'B' has no sign: give it an attribute sign=+1 (activation) or -1 (inhibition)
    """
    if not isinstance(graph, nx.Graph) or not graph.is_directed():
        raise TypeError(
            "the graph must be a networkx.DiGraph with edges from regulator to gene, "
            f"got {type(graph).__name__}"
        )
    if not len(graph):
        raise ValueError("a gene network must have at least one gene, got a graph without nodes")
    for name in kinetics:
        if name not in KINETICS:
            raise TypeError(
                f"{name!r} is no kinetic parameter of a signed network: those are {', '.join(KINETICS)}"
            )
    template = cls.from_boolean(BooleanNetwork({"G": "G"}), **kinetics)["G"]  # type: ignore[arg-type]
    genes = []
    for node, attributes in graph.nodes(data=True):
        if not isinstance(node, str):
            raise TypeError(
                f"a node must be a gene's name, a str, got {node!r}: "
                "use networkx.relabel_nodes(graph, str) first"
            )
        given = attributes.get("gene")
        signs = _signs_into(graph, node, optional=given is not None)
        if given is None:
            genes.append(_gene_of_signs(template, node, signs))
        else:
            _check_gene(given, node, signs)
            genes.append(given)
    described = {name: graph.graph.get(name, "") for name in GRAPH_ATTRIBUTES}
    for name, value in described.items():
        if not isinstance(value, str):
            raise TypeError(f"attribute {name!r} of the graph must be a str, got {value!r}")
    return cls(genes=tuple(genes), **described)


def _any_of(names: Sequence[str]) -> list[Step]:
    steps = [Step("name", name) for name in names]
    return steps if len(steps) < 2 else [*steps, Step("or", number=len(steps))]


def _gene_of_signs(template: Gene, name: str, signs: Mapping[str, int | None]) -> Gene:
    if not signs:
        return replace(template, name=name, regulation=Constitutive())
    assert isinstance(template.regulation, Rule)
    rule = rule_of_signs(
        [source for source, sign in signs.items() if sign == 1],
        [source for source, sign in signs.items() if sign == -1],
    )
    return replace(template, name=name, regulation=replace(template.regulation, rule=rule))


def _signs_into(graph: nx.DiGraph, node: str, *, optional: bool) -> dict[str, int | None]:
    """Sign of every edge into a node; None where there is none and that is allowed."""
    signs: dict[str, int | None] = {}
    for source, _, attributes in graph.in_edges(node, data=True):
        edge = f"the edge {source!r} -> {node!r}"
        if source in signs:
            raise ValueError(f"{edge} is given twice: keep one, or leave the sign to a Gene at the node")
        label: Any = attributes.get("sign", attributes.get("weight"))
        if optional:
            signs[source] = None if label is None else 0 if label == 0 else _sign(edge, label)
        elif label is None:
            raise ValueError(
                f"{edge} has no sign: give it an attribute sign=+1 (activation) or -1 (inhibition)"
            )
        else:
            signs[source] = _sign(edge, label)
    return signs


def _sign(edge: str, label: object) -> int:
    try:
        return sign_of(label)
    except ValueError as error:
        raise ValueError(f"{edge}: {error}") from None


def _check_gene(gene: Gene, node: str, signs: Mapping[str, int | None]) -> None:
    from grn.networks.network import Gene

    if not isinstance(gene, Gene):
        raise TypeError(f"attribute 'gene' of node {node!r} must be a Gene, got {type(gene).__name__}")
    if gene.name != node:
        raise ValueError(f"node {node!r} carries the gene {gene.name!r}: they must have one name")
    own = signs_of_gene(gene)
    remedy = "change the gene, or remove the attribute 'gene' for one made from the edges"
    for source in (*own, *signs):
        if source not in signs:
            raise ValueError(
                f"gene {node!r} is regulated by {source!r}, but the graph has no such edge: {remedy}"
            )
        if source not in own:
            hint = nearest_name(source, own)
            raise ValueError(
                f"the edge {source!r} -> {node!r} is none of the gene that the node carries{hint}: {remedy}"
            )
        if signs[source] not in (None, own[source]):
            raise ValueError(
                f"the edge {source!r} -> {node!r} has sign {signs[source]}, in the gene that the node "
                f"carries it is {own[source]}: {remedy}"
            )
