"""MathML as formulas: every operator against its closed form, names, functions, limits."""

import math
from pathlib import Path

import pytest
import torch

from grn.networks.formula import parameter, species
from grn.networks.io.mathml import AVOGADRO, OWN_FUNCTIONS, Place, Translator
from grn.networks.io.text import FormatError
from grn.networks.program import Program

libsbml = pytest.importorskip("libsbml", reason="python-libsbml is not installed")

PLACE = Place(Path("model.xml"), 7, "reaction 'R'")
NAMES = {"A": species("A"), "k": parameter("k")}


def value(text, *, functions=None, A=0.7, k=2.0, time=3.0):
    math_ = [libsbml.parseL3Formula(f) for f in (functions or {}).values()]
    trees = dict(zip(functions or {}, math_, strict=True))
    tree = libsbml.parseL3Formula(text)
    assert tree is not None, libsbml.getLastParseL3Error()
    return number(Translator(trees).formula(tree, NAMES, PLACE), A=A, k=k, time=time)


def number(formula, *, A=0.7, k=2.0, time=3.0):
    program = Program([formula], species=["A"], parameters=["k"])
    fixed = program.prepare(torch.tensor([[k]], dtype=torch.float64))
    return float(program(torch.tensor([[A]], dtype=torch.float64), fixed, time))


def parsed(mathml):
    """The tree must outlive what holds it, so it is copied."""
    header = '<math xmlns="http://www.w3.org/1998/Math/MathML">'
    return libsbml.readMathMLFromString(f"{header}{mathml}</math>")


X = 0.7  # of A


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A + k + 1", X + 3),
        ("A - k", X - 2),
        ("-A", -X),
        ("A * k * 3", X * 6),
        ("A / k", X / 2),
        ("A ^ k", X**2),
        ("A ^ -k", X**-2),
        ("sqrt(A)", math.sqrt(X)),
        ("root(3, A)", X ** (1 / 3)),
        ("exp(A)", math.exp(X)),
        ("ln(A)", math.log(X)),
        ("log10(A)", math.log10(X)),
        ("log(k, A)", math.log2(X)),
        ("abs(-A)", X),
        ("floor(-A)", -1),
        ("ceil(A)", 1),
        ("sin(A)", math.sin(X)),
        ("cos(A)", math.cos(X)),
        ("tan(A)", math.tan(X)),
        ("sec(A)", 1 / math.cos(X)),
        ("csc(A)", 1 / math.sin(X)),
        ("cot(A)", 1 / math.tan(X)),
        ("sinh(A)", math.sinh(X)),
        ("cosh(A)", math.cosh(X)),
        ("tanh(A)", math.tanh(X)),
        ("sech(A)", 1 / math.cosh(X)),
        ("csch(A)", 1 / math.sinh(X)),
        ("coth(A)", 1 / math.tanh(X)),
        ("arcsin(A)", math.asin(X)),
        ("arccos(A)", math.acos(X)),
        ("arctan(A)", math.atan(X)),
        ("arcsec(k)", math.acos(1 / 2)),
        ("arccsc(k)", math.asin(1 / 2)),
        ("arccot(k)", math.atan(1 / 2)),
        ("min(A, k, 1)", X),
        ("max(A, k, 1)", 2),
        ("quotient(-7, k)", -3),
        ("rem(-7, k)", -1),
        ("time", 3),
        ("avogadro", AVOGADRO),
        ("pi", math.pi),
        ("exponentiale", math.e),
        ("true", 1),
        ("false", 0),
        ("infinity", math.inf),
        ("A < k", 1),
        ("A > k", 0),
        ("k <= 2", 1),
        ("k >= 3", 0),
        ("k == 2", 1),
        ("k != 2", 0),
        ("lt(A, 1, k)", 1),
        ("lt(A, 5, k)", 0),
        ("geq(3, k, 2, A)", 1),
        ("eq(k, 2, 3)", 0),
        ("A < k && k < 3 && true", 1),
        ("A > k || k > 3 || false", 0),
        ("!(A > k)", 1),
        ("xor(true, true, true)", 1),
        ("xor(true, A < k)", 0),
        ("implies(A < k, false)", 0),
        ("piecewise(1, A > k, 2, A > 0.5, 3)", 2),
        ("piecewise(1, A > k, 2, A > 5, 3)", 3),
        ("1.5e-3", 1.5e-3),
        ("6.02e23", 6.02e23),
        ("(1/3)", 1 / 3),
    ],
)
def test_every_operator_has_its_value(text, expected):
    assert value(text) == pytest.approx(expected, rel=1e-15, abs=1e-300)


def test_piecewise_without_otherwise_is_undefined_where_nothing_holds():
    assert value("piecewise(1, A < 1)") == 1
    assert math.isnan(value("piecewise(1, A < 0)"))


@pytest.mark.parametrize(
    ("mathml", "expected"),
    [
        ('<cn type="rational">1<sep/>3</cn>', 1 / 3),
        ('<cn type="e-notation">1.7<sep/>-5</cn>', 1.7e-5),
        ('<cn type="integer">-4</cn>', -4.0),
        ("<cn> 0.1 </cn>", 0.1),
        ("<apply><root/><cn>9</cn></apply>", 3.0),
        ("<apply><log/><cn>1000</cn></apply>", pytest.approx(3.0, rel=1e-15)),
        ("<apply><plus/></apply>", 0.0),
        ("<apply><times/></apply>", 1.0),
        ("<apply><and/></apply>", 1.0),
        ("<apply><or/></apply>", 0.0),
    ],
)
def test_numbers_and_defaults_as_mathml_writes_them(mathml, expected):
    assert number(Translator({}).formula(parsed(mathml), {}, PLACE)) == expected


def test_functions_are_inlined_within_one_another_and_their_arguments_hide_names():
    functions = {"square": "lambda(A, A^2)", "shifted": "lambda(k, square(k) + 1)"}
    assert value("shifted(A) * k", functions=functions) == pytest.approx((X**2 + 1) * 2, rel=1e-15)


def test_functions_see_their_arguments_alone():
    with pytest.raises(FormatError, match=r"model.xml:7: reaction 'R': it uses 'A', which is not defined"):
        value("f(k)", functions={"f": "lambda(x, A*x)"})


@pytest.mark.parametrize("op", OWN_FUNCTIONS, ids=lambda op: op.name.lower())
def test_our_own_functions_are_known_again(op):
    definition = OWN_FUNCTIONS[op][1]
    arguments = {1: "A", 2: "A, k", 3: "A, 1.5, k"}[libsbml.parseL3Formula(definition).getNumChildren() - 1]
    tree = libsbml.parseL3Formula(f"f({arguments})")
    made = Translator({"f": libsbml.parseL3Formula(definition)}).formula(tree, NAMES, PLACE)
    assert made.op is op
    # and the definition, with another name for an argument, computes the same
    first = definition.removeprefix("lambda(").split(",")[0]
    foreign = libsbml.parseL3Formula(definition)
    foreign.renameSIdRefs(first, "other")
    inlined = Translator({"f": foreign}).formula(tree, NAMES, PLACE)
    assert inlined.op is not op
    for A in (0.0, 0.4, 2.0, 30.0):
        assert number(inlined, A=A) == pytest.approx(number(made, A=A), rel=1e-14)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("B + 1", "it uses 'B', which is not defined"),
        ("f(A)", "it calls 'f', which is neither a function of MathML nor of the model"),
        ("delay(A, 1)", "'delay' is not supported"),
        ("arcsinh(A)", "'arcsinh' is not supported"),
        ("factorial(A)", "'factorial' is not supported"),
        ("rateOf(A)", "'rate_of' is not supported"),
        ("NaN", "the number NaN"),
    ],
)
def test_what_is_not_supported_is_named(text, message):
    with pytest.raises(FormatError, match=message) as caught:
        value(text)
    assert str(caught.value).startswith("model.xml:7: reaction 'R': ")


def test_wrong_numbers_of_arguments_are_named():
    with pytest.raises(FormatError, match="'sin' does not take 0 arguments"):
        Translator({}).formula(parsed("<apply><sin/></apply>"), {}, PLACE)
    with pytest.raises(FormatError, match="function 'f' takes 1 arguments, got 2"):
        value("f(A, k)", functions={"f": "lambda(x, x)"})


@pytest.mark.parametrize(
    "functions",
    [
        {"f0": "lambda(x, x + 1)", **{f"f{k}": f"lambda(x, f{k - 1}(f{k - 1}(x)))" for k in range(1, 41)}},
        {
            "f0": "lambda(x, x + x)",
            **{f"f{k}": f"lambda(x, f{k - 1}(x) + f{k - 1}(x))" for k in range(1, 41)},
        },
        {"f40": "lambda(x, f40(x))"},
    ],
    ids=["composed", "summed", "recursive"],
)
@pytest.mark.timeout(60)
def test_functions_that_explode_are_refused(functions):
    with pytest.raises(FormatError, match="more than 500000 operations"):
        value("f40(A)", functions=functions)
