"""Gene circuits of the literature, with their parameters, units and sources.

>>> sorted(CIRCUITS)
['goodwin', 'p53', 'positive_autoregulation', 'repressilator', 'symmetric_toggle', 'toggle']
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from grn.networks.network import Gene, GeneNetwork, Removal
from grn.networks.promoters import Constitutive, HillProduct, HillSum, Proportional, Regulator

if TYPE_CHECKING:
    from collections.abc import Callable


def repressilator() -> GeneNetwork:
    """Three genes that repress one another in a ring: oscillates with a period of 125.35 min.

    Parameters of BioModels BIOMD0000000012: half-lives of 2 min (mRNA) and 10 min (protein), 20 proteins a
    transcript, 0.5 transcripts a second from a free promoter and 5e-4 from a repressed one, K = 40 molecules,
    n = 2. Time in minutes, amounts in molecules a cell.

    References
    ----------
    M. B. Elowitz and S. Leibler, "A synthetic oscillatory network of transcriptional regulators",
    Nature 403, 335 (2000).

    Examples
    --------
    >>> repressilator().edges
    (('cI', 'lacI', -1), ('lacI', 'tetR', -1), ('tetR', 'cI', -1))
    """
    mrna_decay, protein_decay = math.log(2) / 2, math.log(2) / 10
    free, repressed = 0.5 * 60, 5e-4 * 60
    return GeneNetwork(
        genes=tuple(
            Gene(
                name=name,
                regulation=_repressed(repressor, threshold=40.0, coefficient=2.0, basal=repressed / free),
                transcription=free,
                mrna_decay=mrna_decay,
                translation=20 * mrna_decay,
                protein_decay=protein_decay,
                initial_mrna=20.0 if name == "tetR" else 0.0,
            )
            for name, repressor in (("lacI", "cI"), ("tetR", "lacI"), ("cI", "tetR"))
        ),
        name="repressilator",
        source="Elowitz and Leibler, Nature 403, 335 (2000); BIOMD0000000012",
        time_unit="min",
        concentration_unit="molecules",
    )


def toggle() -> GeneNetwork:
    """Two genes that repress each other, with unequal strength: two stable states.

    ``du/dt = α₁/(1+v^2.5) − u``, ``dv/dt = α₂/(1+u) − v`` with α₁ = 156.25, α₂ = 15.6. Time in lifetimes of
    the proteins, concentrations in units of the thresholds.

    References
    ----------
    T. S. Gardner, C. R. Cantor and J. J. Collins, "Construction of a genetic toggle switch in Escherichia
    coli", Nature 403, 339 (2000); BIOMD0000000507.

    Examples
    --------
    >>> toggle().parameters["lacI.coefficient.tetR"]
    2.5
    """
    return GeneNetwork(
        genes=(
            Gene(
                name="lacI",
                regulation=_repressed("tetR", coefficient=2.5),
                transcription=156.25,
                mrna_decay=None,
            ),
            Gene(
                name="tetR",
                regulation=_repressed("lacI", coefficient=1.0),
                transcription=15.6,
                mrna_decay=None,
            ),
        ),
        name="toggle",
        source="Gardner, Cantor and Collins, Nature 403, 339 (2000); BIOMD0000000507",
        time_unit="protein lifetimes",
        concentration_unit="thresholds",
    )


def symmetric_toggle(strength: float = 4.0, coefficient: float = 2.0) -> GeneNetwork:
    """Two equal genes that repress each other: one state below a strength of α_c, two above (a pitchfork).

    ``du/dt = α/(1+vⁿ) − u`` and the same with u and v exchanged; α_c = 2 at n = 2.

    Parameters
    ----------
    strength : float
        α: production at a free promoter.
    coefficient : float
        n.

    References
    ----------
    As `toggle`.

    Examples
    --------
    >>> symmetric_toggle(strength=3.0)["u"].transcription
    3.0
    """
    return GeneNetwork(
        genes=tuple(
            Gene(
                name=name,
                regulation=_repressed(other, coefficient=coefficient),
                transcription=strength,
                mrna_decay=None,
            )
            for name, other in (("u", "v"), ("v", "u"))
        ),
        name="symmetric toggle",
        source="Gardner, Cantor and Collins, Nature 403, 339 (2000), equal strengths",
        time_unit="protein lifetimes",
        concentration_unit="thresholds",
    )


def positive_autoregulation(
    strength: float = 2.5, coefficient: float = 2.0, basal: float = 0.0
) -> GeneNetwork:
    """One gene that activates itself: ``dx/dt = b + a·xⁿ/(1+xⁿ) − x``, bistable above a saddle-node.

    With b = 0 the saddle-node lies at a = 2, 1.88988, 1.75477 for n = 2, 3, 4; with n = 1 there is none.

    Parameters
    ----------
    strength, coefficient, basal : float
        a, n and b.

    References
    ----------
    U. Alon, "An Introduction to Systems Biology", 2nd ed., chapter 5 (2019).

    Examples
    --------
    >>> positive_autoregulation(basal=0.1).parameters["x.basal"]
    0.1
    """
    return GeneNetwork(
        genes=(
            Gene(
                name="x",
                regulation=HillSum(
                    regulators=(Regulator(source="x", coefficient=coefficient),),
                    weights=(strength,),
                    basal=basal,
                ),
                mrna_decay=None,
                initial_protein=1.0,
            ),
        ),
        name="positive autoregulation",
        source="Alon, An Introduction to Systems Biology (2019)",
        time_unit="protein lifetimes",
        concentration_unit="thresholds",
    )


def goodwin(strength: float = 11.486984, coefficient: float = 10.0) -> GeneNetwork:
    """A gene repressed by the end product of its enzyme: oscillates for n > 8 at equal decay rates.

    ``dx/dt = a/(1+zⁿ) − x``, ``dy/dt = x − y``, ``dz/dt = y − z``. At n = 10 oscillation sets in at
    a = 5.743492 with a period of 2π/√3; the default is twice that.

    Parameters
    ----------
    strength, coefficient : float
        a and n.

    References
    ----------
    B. C. Goodwin, "Oscillatory behavior in enzymatic control processes", Adv. Enzyme Regul. 3, 425 (1965).
    J. S. Griffith, J. Theor. Biol. 20, 202 (1968) for n > 8.

    Examples
    --------
    >>> goodwin().species
    ('enzyme_mrna', 'enzyme', 'product')
    """
    return GeneNetwork(
        genes=(
            Gene(
                name="enzyme",
                regulation=_repressed("product", coefficient=coefficient),
                transcription=strength,
                initial_mrna=1.0,
            ),
            Gene(name="product", regulation=Proportional(source="enzyme"), mrna_decay=None),
        ),
        name="Goodwin oscillator",
        source="Goodwin, Adv. Enzyme Regul. 3, 425 (1965)",
        time_unit="lifetimes",
        concentration_unit="thresholds",
    )


def p53() -> GeneNetwork:
    """p53 induces Mdm2, which degrades it: oscillates with a period of 6.82 h.

    ``dx/dt = βx − αk·y·x/(x+k)``, ``dy₀/dt = βy·x − α₀·y₀``, ``dy/dt = α₀·y₀ − αy·y`` for p53 x, the Mdm2
    precursor y₀ (here its mRNA) and Mdm2 y, with βx 0.9, βy 1.1, αy = α₀ = 0.8, αk 1.7 per hour and k = 1e-4.

    References
    ----------
    N. Geva-Zatorsky et al., "Oscillations and variability in the p53 system", Mol. Syst. Biol. 2, 2006.0033
    (2006), model IV; BIOMD0000000157.

    Examples
    --------
    >>> p53().edges
    (('p53', 'MDM2', 1), ('MDM2', 'p53', -1))
    """
    return GeneNetwork(
        genes=(
            Gene(
                name="p53",
                regulation=Constitutive(),
                transcription=0.9,
                mrna_decay=None,
                protein_decay=0.0,
                removals=(Removal(enzyme="MDM2", rate=1.7, constant=1e-4),),
            ),
            Gene(
                name="MDM2",
                regulation=Proportional(source="p53"),
                transcription=1.1,
                mrna_decay=0.8,
                translation=0.8,
                protein_decay=0.8,
                initial_mrna=0.1,
                initial_protein=0.8,
            ),
        ),
        name="p53–MDM2",
        source="Geva-Zatorsky et al., Mol. Syst. Biol. 2, 2006.0033 (2006); BIOMD0000000157",
        time_unit="h",
        concentration_unit="arbitrary units",
    )


CIRCUITS: dict[str, Callable[[], GeneNetwork]] = {
    "repressilator": repressilator,
    "toggle": toggle,
    "symmetric_toggle": symmetric_toggle,
    "positive_autoregulation": positive_autoregulation,
    "goodwin": goodwin,
    "p53": p53,
}


def _repressed(
    source: str, *, threshold: float = 1.0, coefficient: float = 2.0, basal: float = 0.0
) -> HillProduct:
    repressor = Regulator(source=source, activates=False, threshold=threshold, coefficient=coefficient)
    return HillProduct(regulators=(repressor,), basal=basal)
