"""GraphML, which Cytoscape, Gephi and yEd open: a signed graph that carries the whole model [1]_.

Edges have ``sign``. Nodes have ``record``, the gene as JSON (`grn.networks.records`), so that a network comes
back as it was. A file without records, drawn by another tool, is read as a signed graph.

References
----------
.. [1] U. Brandes et al., "GraphML progress report: structural layer proposal", Graph Drawing 2001,
   LNCS 2265, 501 (2002).
"""

from __future__ import annotations

import json
import re
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx

from grn.networks.io.text import FormatError, write_text
from grn.networks.io.xml import DECLARATION, read_xml
from grn.networks.network import GeneNetwork
from grn.networks.records import gene_from_record, gene_record
from grn.networks.signed import GRAPH_ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from grn.networks.network import Gene

_NAMES = ("label", "name", "shared name")  # where Gephi, yEd and Cytoscape keep what they show
_SIGNS = ("sign", "interaction", "weight")  # the second is Cytoscape's for what came from SIF
_NO_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_graphml(path: str | Path) -> GeneNetwork:
    """Read a network from GraphML.

    Parameters
    ----------
    path : str or Path
        A directed graph, up to 64 MiB, without a document type declaration. A node is named by its record,
        or else by ``label``, ``name`` or ``shared name``, or else by its id. An edge into a node without a
        record needs ``sign``, ``interaction`` or ``weight``.

    Returns
    -------
    GeneNetwork
        Genes with records as these say, all others as `GeneNetwork.from_networkx` makes them.

    Raises
    ------
    FormatError
        Naming the file: not whole XML, no GraphML, a declaration of entities, a record that is no gene or
        contradicts the edges, an edge without a sign or given twice, or a graph without nodes or direction.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from grn.networks import circuits
    >>> path = Path(tempfile.mkdtemp()) / "repressilator.graphml"
    >>> write_graphml(circuits.repressilator(), path)
    >>> read_graphml(path).genes == circuits.repressilator().genes
    True
    """
    text = read_xml(path, format="GraphML", check_root=partial(_check_root, path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an attribute without a type is text, as the format says
            graph = nx.parse_graphml(text)
    except (
        nx.NetworkXError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        StopIteration,
        SyntaxError,
    ) as error:
        raise FormatError(path, 1, f"expected a graph in GraphML, found what is none: {error}") from None
    if not graph.is_directed():
        raise FormatError(
            path, 1, 'expected a directed graph (edgedefault="directed"), found an undirected one'
        )
    try:
        return GeneNetwork.from_networkx(_with_genes(graph))
    except (ValueError, TypeError) as error:
        raise FormatError(path, 1, str(error)) from None


def write_graphml(network: GeneNetwork, path: str | Path) -> None:
    """Write a network as GraphML; `read_graphml` reads an equal one back.

    Parameters
    ----------
    network : GeneNetwork
        With promoters that a file can hold: all but `Custom`.
    path : str or Path
        The target; replaced whole or not at all.

    Raises
    ------
    TypeError
        If a promoter is a function.
    ValueError
        If a name or source has a character that XML does not allow.

    Examples
    --------
    >>> import tempfile
    >>> from grn.networks import circuits
    >>> path = Path(tempfile.mkdtemp()) / "toggle.graphml"
    >>> write_graphml(circuits.toggle(), path)
    >>> import networkx as nx
    >>> list(nx.read_graphml(path).edges(data="sign"))
    [('lacI', 'tetR', -1), ('tetR', 'lacI', -1)]
    """
    graph = network.to_networkx()
    for name in (*graph.nodes, *graph.graph.values()):
        found = _NO_XML.search(name)
        if found:
            raise ValueError(f"XML does not allow the character {found[0]!r} of {name[:60]!r}: leave it out")
    for name, attributes in graph.nodes(data=True):
        gene = attributes.pop("gene")
        attributes["label"] = name
        attributes["record"] = json.dumps(gene_record(gene), allow_nan=False)
    write_text(path, f"{DECLARATION}\n" + "\n".join(nx.generate_graphml(graph)) + "\n")


def _check_root(path: str | Path, line: int, name: str, attributes: Mapping[str, str]) -> None:
    element = name.rpartition(" ")[2]
    if element != "graphml":
        raise FormatError(path, line, f"expected GraphML, found the XML element <{element[:60]}>")


def _with_genes(graph: nx.DiGraph) -> nx.DiGraph:
    """Graph of named genes: records read, and of all attributes of other tools only the signs kept."""
    found = type(graph)(**{name: str(graph.graph.get(name, "")) for name in GRAPH_ATTRIBUTES})
    names: dict[str, str] = {}
    shown = _shown_names(graph)
    for node, attributes in graph.nodes(data=True):
        gene = _gene(node, attributes)
        names[node] = shown[node] if gene is None else gene.name
        if names[node] in found:
            raise ValueError(f"two nodes are called {names[node]!r}: rename one")
        found.add_node(names[node], **({} if gene is None else {"gene": gene}))
    for source, target, attributes in graph.edges(data=True):
        label = next((attributes[key] for key in _SIGNS if key in attributes), None)
        found.add_edge(names[source], names[target], **({} if label is None else {"sign": label}))
    return found


def _shown_names(graph: nx.DiGraph) -> dict[str, str]:
    """Name of each node: what tools show, where it tells the nodes apart, or else the id."""
    for key in _NAMES:
        shown = {node: str(attributes.get(key, "")).strip() for node, attributes in graph.nodes(data=True)}
        if all(shown.values()) and len(set(shown.values())) == len(shown):
            return shown
    return {node: str(node) for node in graph}


def _gene(node: str, attributes: Mapping[str, Any]) -> Gene | None:
    if "record" not in attributes:
        return None
    try:
        record = json.loads(attributes["record"])
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"node {node!r}: expected its record in JSON, found what is none: {error}") from None
    try:
        return gene_from_record(record)
    except (ValueError, TypeError) as error:
        raise ValueError(f"the record of node {node!r}: {error}") from None
