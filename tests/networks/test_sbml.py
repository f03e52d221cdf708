"""SBML: models by hand against closed forms, what is refused, broken files, and writing read back."""

import math
import sys
from itertools import pairwise
from textwrap import dedent

import numpy as np
import pytest
import torch

from grn.networks.equations import RateEquations
from grn.networks.formula import Op, apply, call, constant, hill, parameter, species
from grn.networks.formula import time as time_of_model
from grn.networks.io.sbml import read_sbml, write_sbml
from grn.networks.io.text import FormatError
from grn.networks.io.xml import MOST_NESTED
from grn.networks.network import Gene, GeneNetwork
from grn.networks.promoters import HillProduct, Module, Modules, Regulator
from grn.networks.reactions import Reaction, ReactionSystem

libsbml = pytest.importorskip("libsbml", reason="python-libsbml is not installed")

MATH = '<math xmlns="http://www.w3.org/1998/Math/MathML">'
CELL = '<compartment id="cell" spatialDimensions="3" size="1" constant="true"/>'


def mathml(text):
    """Infix text as the MathML that libsbml makes of it."""
    tree = libsbml.parseL3Formula(text)
    assert tree is not None, libsbml.getLastParseL3Error()
    return libsbml.writeMathMLToString(tree).split("\n", 1)[1]


def listed(name, items):
    return f"<listOf{name}>{''.join(items)}</listOf{name}>" if items else ""


def pool(name, amount="", *, home="cell", **attributes):
    kinds = {"hasOnlySubstanceUnits": "false", "boundaryCondition": "false", "constant": "false"}
    given = " ".join(f'{key}="{value}"' for key, value in (kinds | attributes).items())
    start = f'initialConcentration="{amount}"' if amount != "" else ""
    return f'<species id="{name}" compartment="{home}" {start} {given}/>'


def number(name, value="", *, constant="true"):
    return f'<parameter id="{name}" constant="{constant}"' + (f' value="{value}"/>' if value != "" else "/>")


def reaction(name, law, *, reactants=(), products=(), modifiers=(), local=None, more=""):
    def references(names):
        return [
            f'<speciesReference species="{s.split()[-1]}" constant="true" '
            f'stoichiometry="{s.split()[0] if " " in s else 1}"/>'
            for s in names
        ]

    own = [f'<localParameter id="{key}" value="{value}"/>' for key, value in (local or {}).items()]
    inner = f"<kineticLaw>{mathml(law)}{listed('LocalParameters', own)}</kineticLaw>" if law else ""
    return (
        f'<reaction id="{name}" reversible="false" fast="false" {more}>'
        + listed("Reactants", references(reactants))
        + listed("Products", references(products))
        + listed("Modifiers", [f'<modifierSpeciesReference species="{s}"/>' for s in modifiers])
        + f"{inner}</reaction>"
    )


def rule(kind, variable, text):
    return f'<{kind}Rule variable="{variable}">{mathml(text)}</{kind}Rule>'


def assignment(symbol, text):
    return f'<initialAssignment symbol="{symbol}">{mathml(text)}</initialAssignment>'


def model(
    *, functions=None, compartments=(CELL,), pools=(), numbers=(), first=(), rules=(), reactions=(), more=""
):
    """Level 3 text with each part on a line of its own."""
    defined = [
        f'<functionDefinition id="{name}">{mathml(text)}</functionDefinition>'
        for name, text in (functions or {}).items()
    ]
    parts = [
        listed("FunctionDefinitions", defined),
        listed("Compartments", compartments),
        listed("Species", pools),
        listed("Parameters", numbers),
        listed("InitialAssignments", first),
        listed("Rules", rules),
        listed("Reactions", reactions),
        more,
    ]
    head = '<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1">'
    return "\n".join(
        ['<?xml version="1.0" encoding="UTF-8"?>', head, '<model id="m">', *parts, "</model>", "</sbml>"]
    )


@pytest.fixture
def read(tmp_path):
    def read_text(text):
        path = tmp_path / "model.xml"
        path.write_text(text)
        return read_sbml(path)

    return read_text


@pytest.fixture
def refused(tmp_path):
    """Message of the one error that a text raises."""

    def message(text):
        path = tmp_path / "model.xml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(FormatError) as caught:
            read_sbml(path)
        assert str(caught.value).startswith(f"{path}:{caught.value.line}: ")
        assert caught.value.line >= 1
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return message


def slopes(system, state=None, time=0.0):
    equations = RateEquations(system)
    y = equations.initial(state)
    return dict(zip(system.species, equations(time, y)[:, 0].tolist(), strict=True))


DECAY = {"pools": [pool("A", 10)], "numbers": [number("k", 0.5)]}


# What models mean


def test_mass_action_follows_its_closed_form(read):
    system = read(model(**DECAY, reactions=[reaction("decay", "k*A", reactants=["A"])]))
    assert isinstance(system, ReactionSystem)
    assert (system.species, dict(system.parameters), system.name) == (("A",), {"k": 0.5}, "m")
    assert [r.name for r in system.reactions] == ["decay"]
    from scipy.integrate import solve_ivp

    found = solve_ivp(lambda t, y: [slopes(system, {"A": y[0]})["A"]], (0, 3), [10.0], rtol=1e-9, atol=1e-12)
    assert found.y[0, -1] == pytest.approx(10 * math.exp(-1.5), rel=1e-8)  # the solver's tolerance


def test_michaelis_menten_by_a_function_and_a_modifier(read):
    text = model(
        functions={"mm": "lambda(s, v, h, v*s/(h + s))"},
        pools=[pool("S", 4), pool("P", 0), pool("E", 0.3)],
        numbers=[number("kcat", 7), number("Km", 1.5)],
        reactions=[
            reaction("turnover", "E*mm(S, kcat, Km)", reactants=["S"], products=["P"], modifiers=["E"])
        ],
    )
    rate = 0.3 * 7 * 4 / 5.5
    assert slopes(read(text)) == pytest.approx({"S": -rate, "P": rate, "E": 0.0}, rel=1e-15)


def test_repressilator_equals_its_published_equations(read):
    """BIOMD0000000012: Elowitz and Leibler, Nature 403, 335 (2000)."""
    names = {"X": "PZ", "Y": "PX", "Z": "PY"}
    text = model(
        pools=[pool("PX", 0), pool("PY", 0), pool("PZ", 0), pool("X", 0), pool("Y", 20), pool("Z", 0)],
        numbers=[
            number("t_ave", constant="false"), number("kd_mRNA", constant="false"),
            number("kd_prot", constant="false"), number("k_tl", constant="false"),
            number("a_tr", constant="false"), number("a0_tr", constant="false"),
            number("tau_mRNA", 2), number("tau_prot", 10), number("ps_a", 0.5), number("ps_0", 0.0005),
            number("eff", 20), number("KM", 40), number("n", 2),
        ],
        rules=[
            rule("assignment", "k_tl", "eff/t_ave"), rule("assignment", "t_ave", "tau_mRNA/ln(2)"),
            rule("assignment", "kd_mRNA", "ln(2)/tau_mRNA"), rule("assignment", "kd_prot", "ln(2)/tau_prot"),
            rule("assignment", "a_tr", "(ps_a - ps_0)*60"), rule("assignment", "a0_tr", "ps_0*60"),
        ],
        reactions=[
            part
            for m, repressor in names.items()
            for part in (
                reaction(f"loss_{m}", f"kd_mRNA*{m}", reactants=[m]),
                reaction(f"make_P{m}", f"k_tl*{m}", products=[f"P{m}"], modifiers=[m]),
                reaction(f"loss_P{m}", f"kd_prot*P{m}", reactants=[f"P{m}"]),
                reaction(
                    f"make_{m}", f"a0_tr + a_tr*KM^n/(KM^n + {repressor}^n)",
                    products=[m], modifiers=[repressor],
                ),
            )
        ],
    )  # fmt: skip
    system = read(text)
    assert system.species == ("PX", "PY", "PZ", "X", "Y", "Z")
    assert "k_tl" not in system.parameters  # what a rule assigns is inlined
    rng = np.random.default_rng(0)
    for _ in range(5):
        y = dict(zip(system.species, rng.uniform(0, 300, 6).tolist(), strict=True))
        expected = {}
        for m, repressor in names.items():
            made = 0.03 + 29.97 * 40**2 / (40**2 + y[repressor] ** 2)
            expected[m] = made - math.log(2) / 2 * y[m]
            expected[f"P{m}"] = 20 * math.log(2) / 2 * y[m] - math.log(2) / 10 * y[f"P{m}"]
        assert slopes(system, y) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_transport_between_volumes_conserves_amounts(read):
    homes = [
        f'<compartment id="{name}" spatialDimensions="3" size="{size}" constant="true"/>'
        for name, size in (("cell", 2), ("nucleus", 0.5))
    ]
    text = model(
        compartments=homes,
        pools=[pool("out", 3), pool("inside", 1, home="nucleus")],
        numbers=[number("k", 0.7)],
        reactions=[reaction("entry", "k*cell*(out - inside)", reactants=["out"], products=["inside"])],
    )
    system = read(text)
    assert dict(system.volumes) == {"out": 2.0, "inside": 0.5}
    rate = 0.7 * 2 * 2  # amount per time
    assert slopes(system) == pytest.approx({"out": -rate / 2, "inside": rate / 0.5}, rel=1e-15)


def test_amounts_and_concentrations_at_the_start(read):
    big = '<compartment id="cell" spatialDimensions="3" size="4" constant="true"/>'
    text = model(
        compartments=[big],
        pools=[
            pool("a", initialAmount="8"),
            pool("b", initialAmount="8", hasOnlySubstanceUnits="true"),
            pool("c", 8, hasOnlySubstanceUnits="true"),
        ],
        reactions=[reaction("r", "a*b*c", products=["a", "b", "2 c"])],
    )
    system = read(text)
    assert dict(system.initial) == {"a": 2.0, "b": 8.0, "c": 32.0}
    assert slopes(system) == {"a": 512 / 4, "b": 512.0, "c": 1024.0}


def test_parameters_of_a_reaction_hide_those_of_the_model(read):
    text = model(
        **DECAY,
        reactions=[
            reaction("r1", "k*A", reactants=["A"], local={"k": 3}),
            reaction("r2", "k*A", reactants=["A"]),
        ],
    )
    system = read(text)
    assert dict(system.parameters) == {"k": 0.5, "r1.k": 3.0}
    assert [str(r.rate) for r in system.reactions] == ["r1.k*A", "k*A"]


def test_assignments_at_the_start_in_whatever_order(read):
    text = model(
        compartments=['<compartment id="cell" spatialDimensions="3" constant="true"/>'],
        pools=[pool("A"), pool("B", initialAmount="6")],
        numbers=[number("k"), number("q", 2), number("r", constant="false")],
        first=[assignment("A", "k + r + time"), assignment("k", "q^3"), assignment("cell", "q + 1")],
        rules=[rule("assignment", "r", "B*10")],
    )
    system = read(text)
    assert dict(system.initial) == {"A": 28.0, "B": 2.0}
    assert dict(system.parameters) == {"k": 8.0, "q": 2.0}


def test_rate_rules_drive_species_and_parameters(read):
    big = '<compartment id="cell" spatialDimensions="3" size="4" constant="true"/>'
    text = model(
        compartments=[big],
        pools=[pool("A", 3), pool("D", 5, boundaryCondition="true")],
        numbers=[number("x", 2, constant="false")],
        rules=[
            rule("rate", "A", "-A*x"),
            rule("rate", "x", "piecewise(1, time < 1, -x)"),
            rule("rate", "D", "0.5"),
        ],
    )
    system = read(text)
    assert system.species == ("A", "D", "x")
    assert slopes(system) == {"A": -6.0, "D": 0.5, "x": 1.0}
    assert slopes(system, time=2.0)["x"] == -2.0


def test_boundary_species_are_parameters_and_keep_still(read):
    text = model(
        pools=[
            pool("S", 4, boundaryCondition="true"),
            pool("C", 2, constant="true", boundaryCondition="true"),
            pool("P", 0),
            pool("nothing", boundaryCondition="true"),
        ],
        reactions=[
            reaction("r", "S*C", reactants=["S", "C"], products=["P"]),
            reaction("loss", "P", reactants=["P"], products=["nothing"]),
        ],
    )
    system = read(text)
    assert system.species == ("P",)
    assert dict(system.parameters) == {"S": 4.0, "C": 2.0}
    assert slopes(system) == {"P": 8.0}


def test_rates_of_reactions_and_stoichiometries_can_be_named_in_formulas(read):
    made = reaction("r", "2*A", products=["3 A"]).replace('species="A"', 'id="s" species="A"')
    text = model(
        pools=[pool("A", 1)],
        numbers=[number("v", constant="false")],
        rules=[rule("assignment", "v", "r + s")],
        reactions=[made, reaction("loss", "v", reactants=["A"])],
    )
    assert slopes(read(text)) == {"A": 3 * 2.0 - (2.0 + 3.0)}


def test_conversion_factors_scale_what_a_reaction_changes(read):
    text = model(
        pools=[pool("A", 1), pool("B", 1, conversionFactor="f")],
        numbers=[number("f", 10)],
        reactions=[reaction("r", "2*A", reactants=["A"], products=["B"])],
    )
    assert slopes(read(text)) == {"A": -2.0, "B": 20.0}


LEVEL_2 = dedent(
    """\
    <?xml version="1.0" encoding="UTF-8"?>
    <sbml xmlns="http://www.sbml.org/sbml/level2/version4" level="2" version="4"><model name="old">
    <listOfUnitDefinitions><unitDefinition id="time"><listOfUnits><unit kind="second" multiplier="60"/>
    </listOfUnits></unitDefinition></listOfUnitDefinitions>
    <listOfCompartments><compartment id="cell" size="1"/></listOfCompartments>
    <listOfSpecies><species id="A" compartment="cell" initialConcentration="2"/>
    <species id="B" compartment="cell" initialAmount="1"/></listOfSpecies>
    <listOfParameters><parameter id="n" value="2"/></listOfParameters>
    <listOfReactions><reaction id="r"><listOfReactants><speciesReference species="A"/></listOfReactants>
    <listOfProducts><speciesReference species="B"><stoichiometryMath>
    {math}</math>
    </stoichiometryMath></speciesReference></listOfProducts>
    <kineticLaw>{open}<apply><times/><ci>k</ci><ci>A</ci></apply></math>
    <listOfParameters><parameter id="k" value="3"/></listOfParameters></kineticLaw></reaction>
    </listOfReactions></model></sbml>
    """
)


def test_level_2_with_its_defaults(read, refused):
    twice = f"{MATH}<apply><times/><ci>n</ci><cn>2</cn></apply>"
    system = read(LEVEL_2.format(math=twice, open=MATH))
    assert (system.name, system.time_unit) == ("old", "min")
    assert dict(system.parameters) == {"n": 2.0, "r.k": 3.0}
    assert slopes(system) == {"A": -6.0, "B": 24.0}
    assert "stoichiometry of 'B' varies" in refused(LEVEL_2.format(math=f"{MATH}<ci>A</ci>", open=MATH))


# What is refused


TRIGGER = f'<trigger initialValue="true" persistent="true">{MATH}<true/></math></trigger>'
EVENT = f'<event id="pulse" useValuesFromTriggerTime="true">{TRIGGER}</event>'
LOSS = reaction("loss", "k*A", reactants=["A"])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (model(**DECAY, more=listed("Events", [EVENT])), "event 'pulse': not supported"),
        (
            model(**DECAY, rules=[f'<algebraicRule metaid="law1">{mathml("A - k")}</algebraicRule>']),
            "algebraic rule 'law1'",
        ),
        (
            model(
                compartments=[CELL.replace('constant="true"', 'constant="false"')],
                pools=[pool("A", 1)],
                rules=[rule("rate", "cell", "1")],
            ),
            "changing size of compartment 'cell'",
        ),
        (model(**DECAY, reactions=[LOSS.replace('fast="false"', 'fast="true"')]), "fast reaction 'loss'"),
        (model(**DECAY, reactions=[reaction("loss", "", reactants=["A"])]), "'loss' has no kinetic law"),
        (
            model(**DECAY, reactions=[reaction("r", "k*delay(A, 2)", reactants=["A"])]),
            "law of reaction 'r': the MathML operator 'delay' is not supported",
        ),
        (
            model(
                **DECAY,
                rules=[rule("assignment", "s", "time")],
                reactions=[
                    LOSS.replace('species="A" constant="true"', 'id="s" species="A" constant="false"')
                ],
            ),
            "varying stoichiometry of 'A' in reaction 'loss'",
        ),
        (
            model(**DECAY).replace(
                ' level="3"',
                ' xmlns:comp="http://www.sbml.org/sbml/level3/version1/comp/version1" comp:required="true" '
                'level="3"',
            ),
            "needs the SBML package http://www.sbml.org/sbml/level3/version1/comp/version1",
        ),
        (
            model(pools=[pool("A", 1)], numbers=[number("k")], reactions=[LOSS]),
            "parameter 'k': it has no value",
        ),
        (model(pools=[pool("A")], numbers=[number("k", 1)]), "species 'A': it has no value"),
        (model(pools=[pool("A", 1)], numbers=[number("k", "NaN")]), "parameter 'k': it has no value"),
        (model(pools=[pool("A", 1)], numbers=[number("k", "INF")]), "'k': its value must be a finite number"),
        (
            model(compartments=[CELL.replace('size="1"', "")], pools=[pool("A", 1)]),
            "compartment 'cell': it has no size",
        ),
        (
            model(compartments=[CELL.replace('size="1"', 'size="0"')], pools=[pool("A", 1)]),
            "compartment 'cell': its size must be a positive finite number, got 0.0",
        ),
        (
            model(
                **DECAY,
                first=[assignment("A", "ln(0 - k)")],
            ),
            "species 'A': its value must be a finite number, got nan",
        ),
        (model(pools=[pool("A", -1)]), "initial concentration of 'A' must be a non-negative"),
        (model(), "at least one species"),
        (
            model(
                pools=[pool("A", 1)],
                numbers=[number("x", constant="false"), number("y", constant="false")],
                rules=[rule("assignment", "x", "y + 1"), rule("assignment", "y", "x*A")],
            ),
            "",  # libsbml's consistency check finds the cycle first
        ),
        (model(**DECAY, reactions=[reaction("r", "k*Q", reactants=["A"])]), "Q"),
        (model(**DECAY, functions={"f": "lambda(x, f(x))"}), "f"),
        (model(pools=[pool("A", 1), pool("A", 2)]), "'A'"),
        (model(**DECAY).replace('<model id="m">', "").replace("</model>", ""), ""),
    ],
    ids=lambda text: None if "\n" in text else text[:40],
)
def test_what_is_not_supported_is_named(refused, text, wanted):
    assert wanted in refused(text)


def test_cycles_of_definitions_are_shown(tmp_path):
    """By the conversion itself: libsbml's checks have their own opinion of what is a cycle."""
    from grn.networks.io.sbml_model import system_of_document

    text = model(
        pools=[pool("A", 1)],
        numbers=[number("x", constant="false"), number("y", constant="false")],
        rules=[rule("assignment", "x", "y + 1"), rule("assignment", "y", "x*A")],
    )
    document = libsbml.readSBMLFromString(text)
    with pytest.raises(FormatError, match=r"definitions form a cycle: (x → y → x|y → x → y)"):
        system_of_document(document, tmp_path)


def test_the_line_of_what_is_refused_is_given(refused):
    text = model(**DECAY, reactions=[reaction("r", "k*delay(A, 2)", reactants=["A"])])
    line = next(k for k, row in enumerate(text.split("\n"), 1) if "kineticLaw" in row)
    assert f"model.xml:{line}: " in refused(text)


# Broken files


LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;">]>
<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1"><model id="&c;"/></sbml>"""


def nested(levels):
    inner = "<apply><sin/>" * levels + "<cn>1</cn>" + "</apply>" * levels
    return model(**DECAY, reactions=[LOSS]).replace("<ci> k </ci>", inner)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "the file is empty"),
        ("hello", "expected well-formed XML"),
        (b"\x89PNG\r\n\x1a\n", "expected UTF-8 text"),
        ("<html><body/></html>", "expected an SBML document, found the XML element <html>"),
        ("<sbml/>", "expected an SBML document"),
        ('<sbml xmlns="http://www.sbml.org/sbml/level9" level="9" version="1"/>', ""),
        (model(**DECAY)[:-20], "expected well-formed XML"),
        (LAUGHS, "model.xml:2: a document type declaration"),
        (model(**DECAY).replace('encoding="UTF-8"', 'encoding="ISO-8859-1"'), "declares 'ISO-8859-1'"),
        (nested(5000), f"nested more than {MOST_NESTED} deep"),
        (model(**DECAY).replace('value="0.5"', 'value="fast"'), ""),
        (model(**DECAY).replace('level="3"', 'level="three"'), ""),
        (
            '<sbml xmlns="http://www.sbml.org/sbml/level1" level="1" version="2"><model name="m">'
            '<listOfCompartments><compartment name="c"/></listOfCompartments></model></sbml>',
            "Level 1 is not supported",
        ),
    ],
    ids=lambda text: None if len(text) > 40 else str(text),
)
@pytest.mark.timeout(20)
def test_broken_files_raise_one_clear_error(refused, text, wanted, capfd):
    assert wanted in refused(text)
    assert capfd.readouterr() == ("", "")  # libsbml keeps silent


@pytest.mark.timeout(60)
def test_nesting_within_the_limit_is_read(read):
    system = read(nested(MOST_NESTED - 10))
    assert math.isfinite(slopes(system)["A"])


def test_every_cut_of_a_file_raises_a_format_error(tmp_path):
    text = model(**DECAY, reactions=[LOSS])
    path = tmp_path / "cut.xml"
    for length in range(0, len(text) - 1, 37):
        path.write_text(text[:length])
        with pytest.raises(FormatError):
            read_sbml(path)


def test_paths_that_are_no_files(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a directory"):
        read_sbml(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_sbml(tmp_path / "none.xml")


def test_without_libsbml_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "libsbml", None)
    with pytest.raises(ImportError, match=r'pip install "grn-pruning\[sbml\]"'):
        read_sbml(tmp_path / "model.xml")


# Writing


A, B = species("A"), species("B.1")
EVERYTHING = [
    2 * A - B / (1 + A) + A**B,
    hill(A, parameter("K"), 2.5) + hill(-A, 1, 2),
    apply(Op.SATURATE, A * B),
    apply(Op.POSITIVE_POWER, A - B, 1.5) + apply(Op.POSITIVE_POWER, A - B, 0),
    apply(Op.EXP, -A) + apply(Op.LOG, A) + apply(Op.SQRT, B),
    apply(Op.ABS, A - B) + apply(Op.FLOOR, A) + apply(Op.CEIL, B),
    apply(Op.SIN, A) + apply(Op.COS, A) + apply(Op.TAN, A),
    apply(Op.SINH, A) + apply(Op.COSH, A) + apply(Op.TANH, A),
    apply(Op.ARCSIN, A / 10) + apply(Op.ARCCOS, A / 10) + apply(Op.ARCTAN, A),
    apply(Op.MINIMUM, A, B) * apply(Op.MAXIMUM, A, B),
    apply(Op.LESS, A, B) + 2 * apply(Op.LESS_EQUAL, A, B) + apply(Op.EQUAL, A, A),
    apply(Op.AND, A, apply(Op.OR, apply(Op.LESS, A, B), 0.0)) + apply(Op.NOT, A),
    apply(Op.SELECT, apply(Op.LESS, A, B), A, apply(Op.SELECT, A - B, apply(Op.LESS, B, 1), 7.0)),
    apply(Op.SELECT, apply(Op.LESS, A, B), apply(Op.SELECT, apply(Op.LESS, A, 1), 1, 2), B),
    apply(Op.LESS, A, B),
    time_of_model() * A,
    constant(1.2345678901234567e-7) * A + constant(6.02214076e23),
    A / constant(math.inf) + apply(Op.EXP, constant(-math.inf)),
    parameter("rate of A (1/h)") * parameter("β") * parameter("1st"),
]


def everything():
    return ReactionSystem(
        initial={"A": 1.0, "B.1": 0.1},
        reactions=tuple(
            Reaction(name=f"step {k}", changes={"A": 1.0, "B.1": -0.5}, rate=rate)
            for k, rate in enumerate(EVERYTHING)
        ),
        parameters={"K": 0.3, "rate of A (1/h)": 0.1 + 0.2, "β": 1e-300, "1st": 1e300, "unused": -4.0},
        volumes={"B.1": 0.7},
        name="all <of> & it",
        time_unit="h",
    )


def assert_same(system, again, *, states=20, seed=0):
    assert again.species == system.species
    assert dict(again.parameters) == dict(system.parameters)
    assert dict(again.initial) == dict(system.initial)
    assert [r.name for r in again.reactions] == [r.name for r in system.reactions]
    np.testing.assert_array_equal(again.stoichiometry, system.stoichiometry)
    np.testing.assert_array_equal(again.volume_of, system.volume_of)
    generator = torch.Generator().manual_seed(seed)
    y = 5 * torch.rand(len(system.species), states, generator=generator, dtype=torch.float64)
    values = torch.tensor(list(system.parameters.values()), dtype=torch.float64)[:, None]
    for before, after in zip(
        *(s.rates(y, s.rates.prepare(values), 2.5) for s in (system, again)), strict=True
    ):
        torch.testing.assert_close(after, before, rtol=1e-12, atol=0.0)
    slope, slope_again = (RateEquations(s)(2.5, y) for s in (system, again))
    torch.testing.assert_close(slope_again, slope, rtol=1e-12, atol=0.0)


def test_every_operation_comes_back_with_the_same_value(tmp_path):
    path = tmp_path / "all.xml"
    write_sbml(everything(), path)
    again = read_sbml(path)
    assert_same(everything(), again)
    assert (again.name, again.time_unit) == ("all <of> & it", "h")
    assert [p.name for p in tmp_path.iterdir()] == ["all.xml"]


def test_what_is_written_is_valid_and_means_the_same_to_libsbml(tmp_path):
    path = tmp_path / "all.xml"
    write_sbml(everything(), path)
    document = libsbml.readSBMLFromFile(str(path))
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_UNITS_CONSISTENCY, False)
    document.checkConsistency()
    complaints = [document.getError(k) for k in range(document.getNumErrors())]
    assert [e.getMessage() for e in complaints if e.getSeverity() >= libsbml.LIBSBML_SEV_ERROR] == []
    law = document.getModel().getReaction(0).getKineticLaw().getMath()
    text = libsbml.formulaToL3String(law).replace("B_1", "B")
    assert eval(text.replace("^", "**"), {"A": 1.3, "B": 0.4}) == pytest.approx(
        2 * 1.3 - 0.4 / 2.3 + 1.3**0.4, rel=1e-15
    )


def test_gene_networks_come_back_as_their_reactions(tmp_path):
    gnw = Modules(
        modules=(
            Module(
                activators=(Regulator(source="lacI", threshold=0.2),),
                deactivators=(Regulator(source="cI-857", threshold=0.5, coefficient=3.3),),
                complex=True,
            ),
            Module(activators=(Regulator(source="tetR"),)),
        ),
        activations=(0.1, 1.0, 0.0, 0.6),
    )
    network = GeneNetwork(
        genes=(
            Gene(name="lacI", regulation=HillProduct(regulators=(Regulator(source="cI-857"),), basal=0.01)),
            Gene(name="tetR", regulation=gnw, initial_mrna=2.0),
            Gene(name="cI-857", mrna_decay=None, protein_decay=0.3),
        ),
        name="two promoters",
    )
    path = tmp_path / "genes.xml"
    write_sbml(network, path)
    assert_same(network.system, read_sbml(path))


def test_names_that_become_alike_stay_apart(tmp_path):
    names = ["a.b", "a b", "a_b", "time", "pi", "é", "ü", "hill", "compartment", "a_b_2"]
    system = ReactionSystem(
        initial=dict.fromkeys(names, 1.0),
        reactions=tuple(
            Reaction(name="a.b", changes={name: -1.0}, rate=hill(species(name), k + 1.0, 2))
            for k, name in enumerate(names)
        ),
        parameters={"cell": 1.0, "a&b": 2.0, "a<b": 3.0, 'a"b': 4.0},
    )
    path = tmp_path / "names.xml"
    write_sbml(system, path)
    assert_same(system, read_sbml(path))


def test_a_reaction_without_effect_keeps_none(tmp_path):
    system = ReactionSystem(
        initial={"A": 1.0}, reactions=(Reaction(name="idle", changes={}, rate=A),), parameters={}
    )
    write_sbml(system, tmp_path / "idle.xml")
    again = read_sbml(tmp_path / "idle.xml")
    assert dict(again.reactions[0].changes) == {}
    assert_same(system, again)


def deep(levels):
    rate = A
    for _ in range(levels):
        rate = apply(Op.SIN, rate)
    return rate


def doubled(times):
    rate = A
    for _ in range(times):
        rate = apply(Op.POWER, rate, rate)
    return rate


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        (species("A", delay=2.0), "reaction 'r' uses 'A' with a delay of 2"),
        (call(torch.cos, A, name="wave"), "reaction 'r' calls the function 'wave'"),
        (deep(1000), "reaction 'r' is too deep for a file"),
        (doubled(40), "reaction 'r' is too long for a file"),
    ],
    ids=["delay", "callable", "deep", "long"],
)
def test_what_cannot_be_written_is_refused_and_leaves_the_file_alone(tmp_path, rate, message):
    path = tmp_path / "kept.xml"
    path.write_text("before")
    system = ReactionSystem(
        initial={"A": 1.0}, reactions=(Reaction(name="r", changes={"A": 1}, rate=rate),), parameters={}
    )
    with pytest.raises(ValueError, match=message):
        write_sbml(system, path)
    assert path.read_text() == "before"


def test_only_models_are_written_and_only_names_that_xml_can_hold(tmp_path):
    with pytest.raises(TypeError, match="expected a ReactionSystem or a GeneNetwork to write, got dict"):
        write_sbml({}, tmp_path / "x.xml")
    odd = ReactionSystem(initial={"A\x07": 1.0}, reactions=(), parameters={})
    with pytest.raises(ValueError, match="a character that XML cannot"):
        write_sbml(odd, tmp_path / "x.xml")


def test_deepest_rate_that_is_written_is_read(tmp_path):
    path = tmp_path / "deep.xml"
    system = ReactionSystem(
        initial={"A": 1.0}, reactions=(Reaction(name="r", changes={"A": 1}, rate=deep(389)),), parameters={}
    )
    write_sbml(system, path)
    assert_same(system, read_sbml(path))


def test_names_given_twice_fall_back_to_ids(tmp_path):
    system = ReactionSystem(initial={"x.1": 1.0, "x.2": 2.0}, reactions=(), parameters={})
    path = tmp_path / "names.xml"
    write_sbml(system, path)
    assert read_sbml(path).species == ("x.1", "x.2")
    path.write_text(path.read_text().replace('"x.2"', '"x.1"'))
    assert read_sbml(path).species == ("x_1", "x_2")


def test_hundreds_of_reactions_come_back(tmp_path):
    names = [f"S{k}" for k in range(500)]
    system = ReactionSystem(
        initial=dict.fromkeys(names, 1.0),
        reactions=tuple(
            Reaction(
                name=f"r{k}",
                changes={a: -1, b: 1},
                rate=parameter("k") * species(a) * hill(species(b), 1, 2),
            )
            for k, (a, b) in enumerate(pairwise(names))
        ),
        parameters={"k": 1.0},
    )
    path = tmp_path / "large.xml"
    write_sbml(system, path)
    again = read_sbml(path)
    assert_same(system, again, states=2)
