"""Gene networks: genes with mRNA and protein, on the same two equations as everywhere else.

For each gene, with the promoter's activity F of its regulators' protein levels (`grn.networks.promoters`):

    dm/dt = transcription·F − mrna_decay·m
    dp/dt = translation·m − protein_decay·p

A gene without mRNA has ``dp/dt = transcription·F − protein_decay·p``: mRNA so fast that it is always at its
steady state.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import networkx as nx

from grn.kinetics import _real
from grn.networks.formula import Formula, parameter, species
from grn.networks.promoters import Constitutive, ErlangDelay, Regulation, Rule
from grn.networks.reactions import Reaction, ReactionSystem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from grn.networks.logic.boolean import BooleanNetwork


POSITIVE = ("threshold.", "coefficient.", "fold.")  # parameters of promoters that divide or are powers


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Degradation of a protein by another one: ``rate·enzyme·p/(constant + p)``, Michaelis and Menten's law.

    Parameters
    ----------
    enzyme : str
        Gene whose protein degrades it.
    rate : float
        Turnover, per time.
    constant : float
        Concentration of half saturation.

    Examples
    --------
    >>> Removal(enzyme="MDM2", rate=1.7, constant=1e-4).enzyme
    'MDM2'
    """

    enzyme: str
    rate: float
    constant: float

    def __post_init__(self) -> None:
        for name in ("rate", "constant"):
            value = _real(name, getattr(self, name))
            if not (math.isfinite(value) and value > 0):
                raise ValueError(
                    f"{name} of removal by {self.enzyme!r} must be positive and finite, got {value}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gene:
    """A gene, its promoter and the rates of its products.

    Parameters
    ----------
    name : str
        Also the name of its protein; its mRNA is called ``NAME_mrna``.
    regulation : Regulation
        The promoter.
    transcription : float
        Rate at full activity, concentration per time: of mRNA, or of protein where there is no mRNA.
    mrna_decay : float, optional
        Per time; None for a gene whose mRNA is not modelled.
    translation : float
        Proteins per mRNA and time.
    protein_decay : float
        Per time. 0 for a protein that is removed by others alone.
    initial_mrna, initial_protein : float
        Concentrations at time 0.
    removals : tuple of Removal
        Proteins that degrade this one.

    Raises
    ------
    ValueError
        If a rate is negative or not finite.

    Examples
    --------
    >>> Gene(name="A", transcription=-1.0)
    Traceback (most recent call last):
    ...
    ValueError: transcription of gene 'A' must be a non-negative finite number, got -1.0
    """

    name: str
    regulation: Regulation = field(default_factory=Constitutive)
    transcription: float = 1.0
    mrna_decay: float | None = 1.0
    translation: float = 1.0
    protein_decay: float = 1.0
    initial_mrna: float = 0.0
    initial_protein: float = 0.0
    removals: tuple[Removal, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ValueError(f"a gene must have a name, got {self.name!r}")
        if not all(callable(getattr(self.regulation, method, None)) for method in ("signs", "lower")):
            raise TypeError(
                f"regulation of gene {self.name!r} must be a promoter such as Rule('not A'), "
                f"got {self.regulation!r}"
            )
        for name in ("transcription", "translation", "protein_decay", "initial_mrna", "initial_protein"):
            value = _real(name, getattr(self, name))
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(
                    f"{name} of gene {self.name!r} must be a non-negative finite number, got {value}"
                )
        if self.mrna_decay is not None and not (
            math.isfinite(_real("mrna_decay", self.mrna_decay)) and self.mrna_decay > 0
        ):
            raise ValueError(
                f"mrna_decay of gene {self.name!r} must be a positive finite rate, or None for a gene "
                f"without mRNA, got {self.mrna_decay}"
            )

    @property
    def mrna(self) -> str | None:
        """Name of its mRNA, if that is modelled."""
        return None if self.mrna_decay is None else f"{self.name}_mrna"


@dataclass(frozen=True, kw_only=True, eq=False)
class GeneNetwork:
    """Genes that regulate one another: cycles and self-regulation welcome.

    Parameters
    ----------
    genes : tuple of Gene
        At least one, with different names.
    name, source : str
        For reports: what it is, where it is from.
    time_unit, concentration_unit : str
        Of rates and concentrations.

    Raises
    ------
    ValueError
        If there is no gene, a name comes twice, or a regulator is no gene of the network.

    Examples
    --------
    >>> from grn.networks.promoters import HillProduct, Regulator
    >>> def repressed_by(source):
    ...     return HillProduct(regulators=(Regulator(source=source, activates=False),))
    >>> toggle = GeneNetwork(genes=(
    ...     Gene(name="A", regulation=repressed_by("B"), transcription=4.0, mrna_decay=None),
    ...     Gene(name="B", regulation=repressed_by("A"), transcription=4.0, mrna_decay=None),
    ... ))
    >>> toggle.edges
    (('B', 'A', -1), ('A', 'B', -1))
    >>> toggle.parameters["A.threshold.B"]
    1.0
    """

    genes: tuple[Gene, ...]
    name: str = ""
    source: str = ""
    time_unit: str = ""
    concentration_unit: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.genes, tuple | list):
            raise TypeError(f"genes must be a tuple of Gene, got {self.genes!r}; write (gene,) for one")
        object.__setattr__(self, "genes", tuple(self.genes))
        if not self.genes:
            raise ValueError("a gene network must have at least one gene, got none")
        for gene in self.genes:
            if not isinstance(gene, Gene):
                raise TypeError(f"genes must be of class Gene, got {gene!r}")
        names: set[str] = set()
        for gene in self.genes:
            for name in filter(None, (gene.name, gene.mrna)):
                if name in names:
                    raise ValueError(f"{name!r} names two things in one network: rename one of the genes")
                names.add(name)
        known = {gene.name for gene in self.genes}
        for gene in self.genes:
            named = gene.regulation.parsed.variables if isinstance(gene.regulation, Rule) else ()
            wanted = (*gene.regulation.signs(), *named, *(removal.enzyme for removal in gene.removals))
            for source in wanted:
                if source not in known:
                    near = difflib.get_close_matches(source, known, n=1)
                    hint = f": did you mean {near[0]!r}?" if near else ""
                    raise ValueError(
                        f"gene {gene.name!r} is regulated by {source!r}, which is not in the network{hint}"
                    )

    def __len__(self) -> int:
        return len(self.genes)

    def __iter__(self) -> Iterator[Gene]:
        return iter(self.genes)

    def __getitem__(self, name: str) -> Gene:
        for gene in self.genes:
            if gene.name == name:
                return gene
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the genes."""
        return tuple(gene.name for gene in self.genes)

    @cached_property
    def edges(self) -> tuple[tuple[str, str, int], ...]:
        """(regulator, gene, sign) of every regulation; sign is +1, −1, or 0 for both or unknown."""
        found = [(s, gene.name, sign) for gene in self.genes for s, sign in gene.regulation.signs().items()]
        found += [(removal.enzyme, gene.name, -1) for gene in self.genes for removal in gene.removals]
        return tuple(found)

    @property
    def parameters(self) -> Mapping[str, float]:
        """Every parameter with its value, under the name that simulations and fits take."""
        return self.system.parameters

    @property
    def species(self) -> tuple[str, ...]:
        """Names of all concentrations, in the order of results."""
        return self.system.species

    @cached_property
    def system(self) -> ReactionSystem:
        """The network as reactions."""
        return _Lowering(self).system()

    def boolean(self) -> BooleanNetwork:
        """Rules of the network, where every gene has one.

        Raises
        ------
        ValueError
            If a gene's promoter is no Boolean rule.

        Examples
        --------
        >>> network = GeneNetwork(genes=(Gene(name="A", regulation=Rule("not A")),))
        >>> network.boolean().genes
        ('A',)
        """
        from grn.networks.logic.boolean import BooleanNetwork

        rules = {}
        for gene in self.genes:
            if not isinstance(gene.regulation, Rule):
                raise ValueError(
                    f"gene {gene.name!r} has no Boolean rule ({type(gene.regulation).__name__}): Boolean "
                    "simulation needs a Rule for every gene"
                )
            rules[gene.name] = gene.regulation.parsed
        return BooleanNetwork(rules)

    @classmethod
    def from_boolean(
        cls,
        boolean: BooleanNetwork,
        *,
        transcription: float = 20.0,
        mrna_decay: float | None = 10.0,
        translation: float = 10.0,
        protein_decay: float = 1.0,
        coefficient: float = 10.0,
        threshold: float | None = None,
        basal: float = 0.0,
        initial: Mapping[str, float] | None = None,
        name: str = "",
        source: str = "",
    ) -> GeneNetwork:
        """Give every gene of a Boolean network the same kinetics; BoolODE's by default.

        Parameters
        ----------
        boolean : BooleanNetwork
            The rules.
        transcription, mrna_decay, translation, protein_decay, coefficient, basal : float
            As in `Gene` and `Rule`. ``mrna_decay=None`` for protein alone.
        threshold : float, optional
            Half the highest protein level by default.
        initial : mapping of str to float, optional
            Of mRNA, the protein being in equilibrium with it, as BoolODE's initial conditions; of protein
            where there is no mRNA.
        name, source : str
            For reports.

        Returns
        -------
        GeneNetwork
            With a `Rule` for every gene.

        Examples
        --------
        >>> from grn.networks.logic.boolean import BooleanNetwork
        >>> network = GeneNetwork.from_boolean(BooleanNetwork({"A": "not B", "B": "not A"}))
        >>> network.parameters["A.threshold.B"]
        10.0
        """
        levels = dict(initial or {})
        for gene in levels:
            if gene not in boolean.genes:
                raise ValueError(f"initial names {gene!r}, which is no gene of the network")
        rates = {"mrna_decay": mrna_decay, "protein_decay": protein_decay}
        if threshold is None:
            rates |= {"transcription": transcription, "translation": translation}
        for rate, value in rates.items():
            if value is not None and not _real(rate, value) > 0:
                raise ValueError(f"{rate} must be positive for levels in equilibrium, got {value}")
        per_mrna = translation / protein_decay if mrna_decay is not None else 1.0
        highest = transcription / (mrna_decay if mrna_decay is not None else protein_decay) * per_mrna
        half = highest / 2 if threshold is None else threshold
        return cls(
            genes=tuple(
                Gene(
                    name=gene,
                    regulation=Rule(rule, threshold=half, coefficient=coefficient, basal=basal),
                    transcription=transcription,
                    mrna_decay=mrna_decay,
                    translation=translation,
                    protein_decay=protein_decay,
                    initial_mrna=levels.get(gene, 0.0) if mrna_decay is not None else 0.0,
                    initial_protein=levels.get(gene, 0.0) * per_mrna,
                )
                for gene, rule in boolean.rules.items()
            ),
            name=name,
            source=source,
        )

    def to_networkx(self) -> nx.DiGraph:
        """Return the regulatory graph: each node with its `Gene` in ``gene``, each edge with its ``sign``.

        Name, source and units are attributes of the graph; `from_networkx` returns an equal network.

        Examples
        --------
        >>> network = GeneNetwork(genes=(Gene(name="A", regulation=Rule("not A")),))
        >>> list(network.to_networkx().edges(data="sign"))
        [('A', 'A', -1)]
        """
        from grn.networks.signed import graph_of_network

        return graph_of_network(self)

    @classmethod
    def from_networkx(cls, graph: nx.DiGraph, **kinetics: float | None) -> GeneNetwork:
        """Network of a signed graph: (any activator) and no repressor, unless nodes carry their genes.

        Parameters
        ----------
        graph : networkx.DiGraph
            Edges with ``sign`` (or ``weight``) above or below 0, "+" or "-", "activation" or "inhibition".
            Nodes that carry a `Gene` in ``gene`` keep it.
        **kinetics : float
            As in `from_boolean`, for nodes without one.

        Returns
        -------
        GeneNetwork
            A gene a node.

        Raises
        ------
        ValueError
            If an edge has no sign or is given twice, the graph has no node, or edges contradict a gene that
            a node carries.
        TypeError
            If it is no directed graph, a node is no str, or a kinetic parameter is unknown.

        Examples
        --------
        >>> import networkx as nx
        >>> graph = nx.DiGraph()
        >>> graph.add_edge("A", "B", sign=-1)
        >>> GeneNetwork.from_networkx(graph).edges
        (('A', 'B', -1),)
        """
        from grn.networks.signed import network_of_signs

        return network_of_signs(cls, graph, **kinetics)


class _Lowering:
    """Turns a network into reactions and named parameters."""

    def __init__(self, network: GeneNetwork) -> None:
        self.network = network
        self.initial: dict[str, float] = {}
        self.parameters: dict[str, float] = {}
        self.reactions: list[Reaction] = []
        self.followers: dict[str, str] = {}
        self.positive: set[str] = set()
        self.stages: dict[tuple[str, ErlangDelay], str] = {}

    def system(self) -> ReactionSystem:
        for gene in self.network.genes:
            if gene.mrna is not None:
                self.initial[gene.mrna] = gene.initial_mrna
            self.initial[gene.name] = gene.initial_protein
        for gene in self.network.genes:
            self._express(gene)
        return ReactionSystem(
            initial=self.initial,
            reactions=tuple(self.reactions),
            parameters=self.parameters,
            followers=self.followers,
            positive=frozenset(self.positive),
            non_negative=frozenset(self.parameters),
            name=self.network.name,
            time_unit=self.network.time_unit,
            source=self.network.source,
        )

    def _named(self, name: str, value: float) -> Formula:
        if name in self.parameters or name in self.initial:
            raise ValueError(
                f"{name!r} would name two things of the network: rename the gene whose name has a dot in it"
            )
        self.parameters[name] = float(value)
        return parameter(name)

    def _express(self, gene: Gene) -> None:
        activity, values = gene.regulation.lower(gene.name, self._level)
        # What perturbations turn: 0 is a knock-out, a fraction a knock-down; forced is made whatever F is.
        scale = self._named(f"{gene.name}.expression_scale", 1.0)
        forced = self._named(f"{gene.name}.forced_expression", 0.0)
        rate = self._named(f"{gene.name}.transcription", gene.transcription)
        for name, value in values.items():
            self._named(name, value)
            if name.removeprefix(f"{gene.name}.").startswith(POSITIVE):
                self.positive.add(name)
        product = gene.name if gene.mrna is None else gene.mrna
        self._react(f"transcription of {gene.name}", {product: 1}, rate * (scale * activity + forced))
        if gene.mrna is not None and gene.mrna_decay is not None:
            decay = self._named(f"{gene.name}.mrna_decay", gene.mrna_decay)
            self._react(f"decay of {gene.mrna}", {gene.mrna: -1}, decay * species(gene.mrna))
            made = self._named(f"{gene.name}.translation", gene.translation)
            self._react(f"translation of {gene.name}", {gene.name: 1}, made * species(gene.mrna))
        if gene.protein_decay > 0 or not gene.removals:
            loss = self._named(f"{gene.name}.protein_decay", gene.protein_decay)
            self._react(f"decay of {gene.name}", {gene.name: -1}, loss * species(gene.name))
        for removal in gene.removals:
            turnover = self._named(f"{gene.name}.removal.{removal.enzyme}", removal.rate)
            half = self._named(f"{gene.name}.removal_constant.{removal.enzyme}", removal.constant)
            self.positive.add(half.name)
            level = species(gene.name)
            self._react(
                f"removal of {gene.name} by {removal.enzyme}",
                {gene.name: -1},
                turnover * species(removal.enzyme) * level / (half + level),
            )

    def _react(self, name: str, changes: Mapping[str, float], rate: Formula) -> None:
        self.reactions.append(Reaction(name=name, changes=changes, rate=rate))

    def _level(self, source: str, delay: float | ErlangDelay) -> Formula:
        if not isinstance(delay, ErlangDelay):
            return species(source, delay)
        if (source, delay) not in self.stages:
            self.stages[source, delay] = self._chain(source, delay)
        return species(self.stages[source, delay])

    def _chain(self, source: str, delay: ErlangDelay) -> str:
        """Copies of a concentration, each following the one before: their end is the delayed level."""
        name = f"{source}.delayed{float(delay.mean)!r}x{delay.stages}"
        pace = self._named(f"{name}.rate", delay.stages / delay.mean)
        before = source
        for stage in range(1, delay.stages + 1):
            copy = f"{name}.{stage}"
            self.initial[copy] = self.initial[source]
            self.followers[copy] = source
            self._react(f"entry into {copy}", {copy: 1}, pace * species(before))
            self._react(f"exit from {copy}", {copy: -1}, pace * species(copy))
            before = copy
        return before
