"""Boolean rules: the parser, the text it writes, and the multilinear extension against its definition."""

from __future__ import annotations

import itertools
import math
import pickle
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grn.networks.logic.diagram import MAX_DIAGRAM_NODES, Diagram, DiagramTooLargeError
from grn.networks.logic.rules import parse_rule
from grn.networks.logic.syntax import MAX_RULE_LENGTH, is_gene_name

NAMES = ("A", "B", "Gata1", "HLA-B", "nf.kB:p65")


def _grow(children):
    several = st.lists(children, min_size=2, max_size=4)
    return st.one_of(
        children.map(lambda text: f"not ({text})"),
        several.map(lambda texts: "(" + " and ".join(texts) + ")"),
        several.map(lambda texts: "(" + " or ".join(texts) + ")"),
    )


rules = st.recursive(st.sampled_from((*NAMES, "0", "1")), _grow, max_leaves=14).map(parse_rule)


def corners(rule):
    """Every setting of the variables with the rule's truth in it, by plain Python."""
    for setting in itertools.product((False, True), repeat=len(rule.variables)):
        values = dict(zip(rule.variables, setting, strict=True))
        source = rule.text("boolode")
        for position, name in enumerate(rule.variables):
            source = source.replace(name, f"v[{position}]") if not name.isidentifier() else source
        names = {name: value for name, value in values.items() if name.isidentifier()}
        yield values, bool(eval(source, {"v": setting}, names))


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("A and not B", "A & !B"),
        ("A AND NOT B", "A && ~B"),
        ("A or B and C", "A | (B & C)"),
        ("not A and B", "(!A) & B"),
        ("not (A or B)", "! ( A||B )"),
        ("(((A)))", "A"),
        ("A or (B or C)", "A or B or C"),
        ("True or FALSE", "1 | 0"),
        ("A\n\tor B", "A|B"),
        ("Or47a and notch", "Or47a & notch"),
    ],
)
def test_spellings_of_one_rule_are_equal(text, same):
    assert parse_rule(text) == parse_rule(same)
    assert hash(parse_rule(text)) == hash(parse_rule(same))


def test_different_rules_differ():
    assert parse_rule("A and B") != parse_rule("A or B")
    assert parse_rule("A") != parse_rule("B")
    assert parse_rule("1") != parse_rule("0")
    assert parse_rule("A and (B or C)") != parse_rule("A and B or C")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"position 1: expected a gene, 0, 1, 'not' or '\(', found an empty rule"),
        ("  \n ", r"position 1: .* found an empty rule"),
        ("A and and B", r"position 7: expected a gene, 0, 1, 'not' or '\(', found 'and'"),
        ("A B", r"position 3: expected 'and', 'or' or the end, found 'B'"),
        ("A not B", r"position 3: expected 'and', 'or' or the end, found 'not'"),
        ("A (B)", r"position 3: expected 'and', 'or' or the end, found '\('"),
        ("(A", r"position 3: expected 'and', 'or' or '\)' for the '\(' at position 1, found the end"),
        ("A or (B and (C)", r"position 16: .* '\(' at position 6, found the end"),
        ("A)", r"position 2: expected 'and', 'or' or the end, found '\)'"),
        ("(A]", r"position 3: expected 'and', 'or' or '\)', found ']'"),
        ("()", r"position 2: expected a gene.* found '\)'"),
        (")", r"position 1: expected a gene.* found '\)'"),
        ("A |", r"position 4: expected a gene.* found the end"),
        ("not", r"position 4: expected a gene.* found the end"),
        ("A & 2", r"position 5: expected a gene.* found the number '2'"),
        ("1e5", r"position 1: .* found the number '1e5'"),
        ("A &&& B", r"position 5: .* found '&'"),
        ("A- & B", r"position 2: .* found '-'"),
        ("A, B", r"position 2: .* found ','"),
        ("A = B", r"position 3: .* found '='"),
        ("A\0B", r"position 2: .* found '\\x00'"),
        ("A xor B", r"position 3: .* found 'xor'"),
    ],
)
def test_malformed_rules_are_refused_with_their_position(text, message):
    with pytest.raises(ValueError, match="rule of 'Sp8': " + message):
        parse_rule(text, gene="Sp8")


def test_a_rule_over_the_limit_is_refused_at_once():
    for text in ("A" * 10_000, "A or " * 4_000 + "A", "(" * 5_000 + "A" + ")" * 5_000):
        with pytest.raises(ValueError, match=rf"rule of 'Sp8' has {len(text)} characters, the limit is 8000"):
            parse_rule(text, gene="Sp8")
    assert parse_rule("A" * MAX_RULE_LENGTH).variables == ("A" * MAX_RULE_LENGTH,)


def test_a_rule_must_be_text():
    with pytest.raises(TypeError, match="rule of 'Sp8' must be a str, got float"):
        parse_rule(1.0, gene="Sp8")


@pytest.mark.parametrize(
    "text",
    [
        "(" * 3_999 + "A" + ")" * 3_999,
        "!" * 7_999 + "A",
        "!(" * 2_600 + "A" + ")" * 2_600,
        "(A|(B&" * 900 + "A" + "))" * 900,
        "(" * 999 + "A" + "|B)&A)" * 499 + "|B)",
    ],
)
def test_deep_nesting_needs_no_recursion(text):
    rule = parse_rule(text)
    assert parse_rule(rule.text("bnet")) == rule
    ones = dict.fromkeys(rule.variables, True)
    assert rule.multilinear(dict.fromkeys(rule.variables, 1.0)) == float(rule.evaluate(ones))
    assert set(rule.signs()) <= set(rule.variables)
    assert pickle.loads(pickle.dumps(rule)) == rule


def test_names_that_rules_can_hold():
    assert all(is_gene_name(name) for name in (*NAMES, "Or47a", "p53", "5HT", "_x", "NFκB", "inf", "e5"))
    refused = (
        "",
        "and",
        "NOT",
        "True",
        "0",
        "1.5",
        "1e5",
        "1E-5",
        "14-3-3",
        "A B",
        "-A",
        "A-",
        "A,B",
        "A\n",
        "(A)",
    )
    assert not any(is_gene_name(name) for name in refused)


@given(rules)
def test_both_dialects_round_trip_exactly(rule):
    for dialect in ("bnet", "boolode"):
        assert parse_rule(rule.text(dialect)) == rule


def test_text_has_the_fewest_parentheses():
    rule = parse_rule("((A and (not (B))) or (C and (D or (E)))) and not (not (F))")
    assert rule.text("bnet") == "(A & !B | C & (D | E)) & !!F"
    assert rule.text("boolode") == "(A and not B or C and (D or E)) and not not F"
    with pytest.raises(ValueError, match="dialect must be one of bnet, boolode, got 'sbml'"):
        rule.text("sbml")


def test_the_longest_rules_still_round_trip_in_symbols():
    rule = parse_rule("|".join(["a&b"] * 2_000))
    assert len(rule.text("bnet")) <= MAX_RULE_LENGTH
    assert parse_rule(rule.text("bnet")) == rule


@given(rules)
def test_evaluation_agrees_with_python(rule):
    table = list(corners(rule))
    for values, truth in table:
        assert rule.evaluate(values) is truth
    columns = {name: np.array([values[name] for values, _ in table]) for name in rule.variables}
    truths = np.array([truth for _, truth in table])
    np.testing.assert_array_equal(np.broadcast_to(rule.evaluate(columns), truths.shape), truths)


def test_evaluation_broadcasts_and_never_returns_the_callers_array():
    a, b = np.array([[True], [False]]), np.array([True, False, True])
    assert parse_rule("A and B").evaluate({"A": a, "B": b}).shape == (2, 3)
    copied = parse_rule("A").evaluate({"A": b})
    copied[:] = False
    assert b[0]


def test_evaluation_refuses_missing_and_numeric_values():
    with pytest.raises(ValueError, match="the rule 'A and B' needs a value for 'B'"):
        parse_rule("A and B").evaluate({"A": True})
    with pytest.raises(ValueError, match="the rule 'A and B' needs a value for 'A'"):
        parse_rule("A and B").multilinear({})
    with pytest.raises(TypeError, match="the value of 'A' must be Boolean, got float64"):
        parse_rule("A").evaluate({"A": np.ones(2)})


@given(rules)
def test_multilinear_equals_the_rule_at_every_corner(rule):
    for values, truth in corners(rule):
        assert rule.multilinear({name: float(value) for name, value in values.items()}) == float(truth)


@given(rules, st.data())
def test_multilinear_is_the_chance_of_independent_variables(rule, data):
    chances = {name: data.draw(st.floats(0.0, 1.0)) for name in rule.variables}
    expected = math.fsum(
        math.prod(chances[name] if on else 1.0 - chances[name] for name, on in values.items())
        for values, truth in corners(rule)
        if truth
    )
    # At most 14 leaves: some 30 roundings of values in [0, 1], each below 1.2e-16.
    assert rule.multilinear(chances) == pytest.approx(expected, abs=1e-14)
    assert Diagram(rule.steps, rule.variables).multilinear(chances) == pytest.approx(expected, abs=1e-14)


@given(rules, st.data())
def test_multilinear_is_affine_in_each_variable(rule, data):
    chances = {name: data.draw(st.floats(-2.0, 2.0)) for name in rule.variables}
    for name in rule.variables:
        at_zero, at_one, at_x = (
            rule.multilinear({**chances, name: value}) for value in (0.0, 1.0, chances[name])
        )
        # Outside [0, 1] intermediate products reach 3^14 = 5e6, of which 1e-16 is 5e-10.
        assert at_x == pytest.approx(at_zero + chances[name] * (at_one - at_zero), abs=1e-7)


def test_read_once_rule_has_the_closed_form_of_occupancy():
    q = dict(zip("ABCD", (0.3, 0.25, 0.5, 0.875), strict=True))
    expected = (1 - (1 - 0.3) * (1 - 0.25)) * ((1 - 0.5) * (1 - 0.875))
    assert parse_rule("(A or B) and not (C or D)").multilinear(q) == expected


def test_a_repressor_close_to_saturation_loses_no_digits():
    # Two complements in a row, 1 − (1 − q), would leave 0 of a q below 1e-16.
    assert parse_rule("not not A").multilinear({"A": 1e-30}) == 1e-30
    assert parse_rule("not (not A or not B)").multilinear({"A": 1e-30, "B": 0.5}) == 5e-31
    assert parse_rule("A and B or A and C").multilinear({"A": 1e-30, "B": 0.5, "C": 0.0}) == 5e-31


def test_multilinear_takes_tensors_and_has_their_gradient():
    a, b, c = (
        torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in ([0.2, 0.5], [0.3, 0.9], [0.6, 0.1])
    )
    rule = parse_rule("(A and B) or (not A and C)")
    value = rule.multilinear({"A": a, "B": b, "C": c})
    value.sum().backward()
    # one rounding of each product and sum
    torch.testing.assert_close(value, a * b + (1 - a) * c, rtol=1e-15, atol=0)
    torch.testing.assert_close(a.grad, (b - c).detach(), rtol=1e-15, atol=1e-16)


def test_five_hundred_regulators_cost_five_hundred_products():
    names = [f"g{i}" for i in range(500)]
    rule = parse_rule(f"({' or '.join(names[:250])}) and not ({' or '.join(names[250:])})")
    chances = {name: 1e-3 * (i % 7) for i, name in enumerate(names)}
    calls = 0

    class Counted(float):
        def __mul__(self, other):
            nonlocal calls
            calls += 1
            return Counted(float(self) * other)

        def __rsub__(self, other):
            nonlocal calls
            calls += 1
            return Counted(other - float(self))

    value = rule.multilinear({name: Counted(chance) for name, chance in chances.items()})
    off = [math.prod(1 - chances[name] for name in part) for part in (names[:250], names[250:])]
    assert value == pytest.approx((1 - off[0]) * off[1], rel=1e-13)  # 500 roundings of 1.1e-16
    assert calls < 2 * 500 + 10
    assert rule.signs() == {name: 1 if i < 250 else -1 for i, name in enumerate(names)}


def test_an_order_of_appearance_that_is_too_large_is_replaced():
    # All a, then all b: 2^16 nodes. Read from the right, each a stands beside its b.
    pairs = [f"a{i} & b{i}" for i in range(16)]
    rule = parse_rule(" & ".join(f"a{i}" for i in range(16)) + " | " + " | ".join(pairs))
    with pytest.raises(DiagramTooLargeError, match=f"more than {MAX_DIAGRAM_NODES} nodes"):
        Diagram(rule.steps, rule.variables)
    value = rule.multilinear(dict.fromkeys(rule.variables, 0.5))
    assert value == pytest.approx(1 - 0.75**16 + 0.5**32, abs=1e-15)  # 64 roundings, weighted by at most 1
    assert rule.signs() == dict.fromkeys(rule.variables, 1)


def test_a_rule_without_a_small_diagram_is_refused_in_seconds():
    rng = np.random.default_rng(0)
    clauses = (
        " & ".join(f"{'!' * rng.integers(2)}v{rng.integers(40)}" for _ in range(4)) for _ in range(250)
    )
    rule = parse_rule(" | ".join(f"({clause})" for clause in clauses))
    begin = time.perf_counter()
    for ask in (rule.signs, lambda: rule.multilinear(dict.fromkeys(rule.variables, 0.5))):
        with pytest.raises(
            ValueError, match=r"of 40 variables has a decision diagram of more than .*, the limit"
        ):
            ask()
    assert time.perf_counter() - begin < 20  # it takes half a second; a hang would take years


@given(rules)
@settings(max_examples=200)
def test_signs_agree_with_the_truth_table(rule):
    table = {tuple(values.values()): truth for values, truth in corners(rule)}
    expected = {}
    for position, name in enumerate(rule.variables):
        changes = {
            int(table[(*key[:position], True, *key[position + 1 :])]) - int(truth)
            for key, truth in table.items()
            if not key[position]
        } - {0}
        if changes:
            expected[name] = changes.pop() if len(changes) == 1 else 0
    assert rule.signs() == expected


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("1", {}),
        ("A or not A", {}),
        ("A and 0", {}),
        ("A and B or A and not B", {"A": 1}),
        ("not (A and not B)", {"A": -1, "B": 1}),
        ("A and not B or not A and B", {"A": 0, "B": 0}),
    ],
)
def test_signs_leave_out_what_has_no_influence(text, signs):
    assert parse_rule(text).signs() == signs
