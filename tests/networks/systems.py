"""Models with known steady states, bifurcations and cycles, written as reactions."""

from grn.networks import Gene, GeneNetwork, HillProduct, HillSum, Regulator
from grn.networks.formula import Formula, hill, parameter, species
from grn.networks.reactions import Reaction, ReactionSystem


def made_of(
    rates: dict[str, tuple[Formula, Formula]], parameters: dict[str, float], initial: dict[str, float]
) -> ReactionSystem:
    """Reactions that make and remove each species."""
    return ReactionSystem(
        initial=initial,
        parameters=parameters,
        reactions=tuple(
            Reaction(name=f"{kind} {name}", changes={name: change}, rate=rate)
            for name, both in rates.items()
            for kind, change, rate in zip(("make", "remove"), (1, -1), both, strict=True)
        ),
    )


def repressed(strength: Formula, by: Formula, n: float) -> Formula:
    return strength * (1 - hill(by, 1.0, n))


def symmetric_toggle(strength: float, n: float) -> ReactionSystem:
    u, v, a = species("u"), species("v"), parameter("a")
    return made_of(
        {"u": (repressed(a, v, n), u), "v": (repressed(a, u, n), v)}, {"a": strength}, {"u": 0.0, "v": 0.0}
    )


def gardner_toggle() -> ReactionSystem:
    u, v = species("u"), species("v")
    a, b = parameter("a"), parameter("b")
    return made_of(
        {"u": (repressed(a, v, 2.5), u), "v": (repressed(b, u, 1), v)},
        {"a": 156.25, "b": 15.6},
        {"u": 0.0, "v": 0.0},
    )


def autoregulation(strength: float, n: float, basal: float = 0.0) -> ReactionSystem:
    x = species("x")
    made = parameter("b") + parameter("a") * hill(x, 1.0, n)
    return made_of({"x": (made, x)}, {"a": strength, "b": basal}, {"x": 0.0})


def repressilator(strength: float, decay_ratio: float) -> ReactionSystem:
    rates, initial = {}, {}
    for k, (name, source) in enumerate((("1", "3"), ("2", "1"), ("3", "2"))):
        m, p = species(f"m{name}"), species(f"p{name}")
        rates[f"m{name}"] = repressed(parameter("alpha"), species(f"p{source}"), 2.0), m
        rates[f"p{name}"] = parameter("beta") * m, parameter("beta") * p
        initial |= {f"m{name}": float(k), f"p{name}": 0.0}
    return made_of(rates, {"alpha": strength, "beta": decay_ratio}, initial)


def goodwin(strength: float, n: float) -> ReactionSystem:
    x, y, z = species("x"), species("y"), species("z")
    return made_of(
        {"x": (repressed(parameter("a"), z, n), x), "y": (x, y), "z": (y, z)},
        {"a": strength},
        {"x": 1.0, "y": 0.0, "z": 0.0},
    )


def p53() -> ReactionSystem:
    x, early, y = species("x"), species("y0"), species("y")
    return made_of(
        {
            "x": (0.9 + 0 * x, 1.7 * y * x / (x + 1e-4)),
            "y0": (1.1 * x, 0.8 * early),
            "y": (0.8 * early, 0.8 * y),
        },
        {"made": 0.9},
        {"x": 0.0, "y0": 0.1, "y": 0.8},
    )


def spiral(decay: float) -> ReactionSystem:
    """Linear: turns about (2, 2) at one radian per time and comes nearer at rate ``decay``."""
    x, y = species("x"), species("y")
    return made_of(
        {"x": (parameter("made"), decay * x + y), "y": (x + 2 * decay, decay * y + 2)},
        {"made": 2 + 2 * decay},
        {"x": 3.0, "y": 2.0},
    )


def exchange() -> ReactionSystem:
    """A and B turn into each other: B/A = 2 at rest, whatever the total."""
    a, b = species("A"), species("B")
    return ReactionSystem(
        initial={"A": 9.0, "B": 0.0},
        parameters={"forth": 2.0, "back": 1.0},
        reactions=(
            Reaction(name="forth", changes={"A": -1, "B": 1}, rate=parameter("forth") * a),
            Reaction(name="back", changes={"A": 1, "B": -1}, rate=parameter("back") * b),
        ),
    )


def lotka_volterra() -> ReactionSystem:
    """Prey and predator: a saddle at (0, 0) and a centre at (1, 1), with closed orbits about it."""
    x, y = species("x"), species("y")
    return ReactionSystem(
        initial={"x": 2.0, "y": 1.0},
        parameters={},
        reactions=(
            Reaction(name="breed", changes={"x": 1}, rate=x),
            Reaction(name="eat", changes={"x": -1, "y": 1}, rate=x * y),
            Reaction(name="die", changes={"y": -1}, rate=y),
        ),
    )


def constant_rise() -> ReactionSystem:
    """What is made and never lost: no steady state."""
    rise = Reaction(name="rise", changes={"x": 1}, rate=parameter("k"))
    return ReactionSystem(initial={"x": 0.0}, parameters={"k": 1.0}, reactions=(rise,))


def switches(count: int) -> ReactionSystem:
    """Switches that do not know each other: x' = 2.5 x²/(1 + x²) - x rests at 0, 1/2 and 2."""
    names = [f"x{k}" for k in range(count)]
    rates = {name: (2.5 * hill(species(name), 1.0, 2), species(name)) for name in names}
    return made_of(rates, {}, dict.fromkeys(names, 0.0))


def high_state_under_a_low_one() -> GeneNetwork:
    """Two genes, drawn at random: no course from afar ends at the upper state, (0.459178, 1.790592)."""
    first = HillProduct(
        regulators=(
            Regulator(source="G1", activates=False, threshold=0.8097658650061994, coefficient=2),
            Regulator(source="G0", activates=True, threshold=0.4700575766983291, coefficient=4),
        ),
        basal=0.006370226782620159,
    )
    second = HillSum(
        regulators=(
            Regulator(source="G0", activates=True, threshold=0.5049454213651038, coefficient=8),
            Regulator(source="G1", activates=False, threshold=0.12444721473305836, coefficient=2),
        ),
        basal=0.01,
    )
    return GeneNetwork(
        genes=(
            Gene(
                name="G0",
                regulation=first,
                transcription=5.291481843966849,
                mrna_decay=None,
                protein_decay=1.0,
            ),
            Gene(
                name="G1",
                regulation=second,
                transcription=5.3701962744741865,
                mrna_decay=None,
                protein_decay=1.0,
            ),
        )
    )
