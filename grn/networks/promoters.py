"""Promoters: how regulators set the activity of a gene, in each of the field's usual forms.

With the occupancy q = xⁿ/(1+xⁿ), x = p/K, of a regulator's sites:

==================== =========================================================== ==========================
`Constitutive`       F = 1                                                       always on
`HillSum`            F = basal + Σ weight·q                                      SERGIO
`HillProduct`        F = basal + (1 − basal)·Π q                                 many small circuits
`Rule`               F = multilinear extension of a Boolean rule at q            BoolODE, occupancy models
`Modules`            F = Σ activation(s)·P(s) over states of modules             GeneNetWeaver
`ShiftedHill`        F = Π (λ + (1 − λ)·(1 − q)), over λ for activation          RACIPE
`Proportional`       F = p                                                       linear chains, maturation
`Custom`             F = the user's function of tensors                          anything else
==================== =========================================================== ==========================

q is replaced by 1 − q where a regulator represses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from grn.kinetics import _real
from grn.networks.formula import Formula, Op, apply, call, constant, hill, product, total
from grn.networks.logic.rules import Rule as BooleanRule
from grn.networks.logic.rules import parse_rule

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class ErlangDelay:
    """A delay spread over time: the sum of ``stages`` exponential waiting times.

    Parameters
    ----------
    mean : float
        Mean delay, in the time unit of the model.
    stages : int
        Number of stages; the coefficient of variation is ``stages**-0.5``.

    Examples
    --------
    >>> ErlangDelay(mean=2.0, stages=4)
    ErlangDelay(mean=2.0, stages=4)
    """

    mean: float
    stages: int = 3

    def __post_init__(self) -> None:
        if not (math.isfinite(_real("mean", self.mean)) and self.mean > 0):
            raise ValueError(f"the mean of a delay must be a positive finite time, got {self.mean}")
        if isinstance(self.stages, bool) or not isinstance(self.stages, int) or not 1 <= self.stages <= 1000:
            raise ValueError(
                f"stages of a delay must be an integer from 1 to 1000, got {self.stages!r}; for a delay that "
                "hardly varies give a number, which is a constant delay"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Regulator:
    """A protein at a promoter.

    Parameters
    ----------
    source : str
        Name of the gene whose protein it is.
    activates : bool
        Or represses.
    threshold : float
        K, the concentration of half occupancy.
    coefficient : float
        n, the Hill coefficient.
    delay : float or ErlangDelay
        How long ago the concentration counted: constant or distributed.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> Regulator(source="A", activates=False, threshold=40.0).coefficient
    2.0
    """

    source: str
    activates: bool = True
    threshold: float = 1.0
    coefficient: float = 2.0
    delay: float | ErlangDelay = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.source, str):
            raise TypeError(f"source of a regulator must be the name of a gene, got {self.source!r}")
        for name in ("threshold", "coefficient"):
            value = _real(name, getattr(self, name))
            if not (math.isfinite(value) and value > 0):
                raise ValueError(
                    f"{name} of regulator {self.source!r} must be positive and finite, got {value}"
                )
        if not isinstance(self.delay, ErlangDelay) and not (
            math.isfinite(_real("delay", self.delay)) and self.delay >= 0
        ):
            raise ValueError(
                f"delay of regulator {self.source!r} must be a non-negative finite time, got {self.delay}"
            )


Level = Callable[[str, "float | ErlangDelay"], Formula]
"""What gives a protein's concentration, some time ago."""


class Regulation(Protocol):
    """The activity of a gene as a function of its regulators' concentrations."""

    def signs(self) -> Mapping[str, int]:
        """Regulators, each with +1 (activates), −1 (represses) or 0 (both or unknown)."""
        ...

    def lower(self, gene: str, level: Level) -> tuple[Formula, dict[str, float]]:
        """Return the activity as a formula, and the parameters in it with their values."""
        ...


class _Names:
    """Names and values of a promoter's parameters: ``gene.what.source``."""

    def __init__(self, gene: str) -> None:
        self.gene = gene
        self.values: dict[str, float] = {}

    def __call__(self, value: float, *what: str) -> Formula:
        name = ".".join((self.gene, *what))
        self.values[name] = float(value)
        return Formula(Op.PARAMETER, name=name)

    def occupancy(self, regulator: Regulator, level: Level) -> Formula:
        """Occupancy by one regulator."""
        return hill(
            level(regulator.source, regulator.delay),
            self(regulator.threshold, "threshold", regulator.source),
            self(regulator.coefficient, "coefficient", regulator.source),
        )

    def effect(self, regulator: Regulator, level: Level) -> Formula:
        """Occupancy, or its complement for a repressor."""
        q = self.occupancy(regulator, level)
        return q if regulator.activates else 1 - q

    def floored(self, basal: float, activity: Formula) -> Formula:
        """Return ``basal + (1 − basal)·activity``."""
        leak = self(basal, "basal")
        return leak + (1 - leak) * activity


def _signs(regulators: tuple[Regulator, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for regulator in regulators:
        sign = 1 if regulator.activates else -1
        found[regulator.source] = sign if found.get(regulator.source, sign) == sign else 0
    return found


def _check_distinct(regulators: tuple[Regulator, ...]) -> None:
    if not isinstance(regulators, tuple | list):
        raise TypeError(
            f"regulators must be a tuple of Regulator, got {regulators!r}; write (regulator,) for one"
        )
    if not regulators:
        raise ValueError(
            "a promoter with regulation must have at least one regulator: use Constitutive() for none"
        )
    seen = set()
    for regulator in regulators:
        if not isinstance(regulator, Regulator):
            raise TypeError(f"regulators must be of class Regulator, got {regulator!r}")
        if regulator.source in seen:
            raise ValueError(f"{regulator.source!r} regulates the same promoter twice: give it once")
        seen.add(regulator.source)


def _check_fraction(name: str, value: float) -> None:
    if not 0 <= _real(name, value) <= 1:
        raise ValueError(f"{name} must lie in [0, 1], got {value}")


@dataclass(frozen=True, slots=True)
class Constitutive:
    """A promoter without regulators: F = 1.

    Examples
    --------
    >>> Constitutive().signs()
    {}
    """

    def signs(self) -> Mapping[str, int]:
        """No regulators."""
        return {}

    def lower(self, gene: str, level: Level) -> tuple[Formula, dict[str, float]]:
        """One."""
        return constant(1.0), {}


@dataclass(frozen=True, slots=True, kw_only=True)
class HillSum:
    """Independent regulators whose effects add: F = basal + Σ weight·q.

    Parameters
    ----------
    regulators : tuple of Regulator
        Each once.
    weights : tuple of float
        Contribution of each when it is saturated; 1 by default.
    basal : float
        Activity without any.

    Examples
    --------
    >>> from grn.networks.formula import species
    >>> promoter = HillSum(regulators=(Regulator(source="A"),))
    >>> activity, values = promoter.lower("B", lambda source, delay: species(source))
    >>> str(activity)
    'B.basal + B.weight.A*hill(A, B.threshold.A, B.coefficient.A)'
    """

    regulators: tuple[Regulator, ...]
    weights: tuple[float, ...] = ()
    basal: float = 0.0

    def __post_init__(self) -> None:
        _check_distinct(self.regulators)
        if self.weights and len(self.weights) != len(self.regulators):
            raise ValueError(
                f"weights must be one a regulator ({len(self.regulators)}), got {len(self.weights)}"
            )
        for value in (*self.weights, self.basal):
            if not (math.isfinite(_real("weight", value)) and value >= 0):
                raise ValueError(f"weights and basal must be non-negative and finite, got {value}")

    def signs(self) -> Mapping[str, int]:
        """Sign of each regulator."""
        return _signs(self.regulators)

    def lower(self, gene: str, level: Level) -> tuple[Formula, dict[str, float]]:
        """Return the sum."""
        names = _Names(gene)
        weights = self.weights or (1.0,) * len(self.regulators)
        terms = [names(self.basal, "basal")]
        for regulator, weight in zip(self.regulators, weights, strict=True):
            terms.append(names(weight, "weight", regulator.source) * names.effect(regulator, level))
        return total(terms), names.values


@dataclass(frozen=True, slots=True, kw_only=True)
class HillProduct:
    """Regulators that must all agree: F = basal + (1 − basal)·Π q.

    Parameters
    ----------
    regulators : tuple of Regulator
        Each once.
    basal : float
        Leak: activity when the promoter is shut, in [0, 1].

    Examples
    --------
    >>> HillProduct(regulators=(Regulator(source="A", activates=False),), basal=1e-3).signs()
    {'A': -1}
    """

    regulators: tuple[Regulator, ...]
    basal: float = 0.0

    def __post_init__(self) -> None:
        _check_distinct(self.regulators)
        _check_fraction("basal", self.basal)

    def signs(self) -> Mapping[str, int]:
        """Sign of each regulator."""
        return _signs(self.regulators)

    def lower(self, gene: str, level: Level) -> tuple[Formula, dict[str, float]]:
        """Return the product."""
        names = _Names(gene)
        activity = product([names.effect(regulator, level) for regulator in self.regulators])
        return names.floored(self.basal, activity), names.values


@dataclass(frozen=True, slots=True)
class Rule:
    """A Boolean rule made continuous: its multilinear extension at the occupancies.

    It is the probability that the rule holds when every site is occupied with probability q, independently:
    what BoolODE computes as a sum over all 2^k combinations, here in a number of operations that grows with
    the length of the rule.

    Parameters
    ----------
    rule : str or rules.Rule
        ``"(A or B) and not C"``.
    threshold, coefficient : float or mapping of str to float
        Of all regulators, or of each.
    basal : float
        Leak: activity where the rule is false, in [0, 1].
    delay : float, ErlangDelay, or a mapping
        Of all regulators, or of each.

    Raises
    ------
    ValueError
        If the rule cannot be read, or a mapping lacks a regulator.

    Examples
    --------
    >>> from grn.networks.formula import species
    >>> activity, _ = Rule("A and not B", threshold=10, coefficient=4).lower("C", lambda a, delay: species(a))
    >>> sorted(Rule("A and not B").signs().items())
    [('A', 1), ('B', -1)]
    """

    rule: str | BooleanRule
    threshold: float | Mapping[str, float] = 1.0
    coefficient: float | Mapping[str, float] = 2.0
    basal: float = 0.0
    delay: float | ErlangDelay | Mapping[str, float | ErlangDelay] = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.rule, str):
            object.__setattr__(self, "rule", parse_rule(self.rule))
        _check_fraction("basal", self.basal)
        self.regulators()

    @property
    def parsed(self) -> BooleanRule:
        """The rule itself."""
        assert isinstance(self.rule, BooleanRule)
        return self.rule

    def regulators(self) -> tuple[Regulator, ...]:
        """The regulators, each with its threshold, coefficient and delay."""
        return tuple(
            Regulator(
                source=name,
                threshold=_of(self.threshold, name, "threshold"),
                coefficient=_of(self.coefficient, name, "coefficient"),
                delay=_of(self.delay, name, "delay"),
            )
            for name in self.parsed.variables
        )

    def signs(self) -> Mapping[str, int]:
        """Sign of each regulator that has an influence, by the rule itself."""
        return self.parsed.signs()

    def lower(self, gene: str, level: Level) -> tuple[Formula, dict[str, float]]:
        """Return the extension."""
        names = _Names(gene)
        occupancy = {r.source: names.occupancy(r, level) for r in self.regulators()}
        activity = self.parsed.multilinear(occupancy)
        return names.floored(self.basal, _as_formula(activity)), names.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A regulatory module of GeneNetWeaver: regulators that act together.

    Parameters
    ----------
    activators, deactivators : tuple of Regulator
        The module is active when activators are bound and deactivators are not. Whether an active module
        raises or lowers transcription is said by the activations of `Modules`.
    complex : bool
        Whether they bind as one complex, or independently.

    Examples
    --------
    >>> Module(activators=(Regulator(source="A"),)).complex
    False
    """

    activators: tuple[Regulator, ...]
    deactivators: tuple[Regulator, ...] = ()
    complex: bool = False

    def __post_init__(self) -> None:
        _check_distinct((*self.activators, *self.deactivators))
        if not self.activators:
            raise ValueError("a module must have at least one activator, got none")

    def activity(self, names: _Names, level: Level) -> Formula:
        """Probability that the module is active."""
        if not self.complex:
            bound = [names.occupancy(regulator, level) for regulator in self.activators]
            free = [1 - names.occupancy(regulator, level) for regulator in self.deactivators]
            return product([*bound, *free])
        bound = [_ratio(regulator, names, level) for regulator in self.activators]
        if not self.deactivators:
            return apply(Op.SATURATE, product(bound))
        # Π_A/(1 + Π_A + Π_A·Π_D) as two factors, neither of which overflows
        blocked = 1 + product([_ratio(regulator, names, level) for regulator in self.deactivators])
        return apply(Op.SATURATE, product([*bound, blocked])) / blocked


@dataclass(frozen=True, slots=True, kw_only=True)
class Modules:
    """GeneNetWeaver's promoter: F = Σ activation(s)·P(s) over the 2^M states s of M independent modules.

    Parameters
    ----------
    modules : tuple of Module
        Few: the number of states doubles with each.
    activations : tuple of float
        2^M numbers: the activity when exactly the modules of the bits of s are active, the first the lowest.

    Examples
    --------
    >>> repressor = Module(activators=(Regulator(source="A", threshold=0.1),))
    >>> Modules(modules=(repressor,), activations=(1.0, 0.0)).signs()
    {'A': -1}
    """

    modules: tuple[Module, ...]
    activations: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.modules:
            raise ValueError("there must be at least one module: use Constitutive() for none")
        if len(self.activations) != 2 ** len(self.modules):
            raise ValueError(
                f"{len(self.modules)} modules need {2 ** len(self.modules)} activations, one a state, "
                f"got {len(self.activations)}"
            )
        known: dict[str, tuple[float, float]] = {}
        for regulator in (r for module in self.modules for r in (*module.activators, *module.deactivators)):
            numbers = (regulator.threshold, regulator.coefficient)
            if known.setdefault(regulator.source, numbers) != numbers:
                raise ValueError(
                    f"{regulator.source!r} stands in two modules with different thresholds or coefficients: "
                    "a promoter has one of each for a regulator"
                )
        for value in self.activations:
            if not (math.isfinite(_real("activation", value)) and value >= 0):
                raise ValueError(f"activations must be non-negative and finite, got {value}")

    def signs(self) -> Mapping[str, int]:
        """Sign of each regulator: of its part in its module times its module's effect."""
        found: dict[str, int] = {}
        for bit, module in enumerate(self.modules):
            steps = [
                self.activations[s | 1 << bit] - self.activations[s]
                for s in range(len(self.activations))
                if not s >> bit & 1
            ]
            effect = 1 if min(steps) >= 0 else -1 if max(steps) <= 0 else 0
            for regulators, part in ((module.activators, 1), (module.deactivators, -1)):
                for regulator in regulators:
                    sign = part * effect
                    found[regulator.source] = sign if found.get(regulator.source, sign) == sign else 0
        return found

    def lower(self, gene: str, level: Level) -> tuple[Formula, dict[str, float]]:
        """Fold the states module by module."""
        names = _Names(gene)
        parts: list[Formula] = [
            names(value, "activation", str(s)) for s, value in enumerate(self.activations)
        ]
        for module in self.modules:
            active = module.activity(names, level)
            parts = [
                off * (1 - active) + on * active for off, on in zip(parts[::2], parts[1::2], strict=True)
            ]
        return parts[0], names.values


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftedHill:
    """RACIPE's promoter: a product of factors between 1 and the fold change λ, 1 at most.

    A repressor multiplies by ``λ + (1−λ)/(1+(p/K)ⁿ)`` with λ < 1; an activator by the same with λ > 1,
    divided by λ, so that the maximal rate is reached when all activators are bound and no repressor is.

    Parameters
    ----------
    regulators : tuple of Regulator
        Each once.
    folds : tuple of float
        λ of each: below 1 for repressors, above 1 for activators.

    Examples
    --------
    >>> ShiftedHill(regulators=(Regulator(source="A", activates=False),), folds=(0.04,)).signs()
    {'A': -1}
    """

    regulators: tuple[Regulator, ...]
    folds: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_distinct(self.regulators)
        if len(self.folds) != len(self.regulators):
            raise ValueError(f"folds must be one a regulator ({len(self.regulators)}), got {len(self.folds)}")
        for regulator, fold in zip(self.regulators, self.folds, strict=True):
            if not (math.isfinite(_real("fold", fold)) and fold > 0):
                raise ValueError(f"fold of {regulator.source!r} must be positive and finite, got {fold}")
            if (fold > 1) != regulator.activates and fold != 1:
                raise ValueError(
                    f"fold of {regulator.source!r} must be {'above' if regulator.activates else 'below'} 1, "
                    f"since it {'activates' if regulator.activates else 'represses'}, got {fold}"
                )

    def signs(self) -> Mapping[str, int]:
        """Sign of each regulator."""
        return _signs(self.regulators)

    def lower(self, gene: str, level: Level) -> tuple[Formula, dict[str, float]]:
        """Return the product."""
        names = _Names(gene)
        factors = []
        for regulator, fold in zip(self.regulators, self.folds, strict=True):
            change = names(fold, "fold", regulator.source)
            free = 1 - names.occupancy(regulator, level)
            shifted = change + (1 - change) * free
            factors.append(shifted / change if regulator.activates else shifted)
        return product(factors), names.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportional:
    """Production in proportion to a protein: F = p.

    Parameters
    ----------
    source : str
        The gene whose protein it is.
    delay : float or ErlangDelay
        How long ago its concentration counted.

    Examples
    --------
    >>> Proportional(source="A").signs()
    {'A': 1}
    """

    source: str
    delay: float | ErlangDelay = 0.0

    def signs(self) -> Mapping[str, int]:
        """One activator."""
        return {self.source: 1}

    def lower(self, gene: str, level: Level) -> tuple[Formula, dict[str, float]]:
        """Return the concentration."""
        return level(self.source, self.delay), {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Custom:
    """The user's own promoter.

    Parameters
    ----------
    function : callable
        Takes one tensor of shape (batch,) a source, in order, and returns the activity, (batch,). Written in
        torch, so that it can be differentiated. Stochastic simulation and files refuse it.
    sources : tuple of str
        Genes whose proteins it takes.
    effects : tuple of int
        Sign of each source for graphs, 0 (unknown) by default.

    Examples
    --------
    >>> Custom(function=lambda a: a / (1 + a * a), sources=("A",)).signs()
    {'A': 0}
    """

    function: Callable[..., Tensor]
    sources: tuple[str, ...]
    effects: tuple[int, ...] = field(default=())

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"function must be callable, got {self.function!r}")
        if self.effects and len(self.effects) != len(self.sources):
            raise ValueError(f"effects must be one a source ({len(self.sources)}), got {len(self.effects)}")

    def signs(self) -> Mapping[str, int]:
        """Return the signs given."""
        return dict(zip(self.sources, self.effects or (0,) * len(self.sources), strict=True))

    def lower(self, gene: str, level: Level) -> tuple[Formula, dict[str, float]]:
        """Return the call."""
        return call(self.function, *(level(source, 0.0) for source in self.sources)), {}


def _of(given: Any, name: str, what: str) -> Any:
    if not isinstance(given, Mapping):
        return given
    if name not in given:
        raise ValueError(f"{what} must be given for each regulator: {name!r} is missing")
    return given[name]


def _ratio(regulator: Regulator, names: _Names, level: Level) -> Formula:
    """``xⁿ``."""
    x = level(regulator.source, regulator.delay) / names(regulator.threshold, "threshold", regulator.source)
    return apply(Op.POSITIVE_POWER, x, names(regulator.coefficient, "coefficient", regulator.source))


def _as_formula(value: Formula | float) -> Formula:
    return value if isinstance(value, Formula) else constant(float(value))
