import copy
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grn.networks import circuits
from grn.networks.network import Gene, Removal
from grn.networks.promoters import (
    Constitutive,
    Custom,
    ErlangDelay,
    HillProduct,
    HillSum,
    Module,
    Modules,
    Proportional,
    Regulator,
    Rule,
    ShiftedHill,
)
from grn.networks.records import FORMS, gene_from_record, gene_record
from grn.networks.signed import rule_of_signs

UP = Regulator(source="A", threshold=3.0, coefficient=4.0, delay=1.5)
DOWN = Regulator(source="B", activates=False, delay=ErlangDelay(mean=2.0, stages=5))
PROMOTERS = [
    Constitutive(),
    HillSum(regulators=(UP, DOWN), weights=(2.0, 1.0), basal=0.1),
    HillProduct(regulators=(DOWN,), basal=1e-3),
    Rule("A and not (B or C)", threshold=10, coefficient={"A": 1.0, "B": 2.0, "C": 3.0}, delay=0.25),
    Rule("form or mean", delay={"form": 1.0, "mean": ErlangDelay(mean=1.0)}),  # genes called like keys
    Rule("A", delay=ErlangDelay(mean=1.0, stages=2)),
    Rule(rule_of_signs(["gene 7", "and"], ["x|y"])),  # names that no rule's text can hold
    Modules(
        modules=(Module(activators=(UP,), deactivators=(DOWN,), complex=True), Module(activators=(DOWN,))),
        activations=(0.1, 1.0, 0.0, 0.5),
    ),
    ShiftedHill(regulators=(UP, DOWN), folds=(20.0, 0.05)),
    Proportional(source="A", delay=ErlangDelay(mean=0.5)),
]


def through_json(record):
    return json.loads(json.dumps(record, allow_nan=False))


@pytest.mark.parametrize("promoter", PROMOTERS, ids=lambda promoter: type(promoter).__name__)
def test_every_promoter_comes_back(promoter):
    gene = Gene(
        name="G",
        regulation=promoter,
        transcription=np.float64(3.5),
        mrna_decay=None,
        removals=(Removal(enzyme="B", rate=1.0, constant=0.5),),
    )
    record = gene_record(gene)
    assert through_json(record) == record  # plain already
    assert gene_from_record(through_json(record)) == gene


def test_every_form_is_tested():
    assert {type(promoter) for promoter in PROMOTERS} == set(FORMS.values())


@pytest.mark.parametrize("make", circuits.CIRCUITS.values(), ids=circuits.CIRCUITS)
def test_circuits_come_back(make):
    network = make()
    assert tuple(gene_from_record(through_json(gene_record(gene))) for gene in network) == network.genes


rates = st.floats(0, 1e300)


@given(rates, st.one_of(st.none(), st.floats(1e-300, 1e300)), rates, rates, rates)
def test_numbers_come_back_exactly(transcription, mrna_decay, translation, protein_decay, initial):
    gene = Gene(
        name="γ",
        transcription=transcription,
        mrna_decay=mrna_decay,
        translation=translation,
        protein_decay=protein_decay,
        initial_protein=initial,
    )
    assert gene_from_record(through_json(gene_record(gene))) == gene


def test_a_rule_is_text_where_text_can_hold_it():
    assert gene_record(Gene(name="G", regulation=PROMOTERS[3]))["regulation"]["rule"] == "A and not (B or C)"
    long = Rule(" or ".join(f"gene{k}" for k in range(700)))
    gene = Gene(name="G", regulation=long)
    assert gene_from_record(gene_record(gene)) == gene


def test_defaults_may_be_left_out():
    assert gene_from_record({"name": "A"}) == Gene(name="A")
    short = {"name": "A", "regulation": {"form": "HillSum", "regulators": [{"source": "A"}]}}
    assert gene_from_record(short) == Gene(name="A", regulation=HillSum(regulators=(Regulator(source="A"),)))


def test_functions_and_unknown_promoters_are_refused_by_name():
    custom = Custom(function=abs, sources=("A",))
    with pytest.raises(
        TypeError, match="promoter Custom of gene 'G' is a function, which a file cannot hold"
    ):
        gene_record(Gene(name="G", regulation=custom))

    class HillSum(type(Constitutive())):  # of a known name, but another class
        pass

    with pytest.raises(TypeError, match="promoter HillSum of gene 'G' is unknown: use one of Constitutive"):
        gene_record(Gene(name="G", regulation=HillSum()))


WHOLE = gene_record(Gene(name="G", regulation=PROMOTERS[1]))


@pytest.mark.parametrize(
    ("place", "value", "error", "message"),
    [
        ((), [], TypeError, r"gene: expected a record of Gene, got \[\]"),
        (("name",), 3, TypeError, "gene: name must be text, got 3"),
        (("nme",), "G", ValueError, "gene 'G': unknown key 'nme'; did you mean 'name'"),
        (("transcription",), "1", TypeError, "gene 'G': transcription must be a number, got '1'"),
        (("transcription",), True, TypeError, "transcription must be a number, got True"),
        (("transcription",), None, TypeError, "transcription must be a number, got None"),
        (("transcription",), -1, ValueError, "gene 'G': transcription of gene 'G' must be a non-negative"),
        (("transcription",), 10**400, ValueError, "must be a finite number, got one of 401 digits"),
        (("mrna_decay",), "no", TypeError, "mrna_decay must be a number, got 'no'"),
        (("removals",), {}, TypeError, "removals must be a list, got {}"),
        (("removals",), [{"enzyme": "B", "rate": 1}], ValueError, r"removals\[0\]: the key 'constant' is"),
        (("regulation",), "A", TypeError, "regulation: expected a record with a 'form'"),
        (("regulation",), {}, TypeError, "regulation: expected a record with a 'form'"),
        (("regulation",), {"form": "Custom"}, ValueError, "must be one of Constitutive, .* got 'Custom'"),
        (("regulation", "form"), "HillProduct", ValueError, "regulation: unknown key 'weights'"),
        (("regulation", "basal"), [], TypeError, r"regulation: basal must be a number, got \[\]"),
        (("regulation", "weights"), [1.0], ValueError, r"regulation: weights must be one a regulator \(2\)"),
        (("regulation", "regulators"), [], ValueError, "regulation: a promoter with regulation must have"),
        (("regulation", "regulators", 0, "activates"), 1, TypeError, r"regulators\[0\]: activates must be"),
        (("regulation", "regulators", 0, "threshold"), -1, ValueError, r"\[0\]: threshold of regulator 'A'"),
        (("regulation", "regulators", 1, "delay", "stages"), 2.5, TypeError, "stages must be a whole number"),
        (("regulation", "regulators", 1, "delay", "form"), "X", ValueError, "the form ErlangDelay, got 'X'"),
        (("regulation", "regulators", 1, "form"), "Gene", ValueError, "the form Regulator, got 'Gene'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(place, value, error, message):
    record = copy.deepcopy(WHOLE)
    if place:
        parent = record
        for key in place[:-1]:
            parent = parent[key]
        parent[place[-1]] = value
    else:
        record = value
    with pytest.raises(error, match=message):
        gene_from_record(record)


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        ("A and", ValueError, "regulation: rule: rule: position 6"),
        (3, TypeError, "rule must be text, or a list of steps, got 3"),
        ([], ValueError, "rule must come to one value, its steps leave 0"),
        ([["name", "A"]], TypeError, r"rule\[0\] must be a step \[op, name, number\]"),
        ([["xor", "", 2]], ValueError, r"rule\[0\] is no step of a rule"),
        ([["name", "", 0]], ValueError, r"rule\[0\] is no step of a rule"),
        ([["and", "", 1]], ValueError, r"rule\[0\] is no step of a rule"),
        ([["and", "", -3]], ValueError, r"rule\[0\] is no step of a rule"),
        ([["not", "", 0]], ValueError, r"rule\[0\] takes 1 operands, but there are 0 before it"),
        ([["name", "A", 0], ["name", "B", 0]], ValueError, "its steps leave 2"),
    ],
)
def test_malformed_rules_are_named(rule, error, message):
    with pytest.raises(error, match=message):
        gene_from_record({"name": "G", "regulation": {"form": "Rule", "rule": rule}})
